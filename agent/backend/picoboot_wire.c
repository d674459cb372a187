/* SPDX-License-Identifier: MIT */
/* PICOBOOT as a wire; see picoboot_wire.h. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "backend/picoboot_wire.h"
#include "base/bytes.h"

#define MAGIC               0x431fd10bu
#define COMMAND_EXCLUSIVE   0x01
#define COMMAND_REBOOT      0x02
#define COMMAND_FLASH_ERASE 0x03
#define COMMAND_WRITE       0x05
#define COMMAND_EXIT_XIP    0x06
#define COMMAND_EXEC        0x08
#define COMMAND_REBOOT2     0x0a
#define COMMAND_READ        0x84
#define COMMAND_GET_INFO    0x8b
#define COMMAND_IS_IN       0x80 /* bit of the id: the data phase runs towards the host */

#define REQUEST_INTERFACE_RESET    0x41
#define REQUEST_GET_COMMAND_STATUS 0x42
#define VENDOR_TO_INTERFACE        0x41
#define VENDOR_FROM_INTERFACE      0xc1
#define STATUS_BYTES                                                                 \
	16 /* exactly: any other wLength stalls, whatever the datasheet's table says \
	    */

#define INFO_BYTES_MAX 256

#define REQUEST_GET_STATUS 0x00
#define FROM_ENDPOINT      0x82

/* Worst cases of the datasheets (W25Q16JV and its like: 400 ms a sector, 3 ms a page, and 0.7 ms
 * for USB and SPI), and what the rest of the ROM may take. */
#define ERASE_WORST_MSEC      400
#define WRITE_PAGE_WORST_MSEC 5
#define READ_PAGE_WORST_MSEC  2
#define MARGIN_MSEC           5000

/* When nothing moved for QUIET, the ROM is asked whether it lives; when it says that no command
 * runs although we wait for one, it is asked again after IDLE, and believed the last time. All of
 * it is wide: a busy host and a slow hub must not look like a dead board, and only failures wait
 * that long. */
#define QUIET_MSEC       500
#define IDLE_MSEC        200
#define IDLE_ANSWERS     4
#define CONTROL_MSEC     2000
#define DRAIN_MSEC       20
#define DRAIN_PACKETS    16
#define FLASH_REST_MSEC  400
#define EXECUTE_MSEC     1000
#define STACK_AT_RAM_END PICOBOOT_RAM_END

/* REBOOT2: as after a reset, into whatever processor the image is for. */
#define REBOOT2_NORMAL 0

#define DESCRIPTOR_INTERFACE 4
#define DESCRIPTOR_ENDPOINT  5
#define ENDPOINT_IS_IN       0x80
#define ENDPOINT_TYPE_MASK   0x03
#define ENDPOINT_TYPE_BULK   0x02

struct command_status {
	uint32_t token;
	uint32_t code;
	bool in_progress;
};

static int get_command_status(struct picoboot_wire *wire, struct command_status *ret)
{
	uint8_t bytes[STATUS_BYTES] = { 0 };
	int r = usb_control(wire->device, VENDOR_FROM_INTERFACE, REQUEST_GET_COMMAND_STATUS, 0,
		wire->endpoints.interface, bytes, sizeof bytes, CONTROL_MSEC);
	if (r < 0)
		return r;
	if (r != STATUS_BYTES)
		return -EPROTO;
	*ret = (struct command_status){
		.token = read_u32(bytes),
		.code = read_u32(bytes + 4),
		.in_progress = bytes[9] != 0,
	};
	return 0;
}

static uint32_t next_token(struct picoboot_wire *wire)
{
	/* Never 0: INTERFACE_RESET zeroes the ROM's, and consecutive tokens must differ. */
	if (++wire->token == 0)
		wire->token = 1;
	return wire->token;
}

static struct picoboot_command *command_at(struct picoboot_wire *wire, unsigned position)
{
	return &wire->queue[(wire->first + position) % PICOBOOT_DEPTH];
}

/*
 * Waits for one transfer of the oldest command. The wait itself is never longer than QUIET: then
 * the control endpoint, which the ROM serves from its interrupt even while it erases, says whether
 * the chip is at work. The transfer lives on meanwhile.
 */
