/* SPDX-License-Identifier: MIT */
/* Dictionaries on the bus; see bus_put.h. */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "base/text.h"
#include "daemon/bus_put.h"

int bus_put_string(sd_bus_message *message, const char *key, const char *value)
{
	return value ? sd_bus_message_append(message, "{sv}", key, "s", value) : 0;
}

int bus_put_number(sd_bus_message *message, const char *key, uint64_t value)
{
	return sd_bus_message_append(message, "{sv}", key, "t", value);
}

int bus_put_bool(sd_bus_message *message, const char *key, bool value)
{
	return sd_bus_message_append(message, "{sv}", key, "b", (int)value);
}

/* Opens key → variant of this type; closed by bus_close_entry(). */
int bus_open_entry(sd_bus_message *message, const char *key, const char *type)
{
	TRY(sd_bus_message_open_container(message, SD_BUS_TYPE_DICT_ENTRY, "sv"));
	TRY(sd_bus_message_append(message, "s", key));
	return sd_bus_message_open_container(message, SD_BUS_TYPE_VARIANT, type);
}

int bus_close_entry(sd_bus_message *message)
{
	TRY(sd_bus_message_close_container(message));
	return sd_bus_message_close_container(message);
}

int bus_put_sentences(sd_bus_message *message, const char *key, const struct reasons *reasons)
{
	TRY(bus_open_entry(message, key, "as"));
	TRY(sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "s"));
	for (size_t i = 0; i < reasons->count; i++)
		TRY(sd_bus_message_append(message, "s", reasons->items[i].sentence));
	TRY(sd_bus_message_close_container(message));
	return bus_close_entry(message);
}

static int put_id(sd_bus_message *message, const struct device *device)
{
	char id[16];
	snprintf(id, sizeof(id), "%04x:%04x", device->vid, device->pid);
	return bus_put_string(message, "vid_pid", id);
}

int bus_put_device(sd_bus_message *message, const struct device *device)
{
	TRY(sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "{sv}"));
	TRY(bus_put_string(message, "place", device->place));
	TRY(bus_put_string(message, "port", device->port));
	TRY(bus_put_string(message, "mode", mode_name(device->mode)));
	TRY(put_id(message, device));
	TRY(bus_put_string(message, "serial", device->serial));
	TRY(bus_put_string(message, "manufacturer", device->manufacturer));
	TRY(bus_put_string(message, "product", device->product));
	TRY(bus_put_bool(message, "was_present", device->was_present));
	return sd_bus_message_close_container(message);
}

/* What an RP2350 keeps for itself, and says only where it is so. */
static int put_obstacles(sd_bus_message *message, const struct board_facts *facts)
{
	if (facts->is_partitioned)
		TRY(bus_put_bool(message, "partitioned", true));
	if (facts->refusals & REFUSES_UNSIGNED)
		TRY(bus_put_bool(message, "refuses_unsigned", true));
	if (facts->refusals & REFUSES_ARM)
		TRY(bus_put_bool(message, "refuses_arm", true));
	if (facts->refusals & REFUSES_RISCV)
		TRY(bus_put_bool(message, "refuses_riscv", true));
	return 0;
}

/* Which chips it may have, where it does not say it, and what told which one. */
static int put_identity(sd_bus_message *message, const struct board_facts *facts)
{
	if (facts->chip_origin != CHIP_ORIGIN_UNSAID)
		TRY(bus_put_string(message, "chip_from", chip_origin_name(facts->chip_origin)));
	if (facts->is_read_protected)
		TRY(bus_put_bool(message, "read_protected", true));
	if (!facts->possible_chips)
		return 0;
	TRY(bus_open_entry(message, "possible_chips", "as"));
	TRY(sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "s"));
	for (int chip = CHIP_UNKNOWN + 1; chip < _CHIP_MAX; chip++)
		if (facts->possible_chips & chip_bit((enum chip)chip))
			TRY(sd_bus_message_append(message, "s", chip_name((enum chip)chip)));
	TRY(sd_bus_message_close_container(message));
	return bus_close_entry(message);
}

