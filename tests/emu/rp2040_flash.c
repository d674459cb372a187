/* SPDX-License-Identifier: MIT */
/*
 * The serial flash chip: erasing sets a sector to 0xFF, programming only clears bits, addresses
 * wrap at the chip's size, a busy chip ignores everything but a status poll, and an operation that
 * loses its power leaves a mixture behind. It obeys the SPI opcode it is given, also when an
 * address too large has corrupted it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "emu/rp2040_parts.h"

#define OPCODE_PROGRAM 0x02
#define OPCODE_READ    0x03
#define OPCODE_ERASE   0x20
#define DEFAULT_BYTES  ((size_t)2 << 20)

/* Whoever cuts the power of this whole machine finds the chip in the file: on its disk before the
 * next thing happens. A file that cannot be written would make a liar of the test. */
static void mirror(const struct flash_chip *chip, uint32_t offset, size_t length)
{
	if (chip->mirror <= 0)
		return;
	if (pwrite(chip->mirror, chip->bytes + offset, length, offset) != (ssize_t)length ||
		fsync(chip->mirror) < 0)
		abort();
}

static void fill_with_noise(struct flash_chip *chip)
{
	for (size_t offset = 0; offset < chip->size; offset += sizeof(uint64_t)) {
		uint64_t word = noise_next(&chip->noise);
		memcpy(chip->bytes + offset, &word, sizeof(word));
	}
}

