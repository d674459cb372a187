/* SPDX-License-Identifier: MIT */
/*
 * The plan of a flash; see flash_plan.h.
 *
 * Reading ahead is an investment: an identical sector saves an erase, a write and a proof, about
 * seven times what reading it costs. It is paid from a credit of a few percent of the estimated
 * job, and what it saves goes back into the credit. So a job that it does not help costs that much
 * more at most, wherever the difference hides; and an image that is there already is read just
 * once.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "backend/flash_plan.h"

#define CREDIT_PERCENT 4
/* What earlier savings may pay for: one span of the largest size. */
#define SAVED_USEC_MAX     (FLASH_SPAN_SECTORS_MAX * FLASH_SECTOR_PAGES * FLASH_READ_PAGE_USEC)
#define WHOLE_SECTOR_PAGES 0xffffu

static int64_t read_usec(uint32_t length)
{
	return FLASH_COMMAND_USEC + (int64_t)(length / FLASH_PAGE_BYTES) * FLASH_READ_PAGE_USEC;
}

static int64_t rewrite_usec(const struct flash_sector *sector)
{
	return FLASH_ERASE_SECTOR_USEC +
	       (int64_t)__builtin_popcount(sector->covered) * FLASH_WRITE_PAGE_USEC +
	       (int64_t)FLASH_SECTOR_PAGES * FLASH_READ_PAGE_USEC;
}

/* What the job takes if nothing else turns out to be identical. */
static int64_t job_usec(const struct flash_plan *plan)
{
	int64_t sum = 0;
	for (size_t i = 0; i < plan->count; i++) {
		if (plan->sectors[i].state != SECTOR_IDENTICAL)
			sum += rewrite_usec(&plan->sectors[i]);
	}
	return sum;
}

/* Without this floor nobody would ever learn that a small image is there already. */
static int64_t credit_usec(const struct flash_plan *plan)
{
	int64_t share = job_usec(plan) * CREDIT_PERCENT / 100;
	int64_t least = read_usec(FLASH_PAGE_BYTES) + read_usec(FLASH_SECTOR_BYTES);
	return share > least ? share : least;
}

static bool is_affordable(const struct flash_plan *plan, uint32_t length)
{
	return plan->waste_usec + read_usec(length) <= credit_usec(plan);
}

static size_t sector_at(const struct flash_plan *plan, size_t position)
{
	return (position + plan->head.sectors) % plan->count;
}

static bool is_head(const struct flash_plan *plan, const struct flash_sector *sector)
{
	return sector < plan->sectors + plan->head.sectors;
}

static bool is_wholly_wanted(const struct flash_plan *plan, const struct flash_sector *sector)
{
	return plan->head.is_whole && is_head(plan, sector);
}

static const uint8_t *wanted_of(const struct flash_plan *plan, const struct flash_sector *sector)
{
	return plan->wanted + (size_t)(sector - plan->sectors) * FLASH_SECTOR_BYTES;
}

static unsigned first_page(const struct flash_sector *sector)
{
	return (unsigned)__builtin_ctz(sector->covered);
}

static unsigned end_page(const struct flash_sector *sector)
{
	return 32 - (unsigned)__builtin_clz(sector->covered);
}

static struct flash_span pages_of(const struct flash_sector *sector, unsigned first, unsigned end)
{
	return (struct flash_span){
		.address = sector->address + first * FLASH_PAGE_BYTES,
		.length = (end - first) * FLASH_PAGE_BYTES,
	};
}

/* Whole neighbouring sectors from `position` on, as many as the last ones that were identical. */
static struct flash_span widest_span(const struct flash_plan *plan)
{
	const struct flash_sector *first = &plan->sectors[sector_at(plan, plan->position)];
	unsigned sectors = 1;
	while (sectors < plan->streak && sectors < FLASH_SPAN_SECTORS_MAX &&
		plan->position + sectors + plan->head.sectors < plan->count) {
		const struct flash_sector *next = first + sectors;
		if (first->covered != WHOLE_SECTOR_PAGES || next->covered != WHOLE_SECTOR_PAGES ||
			next->address != first->address + sectors * FLASH_SECTOR_BYTES)
			break;
		if (!is_affordable(plan, (sectors + 1) * FLASH_SECTOR_BYTES))
			break;
		sectors++;
	}
	if (sectors == 1)
		return pages_of(first, first_page(first), end_page(first));
	return (struct flash_span){ first->address, sectors * FLASH_SECTOR_BYTES };
}

