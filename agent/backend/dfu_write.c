/* SPDX-License-Identifier: MIT */
/*
 * Writing an image; see dfu_write.h.
 *
 * The order is the safety. The unit with the vector table is erased before anything else is
 * touched, and that it is blank is looked at, because a ROM acknowledges erases that did nothing (a
 * protected sector, AN2662). Then everything is written and read back; the block with the vector
 * table, without which the chip or its boot loader starts nothing, comes last. Whatever fails, the
 * plan still knows what is proved, and the same steps run again over the rest. One thing is beyond
 * help: what lies beside the image in the units of one batch is in our memory alone between erase
 * and write.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "backend/dfu_plan.h"
#include "backend/flash_plan.h"
#include "backend/dfu_write.h"

#define TRIES 3

/* The last act: the flash was not as it has to be. */
#define VECTORS_WRONG 1

enum vectors {
	VECTORS_UNTOUCHED,
	VECTORS_UNSURE, /* something was done to them and nobody has looked since */
	VECTORS_CLEARED, /* their head was seen to be blank */
	VECTORS_WRITTEN, /* may be there */
};

struct writing {
	struct backend_session *session;
	struct dfu_flash *flash;
	struct dfu_plan *plan;
	enum vectors vectors;
	unsigned vector_mismatches;
};

static struct dfu_unit *unit_of(const struct writing *writing, size_t index)
{
	return &writing->plan->units[index];
}

static int read_unit(struct writing *writing, size_t index)
{
	const struct dfu_unit *unit = unit_of(writing, index);
	return dfu_flash_read(writing->flash, unit->address, unit->length);
}

static const uint8_t *unit_bytes(const struct writing *writing, size_t index)
{
	return dfu_flash_at(writing->flash, unit_of(writing, index)->address);
}

/* ---- comparing --------------------------------------------------------------------------- */

/* Only what the image covers: an image that is there already is read just once. */
static int compare_part(struct writing *writing, size_t index)
{
	uint32_t address, length;
	dfu_plan_covered(writing->plan, index, &address, &length);
	int r = dfu_flash_read(writing->flash, address, length);
	if (r == 0)
		(void)dfu_plan_is_there(writing->plan, index, unit_bytes(writing, index));
	return r;
}

/* No further than to the first block that shows that the unit must be erased. */
static int compare_whole(struct writing *writing, size_t index)
{
	const struct dfu_unit *unit = unit_of(writing, index);
	uint32_t block_bytes = writing->plan->block_bytes;
	for (uint32_t at = 0; at < unit->length; at += block_bytes) {
		int r = dfu_flash_read(writing->flash, unit->address + at, block_bytes);
		if (r < 0)
			return r;
		if (dfu_plan_must_be_erased(
			    writing->plan, index, unit_bytes(writing, index), at + block_bytes))
			return 0;
	}
	return compare_part(writing, index);
}

/* The first one may lack no more than its head. */
static int compare_units(struct writing *writing)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < writing->plan->count; i++) {
		uint32_t address, length;
		dfu_plan_covered(writing->plan, i, &address, &length);
		bool is_whole = i > 0 && length == unit_of(writing, i)->length;
		r = is_whole ? compare_whole(writing, i) : compare_part(writing, i);
	}
	return r;
}

/* What is to be erased beside the image, or may not have to be, must be known whole. */
static int learn_the_rest(struct writing *writing, bool force)
{
	struct dfu_plan *plan = writing->plan;
	int r = 0;
	for (size_t i = 0; r == 0 && i < plan->count; i++) {
		enum dfu_unit_state state = unit_of(writing, i)->state;
		if (state == UNIT_ERASE || (!force && i > 0 && state == UNIT_IDENTICAL))
			continue;
		r = read_unit(writing, i);
		if (r == 0)
			dfu_plan_learn(plan, i, unit_bytes(writing, i));
	}
	return r;
}

