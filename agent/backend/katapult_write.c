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
		if (start != base + at)
			return -EINVAL; /* an application that does not begin with a unit */
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

static int lay_out(struct writing *writing, const struct image *image)
{
	struct backend_session *session = writing->session;
	uint32_t base = session->device.application_start;
	uint32_t page = session->family->page_bytes;
	if (image_start(image) != base || image_end(image) - base > session->room_bytes)
		return visit_fail(&session->visit, -EINVAL, REASON_WRONG_ADDRESS,
			"the image does not lie where Katapult starts its application, at 0x%08" PRIx32
			"; use a build for there",
			base);
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

static int compare(struct writing *writing, bool force)
{
	struct backend_session *session = writing->session;
	int r = visit_safe_point(
		&session->visit, PHASE_COMPARE, session->known_bytes, writing->length);
	if (r == 0)
		r = katapult_know(session, writing->length, NULL);
	for (size_t i = 0; r == 0 && i < writing->count; i++) {
		struct unit *unit = &writing->units[i];
		unit->is_there = !force && unit->offset + unit->length <= session->known_bytes &&
				 memcmp(session->bytes + unit->offset,
					 writing->wanted + unit->offset, unit->length) == 0;
		writing->tally.units_identical += unit->is_there;
	}
	return r;
}

static bool is_all_there(const struct writing *writing)
{
	for (size_t i = 0; i < writing->count; i++)
		if (!writing->units[i].is_there)
			return false;
	return true;
}

/* ---- writing ----------------------------------------------------------------------------- */

static int send(struct writing *writing, uint32_t offset, const uint8_t *data, uint32_t length)
{
	struct backend_session *session = writing->session;
	uint32_t block = session->device.block_bytes;
	assert(length % block == 0);
	session->is_touched = true;
	for (uint32_t at = 0; at < length; at += block) {
		int r = visit_safe_point(
			&session->visit, PHASE_WRITE, writing->done_bytes, writing->total_bytes);
		if (r == 0)
			r = katapult_send_block(&session->wire,
				session->device.application_start + offset + at, data + at, block);
		if (r < 0)
			return r;
		writing->tally.bytes_written += block;
		writing->done_bytes += block;
	}
	return 0;
}

/* The first words of the application become 0: then it is none (whole pages, for chips that need
 * them). */
static int poison(struct writing *writing)
{
	static const uint8_t zeros[KATAPULT_BLOCK_MAX];
	struct backend_session *session = writing->session;
	uint32_t page = session->family->page_bytes, block = session->device.block_bytes;
	uint32_t length = page > block ? page : block;
	int r = 0;
	for (uint32_t at = 0; r == 0 && at < length; at += block)
		r = send(writing, at, zeros, block);
	session->has_start = false;
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
	writing->session->may_start |= r == 0;
	if (r == 0)
		r = write_unit(writing, &writing->units[0]);
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
	return visit_fail(&session->visit, -EIO, REASON_VERIFY_FAILED,
		"the flash at 0x%08" PRIx32
		" does not keep what is written to it, so the application was not started; %s. The "
		"chip is worn out or faulty",
		session->device.application_start + unit->offset, katapult_consequence(session));
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

/* Unverified, it must not be started at the next power-up. */
static void leave_poisoned(struct writing *writing)
{
	struct backend_session *session = writing->session;
	struct backend_failure said = *session->visit.failure;
	uint32_t pages;
	session->visit.stop = 0;
	if (session->may_start && poison(writing) == 0 && katapult_end(&session->wire, &pages) == 0)
		session->may_start = false;
	*session->visit.failure = said;
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
	} else if (session->may_start && r != -ENODEV) {
		leave_poisoned(&writing);
	}
	writing.tally.bytes_read = session->bytes_read;
	writing.tally.recoveries = session->wire.resends;
	*ret_tally = writing.tally;
	return r < 0 ? katapult_fail_wire(session, r, "writing its flash") : 0;
}