/* Compares what of `sector` is in the span; true: equal as far as it goes. */
static bool is_equal(const struct flash_plan *plan, const struct flash_sector *sector,
	const struct flash_span *span, const uint8_t *bytes)
{
	for (unsigned page = 0; page < FLASH_SECTOR_PAGES; page++) {
		uint32_t address = sector->address + page * FLASH_PAGE_BYTES;
		if (address < span->address || address >= span->address + span->length)
			continue;
		const uint8_t *there = bytes + (address - span->address);
		uint8_t merged[FLASH_PAGE_BYTES];
		const uint8_t *around = is_wholly_wanted(plan, sector)
						? wanted_of(plan, sector) + page * FLASH_PAGE_BYTES
						: there;
		memcpy(merged, around, sizeof merged);
		image_copy(plan->image, address, sizeof merged, merged);
		if (memcmp(merged, there, sizeof merged) != 0)
			return false;
	}
	return true;
}

static void step(struct flash_plan *plan)
{
	plan->position++;
	plan->pages_equal = 0;
}

/* Learns about the sector at `position`; true when its state is known now. */
static bool learn_sector(
	struct flash_plan *plan, const struct flash_span *span, const uint8_t *bytes)
{
	struct flash_sector *sector = &plan->sectors[sector_at(plan, plan->position)];
	if (!is_equal(plan, sector, span, bytes)) {
		sector->state = SECTOR_DIFFERENT;
		plan->streak = 0;
		step(plan);
		return true;
	}
	uint32_t known_to = span->address + span->length;
	if (known_to < sector->address + end_page(sector) * FLASH_PAGE_BYTES) {
		plan->pages_equal = (known_to - sector->address) / FLASH_PAGE_BYTES;
		return false;
	}
	sector->state = SECTOR_IDENTICAL;
	plan->waste_usec -= rewrite_usec(sector);
	if (plan->waste_usec < -(int64_t)SAVED_USEC_MAX)
		plan->waste_usec = -(int64_t)SAVED_USEC_MAX;
	plan->streak = plan->streak == 0 ? 1 : plan->streak * 2;
	if (plan->streak > FLASH_SPAN_SECTORS_MAX)
		plan->streak = FLASH_SPAN_SECTORS_MAX;
	step(plan);
	return true;
}

static uint64_t head_end(const struct flash_plan *plan)
{
	return (uint64_t)image_start(plan->image) + plan->head.sectors * FLASH_SECTOR_BYTES;
}

/* The sectors that the image touches, and all of a head that belongs to it. */
static size_t count_touched(const struct flash_plan *plan)
{
	const struct image *image = plan->image;
	size_t count = plan->head.is_whole ? plan->head.sectors : 0;
	uint64_t behind = plan->head.is_whole ? head_end(plan) : 0; /* of the last one counted */
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct image_segment *segment = &image->segments[i];
		uint64_t start = segment->address & ~(uint64_t)(FLASH_SECTOR_BYTES - 1);
		uint64_t end = (uint64_t)segment->address + segment->length;
		if (start < behind)
			start = behind;
		if (end <= start)
			continue;
		size_t sectors =
			(size_t)((end - start + FLASH_SECTOR_BYTES - 1) / FLASH_SECTOR_BYTES);
		count += sectors;
		behind = start + (uint64_t)sectors * FLASH_SECTOR_BYTES;
	}
	return count;
}

/* Marks the pages of one segment, making its sectors as they come. */
static void cover(struct flash_plan *plan, const struct image_segment *segment)
{
	uint64_t end = (uint64_t)segment->address + segment->length;
	uint64_t page = segment->address & ~(uint64_t)(FLASH_PAGE_BYTES - 1);
	if (plan->head.is_whole && page < head_end(plan))
		page = head_end(plan);
	for (; page < end; page += FLASH_PAGE_BYTES) {
		uint32_t address = (uint32_t)page & ~(FLASH_SECTOR_BYTES - 1);
		if (plan->count == 0 || plan->sectors[plan->count - 1].address != address)
			plan->sectors[plan->count++] = (struct flash_sector){ .address = address };
		unsigned bit = (unsigned)(page % FLASH_SECTOR_BYTES / FLASH_PAGE_BYTES);
		plan->sectors[plan->count - 1].covered |= (uint16_t)(1u << bit);
	}
}

