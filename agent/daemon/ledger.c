/* SPDX-License-Identifier: MIT */
/* Book-keeping; see ledger.h. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "daemon/budget.h"
#include "daemon/ledger.h"
#include "daemon/passports.h"
#include "daemon/story.h"
#include "model/serial.h"

/* Some thirty boards a day for ten years, and about as long. */
#define HISTORY_DAYS 3650
#define HISTORY_JOBS 100000

/* A cable that was pulled is back by then, and a machine that lost its power. */
#define OWN_WRITE_RECENT_USEC (15 * 60 * USEC_PER_SEC)

struct ledger {
	char *path;
	struct history *history;
	uint64_t last_id;
	int trouble; /* what the last use of the history ended with, when that was bad */
	bool is_damaged; /* as its use has shown */
	bool is_settled; /* what a service that died has left open is closed */
};

int ledger_new(const char *history_file, struct ledger **ret)
{
	_cleanup_(ledger_freep) struct ledger *ledger = calloc(1, sizeof(*ledger));
	if (!ledger)
		return -ENOMEM;
	ledger->path = strdup(history_file);
	if (!ledger->path)
		return -ENOMEM;
	*ret = TAKE_PTR(ledger);
	return 0;
}

struct ledger *ledger_free(struct ledger *ledger)
{
	if (!ledger)
		return NULL;
	history_close(ledger->history);
	free(ledger->path);
	free(ledger);
	return NULL;
}

/* ---- the history, if one can be had ------------------------------------------------------ */

/* What a person can do about a history that cannot be used. */
static const char *remedy(int error)
{
	switch (error) {
	case -EUCLEAN: /* see ledger_mend() */
		return "wait until no other board is being written, a new history is begun then";
	case -EROFS:
		return "find out why its file system is read-only";
	case -EACCES:
	case -EPERM:
		return "give the state directory back to the service's user";
	default:
		return "make room in the state directory";
	}
}

/* Passes `r` on; the first failure of a row is told. */
static int heed(struct ledger *ledger, int r)
{
	if (r < 0 && ledger->trouble == 0)
		story_history_unavailable(ledger->path, r, remedy(r));
	ledger->trouble = r < 0 ? r : 0;
	ledger->is_damaged |= r == -EUCLEAN;
	return r;
}

static void on_unfinished(void *context, uint64_t job_id, const char *place)
{
	(void)context;
	story_job_lost(job_id, place);
}

struct history *ledger_history(struct ledger *ledger)
{
	if (ledger->history)
		return ledger->history;
	_cleanup_(history_closep) struct history *history = NULL;
	_cleanup_(freep) char *aside = NULL;
	int r = history_open(ledger->path, ledger->last_id, &history, &aside);
	if (r == HISTORY_SET_ASIDE)
		story_history_damaged(ledger->path, aside);
	if (r >= 0 && !ledger->is_settled)
		r = history_close_unfinished(history, on_unfinished, ledger);
	if (heed(ledger, r) < 0)
		return NULL;
	ledger->is_settled = true;
	ledger->history = TAKE_PTR(history);
	return ledger->history;
}

void ledger_mend(struct ledger *ledger)
{
	if (!ledger->is_damaged)
		return;
	ledger->is_damaged = false;
	ledger->history = history_close(ledger->history);
	(void)ledger_history(ledger);
}

uint64_t ledger_next_id(struct ledger *ledger)
{
	struct history *history = ledger_history(ledger);
	uint64_t id = history ? history_next_id(history) : ledger->last_id + 1;
	/* Without a history nobody knows what was given out before: seconds since 1970 are not. */
	uint64_t seconds = clock_usec(CLOCK_REALTIME) / USEC_PER_SEC;
	if (!history && id < seconds)
		id = seconds;
	if (id <= ledger->last_id)
		id = ledger->last_id + 1;
	ledger->last_id = id;
	return id;
}

/* ---- judging ----------------------------------------------------------------------------- */

