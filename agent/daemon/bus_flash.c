/* SPDX-License-Identifier: MIT */
/* Flashing on request; see bus_flash.h. */
#include <errno.h>

#include "base/names.h"
#include "base/text.h"
#include "daemon/bus_flash.h"
#include "daemon/can_names.h"

#define ERROR_NO_BOARD  NAME_BUS ".Error.NoBoard"
#define ERROR_AMBIGUOUS NAME_BUS ".Error.Ambiguous"
#define ERROR_BUSY      NAME_BUS ".Error.Busy"
#define ERROR_REFUSED   NAME_BUS ".Error.Refused"

/* ---- which board is meant ---------------------------------------------------------------- */

/* Does a rule for the board of this name decide about the device, as far as is known? */
static bool may_be(const struct flash_view *view, const struct device *device, const char *name)
{
	const struct policy_rule *rule;
	struct device arriving = *device;
	arriving.was_present = false;
	enum verdict verdict =
		policy_decide(view->policy, &arriving, conduct_facts(view->conduct, device), &rule);
	return rule && text_equal(rule->board, name) && verdict != VERDICT_IGNORE;
}

/* Of those that are plugged in. How many there are; `ret` is the first. */
static unsigned find_named(
	const struct flash_view *view, const char *name, const struct device **ret)
{
	unsigned found = 0;
	for (size_t i = 0; i < monitor_count(view->monitor); i++) {
		const struct device *device = monitor_device(view->monitor, i);
		if (device->mode == MODE_NONE || !may_be(view, device, name))
			continue;
		if (found++ == 0)
			*ret = device;
	}
	return found;
}

static int refuse(sd_bus_error *error, const char *name, const char *format, const char *wanted)
{
	_cleanup_(freep) char *safe = text_escape(wanted);
	_cleanup_(freep) char *sentence = text_format(format, safe ? safe : "it");
	return sd_bus_error_set(error, name, sentence ? sentence : "refused");
}

/* Not plugged in, so that it may be on a bus. NULL with `error` set, or when memory is short. */
static struct device *find_node(
	const struct flash_view *view, const struct policy_board *board, sd_bus_error *error)
{
	char uuid[CAN_UUID_TEXT];
	const char *bus = can_names_bus(view->policy, view->links, board);
	if (bus && policy_board_uuid(board, uuid))
		return device_new_node(bus, uuid, MODE_KATAPULT);
	refuse(error, ERROR_NO_BOARD,
		"\"%s\" is not plugged in, or no rule with flash = { } names it; if it is a node of "
		"a CAN bus, say bus = \"can0\" (and its can_uuid) in its entry of the policy",
		board->name);
	return NULL;
}

/* The caller's, or NULL with `error` set, or without when memory is short. */
static struct device *find(const struct flash_view *view, const char *wanted, sd_bus_error *error)
{
	const struct device *device = monitor_find(view->monitor, wanted);
	const struct policy_board *board = policy_board(view->policy, wanted);
	if (device)
		return device_copy(device);
	if (board && board->tty)
		return device_new_line(board->tty, board->baud, MODE_KATAPULT);
	unsigned found = board ? find_named(view, wanted, &device) : 0;
	if (found == 1)
		return device_copy(device);
	if (found == 0 && board && (board->can_uuid || board->serial))
		return find_node(view, board, error);
	if (found > 1)
		refuse(error, ERROR_AMBIGUOUS,
			"Several boards that are plugged in may be \"%s\"; name one by its place, "
			"as \"plugflash list\" shows it",
			wanted);
	else if (board)
		refuse(error, ERROR_NO_BOARD,
			"\"%s\" is not plugged in, or no rule with flash = { } names it; \"plugflash "
			"explain\" tells of those that are",
			wanted);
	else
		refuse(error, ERROR_NO_BOARD,
			"Nothing is plugged in at %s, and the policy has no board of that name; "
			"\"plugflash list\" shows the places",
			wanted);
	return NULL;
}

/* ---- the call ---------------------------------------------------------------------------- */

static int refuse_judged(
	const struct judgement *judgement, const struct device *device, sd_bus_error *error)
{
	_cleanup_(freep) char *sentence = judgement_sentence(judgement, device);
	return sd_bus_error_setf(error, ERROR_REFUSED, "%s: %s", device->place,
		sentence ? sentence : "nothing is written");
}

int bus_flash(sd_bus_message *call, const struct flash_view *view, sd_bus_error *error)
{
	_cleanup_(judgement_done) struct judgement judgement = { 0 };
	const char *wanted;
	uint64_t job = 0;
	int r = sd_bus_message_read(call, "s", &wanted);
	if (r < 0)
		return r;
	_cleanup_(device_freep) struct device *device = find(view, wanted, error);
	if (!device)
		return sd_bus_error_is_set(error) ? -EREMOTEIO : -ENOMEM;
	r = conduct_flash(view->conduct, device, &judgement, &job);
	if (r == -EBUSY)
		return refuse(error, ERROR_BUSY,
			"%s has a job already; \"plugflash watch\" shows how far it is",
			device->place);
	if (r < 0)
		return r;
	if (judgement.verdict != VERDICT_PROBE)
		return refuse_judged(&judgement, device, error);
	return job > 0 ? sd_bus_reply_method_return(call, "t", job) : -ENOMEM;
}
