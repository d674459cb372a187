/* SPDX-License-Identifier: MIT */
/*
 * The whole visit to a hostile board in DFU, a ROM or a loader of plain DFU. The bytes are four
 * that say which board it is, what it holds and where the image belongs, and then either a list of
 * faults, each of which says which requests it is for, or one byte a request: below 200 it is
 * answered honestly, and when the bytes are used up the board leaves.
 *
 * There must be no crash and an end, nothing may be sent that no board should ever get, and
 * "written" must be what the board has shown last. As long as the board has never lied, nothing is
 * touched before the head of the vector table is blank, and the head comes when all the rest is
 * right.
 */
#include <errno.h>
#include <string.h>

#include "backend/backend.h"
#include "base/bytes.h"
#include "base/text.h"
#include "fuzz/dfu_hostile.h"
#include "model/link_address.h"
#include "model/wire.h"
#include "unit/make_arm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t before[USED_BYTES];

/* What was in its flash when it came. */
enum content {
	HOLDS_NOTHING,
	HOLDS_NOISE,
	HOLDS_PROGRAM,
	HOLDS_KLIPPER,
	HOLDS_KATAPULT,
	HOLDS_KLIPPER_BEHIND,
	HOLDS_IMAGE,
	HOLDS_MOST_OF_IMAGE,
	_HOLDS_MAX,
};

/* ---- making a board ---------------------------------------------------------------------- */

static void put(uint32_t offset, const uint8_t *bytes, size_t length)
{
	if (offset < USED_BYTES)
		memcpy(memory + offset, bytes,
			length < USED_BYTES - offset ? length : USED_BYTES - offset);
}

/* Programs are made once, since packing a dictionary takes longer than a visit. */
static const uint8_t *program_of(unsigned index)
{
	static uint8_t *programs[4];
	static const uint32_t bases[] = { ARM_STM32_0, ARM_STM32_0, ARM_8K, ARM_STM32_0 };
	if (programs[index])
		return programs[index];
	struct made_arm made = { .base = bases[index], .reset = 0x1000, .signs = LINK_RESET_CODE };
	if (index == 1 || index == 2)
		return programs[index] =
			       make_klipper("stm32f401xc", bases[index], "v0.13.0-1-g0a1b2c3d", "");
	programs[index] = make_arm(&made);
	if (index == 3) {
		make_katapult(programs[index], ARM_STM32_0);
		write_u32(programs[index] + 0x800, ARM_8K);
	}
	return programs[index];
}

static void fill_memory(enum content content)
{
	static bool is_made;
	if (!is_made)
		memset(memory, 0xff, sizeof(memory));
	is_made = true;
	uint32_t offset = image_base - board.kind->memory;
	memset(memory, content == HOLDS_NOISE ? 0x3c : 0xff, USED_BYTES);
	if (content == HOLDS_PROGRAM || content == HOLDS_KLIPPER)
		put(0, program_of(content == HOLDS_KLIPPER), ARM_LENGTH);
	if (content == HOLDS_KATAPULT || content == HOLDS_KLIPPER_BEHIND) {
		put(0, program_of(content == HOLDS_KATAPULT ? 3 : 0), 0x2000);
		put(0x2000, program_of(2), ARM_LENGTH);
	}
	if (content == HOLDS_IMAGE || content == HOLDS_MOST_OF_IMAGE)
		put(offset, image_bytes, IMAGE_BYTES);
	if (content == HOLDS_MOST_OF_IMAGE && offset < USED_BYTES - IMAGE_BYTES)
		memory[offset + IMAGE_BYTES / 2] ^= 0xff;
	memcpy(before, memory, USED_BYTES);
}

static void make_image(uint8_t place)
{
	static const uint32_t offsets[] = { 0, 0x2000, 0x8000, 0x100, 0x4000, 0x1fe000, 4, 0x6000 };
	uint32_t start = board.kind->application && !(place & 8) ? board.kind->application
								 : board.kind->memory;
	image_base = start + (board.kind->application ? 0 : offsets[place % 8]);
	for (size_t i = 0; image_bytes[1023] == 0 && i < sizeof(image_bytes); i++)
		image_bytes[i] = (uint8_t)(i * 7 + i / 256);
	write_u32(image_bytes, ARM_STACK);
	write_u32(image_bytes + 4, image_base + 0x1001);
	memset(image_bytes + HOLE_START, 0xff, HOLE_END - HOLE_START);
	image_has_hole = place & 0x10;
	memset(is_shown, 0, sizeof(is_shown));
}

/* ---- the visit --------------------------------------------------------------------------- */

static void check_failure(int result, const struct backend_failure *failure)
{
	must(result <= 0 && text_is_plain(failure->sentence));
	must(strlen(failure->sentence) < sizeof(failure->sentence) - 1);
	must(result == 0 || (failure->code != REASON_NONE && failure->sentence[0]));
}

static void check_wire(const struct wire_message *message)
{
	struct wire_message again;
	_cleanup_(buffer_done) struct buffer first = { 0 }, second = { 0 };
	wire_encode(message, &first);
	must(!first.failed && wire_decode(first.data, first.length, &again) == 0);
	wire_encode(&again, &second);
	must(first.length == second.length && memcmp(first.data, second.data, first.length) == 0);
}

