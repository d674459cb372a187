/* SPDX-License-Identifier: MIT */
/* New images for boards; see update.h. */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "daemon/can_names.h"
#include "daemon/story.h"
#include "daemon/update.h"

#define WAITING_MAX 64u

/* A board that had a job when its image changed: the rule's name, since the policy may be another
 * by the time that its turn comes. */
struct waiting {
	struct device *device;
	char *rule;
	bool is_due; /* that job has ended */
};

struct update {
	struct update_settings settings;
	const struct policy *policy;
	struct image_watch *watch;
	sd_event_source *turn; /* once the job that has ended has handed its place over */
	struct waiting waiting[WAITING_MAX];
	size_t count;
};

static void waiting_done(struct waiting *waiting)
{
	device_free(waiting->device);
	free(waiting->rule);
}

/* ---- one board --------------------------------------------------------------------------- */

/* One that waits already sees the newer image when its turn comes. */
static void wait_for_turn(struct update *update, const struct device *device, const char *rule)
{
	for (size_t i = 0; i < update->count; i++)
		if (text_equal(update->waiting[i].device->syspath, device->syspath))
			return;
	struct waiting waiting = { device_copy(device), strdup(rule), false };
	if (update->count == WAITING_MAX || !waiting.device || !waiting.rule) {
		story_update_left_alone(device->place, rule, "too many boards wait for theirs");
		waiting_done(&waiting);
		return;
	}
	update->waiting[update->count++] = waiting;
}

static void renew(struct update *update, const struct device *device, const char *rule)
{
	_cleanup_(judgement_done) struct judgement judgement = { 0 };
	uint64_t job = 0;
	int r = conduct_flash(update->settings.conduct, device, &judgement, &job);
	if (r == -EBUSY) {
		wait_for_turn(update, device, rule);
		return;
	}
	if (r == 0 && judgement.verdict == VERDICT_PROBE)
		return;
	_cleanup_(freep) char *sentence =
		r == 0 ? judgement_sentence(&judgement, device) : strdup(strerror(-r));
	story_update_left_alone(device->place, rule, sentence ? sentence : "out of memory");
}

/* ---- the boards of a rule ---------------------------------------------------------------- */

static bool decides(
	const struct update *update, const struct policy_rule *rule, const struct device *device)
{
	const struct policy_rule *decider;
	struct device arriving = *device;
	arriving.was_present = false;
	if (device->mode == MODE_NONE)
		return false;
	(void)policy_decide(update->policy, &arriving,
		conduct_facts(update->settings.conduct, device), &decider);
	return decider == rule;
}

/* Those that are plugged in: how many there are. */
static size_t renew_plugged(struct update *update, const struct policy_rule *rule)
{
	const struct monitor *monitor = update->settings.monitor;
	size_t found = 0;
	for (size_t i = 0; i < monitor_count(monitor); i++) {
		const struct device *device = monitor_device(monitor, i);
		if (!decides(update, rule, device))
			continue;
		renew(update, device, rule->name);
		found++;
	}
	return found;
}

/* Where a board stands that is on no USB socket; NULL: nobody can tell, or memory is short. */
static struct device *find_standing(const struct update *update, const struct policy_board *board)
{
	char uuid[CAN_UUID_TEXT];
	const char *bus = can_names_bus(update->policy, update->settings.links, board);
	if (board->tty)
		return device_new_line(board->tty, board->baud, MODE_KATAPULT);
	return bus && policy_board_uuid(board, uuid) ? device_new_node(bus, uuid, MODE_KATAPULT)
						     : NULL;
}

static void on_change(void *context, const struct policy_rule *rule)
{
	struct update *update = context;
	const struct policy_board *board =
		rule->declared ? rule->declared : policy_board(update->policy, rule->board);
	if (renew_plugged(update, rule) > 0 || !board)
		return;
	_cleanup_(device_freep) struct device *device = find_standing(update, board);
	if (device)
		renew(update, device, rule->name);
}

/* ---- those that wait --------------------------------------------------------------------- */

/* Who finds its place taken anew waits on. */
static int on_turn(sd_event_source *source, void *context)
{
	(void)source;
	struct update *update = context;
	for (size_t i = update->count; i-- > 0;) {
		_cleanup_(waiting_done) struct waiting waiting = update->waiting[i];
		if (!waiting.is_due) {
			waiting = (struct waiting){ 0 };
			continue;
		}
		update->waiting[i] = update->waiting[--update->count];
		renew(update, waiting.device, waiting.rule);
	}
	return 0;
}

void update_job_ended(struct update *update, const struct job *job)
{
	bool is_due = false;
	for (size_t i = 0; i < update->count; i++)
		if (text_equal(update->waiting[i].device->syspath, job->device->syspath))
			update->waiting[i].is_due = is_due = true;
	if (is_due)
		(void)sd_event_source_set_enabled(update->turn, SD_EVENT_ONESHOT);
}

/* ---- the roof's side --------------------------------------------------------------------- */

int update_new(const struct update_settings *settings, struct update **ret)
{
	_cleanup_(update_freep) struct update *update = calloc(1, sizeof(*update));
	if (!update)
		return -ENOMEM;
	update->settings = *settings;
	TRY(sd_event_add_defer(settings->event, &update->turn, on_turn, update));
	TRY(sd_event_source_set_enabled(update->turn, SD_EVENT_OFF));
	TRY(image_watch_new(
		settings->event, settings->directory, on_change, update, &update->watch));
	*ret = TAKE_PTR(update);
	return 0;
}

struct update *update_free(struct update *update)
{
	if (!update)
		return NULL;
	image_watch_free(update->watch);
	sd_event_source_disable_unref(update->turn);
	for (size_t i = 0; i < update->count; i++)
		waiting_done(&update->waiting[i]);
	free(update);
	return NULL;
}

void update_set_policy(struct update *update, const struct policy *policy)
{
	update->policy = policy;
	image_watch_set_policy(update->watch, policy);
}
