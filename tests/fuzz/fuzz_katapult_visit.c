/* SPDX-License-Identifier: MIT */
/*
 * The whole visit to a hostile board in Katapult, over USB or a line, in virtual time. Six bytes
 * say which board it is, what it holds, and what the host is to do; then come faults of five bytes
 * each, which say for which commands they are; what is left is noise, and the name of an MCU that
 * nobody knows.
 *
 * There must be no crash and an end, nothing may be read or written where the application is not,
 * and "written" must be true of every board that has never lied about what it holds. What is said
 * of a board that was left behind must be true as long as it did what it said.
 */
#include <errno.h>
#include <string.h>

#include "backend/backend.h"
#include "backend/katapult_family.h"
#include "base/bytes.h"
#include "base/text.h"
#include "fuzz/katapult_hostile.h"
#include "model/link_address.h"
#include "model/wire.h"
#include "unit/make_arm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEADER_BYTES  6u
#define FAULT_BYTES   5u
#define PROGRAM_BYTES 0x1000u
#define IMAGE_MOST    17000u
#define HOLE_START    0x90u
#define HOLE_END      0x110u
#define OPEN_MSEC     60000

static uint8_t before[WINDOW_BYTES], wanted[WINDOW_BYTES];
static uint32_t image_length;

/* ---- making a board ---------------------------------------------------------------------- */

struct kind {
	const char *mcu;
	uint32_t start;
};

static const struct kind kinds[] = {
	{ "stm32g0b1xx", 0x08002000 },
	{ "stm32f072xb", 0x08002000 },
	{ "rp2040", 0x10004000 },
	{ "lpc1769", 0x4000 },
	{ "stm32f446xx", 0x08008000 },
	{ "stm32h723xx", 0x08020000 },
	{ "stm32f103xe", 0x08002000 },
	{ "rp2350", 0x10004000 },
	{ "stm32f042x6", 0x08002000 },
	{ "stm32l412xx", 0x08002000 },
	{ "stm32h750xx", 0x08020000 },
	{ "lpc1768", 0x10000 },
	{ "linux", 0x08002000 },
	{ "toaster", 0x08002000 },
	{ NULL, 0x08002000 },
};

static uint32_t start_of(const struct kind *kind, uint8_t choice)
{
	uint32_t base = kind->start & 0xff000000u;
	const uint32_t odd[] = { 0, base, base + 4, base + 0x8040, base + 0x10000, base + 0x7e000,
		base + 0x1000, base + 0x20000, base + 0x800, UINT32_MAX, UINT32_MAX - 0x7ff };
	return choice < ELEMENTSOF(odd) ? odd[choice] : kind->start;
}

static uint32_t block_of(uint8_t choice)
{
	static const uint32_t odd[] = { 4, 32, 128, 256, 512, 0, 96, 1024 };
	return choice < ELEMENTSOF(odd) ? odd[choice] : 64;
}

static size_t put_text(size_t at, const char *text)
{
	size_t length = strlen(text);
	memcpy(board.connect + at, text, length);
	return at + (length + 3) / 4 * 4;
}

static void make_connect(const struct kind *kind, uint8_t layout, uint8_t version)
{
	char name[40] = "";
	if (!kind->mcu)
		for (size_t i = 0; i < sizeof(name) - 1; i++)
			name[i] = (char)next_byte();
	board.connect[0] = KATAPULT_CONNECT;
	write_u32(board.connect + 4, version & 1 ? 0x00010000 : 0x00010100);
	write_u32(board.connect + 8, start_of(kind, layout & 15));
	write_u32(board.connect + 12, block_of(layout >> 4));
	board.connect_length = put_text(16, kind->mcu ? kind->mcu : name);
	if (version & 1)
		return;
	board.connect_length = put_text(board.connect_length + 4,
		version & 2 ? ""
			    : "v0.0.1-110-gb0bf421-and-a-tail-that-is-longer-than-any-host-keeps");
}

