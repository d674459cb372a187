/* SPDX-License-Identifier: MIT */
/*
 * How long a decision takes with ten thousand rules, of which the last one matches, and how long
 * they take to load.
 */
#include <assert.h>
#include <string.h>

#include "base/text.h"
#include "bench/figures.h"
#include "daemon/rulebook.h"

#define RULES 10000

struct bench {
	char *text;
	struct policy *policy;
	struct device device;
	const struct board_facts *facts;
};

/* What the paths of all rules but the last look like, around a number. */
struct paths {
	const char *head;
	const char *tail;
	bool matches; /* all of them match: the boards decide */
};

/* Ten thousand boards, and a rule for each with all that a rule can ask; the last board is ours. */
static char *write_policy(const struct paths *path)
{
	_cleanup_(freep) char *text = NULL;
	size_t length = 0;
	FILE *stream = open_memstream(&text, &length);
	assert(stream);
	fputs("boards = (\n", stream);
	for (unsigned i = 0; i < RULES; i++)
		fprintf(stream,
			"%s{ name = \"board-%u\"; chip = \"rp2040\"; serial = \"E66058388348%04X\"; }",
			i ? ",\n" : "", i, i);
	fputs(");\nrules = (\n", stream);
	for (unsigned i = 0; i < RULES; i++) {
		_cleanup_(freep) char *own = text_format("%s.%u%s", path->head, i, path->tail);
		bool is_ours = i + 1 == RULES || path->matches;
		fprintf(stream,
			"%s{ name = \"rule-%u\"; match = { mode = \"rp2040-boot\"; path = \"%s\"; "
			"board = \"board-%u\"; }; flash = { image = \"a.uf2\"; }; }",
			i ? ",\n" : "", i, is_ours ? "pci-*-usb-0:1.[1-8]" : own, i);
	}
	fputs(");\n", stream);
	fclose(stream);
	return TAKE_PTR(text);
}

static void do_load(void *context, unsigned round)
{
	struct bench *bench = context;
	_cleanup_(reasons_done) struct reasons errors = { 0 }, warnings = { 0 };
	(void)round;
	policy_free(bench->policy);
	bench->policy = policy_new();
	int r = bench->policy ? rulebook_parse("bench.conf", bench->text, bench->policy, &errors,
					&warnings)
			      : -1;
	if (r >= 0)
		r = rulebook_check(bench->policy, &errors);
	if (r < 0 || errors.count > 0)
		abort();
}

static void do_decide(void *context, unsigned round)
{
	struct bench *bench = context;
	const struct policy_rule *rule;
	(void)round;
	(void)policy_decide(bench->policy, &bench->device, bench->facts, &rule);
	if (rule != &bench->policy->rules[RULES - 1])
		abort();
}

static void measure(struct bench *bench, const char *name, struct paths paths)
{
	_cleanup_(freep) char *load = text_format("loading: %s", name);
	_cleanup_(freep) char *decide = text_format("deciding: %s", name);
	free(bench->text);
	bench->text = write_policy(&paths);
	figure(load, 5, 1000000, do_load, bench);
	figure(decide, 1001, 1000, do_decide, bench);
}

int main(void)
{
	static const struct board_facts facts = { .chip = CHIP_RP2040,
		.unique_id = "E66058388348270F" };
	struct bench bench = {
		.device = { .place = (char *)"pci-0000:00:14.0-usb-0:1.3",
			.port = (char *)"1-1.3",
			.serial = (char *)"E0C9125B0D9B",
			.mode = MODE_RP2040_BOOT },
		.facts = &facts,
	};
	measure(&bench, "paths that differ at their end",
		(struct paths){ .head = "pci-0000:00:14.0-usb-0:1", .tail = "[1-8]" });
	measure(&bench, "paths that begin with a star", (struct paths){ .head = "*", .tail = "3" });
	measure(&bench, "paths that all match, of other boards", (struct paths){ .matches = true });
	policy_free(bench.policy);
	free(bench.text);
	return figures_end();
}
