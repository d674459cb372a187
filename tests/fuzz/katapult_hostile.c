/* SPDX-License-Identifier: MIT */
/* port/serial.h with a hostile board at its end; see katapult_hostile.h. */
#include "fuzz/katapult_hostile.h"

#include <errno.h>
#include <string.h>

#include "backend/klipper_block.h"
#include "base/bytes.h"
#include "port/serial.h"

#define TALK_MSEC   50 /* between pieces of endless talk */
#define FRAMES_MOST 200000u

struct serial board;

/* ---- faults ------------------------------------------------------------------------------ */

uint8_t next_byte(void)
{
	if (board.length == 0)
		return 0;
	board.length--;
	return *board.data++;
}

struct fault next_fault(enum what what)
{
	struct fault found = { 0 };
	for (unsigned i = 0; i < board.fault_count; i++) {
		const struct fault *fault = &board.faults[i];
		bool is_any = fault->what == WHAT_ANY && what < WHAT_OPEN;
		if (fault->what != what && !is_any)
			continue;
		unsigned seen = board.seen[i]++;
		bool is_on = seen >= fault->skip &&
			     (fault->count == UINT8_MAX || seen < fault->skip + fault->count);
		if (is_on && found.how == HOW_WELL)
			found = *fault;
	}
	return found;
}

/* ---- what it says ------------------------------------------------------------------------ */

static void queue(const uint8_t *bytes, size_t length, int64_t due_msec)
{
	if (length == 0 || board.chunk_count == CHUNKS_MAX || length > OUT_MAX - board.out_length)
		return;
	board.chunks[board.chunk_count++] = (struct chunk){ length, due_msec };
	memcpy(board.out + board.out_length, bytes, length);
	board.out_length += length;
}

static void drop(size_t bytes)
{
	board.out_length -= bytes;
	memmove(board.out, board.out + bytes, board.out_length);
	board.chunks[0].length -= bytes;
	if (board.chunks[0].length > 0)
		return;
	board.chunk_count--;
	memmove(board.chunks, board.chunks + 1, board.chunk_count * sizeof(struct chunk));
}

/* No frame begins in it. */
static size_t make_noise_bytes(size_t count, uint8_t *ret)
{
	for (size_t i = 0; i < count; i++) {
		uint8_t byte = next_byte();
		ret[i] = byte == 0x88 ? 0x89 : byte;
	}
	return count;
}

static void say(uint8_t code, const uint8_t *payload, size_t length, const struct fault *fault)
{
	uint8_t lied[KATAPULT_PAYLOAD_MAX], frame[KATAPULT_FRAME_MAX], noise[UINT8_MAX];
	if (length > 0)
		memcpy(lied, payload, length);
	if (fault->how == HOW_LIE && length > 0)
		lied[fault->argument % length] ^= (uint8_t)(1 + fault->argument / 4);
	if (fault->how == HOW_SHORT && length > 0)
		length -= 4 * (1 + fault->argument % (length / 4));
	size_t bytes = katapult_frame(code, lied, length, frame);
	if (fault->how == HOW_FLIP)
		frame[fault->argument / 8u % bytes] ^= (uint8_t)(1 << fault->argument % 8);
	if (fault->how == HOW_CUT_OFF)
		bytes -= 1 + fault->argument % (bytes - 1);
	int64_t late_msec = fault->how == HOW_LATE ? fault->argument * 64 : 0;
	int64_t from_msec =
		board.now_msec > board.busy_until_msec ? board.now_msec : board.busy_until_msec;
	board.busy_until_msec = from_msec + 1 + late_msec;
	if (fault->how == HOW_NOISE)
		queue(noise, make_noise_bytes(fault->argument, noise), board.busy_until_msec);
	queue(frame, bytes, board.busy_until_msec);
	if (fault->how == HOW_TWICE)
		queue(frame, bytes, board.busy_until_msec);
}

static uint8_t other_code(uint8_t argument)
{
	static const uint8_t codes[] = { KATAPULT_NACK, KATAPULT_ERROR, KATAPULT_BUSY, 0x00 };
	return argument < 8 ? codes[argument % 4] : argument;
}

static void talk_without_end(uint8_t argument)
{
	uint8_t payload[8] = { (uint8_t)(KATAPULT_CONNECT + argument % 6) };
	write_u32(payload + 4, board.start);
	if (argument < 16)
		board.talk_length = make_noise_bytes(1 + argument, board.talk);
	else if (argument < 128)
		board.talk_length = katapult_frame(
			KATAPULT_ACK, payload, 4u * (argument / 16u % 3u), board.talk);
	else
		board.talk_length = katapult_frame(other_code(argument & 7), NULL, 0, board.talk);
	board.is_faulty |= argument >= 16 && argument < 128;
	board.talk_at = 0;
}

/* ---- what it hears ----------------------------------------------------------------------- */

static enum what what_is(uint8_t code, const uint8_t *payload)
{
	switch (code) {
	case KATAPULT_CONNECT:
		return WHAT_CONNECT;
	case KATAPULT_SEND_BLOCK:
		return read_u32(payload) == board.start ? WHAT_SEND_FIRST : WHAT_SEND;
	case KATAPULT_EOF:
		return WHAT_EOF;
	case KATAPULT_REQUEST_BLOCK:
		return WHAT_REQUEST;
	case KATAPULT_COMPLETE:
		return WHAT_COMPLETE;
	default:
		return WHAT_NOTHING;
	}
}