static void patch_connect(void)
{
	for (unsigned i = 0; i < board.fault_count; i++) {
		const struct fault *fault = &board.faults[i];
		if (fault->what == WHAT_PATCH)
			board.connect[fault->skip % sizeof(board.connect)] = fault->argument;
		if (fault->what == WHAT_CUT)
			board.connect_length = 4u * (fault->argument % 41u);
	}
}

static void take_faults(unsigned count)
{
	for (unsigned i = 0; i < count && board.length >= FAULT_BYTES; i++) {
		uint8_t what = next_byte(), how = next_byte(), skip = next_byte();
		uint8_t times = next_byte(), argument = next_byte();
		board.faults[board.fault_count++] =
			(struct fault){ what % _WHAT_MAX, how % _HOW_MAX, skip, times, argument };
	}
}

/* Programs are made once, since packing a dictionary takes longer than a visit. */
static const uint8_t *klipper(void)
{
	static uint8_t *bytes;
	const struct made_arm made = {
		.base = ARM_8K,
		.length = PROGRAM_BYTES,
		.reset = 0xa00,
		.signs = ARM_KLIPPER_SIGNS,
		.json = "{\"app\":\"Klipper\",\"build_versions\":\"gcc\",\"commands\":{},\"config\":{"
			"\"MCU\":\"stm32g0b1xx\"},\"version\":\"v0.13.0-1-g0a1b2c3d\"}",
	};
	if (!bytes)
		bytes = make_arm(&made);
	return bytes;
}

static void make_image(uint8_t choice, bool has_hole)
{
	static const uint32_t lengths[] = { 1000, 40, 256, 2049, 600, 4100, 6200, IMAGE_MOST };
	image_length = lengths[choice];
	if (board.block < 32 && image_length > 1000)
		image_length = 1000;
	memset(wanted, 0xff, sizeof(wanted));
	for (uint32_t i = 0; i < image_length; i++)
		wanted[i] = (uint8_t)(i * 7 + i / 256);
	write_u32(wanted, ARM_STACK);
	write_u32(wanted + 4, board.start + 0x21);
	if (has_hole && image_length > HOLE_END)
		memset(wanted + HOLE_START, 0xff, HOLE_END - HOLE_START);
}

static void fill_memory(enum content content)
{
	/* Who lies about the size of its blocks has nothing to say. */
	bool is_short = board.block < 32;
	uint32_t bytes = is_short ? 600 : 1500;
	board.is_endless = content == HOLDS_NOISE_WITHOUT_END && board.block >= 256;
	memset(memory, board.is_endless ? 0x3c : 0xff, sizeof(memory));
	if (content == HOLDS_NOISE || content == HOLDS_POISON)
		memset(memory, 0x3c, bytes);
	if (content == HOLDS_POISON)
		write_u32(memory, 0);
	if (content == HOLDS_KLIPPER)
		memcpy(memory, klipper(), is_short ? 600 : PROGRAM_BYTES);
	if (content >= HOLDS_IMAGE && content <= HOLDS_IMAGE_BUT_HEAD)
		memcpy(memory, wanted, sizeof(memory));
	if (content == HOLDS_MOST_OF_IMAGE)
		memory[image_length - 1] ^= 0x55;
	if (content == HOLDS_IMAGE_BUT_HEAD)
		memory[8] ^= 0x55;
	memcpy(before, memory, sizeof(memory));
}

/* ---- the visit --------------------------------------------------------------------------- */

static void check_failure(int r, const struct backend_failure *failure)
{
	must(r < 0 && failure->code != REASON_NONE);
	must(failure->code != REASON_INTERNAL || r == -ENOMEM);
	must(failure->code != REASON_BOARD_LEFT || board.has_left || board.now_msec == 0);
	must(failure->sentence[0] && text_is_plain(failure->sentence));
	must(strlen(failure->sentence) < sizeof(failure->sentence) - 1);
}

static void check_wire(const struct wire_message *message)
{
	struct wire_message again;
	_cleanup_(buffer_done) struct buffer first = { 0 }, second = { 0 };
	wire_encode(message, &first);
	must(!first.failed && wire_decode(first.data, first.length, &again) == 0);
	wire_encode(&again, &second);
	must(first.length == second.length && memcmp(first.data, second.data, first.length) == 0);
}

