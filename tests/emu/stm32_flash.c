/* SPDX-License-Identifier: MIT */
/*
 * The flash array: sectors of several sizes, the rules of programming of each family, jobs that
 * take their time, and what is left of a job that loses its power.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "emu/stm32_parts.h"

/* Whoever cuts the power of this whole machine finds the array in the file: on its disk before the
 * next thing happens. A file that cannot be written would make a liar of the test. */
static void mirror(const struct flash_array *flash, uint32_t offset, size_t length)
{
	if (flash->mirror <= 0)
		return;
	if (pwrite(flash->mirror, flash->bytes + offset, length, offset) != (ssize_t)length ||
		fsync(flash->mirror) < 0)
		abort();
}

static size_t lay_out(struct stm32 *board, struct sector *sectors)
{
	const struct sector_run *runs = board->kind->sectors;
	size_t count = 0;
	uint32_t offset = 0;
	for (size_t run = 0; run < STM32_SECTOR_RUNS; run++) {
		for (unsigned left = runs[run].count; left; left--, count++) {
			uint32_t bytes = runs[run].kib * 1024u;
			if (sectors)
				sectors[count] =
					(struct sector){ offset, bytes, runs[run].erase_msec };
			offset += bytes;
		}
	}
	board->flash.size = offset;
	return count;
}