/* 0, or what serial_write() says. */
static int hear_frame(uint8_t code, const uint8_t *payload, size_t length)
{
	uint8_t answer[KATAPULT_PAYLOAD_MAX] = { 0 };
	size_t answer_length;
	struct fault fault = next_fault(what_is(code, payload));
	/* What it says of itself it says always. */
	if (code == KATAPULT_CONNECT && (fault.how == HOW_LIE || fault.how == HOW_SHORT))
		fault.how = HOW_WELL;
	must(++board.frames < FRAMES_MOST);
	if (fault.how == HOW_BLOCKED)
		return -ETIMEDOUT;
	board.is_deaf |=
		fault.how == HOW_DEAF || (fault.how == HOW_TALK && fault.argument % 4 != 0);
	board.fails_once |= fault.how == HOW_WIRE;
	board.has_left |= fault.how == HOW_LEAVE;
	if (fault.how == HOW_TALK)
		talk_without_end(fault.argument);
	if (board.is_deaf || board.has_left || board.has_completed || fault.how == HOW_UNHEARD)
		return 0;
	if (fault.how == HOW_ANSWER) {
		say(other_code(fault.argument), NULL, 0, &fault);
		return 0;
	}
	bool is_done = board_execute(code, payload, length, answer, &answer_length, &fault);
	board.has_left |= fault.how == HOW_LEAVE_DONE;
	board.is_faulty |= fault.how == HOW_ANSWER_DONE;
	if (fault.how == HOW_ANSWER_DONE)
		say(other_code(fault.argument), NULL, 0, &fault);
	else if (fault.how != HOW_LOST)
		say(is_done ? KATAPULT_ACK : KATAPULT_ERROR, answer, is_done ? answer_length : 0,
			&fault);
	return 0;
}

/* Klipper's blocks are nothing to Katapult, as long as there is no 01 in them. */
static void hear_klipper(const uint8_t *bytes, size_t length)
{
	uint8_t block[KLIPPER_BLOCK_MAX];
	must(board.is_line && (board.is_klipper || !memchr(bytes, 0x01, length)));
	if (board.is_klipper && length > 1)
		queue(block, klipper_block(1, NULL, 0, block), board.now_msec + 1);
}

/* ---- port/serial.h ----------------------------------------------------------------------- */

int serial_open(const struct serial_address *address, unsigned baud, struct serial **ret)
{
	static const int errors[] = { -EBUSY, -EACCES, -ENODEV, -EIO, -ENOMEM, -EPERM, -ENOENT };
	must(board.is_line ? !address->usb_syspath && baud == 250000
			   : address->usb_syspath && baud == 115200);
	struct fault fault = next_fault(WHAT_OPEN);
	if (fault.how != HOW_WELL)
		return errors[fault.argument % ELEMENTSOF(errors)];
	*ret = &board;
	return 0;
}

struct serial *serial_close(struct serial *serial)
{
	(void)serial;
	return NULL;
}

static int read_talk(uint8_t *ret, size_t capacity)
{
	size_t count = capacity < 64 ? capacity : 64;
	board.now_msec += TALK_MSEC;
	for (size_t i = 0; i < count; i++)
		ret[i] = board.talk[board.talk_at++ % board.talk_length];
	return (int)count;
}

int serial_read(struct serial *serial, void *ret, size_t capacity, unsigned timeout_msec)
{
	must(capacity > 0 && board.now_msec - board.sign_msec < SILENCE_MSEC);
	if (serial->has_left)
		return -ENODEV;
	if (serial->fails_once) {
		serial->fails_once = false;
		return -EIO;
	}
	bool has_come = serial->chunk_count > 0 && serial->chunks[0].due_msec <= serial->now_msec;
	if (!has_come && serial->talk_length > 0)
		return read_talk(ret, capacity);
	if (serial->chunk_count == 0 ||
		serial->chunks[0].due_msec > serial->now_msec + timeout_msec) {
		serial->now_msec += timeout_msec + 1;
		return -ETIMEDOUT;
	}
	if (!has_come)
		serial->now_msec = serial->chunks[0].due_msec;
	size_t count = serial->piece < capacity ? serial->piece : capacity;
	count = count < serial->chunks[0].length ? count : serial->chunks[0].length;
	memcpy(ret, serial->out, count);
	drop(count);
	return (int)count;
}

int serial_write(struct serial *serial, const void *data, size_t length, unsigned timeout_msec)
{
	static struct katapult_receiver receiver;
	static struct katapult_answer frame;
	const uint8_t *bytes = data;
	must(timeout_msec > 0 && length > 0 && length <= sizeof(receiver.bytes));
	must(board.now_msec - board.sign_msec < SILENCE_MSEC);
	if (serial->has_left)
		return -ENODEV;
	if (bytes[0] != 0x01 || board.is_klipper) {
		hear_klipper(bytes, length);
		return 0;
	}
	memcpy(receiver.bytes, bytes, length);
	receiver.length = length;
	int r = 0;
	size_t sum = 0;
	while (r == 0 && katapult_receiver_take(&receiver, &frame)) {
		sum += KATAPULT_FRAME_LEAST + frame.length;
		r = hear_frame(frame.code, frame.payload, frame.length);
	}
	must(r < 0 || sum == length);
	if (r < 0)
		serial->now_msec += timeout_msec;
	return serial->has_left ? -ENODEV : r;
}

int serial_set_line(struct serial *serial, unsigned baud, bool dtr)
{
	(void)serial, (void)baud, (void)dtr;
	abort();
}

int serial_discard_input(struct serial *serial)
{
	while (serial->chunk_count > 0 && serial->chunks[0].due_msec <= serial->now_msec)
		drop(serial->chunks[0].length);
	return serial->has_left ? -ENODEV : 0;
}

int serial_pause(struct serial *serial, unsigned msec)
{
	serial->now_msec += msec;
	serial->has_left |= serial->has_completed && !serial->is_line;
	return serial->has_left ? -ENODEV : 0;
}

int64_t serial_now_msec(const struct serial *serial)
{
	return serial->now_msec;
}