static int on_progress(
	void *context, enum job_phase phase, uint64_t done_bytes, uint64_t total_bytes)
{
	(void)context;
	must(phase < _PHASE_MAX && done_bytes <= total_bytes);
	must(board.now_msec - board.sign_msec < SILENCE_MSEC);
	board.sign_msec = board.now_msec;
	return next_fault(WHAT_PROGRESS).how != HOW_WELL ? -ECANCELED : 0;
}

static void on_keep(
	void *context, enum keepsake kind, uint32_t address, const uint8_t *bytes, size_t length)
{
	(void)context;
	must(kind == KEEP_FIRMWARE && address == board.start && length > 0);
	must(length <= board.end - board.start);
	if (board.has_lied)
		return;
	size_t here = length < WINDOW_BYTES ? length : WINDOW_BYTES;
	must(memcmp(bytes, before, here) == 0);
	must(length == here || is_all(board.is_endless ? 0x3c : 0xff, bytes + here, length - here));
}

static bool would_start(void)
{
	uint32_t first = read_u32(memory);
	return first != 0 && first != UINT32_MAX;
}

static bool is_as_before(void)
{
	return memcmp(memory, before, sizeof(memory)) == 0;
}

/* Behind the last unit that the image touches. */
static uint32_t touched_bytes(void)
{
	uint32_t start, bytes;
	katapult_unit(board.chip, board.start + image_length - 1, &start, &bytes);
	uint32_t end = start + bytes - board.start;
	return end < WINDOW_BYTES ? end : WINDOW_BYTES;
}

static void check_written(const struct job_tally *tally)
{
	uint32_t touched = touched_bytes();
	must(memcmp(memory + touched, before + touched, WINDOW_BYTES - touched) == 0);
	must(tally->units_erased > 0 || tally->bytes_written > 0 || is_as_before());
	must(board.has_lied || memcmp(memory, wanted, image_length) == 0);
}

/* As long as it did what it said, what is said of it is true. */
static void check_not_written(const struct backend_failure *failure)
{
	must(board.sends > 0 || is_as_before());
	/* The name of a chip that nobody knows may be any words. */
	if (board.has_lied || board.is_faulty || board.end == 0)
		return;
	bool is_whole = memcmp(memory, wanted, image_length) == 0;
	must(!strstr(failure->sentence, "not changed") || is_as_before());
	must(!strstr(failure->sentence, "stays in charge") || !would_start() || is_whole);
}

/* A board without a fault, and an image that it has room for. */
static bool is_calm(uint32_t image_start)
{
	return board.fault_count == 0 && board.end > 0 && image_start == board.start &&
	       image_length <= board.end - board.start && !board.refuses_occupied &&
	       !board.is_klipper;
}

static int write_image(
	const struct backend *backend, struct backend_session *session, bool force, uint32_t start)
{
	bool has_hole = image_length > HOLE_END && is_all(0xff, wanted + HOLE_START, 16);
	struct image_segment segments[] = {
		{ start, has_hole ? HOLE_START : image_length, wanted },
		{ start + HOLE_END, image_length - HOLE_END, wanted + HOLE_END },
	};
	const struct image image = {
		.has_address = true,
		.segments = segments,
		.segment_count = has_hole ? 2 : 1,
		.byte_count = image_length - (has_hole ? HOLE_END - HOLE_START : 0),
	};
	const struct backend_write write = { .image = &image, .force = force };
	struct backend_failure failure = { 0 };
	struct wire_message message = { .type = WIRE_OUTCOME };
	struct wire_outcome *outcome = &message.outcome;
	board.is_writing = true;
	int r = backend->write(session, &write, &outcome->tally, &failure);
	board.is_writing = false;
	must(r <= 0 && (r == 0 || !is_calm(start)));
	if (r == 0) {
		must(board.end > 0 && start == board.start);
		check_written(&outcome->tally);
	} else {
		check_failure(r, &failure);
		check_not_written(&failure);
	}
	outcome->outcome = r < 0 ? OUTCOME_FAILED : OUTCOME_FLASHED;
	outcome->reason = failure.code;
	outcome->verification = r < 0 ? VERIFY_NONE : VERIFY_READBACK;
	check_wire(&message);
	return r;
}