/* What the firmware in flash says of itself. */
static int put_running(sd_bus_message *message, const struct running *running)
{
	if (!running->is_known)
		return 0;
	if (*running->mcu)
		TRY(bus_put_string(message, "runs_mcu", running->mcu));
	if (*running->version)
		TRY(bus_put_string(message, "runs_version", running->version));
	return 0;
}

int bus_put_facts(sd_bus_message *message, const struct board_facts *facts)
{
	TRY(bus_put_string(message, "chip", chip_name(facts->chip)));
	TRY(put_identity(message, facts));
	TRY(put_running(message, &facts->running));
	TRY(bus_put_number(message, "rom_revision", facts->rom_revision));
	TRY(bus_put_number(message, "flash_size_bytes", facts->flash_size_bytes));
	if (*facts->unique_id)
		TRY(bus_put_string(message, "unique_id", facts->unique_id));
	if (facts->id_origin != PROVENANCE_NONE)
		TRY(bus_put_string(message, "id_from", provenance_name(facts->id_origin)));
	TRY(put_obstacles(message, facts));
	if (facts->has_application_start)
		TRY(bus_put_number(message, "application_start", facts->application_start));
	if (facts->bootloader != BOOTLOADER_UNKNOWN)
		TRY(bus_put_string(message, "bootloader", bootloader_name(facts->bootloader)));
	if (facts->bootloader_end > 0)
		TRY(bus_put_number(message, "bootloader_end", facts->bootloader_end));
	return bus_put_string(message, "flash_content", content_name(facts->content));
}

static int put_digest(sd_bus_message *message, const struct digest *digest)
{
	char text[DIGEST_TEXT];
	text_hex(digest->bytes, DIGEST_BYTES, text);
	return bus_put_string(message, "image_sha256", text);
}

static int put_tally(sd_bus_message *message, const struct job_tally *tally)
{
	TRY(bus_put_number(message, "units_total", tally->units_total));
	TRY(bus_put_number(message, "units_identical", tally->units_identical));
	TRY(bus_put_number(message, "units_erased", tally->units_erased));
	TRY(bus_put_number(message, "bytes_read", tally->bytes_read));
	TRY(bus_put_number(message, "bytes_written", tally->bytes_written));
	return bus_put_number(message, "recoveries", tally->recoveries);
}

/* By names of its own: what was done is told under the others. */
static int put_plan(sd_bus_message *message, const struct job_plan *plan)
{
	TRY(bus_put_string(message, "plan", plan->sentence));
	TRY(bus_put_number(message, "plan_units_total", plan->units_total));
	TRY(bus_put_number(message, "plan_units_identical", plan->units_identical));
	TRY(bus_put_number(message, "plan_units_blank", plan->units_blank));
	TRY(bus_put_number(message, "plan_units_erased", plan->units_erased));
	return bus_put_number(message, "plan_bytes_written", plan->bytes_written);
}

static int put_outcome(sd_bus_message *message, const struct job *job)
{
	TRY(bus_put_string(message, "outcome", outcome_name(job->outcome)));
	TRY(bus_put_string(message, "reason", reason_name(job->reason)));
	TRY(bus_put_string(message, "sentence", job->sentence));
	TRY(bus_put_string(message, "verify", verification_name(job->verification)));
	TRY(bus_put_number(message, "duration_usec", job->ended_usec - job->started_usec));
	TRY(bus_put_number(message, "ended_realtime_usec", job->ended_realtime_usec));
	return put_tally(message, &job->tally);
}