static int compare(struct writing *writing, bool force)
{
	struct dfu_plan *plan = writing->plan;
	uint64_t total_bytes = writing->plan->image->byte_count;
	int r = visit_safe_point(&writing->session->visit, PHASE_COMPARE, 0, total_bytes);
	if (r == 0)
		r = compare_units(writing);
	bool is_there = dfu_plan_count(plan, UNIT_IDENTICAL) == plan->count;
	if (r == 0 && (!is_there || force))
		r = learn_the_rest(writing, force);
	if (r == 0)
		(void)dfu_plan_settle(plan, force);
	return r;
}

static void tell_plan(struct writing *writing)
{
	const struct backend_watch *watch = writing->session->visit.watch;
	struct job_plan told;
	if (!watch || !watch->on_plan)
		return;
	dfu_plan_describe(writing->plan, &told);
	watch->on_plan(watch->context, &told);
}

/* ---- what must survive ------------------------------------------------------------------- */

/* What lies before an image in its first unit is a boot loader, or was one: erasing it and losing
 * power would leave nothing that could be started. A unit that need not be erased now may have to
 * be when something goes wrong. */
static int check_before_image(struct writing *writing)
{
	const struct dfu_unit *unit = unit_of(writing, 0);
	uint32_t start = image_start(writing->plan->image);
	if (flash_is_blank(unit->before, start - unit->address))
		return 0;
	return visit_fail(&writing->session->visit, -EINVAL, REASON_OVERLAPS_BOOTLOADER,
		"the image begins at 0x%08" PRIx32 ", and what lies before it, from 0x%08" PRIx32
		" on, can only be erased together with it; nothing was changed. Use a build for "
		"another place",
		start, unit->address);
}

/* Nothing but one read knows the bytes beside the image, so it is made twice, and before anything
 * is done to the unit: whatever goes wrong in it then, they are known. */
static int keep_surroundings(struct writing *writing, size_t index)
{
	struct dfu_unit *unit = unit_of(writing, index);
	if (!unit->has_surroundings)
		return 0;
	dfu_flash_forget(writing->flash, unit->address, unit->length);
	int r = read_unit(writing, index);
	if (r < 0)
		return r;
	if (memcmp(unit_bytes(writing, index), unit->before, unit->length) != 0)
		return visit_fail(&writing->session->visit, -EIO, REASON_BOARD_ERROR,
			"the flash at 0x%08" PRIx32 " reads differently each time, so what lies "
			"beside the image there cannot be preserved; nothing there was changed. The "
			"chip or its supply is faulty",
			unit->address);
	unit->has_surroundings = false; /* they are in `wanted`, for good */
	return 0;
}

static int erase_unit(struct writing *writing, size_t index)
{
	struct dfu_unit *unit = unit_of(writing, index);
	int r = keep_surroundings(writing, index);
	if (r < 0)
		return r;
	unit->state = UNIT_UNKNOWN;
	writing->session->is_touched = true;
	return dfu_flash_erase(writing->flash, unit->address, unit->length);
}

static int begin_filling(struct writing *writing, size_t index)
{
	int r = keep_surroundings(writing, index);
	if (r == 0)
		unit_of(writing, index)->state = UNIT_UNKNOWN;
	return r;
}

/* ---- failures of the flash --------------------------------------------------------------- */

static int fail_flash(struct writing *writing, uint32_t address, bool is_unchanged)
{
	struct backend_session *session = writing->session;
	if (is_unchanged)
		return visit_fail(&session->visit, -EIO, REASON_WRITE_PROTECTED,
			"the flash at 0x%08" PRIx32
			" stays as it is, though the board says that it was written: it is protected "
			"against writing (option bytes); %s. Lift the protection with "
			"STM32CubeProgrammer",
			address, dfu_consequence(session));
	return visit_fail(&session->visit, -EIO, REASON_VERIFY_FAILED,
		"the flash at 0x%08" PRIx32
		" does not keep what is written to it, so the application was not started; %s. The "
		"chip is worn out or faulty: try another board",
		address, dfu_consequence(session));
}

/* ---- the vector table -------------------------------------------------------------------- */

/* 1: its head is blank. */
static int vectors_are_blank(struct writing *writing)
{
	const struct dfu_plan *plan = writing->plan;
	int r = dfu_flash_read(writing->flash, plan->head, plan->head_bytes);
	return r < 0 ? r
		     : flash_is_blank(dfu_flash_at(writing->flash, plan->head), plan->head_bytes);
}

