/* SPDX-License-Identifier: MIT */
/* Asking the printer that a board is a part of before the board is touched; see conduct_parts.h. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "daemon/conduct.h"
#include "daemon/conduct_parts.h"
#include "daemon/neighbour.h"
#include "daemon/story.h"

/* A question ends by itself sooner. */
#define ASKING_USEC (30 * USEC_PER_SEC)

static void note_answer(struct job *job, enum reason_code code, const char *sentence)
{
	job->printers.question = neighbour_forget(job->printers.question);
	job->printers.reason = code;
	free(job->printers.sentence);
	job->printers.sentence = strdup(sentence);
	if (code == REASON_NONE)
		story_job_printer(job, sentence);
}

/* Goes on where the job has stopped to ask: the policy, or what the past says, may be another by
 * now. */
static void on_answer(void *context, enum reason_code code, const char *sentence)
{
	struct job *job = context;
	note_answer(job, code, sentence);
	conduct_decide(job);
}

/* The sockets of those who have to be asked, "" when nobody has; NULL when memory is short. */
static char *whom_to_ask(const struct policy *policy, const char *board, enum conduct_scope scope)
{
	const struct policy_printer *own = policy_printer_of(policy, board);
	_cleanup_(freep) char *sockets = text_format("%s", own ? own->socket : "");
	if (own || scope == SCOPE_OWN_PRINTER)
		return TAKE_PTR(sockets);
	for (size_t i = 0; sockets && i < policy->printer_count; i++)
		if (text_append(&sockets, "%s\n", policy->printers[i].socket) < 0)
			return NULL;
	return TAKE_PTR(sockets);
}

static int ask(struct job *job, const char *board, neighbour_on_answer on_end)
{
	const struct conduct *conduct = job->conduct;
	sd_event *event = conduct->settings->event;
	int r = neighbour_ask(event, conduct->policy, board, on_end, job, &job->printers.question);
	if (r == NEIGHBOUR_NOBODY)
		r = neighbour_ask_all(event, conduct->policy, on_end, job, &job->printers.question);
	return r;
}

int conduct_ask_printer(struct job *job, const struct policy_rule *rule, enum conduct_scope scope,
	struct reasons *reasons)
{
	struct job_printers *printers = &job->printers;
	_cleanup_(freep) char *sockets = whom_to_ask(job->conduct->policy, rule->board, scope);
	if (!sockets)
		return -ENOMEM;
	if (!*sockets)
		return 0;
	if (text_equal(sockets, printers->asked))
		return printers->reason == REASON_NONE
			       ? 0
			       : reasons_add(reasons, printers->reason,
					 "%s; then plug the board again",
					 printers->sentence ? printers->sentence : "out of memory");
	int r = ask(job, rule->board, on_answer);
	if (r < 0)
		return r;
	free(printers->asked);
	printers->asked = TAKE_PTR(sockets);
	conduct_set_deadline(job, ASKING_USEC);
	return CONDUCT_ASKS;
}

/* ---- before anything is said -------------------------------------------------------------- */

static void refuse_queued(struct job *job)
{
	const struct job_printers *printers = &job->printers;
	_cleanup_(freep) char *sentence = text_format("%s; nothing was said on the bus",
		printers->sentence ? printers->sentence : "out of memory");
	conduct_finish(job, OUTCOME_REFUSED, printers->reason,
		sentence ? sentence : "its printer may be printing");
}

static void on_answer_before(void *context, enum reason_code code, const char *sentence)
{
	struct job *job = context;
	struct conduct *conduct = job->conduct;
	note_answer(job, code, sentence);
	conduct_start_waiting_jobs(conduct);
}

/* Before anybody has looked: of the first rule that may decide. */
static const char *board_before(const struct job *job)
{
	const struct policy_rule *rule = NULL;
	(void)policy_decide(job->conduct->policy, job->device, NULL, &rule);
	return rule ? rule->board : NULL;
}

int conduct_ask_before(struct job *job)
{
	struct job_printers *printers = &job->printers;
	const char *board = board_before(job);
	_cleanup_(freep) char *sockets =
		whom_to_ask(job->conduct->policy, board, SCOPE_ANY_PRINTER);
	if (sockets && printers->asked && printers->reason != REASON_NONE) {
		refuse_queued(job);
		return CONDUCT_ASKS;
	}
	if (sockets && (!*sockets || text_equal(sockets, printers->asked)))
		return 0;
	int r = sockets ? ask(job, board, on_answer_before) : -ENOMEM;
	free(printers->asked);
	printers->asked = TAKE_PTR(sockets);
	if (r < 0)
		conduct_finish(job, OUTCOME_FAILED, REASON_INTERNAL, strerror(-r));
	return CONDUCT_ASKS;
}