static int await_transfer(struct picoboot_wire *wire, struct usb_transfer *transfer,
	unsigned *waited_msec, unsigned worst_msec, size_t *ret_transferred)
{
	unsigned idle_answers = 0;
	unsigned slice_msec = QUIET_MSEC;
	for (;;) {
		int r = usb_wait(transfer, slice_msec, ret_transferred);
		if (r != USB_PENDING)
			return r;
		*waited_msec += slice_msec;

		struct command_status status;
		r = get_command_status(wire, &status);
		if (r < 0)
			return r == -ENODEV ? r : -ETIMEDOUT;
		if (wire->on_alive)
			wire->on_alive(wire->context);
		if (status.in_progress) {
			idle_answers = 0;
			slice_msec = QUIET_MSEC;
		} else {
			slice_msec = IDLE_MSEC;
			/* A failed last page of a WRITE is acknowledged by nothing at all. */
			if (++idle_answers == IDLE_ANSWERS)
				return status.code != PICOBOOT_OK ? -EPIPE : -ETIMEDOUT;
		}
		if (*waited_msec > worst_msec)
			return -ETIMEDOUT;
	}
}

static size_t expected_length(const struct picoboot_command *command, unsigned phase)
{
	if (phase == 0)
		return PICOBOOT_PACKET_BYTES;
	if (phase == 1)
		return command->length;
	return command->id & COMMAND_IS_IN ? 1 : 0;
}

static int finish_phases(struct picoboot_wire *wire, struct picoboot_command *command)
{
	unsigned waited_msec = 0;
	for (unsigned phase = 0; phase < PICOBOOT_TRANSFERS; phase++) {
		struct usb_transfer *transfer = command->transfers[phase];
		if (!transfer)
			continue; /* no data phase */
		size_t transferred;
		int r = await_transfer(
			wire, transfer, &waited_msec, command->worst_msec, &transferred);
		if (r < 0)
			return r;
		if (transferred != expected_length(command, phase))
			return -EPROTO;
	}
	return 0;
}

static void free_transfers(struct picoboot_command *command)
{
	/* The last one first: cancelling the one at the head of an endpoint would send the next. */
	for (unsigned phase = PICOBOOT_TRANSFERS; phase-- > 0;)
		command->transfers[phase] = usb_transfer_free(command->transfers[phase]);
}

static bool works_on_flash(const struct picoboot_command *command)
{
	return command->id == COMMAND_FLASH_ERASE || command->id == COMMAND_WRITE;
}

/* The status is asked before anything is reset, for a reset zeroes it. */
static int note_failure(struct picoboot_wire *wire, int error)
{
	struct command_status status;
	wire->last_status = PICOBOOT_OK;
	if (error != -ENODEV && get_command_status(wire, &status) == 0)
		wire->last_status = status.code;
	picoboot_abandon(wire);
	return error;
}

static int finish_oldest(struct picoboot_wire *wire)
{
	struct picoboot_command *command = command_at(wire, 0);
	int r = finish_phases(wire, command);
	if (r < 0)
		return note_failure(wire, r);
	free_transfers(command);
	wire->first = (wire->first + 1) % PICOBOOT_DEPTH;
	wire->count--;
	return 0;
}

static int submit_phases(struct picoboot_wire *wire, struct picoboot_command *command, void *data)
{
	static uint8_t out_acknowledgement[1]; /* the ROM discards it */
	bool is_in = command->id & COMMAND_IS_IN;
	uint8_t in = wire->endpoints.in, out = wire->endpoints.out;
	struct usb_device *device = wire->device;

	int r = usb_submit(
		device, out, command->packet, sizeof command->packet, &command->transfers[0]);
	if (r == 0 && command->length > 0)
		r = usb_submit(
			device, is_in ? in : out, data, command->length, &command->transfers[1]);
	if (r < 0)
		return r;
	if (is_in)
		return usb_submit(device, out, out_acknowledgement, sizeof out_acknowledgement,
			&command->transfers[2]);
	/* Room for a whole packet: what is not an acknowledgement must be seen as such. */
	return usb_submit(device, in, command->acknowledgement, sizeof command->acknowledgement,
		&command->transfers[2]);
}

