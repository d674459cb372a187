/* SPDX-License-Identifier: MIT */
/*
 * A hostile board, an RP2040 or an RP2350: port/usb.h where bytes decide how each transfer ends.
 * Byte 0 is a good board with a small flash; from 200 on a byte is a deviation: stalls, silence,
 * short and long answers, lies, lost erases. The board leaves when the bytes are used up. There
 * must be no crash, no address outside flash and memory, and an end. As long as the board has never
 * lied while it was read, nothing is touched before the boot page is blank, the boot page comes
 * when all the rest is right, and "written" is true.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"
#include "base/bytes.h"
#include "model/image.h"

#define FLASH_BYTES  (64u << 10)
#define FLASH_START  0x10000000u
#define FLASH_END    0x11000000u
#define IMAGE_BYTES  9000u
#define PAGE_BYTES   256u
#define RAM_START    0x20000000u
#define RAM_BYTES    1024u /* what anybody uses of it */
#define DEVIATE_FROM 200 /* a byte from here on is a deviation, below it is not */

enum deviation {
	DEVIATE_STALL = DEVIATE_FROM,
	DEVIATE_FAULT,
	DEVIATE_LEAVE,
	DEVIATE_PENDING,
	DEVIATE_PENDING_LONG, /* and several more times */
	DEVIATE_SHORT,
	DEVIATE_LIE,
	DEVIATE_LOSE,
	DEVIATE_NONSENSE,
};

struct usb_device {
	const uint8_t *script;
	size_t length, position;
	uint8_t flash[FLASH_BYTES];
	uint8_t ram[RAM_BYTES];
	bool is_rp2350;
	uint32_t boot_page; /* its offset in the flash */
	uint8_t command[32];
	unsigned pending;
	unsigned acknowledgements_due; /* towards the host */
	bool is_gone, has_lied, has_command, is_writing;
	uint8_t configuration[64];
	size_t configuration_length;
};

struct usb_transfer {
	struct usb_device *device;
	uint8_t endpoint;
	uint8_t *data;
	size_t length;
};

static struct usb_device board;
static uint8_t image_bytes[IMAGE_BYTES];

static const uint8_t good_configuration[] = {
	0x09,
	0x02,
	0x37,
	0x00,
	0x02,
	0x01,
	0x00,
	0x80,
	0xfa, /* configuration */
	0x09,
	0x04,
	0x00,
	0x00,
	0x02,
	0x08,
	0x06,
	0x50,
	0x00, /* mass storage */
	0x07,
	0x05,
	0x81,
	0x02,
	0x40,
	0x00,
	0x00,
	0x07,
	0x05,
	0x02,
	0x02,
	0x40,
	0x00,
	0x00,
	0x09,
	0x04,
	0x01,
	0x00,
	0x02,
	0xff,
	0x00,
	0x00,
	0x00, /* PICOBOOT */
	0x07,
	0x05,
	0x03,
	0x02,
	0x40,
	0x00,
	0x00,
	0x07,
	0x05,
	0x84,
	0x02,
	0x40,
	0x00,
	0x00,
};

static unsigned next_byte(void)
{
	if (board.position == board.length) {
		board.is_gone = true;
		return 0;
	}
	return board.script[board.position++];
}

static uint8_t *flash_at(uint32_t address)
{
	return &board.flash[(address - FLASH_START) % FLASH_BYTES];
}

static void check_range(uint32_t address, uint32_t length, uint32_t unit)
{
	if (address < FLASH_START || address >= FLASH_END || length > FLASH_END - address ||
		length == 0 || address % unit || length % unit)
		abort();
}