int flash_init(struct flash_chip *chip, const struct rp2040_options *options)
{
	size_t size = options->flash_bytes ? options->flash_bytes : DEFAULT_BYTES;
	size_t start = options->partitions ? RP2350_PARTITION_FIRST * RP2040_SECTOR_BYTES : 0;
	if (options->partitions && options->chip != RP2040_CHIP_RP2350)
		return -EINVAL;
	if (size < RP2040_SECTOR_BYTES || (size & (size - 1)) || start > size ||
		options->image_bytes > size - start)
		return -EINVAL;
	*chip = (struct flash_chip){
		.size = size,
		.bytes = malloc(size),
		.erase_counts = calloc(size / RP2040_SECTOR_BYTES, sizeof(uint32_t)),
		.noise = options->seed ^ 0x9e3779b97f4a7c15ULL,
	};
	if (!chip->noise)
		chip->noise = 1;
	if (!chip->bytes || !chip->erase_counts) {
		flash_done(chip);
		return -ENOMEM;
	}
	if (options->random_flash)
		fill_with_noise(chip);
	else
		memset(chip->bytes, 0xff, size);
	if (options->image_bytes)
		memcpy(chip->bytes + start, options->image, options->image_bytes);
	if (!options->mirror)
		return 0;
	chip->mirror = open(options->mirror, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (chip->mirror < 0)
		return -errno;
	mirror(chip, 0, chip->size);
	return 0;
}

void flash_done(struct flash_chip *chip)
{
	if (chip->mirror > 0)
		close(chip->mirror);
	chip->mirror = 0;
	free(chip->bytes);
	free(chip->erase_counts);
	chip->bytes = NULL;
	chip->erase_counts = NULL;
}

static void apply_stuck_bits(struct flash_chip *chip)
{
	for (size_t index = 0; index < chip->stuck_count; index++) {
		uint8_t mask = (uint8_t)(1 << chip->stuck[index].bit);
		uint8_t *byte = &chip->bytes[chip->stuck[index].offset];
		*byte = chip->stuck[index].value ? *byte | mask : *byte & (uint8_t)~mask;
	}
}

void flash_stick(struct flash_chip *chip, uint32_t offset, uint8_t bit, uint8_t value)
{
	if (chip->stuck_count == RP2040_STUCK_BITS)
		return;
	chip->stuck[chip->stuck_count].offset = offset & (uint32_t)(chip->size - 1);
	chip->stuck[chip->stuck_count].bit = bit & 7;
	chip->stuck[chip->stuck_count].value = value;
	chip->stuck_count++;
	apply_stuck_bits(chip);
}

static void complete(struct flash_chip *chip)
{
	uint8_t *target = chip->bytes + chip->offset;
	if (chip->ineffective) {
		chip->ineffective = false;
	} else if (chip->operation == FLASH_ERASING) {
		memset(target, 0xff, RP2040_SECTOR_BYTES);
		mirror(chip, chip->offset, RP2040_SECTOR_BYTES);
	} else {
		for (size_t index = 0; index < RP2040_PAGE_BYTES; index++)
			target[index] &= chip->page[index];
		mirror(chip, chip->offset, RP2040_PAGE_BYTES);
	}
	chip->operation = FLASH_IDLE;
	apply_stuck_bits(chip);
}

void flash_advance(struct flash_chip *chip, uint64_t now)
{
	if (chip->operation != FLASH_IDLE && chip->end <= now)
		complete(chip);
}

/* The cells move one by one: of those that would have changed, a share has. */
void flash_power_cut(struct flash_chip *chip, uint64_t now)
{
	flash_advance(chip, now);
	if (chip->operation == FLASH_IDLE)
		return;
	bool erasing = chip->operation == FLASH_ERASING;
	size_t length = erasing ? RP2040_SECTOR_BYTES : RP2040_PAGE_BYTES;
	uint64_t share =
		now > chip->start ? (now - chip->start) * 256 / (chip->end - chip->start) : 0;
	for (size_t index = 0; index < length && !chip->ineffective; index++) {
		uint8_t *byte = &chip->bytes[chip->offset + index];
		uint8_t aim = erasing ? 0xff : *byte & chip->page[index];
		uint64_t dice = noise_next(&chip->noise);
		for (int bit = 0; bit < 8; bit++, dice >>= 8)
			if ((dice & 0xff) < share)
				*byte = (uint8_t)((*byte & ~(1 << bit)) | (aim & 1 << bit));
	}
	chip->operation = FLASH_IDLE;
	chip->ineffective = false;
	apply_stuck_bits(chip);
}

static bool is_busy(const struct rp2040 *board)
{
	return board->flash.operation != FLASH_IDLE && board->flash.end > board->now;
}

static uint64_t begin(
	struct rp2040 *board, enum flash_operation operation, uint32_t offset, uint64_t nsec)
{
	struct flash_chip *chip = &board->flash;
	chip->operation = operation;
	chip->offset = offset;
	chip->start = board->now;
	chip->end = board->now + board_scaled(board, nsec);
	return chip->end;
}

/* A write command that the chip ignores costs its SPI time; the poll then waits for whatever the
 * chip is busy with. */
static uint64_t ignored(struct rp2040 *board, uint64_t spi_nsec)
{
	uint64_t ready = board->now + board_scaled(board, spi_nsec);
	if (!is_busy(board))
		return ready;
	board->counters.commands_lost_to_busy++;
	return board->flash.end > ready ? board->flash.end : ready;
}

uint64_t flash_erase(struct rp2040 *board, uint32_t command)
{
	struct flash_chip *chip = &board->flash;
	flash_advance(chip, board->now);
	if (is_busy(board) || command >> 24 != OPCODE_ERASE)
		return ignored(board, 4 * SPI_BYTE_NSEC);
	uint32_t offset = command & (uint32_t)(chip->size - 1) & 0xfff000;
	chip->erase_counts[offset / RP2040_SECTOR_BYTES]++;
	board->counters.sectors_erased++;
	board_event(board, RP2040_EVENT_ERASE, RP2040_FLASH_BASE + offset);
	uint64_t ready = begin(board, FLASH_ERASING, offset, SECTOR_ERASE_NSEC);
	fault_note(board, RP2040_AT_SECTOR, RP2040_FLASH_BASE + offset);
	if (chip->operation != FLASH_ERASING)
		return ready;
	chip->ineffective = chip->lose_next_erase;
	chip->lose_next_erase = false;
	return ready;
}

static void note_overprogramming(struct rp2040 *board, uint32_t offset, const uint8_t *page)
{
	for (size_t index = 0; index < RP2040_PAGE_BYTES; index++) {
		if (page[index] & (uint8_t)~board->flash.bytes[offset + index]) {
			board->counters.pages_overprogrammed++;
			return;
		}
	}
}

uint64_t flash_program(struct rp2040 *board, uint32_t command, const uint8_t *page)
{
	struct flash_chip *chip = &board->flash;
	flash_advance(chip, board->now);
	if (is_busy(board) || command >> 24 != OPCODE_PROGRAM)
		return ignored(board, PAGE_PROGRAM_SPI_NSEC);
	uint32_t offset = command & (uint32_t)(chip->size - 1) & 0xffff00;
	board->counters.pages_programmed++;
	board_event(board, RP2040_EVENT_PROGRAM, RP2040_FLASH_BASE + offset);
	note_overprogramming(board, offset, page);
	memcpy(chip->page, page, RP2040_PAGE_BYTES);
	uint64_t ready =
		begin(board, FLASH_PROGRAMMING, offset, PAGE_PROGRAM_SPI_NSEC + PAGE_PROGRAM_NSEC);
	fault_note(board, RP2040_AT_PAGE, RP2040_FLASH_BASE + offset);
	if (chip->operation != FLASH_PROGRAMMING)
		return ready;
	if (chip->flip_next)
		chip->page[chip->flip_byte] ^= (uint8_t)(1 << chip->flip_bit);
	chip->ineffective = chip->lose_next_program;
	chip->flip_next = chip->lose_next_program = false;
	return ready;
}

/* A chip that is busy, or does not know the opcode, leaves the line high. */
void flash_read(struct rp2040 *board, uint32_t command, uint8_t *page)
{
	struct flash_chip *chip = &board->flash;
	flash_advance(chip, board->now);
	if (is_busy(board) || command >> 24 != OPCODE_READ) {
		board->counters.commands_lost_to_busy += is_busy(board);
		memset(page, 0xff, RP2040_PAGE_BYTES);
		return;
	}
	uint32_t offset = command & (uint32_t)(chip->size - 1) & 0xffffff;
	for (size_t index = 0; index < RP2040_PAGE_BYTES; index++)
		page[index] = chip->bytes[(offset + index) & (chip->size - 1)];
}
