/* SPDX-License-Identifier: MIT */
/*
 * Commands, data and acknowledgements one by one over port/usb.h, in virtual time.
 */
#include <errno.h>
#include <string.h>

#include "unit/emu_talker.h"

int talker_open_board(struct talker *talker)
{
	struct usb_address address = bench_address(talker->board);
	int error = usb_open(&address, &talker->device);
	return error < 0 ? error : usb_claim(talker->device, 1);
}

void talker_set_up_with(struct talker *talker, const struct rp2040_options *options)
{
	*talker = (struct talker){ .bench = bench_new() };
	talker->board = bench_plug(talker->bench, PLACE, options);
}

int talker_tear_down(void **state)
{
	struct talker *talker = *state;
	talker->device = usb_close(talker->device);
	talker->bench = bench_free(talker->bench);
	return 0;
}

int talker_set_up(void **state)
{
	static struct talker talker;
	talker_set_up_with(&talker, NULL);
	*state = &talker;
	return talker_open_board(&talker);
}

/* --- a talker ---------------------------------------------------------------------------- */

static void pack(uint8_t packet[32], uint32_t token, uint8_t id, uint8_t size, uint32_t transfer,
	const uint32_t arguments[4])
{
	const uint32_t words[8] = { 0x431fd10b, token, (uint32_t)id | (uint32_t)size << 8, transfer,
		arguments[0], arguments[1], arguments[2], arguments[3] };
	for (int index = 0; index < 32; index++)
		packet[index] = (uint8_t)(words[index / 4] >> 8 * (index % 4));
}

/* One transfer, waited for; SILENT when it does not end in time, and is given up. */
int talker_bulk(struct talker *talker, uint8_t endpoint, void *data, size_t length, unsigned msec)
{
	_cleanup_(usb_transfer_freep) struct usb_transfer *transfer = NULL;
	size_t transferred = 0;
	int error = usb_submit(talker->device, endpoint, data, length, &transfer);
	if (error < 0)
		return error;
	error = usb_wait(transfer, msec, &transferred);
	if (error == USB_PENDING)
		return SILENT;
	return error < 0 ? error : (int)transferred;
}

int talker_send_command(struct talker *talker, uint8_t id, uint8_t size, uint32_t transfer,
	const uint32_t arguments[4])
{
	uint8_t packet[32];
	pack(packet, ++talker->token, id, size, transfer, arguments);
	return talker_bulk(talker, OUT, packet, sizeof(packet), ACK_MSEC);
}

int talker_acknowledge(struct talker *talker, uint8_t id, unsigned msec)
{
	uint8_t bytes[64] = { 0 };
	if (id & 0x80)
		return talker_bulk(talker, OUT, bytes, 1, msec) == 1 ? 0 : SILENT;
	return talker_bulk(talker, IN, bytes, sizeof(bytes), msec);
}

int talker_talk(struct talker *talker, uint8_t id, uint8_t size, const uint32_t arguments[4],
	void *data, size_t length)
{
	int error = talker_send_command(talker, id, size, (uint32_t)length, arguments);
	if (error < 0)
		return error;
	if (length) {
		error = talker_bulk(talker, id & 0x80 ? IN : OUT, data, length, LONG_MSEC);
		if (error < 0)
			return error;
	}
	return talker_acknowledge(talker, id, LONG_MSEC);
}

int talker_simple(struct talker *talker, uint8_t id)
{
	return talker_talk(talker, id, 0, (uint32_t[4]){ 0 }, NULL, 0);
}

int talker_erase(struct talker *talker, uint32_t address, uint32_t size)
{
	return talker_talk(talker, ERASE, 8, (uint32_t[4]){ address, size }, NULL, 0);
}

int talker_write_at(struct talker *talker, uint32_t address, const void *data, size_t length)
{
	return talker_talk(
		talker, WRITE, 8, (uint32_t[4]){ address, (uint32_t)length }, (void *)data, length);
}

int talker_read_at(struct talker *talker, uint32_t address, void *data, size_t length)
{
	return talker_talk(
		talker, READ, 8, (uint32_t[4]){ address, (uint32_t)length }, data, length);
}

int talker_reboot(struct talker *talker, uint32_t msec)
{
	return talker_talk(talker, REBOOT, 12, (uint32_t[4]){ 0, 0x20042000, msec }, NULL, 0);
}

int talker_interface_reset(struct talker *talker)
{
	return usb_control(talker->device, 0x41, 0x41, 0, 1, NULL, 0, 100);
}

void talker_get_status(struct talker *talker, uint32_t *ret_code, bool *ret_in_progress)
{
	uint8_t status[16];
	assert_int_equal(usb_control(talker->device, 0xc1, 0x42, 0, 1, status, 16, 100), 16);
	*ret_code = status[4];
	*ret_in_progress = status[9];
}

uint32_t talker_status_code(struct talker *talker)
{
	uint32_t code;
	bool in_progress;
	talker_get_status(talker, &code, &in_progress);
	return code;
}

bool talker_is_halted(struct talker *talker, uint8_t endpoint)
{
	uint8_t status[2];
	assert_int_equal(usb_control(talker->device, 0x82, 0, 0, endpoint, status, 2, 100), 2);
	return status[0] & 1;
}

const uint8_t *talker_flash(struct talker *talker)
{
	size_t size;
	return rp2040_flash(bench_rp2040(talker->board), &size);
}

const struct rp2040_counters *talker_counters(struct talker *talker)
{
	return rp2040_counters(bench_rp2040(talker->board));
}

int talker_arm(struct talker *talker, struct rp2040_fault fault)
{
	return bench_fault(talker->board, &fault);
}

/* A boot2 whose CRC is right, and vectors. */
void talker_make_image(uint8_t *image, size_t length)
{
	uint32_t crc = 0xffffffff;
	for (size_t index = 0; index < length; index++)
		image[index] = (uint8_t)(index * 7 + index / 256);
	for (int index = 0; index < 252; index++) {
		crc ^= (uint32_t)image[index] << 24;
		for (int bit = 0; bit < 8; bit++)
			crc = crc << 1 ^ (crc >> 31 ? 0x04c11db7 : 0);
	}
	const uint32_t words[3] = { crc, 0x20042000, 0x100001f7 };
	for (int index = 0; index < 12; index++)
		image[252 + index] = (uint8_t)(words[index / 4] >> 8 * (index % 4));
}

void talker_assert_took(struct talker *talker, uint64_t since, double seconds)
{
	double took = (double)(bench_now_nsec(talker->bench) - since) / 1e9;
	if (took < seconds * 0.98 || took > seconds * 1.02)
		fail_msg("took %f s, not %f s", took, seconds);
}
