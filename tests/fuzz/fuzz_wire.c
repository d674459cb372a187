/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a word on the wire: what is accepted must be said again in the same bytes, so that
 * there is one form for one word, and must be harmless to whoever prints it.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "model/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

static void must(bool truth)
{
	if (!truth)
		abort();
}

/* One way to the board, and no more; on a bus, by names that are names. */
static void check_address(const struct wire_job *job)
{
	must(!!*job->syspath + !!*job->tty + !!*job->can == 1);
	must(!*job->can || can_name_is_valid(job->can));
	must(!*job->can_uuid || can_uuid_is_valid(job->can_uuid));
	must(!*job->tty || !*job->can_uuid);
	must((job->mode == MODE_CAN) == (*job->can && !*job->can_uuid));
	must(job->expected_count == 0 || job->mode == MODE_CAN);
	must(job->expected_count <= CAN_NODES_MAX);
	for (size_t i = 0; i < job->expected_count; i++)
		must(can_uuid_is_valid(job->expected[i]));
}

/* Every value has a name: the name functions assert that it is in range. */
static void check_values(const struct wire_message *message)
{
	switch (message->type) {
	case WIRE_JOB:
		must(mode_name(message->job.mode) && message->job.mode != MODE_NONE);
		must(text_is_plain(message->job.syspath) && text_is_plain(message->job.tty));
		must(strlen(message->job.syspath) < WIRE_SYSPATH_MAX);
		check_address(&message->job);
		return;
	case WIRE_GO:
	case WIRE_STOP:
	case WIRE_ENTER:
		return;
	case WIRE_KEEP:
		must(message->keep.length > 0 && message->keep.length <= WIRE_KEEP_BYTES);
		must(message->keep.offset + message->keep.length <= message->keep.total_bytes);
		must(message->keep.total_bytes <= WIRE_KEEP_MAX);
		return;
	case WIRE_EVIDENCE:
		must(chip_name(message->evidence.chip) && content_name(message->evidence.content));
		must(transport_name(message->evidence.running.transport));
		must(text_is_plain(message->evidence.running.version));
		return;
	case WIRE_PLAN:
		must(text_is_plain(message->plan.sentence));
		return;
	case WIRE_PROGRESS:
		must(phase_name(message->progress.phase));
		must(message->progress.done_bytes <= message->progress.total_bytes);
		return;
	case WIRE_OUTCOME:
		must(outcome_name(message->outcome.outcome) &&
			reason_name(message->outcome.reason) &&
			verification_name(message->outcome.verification));
		must(text_is_plain(message->outcome.sentence));
		must(strlen(message->outcome.sentence) < WIRE_SENTENCE_MAX);
		return;
	}
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	struct wire_message message;
	if (wire_decode(data, length, &message) != 0)
		return 0;
	check_values(&message);
	_cleanup_(buffer_done) struct buffer buffer = { 0 };
	wire_encode(&message, &buffer);
	must(buffer.length == length && memcmp(buffer.data, data, length) == 0);
	return 0;
}
