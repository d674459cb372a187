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

/* Goes on where the job has stopped to ask: the policy, or what the past says, may be another by
 * now. */
static void on_answer(void *context, enum reason_code code, const char *sentence)
{
	struct job *job = context;
	job->printers.question = neighbour_forget(job->printers.question);
	job->printers.reason = code;
	free(job->printers.sentence);
	job->printers.sentence = strdup(sentence);
	if (code == REASON_NONE)
		story_job_printer(job, sentence);
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

static int ask(struct job *job, const char *board)
{
	const struct conduct *conduct = job->conduct;
	sd_event *event = conduct->settings->event;
	int r = neighbour_ask(
		event, conduct->policy, board, on_answer, job, &job->printers.question);
	if (r == NEIGHBOUR_NOBODY)
		r = neighbour_ask_all(
			event, conduct->policy, on_answer, job, &job->printers.question);
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
	int r = ask(job, rule->board);
	if (r < 0)
		return r;
	free(printers->asked);
	printers->asked = TAKE_PTR(sockets);
	conduct_set_deadline(job, ASKING_USEC);
	return CONDUCT_ASKS;
}