bool ledger_intent(struct ledger *ledger, const char *place, struct intent *ret)
{
	struct history *history = ledger_history(ledger);
	return history && heed(ledger, history_intent(history, place, ret)) == HISTORY_INTENT;
}

/* A clock that was set back since says nothing. */
static bool is_recent(const struct intent *intent)
{
	uint64_t now_usec = clock_usec(CLOCK_REALTIME);
	return intent->stored_realtime_usec <= now_usec &&
	       now_usec - intent->stored_realtime_usec <= OWN_WRITE_RECENT_USEC;
}

struct own_write ledger_own_write(const struct intent *intent)
{
	return (struct own_write){
		.mode = intent->mode,
		.boot_serial = intent->boot_serial,
		.chip = intent->facts.chip,
		.unique_id = intent->facts.unique_id,
		.id_origin = intent->facts.id_origin,
		.is_recent = is_recent(intent),
	};
}

bool ledger_passport(struct ledger *ledger, const struct device *device, struct passport_claim *ret)
{
	if (device->mode != MODE_DFU || !*device->serial || serial_is_shared(device->serial))
		return false;
	struct history *history = ledger_history(ledger);
	return history && heed(ledger, passports_claim(history, device, ret)) == PASSPORTS_CLAIM;
}

/* What is in flash has changed since, and with it what shows of the chip's size. */
static bool is_same_chip(const struct board_facts *left, const struct board_facts *right)
{
	bool size_differs = left->flash_size_bytes != 0 && right->flash_size_bytes != 0 &&
			    left->flash_size_bytes != right->flash_size_bytes;
	return left->chip == right->chip && left->rom_revision == right->rom_revision &&
	       !size_differs && text_equal(left->unique_id, right->unique_id);
}

/* Before anybody has looked, a board in DFU shows its serial, and the others show nothing. */
static bool is_same_board(
	const struct intent *intent, const struct device *device, const struct board_facts *facts)
{
	struct own_write write = ledger_own_write(intent);
	if (device->mode != MODE_DFU)
		return intent->mode != MODE_DFU && (!facts || is_same_chip(&intent->facts, facts));
	if (facts)
		return identity_is_own_write(&write, device, facts);
	return write.mode == MODE_DFU && text_equal(write.boot_serial, device->serial);
}

/* Is there an unfinished write of a board at this place, and is it this one, as far as is known? */
static bool find_intent(struct ledger *ledger, const struct device *device,
	const struct board_facts *facts, struct intent *ret)
{
	return ledger_intent(ledger, device->place, ret) && is_same_board(ret, device, facts);
}

bool ledger_has_open_write(
	struct ledger *ledger, const struct device *device, const struct board_facts *facts)
{
	struct intent intent;
	return find_intent(ledger, device, facts, &intent);
}

static int add_not_recorded(const struct ledger *ledger, struct reasons *reasons)
{
	return reasons_add(reasons, REASON_NOT_RECORDED,
		"what is to be written could not be recorded first (%s), so nothing is written; "
		"%s, then plug the board again",
		strerror(-ledger->trouble), remedy(ledger->trouble));
}

static int judge_quarantine(
	const struct device *device, const struct place_record *record, struct judgement *judgement)
{
	reasons_done(&judgement->reasons);
	judgement->verdict = VERDICT_QUARANTINE;
	return reasons_add(&judgement->reasons, REASON_QUARANTINED,
		"the place is in quarantine: %s. When the cause is found: plugflash release %s",
		record->why, device->place);
}

/* A clock that was years ahead for a minute has left jobs that lie in the future now. They do not
 * count: else their rule would write nothing for years. */
