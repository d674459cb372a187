/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as what comes from a board that should run Klipper. First alone: each block that is
 * taken must stand in the bytes, in their order. Then as a list of the mischief that an otherwise
 * honest board makes, answer by answer, in a whole visit over port/serial.h in virtual time: the
 * visit must end, soon, with the truth or with a reason, and must never read where no flash is.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "backend/klipper.h"
#include "backend/klipper_block.h"
#include "backend/uart_recognise.h"
#include "base/bytes.h"
#include "base/text.h"
#include "port/serial.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

#define OUT_MAX    (1u << 16)
#define PACKED_MAX 1024u
#define VTOR       0xe000ed08u
#define DEBUG_READ 21
#define RESULT     -7
/* One identify, and some ten reads of six seconds each at the most. */
#define VISIT_MSEC 150000

static void must(bool truth)
{
	if (!truth)
		abort();
}

/* ---- blocks ------------------------------------------------------------------------------ */

/* Behind where the block stands in the bytes, from `from` on. */
static size_t find_block(
	const uint8_t *data, size_t length, size_t from, const struct klipper_block *block)
{
	uint8_t bytes[KLIPPER_BLOCK_MAX];
	size_t count = klipper_block(block->sequence, block->content, block->length, bytes);
	const uint8_t *at = memmem(data + from, length - from, bytes, count);
	must(at != NULL);
	return (size_t)(at - data) + count;
}

static void take_for_blocks(const uint8_t *data, size_t length, size_t piece)
{
	struct klipper_receiver receiver = { 0 };
	struct klipper_block block;
	size_t found_to = 0;
	for (size_t at = 0; at < length;) {
		size_t capacity, count = length - at < piece ? length - at : piece;
		uint8_t *space = klipper_receiver_space(&receiver, &capacity);
		must(capacity > 0);
		count = count < capacity ? count : capacity;
		memcpy(space, data + at, count);
		klipper_receiver_came(&receiver, count);
		at += count;
		while (klipper_receiver_take(&receiver, &block))
			found_to = find_block(data, length, found_to, &block);
	}
}

static void take_for_numbers(const uint8_t *data, size_t length)
{
	uint8_t bytes[KLIPPER_NUMBER_MAX];
	uint32_t number, back;
	for (size_t at = 0; klipper_take_number(data, length, &at, &number);) {
		size_t again = 0, count = klipper_put_number(number, bytes);
		must(klipper_take_number(bytes, count, &again, &back));
		must(again == count && back == number);
	}
}

/* ---- the board --------------------------------------------------------------------------- */

enum mischief {
	MISCHIEF_NONE,
	MISCHIEF_SILENCE, /* it has heard nothing */
	MISCHIEF_LOSS, /* it has, and its answer is lost */
	MISCHIEF_FLIP,
	MISCHIEF_NOISE, /* before its answer */
	MISCHIEF_LIE, /* before its answer, in a block as it should be */
	MISCHIEF_LEAVE,
	MISCHIEF_RESET,
};

struct serial {
	struct stream stream; /* first */
	const uint8_t *data; /* mischief */
	size_t length;
	uint8_t packed[PACKED_MAX];
	size_t packed_length;
	const char *mcu; /* that it says; NULL: the bytes decide */
	uint8_t seed;
	uint8_t sequence;
	bool has_left, has_lied;
	int64_t now_msec;
	size_t piece;
	uint8_t out[OUT_MAX];
	size_t out_length;
};

static struct serial the_board;

static uint8_t next_byte(struct serial *board)
{
	if (board->length == 0)
		return 0;
	board->length--;
	return *board->data++;
}

static void queue(struct serial *board, const uint8_t *bytes, size_t length)
{
	size_t room = OUT_MAX - board->out_length;
	length = length < room ? length : room;
	memcpy(board->out + board->out_length, bytes, length);
	board->out_length += length;
}

static void answer(struct serial *board, const uint8_t *content, size_t length)
{
	uint8_t bytes[KLIPPER_BLOCK_MAX];
	if (length <= KLIPPER_CONTENT_MAX)
		queue(board, bytes, klipper_block(board->sequence, content, length, bytes));
}

static bool is_surely_flash(uint32_t address)
{
	for (int chip = CHIP_UNKNOWN + 1; chip < _CHIP_MAX; chip++) {
		const struct chip_memory *memory = chip_memory((enum chip)chip);
		if (memory && address >= memory->flash.start &&
			address - memory->flash.start <= memory->flash_size_least - 4)
			return true;
	}
	return false;
}

