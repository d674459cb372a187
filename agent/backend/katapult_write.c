/* SPDX-License-Identifier: MIT */
/*
 * Writing over Katapult; see katapult_write.h.
 *
 * Katapult starts whatever has a first word that is neither 0 nor all ones, and it writes an erase
 * unit from its beginning on. So first the application's first words become 0, then all other units
 * are written, and the first one comes last (katapult, src/generic/armcm_canboot.c). What is left
 * is that one unit: while it is written its vector table is there before the rest, and the history
 * says which verification was reached.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "backend/katapult_write.h"

#define TRIES 3

struct unit {
	uint32_t offset, length; /* from the application's start; what the image covers, in pages */
	bool is_there;
	unsigned mismatches;
};

struct writing {
	struct backend_session *session;
	uint8_t *wanted; /* from the application's start, whole pages */
	uint8_t *there;
	uint32_t length;
	struct unit *units;
	size_t count;
	struct job_tally tally;
	uint64_t done_bytes, total_bytes;
	bool is_at_start; /* what is sent now is the application's first unit */
	const struct unit *worn; /* it does not keep what is written to it */
};

static void writing_done(struct writing *writing)
{
	free(writing->wanted);
	free(writing->there);
	free(writing->units);
}

/* ---- laying out -------------------------------------------------------------------------- */