static int judge_limit(struct ledger *ledger, struct judgement *judgement)
{
	const struct policy_rule *rule = judgement->rule;
	uint64_t now_usec = clock_usec(CLOCK_REALTIME), count = 0;
	uint64_t since_usec = now_usec > rule->within_usec ? now_usec - rule->within_usec : 0;
	int r = heed(ledger,
		history_count_flashed(ledger->history, rule->name, since_usec, now_usec, &count));
	if (r < 0)
		return add_not_recorded(ledger, &judgement->reasons);
	if (count < rule->limit)
		return 0;
	return reasons_add(&judgement->reasons, REASON_LIMIT,
		"rule \"%s\" has written its %u boards within %llu minutes; wait, or change limit and within and reload",
		rule->name, rule->limit, rule->within_usec / (60 * USEC_PER_SEC));
}

/* What the past has to say to a judgement that would write, or lead to one. */
static int judge_past(
	struct ledger *ledger, const struct device *device, struct judgement *judgement)
{
	bool may_write = judgement->verdict == VERDICT_PROBE ||
			 judgement->verdict == VERDICT_FLASH ||
			 judgement->verdict == VERDICT_PRESENT;
	bool would_write = judgement->verdict == VERDICT_FLASH && judgement->reasons.count == 0;
	struct place_record record = { 0 };
	if (!may_write)
		return 0;
	int r = ledger_history(ledger) ? history_place(ledger->history, device->place, &record)
				       : ledger->trouble;
	if (heed(ledger, r) < 0)
		return would_write ? add_not_recorded(ledger, &judgement->reasons) : 0;
	if (record.quarantined_usec > 0)
		return judge_quarantine(device, &record, judgement);
	return would_write && judgement->rule->limit > 0 ? judge_limit(ledger, judgement) : 0;
}

static bool is_about(const struct intent *intent, const struct judgement *judgement)
{
	return judgement->image &&
	       memcmp(&judgement->image->digest, &intent->digest, sizeof(intent->digest)) == 0;
}

/* It did not come before us by itself: we had asked it to, and went away. */
static bool was_called(struct ledger *ledger, const struct device *device)
{
	uint64_t now_usec = clock_usec(CLOCK_REALTIME);
	struct history *history = mode_is_application(device->mode) ? NULL : ledger_history(ledger);
	return history &&
	       heed(ledger, history_was_called(history, device->place,
				    now_usec - OWN_WRITE_RECENT_USEC, now_usec)) == HISTORY_CALLED;
}

int ledger_judge(struct ledger *ledger, const struct policy *policy, struct store *store,
	const struct device *device, const struct board_facts *facts, struct judgement *ret)
{
	_cleanup_(judgement_done) struct judgement judgement = { 0 };
	struct intent intent = { 0 };
	struct device seen = *device;
	bool resumes = device->was_present && find_intent(ledger, device, facts, &intent);
	bool is_called = device->was_present && was_called(ledger, device);
	seen.was_present = device->was_present && !resumes && !is_called;
	int r = judge(policy, store, &seen, facts, &judgement);
	if (r >= 0 && resumes && facts && !is_about(&intent, &judgement)) {
		resumes = false;
		judgement_done(&judgement);
		seen.was_present = device->was_present && !is_called;
		r = judge(policy, store, &seen, facts, &judgement);
	}
	if (r >= 0)
		r = judge_past(ledger, device, &judgement);
	if (r < 0)
		return r;
	judgement.resumes = resumes ? intent.job_id : 0;
	*ret = judgement;
	judgement = (struct judgement){ 0 };
	return 0;
}

/* ---- jobs -------------------------------------------------------------------------------- */

void ledger_note(struct ledger *ledger, const struct job *job)
{
	struct history *history = ledger_history(ledger);
	if (history)
		(void)heed(ledger, history_store(history, job));
}

/* The budget is spent: nothing is begun any more. */
static int close_place(struct ledger *ledger, const struct job *job,
	const struct place_record *record, struct reasons *reasons)
{
	const char *place = job->device->place;
	int r = heed(ledger, history_store_place(ledger->history, place, record));
	if (r >= 0)
		story_place_quarantined(place, record);
	r = reasons_add(reasons, REASON_QUARANTINED,
		"the place is in quarantine: %s. When the cause is found: plugflash release %s",
		record->why, place);
	return r < 0 ? r : LEDGER_REFUSED;
}

