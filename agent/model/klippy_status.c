/* SPDX-License-Identifier: MIT */
/* What klippy answers; see klippy_status.h. */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "model/foreign_json.h"
#include "model/klippy_status.h"

#define QUESTION_INFO    1
#define QUESTION_OBJECTS 2
#define ALL_QUESTIONS    (1u << QUESTION_INFO | 1u << QUESTION_OBJECTS)

/* ---- single values ----------------------------------------------------------------------- */

struct word {
	const char *text;
	int meaning;
};

/* A field of one of klippy's objects, as one of the words that it may be. Of objects that it does
 * not have it says nothing, or that all fields are null. */
static enum klippy_activity read_activity(
	const cJSON *object, const char *field, const struct word *words, size_t count)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, field);
	if (!object || cJSON_IsNull(object) ||
		(cJSON_IsObject(object) && (!value || cJSON_IsNull(value))))
		return ACTIVITY_UNSAID;
	for (size_t i = 0; i < count; i++)
		if (text_equal(words[i].text, cJSON_GetStringValue(value)))
			return (enum klippy_activity)words[i].meaning;
	return ACTIVITY_STRANGE;
}

static enum klippy_activity read_flag(const cJSON *object, const char *field)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, field);
	if (cJSON_IsBool(value))
		return cJSON_IsTrue(value) ? ACTIVITY_BUSY : ACTIVITY_NONE;
	return read_activity(object, field, NULL, 0);
}

/* The later word holds; one that we do not know takes the earlier one back. */
static void take_state(struct klippy_status *status, const cJSON *object)
{
	static const struct word words[] = {
		{ "startup", KLIPPY_STARTUP },
		{ "ready", KLIPPY_READY },
		{ "shutdown", KLIPPY_SHUTDOWN },
		{ "error", KLIPPY_ERROR },
	};
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, "state");
	if (!value)
		return;
	status->state = KLIPPY_UNSAID;
	for (size_t i = 0; i < ELEMENTSOF(words); i++)
		if (text_equal(words[i].text, cJSON_GetStringValue(value)))
			status->state = (enum klippy_state)words[i].meaning;
}

/* ---- answers ----------------------------------------------------------------------------- */

static int take_objects(struct klippy_status *status, const cJSON *result)
{
	static const struct word prints[] = {
		{ "standby", ACTIVITY_NONE },
		{ "complete", ACTIVITY_NONE },
		{ "cancelled", ACTIVITY_NONE },
		{ "error", ACTIVITY_NONE },
		{ "paused", ACTIVITY_PAUSED },
		{ "printing", ACTIVITY_BUSY },
	};
	static const struct word motions[] = {
		{ "Idle", ACTIVITY_NONE },
		{ "Ready", ACTIVITY_NONE },
		{ "Printing", ACTIVITY_BUSY },
	};
	const cJSON *objects = cJSON_GetObjectItemCaseSensitive(result, "status");
	if (!cJSON_IsObject(objects))
		return -EBADMSG;
	const cJSON *print = cJSON_GetObjectItemCaseSensitive(objects, "print_stats");
	const cJSON *card = cJSON_GetObjectItemCaseSensitive(objects, "virtual_sdcard");
	const cJSON *motion = cJSON_GetObjectItemCaseSensitive(objects, "idle_timeout");
	const char *file =
		cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(print, "filename"));
	take_state(status, cJSON_GetObjectItemCaseSensitive(objects, "webhooks"));
	status->print = read_activity(print, "state", prints, ELEMENTSOF(prints));
	status->card = read_flag(card, "is_active");
	status->motion = read_activity(motion, "state", motions, ELEMENTSOF(motions));
	text_copy_plain(status->file, sizeof(status->file), file ? file : "");
	return 0;
}

/* Which of our questions a message answers, or 0. */
static unsigned question_of(const cJSON *message)
{
	const cJSON *id = cJSON_GetObjectItemCaseSensitive(message, "id");
	if (!cJSON_IsNumber(id))
		return 0;
	if (id->valuedouble == QUESTION_INFO)
		return QUESTION_INFO;
	return id->valuedouble == QUESTION_OBJECTS ? QUESTION_OBJECTS : 0;
}

int klippy_status_take(struct klippy_status *status, const char *message, size_t length)
{
	if (length > KLIPPY_MESSAGE_MAX)
		return -EBADMSG;
	_cleanup_(foreign_json_freep) cJSON *json = NULL;
	int r = foreign_json_parse(message, length, &json);
	if (r < 0)
		return r;
	unsigned question = question_of(json);
	const cJSON *result = cJSON_GetObjectItemCaseSensitive(json, "result");
	bool is_refused = !result && cJSON_GetObjectItemCaseSensitive(json, "error");
	if (question == 0)
		return 0;
	if (!is_refused && !cJSON_IsObject(result))
		return -EBADMSG;
	if (is_refused)
		status->is_refused = true;
	else if (question == QUESTION_INFO)
		take_state(status, result);
	else
		r = take_objects(status, result);
	if (r >= 0)
		status->answered |= 1u << question;
	return r;
}