static int add_units(struct writing *writing)
{
	const struct backend_session *session = writing->session;
	uint32_t base = session->device.application_start;
	for (uint32_t at = 0; at < writing->length;) {
		uint32_t start, bytes;
		katapult_unit(session->chip, base + at, &start, &bytes);
		assert(start == base + at);
		struct unit *grown =
			reallocarray(writing->units, writing->count + 1, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		writing->units = grown;
		uint32_t left = writing->length - at;
		writing->units[writing->count++] =
			(struct unit){ .offset = at, .length = bytes < left ? bytes : left };
		at += bytes;
	}
	return 0;
}

/* Of whole blocks. */
static uint32_t page_bytes(const struct backend_session *session)
{
	uint32_t page = session->family->page_bytes, block = session->device.block_bytes;
	return page > block ? page : block;
}

static int lay_out(struct writing *writing, const struct image *image)
{
	struct backend_session *session = writing->session;
	uint32_t base = session->device.application_start;
	uint32_t page = page_bytes(session);
	if (image_start(image) != base)
		return visit_fail(&session->visit, -EINVAL, REASON_WRONG_ADDRESS,
			"the image does not lie where Katapult starts its application, at 0x%08" PRIx32
			"; use a build for there",
			base);
	if (image_end(image) - base > session->room_bytes)
		return visit_fail(&session->visit, -EFBIG, REASON_TOO_LARGE,
			"the image is larger than the %" PRIu32
			" KiB that every %s has behind this Katapult; use a smaller build",
			session->room_bytes >> 10, chip_name(session->chip));
	uint32_t bytes = (uint32_t)(image_end(image) - base);
	writing->length = (bytes + page - 1) / page * page;
	writing->wanted = malloc(writing->length);
	writing->there = malloc(writing->length);
	if (!writing->wanted || !writing->there)
		return -ENOMEM;
	memset(writing->wanted, 0xff, writing->length);
	image_copy(image, base, bytes, writing->wanted);
	return add_units(writing);
}

/* ---- comparing --------------------------------------------------------------------------- */

struct comparing {
	struct writing *writing;
	uint32_t at;
	bool is_other; /* a block differs: the unit must be written, whatever follows */
};

static int on_compared(void *context, uint32_t bytes)
{
	struct comparing *comparing = context;
	struct writing *writing = comparing->writing;
	TRY(katapult_on_block(writing->session, bytes));
	comparing->is_other |= memcmp(writing->session->bytes + comparing->at,
				       writing->wanted + comparing->at, bytes) != 0;
	comparing->at += bytes;
	return comparing->is_other;
}

/* What was not read when the board was looked at is read now, up to the first difference. */
static int compare_unit(struct writing *writing, struct unit *unit)
{
	struct backend_session *session = writing->session;
	uint32_t end = unit->offset + unit->length;
	uint32_t known = session->known_bytes < end ? session->known_bytes : end;
	struct comparing comparing = {
		.writing = writing,
		.at = known > unit->offset ? known : unit->offset,
	};
	comparing.is_other = memcmp(session->bytes + unit->offset, writing->wanted + unit->offset,
				     comparing.at - unit->offset) != 0;
	if (!comparing.is_other && comparing.at < end)
		TRY(katapult_read(&session->wire, session->device.application_start + comparing.at,
			session->bytes + comparing.at, end - comparing.at,
			session->device.block_bytes, on_compared, &comparing));
	unit->is_there = !comparing.is_other;
	return 0;
}

static int compare(struct writing *writing, bool force)
{
	TRY(visit_safe_point(&writing->session->visit, PHASE_COMPARE, 0, writing->length));
	for (size_t i = 0; !force && i < writing->count; i++) {
		TRY(compare_unit(writing, &writing->units[i]));
		writing->tally.units_identical += writing->units[i].is_there;
	}
	return 0;
}

static bool is_all_there(const struct writing *writing)
{
	for (size_t i = 0; i < writing->count; i++)
		if (!writing->units[i].is_there)
			return false;
	return true;
}

/* ---- writing ----------------------------------------------------------------------------- */

/* Stopped only between pages: within one, some would take nothing else than the rest of it. */
static int stop_here(struct writing *writing, uint32_t offset)
{
	struct visit *visit = &writing->session->visit;
	if (offset % page_bytes(writing->session) == 0)
		return visit_safe_point(
			visit, PHASE_WRITE, writing->done_bytes, writing->total_bytes);
	visit_on_alive(visit);
	return 0;
}

/* A block is about to be under way: what was there is there no longer. */
static void note_said(struct writing *writing)
{
	struct backend_session *session = writing->session;
	session->is_touched = true;
	session->may_start |= writing->is_at_start;
	session->has_start &= !writing->is_at_start;
}

/* A block was taken. What went before it is in flash, and at the start that was poison. */
static void note_taken(struct writing *writing)
{
	struct backend_session *session = writing->session;
	session->may_start &= writing->is_at_start;
	writing->tally.bytes_written += session->device.block_bytes;
	writing->done_bytes += session->device.block_bytes;
}

/*
 * One by one. Over USB a next block could wait in front of a busy device; but then its first packet
 * waits in there without the second, and when the cable is pulled, or we are killed, half a frame
 * is left, behind which Katapult is deaf.
 */
static int send(struct writing *writing, uint32_t offset, const uint8_t *data, uint32_t length)
{
	struct backend_session *session = writing->session;
	uint32_t block = session->device.block_bytes;
	assert(length % block == 0);
	for (uint32_t at = 0; at < length; at += block) {
		TRY(stop_here(writing, offset + at));
		note_said(writing);
		TRY(katapult_send_block(&session->wire,
			session->device.application_start + offset + at, data + at, block));
		note_taken(writing);
	}
	return 0;
}

/* The first words of the application become all zeros or ones: then it is none (whole pages, for
 * chips that need them). */
static int poison(struct writing *writing)
{
	uint8_t poisoned[KATAPULT_BLOCK_MAX];
	struct backend_session *session = writing->session;
	uint32_t length = page_bytes(session), block = session->device.block_bytes;
	writing->is_at_start = true;
	memset(poisoned, session->family->poison, sizeof(poisoned));
	int r = 0;
	for (uint32_t at = 0; r == 0 && at < length; at += block)
		r = send(writing, at, poisoned, block);
	writing->is_at_start = false;
	/* Others acknowledge a page that still waits for the next one. */
	if (r == 0 && chip_is_stm32(session->chip))
		session->may_start = false;
	return r;
}

static int write_unit(struct writing *writing, struct unit *unit)
{
	writing->tally.units_erased++;
	return send(writing, unit->offset, writing->wanted + unit->offset, unit->length);
}

static bool touches_first_unit_only(const struct writing *writing)
{
	for (size_t i = 1; i < writing->count; i++)
		if (!writing->units[i].is_there)
			return false;
	return true;
}

static uint64_t bytes_to_do(const struct writing *writing)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < writing->count; i++)
		if (!writing->units[i].is_there)
			sum += writing->units[i].length;
	return sum;
}

/* Everything that is not there, the first unit last. It is written whenever anything is, because
 * its beginning is gone. */
static int write_units(struct writing *writing)
{
	int r = 0;
	writing->done_bytes = 0;
	writing->units[0].is_there = false;
	writing->total_bytes = 2 * bytes_to_do(writing);
	if (!touches_first_unit_only(writing))
		r = poison(writing);
	for (size_t i = 1; r == 0 && i < writing->count; i++)
		if (!writing->units[i].is_there)
			r = write_unit(writing, &writing->units[i]);
	writing->is_at_start = true;
	if (r == 0)
		r = write_unit(writing, &writing->units[0]);
	writing->is_at_start = false;
	uint32_t pages;
	return r < 0 ? r : katapult_end(&writing->session->wire, &pages);
}

/* ---- proving ----------------------------------------------------------------------------- */