static bool vectors_are_as_before(const struct writing *writing)
{
	const struct dfu_plan *plan = writing->plan;
	const struct dfu_unit *unit = &plan->units[0];
	return memcmp(dfu_flash_at(writing->flash, plan->head),
		       unit->before + (plan->head - unit->address), plan->head_bytes) == 0;
}

/* Erases the first unit and looks at it. */
static int clear_vectors(struct writing *writing)
{
	for (unsigned attempt = 0; attempt < TRIES; attempt++) {
		writing->vectors = VECTORS_UNSURE;
		int r = erase_unit(writing, 0);
		if (r == 0)
			r = vectors_are_blank(writing);
		if (r < 0)
			return r;
		if (r > 0) {
			writing->vectors = VECTORS_CLEARED;
			writing->session->may_start = false;
			unit_of(writing, 0)->state = UNIT_FILL;
			return 0;
		}
	}
	bool is_unchanged = vectors_are_as_before(writing);
	/* Then the board is what it was. */
	if (is_unchanged && dfu_plan_count(writing->plan, UNIT_PROVED) == 0)
		writing->session->is_touched = false;
	return fail_flash(writing, unit_of(writing, 0)->address, is_unchanged);
}

/* At the start of each attempt: what state are they really in? */
static int secure_vectors(struct writing *writing)
{
	if (writing->vectors == VECTORS_UNTOUCHED && unit_of(writing, 0)->state == UNIT_ERASE)
		return clear_vectors(writing);
	if (writing->vectors == VECTORS_UNSURE || writing->vectors == VECTORS_WRITTEN)
		return clear_vectors(writing);
	writing->vectors = VECTORS_CLEARED;
	return 0;
}

/* ---- batches ----------------------------------------------------------------------------- */

/* Units that were being worked on when something failed. */
static int look_again(struct writing *writing, const struct dfu_batch *batch)
{
	int r = 0;
	for (size_t i = batch->index; r == 0 && i < batch->index + batch->count; i++) {
		if (unit_of(writing, i)->state != UNIT_UNKNOWN)
			continue;
		r = read_unit(writing, i);
		if (r == 0)
			(void)dfu_plan_prove(writing->plan, i, unit_bytes(writing, i));
	}
	return r;
}

/* Compares what was read back; what differs is tried again, but not for ever. */
static int judge_unit(struct writing *writing, size_t index)
{
	struct dfu_unit *unit = unit_of(writing, index);
	const uint8_t *there = unit_bytes(writing, index);
	if (dfu_plan_prove(writing->plan, index, there))
		return 0;
	/* What reads as blank and takes nothing, an erase that was cut short may have left. */
	unit->state = UNIT_ERASE;
	if (++unit->mismatches < TRIES)
		return 0;
	return fail_flash(
		writing, unit->address, memcmp(there, unit->before, unit->before_bytes) == 0);
}

static int write_batch(struct writing *writing, const struct dfu_batch *batch)
{
	const size_t end = batch->index + batch->count;
	int r = look_again(writing, batch);
	for (size_t i = batch->index; r == 0 && i < end; i++) {
		if (unit_of(writing, i)->state == UNIT_ERASE)
			r = erase_unit(writing, i);
		else if (unit_of(writing, i)->state == UNIT_FILL)
			r = begin_filling(writing, i);
	}
	writing->session->is_touched |= r == 0;
	if (r == 0)
		r = dfu_flash_program(writing->flash, batch->address,
			unit_of(writing, batch->index)->wanted, batch->length);
	if (r == 0)
		r = dfu_flash_read(writing->flash, batch->address, batch->length);
	for (size_t i = batch->index; r == 0 && i < end; i++)
		r = judge_unit(writing, i);
	return r;
}

static uint64_t bytes_in(const struct writing *writing, enum dfu_unit_state state)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < writing->plan->count; i++)
		if (unit_of(writing, i)->state == state)
			sum += unit_of(writing, i)->length;
	return sum;
}