static int on_progress(
	void *context, enum job_phase phase, uint64_t done_bytes, uint64_t total_bytes)
{
	(void)context;
	board.sign_msec = board.now_msec;
	check_wire(&(struct wire_message){
		.type = WIRE_PROGRESS, .progress = { phase, done_bytes, total_bytes } });
	board.is_stopped |= next_fault(WHAT_PROGRESS).how != HOW_WELL;
	return board.is_stopped ? -ECANCELED : 0;
}

static void on_plan(void *context, const struct job_plan *plan)
{
	(void)context;
	must(text_is_plain(plan->sentence));
	check_wire(&(struct wire_message){ .type = WIRE_PLAN, .plan = *plan });
}

/* What the board showed last is the image; an honest one holds it, and all else as before. */
static void check_written(void)
{
	for (size_t i = 0; i < IMAGE_BYTES; i++)
		must((is_shown[i] && shown[i] == image_bytes[i]) ||
			(image_has_hole && i >= HOLE_START && i < HOLE_END));
	if (board.has_lied || board.is_patched)
		return;
	must(holds_image(0));
	uint32_t offset = image_base - board.kind->memory;
	uint32_t end = offset + IMAGE_BYTES;
	if (board.kind->application)
		end += board.function.transfer_bytes; /* a loader fills its last block up */
	must(memcmp(memory, before, offset) == 0);
	/* A loader cannot leave anything out. */
	if (image_has_hole && !board.kind->application)
		must(memcmp(memory + offset + HOLE_START, before + offset + HOLE_START,
			     HOLE_END - HOLE_START) == 0);
	must(memcmp(memory + end, before + end, USED_BYTES - end) == 0);
}

/* An honest board holds what it held, or the image, or nothing that would be started; and what is
 * said of it is true. */
static void check_not_written(const struct backend_failure *failure)
{
	if (board.has_lied || board.is_patched)
		return;
	bool is_as_before = memcmp(memory, before, USED_BYTES) == 0;
	must(is_as_before || !strstr(failure->sentence, "not changed"));
	if (board.kind->application || is_as_before)
		return;
	const uint8_t *head = memory_at(image_base);
	must(holds_image(0) ||
		(head[0] == 0xff && memcmp(head, head + 1, board.kind->head_bytes - 1) == 0));
}

/* A board without a fault, and an image for the start of its flash. */
static bool is_calm(void)
{
	uint32_t start = board.kind->application ? board.kind->application : board.kind->memory;
	return !board.is_raw && board.fault_count == 0 && image_base == start;
}

static void write_image(const struct backend *backend, struct backend_session *session, bool force)
{
	struct image_segment segments[] = {
		{ image_base, image_has_hole ? HOLE_START : IMAGE_BYTES, image_bytes },
		{ image_base + HOLE_END, IMAGE_BYTES - HOLE_END, image_bytes + HOLE_END },
	};
	struct image image = {
		.has_address = true,
		.segments = segments,
		.segment_count = image_has_hole ? 2 : 1,
		.byte_count = IMAGE_BYTES - (image_has_hole ? HOLE_END - HOLE_START : 0),
	};
	struct backend_write write = { .image = &image, .force = force };
	struct backend_failure failure = { 0 };
	struct wire_message message = { .type = WIRE_OUTCOME };
	struct wire_outcome *outcome = &message.outcome;
	board.is_writing = true;
	int r = backend->write(session, &write, &outcome->tally, &failure);
	board.is_writing = false;
	check_failure(r, &failure);
	must(r == 0 || !is_calm());
	if (r == 0)
		check_written();
	else
		check_not_written(&failure);
	bool is_changed = outcome->tally.units_erased > 0 || outcome->tally.bytes_written > 0;
	outcome->outcome = r < 0        ? OUTCOME_FAILED
			   : is_changed ? OUTCOME_FLASHED
					: OUTCOME_IDENTICAL;
	outcome->reason = failure.code;
	outcome->verification = r < 0 ? VERIFY_NONE : VERIFY_READBACK;
	check_wire(&message);
}

static void go_on(
	const struct backend *backend, struct backend_session *session, bool force, bool restart)
{
	struct backend_failure failure;
	struct wire_message message = { .type = WIRE_EVIDENCE };
	int r = backend->probe(session, &message.evidence, &failure);
	check_failure(r, &failure);
	if (r < 0)
		return;
	check_wire(&message);
	write_image(backend, session, force);
	if (!restart)
		return;
	board.is_restarting = true;
	r = backend->restart(session, &failure);
	check_failure(r, &failure);
	must(r < 0 ? !is_calm() : board.is_gone);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cost = (struct cost){ 0 };
	if (size < 4)
		return 0;
	board_make(data[0], data, size);
	board.position = 4;
	board.state = data[1] & 0x80 ? 10 : 2;
	board_take_faults(data[3] & 0x0f);
	board.is_raw = data[3] & 0x80;
	board_show_configuration();
	make_image(data[2]);
	fill_memory(data[1] % _HOLDS_MAX);

	const struct backend *backend = backend_for_mode(MODE_DFU);
	const struct backend_watch watch = { .on_progress = on_progress, .on_plan = on_plan };
	const struct board_address address = { .usb.syspath = "/sys/devices/fuzz" };
	struct backend_session *session = NULL;
	struct backend_failure failure;
	int r = backend->open(&address, &watch, &session, &failure);
	check_failure(r, &failure);
	must(r == 0 || !is_calm());
	if (r == 0) {
		go_on(backend, session, data[1] & 0x20, !(data[1] & 0x40));
		must(!backend->close(session));
	}
	must(!board.is_open);
	return 0;
}
