/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as an image, offered as the service does it: read, placed, judged, for a board and
 * under terms that the first bytes choose. What is found fit is measured a second time, the simple
 * way.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "fuzz/check_image.h"
#include "model/fitness.h"
#include "model/rp2040.h"

#define HEAD 8u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

/* A board, terms and a file, as the head chooses them. */
struct scene {
	const uint8_t *head;
	struct board_facts board;
	struct terms terms;
};

static const uint32_t gaps[] = { 0, 0x800, 0x1000, 0x2000, 0x4000, 0x8000, 0x10000, 0x20000 };

static uint32_t place_from(enum chip chip, uint8_t choice)
{
	const struct chip_memory *memory = chip_memory(chip);
	uint32_t start = memory ? memory->flash.start : 0;
	return start + gaps[choice % ELEMENTSOF(gaps)];
}

static void choose_board(struct scene *scene)
{
	const uint8_t *head = scene->head;
	struct board_facts *board = &scene->board;
	static const uint64_t sizes[] = { 0, 1024, 16384, 131072, 2 << 20 };
	board->chip = (enum chip)(head[0] % _CHIP_MAX);
	if (head[1] & 8)
		board->possible_chips = chip_bit(board->chip) | chip_bit(CHIP_STM32F407);
	if (head[1] & 16)
		board->chip = CHIP_UNKNOWN;
	board->has_application_start = head[1] & 32;
	board->application_start = place_from(board->chip, head[1]);
	board->bootloader = (enum bootloader)(head[2] % _BOOTLOADER_MAX);
	board->bootloader_end = head[2] & 64 ? place_from(board->chip, head[2] >> 3) : 0;
	board->flash_size_bytes = sizes[head[3] % ELEMENTSOF(sizes)];
	board->refusals = head[3] >> 5;
	board->is_partitioned = (head[3] & 24) == 24;
	board->writable_count = head[4] & 3;
	for (size_t i = 0; i < board->writable_count; i++) {
		uint32_t start =
			place_from(board->chip, (uint8_t)(head[4] >> 2)) + (uint32_t)i * 0x800;
		board->writable[i] =
			(struct chip_range){ start, start + 0x700 + (head[4] & 0x80) * 2 };
	}
	board->reach = (enum transport)((head[5] & 7) % _TRANSPORT_MAX);
	board->can_bitrate = head[5] & 8 ? 500000 : 0;
}

static void choose_terms(struct scene *scene)
{
	static char pins[] = "PB0,PB1", version[] = "v0.13.*", before[] = "v0.13.0-5-gfeedbeef";
	const uint8_t *head = scene->head;
	struct terms *terms = &scene->terms;
	terms->permits_bootloader = head[6] & 1;
	terms->permits_downgrade = head[6] & 2;
	terms->declared.has_address = head[6] & 4;
	terms->declared.address = head[6] & 4 ? place_from(scene->board.chip, head[6] >> 5) : 0;
	terms->declared.chip = head[6] & 8 ? scene->board.chip : CHIP_UNKNOWN;
	terms->declared.can_bitrate = head[6] & 16 ? 500000 : 0;
	if (head[5] & 16)
		terms->declared.transport = (enum transport)((head[5] >> 5) % _TRANSPORT_MAX);
	if (head[7] & 1)
		terms->expected.transport = (enum transport)((head[7] >> 4) % _TRANSPORT_MAX);
	if (head[7] & 2)
		terms->expected.can_pins = pins;
	if (head[7] & 4)
		terms->expected.version = version;
	if (!(head[7] & 8))
		return;
	const struct klipper ran = { .version = before,
		.can_bitrate = 1000000,
		.clock_hz = 64000000,
		.transport = (enum transport)((head[7] >> 4) % _TRANSPORT_MAX) };
	scene->board.running = klipper_running(&ran);
}

/* In one piece, or in two that are apart. */
static struct image *make_image(const struct scene *scene, const uint8_t *data, size_t length)
{
	static const enum image_format formats[] = { FORMAT_BIN, FORMAT_HEX, FORMAT_ELF,
		FORMAT_DFU };
	enum image_format format = formats[scene->head[5] >> 6];
	bool has_address = format == FORMAT_HEX || format == FORMAT_ELF;
	uint32_t address = has_address ? place_from(scene->board.chip, scene->head[5] >> 4) : 0;
	size_t first = has_address && scene->head[2] & 128 && length > 8 ? length / 2 : length;
	struct image *image = image_new(format, 2);
	must(image);
	image->has_address = has_address;
	must(image_append(image, address, data, (uint32_t)first) == 0);
	if (first < length)
		must(image_append(image, address + (uint32_t)first + 4, data + first,
			     (uint32_t)(length - first)) == 0);
	must(image_seal(image) == 0);
	return image;
}

