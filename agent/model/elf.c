/* SPDX-License-Identifier: MIT */
/* Reading ELF; see elf.h. Both classes become one struct, so that everything is checked once. */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "model/elf.h"
#include "model/image_builder.h"

#define IDENT_BYTES    16u
#define HEADER_BYTES   52u /* of 32 bits */
#define HEADER64_BYTES 64u
#define SECTION_BYTES  40u
#define SEGMENTS_MAX   256u /* linkers make some three to twelve */

#define AGAIN ": the file is damaged, copy or build it again"

enum { CLASS_32 = 1, CLASS_64 = 2 };
enum { ORDER_LITTLE = 1, ORDER_BIG = 2 };
enum { ABI_LINUX = 3 };
enum { TYPE_OBJECT = 1, TYPE_PROGRAM = 2, TYPE_MOVABLE = 3, TYPE_CORE = 4 };
enum { MACHINE_X86 = 3, MACHINE_ARM = 40, MACHINE_RISCV = 243 };
enum { SEGMENT_LOAD = 1, SEGMENT_DYNAMIC = 2, SEGMENT_INTERPRETER = 3, SEGMENT_NOTE = 4 };
enum { SECTION_EMPTY = 8, SECTION_LOADED = 2 }; /* a type, a flag */
enum { NOTE_ABI = 1, NOTE_ABI_LINUX = 0 };

struct table {
	uint64_t offset;
	uint16_t entry_bytes;
	uint16_t count;
};

struct elf {
	const uint8_t *data;
	size_t length;
	bool is_64;
	uint16_t type;
	uint16_t machine;
	uint64_t entry;
	struct table segments; /* program headers */
	struct table sections;
	struct reasons *reasons;
};

struct segment {
	uint32_t type;
	uint64_t offset;
	uint64_t address; /* where it is stored, not where it runs */
	uint64_t length; /* in the file; what follows in memory are zeros that nobody stores */
	uint64_t memory;
};

static int reject(int r)
{
	return r < 0 ? r : IMAGE_REJECTED;
}

static uint64_t read_u64(const uint8_t *bytes)
{
	return read_u32(bytes) | (uint64_t)read_u32(bytes + 4) << 32;
}

/* ---- the header -------------------------------------------------------------------------- */

static void decode_header(struct elf *elf)
{
	const uint8_t *head = elf->data;
	/* The fields come in one order; those that hold addresses differ in size. */
	const uint8_t *tail = head + (elf->is_64 ? 52 : 40);
	elf->type = read_u16(head + 16);
	elf->machine = read_u16(head + 18);
	elf->entry = elf->is_64 ? read_u64(head + 24) : read_u32(head + 24);
	elf->segments = (struct table){
		.offset = elf->is_64 ? read_u64(head + 32) : read_u32(head + 28),
		.entry_bytes = read_u16(tail + 2),
		.count = read_u16(tail + 4),
	};
	elf->sections = (struct table){
		.offset = elf->is_64 ? read_u64(head + 40) : read_u32(head + 32),
		.entry_bytes = read_u16(tail + 6),
		.count = read_u16(tail + 8),
	};
}

static int refuse_cut(const struct elf *elf, const char *what)
{
	return reject(reasons_add(elf->reasons, REASON_IMAGE_TRUNCATED,
		"the ELF file ends (after %zu bytes) before %s does: it was cut short, copy or "
		"build it again",
		elf->length, what));
}

static int read_header(struct elf *elf)
{
	if (elf->length < IDENT_BYTES)
		return refuse_cut(elf, "its header");
	uint8_t class = elf->data[4], order = elf->data[5];
	if ((class != CLASS_32 && class != CLASS_64) ||
		(order != ORDER_LITTLE && order != ORDER_BIG))
		return reject(reasons_add(elf->reasons, REASON_IMAGE_INCONSISTENT,
			"the header of the ELF file makes no sense (class %u, byte order %u)" AGAIN,
			class, order));
	if (order == ORDER_BIG)
		return reject(reasons_add(elf->reasons, REASON_IMAGE_FORMAT,
			"the ELF file is for a big-endian machine, and no board that plugflash "
			"knows is one: use the image that was built for this board"));
	elf->is_64 = class == CLASS_64;
	if (elf->length < (elf->is_64 ? HEADER64_BYTES : HEADER_BYTES))
		return refuse_cut(elf, "its header");
	decode_header(elf);
	return 0;
}

static bool lies_inside(const struct elf *elf, uint64_t offset, uint64_t length)
{
	return offset <= elf->length && length <= elf->length - offset;
}

static bool table_lies_inside(const struct elf *elf, const struct table *table)
{
	return lies_inside(elf, table->offset, (uint64_t)table->entry_bytes * table->count);
}

static int check_type(const struct elf *elf)
{
	if (elf->type == TYPE_PROGRAM || elf->type == TYPE_MOVABLE)
		return 0;
	const char *what = elf->type == TYPE_OBJECT ? "an object file, which was not linked yet"
			   : elf->type == TYPE_CORE ? "what is left of a program that crashed"
						    : "no program";
	return reject(reasons_add(elf->reasons, REASON_IMAGE_FORMAT,
		"the ELF file is %s: offer what the build makes last, the .elf beside its .bin",
		what));
}

