/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a firmware file: parse it, judge it for every kind of board, send it over the wire
 * and back. What must hold for every input is checked here; memory is the sanitizers' business.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "fuzz/check_image.h"
#include "model/fitness.h"
#include "model/image.h"
#include "model/rp2040.h"
#include "model/rp2350.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

/* What fits an RP2040 starts on one: the proof is done a second time, the simple way. */
static void check_fit_rp2040(const struct image *image)
{
	uint8_t page[RP2040_BOOT2_BYTES] = { 0 };
	must(image_copy(image, RP2040_FLASH_START, sizeof(page), page) == sizeof(page));
	must(rp2040_boot2_is_valid(page));
	must(image_end(image) <= RP2040_FLASH_END);
}

/* So is what fits an RP2350; and without the page that is written last the ROM finds nothing. */
static void check_fit_rp2350(const struct image *image)
{
	uint32_t page;
	uint8_t head[RP2350_HEAD_BYTES];
	memset(head, 0xFF, sizeof(head));
	image_copy(image, RP2350_FLASH_START, sizeof(head), head);
	must(image_end(image) <= RP2350_FLASH_END);
	must(rp2350_find_boot_page(image, &page) == 0);
	must(page % RP2350_PAGE_BYTES == 0 && page >= RP2350_FLASH_START &&
		page < RP2350_FLASH_START + RP2350_HEAD_BYTES);
	memset(head + (page - RP2350_FLASH_START), 0xFF, RP2350_PAGE_BYTES);
	struct image_segment torn = { RP2350_FLASH_START, sizeof(head), head };
	const struct image left = { .has_address = true, .segments = &torn, .segment_count = 1 };
	must(rp2350_find_boot_page(&left, &page) < 0);
}

static void check_fit(const struct image *image, enum chip chip)
{
	must(image->has_address && !image->is_linux_program);
	must(image_start(image) == RP2040_FLASH_START);
	if (chip == CHIP_RP2040)
		check_fit_rp2040(image);
	else
		check_fit_rp2350(image);
}

static void judge(const struct image *image)
{
	_cleanup_(image_facts_done) struct image_facts says = { 0 };
	must(image_facts_read(image, &says) == 0);
	must(!says.link.is_proved || says.link.base % 4 == 0);
	static const struct board_facts boards[] = {
		{ .chip = CHIP_RP2040, .flash_size_bytes = 4096 },
		{ .chip = CHIP_RP2040, .flash_size_bytes = 2 << 20 },
		{ .chip = CHIP_RP2040 },
		{ .chip = CHIP_RP2350, .flash_size_bytes = 4096 },
		{ .chip = CHIP_RP2350, .flash_size_bytes = 4 << 20 },
		{ .chip = CHIP_RP2350 },
		{ .chip = CHIP_RP2350, .is_partitioned = true },
		{ .chip = CHIP_RP2350, .refusals = REFUSES_UNSIGNED },
		{ .chip = CHIP_STM32F429 },
		{ .chip = CHIP_UNKNOWN },
	};
	for (size_t i = 0; i < ELEMENTSOF(boards); i++) {
		_cleanup_(reasons_done) struct reasons reasons = { 0 };
		must(fitness_judge(image, &says, &boards[i], NULL, &reasons) == 0);
		check_reasons(&reasons);
		bool may_fit = boards[i].chip == CHIP_RP2040 || boards[i].chip == CHIP_RP2350;
		may_fit = may_fit && !boards[i].is_partitioned && !boards[i].refusals;
		must(may_fit || reasons.count > 0);
		if (reasons.count == 0)
			check_fit(image, boards[i].chip);
	}
}

static void travel(const struct image *image)
{
	_cleanup_(buffer_done) struct buffer buffer = { 0 };
	_cleanup_(image_freep) struct image *twin = NULL;
	image_encode(image, &buffer);
	must(!buffer.failed);
	must(image_decode(buffer.data, buffer.length, &twin) == 0);
	must(memcmp(&twin->digest, &image->digest, sizeof(twin->digest)) == 0);
}

static void take_for_a_file(const uint8_t *data, size_t length)
{
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	_cleanup_(image_freep) struct image *image = parse_checked(data, length);
	if (!image)
		return;
	judge(image);
	if (image->is_linux_program)
		return; /* that has no place */
	if (!image->has_address) {
		must(image_place(image, RP2040_FLASH_START, &reasons) == 0);
		judge(image);
	}
	travel(image);
}

static void take_for_the_canonical_form(const uint8_t *data, size_t length)
{
	_cleanup_(image_freep) struct image *image = NULL;
	if (image_decode(data, length, &image) != 0)
		return;
	check_shape(image);
	judge(image);
	/* One form for one content. */
	_cleanup_(buffer_done) struct buffer buffer = { 0 };
	image_encode(image, &buffer);
	must(buffer.length == length && memcmp(buffer.data, data, length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	take_for_a_file(data, length);
	take_for_the_canonical_form(data, length);
	return 0;
}
