/* SPDX-License-Identifier: MIT */
/* How each request to the board ends; see dfu_hostile.h. */
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "fuzz/dfu_hostile.h"
#include "port/usb.h"

#define FOR_EVER     255
#define DEVIATE_FROM 200

/* Somewhat above the worst that was found by climbing: 77102 requests, of them most to read a
 * sector of 128 KiB again and again; 62 minutes; 31 s without a sign of life, by a board that takes
 * all of its time for every answer. */
#ifndef REQUESTS_MAX
#define REQUESTS_MAX 150000u
#define MSEC_MAX     (3ull * 3600 * 1000)
#define SILENCE_MAX  (60ull * 1000)
#endif

struct usb_device board;
struct cost cost;

static void spend(uint64_t msec)
{
	board.now_msec += msec;
	/* Who said stop does not listen any more. */
	uint64_t silence = board.is_stopped ? 0 : board.now_msec - board.sign_msec;
	if (silence > cost.silence)
		cost.silence = silence;
	cost.msec = board.now_msec;
	must(silence <= SILENCE_MAX && board.now_msec <= MSEC_MAX);
}

unsigned next_byte(void)
{
	if (board.position == board.length) {
		board.is_gone |= board.is_raw;
		return 0;
	}
	return board.script[board.position++];
}

static bool is_hit(const struct fault *fault, unsigned *seen)
{
	unsigned at = (*seen)++;
	if (at < fault->skip)
		return false;
	at -= fault->skip;
	if (fault->period)
		at %= fault->period;
	return fault->count == FOR_EVER || at < fault->count;
}

struct fault next_fault(enum what what)
{
	struct fault none = { 0 };
	unsigned deviation = board.is_raw ? next_byte() : 0;
	if (deviation >= DEVIATE_FROM)
		return (struct fault){ .how = (uint8_t)((deviation - DEVIATE_FROM) % _HOW_MAX),
			.argument = (uint8_t)next_byte() };
	for (unsigned i = 0; i < board.fault_count; i++) {
		const struct fault *fault = &board.faults[i];
		bool is_meant =
			fault->what == what || (fault->what == WHAT_ANY && what < WHAT_PROGRESS);
		if (is_meant && is_hit(fault, &board.seen[i]))
			return *fault;
	}
	return none;
}

/* ---- what it is asked -------------------------------------------------------------------- */

static enum what what_download(uint16_t value, const uint8_t *data, uint16_t length)
{
	must(length <= board.function.transfer_bytes);
	if (board.kind->application) {
		must(length == board.function.transfer_bytes);
		return WHAT_DATA;
	}
	if (length == 0) {
		must(board.is_restarting && value >= 2);
		return WHAT_LEAVE;
	}
	if (value >= 2)
		return WHAT_DATA;
	must(value == 0 && length == 5 && (data[0] == 0x21 || data[0] == 0x41));
	return data[0] == 0x41 ? WHAT_ERASE : WHAT_SET_ADDRESS;
}

static enum what what_is(
	uint8_t type, uint8_t request, uint16_t value, const uint8_t *data, uint16_t length)
{
	bool is_in = type & 0x80;
	if (type == 0x80) {
		must(request == 6 && (value == 0x0100 || value >> 8 == 3));
		return WHAT_DESCRIPTOR;
	}
	must(type == (is_in ? 0xa1 : 0x21));
	switch (request) {
	case 1:
		must(!is_in);
		return what_download(value, data, length);
	case 2:
		must(is_in && length == board.function.transfer_bytes);
		must(board.kind->application || value >= 2);
		return WHAT_UPLOAD;
	case 3:
		must(is_in && length == 6);
		return board.state == 3 || board.state == 4 ? WHAT_STATUS_BUSY : WHAT_STATUS;
	case 4:
	case 6:
		must(!is_in && length == 0);
		return request == 4 ? WHAT_CLEAR_STATUS : WHAT_ABORT;
	}
	abort();
}

