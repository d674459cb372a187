/* SPDX-License-Identifier: MIT */
/* What a job leaves behind; see aftermath.h. */
#include <string.h>

#include "base/text.h"
#include "daemon/aftermath.h"
#include "model/can_uuid.h"

/*
 * Chips of boards that are on record for heaters that go on in DFU (Klipper, Bootloader_Entry.md):
 * the Octopus Pro of the first revision and the EBB36 and EBB42 up to 1.1. Which board a chip sits
 * on does not show, so all boards with it are warned of.
 */
#define BIT(name) (UINT64_C(1) << CHIP_STM32##name)
static const chip_set chips_at_risk = BIT(F429) | BIT(F446) | BIT(H723) | BIT(G0B1) | BIT(F072);

static bool may_heat(const struct job *job)
{
	const struct board_facts *facts = &job->facts;
	chip_set chips =
		facts->chip != CHIP_UNKNOWN ? chip_bit(facts->chip) : facts->possible_chips;
	return job->device->mode == MODE_DFU && job->has_facts && chips & chips_at_risk;
}

static bool has_erased(const struct job *job)
{
	return job->permitted_usec > 0 &&
	       (job->tally.units_erased > 0 || job->furthest_phase >= PHASE_WRITE);
}

/* It may have come back, or have left only the bus: a printer has a supply of its own. */
static bool is_in_boot_mode(const struct job *job)
{
	if (job->successor)
		return job->successor->mode == job->device->mode;
	if (job->is_restarted)
		return false;
	return !job->board_left || has_erased(job);
}

bool aftermath_can_start(const struct job *job)
{
	const struct board_facts *facts = &job->facts;
	return facts->content != CONTENT_BLANK && facts->content != CONTENT_UNBOOTABLE &&
	       facts->chip_origin != CHIP_FROM_OWN_WRITE && job->resumes == 0 &&
	       !job->has_open_write;
}

bool aftermath_wants_leaving(
	const struct queue *queue, const struct job *job, const struct policy_rule *rule)
{
	return rule && rule->leave_on_refusal && job->device->mode == MODE_DFU &&
	       aftermath_can_start(job) && !queue_has_just_left(queue, job);
}

static const char *leave_taken(const struct job *job)
{
	if (!job->has_to_leave)
		return "";
	return job->is_restarted
		       ? "; it was told to leave its boot mode and start what is in its flash"
		       : "; it was told to leave its boot mode, and did not";
}

/* It is not heard of on this wire any more: what to do with its cables, and what to look for there.
 */
static char *next_wire(const struct job *job)
{
	char uuid[CAN_UUID_TEXT];
	const char *id = *job->facts.unique_id ? job->facts.unique_id : job->device->serial;
	bool is_moved = outcome_is_good(job->outcome) && !job->is_running &&
			job->speaks == TRANSPORT_CAN && !device_is_standing(job->device);
	if (!is_moved)
		return strdup("");
	bool is_known = can_uuid_from_serial(id, uuid);
	return text_format(
		"; it talks CAN now: take its USB cable away, put its CAN cable back, and "
		"look for canbus_uuid%s%s on the bus",
		is_known ? " " : "s that were not there before", is_known ? uuid : "");
}

char *aftermath_sentence(const struct job *job, const char *sentence)
{
	bool warns = !outcome_is_good(job->outcome) && may_heat(job) && is_in_boot_mode(job);
	_cleanup_(freep) char *wire = next_wire(job);
	if (!wire)
		return NULL;
	return text_format("%s%s%s%s", sentence, leave_taken(job), wire,
		warns ? "; in this mode the pins float and a heater may be on: cut heater power"
		      : "");
}