static int prove_unit(struct writing *writing, struct unit *unit)
{
	struct backend_session *session = writing->session;
	int r = katapult_read(&session->wire, session->device.application_start + unit->offset,
		writing->there + unit->offset, unit->length, session->device.block_bytes,
		katapult_on_block, session);
	if (r < 0)
		return r;
	unit->is_there = memcmp(writing->there + unit->offset, writing->wanted + unit->offset,
				 unit->length) == 0;
	if (unit->is_there || ++unit->mismatches < TRIES)
		return 0;
	writing->worn = unit;
	return -EIO;
}

static int prove(struct writing *writing)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < writing->count; i++)
		if (!writing->units[i].is_there)
			r = prove_unit(writing, &writing->units[i]);
	return r;
}

static int write_until_there(struct writing *writing)
{
	int r = 0;
	while (r == 0 && !is_all_there(writing)) {
		r = write_units(writing);
		if (r == 0)
			r = prove(writing);
	}
	return r;
}

/* ---- giving up --------------------------------------------------------------------------- */

/* Was the very first block refused, and is what was there still there? */
static bool has_changed_nothing(struct writing *writing)
{
	uint8_t there[KATAPULT_BLOCK_MAX];
	struct backend_session *session = writing->session;
	uint32_t block = session->device.block_bytes;
	return writing->tally.bytes_written == 0 && session->known_bytes >= block &&
	       katapult_read(&session->wire, session->device.application_start, there, block, block,
		       NULL, NULL) == 0 &&
	       memcmp(there, session->bytes, block) == 0;
}

/* Says how far it is, and goes on whatever the answer. */
static int say_only(void *context, enum job_phase phase, uint64_t done_bytes, uint64_t total_bytes)
{
	const struct backend_watch *watch = context;
	if (watch && watch->on_progress)
		(void)!watch->on_progress(watch->context, phase, done_bytes, total_bytes);
	return 0;
}

/* Unverified, it must not be started at the next power-up. Nobody is asked whether to go on. */
static void leave_poisoned(struct writing *writing)
{
	struct backend_session *session = writing->session;
	struct visit visit = session->visit;
	struct backend_failure unheard;
	uint32_t pages;
	/* A slow board may take longer than a worker may be silent. */
	const struct backend_watch watch = { .on_progress = say_only,
		.context = (void *)visit.watch };
	session->visit = (struct visit){ .watch = &watch, .failure = &unheard };
	if (poison(writing) == 0 && katapult_end(&session->wire, &pages) == 0)
		session->may_start = false;
	session->visit = visit;
}

/* With what has become of the board in the sentence. */
static int fail_write(struct writing *writing, int error)
{
	struct backend_session *session = writing->session;
	struct visit *visit = &session->visit;
	if (error == -EREMOTEIO && has_changed_nothing(writing))
		session->is_touched = session->may_start = false;
	if (session->may_start && error != -ENODEV)
		leave_poisoned(writing);
	const char *consequence = katapult_consequence(session);
	if (visit->stop < 0 && error == visit->stop)
		return visit_fail(
			visit, error, REASON_CANCELLED, "stopped on request; %s", consequence);
	if (writing->worn)
		return visit_fail(visit, error, REASON_VERIFY_FAILED,
			"the flash at 0x%08" PRIx32
			" does not keep what is written to it, so the application was not started; "
			"%s. The chip is worn out or faulty",
			session->device.application_start + writing->worn->offset, consequence);
	if (error == -EREMOTEIO && session->family->may_refuse_occupied)
		return visit_fail(visit, error, REASON_BOARD_ERROR,
			"Katapult refused to write over what the board holds, a known fault of it on "
			"an %s (katapult#128); %s. Install a newer Katapult, or erase the whole chip "
			"over DFU and install Katapult again",
			chip_name(session->chip), consequence);
	return katapult_fail_wire(session, error, "writing its flash");
}

int katapult_write_image(struct backend_session *session, const struct backend_write *write,
	struct job_tally *ret_tally)
{
	_cleanup_(writing_done) struct writing writing = { .session = session };
	int r = lay_out(&writing, write->image);
	if (r == 0)
		r = compare(&writing, write->force);
	writing.tally.units_total = (uint32_t)writing.count;
	bool is_identical = r == 0 && is_all_there(&writing);
	if (r == 0 && !is_identical)
		r = write_until_there(&writing);
	if (r == 0) {
		session->has_start = true;
		session->may_start = false;
	} else {
		r = fail_write(&writing, r);
	}
	writing.tally.bytes_read = session->bytes_read;
	writing.tally.recoveries = session->wire.resends;
	*ret_tally = writing.tally;
	return r;
}