int ledger_permit(struct ledger *ledger, const struct policy_limits *limits, const struct job *job,
	struct reasons *reasons)
{
	struct place_record record;
	int r = ledger_history(ledger) ? history_place(ledger->history, job->device->place, &record)
				       : ledger->trouble;
	if (r >= 0 && !budget_begin(&record, limits, &job->digest, clock_usec(CLOCK_REALTIME)))
		return close_place(ledger, job, &record, reasons);
	if (r >= 0)
		r = history_store_intent(ledger->history, job, &record);
	if (heed(ledger, r) >= 0)
		return 0;
	r = add_not_recorded(ledger, reasons);
	return r < 0 ? r : LEDGER_REFUSED;
}

static int end_permitted(struct ledger *ledger, const struct policy_limits *limits,
	const struct job *job, bool is_return)
{
	struct place_record record;
	const char *place = job->device->place;
	int r = history_place(ledger->history, place, &record);
	if (r < 0)
		return r;
	bool was_quarantined = record.quarantined_usec > 0;
	struct budget_end end = {
		.is_good = outcome_is_good(job->outcome),
		.is_return = is_return,
	};
	budget_end(&record, limits, end, clock_usec(CLOCK_REALTIME));
	/* An application that does not come up takes nothing from the proof of what is in flash. */
	bool is_proved = end.is_good || job->verification >= VERIFY_READBACK;
	r = history_store_end(ledger->history, job, &record, is_proved);
	if (r >= 0 && record.quarantined_usec > 0 && !was_quarantined)
		story_place_quarantined(place, &record);
	return r;
}

/* A book that cannot be written is no reason to call a good end a bad one. */
static void learn(struct ledger *ledger, const struct job *job)
{
	bool was_written = job->permitted_usec > 0;
	bool holds_image = was_written && outcome_is_good(job->outcome);
	const struct encounter encounter = {
		.device = job->device,
		.facts = job->has_facts ? &job->facts : NULL,
		.successor = job->is_restarted ? job->successor : NULL,
		.name = was_written ? job->board : NULL,
		.image = holds_image ? &job->digest : NULL,
		.can_uuid = *job->device->can_uuid ? job->device->can_uuid : NULL,
	};
	struct lesson lesson;
	if (job->has_facts && passport_learn(&encounter, &lesson) == LESSON_LEARNT)
		(void)heed(ledger,
			passports_store(ledger->history, &lesson, clock_usec(CLOCK_REALTIME)));
}

int ledger_end(struct ledger *ledger, const struct policy_limits *limits, const struct job *job,
	bool is_return)
{
	if (!ledger_history(ledger))
		return ledger->trouble;
	int r = heed(ledger, job->permitted_usec > 0 ? end_permitted(ledger, limits, job, is_return)
						     : history_store(ledger->history, job));
	if (r >= 0)
		learn(ledger, job);
	return r;
}

void ledger_retire(struct ledger *ledger, const struct policy_limits *limits)
{
	unsigned days = limits->history_days ? limits->history_days : HISTORY_DAYS;
	unsigned jobs = limits->history_jobs ? limits->history_jobs : HISTORY_JOBS;
	if (ledger_history(ledger))
		(void)heed(ledger, history_retire(ledger->history, days, jobs));
}

int ledger_release(struct ledger *ledger, const char *place)
{
	struct place_record record;
	if (!ledger_history(ledger))
		return ledger->trouble;
	int r = history_place(ledger->history, place, &record);
	if (r >= 0 && record.quarantined_usec == 0)
		return -ENOENT;
	record = (struct place_record){ 0 };
	if (r >= 0)
		r = history_store_place(ledger->history, place, &record);
	if (r >= 0)
		story_place_released(place);
	return r;
}
