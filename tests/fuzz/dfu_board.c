/* SPDX-License-Identifier: MIT */
/* The honest board behind the faults; see dfu_hostile.h. */
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "fuzz/dfu_hostile.h"

uint8_t memory[MEMORY_BYTES];
uint32_t image_base;
uint8_t image_bytes[IMAGE_BYTES], shown[IMAGE_BYTES];
bool is_shown[IMAGE_BYTES];
bool image_has_hole;

static const struct kind kinds[] = {
	{ 0x0483, 0xdf11, 0x2200, 2048, 0x011a, 0x0b, 0x08000000, 0, 8, { { 32, 1 } },
		{ "@Internal Flash  /0x08000000/032*0001Kg",
			"@Option Bytes  /0x1FFFF800/01*016 e" } },
	{ 0x0483, 0xdf11, 0x2200, 2048, 0x011a, 0x0b, 0x08000000, 0, 8, { { 64, 2 } },
		{ "@Internal Flash  /0x08000000/064*0002Kg",
			"@Option Bytes  /0x1FFFF800/01*016 e" } },
	{ 0x0483, 0xdf11, 0x2200, 2048, 0x011a, 0x0b, 0x08000000, 0, 8,
		{ { 4, 16 }, { 1, 64 }, { 1, 128 } },
		{ "@Internal Flash  /0x08000000/04*016Kg,01*064Kg,01*128Kg",
			"@Option Bytes  /0x1FFFC000/01*016 e",
			"@OTP Memory /0x1FFF7800/01*512 e,01*016 e",
			"@Device Feature/0xFFFF0000/01*004 e" } },
	{ 0x0483, 0xdf11, 0x2200, 2048, 0x011a, 0x0b, 0x08000000, 0, 8,
		{ { 4, 16 }, { 1, 64 }, { 11, 128 } },
		{ "@Internal Flash  /0x08000000/04*016Kg,01*064Kg,011*128Kg",
			"@Option Bytes  /0x1FFFC000/01*016 e",
			"@OTP Memory /0x1FFF7800/01*512 e,01*016 e",
			"@Device Feature/0xFFFF0000/01*004 e" } },
	{ 0x0483, 0xdf11, 0x0200, 1024, 0x011a, 0x0b, 0x08000000, 0, 8, { { 64, 2 } },
		{ "@Internal Flash   /0x08000000/64*02Kg", "@Internal Flash   /0x08000000/64*02Kg",
			"@Internal Flash   /0x08000000/64*02Kg" } },
	{ 0x0483, 0xdf11, 0x0200, 1024, 0x011a, 0x0b, 0x08000000, 0, 32, { { 16, 128 } },
		{ "@Internal Flash   /0x08000000/16*128Kg",
			"@Option Bytes   /0x5200201C/01*128 e" } },
	{ 0x1eaf, 0x0003, 0x0201, 1024, 0x0110, 0x03, 0x08000000, 0x08002000, 8, { { 128, 1 } },
		{ "STM32duino bootloader v1.0  ERROR. Upload to RAM not supported.",
			"STM32duino bootloader v1.0  Upload to Flash 0x8005000",
			"STM32duino bootloader v1.0  Upload to Flash 0x8002000" } },
	{ 0x1d50, 0x6015, 0x0040, 512, 0x0101, 0x0b, 0, 0x4000, 8, { { 16, 4 }, { 14, 32 } },
		{ "Smoothie DFU" } },
};

/* ---- the memory -------------------------------------------------------------------------- */

bool unit_of(uint32_t address, uint32_t *ret_start, uint32_t *ret_bytes)
{
	uint32_t start = board.kind->memory;
	for (size_t i = 0; i < ELEMENTSOF(board.kind->units); i++) {
		uint32_t bytes = board.kind->units[i].kib << 10;
		uint32_t end = start + board.kind->units[i].count * bytes;
		if (address >= start && address < end) {
			*ret_start = address - (address - start) % bytes;
			*ret_bytes = bytes;
			return true;
		}
		start = end;
	}
	return false;
}

/* So many of `length` bytes are there. */
static uint32_t bytes_from(uint32_t address, uint32_t length)
{
	uint32_t total = 0;
	for (size_t i = 0; i < ELEMENTSOF(board.kind->units); i++)
		total += board.kind->units[i].count * board.kind->units[i].kib << 10;
	uint32_t offset = address - board.kind->memory;
	uint32_t left = offset < total ? total - offset : 0;
	return left < length ? left : length;
}

uint8_t *memory_at(uint32_t address)
{
	return memory + (address - board.kind->memory) % MEMORY_BYTES;
}