static uint32_t word_at(const struct serial *board, uint32_t address)
{
	uint32_t base = address & 0xff000000u;
	must(address % 4 == 0 && (address == VTOR || is_surely_flash(address)));
	if (address == VTOR)
		return 0x08000000u + ((uint32_t)board->seed << 8);
	if ((address & 0xff) == 4)
		return board->seed & 1 ? base + 0x809 : address * 2654435761u;
	if ((address & 0xffff) == 0x800)
		return board->seed & 2 ? 0x426e6143u : 0;
	if ((address & 0xffff) == 0x804)
		return 0x21746f6fu;
	return board->seed & 4 ? 0x20001000u : address * 2246822519u;
}

static void on_identify(struct serial *board, uint32_t offset, uint32_t count)
{
	uint8_t content[8 + UINT8_MAX] = { 0 };
	size_t at = 1 + klipper_put_number(offset, content + 1);
	size_t left = offset < board->packed_length ? board->packed_length - offset : 0;
	count = count < left ? count : (uint32_t)left;
	content[at++] = (uint8_t)count;
	memcpy(content + at, board->packed + (left ? offset : 0), count);
	answer(board, content, at + count);
}

static void on_debug_read(struct serial *board, uint32_t order, uint32_t address)
{
	uint8_t content[2 * KLIPPER_NUMBER_MAX];
	must(order == 2);
	size_t at = klipper_put_number((uint32_t)RESULT, content);
	at += klipper_put_number(word_at(board, address), content + at);
	answer(board, content, at);
}

static void execute(struct serial *board, const struct klipper_block *block)
{
	uint32_t id, first, second;
	size_t at = 0;
	if (block->sequence == board->sequence) {
		board->sequence = klipper_next(board->sequence);
		if (klipper_take_number(block->content, block->length, &at, &id) &&
			klipper_take_number(block->content, block->length, &at, &first) &&
			klipper_take_number(block->content, block->length, &at, &second)) {
			must(at == block->length && (id == 1 || id == DEBUG_READ));
			if (id == 1)
				on_identify(board, first, second);
			else
				on_debug_read(board, first, second);
		}
	}
	answer(board, NULL, 0);
}

/* What the host says is always whole; what it says to Katapult is damage. */
static void hear(struct serial *board, const uint8_t *bytes, size_t length)
{
	struct klipper_receiver receiver = { 0 };
	struct klipper_block block;
	if (length > 0 && bytes[0] == 0x01)
		return answer(board, NULL, 0);
	memcpy(receiver.bytes, bytes, length);
	receiver.length = length;
	if (klipper_receiver_take(&receiver, &block))
		execute(board, &block);
	must(receiver.length == 0);
}

static void flip(struct serial *board, size_t from)
{
	size_t count = board->out_length - from;
	uint8_t which = next_byte(board);
	if (count > 0)
		board->out[from + which / 8u % count] ^= (uint8_t)(1 << which % 8);
}

static void say_before(struct serial *board, bool is_block)
{
	uint8_t bytes[KLIPPER_CONTENT_MAX], whole[KLIPPER_BLOCK_MAX];
	size_t count = next_byte(board) % (KLIPPER_CONTENT_MAX + 1);
	for (size_t i = 0; i < count; i++)
		bytes[i] = next_byte(board);
	if (!is_block)
		return queue(board, bytes, count);
	board->has_lied = true;
	queue(board, whole, klipper_block(klipper_next(board->sequence), bytes, count, whole));
}

static void misbehave(struct serial *board, const uint8_t *bytes, size_t length)
{
	uint8_t byte = next_byte(board);
	size_t before = board->out_length;
	enum mischief mischief = byte & 7;
	board->piece = 1 + (byte >> 3) * 3u;
	if (mischief == MISCHIEF_LEAVE)
		board->has_left = true;
	if (mischief == MISCHIEF_SILENCE || mischief == MISCHIEF_LEAVE)
		return;
	if (mischief == MISCHIEF_RESET)
		board->sequence = next_byte(board) & 15;
	if (mischief == MISCHIEF_NOISE || mischief == MISCHIEF_LIE)
		say_before(board, mischief == MISCHIEF_LIE);
	hear(board, bytes, length);
	if (mischief == MISCHIEF_LOSS)
		board->out_length = before;
	if (mischief == MISCHIEF_FLIP)
		flip(board, before);
}

/* ---- port/serial.h ----------------------------------------------------------------------- */

int serial_open(const struct serial_address *address, unsigned baud, struct serial **ret)
{
	must(address->usb_syspath && baud == 115200);
	if (the_board.has_left)
		return -ENODEV;
	*ret = &the_board;
	return 0;
}

struct serial *serial_close(struct serial *serial)
{
	(void)serial;
	return NULL;
}