static void cover_head(struct flash_plan *plan)
{
	while (plan->head.is_whole && plan->count < plan->head.sectors) {
		uint32_t offset = (uint32_t)plan->count * FLASH_SECTOR_BYTES;
		plan->sectors[plan->count++] = (struct flash_sector){
			.address = image_start(plan->image) + offset,
			.covered = WHOLE_SECTOR_PAGES,
		};
	}
}

static int lay_out(struct flash_plan *plan)
{
	size_t touched = count_touched(plan);
	plan->sectors = calloc(touched, sizeof *plan->sectors);
	plan->wanted = malloc(touched * FLASH_SECTOR_BYTES);
	if (!plan->sectors || !plan->wanted)
		return -ENOMEM;
	cover_head(plan);
	for (size_t i = 0; i < plan->image->segment_count; i++)
		cover(plan, &plan->image->segments[i]);
	assert(plan->count == touched);

	memset(plan->wanted, 0xff, touched * FLASH_SECTOR_BYTES);
	for (size_t i = 0; i < plan->count; i++) {
		struct flash_sector *sector = &plan->sectors[i];
		size_t copied = image_copy(plan->image, sector->address, FLASH_SECTOR_BYTES,
			flash_plan_wanted(plan, i));
		sector->is_partial = copied < FLASH_SECTOR_BYTES && !is_wholly_wanted(plan, sector);
	}
	return 0;
}

static bool is_plannable(const struct image *image, const struct flash_head *head)
{
	if (image->segment_count == 0 || image_start(image) % FLASH_SECTOR_BYTES != 0 ||
		image->segments[0].length < FLASH_PAGE_BYTES)
		return false;
	return head->boot_page % FLASH_PAGE_BYTES == 0 && head->boot_page >= image_start(image) &&
	       head->boot_page - image_start(image) < head->sectors * FLASH_SECTOR_BYTES;
}

int flash_plan_new(
	const struct image *image, const struct flash_head *head, struct flash_plan **ret)
{
	if (!is_plannable(image, head))
		return -EINVAL;
	_cleanup_(flash_plan_freep) struct flash_plan *plan = calloc(1, sizeof *plan);
	if (!plan)
		return -ENOMEM;
	plan->image = image;
	plan->head = *head;
	int r = lay_out(plan);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(plan);
	return 0;
}

struct flash_plan *flash_plan_free(struct flash_plan *plan)
{
	if (!plan)
		return NULL;
	free(plan->sectors);
	free(plan->wanted);
	free(plan);
	return NULL;
}

bool flash_plan_next_read(const struct flash_plan *plan, struct flash_span *ret)
{
	if (plan->is_settled || plan->position == plan->count)
		return false;
	const struct flash_sector *sector = &plan->sectors[sector_at(plan, plan->position)];
	if (is_head(plan, sector) && flash_plan_count(plan, SECTOR_DIFFERENT) > 0)
		return false;

	struct flash_span span;
	if (plan->pages_equal > 0)
		span = pages_of(sector, plan->pages_equal, end_page(sector));
	else if (plan->streak == 0)
		span = pages_of(sector, first_page(sector), first_page(sector) + 1);
	else
		span = widest_span(plan);
	if (!is_affordable(plan, span.length))
		return false;
	*ret = span;
	return true;
}

void flash_plan_compare(
	struct flash_plan *plan, const struct flash_span *span, const uint8_t *bytes)
{
	plan->waste_usec += read_usec(span->length);
	uint32_t end = span->address + span->length;
	while (plan->position < plan->count) {
		uint32_t address = plan->sectors[sector_at(plan, plan->position)].address;
		if (address >= end || address + FLASH_SECTOR_BYTES <= span->address)
			return;
		if (!learn_sector(plan, span, bytes))
			return;
	}
}