/* ---- what must hold ---------------------------------------------------------------------- */

static bool is_inside(const struct chip_range range, uint64_t start, uint64_t end)
{
	return start >= range.start && end <= range.end;
}

static void check_proof(const struct image *image, const struct image_facts *says)
{
	static const struct chip_range rp2 = { 0x10000000, 0x11000000 };
	const struct link_address *link = &says->link;
	const struct image_segment *first = &image->segments[0];
	if (!link->is_proved) {
		must(link->base == 0 && !link->is_cut);
		return;
	}
	const struct chip_range flash = chip_memory(says->chip)->flash;
	uint64_t end = (uint64_t)link->base + first->length;
	must(is_inside(flash, link->base, end) ||
		(says->chip == CHIP_UNKNOWN && is_inside(rp2, link->base, end)));
	if (link->signs & LINK_BOOT2) {
		must(rp2040_boot2_is_valid(first->data) && link->base == RP2040_FLASH_START);
		return;
	}
	uint32_t reset = read_u32(first->data + link->vectors + 4) & ~1u;
	must(link->vectors == 0 && reset >= link->base && reset < end);
	must(link->signs & LINK_VECTORS && link->signs & ~(unsigned)LINK_VECTORS);
	char text[LINK_SIGNS_TEXT];
	link_signs_text(link->signs, text);
	must(text[0] && strlen(text) < LINK_SIGNS_TEXT - 1);
}

static bool may_be_written(const struct board_facts *board, uint32_t address)
{
	for (size_t i = 0; i < board->writable_count; i++)
		if (address >= board->writable[i].start && address < board->writable[i].end)
			return true;
	return board->writable_count == 0;
}

static void check_pieces(const struct image *image, const struct board_facts *board)
{
	const struct chip_range flash = chip_memory(board->chip)->flash;
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct image_segment *segment = &image->segments[i];
		uint64_t end = (uint64_t)segment->address + segment->length;
		must(is_inside(flash, segment->address, end));
		must(board->flash_size_bytes == 0 || end - flash.start <= board->flash_size_bytes);
		for (uint32_t at = 0; at < segment->length; at++)
			must(may_be_written(board, segment->address + at));
	}
}

static void check_bootloader(const struct scene *scene, const struct image *image, uint32_t flash)
{
	const struct board_facts *board = &scene->board;
	if (board->bootloader <= BOOTLOADER_NONE || scene->terms.permits_bootloader)
		return;
	must(image_start(image) > flash);
	must(image_start(image) >= board->bootloader_end);
}

static void check_fit(
	const struct scene *scene, const struct image *image, const struct image_facts *says)
{
	const struct board_facts *board = &scene->board;
	const struct terms *terms = &scene->terms;
	must(board->chip != CHIP_UNKNOWN && board->chip != CHIP_LINUX);
	must(image->has_address && !says->has_several_dictionaries && !says->link.is_cut);
	must(says->chip == board->chip || terms->declared.chip == board->chip);
	must(terms->permits_bootloader || says->kind <= KIND_KLIPPER);
	must(!says->link.is_proved || says->link.base == image_start(image));
	const uint32_t flash = chip_memory(board->chip)->flash.start;
	check_pieces(image, board);
	check_bootloader(scene, image, flash);
	bool is_at_flash = image_start(image) == flash;
	must(!board->has_application_start || image_start(image) == board->application_start ||
		(terms->permits_bootloader && is_at_flash));
	must(board->has_application_start || is_at_flash);
	enum transport expected = terms->expected.transport;
	must(!expected || (says->has_klipper && says->klipper.transport == expected));
	must(!terms->expected.version || says->has_klipper || says->has_binary_info);
}

/* ---- the offer --------------------------------------------------------------------------- */

static void offer(const struct scene *scene, struct image *image)
{
	_cleanup_(image_facts_done) struct image_facts says = { 0 };
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	must(image_facts_read(image, &says) == 0);
	check_proof(image, &says);
	int r = fitness_place(image, &says, &scene->terms, &reasons);
	must(r == (reasons.count > 0 ? IMAGE_REJECTED : 0));
	if (r == 0)
		must(fitness_judge(image, &says, &scene->board, &scene->terms, &reasons) == 0);
	check_reasons(&reasons);
	if (reasons.count == 0)
		check_fit(scene, image, &says);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	if (length <= HEAD)
		return 0;
	struct scene scene = { .head = data };
	choose_board(&scene);
	choose_terms(&scene);
	_cleanup_(image_freep) struct image *image = make_image(&scene, data + HEAD, length - HEAD);
	offer(&scene, image);
	return 0;
}
