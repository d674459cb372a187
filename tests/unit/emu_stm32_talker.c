/* SPDX-License-Identifier: MIT */
/*
 * DFU request by request over port/usb.h, in virtual time.
 */
#include <errno.h>
#include <string.h>

#include "unit/emu_stm32_talker.h"

int rom_open(struct talker *talker)
{
	struct usb_address address = bench_address(talker->board);
	int error = usb_open(&address, &talker->device);
	return error < 0 ? error : usb_claim(talker->device, 0);
}

void rom_plug(struct talker *talker, const struct stm32_options *options)
{
	*talker = (struct talker){ .bench = bench_new() };
	talker->board = bench_plug_stm32(talker->bench, PLACE, options);
}

void rom_set_up(struct talker *talker, void **state, const struct stm32_options *options)
{
	*state = talker;
	rom_plug(talker, options);
	assert_int_equal(rom_open(talker), 0);
	if (rom_get_status(talker) == ERROR)
		assert_int_equal(rom_order(talker, CLRSTATUS, 0), 0);
	assert_int_equal(rom_get_status(talker), IDLE);
	stm32_reset_counters(bench_stm32(talker->board));
}

int rom_tear_down(void **state)
{
	struct talker *talker = *state;
	talker->device = usb_close(talker->device);
	talker->bench = bench_free(talker->bench);
	return 0;
}

int rom_order(struct talker *talker, uint8_t request, uint16_t value)
{
	return usb_control(talker->device, 0x21, request, value, 0, NULL, 0, SOON_MSEC);
}

int rom_download(struct talker *talker, uint16_t block, const void *data, size_t length)
{
	return usb_control(
		talker->device, 0x21, DNLOAD, block, 0, (void *)data, (uint16_t)length, SOON_MSEC);
}

int rom_upload(struct talker *talker, uint16_t block, void *data, size_t length)
{
	return usb_control(
		talker->device, 0xa1, UPLOAD, block, 0, data, (uint16_t)length, SOON_MSEC);
}

int rom_get_status_within(struct talker *talker, unsigned msec)
{
	uint8_t bytes[6];
	int got = usb_control(talker->device, 0xa1, GETSTATUS, 0, 0, bytes, sizeof(bytes), msec);
	if (got < 0)
		return got;
	assert_int_equal(got, 6);
	talker->status = bytes[0];
	talker->poll = bytes[1] | (unsigned)bytes[2] << 8 | (unsigned)bytes[3] << 16;
	talker->state = bytes[4];
	return bytes[4];
}

int rom_get_status(struct talker *talker)
{
	return rom_get_status_within(talker, LONG_MSEC);
}

int rom_write(struct talker *talker, uint16_t block, const void *data, size_t length)
{
	int result = rom_download(talker, block, data, length);
	if (result < 0)
		return result;
	result = rom_get_status(talker);
	return result < 0 ? result : rom_get_status(talker);
}

static int command(struct talker *talker, uint8_t code, uint32_t address)
{
	const uint8_t bytes[5] = { code, (uint8_t)address, (uint8_t)(address >> 8),
		(uint8_t)(address >> 16), (uint8_t)(address >> 24) };
	return rom_write(talker, 0, bytes, sizeof(bytes));
}

int rom_set_address(struct talker *talker, uint32_t address)
{
	return command(talker, 0x21, address);
}

int rom_erase(struct talker *talker, uint32_t address)
{
	return command(talker, 0x41, address);
}

int rom_read(struct talker *talker, uint32_t address, void *data, size_t length)
{
	int result = rom_set_address(talker, address);
	if (result != DNLOAD_IDLE)
		return result < 0 ? result : -EPROTO;
	assert_int_equal(rom_order(talker, ABORT, 0), 0);
	result = rom_upload(talker, 2, data, length);
	if (result >= 0)
		assert_int_equal(rom_order(talker, ABORT, 0), 0);
	return result;
}

const uint8_t *rom_flash(struct talker *talker)
{
	size_t size;
	return stm32_flash(bench_stm32(talker->board), &size);
}

const struct stm32_counters *rom_counters(struct talker *talker)
{
	return stm32_counters(bench_stm32(talker->board));
}

int rom_arm(struct talker *talker, struct stm32_fault fault)
{
	return bench_stm32_fault(talker->board, &fault);
}

void rom_assert_took(struct talker *talker, uint64_t since, double seconds)
{
	double took = (double)(bench_now_nsec(talker->bench) - since) / 1e9;
	if (took < seconds * 0.98 || took > seconds * 1.02)
		fail_msg("took %f s, not %f s", took, seconds);
}

static void put(uint8_t *bytes, uint32_t word)
{
	for (int index = 0; index < 4; index++)
		bytes[index] = (uint8_t)(word >> 8 * index);
}

void rom_make_image(uint8_t *image, size_t length, uint32_t address, uint32_t stack)
{
	for (size_t index = 0; index < length; index++)
		image[index] = (uint8_t)(index * 7 + index / 256);
	put(image, stack);
	put(image + 4, address + 0x101);
}

/* The signature lies eight bytes before the code. */
void rom_make_katapult(uint8_t *image, size_t length, uint32_t stack)
{
	rom_make_image(image, length, FLASH, stack);
	memcpy(image + 0xf8, "CanBoot!", 8);
}