static uint8_t *wanted_boot_page(struct flash_plan *plan)
{
	return plan->wanted + (plan->head.boot_page - image_start(plan->image));
}

void flash_plan_settle(struct flash_plan *plan)
{
	assert(!plan->is_settled);
	plan->is_settled = true;
	for (size_t i = 0; i < plan->count; i++) {
		if (plan->sectors[i].state == SECTOR_UNKNOWN)
			plan->sectors[i].state = SECTOR_DIFFERENT;
	}
	if (flash_plan_count(plan, SECTOR_DIFFERENT) == 0)
		return;
	flash_plan_reopen_head(plan);
	memcpy(plan->boot_page, wanted_boot_page(plan), FLASH_PAGE_BYTES);
	memset(wanted_boot_page(plan), 0xff, FLASH_PAGE_BYTES);
}

void flash_plan_reopen_head(struct flash_plan *plan)
{
	for (uint32_t i = 0; i < plan->head.sectors; i++)
		plan->sectors[i].state = SECTOR_DIFFERENT;
}

bool flash_plan_next_batch(const struct flash_plan *plan, struct flash_batch *ret)
{
	size_t index = 0;
	while (index < plan->count && plan->sectors[index].state != SECTOR_DIFFERENT)
		index++;
	if (index == plan->count)
		return false;
	const struct flash_sector *first = &plan->sectors[index];
	size_t count = 1;
	while (count < FLASH_BATCH_SECTORS_MAX && index + count < plan->count &&
		first[count].state == SECTOR_DIFFERENT &&
		first[count].address == first->address + count * FLASH_SECTOR_BYTES)
		count++;
	*ret = (struct flash_batch){ index, count };
	return true;
}

uint8_t *flash_plan_wanted(struct flash_plan *plan, size_t index)
{
	return plan->wanted + index * FLASH_SECTOR_BYTES;
}

void flash_plan_merge(struct flash_plan *plan, size_t index, const uint8_t *bytes)
{
	assert(plan->is_settled);
	uint8_t *wanted = flash_plan_wanted(plan, index);
	struct flash_sector *sector = &plan->sectors[index];
	memcpy(wanted, bytes, FLASH_SECTOR_BYTES);
	image_copy(plan->image, sector->address, FLASH_SECTOR_BYTES, wanted);
	if (is_head(plan, sector))
		memset(wanted_boot_page(plan), 0xff, FLASH_PAGE_BYTES);
	sector->is_merged = true;
}

bool flash_plan_surroundings_are_blank(
	const struct flash_plan *plan, size_t index, const uint8_t *bytes)
{
	/* What the image puts over blank bytes is just what it holds: so compare both with it. */
	uint8_t over_blank[FLASH_SECTOR_BYTES], over_there[FLASH_SECTOR_BYTES];
	uint32_t address = plan->sectors[index].address;
	memset(over_blank, 0xff, sizeof over_blank);
	memcpy(over_there, bytes, sizeof over_there);
	image_copy(plan->image, address, sizeof over_blank, over_blank);
	image_copy(plan->image, address, sizeof over_there, over_there);
	return memcmp(over_blank, over_there, sizeof over_blank) == 0;
}

size_t flash_plan_count(const struct flash_plan *plan, enum flash_sector_state state)
{
	size_t count = 0;
	for (size_t i = 0; i < plan->count; i++)
		count += plan->sectors[i].state == state;
	return count;
}

bool flash_is_blank(const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (bytes[i] != 0xff)
			return false;
	}
	return true;
}

bool flash_next_run(const uint8_t *bytes, size_t length, size_t *offset, struct flash_span *ret)
{
	assert(length % FLASH_PAGE_BYTES == 0 && *offset % FLASH_PAGE_BYTES == 0);
	size_t start = *offset;
	while (start < length && flash_is_blank(bytes + start, FLASH_PAGE_BYTES))
		start += FLASH_PAGE_BYTES;
	size_t end = start;
	while (end < length && !flash_is_blank(bytes + end, FLASH_PAGE_BYTES))
		end += FLASH_PAGE_BYTES;
	*offset = end;
	if (start == end)
		return false;
	*ret = (struct flash_span){ (uint32_t)start, (uint32_t)(end - start) };
	return true;
}
