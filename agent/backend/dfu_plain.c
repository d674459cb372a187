/* SPDX-License-Identifier: MIT */
/*
 * Writing over plain DFU; see dfu_plain.h. The order is the loader's: it erases as the blocks come.
 * All of it is read back before the application is started, by a reset of the port.
 */
#include <errno.h>
#include <string.h>

#include "backend/dfu_plain.h"
#include "base/bytes.h"

#define TRIES 2

struct plain {
	struct backend_session *session;
	uint8_t *wanted, *there; /* whole blocks */
	uint32_t length;
	struct job_tally tally;
};

static void plain_done(struct plain *plain)
{
	free(plain->wanted);
	free(plain->there);
}

static int read_blocks(struct plain *plain, uint64_t done_bytes, enum job_phase phase)
{
	struct dfu_wire *wire = &plain->session->wire;
	uint16_t block_bytes = wire->function.transfer_bytes;
	int r = wire->state == DFU_IDLE ? 0 : dfu_abort(wire);
	for (uint32_t at = 0; r == 0 && at < plain->length; at += block_bytes) {
		r = dfu_upload(wire, (uint16_t)(at / block_bytes), plain->there + at, block_bytes);
		plain->tally.bytes_read += block_bytes;
		if (r == 0)
			r = visit_safe_point(&plain->session->visit, phase, done_bytes + at,
				done_bytes + plain->length);
	}
	return r < 0 ? r : dfu_abort(wire);
}

static int write_blocks(struct plain *plain)
{
	struct dfu_wire *wire = &plain->session->wire;
	uint16_t block_bytes = wire->function.transfer_bytes;
	plain->session->is_touched = true;
	for (uint32_t at = 0; at < plain->length; at += block_bytes) {
		int r = visit_safe_point(
			&plain->session->visit, PHASE_WRITE, at, 2 * plain->length);
		if (r == 0)
			r = dfu_download(wire, (uint16_t)(at / block_bytes), plain->wanted + at,
				block_bytes, DFU_LIMIT_WRITE_MSEC);
		if (r < 0)
			return r;
		plain->tally.bytes_written += block_bytes;
		plain->tally.units_erased++;
	}
	return 0;
}

static bool is_there(const struct plain *plain)
{
	return memcmp(plain->there, plain->wanted, plain->length) == 0;
}

/* 0: it is there; 1: it is not. */
static int attempt(struct plain *plain)
{
	int r = write_blocks(plain);
	if (r == 0)
		r = read_blocks(plain, plain->length, PHASE_WRITE);
	return r < 0 ? r : !is_there(plain);
}

static int write_until_there(struct plain *plain)
{
	struct backend_session *session = plain->session;
	for (unsigned tries = 0; tries < TRIES; tries++) {
		int r = attempt(plain);
		if (r < 0 && r != session->visit.stop)
			r = dfu_repair(session, r, 0);
		else if (r == 0)
			return 0;
		if (r < 0)
			return r;
	}
	return visit_fail(&session->visit, -EIO, REASON_VERIFY_FAILED,
		"the flash does not keep what is written to it, so the application was not started; "
		"%s",
		dfu_consequence(session));
}

static int compare(struct plain *plain)
{
	for (;;) {
		int r = read_blocks(plain, 0, PHASE_COMPARE);
		if (r < 0 && r != plain->session->visit.stop)
			r = dfu_repair(plain->session, r, 0);
		else
			return r;
		if (r < 0)
			return r;
	}
}

static int lay_out(struct plain *plain, const struct image *image)
{
	const struct dfu_loader *loader = plain->session->loader;
	uint16_t block_bytes = plain->session->wire.function.transfer_bytes;
	if (image_start(image) != loader->application_start || image_end(image) > loader->flash_end)
		return visit_fail(&plain->session->visit, -EINVAL, REASON_OUTSIDE_FLASH,
			"the image does not lie where this boot loader puts it; use a build for it");
	uint32_t length = (uint32_t)image_end(image) - loader->application_start;
	plain->length = (length + block_bytes - 1) / block_bytes * block_bytes;
	plain->wanted = malloc(plain->length);
	plain->there = malloc(plain->length);
	if (!plain->wanted || !plain->there)
		return -ENOMEM;
	memset(plain->wanted, 0xff, plain->length);
	image_copy(image, loader->application_start, length, plain->wanted);
	plain->tally.units_total = plain->length / block_bytes;
	return 0;
}

int dfu_plain_write(struct backend_session *session, const struct backend_write *write,
	struct job_tally *ret_tally)
{
	_cleanup_(plain_done) struct plain plain = { .session = session };
	if (!(session->wire.function.attributes & DFU_CAN_UPLOAD))
		return visit_fail(&session->visit, -EINVAL, REASON_UNSUPPORTED,
			"this boot loader lets nobody read back what it wrote, so that nothing could "
			"be proved; flash the board by hand");
	visit_begin_work(&session->visit);
	int r = lay_out(&plain, write->image);
	if (r == 0 && !write->force)
		r = compare(&plain);
	bool is_identical = r == 0 && !write->force && is_there(&plain);
	if (is_identical)
		plain.tally.units_identical = plain.tally.units_total;
	if (r == 0 && !is_identical)
		r = write_until_there(&plain);
	plain.tally.recoveries = session->visit.recoveries;
	*ret_tally = plain.tally;
	return r < 0 ? dfu_fail_wire(session, r, "writing its flash") : 0;
}

int dfu_plain_look(struct backend_session *session, struct board_facts *facts)
{
	const struct dfu_loader *loader = session->loader;
	facts->possible_chips = loader->chips;
	facts->has_application_start = true;
	facts->application_start = loader->application_start;
	facts->bootloader = BOOTLOADER_OTHER;
	facts->bootloader_end = loader->application_start;
	facts->writable[0] = (struct chip_range){ loader->application_start, loader->flash_end };
	facts->writable_count = 1;
	session->has_start = true;
	session->start = loader->application_start;
	if (!(session->wire.function.attributes & DFU_CAN_UPLOAD))
		return 0;
	uint8_t block[DFU_TRANSFER_MAX];
	int r = dfu_upload(&session->wire, 0, block, session->wire.function.transfer_bytes);
	if (r == 0)
		r = dfu_abort(&session->wire);
	if (r < 0)
		return r;
	bool is_blank = read_u32(block) == UINT32_MAX;
	facts->content = is_blank ? CONTENT_BLANK : CONTENT_BOOTABLE;
	return 0;
}