static void forget_shown(uint32_t address, uint32_t length)
{
	uint32_t start, count;
	if (image_part(address, length, &start, &count))
		memset(is_shown + start, 0, count);
}

/* Nothing is done but to the units that the image is in, and to them after a look. */
static void check_change(uint32_t address, uint32_t length)
{
	must(board.is_writing && board.uploads > 0);
	uint32_t start, bytes, image_start, image_count;
	if (board.is_patched)
		return;
	must(unit_of(address, &start, &bytes));
	if (board.kind->application)
		must(address >= board.kind->application);
	if (bytes < board.function.transfer_bytes) {
		start -= (start - board.kind->memory) % board.function.transfer_bytes;
		bytes = board.function.transfer_bytes;
	}
	must(image_part(start, bytes, &image_start, &image_count));
	must(address + length <= start + bytes);
}

/* What the host does, and from then on believes. */
static void note_request(enum what what, uint16_t value, const uint8_t *data, uint16_t length)
{
	uint32_t start, bytes;
	if (what == WHAT_SET_ADDRESS) {
		board.host_pointer = read_u32(data + 1);
	} else if (what == WHAT_ERASE) {
		uint32_t address = read_u32(data + 1);
		check_change(address, 1);
		if (board.is_patched || !unit_of(address, &start, &bytes))
			start = address, bytes = 1;
		forget_shown(start, bytes);
	} else if (what == WHAT_DATA) {
		uint32_t address = block_address(board.host_pointer, value);
		check_change(address, length);
		forget_shown(address, length);
	}
}

static void note_shown(uint16_t value, const uint8_t *data, uint16_t length)
{
	uint32_t address = block_address(board.host_pointer, value);
	board.uploads++;
	uint32_t start, count;
	if (!image_part(address, length, &start, &count))
		return;
	memcpy(shown + start, data + (image_base + start - address), count);
	memset(is_shown + start, 1, count);
}

/* ---- how it ends ------------------------------------------------------------------------- */

/* Negative: it ended before the board did anything. */
static int begin_badly(const struct fault *fault, unsigned timeout_msec)
{
	unsigned slow_msec = fault->how == HOW_SLOW ? fault->argument * 64u : 1;
	bool is_timeout = fault->how == HOW_TIMEOUT || slow_msec >= timeout_msec;
	spend(is_timeout ? timeout_msec : slow_msec);
	if (is_timeout)
		return -ETIMEDOUT;
	switch (fault->how) {
	case HOW_STALL:
		return -EPIPE;
	case HOW_STALL_ERROR:
		board_fail(fault->argument);
		return -EPIPE;
	case HOW_FAULT:
		return -EIO;
	}
	return 0;
}

static void lie_about_status(const struct fault *fault, uint8_t *data)
{
	board.has_lied |= fault->how == HOW_STATE || fault->how == HOW_NONSENSE;
	memset(data, 0, 6);
	if (fault->how == HOW_BUSY) {
		data[2] = fault->argument;
		data[4] = 4;
	} else if (fault->how == HOW_FAIL) {
		board_fail(fault->argument);
		data[0] = board.status;
		data[4] = 10;
	} else {
		data[0] = fault->how == HOW_NONSENSE ? fault->argument : 0;
		data[4] = fault->how == HOW_STATE ? fault->argument % 11 : fault->argument;
	}
}

static int end_badly(const struct fault *fault, enum what what, uint8_t *data, int length)
{
	bool is_status = what == WHAT_STATUS || what == WHAT_STATUS_BUSY;
	bool is_answer = is_status || what == WHAT_UPLOAD || what == WHAT_DESCRIPTOR;
	if (fault->how == HOW_TIMEOUT_DONE)
		return spend(1000), -ETIMEDOUT;
	if (fault->how == HOW_SHORT)
		return length * fault->argument / 256;
	if (is_answer && length > 0 && fault->how == HOW_LIE) {
		board.has_lied = true;
		data[fault->argument % length] ^= 0x55;
	}
	return length;
}