static int check_tables(const struct elf *elf)
{
	const struct table *segments = &elf->segments;
	unsigned expected = elf->is_64 ? 56 : 32;
	if (segments->count > 0 && segments->entry_bytes != expected)
		return reject(reasons_add(elf->reasons, REASON_IMAGE_INCONSISTENT,
			"the program headers of the ELF file are %u bytes each, where %u "
			"belong" AGAIN,
			segments->entry_bytes, expected));
	if (segments->count > SEGMENTS_MAX)
		return reject(reasons_add(elf->reasons, REASON_IMAGE_INCONSISTENT,
			"the ELF file claims %u program headers, where %u are plenty" AGAIN,
			segments->count, SEGMENTS_MAX));
	if (!table_lies_inside(elf, segments))
		return refuse_cut(elf, "the table of its program headers");
	/* Nobody needs it here, but it stands at the end: a file that lacks it was cut. */
	if (elf->sections.offset > 0 && !table_lies_inside(elf, &elf->sections))
		return refuse_cut(elf, "the table of its sections");
	return 0;
}

/* ---- segments ---------------------------------------------------------------------------- */

static struct segment segment_at(const struct elf *elf, uint16_t index)
{
	const uint8_t *bytes =
		elf->data + elf->segments.offset + (size_t)index * elf->segments.entry_bytes;
	if (elf->is_64)
		return (struct segment){
			.type = read_u32(bytes),
			.offset = read_u64(bytes + 8),
			.address = read_u64(bytes + 24),
			.length = read_u64(bytes + 32),
			.memory = read_u64(bytes + 40),
		};
	return (struct segment){
		.type = read_u32(bytes),
		.offset = read_u32(bytes + 4),
		.address = read_u32(bytes + 12),
		.length = read_u32(bytes + 16),
		.memory = read_u32(bytes + 20),
	};
}

static int check_segments(const struct elf *elf)
{
	bool is_loaded = false;
	for (uint16_t i = 0; i < elf->segments.count; i++) {
		struct segment segment = segment_at(elf, i);
		if (segment.length > 0 && !lies_inside(elf, segment.offset, segment.length))
			return refuse_cut(elf, "one of its segments");
		if (segment.type != SEGMENT_LOAD)
			continue;
		if (segment.length > segment.memory)
			return reject(reasons_add(elf->reasons, REASON_IMAGE_INCONSISTENT,
				"segment %u of the ELF file (counted from 0) is larger in the file "
				"than in memory" AGAIN,
				i));
		is_loaded = is_loaded || segment.length > 0;
	}
	if (is_loaded)
		return 0;
	return reject(reasons_add(elf->reasons, REASON_IMAGE_FORMAT,
		"the ELF file holds no code, only what a debugger wants to know: offer the .elf "
		"that the build made first, or its .bin"));
}

/* ---- programs for Linux ------------------------------------------------------------------ */

/* What wraps is more than there is. */
static size_t padded(uint32_t length)
{
	return length > UINT32_MAX - 3 ? SIZE_MAX : ((size_t)length + 3) & ~(size_t)3;
}

/* The C library leaves a note in what is linked to it, also when all of it is inside. */
static bool is_linux_note(const struct elf *elf, const struct segment *segment)
{
	struct cursor cursor = cursor_over(elf->data + segment->offset, (size_t)segment->length);
	while (cursor_left(&cursor) > 0) {
		uint32_t name_length = cursor_u32(&cursor);
		uint32_t length = cursor_u32(&cursor);
		uint32_t type = cursor_u32(&cursor);
		const uint8_t *name = cursor_take(&cursor, padded(name_length));
		const uint8_t *content = cursor_take(&cursor, padded(length));
		if (content && name_length == 4 && memcmp(name, "GNU", 4) == 0 &&
			type == NOTE_ABI && length >= 4)
			return read_u32(content) == NOTE_ABI_LINUX;
	}
	return false;
}

/*
 * No chip that we know has 64 bits, and firmware is linked to where it lies, by itself. What proves
 * neither way counts as firmware: then it is the fitness that refuses it, as nothing that runs
 * under Linux is linked to where a board has its flash.
 */
static bool is_linux_program(const struct elf *elf)
{
	if (elf->is_64 || elf->machine == MACHINE_X86 || elf->type == TYPE_MOVABLE ||
		elf->data[7] == ABI_LINUX)
		return true;
	for (uint16_t i = 0; i < elf->segments.count; i++) {
		struct segment segment = segment_at(elf, i);
		if (segment.length == 0)
			continue;
		if (segment.type == SEGMENT_INTERPRETER || segment.type == SEGMENT_DYNAMIC ||
			(segment.type == SEGMENT_NOTE && is_linux_note(elf, &segment)))
			return true;
	}
	return false;
}