static bool is_blank(uint32_t address, uint32_t length)
{
	const uint8_t *there = memory_at(address);
	return there[0] == 0xff && memcmp(there, there + 1, length - 1) == 0;
}

uint32_t block_address(uint32_t pointer, uint16_t number)
{
	uint16_t bytes = board.function.transfer_bytes;
	if (board.kind->application)
		return board.kind->application + (uint32_t)number * bytes;
	return pointer + (number - 2u) * bytes;
}

bool holds_image(uint32_t from)
{
	const uint8_t *there = memory_at(image_base);
	uint32_t hole_end = image_has_hole ? HOLE_END : HOLE_START;
	return memcmp(there + from, image_bytes + from, HOLE_START - from) == 0 &&
	       memcmp(there + hole_end, image_bytes + hole_end, IMAGE_BYTES - hole_end) == 0;
}

/* The fail-safe order of a ROM, judged when it happens. */
static void check_order(uint32_t address, uint32_t length, bool is_erase)
{
	uint32_t head_bytes = board.kind->head_bytes, start, bytes;
	if (board.has_lied || board.is_patched || board.kind->application)
		return;
	must(unit_of(image_base, &start, &bytes));
	if (!is_blank(image_base, head_bytes))
		must(is_erase && address >= start - board.function.transfer_bytes &&
			address < start + bytes);
	if (!is_erase && address <= image_base && image_base - address < length &&
		memcmp(board.block + (image_base - address), "\xff\xff\xff\xff", 4) != 0)
		must(holds_image(head_bytes));
}

static void erase(uint32_t address)
{
	uint32_t start, bytes;
	check_order(address, 1, true);
	if (unit_of(address, &start, &bytes))
		memset(memory_at(start), 0xff, bytes);
}

static void program(uint32_t address)
{
	check_order(address, board.block_length, false);
	uint32_t count = bytes_from(address, board.block_length);
	uint8_t *there = memory_at(address);
	for (uint32_t i = 0; i < count; i++)
		there[i] = board.kind->application ? board.block[i] : there[i] & board.block[i];
}

bool image_part(uint32_t address, uint32_t length, uint32_t *ret_start, uint32_t *ret_count)
{
	uint64_t start = address > image_base ? address - image_base : 0;
	uint64_t end = (uint64_t)address + length;
	end = end > image_base ? end - image_base : 0;
	end = end < IMAGE_BYTES ? end : IMAGE_BYTES;
	*ret_start = (uint32_t)start;
	*ret_count = start < end ? (uint32_t)(end - start) : 0;
	return start < end;
}

/* ---- the board --------------------------------------------------------------------------- */

void board_fail(uint8_t status)
{
	board.state = 10;
	board.status = status % 16;
	board.pending = WHAT_ANY;
}

static int stall(void)
{
	board_fail(15);
	return -EPIPE;
}

static void work(bool is_lost)
{
	uint32_t address = board.pending == WHAT_DATA
				   ? block_address(board.pointer, board.block_number)
				   : read_u32(board.block + 1);
	uint32_t start, bytes;
	if (!is_lost && board.pending == WHAT_ERASE)
		erase(address);
	else if (!is_lost && board.pending == WHAT_DATA)
		program(address);
	else if (!is_lost && board.pending == WHAT_SET_ADDRESS)
		board.pointer = address;
	board.pending = WHAT_ANY;
	board.state = 5;
	if (!unit_of(address, &start, &bytes))
		board_fail(1);
}

static int answer_status(uint8_t *data, bool is_lost)
{
	unsigned poll_msec = 0;
	if (board.pending == WHAT_LEAVE) {
		board.is_leaving = !is_lost;
		board.state = 7;
	} else if (board.state == 3) {
		work(is_lost);
		if (!board.kind->application) {
			board.state = board.state == 5 ? 4 : board.state;
			poll_msec = 104;
		}
	} else if (board.state == 4) {
		board.state = 5;
	}
	memset(data, 0, 6);
	data[0] = board.state == 10 ? board.status : 0;
	data[1] = (uint8_t)poll_msec;
	data[4] = board.state;
	return 6;
}

static int take_download(
	enum what what, uint16_t number, const uint8_t *data, uint16_t length, bool is_lost)
{
	if (board.state != 2 && board.state != 5)
		return stall();
	if (length > 0)
		memcpy(board.block, data, length);
	board.block_number = number;
	board.block_length = length;
	board.pending = is_lost ? WHAT_ANY : what;
	board.state = is_lost ? 5 : 3;
	return length;
}