static void check_facts(const struct board_facts *facts)
{
	check_wire(&(struct wire_message){ .type = WIRE_EVIDENCE, .evidence = *facts });
	must(facts->chip == board.chip && facts->application_start == board.start);
	if (board.end == 0)
		must(facts->content == CONTENT_UNKNOWN);
	else if (!board.has_lied)
		must((facts->content == CONTENT_BOOTABLE) == would_start());
}

/* What was half written is not started, and what is not there is not, either. */
static void restart(const struct backend *backend, struct backend_session *session, int written)
{
	struct backend_failure failure = { 0 };
	int r = backend->restart(session, &failure);
	if (r < 0)
		check_failure(r, &failure);
	must(r == 0 || board.fault_count > 0 || board.completes == 0);
	if (r == 0)
		must(board.is_line ? board.completes > 0 || board.talk_length > 0 : board.has_left);
	if (board.completes == 0 || board.has_lied || board.is_faulty)
		return;
	must(would_start() && (written == 0 || is_as_before()));
}

static void go_on(const struct backend *backend, struct backend_session *session, uint8_t flags,
	uint32_t image_start)
{
	struct backend_failure failure = { 0 };
	struct board_facts facts;
	board.sign_msec = board.now_msec;
	int r = backend->probe(session, &facts, &failure);
	if (r < 0)
		return check_failure(r, &failure);
	check_facts(&facts);
	if (flags & 8) {
		r = write_image(backend, session, flags & 2, image_start);
		/* The run of a job ends here; and if it did not, nothing bad would come of it. */
		must(board.completes == 0);
	}
	board.sign_msec = board.now_msec;
	if (flags & 4)
		restart(backend, session, flags & 8 ? r : -EALREADY);
}

static void visit(uint8_t flags, const char *syspath, uint32_t image_start)
{
	const struct backend *backend = backend_for_mode(MODE_KATAPULT);
	const struct backend_watch watch = { .on_progress = on_progress, .on_keep = on_keep };
	struct board_address address = { .usb.syspath = syspath };
	if (board.is_line)
		address = (struct board_address){ .tty = "/dev/ttyAMA0", .baud = 250000 };
	struct backend_session *session = NULL;
	struct backend_failure failure = { 0 };
	int r = backend->open(&address, &watch, &session, &failure);
	must(board.now_msec < OPEN_MSEC && board.sends == 0 && board.completes == 0);
	if (r < 0)
		return check_failure(r, &failure);
	go_on(backend, session, flags, image_start);
	unsigned frames = board.frames;
	must(!backend->close(session) && board.frames == frames);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < HEADER_BYTES)
		return 0;
	memset(&board, 0, offsetof(struct serial, out));
	board.data = data + HEADER_BYTES;
	board.length = size - HEADER_BYTES;
	uint8_t flags = data[3], extra = data[4];
	const struct kind *kind = &kinds[data[0] % ELEMENTSOF(kinds)];
	board.piece = data[5] < 250 ? 64u + data[5] : data[5] - 249u;
	board.is_line = flags & 1;
	board.has_half_pages = flags & 16;
	board.is_klipper = board.is_line && flags & 32 && flags & 64;
	take_faults(extra & 7);
	make_connect(kind, data[1], extra >> 3);
	patch_connect();
	board_understand_connect();
	board.refuses_occupied = flags & 32 && katapult_family(board.chip) &&
				 katapult_family(board.chip)->may_refuse_occupied;
	make_image(data[2] >> 3 & 7, extra & 0x80);
	fill_memory(data[2] % _HOLDS_MAX);
	visit(flags, data[2] & 0x40 ? "/" : "/sys/devices/fuzz",
		data[2] & 0x80 ? board.start + 0x40 : board.start);
	return 0;
}
