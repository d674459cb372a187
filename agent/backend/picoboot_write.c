/* SPDX-License-Identifier: MIT */
/*
 * Writing an image; see picoboot_write.h.
 *
 * The order is the safety. The head of the flash is erased before anything else is touched, and
 * that it starts nothing any more is looked at, because the ROM acknowledges erases that did
 * nothing (RP2040 ROM B2, usb_boot_device.c). Then every batch is erased, written and read back;
 * the boot page, without which the ROM starts nothing, is programmed as the very last act. Whatever
 * fails, the plan still knows what is proved, and the same steps run again over the rest. One thing
 * is beyond help: what lies beside the image in the sectors of one batch is in our memory alone
 * between erase and write.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "backend/flash_plan.h"
#include "backend/picoboot_session.h"
#include "backend/picoboot_write.h"

#define SCRATCH_BYTES (FLASH_SPAN_SECTORS_MAX * FLASH_SECTOR_BYTES)
#define TRIES         3
/* Smaller flash chips are not sold any more. */
#define FLASH_SIZE_LEAST_BYTES (256u << 10)

/* program_boot_page(): the flash was not as it has to be. */
#define BOOT_PAGE_WRONG 1

enum head_state {
	BOOT_UNTOUCHED,
	BOOT_UNSURE, /* something was done to it and nobody has looked since */
	BOOT_CLEARED, /* erased; what the ROM would start from was seen to be blank */
	BOOT_OPEN, /* that, and all of it but the boot page may be written */
	BOOT_WRITTEN, /* the boot page may be programmed */
};

struct writing {
	struct backend_session *session;
	struct picoboot_wire *wire;
	struct flash_plan *plan;
	struct job_tally tally;
	enum head_state boot;
	unsigned boot_mismatches;
	bool size_is_proved;
	uint8_t scratch[SCRATCH_BYTES];
};

static struct writing *writing_free(struct writing *writing)
{
	if (!writing)
		return NULL;
	flash_plan_free(writing->plan);
	free(writing);
	return NULL;
}
DEFINE_CLEANUP(struct writing *, writing_free)

static int queue_read(struct writing *writing, uint32_t address, uint8_t *data, uint32_t length)
{
	writing->tally.bytes_read += length;
	return picoboot_read(writing->wire, address, data, length);
}

static int read_now(struct writing *writing, uint32_t address, uint8_t *data, uint32_t length)
{
	int r = queue_read(writing, address, data, length);
	return r < 0 ? r : picoboot_flush(writing->wire);
}

/* Reads the boot page: 1 when it is blank. */
static int boot_page_is_blank(struct writing *writing)
{
	int r = read_now(
		writing, writing->plan->head.boot_page, writing->scratch, FLASH_PAGE_BYTES);
	return r < 0 ? r : flash_is_blank(writing->scratch, FLASH_PAGE_BYTES);
}

/* Reads all that must be blank so that the ROM starts nothing: 1 when it is. What survives beside
 * the image in a head that is not wholly the image's cannot start. */
static int head_is_blank(struct writing *writing)
{
	const struct flash_head *head = &writing->plan->head;
	if (!head->is_whole)
		return boot_page_is_blank(writing);
	uint32_t length = head->sectors * FLASH_SECTOR_BYTES;
	int r = read_now(writing, PICOBOOT_FLASH_START, writing->scratch, length);
	return r < 0 ? r : flash_is_blank(writing->scratch, length);
}

static int queue_write(struct writing *writing, uint32_t address, uint8_t *data, uint32_t length)
{
	writing->tally.bytes_written += length;
	return picoboot_write(writing->wire, address, data, length);
}

static int queue_erase(struct writing *writing, uint32_t address, size_t sectors)
{
	writing->session->is_touched = true;
	writing->tally.units_erased += (uint32_t)sectors;
	return picoboot_erase(writing->wire, address, (uint32_t)sectors * FLASH_SECTOR_BYTES);
}

/* ---- comparing ----------------------------------------------------------------------------- */