static int queue_command(struct picoboot_wire *wire, uint8_t id, const uint32_t *arguments,
	uint8_t argument_bytes, void *data, uint32_t length, unsigned worst_msec)
{
	if (wire->count == PICOBOOT_DEPTH) {
		int r = finish_oldest(wire);
		if (r < 0)
			return r;
	}
	struct picoboot_command *command = command_at(wire, wire->count);
	*command = (struct picoboot_command){
		.id = id,
		.length = length,
		.worst_msec = worst_msec,
	};
	write_u32(command->packet, MAGIC);
	write_u32(command->packet + 4, next_token(wire));
	command->packet[8] = id;
	command->packet[9] = argument_bytes;
	write_u32(command->packet + 12, length);
	for (unsigned i = 0; i * 4 < argument_bytes; i++)
		write_u32(command->packet + 16 + i * 4, arguments[i]);

	wire->count++;
	int r = submit_phases(wire, command, data);
	return r < 0 ? note_failure(wire, r) : 0;
}

static bool is_inside(uint32_t address, uint32_t length, uint32_t start, uint32_t end)
{
	return address >= start && address < end && length > 0 && length <= end - address;
}

static void assert_flash_range(uint32_t address, uint32_t length, uint32_t unit)
{
	assert(is_inside(address, length, PICOBOOT_FLASH_START, PICOBOOT_FLASH_END));
	assert(address % unit == 0 && length % unit == 0);
}

static unsigned pages_of(uint32_t length)
{
	return (length + 255) / 256;
}

static int endpoint_is_halted(struct picoboot_wire *wire, uint8_t endpoint)
{
	uint8_t status[2] = { 0 };
	int r = usb_control(wire->device, FROM_ENDPOINT, REQUEST_GET_STATUS, 0, endpoint, status,
		sizeof status, CONTROL_MSEC);
	if (r < 0)
		return r;
	return r == sizeof status ? status[0] & 1 : -EPROTO;
}

/* Un-halts through the kernel, because the host's controller keeps a halt of its own. */
static int clear_halt(struct picoboot_wire *wire, uint8_t endpoint, bool always)
{
	int r = always ? 1 : endpoint_is_halted(wire, endpoint);
	return r > 0 ? usb_clear_halt(wire->device, endpoint) : r;
}

static int clear_halts(struct picoboot_wire *wire, bool always)
{
	int r = clear_halt(wire, wire->endpoints.in, always);
	return r < 0 ? r : clear_halt(wire, wire->endpoints.out, always);
}

/* Reads away what an aborted command still sends. */
static int drain(struct picoboot_wire *wire)
{
	for (unsigned i = 0; i < DRAIN_PACKETS; i++) {
		uint8_t packet[PICOBOOT_ENDPOINT_BYTES];
		_cleanup_(usb_transfer_freep) struct usb_transfer *transfer = NULL;
		int r = usb_submit(
			wire->device, wire->endpoints.in, packet, sizeof packet, &transfer);
		if (r == 0)
			r = usb_wait(transfer, DRAIN_MSEC, NULL);
		if (r == USB_PENDING)
			return 0;
		if (r < 0)
			return r;
	}
	return -EPROTO;
}

/*
 * Takes hold of the board after a reset of its interface. The abort that every enumeration and
 * every reset of a busy interface leaves behind is cleared by EXIT_XIP only; the four bytes from
 * the ROM prove that packets, data and acknowledgements are in step.
 */
static int take_hold(struct picoboot_wire *wire)
{
	uint8_t magic[4] = { 0 };
	int r = picoboot_exclusive(wire, true);
	if (r == 0)
		r = picoboot_exit_xip(wire);
	if (r == 0)
		r = picoboot_read(wire, PICOBOOT_ROM_MAGIC_ADDRESS, magic, sizeof magic);
	if (r == 0)
		r = picoboot_flush(wire);
	if (r < 0)
		picoboot_abandon(wire);
	return r;
}