int bus_put_job(sd_bus_message *message, const struct job *job)
{
	TRY(sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "{sv}"));
	TRY(bus_put_number(message, "job", job->id));
	TRY(bus_put_string(message, "state", job_state_name(job->state)));
	TRY(bus_put_string(message, "place", job->device->place));
	TRY(bus_put_string(message, "port", job->device->port));
	TRY(bus_put_string(message, "mode", mode_name(job->device->mode)));
	TRY(bus_put_string(message, "rule", job->rule));
	TRY(bus_put_string(message, "board", job->board));
	TRY(bus_put_string(message, "image", job->image_path));
	if (job->resumes > 0)
		TRY(bus_put_number(message, "resumes", job->resumes));
	if (job->has_image)
		TRY(put_digest(message, &job->digest));
	if (job->has_facts)
		TRY(bus_put_facts(message, &job->facts));
	if (job->has_plan)
		TRY(put_plan(message, &job->plan));
	TRY(bus_put_string(message, "phase", phase_name(job->phase)));
	TRY(bus_put_number(message, "done_bytes", job->done_bytes));
	TRY(bus_put_number(message, "total_bytes", job->total_bytes));
	TRY(bus_put_string(message, "application", job->application));
	if (job->state == JOB_DONE)
		TRY(put_outcome(message, job));
	return sd_bus_message_close_container(message);
}

/* ---- firmware --------------------------------------------------------------------------- */

static int put_says(sd_bus_message *message, const struct image_facts *says)
{
	TRY(bus_put_string(message, "kind", image_kind_name(says->kind)));
	TRY(bus_put_string(message, "version", image_facts_version(says)));
	if (says->chip != CHIP_UNKNOWN)
		TRY(bus_put_string(message, "chip", chip_name(says->chip)));
	if (says->link.is_proved)
		TRY(bus_put_number(message, "link_address", says->link.base));
	if (!says->has_klipper)
		return says->has_binary_info
			       ? bus_put_string(message, "program", says->binary_info.program)
			       : 0;
	TRY(bus_put_string(message, "application", says->klipper.application));
	TRY(bus_put_string(message, "mcu", says->klipper.mcu));
	if (says->klipper.can_bitrate > 0)
		TRY(bus_put_number(message, "can_bitrate", says->klipper.can_bitrate));
	return bus_put_string(message, "transport", transport_name(says->klipper.transport));
}

int bus_put_firmware(sd_bus_message *message, const struct store_entry *entry)
{
	_cleanup_(freep) char *path = text_escape(entry->path);
	TRY(path ? 0 : -ENOMEM);
	TRY(sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "{sv}"));
	TRY(bus_put_string(message, "path", path));
	TRY(bus_put_number(message, "file_bytes", (uint64_t)entry->status.st_size));
	TRY(bus_put_bool(message, "usable", entry->reasons.count == 0));
	if (entry->reasons.count > 0) {
		TRY(bus_put_string(message, "reason", reason_name(entry->reasons.items[0].code)));
		TRY(bus_put_string(message, "sentence", entry->reasons.items[0].sentence));
	} else {
		TRY(bus_put_string(message, "format", image_format_name(entry->format)));
		TRY(bus_put_number(message, "bytes", entry->byte_count));
		TRY(put_digest(message, &entry->digest));
		TRY(put_says(message, &entry->says));
	}
	return sd_bus_message_close_container(message);
}

/* ---- explanations ----------------------------------------------------------------------- */

static int put_rule(
	sd_bus_message *message, const struct policy_rule *rule, enum match match, const char *why)
{
	static const char *const matches[] = {
		[MATCH_NO] = "no",
		[MATCH_MAYBE] = "maybe",
		[MATCH_YES] = "yes",
	};
	TRY(sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "{sv}"));
	TRY(bus_put_string(message, "rule", rule->name));
	TRY(bus_put_string(message, "file", rule->origin.file));
	TRY(bus_put_number(message, "line", rule->origin.line));
	TRY(bus_put_string(message, "match", matches[match]));
	TRY(bus_put_string(message, "why", why));
	return sd_bus_message_close_container(message);
}