/* The fail-safe order, judged at every erase and write. */
static void check_order(uint32_t address)
{
	if (board.has_lied || !board.is_writing)
		return;
	uint32_t boot_end = board.boot_page + PAGE_BYTES;
	if (address == FLASH_START + board.boot_page) {
		if (memcmp(board.flash, image_bytes, board.boot_page) != 0 ||
			memcmp(board.flash + boot_end, image_bytes + boot_end,
				IMAGE_BYTES - boot_end) != 0)
			abort();
		return;
	}
	for (size_t i = board.boot_page; i < boot_end; i++)
		if (board.flash[i] != 0xff)
			abort();
}

static uint8_t *ram_at(uint32_t address, uint32_t length)
{
	if (board.is_rp2350 || address < RAM_START || length > RAM_BYTES ||
		address - RAM_START > RAM_BYTES - length)
		abort();
	return board.ram + (address - RAM_START);
}

/* Any code may be sent, but here it does one thing: an answer behind it, marked as complete. */
static void execute(uint32_t address)
{
	uint8_t *answer = ram_at(address, 120) + 100;
	for (unsigned i = 0; i < 16; i++)
		answer[i] = (uint8_t)next_byte();
	memcpy(answer + 16, "!ID!", 4);
}

static void obey_dataless(bool lose)
{
	uint32_t address = read_u32(board.command + 16), length = read_u32(board.command + 20);
	board.acknowledgements_due++;
	if (board.command[8] == 0x08 && !lose)
		execute(address);
	if (board.command[8] != 0x03)
		return;
	check_range(address, length, 4096);
	if (address != FLASH_START)
		check_order(address);
	for (uint32_t i = 0; !lose && i < length; i++)
		*flash_at(address + i) = 0xff;
}

static void obey_get_info(uint8_t *data, size_t length)
{
	uint32_t type = read_u32(board.command + 16), flags = read_u32(board.command + 20);
	if (!board.is_rp2350 || type < 1 || type > 2)
		abort();
	memset(data, 0, length);
	write_u32(data, type == 1 ? 5 : 4);
	write_u32(data + 4, flags);
	write_u32(data + 12, 0x12345678);
	write_u32(data + 20, 0xc00); /* 16 MiB of flash; no word of the answer for type 2 */
}

static void obey_read(uint8_t *data, size_t length)
{
	uint32_t address = read_u32(board.command + 16);
	if (board.command[8] == 0x8b) {
		obey_get_info(data, length);
	} else if (address < FLASH_START) {
		const uint8_t rom[] = { 'M', 'u', board.is_rp2350 ? 2 : 1, 3 };
		for (size_t i = 0; i < length; i++)
			data[i] = rom[i % sizeof rom];
	} else if (address >= RAM_START) {
		memcpy(data, ram_at(address, (uint32_t)length), length);
	} else {
		check_range(address, read_u32(board.command + 20), PAGE_BYTES);
		for (size_t i = 0; i < length; i++)
			data[i] = *flash_at(address + (uint32_t)i);
	}
}

static void obey_write(const uint8_t *data, size_t length, bool lose)
{
	uint32_t address = read_u32(board.command + 16);
	board.acknowledgements_due++;
	if (address >= RAM_START) {
		memcpy(ram_at(address, (uint32_t)length), data, length);
		return;
	}
	check_range(address, read_u32(board.command + 20), PAGE_BYTES);
	check_order(address);
	for (size_t i = 0; !lose && i < length; i++)
		*flash_at(address + (uint32_t)i) &= data[i];
}

/* One transfer does what it is for; which one it is can be told from the command before. */
static void carry_out(struct usb_transfer *transfer, unsigned deviation)
{
	bool is_in = transfer->endpoint & 0x80;
	if (!is_in && transfer->length == 32 && !board.has_command) {
		memcpy(board.command, transfer->data, 32);
		board.has_command = read_u32(board.command + 12) > 0;
		if (!board.has_command)
			obey_dataless(deviation == DEVIATE_LOSE);
		return;
	}
	if (!board.has_command || transfer->length != read_u32(board.command + 12))
		return; /* an acknowledgement */
	board.has_command = false;
	if (is_in != (board.command[8] >> 7))
		return;
	if (!is_in) {
		obey_write(transfer->data, transfer->length, deviation == DEVIATE_LOSE);
		return;
	}
	obey_read(transfer->data, transfer->length);
	if (deviation == DEVIATE_LIE) {
		board.has_lied = true;
		transfer->data[next_byte() % transfer->length] ^= (uint8_t)(next_byte() | 1);
	}
}

