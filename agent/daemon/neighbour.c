/* SPDX-License-Identifier: MIT */
/* Asking printers; see neighbour.h. */
#include <errno.h>

#include "base/text.h"
#include "daemon/klippy.h"
#include "daemon/neighbour.h"

struct neighbour_question {
	neighbour_on_answer on_answer;
	void *context;
	char *quiet; /* what those say that are quiet */
	size_t open; /* answers that have not come yet */
	size_t count;
	struct klippy_question *questions[];
};

static void forget_all(struct neighbour_question *question)
{
	for (size_t i = 0; i < question->count; i++)
		question->questions[i] = klippy_forget(question->questions[i]);
}

static void on_klippy(void *context, enum print_state state, const char *sentence)
{
	struct neighbour_question *question = context;
	enum reason_code code = state == PRINT_UNKNOWN ? REASON_PRINT_UNKNOWN : REASON_PRINTING;
	question->open--;
	if (!print_state_is_quiet(state)) {
		/* What the others would say does not matter any more. */
		forget_all(question);
		question->on_answer(question->context, code, sentence);
		return;
	}
	const char *separator = question->quiet ? "; " : "";
	bool is_whole = text_append(&question->quiet, "%s%s", separator, sentence) >= 0;
	if (question->open > 0)
		return;
	_cleanup_(freep) char *quiet = TAKE_PTR(question->quiet);
	question->on_answer(question->context, REASON_NONE, is_whole ? quiet : "out of memory");
}

static int ask(sd_event *event, const struct policy_printer *printers, size_t count,
	neighbour_on_answer on_answer, void *context, struct neighbour_question **ret)
{
	_cleanup_(neighbour_forgetp) struct neighbour_question *question =
		calloc(1, sizeof(*question) + count * sizeof(question->questions[0]));
	if (!question)
		return -ENOMEM;
	question->on_answer = on_answer;
	question->context = context;
	question->count = question->open = count;
	for (size_t i = 0; i < count; i++) {
		const struct klippy_peer peer = { .printer = printers[i].name,
			.socket = printers[i].socket };
		int r = klippy_ask(event, &peer, on_klippy, question, &question->questions[i]);
		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(question);
	return 0;
}

int neighbour_ask(sd_event *event, const struct policy *policy, const char *board,
	neighbour_on_answer on_answer, void *context, struct neighbour_question **ret)
{
	const struct policy_printer *printer = policy_printer_of(policy, board);
	return printer ? ask(event, printer, 1, on_answer, context, ret) : NEIGHBOUR_NOBODY;
}

int neighbour_ask_all(sd_event *event, const struct policy *policy, neighbour_on_answer on_answer,
	void *context, struct neighbour_question **ret)
{
	if (policy->printer_count == 0)
		return NEIGHBOUR_NOBODY;
	return ask(event, policy->printers, policy->printer_count, on_answer, context, ret);
}

struct neighbour_question *neighbour_forget(struct neighbour_question *question)
{
	if (!question)
		return NULL;
	forget_all(question);
	free(question->quiet);
	free(question);
	return NULL;
}