static int clean_up(struct picoboot_wire *wire, bool clear_always)
{
	int r = clear_halts(wire, clear_always);
	if (r == 0)
		r = picoboot_reset_interface(wire);
	if (r == 0)
		r = drain(wire);
	if (r == 0 && wire->flash_may_work) {
		/* The ROM was torn away from a chip that goes on erasing and hears nothing. Its
		 * task may also end only now, with an acknowledgement that nobody waits for. */
		r = usb_pause(wire->device, FLASH_REST_MSEC);
		if (r == 0)
			r = drain(wire);
	}
	return r == 0 ? take_hold(wire) : r;
}

int picoboot_find(const uint8_t *configuration, size_t length, struct picoboot_endpoints *ret)
{
	struct picoboot_endpoints found = { 0 };
	bool in_interface = false;
	struct cursor cursor = cursor_over(configuration, length);
	while (cursor_left(&cursor) >= 2) {
		size_t size = cursor.data[cursor.position];
		const uint8_t *descriptor = size >= 2 ? cursor_take(&cursor, size) : NULL;
		if (!descriptor)
			return -ENOENT;
		if (descriptor[1] == DESCRIPTOR_INTERFACE) {
			in_interface = size >= 9 && descriptor[3] == 0 && descriptor[4] == 2 &&
				       descriptor[5] == 0xff && descriptor[6] == 0 &&
				       descriptor[7] == 0;
			found = (struct picoboot_endpoints){ 0 };
			if (in_interface)
				found.interface = descriptor[2];
		} else if (descriptor[1] == DESCRIPTOR_ENDPOINT && size >= 7 && in_interface &&
			   (descriptor[3] & ENDPOINT_TYPE_MASK) == ENDPOINT_TYPE_BULK) {
			if (descriptor[2] & ENDPOINT_IS_IN)
				found.in = descriptor[2];
			else
				found.out = descriptor[2];
		}
		if (in_interface && found.in && found.out) {
			*ret = found;
			return 0;
		}
	}
	return -ENOENT;
}

int picoboot_start(struct picoboot_wire *wire)
{
	struct command_status status;
	int r = get_command_status(wire, &status);
	if (r == 0 && !status.in_progress)
		r = clear_halts(wire, false);
	else
		wire->flash_may_work = true; /* a host that died left its command behind */
	if (r == 0 && !wire->flash_may_work)
		r = picoboot_reset_interface(wire);
	if (r == 0 && !wire->flash_may_work)
		r = take_hold(wire);
	if (r == -ENODEV)
		return r;
	if (r < 0 || wire->flash_may_work)
		return picoboot_recover(wire);
	wire->is_sound = true;
	return 0;
}

int picoboot_recover(struct picoboot_wire *wire)
{
	picoboot_abandon(wire);
	int r = clean_up(wire, false);
	if (r < 0 && r != -ENODEV) {
		/* The host's end of a pipe may be halted where the board's is not. */
		r = clean_up(wire, true);
	}
	if (r < 0 && r != -ENODEV) {
		r = usb_reset(wire->device);
		if (r == 0)
			r = clean_up(wire, true);
	}
	if (r < 0)
		return r;
	wire->flash_may_work = false;
	wire->is_sound = true;
	return 0;
}

int picoboot_exclusive(struct picoboot_wire *wire, bool exclusive)
{
	uint32_t argument = exclusive;
	return queue_command(wire, COMMAND_EXCLUSIVE, &argument, 1, NULL, 0, MARGIN_MSEC);
}

int picoboot_exit_xip(struct picoboot_wire *wire)
{
	return queue_command(wire, COMMAND_EXIT_XIP, NULL, 0, NULL, 0, MARGIN_MSEC);
}

int picoboot_erase(struct picoboot_wire *wire, uint32_t address, uint32_t length)
{
	assert_flash_range(address, length, 4096);
	uint32_t arguments[] = { address, length };
	return queue_command(wire, COMMAND_FLASH_ERASE, arguments, sizeof arguments, NULL, 0,
		length / 4096 * ERASE_WORST_MSEC + MARGIN_MSEC);
}

int picoboot_write(struct picoboot_wire *wire, uint32_t address, uint8_t *data, uint32_t length)
{
	/* Whole pages: the ROM fills a torn one with zeros, and takes a length of 0 for a page. */
	assert_flash_range(address, length, 256);
	uint32_t arguments[] = { address, length };
	return queue_command(wire, COMMAND_WRITE, arguments, sizeof arguments, data, length,
		pages_of(length) * WRITE_PAGE_WORST_MSEC + MARGIN_MSEC);
}