/* After any means of recovery the ROM waits for a new command. */
static void forget_command(struct usb_device *device)
{
	device->has_command = false;
	device->acknowledgements_due = 0;
}

int usb_open(const struct usb_address *address, struct usb_device **ret)
{
	(void)address;
	*ret = &board;
	return 0;
}

struct usb_device *usb_close(struct usb_device *device)
{
	(void)device;
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
	(void)device;
	return interface == 77 ? -EBUSY : 0;
}

int usb_set_alternate(struct usb_device *device, unsigned interface, unsigned alternate)
{
	(void)device, (void)interface, (void)alternate;
	abort(); /* not this backend's */
}

int usb_control(struct usb_device *device, uint8_t request_type, uint8_t request, uint16_t value,
	uint16_t index, void *data, uint16_t length, unsigned timeout_msec)
{
	(void)request, (void)value, (void)index, (void)timeout_msec;
	unsigned deviation = next_byte();
	if (device->is_gone)
		return -ENODEV;
	if (deviation == DEVIATE_STALL)
		return -EPIPE;
	if (deviation == DEVIATE_FAULT)
		return -EIO;
	if (deviation == DEVIATE_PENDING)
		return -ETIMEDOUT;
	if (!(request_type & 0x80)) {
		forget_command(device); /* INTERFACE_RESET */
		return 0;
	}
	memset(data, deviation == DEVIATE_NONSENSE ? (int)next_byte() : 0, length);
	return deviation == DEVIATE_SHORT ? length / 2 : length;
}

int usb_submit(struct usb_device *device, uint8_t endpoint, void *data, size_t length,
	struct usb_transfer **ret)
{
	if (device->is_gone)
		return -ENODEV;
	struct usb_transfer *transfer = malloc(sizeof *transfer);
	if (!transfer)
		return -ENOMEM;
	*transfer = (struct usb_transfer){ device, endpoint, data, length };
	*ret = transfer;
	return 0;
}

/* How many bytes an undisturbed transfer carries: an acknowledgement towards the host is empty. */
static size_t natural_length(const struct usb_transfer *transfer)
{
	bool is_acknowledgement = transfer->endpoint & 0x80 && !board.has_command;
	return is_acknowledgement ? 0 : transfer->length;
}

int usb_wait(struct usb_transfer *transfer, unsigned timeout_msec, size_t *ret_transferred)
{
	(void)timeout_msec;
	if (board.pending > 0) {
		board.pending--;
		return USB_PENDING;
	}
	unsigned deviation = next_byte();
	if (deviation == DEVIATE_LEAVE)
		board.is_gone = true;
	if (board.is_gone)
		return -ENODEV;
	if (transfer->endpoint & 0x80 && !board.has_command) {
		if (board.acknowledgements_due == 0 && deviation < DEVIATE_FROM)
			return USB_PENDING; /* nobody has anything to say */
		board.acknowledgements_due = 0;
	}
	size_t length = natural_length(transfer);
	switch (deviation) {
	case DEVIATE_STALL:
		return -EPIPE;
	case DEVIATE_FAULT:
		return -EIO;
	case DEVIATE_PENDING_LONG:
		board.pending = next_byte();
		return USB_PENDING;
	case DEVIATE_PENDING:
		return USB_PENDING;
	case DEVIATE_SHORT:
		length /= 2;
		break;
	case DEVIATE_NONSENSE:
		length = transfer->length ? next_byte() % (transfer->length + 1) : 0;
		break;
	}
	carry_out(transfer, deviation);
	if (ret_transferred)
		*ret_transferred = length;
	return 0;
}