static int answer_upload(uint16_t number, uint8_t *data, uint16_t length)
{
	uint32_t address = block_address(board.pointer, number);
	if (board.state != 2 && board.state != 9)
		return stall();
	uint32_t count = bytes_from(address, length);
	memcpy(data, memory_at(address), count);
	board.state = count == length ? 9 : 2;
	return (int)count;
}

static int answer_descriptor(uint16_t value, uint8_t *data, uint16_t length)
{
	uint8_t answer[255] = { 18, 1, 0, 1, 0, 0, 0, 64 };
	size_t alternate = (value & 0xff) - 4u;
	if (value == 0x0100) {
		write_u16(answer + 8, board.kind->vid);
		write_u16(answer + 10, board.kind->pid);
		write_u16(answer + 12, board.kind->version);
	} else if (alternate < ELEMENTSOF(board.kind->strings) && board.kind->strings[alternate]) {
		const char *text = board.kind->strings[alternate];
		answer[0] = (uint8_t)(2 + 2 * strlen(text));
		answer[1] = 3;
		for (size_t i = 0; text[i]; i++)
			write_u16(answer + 2 + 2 * i, (uint8_t)text[i]);
		for (unsigned i = 0; i < board.fault_count; i++)
			if (board.faults[i].what == WHAT_PATCH_STRING &&
				board.faults[i].count == alternate)
				answer[board.faults[i].skip % 255] = board.faults[i].argument;
	} else {
		return -EPIPE;
	}
	uint16_t count = answer[0] < length ? answer[0] : length;
	memcpy(data, answer, count);
	return count;
}

int board_answer(enum what what, uint16_t value, uint8_t *data, uint16_t length, bool is_lost)
{
	switch (what) {
	case WHAT_STATUS:
	case WHAT_STATUS_BUSY:
		return answer_status(data, is_lost);
	case WHAT_DATA:
	case WHAT_ERASE:
	case WHAT_SET_ADDRESS:
	case WHAT_LEAVE:
		return take_download(what, value, data, length, is_lost);
	case WHAT_UPLOAD:
		return answer_upload(value, data, length);
	case WHAT_ABORT:
		if (board.state == 10 || board.state == 4)
			return stall();
		board.state = is_lost ? board.state : 2;
		board.pending = WHAT_ANY;
		return 0;
	case WHAT_CLEAR_STATUS:
		if (board.state != 10)
			return stall();
		board.state = is_lost ? 10 : 2;
		return 0;
	default:
		return answer_descriptor(value, data, length);
	}
}

/* ---- how it shows itself ------------------------------------------------------------------ */

void board_show_configuration(void)
{
	uint8_t *at = board.configuration + 9;
	for (uint8_t i = 0; board.kind->strings[i]; i++, at += 9)
		memcpy(at, (uint8_t[]){ 9, 4, 0, i, 0, 0xfe, 1, 2, (uint8_t)(4 + i) }, 9);
	memcpy(at, (uint8_t[]){ 9, 0x21, board.kind->attributes, 0xff, 0 }, 5);
	write_u16(at + 5, board.kind->transfer_bytes);
	write_u16(at + 7, board.kind->dfu_version);
	board.configuration_length = (size_t)(at + 9 - board.configuration);
	uint8_t length = (uint8_t)board.configuration_length;
	memcpy(board.configuration, (uint8_t[]){ 9, 2, length, 0, 1, 1, 0, 0xc0, 0x32 }, 9);
	for (unsigned i = 0; i < board.fault_count; i++) {
		const struct fault *fault = &board.faults[i];
		if (fault->what == WHAT_PATCH_CONFIGURATION)
			board.configuration[fault->skip % board.configuration_length] =
				fault->argument;
	}
	(void)dfu_find(board.configuration, board.configuration_length, &board.function);
}

void board_take_faults(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct fault *fault = &board.faults[board.fault_count++];
		fault->what = (uint8_t)(next_byte() % _WHAT_MAX);
		fault->how = (uint8_t)(next_byte() % _HOW_MAX);
		fault->skip = (uint8_t)next_byte();
		fault->count = (uint8_t)next_byte();
		fault->period = (uint8_t)next_byte();
		fault->argument = (uint8_t)next_byte();
		board.is_patched |=
			fault->what == WHAT_PATCH_CONFIGURATION || fault->what == WHAT_PATCH_STRING;
	}
}

void board_make(unsigned kind, const uint8_t *script, size_t length)
{
	board = (struct usb_device){
		.kind = &kinds[kind % ELEMENTSOF(kinds)],
		.script = script,
		.length = length,
		.state = 2,
		.status = 10,
	};
}