/* Rule by rule, up to the one that decides. */
static int put_trace(sd_bus_message *message, const struct policy *policy,
	const struct device *device, const struct board_facts *facts)
{
	TRY(bus_open_entry(message, "rules", "aa{sv}"));
	TRY(sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "a{sv}"));
	for (size_t i = 0; i < policy->rule_count; i++) {
		const char *why;
		enum match match = policy_match(policy, &policy->rules[i], device, facts, &why);
		TRY(put_rule(message, &policy->rules[i], match, why));
		if (match != MATCH_NO)
			break;
	}
	TRY(sd_bus_message_close_container(message));
	return bus_close_entry(message);
}

static int put_reasons(sd_bus_message *message, const struct reasons *reasons)
{
	TRY(bus_open_entry(message, "reasons", "aa{sv}"));
	TRY(sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "a{sv}"));
	for (size_t i = 0; i < reasons->count; i++) {
		TRY(sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "{sv}"));
		TRY(bus_put_string(message, "code", reason_name(reasons->items[i].code)));
		TRY(bus_put_string(message, "sentence", reasons->items[i].sentence));
		TRY(sd_bus_message_close_container(message));
	}
	TRY(sd_bus_message_close_container(message));
	return bus_close_entry(message);
}

static const char *verdict_name(const struct judgement *judgement)
{
	switch (judgement->verdict) {
	case VERDICT_NO_RULE:
		return "no-rule";
	case VERDICT_IGNORE:
		return "ignore";
	case VERDICT_PRESENT:
		return "report";
	case VERDICT_PROBE:
		return "probe";
	case VERDICT_QUARANTINE:
		return "quarantine";
	case VERDICT_UNKNOWN:
		return "refuse";
	case VERDICT_FLASH:
		return judgement->reasons.count > 0 ? "refuse" : "flash";
	}
	return "refuse";
}

/* With the policy's word, where that was needed. */
static int put_facts_judged(
	sd_bus_message *message, const struct board_facts *facts, const struct judgement *judgement)
{
	static const struct board_facts nobody_has_looked;
	struct board_facts known = facts ? *facts : nobody_has_looked;
	if (judgement->chip != CHIP_UNKNOWN) {
		known.chip = judgement->chip;
		known.chip_origin = judgement->chip_origin;
	}
	return bus_put_facts(message, &known);
}

int bus_put_explanation(sd_bus_message *message, const struct policy *policy,
	const struct device *device, const struct board_facts *facts,
	const struct judgement *judgement)
{
	_cleanup_(freep) char *title = device_describe(device);
	_cleanup_(freep) char *sentence = judgement_sentence(judgement, device);
	_cleanup_(freep) char *path = text_escape(judgement->image_path);
	const struct policy_printer *printer =
		judgement->rule ? policy_printer_of(policy, judgement->rule->board) : NULL;
	TRY(sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "{sv}"));
	TRY(bus_put_string(message, "place", device->place));
	TRY(bus_put_string(message, "board", title));
	TRY(bus_put_string(message, "mode", mode_name(device->mode)));
	TRY(bus_put_string(message, "verdict", verdict_name(judgement)));
	TRY(bus_put_string(message, "sentence", sentence));
	TRY(bus_put_string(message, "rule", judgement->rule ? judgement->rule->name : NULL));
	TRY(bus_put_string(message, "image", judgement->image_path ? path : NULL));
	if (judgement->image)
		TRY(put_digest(message, &judgement->image->digest));
	TRY(bus_put_string(message, "printer", printer ? printer->name : NULL));
	if (judgement->verdict == VERDICT_NO_RULE)
		TRY(bus_put_string(message, "example", judge_example(device->mode)));
	TRY(put_facts_judged(message, facts, judgement));
	TRY(put_trace(message, policy, device, facts));
	TRY(put_reasons(message, &judgement->reasons));
	return sd_bus_message_close_container(message);
}