bool klippy_status_is_whole(const struct klippy_status *status)
{
	return status->answered == ALL_QUESTIONS;
}

/* ---- what they mean ---------------------------------------------------------------------- */

/* Nothing moves or heats then, and idle_timeout keeps the last word that it had. */
static bool is_down(const struct klippy_status *status)
{
	return status->state == KLIPPY_SHUTDOWN || status->state == KLIPPY_ERROR;
}

static bool is_strange(const struct klippy_status *status)
{
	return status->print == ACTIVITY_STRANGE || status->card == ACTIVITY_STRANGE ||
	       status->motion == ACTIVITY_STRANGE;
}

static bool says_nothing(const struct klippy_status *status)
{
	return status->print == ACTIVITY_UNSAID && status->card == ACTIVITY_UNSAID &&
	       status->motion == ACTIVITY_UNSAID;
}

static bool has_print(const struct klippy_status *status)
{
	return status->print == ACTIVITY_BUSY || status->card == ACTIVITY_BUSY;
}

enum print_state klippy_status_judge(const struct klippy_status *status)
{
	if (has_print(status))
		return PRINT_PRINTING;
	if (status->print == ACTIVITY_PAUSED)
		return PRINT_PAUSED;
	if (status->motion == ACTIVITY_BUSY && !is_down(status))
		return PRINT_PRINTING;
	if (status->is_refused || !klippy_status_is_whole(status) || is_strange(status))
		return PRINT_UNKNOWN;
	if (is_down(status))
		return PRINT_IDLE;
	return status->state == KLIPPY_READY && !says_nothing(status) ? PRINT_IDLE : PRINT_UNKNOWN;
}

static char *idle_sentence(const struct klippy_status *status, const char *printer)
{
	if (status->state == KLIPPY_SHUTDOWN)
		return text_format(
			"printer \"%s\" prints nothing: its Klipper is shut down", printer);
	if (status->state == KLIPPY_ERROR)
		return text_format(
			"printer \"%s\" prints nothing: its Klipper could not start", printer);
	return text_format("printer \"%s\" is idle", printer);
}

static char *unknown_sentence(const struct klippy_status *status, const char *printer)
{
	static const char stop[] = "stop klipper.service while boards are written";
	if (status->is_refused)
		return text_format("Klipper of printer \"%s\" would not say whether it prints: "
				   "update Klipper, or %s",
			printer, stop);
	if (status->state == KLIPPY_STARTUP)
		return text_format("Klipper of printer \"%s\" is still starting: wait until it is "
				   "ready, or %s",
			printer, stop);
	if (status->state == KLIPPY_READY && says_nothing(status))
		return text_format("Klipper of printer \"%s\" knows neither print_stats nor "
				   "virtual_sdcard nor idle_timeout: add [virtual_sdcard] to its "
				   "configuration, or %s",
			printer, stop);
	return text_format("Klipper of printer \"%s\" says of its print what plugflash does not "
			   "know: %s",
		printer, stop);
}

/* "prints", or "prints "benchy.gcode"". */
static char *busy_sentence(
	const struct klippy_status *status, const char *printer, enum print_state state)
{
	const char *quote = *status->file ? "\"" : "";
	const char *file = *status->file ? status->file : "a file";
	if (state == PRINT_PRINTING && !has_print(status))
		return text_format("printer \"%s\" moves, heats or runs a macro: wait until it "
				   "stands still",
			printer);
	if (is_down(status))
		return text_format("printer \"%s\" was shut down in the middle of %s%s%s: if that "
				   "print is lost, restart its Klipper (FIRMWARE_RESTART)",
			printer, quote, file, quote);
	if (state == PRINT_PAUSED)
		return text_format("printer \"%s\" has paused in %s%s%s: resume it and wait until "
				   "it has ended, or cancel it",
			printer, quote, file, quote);
	return text_format("printer \"%s\" prints %s%s%s: wait until it has ended, or cancel it",
		printer, quote, file, quote);
}

char *klippy_status_sentence(const struct klippy_status *status, const char *printer)
{
	enum print_state state = klippy_status_judge(status);
	if (state == PRINT_IDLE)
		return idle_sentence(status, printer);
	if (state == PRINT_UNKNOWN)
		return unknown_sentence(status, printer);
	return busy_sentence(status, printer, state);
}