int serial_read(struct serial *serial, void *ret, size_t capacity, unsigned timeout_msec)
{
	must(capacity > 0);
	if (serial->has_left)
		return -ENODEV;
	if (serial->out_length == 0) {
		serial->now_msec += timeout_msec + 1;
		return -ETIMEDOUT;
	}
	size_t count = serial->piece < capacity ? serial->piece : capacity;
	count = count < serial->out_length ? count : serial->out_length;
	memcpy(ret, serial->out, count);
	serial->out_length -= count;
	memmove(serial->out, serial->out + count, serial->out_length);
	return (int)count;
}

int serial_write(struct serial *serial, const void *data, size_t length, unsigned timeout_msec)
{
	must(timeout_msec > 0 && length > 0 && length <= 2 * KLIPPER_BLOCK_MAX);
	if (!serial->has_left)
		misbehave(serial, data, length);
	return serial->has_left ? -ENODEV : 0;
}

int serial_set_line(struct serial *serial, unsigned baud, bool dtr)
{
	if (baud == 1200 && !dtr && serial->seed & 8)
		serial->has_left = true;
	return serial->has_left ? -ENODEV : 0;
}

int serial_discard_input(struct serial *serial)
{
	serial->out_length = 0;
	return serial->has_left ? -ENODEV : 0;
}

int serial_pause(struct serial *serial, unsigned msec)
{
	serial->now_msec += msec;
	return serial->has_left ? -ENODEV : 0;
}

int64_t serial_now_msec(const struct serial *serial)
{
	return serial->now_msec;
}

/* ---- the visit --------------------------------------------------------------------------- */

static void pack(struct serial *board, const char *mcu)
{
	_cleanup_(freep) char *json = text_format(
		"{\"commands\":{\"debug_read order=%%c addr=%%u\":%d},\"config\":{\"MCU\":\"%s\"},"
		"\"responses\":{\"debug_result val=%%u\":%d},\"version\":\"v0.13.0\"}",
		DEBUG_READ, mcu, RESULT);
	uLongf packed = PACKED_MAX;
	must(json &&
		compress2(board->packed, &packed, (const uint8_t *)json, strlen(json), 9) == Z_OK);
	board->packed_length = packed;
	board->mcu = mcu;
}

static void give_dictionary(struct serial *board)
{
	static const char *const mcus[] = { "stm32g0b1xx", "stm32f072xb", "rp2040", "rp2350",
		"lpc1769", "stm32h723xx", "esp32" };
	uint8_t which = next_byte(board);
	if (which < 0xf0)
		return pack(board, mcus[which % ELEMENTSOF(mcus)]);
	/* Or whatever bytes. */
	board->packed_length = board->length < PACKED_MAX ? board->length : PACKED_MAX;
	memcpy(board->packed, board->data, board->packed_length);
}

static void check_failure(int r, const struct backend_failure *failure)
{
	must(r < 0 && failure->code != REASON_NONE && failure->code != REASON_INTERNAL);
	must(failure->sentence[0] && text_is_plain(failure->sentence));
	must(!the_board.has_left || r == -ENODEV);
}

static void visit(void)
{
	const struct board_address address = { .usb.syspath = "/sys/devices/fuzz" };
	const struct backend_watch watch = { 0 };
	struct backend_session *session = NULL;
	struct backend_failure failure;
	struct board_facts facts;
	must(klipper_backend.open(&address, &watch, &session, &failure) == 0);
	int r = klipper_backend.probe(session, &facts, &failure);
	if (r < 0)
		check_failure(r, &failure);
	else if (the_board.mcu && !the_board.has_lied)
		must(text_equal(facts.running.mcu, the_board.mcu));
	if (r == 0) {
		r = klipper_backend.enter(session, &failure);
		must((r == 0) == the_board.has_left);
	}
	must(the_board.now_msec < VISIT_MSEC);
	klipper_backend.close(session);
}

static void recognise(void)
{
	enum uart_speaker speaker;
	int64_t start_msec = the_board.now_msec;
	int r = uart_recognise(serial_stream(&the_board), &speaker);
	must(r == 0 || (r == -ENODEV && the_board.has_left));
	must(the_board.now_msec - start_msec < 1000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	if (length == 0)
		return 0;
	take_for_blocks(data, length, 1 + data[0] % 100u);
	take_for_numbers(data, length);
	memset(&the_board, 0, offsetof(struct serial, out));
	the_board.out_length = 0;
	the_board.data = data;
	the_board.length = length;
	the_board.seed = next_byte(&the_board);
	the_board.piece = 1 + the_board.seed % 100u;
	give_dictionary(&the_board);
	if (the_board.seed & 16)
		recognise();
	else
		visit();
	return 0;
}
