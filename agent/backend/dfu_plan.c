/* SPDX-License-Identifier: MIT */
/* The plan of a flash in DFU; see dfu_plan.h. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backend/dfu_flash.h"
#include "backend/flash_plan.h"
#include "backend/dfu_plan.h"

/* ---- laying out -------------------------------------------------------------------------- */

/* The unit at `address`, widened to whole blocks. */
static bool unit_at(const struct dfu_plan *plan, const struct dfuse_layout *layout,
	uint32_t flash_start, uint32_t address, struct dfu_unit *ret)
{
	uint32_t start, bytes;
	if (!dfuse_layout_unit(layout, address, &start, &bytes))
		return false;
	if (bytes < plan->block_bytes) {
		start = flash_start + (start - flash_start) / plan->block_bytes * plan->block_bytes;
		bytes = plan->block_bytes;
	}
	*ret = (struct dfu_unit){ .address = start, .length = bytes };
	return true;
}

static int add_unit(struct dfu_plan *plan, const struct dfu_unit *unit)
{
	struct dfu_unit *grown = reallocarray(plan->units, plan->count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	plan->units = grown;
	plan->units[plan->count++] = *unit;
	return 0;
}

static int add_units(struct dfu_plan *plan, const struct dfuse_layout *layout, uint32_t flash_start,
	const struct image_segment *segment)
{
	uint64_t at = segment->address, end = at + segment->length;
	if (plan->count > 0) {
		const struct dfu_unit *last = &plan->units[plan->count - 1];
		uint64_t behind = (uint64_t)last->address + last->length;
		at = at < behind ? behind : at;
	}
	while (at < end) {
		struct dfu_unit unit;
		if (!unit_at(plan, layout, flash_start, (uint32_t)at, &unit))
			return -EINVAL;
		int r = add_unit(plan, &unit);
		if (r < 0)
			return r;
		at = (uint64_t)unit.address + unit.length;
	}
	return 0;
}

static int give_memory(struct dfu_plan *plan)
{
	size_t total = 0;
	for (size_t i = 0; i < plan->count; i++)
		total += plan->units[i].length;
	plan->bytes = malloc(2 * total);
	if (!plan->bytes)
		return -ENOMEM;
	uint8_t *at = plan->bytes;
	for (size_t i = 0; i < plan->count; i++) {
		plan->units[i].wanted = at;
		plan->units[i].before = at + total;
		at += plan->units[i].length;
	}
	return 0;
}

int dfu_plan_new(const struct image *image, const struct dfuse_layout *layout, uint32_t flash_start,
	uint16_t block_bytes, uint16_t write_unit_bytes, struct dfu_plan **ret)
{
	assert(write_unit_bytes <= DFU_HEAD_MAX);
	_cleanup_(dfu_plan_freep) struct dfu_plan *plan = calloc(1, sizeof(*plan));
	if (!plan)
		return -ENOMEM;
	plan->image = image;
	plan->block_bytes = block_bytes;
	int r = image->segment_count > 0 && image_start(image) >= flash_start ? 0 : -EINVAL;
	for (size_t i = 0; r == 0 && i < image->segment_count; i++)
		r = add_units(plan, layout, flash_start, &image->segments[i]);
	if (r == 0)
		r = give_memory(plan);
	if (r < 0)
		return r;
	plan->head = image_start(image);
	plan->head_bytes = write_unit_bytes;
	/* The table's own words, and nothing that is another block's. */
	if (image->segments[0].length < write_unit_bytes || plan->head % write_unit_bytes != 0)
		return -EDOM;
	*ret = TAKE_PTR(plan);
	return 0;
}

struct dfu_plan *dfu_plan_free(struct dfu_plan *plan)
{
	if (!plan)
		return NULL;
	free(plan->units);
	free(plan->bytes);
	free(plan);
	return NULL;
}

/* ---- comparing --------------------------------------------------------------------------- */

/* What a unit that holds `there` needs to become `wanted`. */
static enum dfu_unit_state need_of(
	const struct dfu_plan *plan, const struct dfu_unit *unit, const uint8_t *there)
{
	enum dfu_unit_state state = UNIT_IDENTICAL;
	for (uint32_t at = 0; at < unit->length; at += plan->block_bytes) {
		if (memcmp(there + at, unit->wanted + at, plan->block_bytes) == 0)
			continue;
		if (!flash_is_blank(there + at, plan->block_bytes))
			return UNIT_ERASE;
		state = UNIT_FILL;
	}
	return state;
}

void dfu_plan_covered(
	const struct dfu_plan *plan, size_t index, uint32_t *ret_address, uint32_t *ret_length)
{
	const struct dfu_unit *unit = &plan->units[index];
	uint64_t unit_end = (uint64_t)unit->address + unit->length, highest = 0;
	uint64_t lowest = unit_end;
	for (size_t i = 0; i < plan->image->segment_count; i++) {
		const struct image_segment *segment = &plan->image->segments[i];
		uint64_t segment_end = (uint64_t)segment->address + segment->length;
		if (segment->address >= unit_end || segment_end <= unit->address)
			continue;
		if (segment->address < lowest)
			lowest = segment->address;
		highest = segment_end;
	}
	lowest = lowest < unit->address ? unit->address : lowest;
	highest = highest > unit_end ? unit_end : highest;
	*ret_address = (uint32_t)lowest;
	*ret_length = (uint32_t)(highest - lowest);
}

/* Byte by byte of the image, whatever is between its segments. */
bool dfu_plan_is_there(struct dfu_plan *plan, size_t index, const uint8_t *there)
{
	struct dfu_unit *unit = &plan->units[index];
	uint32_t address, length;
	dfu_plan_covered(plan, index, &address, &length);
	uint8_t *merged = unit->wanted + (address - unit->address);
	memcpy(merged, there + (address - unit->address), length);
	image_copy(plan->image, address, length, merged);
	if (memcmp(merged, there + (address - unit->address), length) == 0)
		unit->state = UNIT_IDENTICAL;
	return unit->state == UNIT_IDENTICAL;
}

bool dfu_plan_must_be_erased(
	struct dfu_plan *plan, size_t index, const uint8_t *there, uint32_t known_bytes)
{
	assert(!plan->is_settled);
	struct dfu_unit *unit = &plan->units[index];
	uint32_t at = known_bytes - plan->block_bytes;
	image_copy(plan->image, unit->address + at, plan->block_bytes, unit->wanted + at);
	if (memcmp(there + at, unit->wanted + at, plan->block_bytes) == 0 ||
		flash_is_blank(there + at, plan->block_bytes))
		return false;
	image_copy(plan->image, unit->address, unit->length, unit->wanted);
	memcpy(unit->before, there, known_bytes);
	unit->before_bytes = known_bytes;
	unit->state = UNIT_ERASE;
	return true;
}

void dfu_plan_learn(struct dfu_plan *plan, size_t index, const uint8_t *there)
{
	assert(!plan->is_settled);
	struct dfu_unit *unit = &plan->units[index];
	memcpy(unit->before, there, unit->length);
	unit->before_bytes = unit->length;
	/* What the image leaves out over blank bytes: where that differs, something must survive.
	 */
	memset(unit->wanted, 0xff, unit->length);
	image_copy(plan->image, unit->address, unit->length, unit->wanted);
	_cleanup_(freep) uint8_t *blank_around = malloc(unit->length);
	if (blank_around)
		memcpy(blank_around, unit->wanted, unit->length);
	memcpy(unit->wanted, there, unit->length);
	image_copy(plan->image, unit->address, unit->length, unit->wanted);
	unit->has_surroundings =
		!blank_around || memcmp(blank_around, unit->wanted, unit->length) != 0;
	unit->was_blank = flash_is_blank(there, unit->length);
	unit->state = need_of(plan, unit, there);
}

bool dfu_plan_settle(struct dfu_plan *plan, bool force)
{
	assert(!plan->is_settled);
	plan->is_settled = true;
	for (size_t i = 0; force && i < plan->count; i++)
		plan->units[i].state = plan->units[i].was_blank ? UNIT_FILL : UNIT_ERASE;
	if (dfu_plan_count(plan, UNIT_IDENTICAL) == plan->count)
		return false;
	/* As long as the head is there, the chip would start what is only half written. */
	struct dfu_unit *first = &plan->units[0];
	size_t offset = plan->head - first->address;
	memcpy(plan->head_wanted, first->wanted + offset, plan->head_bytes);
	memset(first->wanted + offset, 0xff, plan->head_bytes);
	if (!flash_is_blank(first->before + offset, plan->head_bytes))
		first->state = UNIT_ERASE;
	else if (!force)
		(void)dfu_plan_prove(plan, 0, first->before);
	return true;
}

bool dfu_plan_prove(struct dfu_plan *plan, size_t index, const uint8_t *there)
{
	assert(plan->is_settled);
	struct dfu_unit *unit = &plan->units[index];
	enum dfu_unit_state need = need_of(plan, unit, there);
	unit->state = need == UNIT_IDENTICAL ? UNIT_PROVED : need;
	return unit->state == UNIT_PROVED;
}

size_t dfu_plan_count(const struct dfu_plan *plan, enum dfu_unit_state state)
{
	size_t count = 0;
	for (size_t i = 0; i < plan->count; i++)
		count += plan->units[i].state == state;
	return count;
}

static bool needs_work(const struct dfu_unit *unit)
{
	return unit->state == UNIT_FILL || unit->state == UNIT_ERASE || unit->state == UNIT_UNKNOWN;
}

bool dfu_plan_next_batch(const struct dfu_plan *plan, struct dfu_batch *ret)
{
	struct dfu_batch batch = { 0 };
	while (batch.index < plan->count && !needs_work(&plan->units[batch.index]))
		batch.index++;
	if (batch.index == plan->count)
		return false;
	batch.address = plan->units[batch.index].address;
	for (size_t i = batch.index; i < plan->count; i++) {
		const struct dfu_unit *unit = &plan->units[i];
		bool is_next = needs_work(unit) && unit->address == batch.address + batch.length;
		if (!is_next || (batch.count > 0 && batch.length + unit->length > DFU_BATCH_BYTES))
			break;
		batch.length += unit->length;
		batch.count++;
	}
	*ret = batch;
	return true;
}

/* ---- telling ----------------------------------------------------------------------------- */

/* What happens to a unit, as the plan says it. */
static const char *fate_of(const struct dfu_unit *unit)
{
	if (unit->state == UNIT_IDENTICAL)
		return "identical";
	return unit->state == UNIT_ERASE ? "erased and written" : "blank, written";
}

static size_t print(char *text, size_t length, size_t capacity, const struct dfu_unit *first,
	const struct dfu_unit *last)
{
	uint32_t bytes = last->address + last->length - first->address;
	int printed = snprintf(text + length, capacity - length,
		"%s0x%08" PRIx32 " (%td unit%s, %" PRIu32 " KiB) %s", length ? "; " : "",
		first->address, last - first + 1, last > first ? "s" : "", bytes >> 10,
		fate_of(first));
	/* What does not fit is left out whole. */
	if (printed < 0 || (size_t)printed >= capacity - length) {
		text[length] = '\0';
		return capacity;
	}
	return length + (size_t)printed;
}

static void describe_units(const struct dfu_plan *plan, char *text, size_t capacity)
{
	size_t length = 0;
	for (size_t first = 0, end; first < plan->count && length < capacity; first = end) {
		const struct dfu_unit *units = plan->units;
		end = first + 1;
		while (end < plan->count && fate_of(&units[end]) == fate_of(&units[first]) &&
			units[end].address == units[end - 1].address + units[end - 1].length)
			end++;
		length = print(text, length, capacity, &units[first], &units[end - 1]);
	}
}

/* Whatever is not blank in what a unit shall hold, and is not there already when it is not erased.
 */
static uint64_t bytes_to_write(const struct dfu_plan *plan, const struct dfu_unit *unit)
{
	uint64_t sum = 0;
	for (uint32_t at = 0; at < unit->length; at += plan->block_bytes)
		if (!flash_is_blank(unit->wanted + at, plan->block_bytes) &&
			(unit->state == UNIT_ERASE ||
				flash_is_blank(unit->before + at, plan->block_bytes)))
			sum += plan->block_bytes;
	return sum;
}

void dfu_plan_describe(const struct dfu_plan *plan, struct job_plan *ret)
{
	struct job_plan told = {
		.units_total = (uint32_t)plan->count,
		.units_identical = (uint32_t)dfu_plan_count(plan, UNIT_IDENTICAL),
		.units_erased = (uint32_t)dfu_plan_count(plan, UNIT_ERASE),
	};
	told.units_blank = told.units_total - told.units_identical - told.units_erased;
	if (told.units_identical < told.units_total) {
		told.bytes_written = plan->head_bytes;
		for (size_t i = 0; i < plan->count; i++)
			if (plan->units[i].state != UNIT_IDENTICAL)
				told.bytes_written += bytes_to_write(plan, &plan->units[i]);
	}
	describe_units(plan, told.sentence, sizeof(told.sentence));
	*ret = told;
}