int usb_control(struct usb_device *device, uint8_t request_type, uint8_t request, uint16_t value,
	uint16_t index, void *data, uint16_t length, unsigned timeout_msec)
{
	must(device->is_open && timeout_msec > 0);
	must(request_type == 0x80 || index == device->function.interface);
	enum what what = what_is(request_type, request, value, data, length);
	note_request(what, value, data, length);
	must(++cost.requests <= REQUESTS_MAX);
	struct fault fault = next_fault(what);
	device->is_gone |= fault.how == HOW_LEAVE || device->is_leaving;
	if (device->is_gone)
		return -ENODEV;
	int r = begin_badly(&fault, timeout_msec);
	if (r < 0)
		return r;
	bool is_status = what == WHAT_STATUS || what == WHAT_STATUS_BUSY;
	if (is_status && (fault.how == HOW_BUSY || fault.how >= HOW_FAIL)) {
		lie_about_status(&fault, data);
		return length;
	}
	if (what != WHAT_UPLOAD)
		device->has_lied |= fault.how == HOW_LOSE;
	r = board_answer(what, value, data, length, fault.how == HOW_LOSE);
	if (r >= 0)
		r = end_badly(&fault, what, data, r);
	if (what == WHAT_UPLOAD && r == length)
		note_shown(value, data, length);
	return r;
}

int usb_open(const struct usb_address *address, struct usb_device **ret)
{
	(void)address;
	must(!board.is_open);
	if (next_fault(WHAT_DESCRIPTOR).how == HOW_FAULT)
		return -EBUSY;
	board.is_open = true;
	*ret = &board;
	return 0;
}

struct usb_device *usb_close(struct usb_device *device)
{
	must(!device || device->is_open);
	board.is_open = false;
	return NULL;
}

int usb_is_same_arrival(struct usb_device *device)
{
	return !device->is_gone;
}

int usb_configuration(struct usb_device *device, const uint8_t **ret_bytes, size_t *ret_length)
{
	*ret_bytes = device->configuration;
	*ret_length = device->configuration_length;
	return 0;
}

int usb_claim(struct usb_device *device, unsigned interface)
{
	must(interface == device->function.interface);
	return interface == 77 ? -EBUSY : 0;
}

int usb_set_alternate(struct usb_device *device, unsigned interface, unsigned alternate)
{
	must(device->kind->application && interface == device->function.interface);
	must(alternate == (device->kind->memory ? 2 : 0));
	return 0;
}

int usb_reset(struct usb_device *device)
{
	struct fault fault = next_fault(WHAT_RESET);
	spend(1000);
	device->is_gone |= fault.how == HOW_LEAVE || device->is_leaving ||
			   (device->kind->application && fault.how == HOW_WELL);
	if (device->is_gone)
		return -ENODEV;
	device->state = 2;
	device->pending = WHAT_ANY;
	return fault.how == HOW_FAULT ? -EIO : 0;
}

int usb_pause(struct usb_device *device, unsigned msec)
{
	spend(msec);
	device->is_gone |= next_fault(WHAT_PAUSE).how == HOW_LEAVE || device->is_leaving;
	return device->is_gone ? -ENODEV : 0;
}

/* Nothing else is used, and a backend that did would have to be tried otherwise. */
int usb_submit(struct usb_device *device, uint8_t endpoint, void *data, size_t length,
	struct usb_transfer **ret)
{
	(void)device, (void)endpoint, (void)data, (void)length, (void)ret;
	abort();
}

int usb_wait(struct usb_transfer *transfer, unsigned timeout_msec, size_t *ret_transferred)
{
	(void)transfer, (void)timeout_msec, (void)ret_transferred;
	abort();
}

void usb_cancel(struct usb_transfer *transfer)
{
	(void)transfer;
	abort();
}

struct usb_transfer *usb_transfer_free(struct usb_transfer *transfer)
{
	must(!transfer);
	return NULL;
}

int usb_clear_halt(struct usb_device *device, uint8_t endpoint)
{
	(void)device, (void)endpoint;
	abort();
}