/* Written and read back counts as twice its length. */
static int write_batches(struct writing *writing)
{
	struct dfu_batch batch;
	while (dfu_plan_next_batch(writing->plan, &batch)) {
		uint64_t proved = bytes_in(writing, UNIT_PROVED);
		uint64_t total = proved + bytes_in(writing, UNIT_ERASE) +
				 bytes_in(writing, UNIT_FILL) + bytes_in(writing, UNIT_UNKNOWN);
		int r = visit_safe_point(
			&writing->session->visit, PHASE_WRITE, 2 * proved, 2 * total);
		if (r == 0)
			r = write_batch(writing, &batch);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- the last act ------------------------------------------------------------------------ */

/* With all of the block around them, which was read anew with them: the last look at it counts. */
static bool vectors_are_there(const struct writing *writing)
{
	const struct dfu_plan *plan = writing->plan;
	const struct dfu_unit *unit = &plan->units[0];
	uint32_t head = (plan->head - unit->address) % plan->block_bytes;
	uint32_t behind = head + plan->head_bytes;
	const uint8_t *there = dfu_flash_at(writing->flash, plan->head - head);
	const uint8_t *wanted = unit->wanted + (plan->head - head - unit->address);
	return memcmp(there, wanted, head) == 0 &&
	       memcmp(there + head, plan->head_wanted, plan->head_bytes) == 0 &&
	       memcmp(there + behind, wanted + behind, plan->block_bytes - behind) == 0;
}

/* Programs the head and reads it back: 0, VECTORS_WRONG, or an error. */
static int program_vectors(struct writing *writing)
{
	struct dfu_plan *plan = writing->plan;
	/* If it is not blank any more, something wrote where it should not have. */
	int r = vectors_are_blank(writing);
	if (r <= 0)
		return r < 0 ? r : VECTORS_WRONG;
	writing->vectors = VECTORS_WRITTEN;
	writing->session->is_touched = true;
	writing->session->may_start = true;
	r = dfu_flash_program_piece(
		writing->flash, plan->head, plan->head_wanted, plan->head_bytes);
	if (r == 0)
		r = dfu_flash_read(writing->flash, plan->head, plan->head_bytes);
	if (r < 0)
		return r;
	return vectors_are_there(writing) ? 0 : VECTORS_WRONG;
}

static int finish(struct writing *writing)
{
	uint64_t total_bytes = 2 * bytes_in(writing, UNIT_PROVED);
	int r = visit_safe_point(&writing->session->visit, PHASE_FINISH, total_bytes, total_bytes);
	if (r == 0)
		r = program_vectors(writing);
	if (r <= 0)
		return r;
	if (++writing->vector_mismatches == TRIES)
		return fail_flash(writing, writing->plan->head, false);
	r = clear_vectors(writing);
	return r < 0 ? r : VECTORS_WRONG;
}

/* An attempt failed while the vector table may have been written: was it, and is all the rest
 * proved? Then only the looking was missing. 1: yes. */
static int was_finished(struct writing *writing)
{
	struct dfu_batch batch;
	if (writing->vectors != VECTORS_WRITTEN || dfu_plan_next_batch(writing->plan, &batch))
		return 0;
	int r = dfu_flash_read(writing->flash, writing->plan->head, writing->plan->head_bytes);
	return r < 0 ? r : vectors_are_there(writing);
}

/* ---- all of it --------------------------------------------------------------------------- */

static bool is_nothing_to_do(const struct writing *writing)
{
	return dfu_plan_count(writing->plan, UNIT_IDENTICAL) == writing->plan->count;
}

/* All steps that are still to be done; can be repeated after every failure. */
static int attempt_write(struct writing *writing, bool force)
{
	int r = 0;
	if (!writing->plan->is_settled) {
		r = compare(writing, force);
		if (r == 0)
			tell_plan(writing);
		if (r == 0 && !is_nothing_to_do(writing))
			r = check_before_image(writing);
	}
	if (r < 0 || is_nothing_to_do(writing))
		return r;
	r = was_finished(writing);
	if (r != 0)
		return r < 0 ? r : 0;
	r = visit_safe_point(&writing->session->visit, PHASE_WRITE, 0, 0);
	if (r == 0)
		r = secure_vectors(writing);
	while (r == 0) {
		r = write_batches(writing);
		if (r == 0)
			r = finish(writing);
		if (r == 0)
			return 0;
		if (r == VECTORS_WRONG)
			r = 0;
	}
	return r;
}

/* The work has failed for good: an unproved vector table must not stay. */
static void leave_without_vectors(struct writing *writing)
{
	if (writing->vectors != VECTORS_UNSURE && writing->vectors != VECTORS_WRITTEN)
		return;
	/* Nobody stops this, and whether it works or not, it is not why the work failed. */
	writing->flash->on_step = NULL;
	struct backend_failure said = *writing->session->visit.failure;
	enum dfu_status status = writing->session->wire.status;
	for (unsigned attempt = 0; attempt < TRIES; attempt++) {
		int r = dfu_synchronise(&writing->session->wire);
		if (r == 0)
			r = clear_vectors(writing);
		if (r == 0 || r == -ENODEV)
			break;
	}
	*writing->session->visit.failure = said;
	writing->session->wire.status = status;
}

/* While nothing was done yet, nothing is read twice; later only what is proved counts. */
static uint64_t progress_of(const struct writing *writing)
{
	if (!writing->plan->is_settled)
		return writing->flash->bytes_read;
	return UINT32_MAX + bytes_in(writing, UNIT_PROVED);
}

static int write_with_repairs(struct writing *writing, bool force)
{
	struct backend_session *session = writing->session;
	for (;;) {
		int r = attempt_write(writing, force);
		if (r == 0)
			return 0;
		if (r != session->visit.stop)
			r = dfu_repair(session, r, progress_of(writing));
		if (r < 0) {
			leave_without_vectors(writing);
			return dfu_fail_wire(session, r, "writing its flash");
		}
	}
}

static void add_up(const struct writing *writing, struct job_tally *ret)
{
	const struct dfu_plan *plan = writing->plan;
	*ret = (struct job_tally){
		.units_total = (uint32_t)plan->count,
		.units_identical = (uint32_t)dfu_plan_count(plan, UNIT_IDENTICAL),
		.units_erased = writing->flash->units_erased,
		.bytes_read = writing->flash->bytes_read,
		.bytes_written = writing->flash->bytes_written,
		.recoveries = writing->session->visit.recoveries,
	};
}

static void note_remark(struct backend_session *session)
{
	session->has_start = true;
	session->may_start = false;
	/* The verdict "empty" was passed when power came, and a reset does not ask again (AN2606).
	 */
	if (session->was_blank && dfu_has_empty_check(session->chips))
		strcpy(session->visit.failure->sentence,
			"this chip was blank: take all power away once, until then every reset leads "
			"back to DFU");
}

int dfu_write_image(struct backend_session *session, const struct backend_write *write,
	struct job_tally *ret_tally)
{
	struct writing writing = { .session = session, .flash = &session->flash };
	_cleanup_(dfu_plan_freep) struct dfu_plan *plan = NULL;
	int r = dfu_plan_new(write->image, &session->looks.flash, session->flash.start,
		session->flash.block_bytes, session->flash.write_unit_bytes, &plan);
	if (r == -EINVAL)
		return visit_fail(&session->visit, r, REASON_OUTSIDE_FLASH,
			"the image reaches outside the flash that the board shows; use an image that "
			"was built for it");
	if (r == -EDOM)
		return visit_fail(&session->visit, r, REASON_NO_VECTOR_TABLE,
			"the image begins with less than the chip writes at once, or in the middle of "
			"that; use one that begins with its vector table");
	if (r < 0)
		return dfu_fail_wire(session, r, "preparing");
	writing.plan = plan;
	/* Where a boot loader starts, it starts the rest. */
	session->is_behind_loader =
		image_start(write->image) != session->flash.start && session->has_start;
	if (!session->is_behind_loader)
		session->start = image_start(write->image);
	visit_begin_work(&session->visit);
	r = write_with_repairs(&writing, write->force);
	add_up(&writing, ret_tally);
	if (r == 0)
		note_remark(session);
	return r;
}