static int take_linux_program(const struct elf *elf, struct image **ret)
{
	if (elf->entry == 0)
		return reject(reasons_add(elf->reasons, REASON_IMAGE_FORMAT,
			"the ELF file is a library for Linux, which starts nowhere: offer the "
			"program itself"));
	int r = image_from_raw(FORMAT_ELF, elf->data, elf->length, elf->reasons, ret);
	if (r == 0)
		(*ret)->is_linux_program = true;
	return r;
}

/* ---- firmware ---------------------------------------------------------------------------- */

static int check_machine(const struct elf *elf)
{
	static const struct {
		uint16_t machine;
		const char *name;
	} others[] = { { 8, "MIPS" }, { 20, "PowerPC" }, { 83, "AVR" }, { 94, "Xtensa (ESP32)" },
		{ 105, "MSP430" }, { 144, "PRU" } };
	if (elf->machine == MACHINE_ARM || elf->machine == MACHINE_RISCV)
		return 0;
	const char *name = "unknown";
	for (size_t i = 0; i < ELEMENTSOF(others); i++)
		if (others[i].machine == elf->machine)
			name = others[i].name;
	return reject(reasons_add(elf->reasons, REASON_IMAGE_FORMAT,
		"the ELF file is for another processor (machine %u, %s), and the boards that "
		"plugflash knows are ARM or RISC-V: use the image that was built for this board",
		elf->machine, name));
}

/* Where, in the file, the first section begins that is loaded with this segment; 0: none is. */
static uint64_t first_section(const struct elf *elf, const struct segment *segment)
{
	uint64_t first = 0, end = segment->offset + segment->length;
	if (elf->sections.offset == 0 || elf->sections.entry_bytes != SECTION_BYTES)
		return 0;
	for (uint16_t i = 0; i < elf->sections.count; i++) {
		const uint8_t *bytes = elf->data + elf->sections.offset + (size_t)i * SECTION_BYTES;
		uint32_t type = read_u32(bytes + 4), flags = read_u32(bytes + 8);
		uint32_t offset = read_u32(bytes + 16), length = read_u32(bytes + 20);
		bool is_stored = flags & SECTION_LOADED && type != SECTION_EMPTY && length > 0;
		if (is_stored && offset >= segment->offset && offset < end &&
			(first == 0 || offset < first))
			first = offset;
	}
	return first >= HEADER_BYTES ? first : 0;
}

/*
 * Linkers with large pages let a segment begin with the file's own header when the code does not
 * begin on a page. It is no part of the firmware, and on the board it would overwrite a boot
 * loader: what the sections say is taken then, as objcopy does.
 */
static bool leave_header_out(const struct elf *elf, struct segment *segment)
{
	uint64_t first = first_section(elf, segment);
	if (first == 0)
		return false;
	segment->address += first - segment->offset;
	segment->length -= first - segment->offset;
	segment->offset = first;
	return true;
}

static int take_segment(
	const struct elf *elf, struct segment *segment, struct image_builder *builder)
{
	if (segment->length > UINT32_MAX - segment->address)
		return reject(reasons_add(elf->reasons, REASON_IMAGE_INCONSISTENT,
			"the ELF file puts %" PRIu64 " bytes at 0x%08" PRIx64
			", past the end of the address space" AGAIN,
			segment->length, segment->address));
	if (segment->offset < HEADER_BYTES && !leave_header_out(elf, segment))
		return reject(reasons_add(elf->reasons, REASON_IMAGE_INCONSISTENT,
			"the ELF file would put its own header into the flash, at 0x%08" PRIx64
			", in front of the code: link it with -Wl,-n, or use the .bin, .hex or "
			".uf2 of the same build",
			segment->address));
	return image_builder_add(builder, (uint32_t)segment->address, elf->data + segment->offset,
		(size_t)segment->length);
}

static int take_firmware(const struct elf *elf, struct image **ret)
{
	_cleanup_(image_builder_done) struct image_builder builder = {
		.format = FORMAT_ELF,
		.name = "ELF file",
	};
	int r = check_machine(elf);
	for (uint16_t i = 0; r == 0 && i < elf->segments.count; i++) {
		struct segment segment = segment_at(elf, i);
		if (segment.type == SEGMENT_LOAD && segment.length > 0)
			r = take_segment(elf, &segment, &builder);
	}
	return r == 0 ? image_builder_finish(&builder, elf->reasons, ret) : r;
}

bool elf_is_meant(const uint8_t *data, size_t length)
{
	return length >= 4 && memcmp(data, "\177ELF", 4) == 0;
}

int elf_parse(const uint8_t *data, size_t length, struct reasons *reasons, struct image **ret)
{
	struct elf elf = { .data = data, .length = length, .reasons = reasons };
	int r = read_header(&elf);
	if (r == 0)
		r = check_type(&elf);
	if (r == 0)
		r = check_tables(&elf);
	if (r == 0)
		r = check_segments(&elf);
	if (r != 0)
		return r;
	return is_linux_program(&elf) ? take_linux_program(&elf, ret) : take_firmware(&elf, ret);
}