static int fill(struct stm32 *board)
{
	struct flash_array *flash = &board->flash;
	const struct stm32_options *options = &board->options;
	if (options->image_offset > flash->size ||
		options->image_bytes > flash->size - options->image_offset)
		return -EINVAL;
	memset(flash->bytes, 0xff, flash->size);
	for (size_t at = 0; options->random_flash && at < flash->size; at += sizeof(uint64_t)) {
		uint64_t word = noise_next(&flash->noise);
		memcpy(flash->bytes + at, &word, sizeof(word));
	}
	if (options->image_bytes)
		memcpy(flash->bytes + options->image_offset, options->image, options->image_bytes);
	if (!options->mirror)
		return 0;
	flash->mirror = open(options->mirror, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (flash->mirror < 0)
		return -errno;
	mirror(flash, 0, flash->size);
	return 0;
}

int stm32_flash_init(struct stm32 *board)
{
	struct flash_array *flash = &board->flash;
	flash->sector_count = lay_out(board, NULL);
	flash->noise = board->options.seed ^ 0x9e3779b97f4a7c15ULL;
	if (!flash->noise)
		flash->noise = 1;
	flash->bytes = malloc(flash->size);
	flash->sectors = calloc(flash->sector_count, sizeof(*flash->sectors));
	flash->erase_counts = calloc(flash->sector_count, sizeof(*flash->erase_counts));
	if (!flash->bytes || !flash->sectors || !flash->erase_counts)
		return -ENOMEM;
	lay_out(board, flash->sectors);
	return fill(board);
}

void stm32_flash_done(struct stm32 *board)
{
	struct flash_array *flash = &board->flash;
	if (flash->mirror > 0)
		close(flash->mirror);
	free(flash->bytes);
	free(flash->sectors);
	free(flash->erase_counts);
}

bool stm32_flash_holds(const struct stm32 *board, uint32_t address, size_t length)
{
	uint32_t offset = address - board->kind->flash_base;
	return offset < board->flash.size && length <= board->flash.size - offset;
}

const uint8_t *stm32_flash_at(const struct stm32 *board, uint32_t address)
{
	return board->flash.bytes + (address - board->kind->flash_base);
}

static const struct sector *sector_at(const struct stm32 *board, uint32_t address)
{
	const struct flash_array *flash = &board->flash;
	uint32_t offset = address - board->kind->flash_base;
	for (size_t index = 0; index < flash->sector_count; index++) {
		const struct sector *sector = &flash->sectors[index];
		if (offset - sector->offset < sector->bytes)
			return sector;
	}
	return NULL;
}

bool stm32_sector(const struct stm32 *board, uint32_t address, struct stm32_range *ret)
{
	const struct sector *sector = sector_at(board, address);
	if (!sector)
		return false;
	ret->address = board->kind->flash_base + sector->offset;
	ret->bytes = sector->bytes;
	return true;
}

/* --- rules ------------------------------------------------------------------------------- */

static bool is_protected(const struct stm32 *board, uint32_t offset, size_t length)
{
	uint32_t start = board->kind->flash_base + offset;
	for (size_t index = 0; index < STM32_RANGES; index++) {
		const struct stm32_range *range = &board->options.write_protected[index];
		if (range->bytes && start < range->address + range->bytes &&
			range->address < start + length)
			return true;
	}
	return false;
}

static bool is_all(const uint8_t *bytes, size_t length, uint8_t value)
{
	for (size_t index = 0; index < length; index++)
		if (bytes[index] != value)
			return false;
	return true;
}

/* Whether the array takes this unit. */
static bool is_taken(const struct stm32 *board, const uint8_t *there, const uint8_t *unit)
{
	const struct cells *cells = board->kind->cells;
	switch (cells->rule) {
	case PROGRAM_ANDS:
		return true;
	case PROGRAM_ERASED_OR_ZERO:
		return is_all(there, cells->unit, 0xff) || is_all(unit, cells->unit, 0);
	case PROGRAM_ERASED:
		return is_all(there, cells->unit, 0xff);
	}
	return false;
}

/* What a job that runs to its end leaves of this unit. */
static void aim_of(
	const struct stm32 *board, const uint8_t *there, const uint8_t *unit, uint8_t *aim)
{
	uint8_t bytes = board->kind->cells->unit;
	if (is_protected(board, (uint32_t)(there - board->flash.bytes), bytes) ||
		!is_taken(board, there, unit))
		memcpy(aim, there, bytes);
	else
		for (unsigned index = 0; index < bytes; index++)
			aim[index] = there[index] & unit[index];
}

/* Where the first unit is that is refused; `length` when none is. */
static uint32_t first_refused(const struct stm32 *board, uint32_t offset, uint32_t length)
{
	const struct flash_array *flash = &board->flash;
	uint32_t at = 0, unit = board->kind->cells->unit;
	while (at < length &&
		(is_protected(board, offset + at, unit) ||
			is_taken(board, flash->bytes + offset + at, flash->block + at)))
		at += unit;
	return at;
}

static bool asks_for_erased_bits(const struct stm32 *board, uint32_t offset, uint32_t length)
{
	const struct flash_array *flash = &board->flash;
	for (uint32_t at = 0; at < length; at++)
		if (flash->block[at] & (uint8_t)~flash->bytes[offset + at])
			return true;
	return false;
}

/* --- jobs -------------------------------------------------------------------------------- */

static void apply_stuck_bits(struct flash_array *flash)
{
	for (size_t index = 0; index < flash->stuck_count; index++) {
		uint8_t mask = (uint8_t)(1 << flash->stuck[index].bit);
		uint8_t *byte = &flash->bytes[flash->stuck[index].offset];
		*byte = flash->stuck[index].value ? *byte | mask : *byte & (uint8_t)~mask;
	}
}

void stm32_flash_stick(struct stm32 *board, uint32_t address, uint8_t bit, uint8_t value)
{
	struct flash_array *flash = &board->flash;
	if (flash->stuck_count == STM32_STUCK_BITS || !stm32_flash_holds(board, address, 1))
		return;
	flash->stuck[flash->stuck_count].offset = address - board->kind->flash_base;
	flash->stuck[flash->stuck_count].bit = bit & 7;
	flash->stuck[flash->stuck_count].value = value;
	flash->stuck_count++;
	apply_stuck_bits(flash);
}

static void program_units(struct stm32 *board, uint32_t length)
{
	struct flash_array *flash = &board->flash;
	uint8_t unit = board->kind->cells->unit, aim[32];
	for (uint32_t at = 0; at < length; at += unit) {
		uint8_t *there = flash->bytes + flash->offset + at;
		aim_of(board, there, flash->block + at, aim);
		memcpy(there, aim, unit);
	}
}

/* A protected sector is left out of a mass erase, too. */
static void erase_sectors(struct stm32 *board)
{
	struct flash_array *flash = &board->flash;
	for (size_t index = 0; index < flash->sector_count; index++) {
		const struct sector *sector = &flash->sectors[index];
		if (sector->offset - flash->offset < flash->length &&
			!is_protected(board, sector->offset, sector->bytes))
			memset(flash->bytes + sector->offset, 0xff, sector->bytes);
	}
}

static void end_job(struct flash_array *flash)
{
	flash->job = FLASH_REST;
	flash->ineffective = false;
	apply_stuck_bits(flash);
	mirror(flash, flash->offset, flash->length);
}

void stm32_flash_advance(struct stm32 *board, uint64_t now)
{
	struct flash_array *flash = &board->flash;
	if (flash->job == FLASH_REST || flash->end > now)
		return;
	if (!flash->ineffective && flash->job == FLASH_ERASE)
		erase_sectors(board);
	else if (!flash->ineffective)
		program_units(board, flash->length);
	end_job(flash);
}

/* Of the bits that would have changed, a share has. */
static void tear(struct flash_array *flash, uint8_t *byte, uint8_t aim, uint64_t share)
{
	uint64_t dice = noise_next(&flash->noise);
	for (int bit = 0; bit < 8; bit++, dice >>= 8)
		if ((dice & 0xff) < share)
			*byte = (uint8_t)((*byte & ~(1 << bit)) | (aim & 1 << bit));
}

static void tear_erase(struct stm32 *board, uint64_t share)
{
	struct flash_array *flash = &board->flash;
	for (uint32_t at = 0; at < flash->length; at++)
		if (!is_protected(board, flash->offset + at, 1))
			tear(flash, flash->bytes + flash->offset + at, 0xff, share);
}

/* The units before are done, the one that was being written is torn; what reads through ECC is
 * noise then. */
static void tear_program(struct stm32 *board)
{
	struct flash_array *flash = &board->flash;
	uint8_t unit = board->kind->cells->unit, aim[32];
	uint64_t since = board->now > flash->start ? board->now - flash->start : 0;
	uint64_t done = flash->unit_nsec ? since / flash->unit_nsec : 0;
	uint32_t at = (uint32_t)(done * unit < flash->length ? done * unit : flash->length);
	program_units(board, at);
	if (at >= flash->length || since == 0)
		return;
	uint64_t share = flash->unit_nsec ? since % flash->unit_nsec * 256 / flash->unit_nsec : 0;
	uint8_t *there = flash->bytes + flash->offset + at;
	aim_of(board, there, flash->block + at, aim);
	if (!memcmp(there, aim, unit) || share == 0)
		return;
	for (unsigned index = 0; index < unit; index++) {
		if (board->kind->cells->rule == PROGRAM_ERASED)
			there[index] = (uint8_t)noise_next(&flash->noise);
		else
			tear(flash, there + index, aim[index], share);
	}
}

void stm32_flash_power_cut(struct stm32 *board)
{
	struct flash_array *flash = &board->flash;
	stm32_flash_advance(board, board->now);
	if (flash->job == FLASH_REST)
		return;
	uint64_t whole = flash->end - flash->start;
	uint64_t since = board->now > flash->start ? board->now - flash->start : 0;
	if (flash->ineffective)
		; /* nothing to tear */
	else if (flash->job == FLASH_ERASE)
		tear_erase(board, since * 256 / whole);
	else
		tear_program(board);
	end_job(flash);
}

static void begin(
	struct stm32 *board, enum flash_job job, uint32_t offset, uint32_t length, uint64_t nsec)
{
	struct flash_array *flash = &board->flash;
	flash->job = job;
	flash->offset = offset;
	flash->length = length;
	flash->start = board->now;
	flash->end = board->now + stm32_scaled(board, nsec);
	uint64_t *account =
		job == FLASH_ERASE ? &board->ledger.erase_nsec : &board->ledger.program_nsec;
	stm32_busy(board, account, flash->start, flash->end - flash->start);
}

static void note_erased(struct stm32 *board, const struct sector *sector)
{
	struct flash_array *flash = &board->flash;
	flash->erase_counts[sector - flash->sectors]++;
	if (flash->erased_count < STM32_ERASED_KEPT)
		flash->erased[flash->erased_count++] = board->kind->flash_base + sector->offset;
	if (is_protected(board, sector->offset, sector->bytes))
		board->counters.protected_operations++;
}

static void begin_erase(struct stm32 *board, uint32_t offset, uint32_t length, unsigned msec)
{
	struct flash_array *flash = &board->flash;
	uint32_t address = board->kind->flash_base + offset;
	uint64_t nsec = msec * NSEC_PER_MSEC;
	begin(board, FLASH_ERASE, offset, length, flash->by_words ? nsec * 5 / 8 : nsec);
	stm32_event(board, STM32_EVENT_ERASE, address);
	stm32_fault_note(board, STM32_AT_ERASE, address, length);
	if (flash->job != FLASH_ERASE)
		return;
	flash->ineffective = flash->lose_next_erase || board->error_next;
	flash->lose_next_erase = false;
}

uint8_t stm32_flash_erase(struct stm32 *board, uint32_t address)
{
	const struct sector *sector = sector_at(board, address);
	note_erased(board, sector);
	begin_erase(board, sector->offset, sector->bytes, sector->erase_msec);
	return DFU_OK;
}

uint8_t stm32_flash_mass_erase(struct stm32 *board)
{
	struct flash_array *flash = &board->flash;
	for (size_t index = 0; index < flash->sector_count; index++)
		note_erased(board, &flash->sectors[index]);
	begin_erase(board, 0, (uint32_t)flash->size, board->kind->mass_erase_msec);
	return DFU_OK;
}

static void begin_program(struct stm32 *board, uint32_t offset, uint32_t length)
{
	struct flash_array *flash = &board->flash;
	const struct cells *cells = board->kind->cells;
	uint32_t address = board->kind->flash_base + offset;
	uint64_t unit_nsec = flash->by_words ? cells->unit_nsec / 4 : cells->unit_nsec;
	begin(board, FLASH_PROGRAM, offset, length, length / cells->unit * unit_nsec);
	flash->unit_nsec = stm32_scaled(board, unit_nsec);
	stm32_event(board, STM32_EVENT_PROGRAM, address);
	stm32_fault_note(board, STM32_AT_PROGRAM, address, length);
	if (flash->job != FLASH_PROGRAM)
		return;
	if (flash->flip_next && flash->flip_byte < length)
		flash->block[flash->flip_byte] ^= (uint8_t)(1 << flash->flip_bit);
	flash->ineffective = flash->lose_next_program || board->error_next;
	flash->flip_next = flash->lose_next_program = false;
}

/* `block` is whole units: a ROM that is given a part of one writes what lies behind in its buffer.
 */
uint8_t stm32_flash_program(
	struct stm32 *board, uint32_t address, const uint8_t *block, size_t length)
{
	struct flash_array *flash = &board->flash;
	uint32_t offset = address - board->kind->flash_base, whole = (uint32_t)length;
	memcpy(flash->block, block, length);
	if (is_protected(board, offset, length))
		board->counters.protected_operations++;
	uint32_t refused = first_refused(board, offset, whole);
	if (refused < whole || asks_for_erased_bits(board, offset, whole))
		board->counters.overprograms++;
	bool reported = refused < whole && board->manners.refusal == STM32_REFUSAL_REPORTED;
	if (reported)
		whole = refused;
	board->counters.bytes_programmed += whole;
	begin_program(board, offset, whole);
	return reported ? DFU_ERR_WRITE : DFU_OK;
}