static int compare(struct writing *writing)
{
	struct flash_plan *plan = writing->plan;
	struct flash_span span;
	while (flash_plan_next_read(plan, &span)) {
		int r = visit_safe_point(&writing->session->visit, PHASE_COMPARE,
			(uint64_t)plan->position * FLASH_SECTOR_BYTES,
			(uint64_t)plan->count * FLASH_SECTOR_BYTES);
		if (r == 0)
			r = read_now(writing, span.address, writing->scratch, span.length);
		if (r < 0)
			return r;
		flash_plan_compare(plan, &span, writing->scratch);
	}
	flash_plan_settle(plan);
	writing->tally.units_identical = (uint32_t)flash_plan_count(plan, SECTOR_IDENTICAL);
	return 0;
}

/* ---- what must survive --------------------------------------------------------------------- */

/*
 * Reads what lies around the image in a sector that is about to be erased. Nothing but this one
 * read knows these bytes, so unless there is nothing, it is made twice.
 */
static int keep_surroundings(struct writing *writing, size_t index)
{
	struct flash_plan *plan = writing->plan;
	const struct flash_sector *sector = &plan->sectors[index];
	if (!sector->is_partial || sector->is_merged)
		return 0;
	uint8_t *first = writing->scratch, *second = first + FLASH_SECTOR_BYTES;
	for (unsigned attempt = 0; attempt < TRIES; attempt++) {
		int r = read_now(writing, sector->address, first, FLASH_SECTOR_BYTES);
		if (r < 0)
			return r;
		bool is_sure = flash_plan_surroundings_are_blank(plan, index, first);
		if (!is_sure) {
			r = read_now(writing, sector->address, second, FLASH_SECTOR_BYTES);
			if (r < 0)
				return r;
			is_sure = memcmp(first, second, FLASH_SECTOR_BYTES) == 0;
		}
		if (is_sure) {
			flash_plan_merge(plan, index, first);
			return 0;
		}
	}
	return visit_fail(&writing->session->visit, -EIO, REASON_BOARD_ERROR,
		"the flash at 0x%08" PRIx32 " reads differently each time, so what lies beside the "
		"image there cannot be preserved; nothing there was changed. The flash chip or its "
		"connection is faulty",
		sector->address);
}

/* ---- the head -------------------------------------------------------------------------------- */

/* Erases the head and looks at it. */
static int clear_head(struct writing *writing)
{
	const uint32_t sectors = writing->plan->head.sectors;
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < sectors; i++)
		r = keep_surroundings(writing, i);
	if (r < 0)
		return r;
	for (unsigned attempt = 0; attempt < TRIES; attempt++) {
		/* Without EXIT_XIP nothing is erased; it costs nothing to ask for it again. */
		if (attempt > 0)
			r = picoboot_exit_xip(writing->wire);
		writing->boot = BOOT_UNSURE;
		if (r == 0)
			r = queue_erase(writing, PICOBOOT_FLASH_START, sectors);
		if (r == 0)
			r = head_is_blank(writing);
		if (r < 0)
			return r;
		if (r > 0) {
			writing->boot = BOOT_CLEARED;
			writing->session->may_start = false;
			flash_plan_reopen_head(writing->plan);
			return 0;
		}
	}
	return visit_fail(&writing->session->visit, -EIO, REASON_BOARD_ERROR,
		"the start of the flash does not erase, so nothing else was touched; the flash "
		"chip is faulty or protected against writing");
}