int picoboot_read(struct picoboot_wire *wire, uint32_t address, uint8_t *data, uint32_t length)
{
	if (address >= PICOBOOT_FLASH_START && address < PICOBOOT_RAM_START)
		assert_flash_range(address, length, 256);
	assert(length > 0);
	uint32_t arguments[] = { address, length };
	return queue_command(wire, COMMAND_READ, arguments, sizeof arguments, data, length,
		pages_of(length) * READ_PAGE_WORST_MSEC + MARGIN_MSEC);
}

int picoboot_reboot(struct picoboot_wire *wire, uint32_t delay_msec)
{
	uint32_t arguments[] = { 0, STACK_AT_RAM_END, delay_msec };
	return queue_command(
		wire, COMMAND_REBOOT, arguments, sizeof arguments, NULL, 0, MARGIN_MSEC);
}

int picoboot_load(struct picoboot_wire *wire, uint32_t address, uint8_t *data, uint32_t length)
{
	assert(is_inside(address, length, PICOBOOT_RAM_START, PICOBOOT_RAM_END));
	uint32_t arguments[] = { address, length };
	return queue_command(wire, COMMAND_WRITE, arguments, sizeof arguments, data, length,
		pages_of(length) * WRITE_PAGE_WORST_MSEC + MARGIN_MSEC);
}

int picoboot_execute(struct picoboot_wire *wire, uint32_t address)
{
	assert(is_inside(address, 2, PICOBOOT_RAM_START, PICOBOOT_RAM_END));
	return queue_command(wire, COMMAND_EXEC, &address, sizeof address, NULL, 0, EXECUTE_MSEC);
}

int picoboot_get_info(
	struct picoboot_wire *wire, uint32_t type, uint32_t flags, uint8_t *data, uint32_t length)
{
	assert(length % 4 == 0 && length <= INFO_BYTES_MAX);
	uint32_t arguments[] = { type, flags, 0, 0 };
	return queue_command(
		wire, COMMAND_GET_INFO, arguments, sizeof arguments, data, length, MARGIN_MSEC);
}

int picoboot_reboot2(struct picoboot_wire *wire, uint32_t delay_msec)
{
	uint32_t arguments[] = { REBOOT2_NORMAL, delay_msec, 0, 0 };
	return queue_command(
		wire, COMMAND_REBOOT2, arguments, sizeof arguments, NULL, 0, MARGIN_MSEC);
}

int picoboot_read_now(struct picoboot_wire *wire, uint32_t address, uint8_t *data, uint32_t length)
{
	int r = picoboot_read(wire, address, data, length);
	return r < 0 ? r : picoboot_flush(wire);
}

int picoboot_flush(struct picoboot_wire *wire)
{
	while (wire->count > 0) {
		int r = finish_oldest(wire);
		if (r < 0)
			return r;
	}
	return 0;
}

void picoboot_abandon(struct picoboot_wire *wire)
{
	while (wire->count > 0) {
		struct picoboot_command *command = command_at(wire, wire->count - 1);
		wire->flash_may_work |= works_on_flash(command);
		free_transfers(command);
		wire->count--;
	}
	wire->is_sound = false;
}

int picoboot_reset_interface(struct picoboot_wire *wire)
{
	int r = usb_control(wire->device, VENDOR_TO_INTERFACE, REQUEST_INTERFACE_RESET, 0,
		wire->endpoints.interface, NULL, 0, CONTROL_MSEC);
	return r < 0 ? r : 0;
}

const char *picoboot_status_name(uint32_t status)
{
	static const char *const names[] = {
		"no error reported",
		"unknown command",
		"wrong length of a command",
		"wrong length of a transfer",
		"invalid address",
		"bad alignment",
		"a file was copied to the drive meanwhile",
		"restarting",
		"unknown error",
		"invalid state",
		"not permitted",
		"invalid argument",
		"buffer too small",
		"precondition not met",
		"modified data",
		"invalid data",
		"not found",
		"unsupported modification",
	};
	return status < ELEMENTSOF(names) ? names[status] : "unknown status";
}