void usb_cancel(struct usb_transfer *transfer)
{
	(void)transfer;
}

struct usb_transfer *usb_transfer_free(struct usb_transfer *transfer)
{
	free(transfer);
	return NULL;
}

int usb_clear_halt(struct usb_device *device, uint8_t endpoint)
{
	(void)endpoint;
	forget_command(device);
	return device->is_gone ? -ENODEV : 0;
}

int usb_reset(struct usb_device *device)
{
	forget_command(device);
	return device->is_gone ? -ENODEV : next_byte() == DEVIATE_FAULT ? -EIO : 0;
}

int usb_pause(struct usb_device *device, unsigned msec)
{
	(void)msec;
	forget_command(device);
	return device->is_gone ? -ENODEV : 0;
}

static int on_progress(
	void *context, enum job_phase phase, uint64_t done_bytes, uint64_t total_bytes)
{
	(void)context, (void)phase;
	if (done_bytes > total_bytes)
		abort();
	return next_byte() == DEVIATE_LEAVE ? -ECANCELED : 0;
}

/* For an RP2350: an IMAGE_DEF in the second page, a program for its Arm, that leads to itself. */
static void make_image(void)
{
	static const uint32_t block[] = { 0xffffded3, 0x10210142, 0x000001ff, 0, 0xab123579 };
	for (size_t i = 0; i < sizeof image_bytes; i++)
		image_bytes[i] = (uint8_t)(i * 7 + i / 256);
	for (size_t i = 0; board.is_rp2350 && i < ELEMENTSOF(block); i++)
		write_u32(image_bytes + board.boot_page + 16 + 4 * i, block[i]);
}

static void write_image(const struct backend *backend, struct backend_session *session, bool force)
{
	make_image();
	struct image_segment segment = { FLASH_START, sizeof image_bytes, image_bytes };
	struct image image = {
		.has_address = true,
		.segments = &segment,
		.segment_count = 1,
		.byte_count = sizeof image_bytes,
	};
	struct backend_write write = { .image = &image, .force = force };
	struct backend_failure failure;
	struct job_tally tally = { 0 };
	board.is_writing = true;
	int r = backend->write(session, &write, &tally, &failure);
	if (r > 0 || (r < 0 && failure.code == REASON_NONE))
		abort();
	if (r == 0 && !board.has_lied && memcmp(board.flash, image_bytes, sizeof image_bytes) != 0)
		abort();
	if (r == 0)
		(void)backend->restart(session, &failure);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	board = (struct usb_device){ .script = data, .length = size };
	memset(board.flash, data[0] & 1 ? 0xff : 0x3c, sizeof board.flash);
	bool force = data[0] & 2;
	board.is_rp2350 = data[0] & 4;
	board.boot_page = board.is_rp2350 ? PAGE_BYTES : 0;
	size_t hostile_bytes = data[1] & 0x80 ? data[1] & 0x3f : 0;
	board.position = 2;
	memcpy(board.configuration, good_configuration, sizeof good_configuration);
	board.configuration_length = sizeof good_configuration;
	for (size_t i = 0; i < hostile_bytes && i < board.configuration_length; i++)
		board.configuration[i] = (uint8_t)next_byte();

	const struct backend *backend =
		backend_for_mode(board.is_rp2350 ? MODE_RP2350_BOOT : MODE_RP2040_BOOT);
	struct backend_watch watch = { .on_progress = on_progress };
	struct board_address address = { .usb.syspath = "/sys/devices/fuzz" };
	struct backend_session *session = NULL;
	struct backend_failure failure;
	struct board_facts facts;
	if (backend->open(&address, &watch, &session, &failure) < 0) {
		if (failure.code == REASON_NONE)
			abort();
		return 0;
	}
	if (backend->probe(session, &facts, &failure) == 0)
		write_image(backend, session, force);
	backend->close(session);
	return 0;
}