/* At the start of each attempt: what state is the head really in? */
static int secure_head(struct writing *writing)
{
	if (writing->boot == BOOT_CLEARED || writing->boot == BOOT_OPEN) {
		int r = boot_page_is_blank(writing);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	return clear_head(writing);
}

/* ---- batches ------------------------------------------------------------------------------- */

static int queue_erases(struct writing *writing, const struct flash_batch *batch)
{
	size_t skip = 0;
	if (batch->index == 0) {
		writing->boot = BOOT_OPEN;
		skip = writing->plan->head.sectors; /* clear_head() has erased it already */
	}
	if (skip >= batch->count)
		return 0;
	uint32_t address = writing->plan->sectors[batch->index + skip].address;
	return queue_erase(writing, address, batch->count - skip);
}

static int queue_writes(struct writing *writing, const struct flash_batch *batch)
{
	uint32_t address = writing->plan->sectors[batch->index].address;
	uint8_t *wanted = flash_plan_wanted(writing->plan, batch->index);
	struct flash_span run;
	for (size_t offset = 0;
		flash_next_run(wanted, batch->count * FLASH_SECTOR_BYTES, &offset, &run);) {
		int r = queue_write(
			writing, address + run.address, wanted + run.address, run.length);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Compares what was read back; what differs is tried again, but not for ever. */
static int judge_batch(struct writing *writing, const struct flash_batch *batch)
{
	bool differs = false;
	for (size_t i = 0; i < batch->count; i++) {
		struct flash_sector *sector = &writing->plan->sectors[batch->index + i];
		const uint8_t *there = writing->scratch + i * FLASH_SECTOR_BYTES;
		const uint8_t *wanted = flash_plan_wanted(writing->plan, batch->index + i);
		if (memcmp(there, wanted, FLASH_SECTOR_BYTES) == 0) {
			sector->state = SECTOR_PROVED;
			continue;
		}
		differs = true;
		if (++sector->mismatches == TRIES)
			return visit_fail(&writing->session->visit, -EIO, REASON_VERIFY_FAILED,
				"the flash at 0x%08" PRIx32
				" does not keep what is written to it; the "
				"board stays in boot mode. The flash chip is worn out or faulty",
				sector->address);
	}
	return differs ? picoboot_exit_xip(writing->wire) : 0;
}

static int write_batch(struct writing *writing, const struct flash_batch *batch)
{
	int r = 0;
	if (batch->index == 0 && writing->boot != BOOT_CLEARED)
		r = clear_head(writing);
	for (size_t i = 0; r == 0 && i < batch->count; i++)
		r = keep_surroundings(writing, batch->index + i);
	if (r == 0)
		r = queue_erases(writing, batch);
	if (r == 0)
		r = queue_writes(writing, batch);
	if (r == 0)
		r = read_now(writing, writing->plan->sectors[batch->index].address,
			writing->scratch, (uint32_t)batch->count * FLASH_SECTOR_BYTES);
	return r < 0 ? r : judge_batch(writing, batch);
}

/* The first page of the flash that was written, and is not the boot page; false: there is none. */
static bool find_witness(const struct flash_plan *plan, uint32_t *ret_offset)
{
	struct flash_span run;
	size_t offset = 0;
	if (!flash_next_run(plan->wanted, FLASH_SECTOR_BYTES, &offset, &run))
		return false;
	*ret_offset = run.address;
	return true;
}

/* Does the start of the flash show again at `address`: the boot page blank, the witness not? */
static int is_echo(struct writing *writing, uint32_t address, uint32_t witness)
{
	const struct flash_plan *plan = writing->plan;
	uint32_t boot_page = plan->head.boot_page - PICOBOOT_FLASH_START;
	uint8_t *there = writing->scratch;
	int r = read_now(writing, address + boot_page, there, FLASH_PAGE_BYTES);
	if (r < 0 || !flash_is_blank(there, FLASH_PAGE_BYTES))
		return r;
	r = read_now(writing, address + witness, there, FLASH_PAGE_BYTES);
	return r < 0 ? r : memcmp(there, plan->wanted + witness, FLASH_PAGE_BYTES) == 0;
}

/*
 * A chip that is smaller than the image shows the same bytes again behind its end, and writing
 * there would destroy the beginning. With an unknown size, a page of the first sector, written just
 * now beside a blank boot page, must not show up anywhere else inside the image.
 */
static int prove_size(struct writing *writing)
{
	uint64_t image_bytes = image_end(writing->plan->image) - PICOBOOT_FLASH_START;
	uint32_t witness;
	writing->size_is_proved = true;
	if (writing->session->flash_size_bytes != 0 || !find_witness(writing->plan, &witness))
		return 0;
	for (uint32_t size = FLASH_SIZE_LEAST_BYTES; size < image_bytes; size *= 2) {
		int r = is_echo(writing, PICOBOOT_FLASH_START + size, witness);
		if (r < 0)
			return r;
		if (r > 0)
			return visit_fail(&writing->session->visit, -EFBIG, REASON_TOO_LARGE,
				"the image needs %" PRIu64 " bytes and the flash chip has only "
				"%" PRIu32 "; the board stays in boot mode. Use an image that was "
				"built for this board",
				image_bytes, size);
	}
	return 0;
}

static int write_batches(struct writing *writing)
{
	struct flash_plan *plan = writing->plan;
	struct flash_batch batch;
	while (flash_plan_next_batch(plan, &batch)) {
		size_t proved = flash_plan_count(plan, SECTOR_PROVED);
		size_t total = proved + flash_plan_count(plan, SECTOR_DIFFERENT);
		int r = visit_safe_point(&writing->session->visit, PHASE_WRITE,
			(uint64_t)proved * FLASH_SECTOR_BYTES,
			(uint64_t)total * FLASH_SECTOR_BYTES);
		if (r == 0)
			r = write_batch(writing, &batch);
		if (r == 0 && !writing->size_is_proved && plan->sectors[0].state == SECTOR_PROVED)
			r = prove_size(writing);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- the last act -------------------------------------------------------------------------- */

static bool boot_page_is_there(const struct writing *writing)
{
	return memcmp(writing->scratch, writing->plan->boot_page, FLASH_PAGE_BYTES) == 0;
}

/* Programs the boot page and reads it back: 0, BOOT_PAGE_WRONG, or an error. */
static int program_boot_page(struct writing *writing)
{
	uint32_t address = writing->plan->head.boot_page;
	/* If it is not blank any more, something wrote where it should not have. */
	int r = boot_page_is_blank(writing);
	if (r <= 0)
		return r < 0 ? r : BOOT_PAGE_WRONG;

	writing->boot = BOOT_WRITTEN;
	writing->session->may_start = true;
	r = queue_write(writing, address, writing->plan->boot_page, FLASH_PAGE_BYTES);
	if (r == 0)
		r = read_now(writing, address, writing->scratch, FLASH_PAGE_BYTES);
	if (r < 0)
		return r;
	return boot_page_is_there(writing) ? 0 : BOOT_PAGE_WRONG;
}

static int finish(struct writing *writing)
{
	uint64_t total_bytes =
		(uint64_t)flash_plan_count(writing->plan, SECTOR_PROVED) * FLASH_SECTOR_BYTES;
	int r = visit_safe_point(&writing->session->visit, PHASE_FINISH, total_bytes, total_bytes);
	if (r == 0)
		r = program_boot_page(writing);
	if (r <= 0)
		return r;
	r = clear_head(writing);
	if (r < 0)
		return r;
	if (++writing->boot_mismatches == TRIES)
		return visit_fail(&writing->session->visit, -EIO, REASON_VERIFY_FAILED,
			"the page of the flash that starts it does not keep what is written to it; it was "
			"erased again and the board stays in boot mode. The flash chip is worn out or "
			"faulty");
	return BOOT_PAGE_WRONG;
}

/* An attempt failed while the boot page may have been programmed: was it, and is all the rest
 * proved? Then only the looking was missing. 1: yes. */
static int was_finished(struct writing *writing)
{
	if (writing->boot != BOOT_WRITTEN || flash_plan_count(writing->plan, SECTOR_DIFFERENT) > 0)
		return 0;
	int r = read_now(
		writing, writing->plan->head.boot_page, writing->scratch, FLASH_PAGE_BYTES);
	return r < 0 ? r : boot_page_is_there(writing);
}

/* All steps that are still to be done; can be repeated after every failure. */
static int attempt_write(struct writing *writing)
{
	int r = writing->plan->is_settled ? 0 : compare(writing);
	if (r < 0)
		return r;
	if (writing->boot == BOOT_UNTOUCHED &&
		flash_plan_count(writing->plan, SECTOR_DIFFERENT) == 0)
		return 0;
	r = was_finished(writing);
	if (r != 0)
		return r < 0 ? r : 0;
	if (writing->boot == BOOT_UNTOUCHED)
		r = visit_safe_point(&writing->session->visit, PHASE_WRITE, 0, 0);
	if (r == 0)
		r = secure_head(writing);
	while (r == 0) {
		r = write_batches(writing);
		if (r == 0)
			r = finish(writing);
		if (r == 0)
			return 0;
		if (r == BOOT_PAGE_WRONG)
			r = 0;
	}
	return r;
}

/* The work has failed for good: an unproved boot page must not stay. */
static void leave_in_boot_mode(struct writing *writing)
{
	if (writing->boot != BOOT_UNSURE && writing->boot != BOOT_WRITTEN)
		return;
	/* Whether clearing works or not, it is not why the work failed. */
	struct backend_failure said = *writing->session->visit.failure;
	uint32_t last_status = writing->wire->last_status;
	for (unsigned attempt = 0; attempt < TRIES; attempt++) {
		int r = writing->wire->is_sound ? 0 : picoboot_recover(writing->wire);
		if (r == 0)
			r = clear_head(writing);
		if (r == 0 || r == -ENODEV)
			break;
	}
	*writing->session->visit.failure = said;
	writing->wire->last_status = last_status;
}

static int write_with_repairs(struct writing *writing)
{
	for (;;) {
		int r = attempt_write(writing);
		if (r == 0)
			return 0;
		uint64_t progress =
			flash_plan_count(writing->plan, SECTOR_PROVED) + writing->plan->position;
		if (r != writing->session->visit.stop)
			r = picoboot_repair(writing->session, r, progress);
		if (r < 0) {
			leave_in_boot_mode(writing);
			return picoboot_fail_wire(writing->session, r, "writing its flash");
		}
	}
}

/* Is it an image for this chip, as far as writing it goes? And where is its head? */
static int check_image(
	struct backend_session *session, const struct image *image, struct flash_head *ret_head)
{
	const struct picoboot_chip *chip = session->chip;
	if (!session->is_proved)
		return visit_fail(&session->visit, -EINVAL, REASON_CHIP_UNKNOWN,
			"the board's boot ROM is not an %s's; flash it by hand", chip->name);
	if (image->segment_count == 0 || chip->find_head(image, ret_head) < 0)
		return visit_fail(
			&session->visit, -EINVAL, chip->no_head, "%s", chip->no_head_sentence);
	uint64_t end = image_end(image);
	uint64_t flash_end = session->flash_size_bytes
				     ? PICOBOOT_FLASH_START + session->flash_size_bytes
				     : PICOBOOT_FLASH_END;
	if (end > PICOBOOT_FLASH_END)
		return visit_fail(&session->visit, -EINVAL, REASON_OUTSIDE_FLASH,
			"the image reaches to 0x%08" PRIx64
			", outside the flash; use an image that "
			"was built for an %s",
			end, chip->name);
	if (end > flash_end)
		return visit_fail(&session->visit, -EINVAL, REASON_TOO_LARGE,
			"the image reaches to 0x%08" PRIx64 " and the flash ends at 0x%08" PRIx64
			"; use an image that was built for this board",
			end, flash_end);
	return 0;
}

int picoboot_write_image(struct backend_session *session, const struct backend_write *write,
	struct job_tally *ret_tally)
{
	struct flash_head head;
	int r = check_image(session, write->image, &head);
	if (r < 0)
		return r;
	_cleanup_(writing_freep) struct writing *writing = calloc(1, sizeof *writing);
	if (!writing)
		return picoboot_fail_wire(session, -ENOMEM, "preparing");
	writing->session = session;
	writing->wire = &session->wire;
	r = flash_plan_new(write->image, &head, &writing->plan);
	if (r < 0)
		return picoboot_fail_wire(session, r, "preparing");
	if (write->force)
		flash_plan_settle(writing->plan);
	writing->tally.units_total = (uint32_t)writing->plan->count;

	visit_begin_work(&session->visit);
	r = write_with_repairs(writing);
	writing->tally.recoveries = session->visit.recoveries;
	*ret_tally = writing->tally;
	return r;
}
