/* SPDX-License-Identifier: MIT */
/*
 * plugflash, the face: asks the service over the bus and shows the answer. It decides nothing and
 * touches no board. This file reads the command line, picks the verb and speaks of problems.
 */
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <string.h>

#include "base/clock.h"
#include "base/names.h"
#include "base/text.h"
#include "client/since.h"
#include "client/verb.h"

struct verb {
	const char *name;
	int (*run)(struct request *request);
	const char *argument; /* what it takes, NULL: nothing */
	bool needs_argument;
	bool takes_several; /* arguments */
	bool takes_all;
	bool takes_like;
	bool takes_for;
	bool takes_port; /* --port, --output */
	bool takes_dictionary;
	bool takes_snippet;
	bool takes_filter; /* --board, --place, --since, --failed, --rows, --csv */
};

static const struct verb verbs[] = {
	{ .name = "status", .run = verb_status },
	{ .name = "list", .run = verb_list, .takes_all = true },
	{ .name = "explain", .run = verb_explain, .argument = "PLACE", .takes_like = true },
	{ .name = "flash", .run = verb_flash, .argument = "PLACE", .needs_argument = true },
	{ .name = "identify",
		.run = verb_identify,
		.argument = "PORT",
		.needs_argument = true,
		.takes_dictionary = true },
	{ .name = "jobs", .run = verb_jobs },
	{ .name = "history", .run = verb_history, .takes_all = true, .takes_filter = true },
	{ .name = "log", .run = verb_log, .argument = "JOB", .needs_argument = true },
	{ .name = "release", .run = verb_release, .argument = "PLACE", .needs_argument = true },
	{ .name = "watch", .run = verb_watch, .takes_all = true },
	{ .name = "inspect",
		.run = verb_inspect,
		.argument = "FILE",
		.needs_argument = true,
		.takes_several = true,
		.takes_for = true },
	{ .name = "firmware", .run = verb_firmware },
	{ .name = "boards", .run = verb_boards },
	{ .name = "enroll",
		.run = verb_enroll,
		.argument = "NAME",
		.needs_argument = true,
		.takes_port = true },
	{ .name = "can", .run = verb_can, .argument = "INTERFACE", .takes_snippet = true },
	{ .name = "check", .run = verb_check },
	{ .name = "reload", .run = verb_reload },
};

static void help(void)
{
	fputs("usage: plugflash [VERB] [OPTION…]\n"
	      "\nAsks plugflashd, which flashes boards when they are plugged in.\n"
	      "\n  status             is the service there, what is plugged in, what happened last\n"
	      "                     (this is what plugflash does when no verb is given)\n"
	      "  list [--all]       boards in a boot mode; --all: every USB device\n"
	      "  explain [PLACE]    what would happen to a board, rule by rule, and why;\n"
	      "                     without a place: to every board in a boot mode\n"
	      "  explain --like VID:PID@PLACE\n"
	      "                     the same for a board that is not there\n"
	      "  flash PLACE|NAME   have a board that is there flashed as the policy says, and wait;\n"
	      "                     NAME: of a board in the policy\n"
	      "  identify PORT [--dictionary FILE]\n"
	      "                     ask the board on a serial port what it runs; changes nothing\n"
	      "  jobs               what was done to which board since the service came up\n"
	      "  history [--board NAME|ID] [--place PLACE] [--since WHEN] [--failed]\n"
	      "          [-n ROWS|--all] [--csv]\n"
	      "                     all that was ever done, newest first; 50 rows unless told;\n"
	      "                     WHEN is \"2026-11-01 12:00\", \"today\", \"-2h\", \"-7d\"\n"
	      "  log JOB            all that is known of one job\n"
	      "  release PLACE      end the quarantine of a place: the cause is found\n"
	      "  watch [--all]      follow boards and jobs as it happens, until Ctrl-C\n"
	      "  inspect FILE… [--for BOARD]\n"
	      "                     what is in firmware files, and would they fit: the board at a\n"
	      "                     PLACE, or one that is described, as\n"
	      "                     --for chip=stm32g0b1,base=0x08002000,can=1000000\n"
	      "  firmware           what the firmware directories hold\n"
	      "  boards             the boards that are known: their names in every mode, how those\n"
	      "                     were learnt, where they were and what they ran\n"
	      "  enroll NAME [--port PLACE] [--output FILE]\n"
	      "                     make the policy's entry for the board that is plugged in\n"
	      "  can [INTERFACE] [--snippet ifupdown|networkd]\n"
	      "                     CAN buses: what is wrong with them, and which nodes are there;\n"
	      "                     --snippet: the file that sets them up for good\n"
	      "  check              are policies and installation in order, and if not, what to "
	      "do\n  reload             put the policy files in force (root)\n"
	      "\n  --json             the answer as JSON; watch prints one object a line\n"
	      "  --no-color         no colours (also: NO_COLOR=1, or no terminal)\n"
	      "  --help, --version\n"
	      "\nA PLACE is what \"plugflash list\" shows under PLACE or PORT.\n"
	      "\nexit codes: 0  yes, or simply done\n"
	      "            1  the answer is no: the file does not fit (inspect), nothing would be\n"
	      "               written (explain), something is wrong (check), refused (reload)\n"
	      "            2  wrong usage, no such place, no such file\n"
	      "            3  the service cannot be reached, or does not answer to you\n"
	      "\nexamples:\n"
	      "  plugflash explain 1-1.3\n"
	      "  plugflash explain --like 2e8a:0003@pci-0000:00:14.0-usb-0:1\n"
	      "  plugflash inspect build/widget.uf2 && sudo plugflash reload\n"
	      "  plugflash inspect --for chip=stm32f446,base=0x08008000 out/klipper.bin\n"
	      "  sudo plugflash enroll toolhead --port 1-1.3 && sudo plugflash reload\n"
	      "  plugflash history --failed --since -7d\n"
	      "  plugflash history --all --csv > boards.csv\n"
	      "  plugflash watch --json | jq 'select(.event == \"job\") | .job.outcome'\n",
		stdout);
}

/* ---- the command line ------------------------------------------------------------------- */

/* Words of the user that go back into a sentence. */
static int usage(struct request *request, const char *format, const char *word)
{
	_cleanup_(freep) char *safe = text_escape(word);
	_cleanup_(freep) char *text = text_format(format, safe ? safe : "");
	return problem_set(&request->problem, EXIT_USAGE, "usage", "%s; see plugflash --help",
		text ? text : "wrong usage");
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
		if (text_equal(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

static int check_words(
	struct request *request, const struct verb *verb, char **words, int word_count)
{
	request->argument = word_count > 0 ? words[0] : NULL;
	request->arguments = words;
	request->argument_count = (size_t)word_count;
	if (word_count > (verb->argument ? 1 : 0) && !verb->takes_several)
		return usage(request, "\"%s\" is one word too many", words[word_count - 1]);
	if (verb->needs_argument && !request->argument)
		return usage(request, "%s is missing", verb->argument);
	if (request->all && !verb->takes_all)
		return usage(request, "--all means nothing to %s", verb->name);
	if (request->like && !verb->takes_like)
		return usage(request, "--like means nothing to %s", verb->name);
	if (request->for_board && !verb->takes_for)
		return usage(request, "--for means nothing to %s", verb->name);
	if ((request->port || request->output_file) && !verb->takes_port)
		return usage(request, "--port and --output mean nothing to %s", verb->name);
	if (request->dictionary && !verb->takes_dictionary)
		return usage(request, "--dictionary means nothing to %s", verb->name);
	if (request->snippet && !verb->takes_snippet)
		return usage(request, "--snippet means nothing to %s", verb->name);
	if (request->like && request->argument)
		return usage(request, "give --like or a place (\"%s\"), not both", words[0]);
	return 0;
}

static int check_filter(struct request *request, const struct verb *verb)
{
	const struct history_request *wanted = &request->history;
	bool has_filter = wanted->board || wanted->place || wanted->since_usec || wanted->failed ||
			  wanted->rows || request->csv;
	if (has_filter && !verb->takes_filter)
		return usage(
			request, "--board, --place and the like mean nothing to %s", verb->name);
	if (request->csv && request->json)
		return usage(request, "give --csv or %s, not both", "--json");
	if (request->all && wanted->rows)
		return usage(request, "give -n or %s, not both", "--all");
	return 0;
}

struct choice {
	const struct verb *verb; /* NULL: nothing is left to do */
	bool no_color;
};

static int take_since(struct request *request, const char *text)
{
	if (since_parse(text, clock_usec(CLOCK_REALTIME), &request->history.since_usec) < 0)
		return usage(request,
			"--since wants \"2026-11-01 12:00\", \"today\", \"-2h\" or \"-7d\", not \"%s\"",
			text);
	return 0;
}

static int take_rows(struct request *request, const char *text)
{
	char *end;
	errno = 0;
	unsigned long rows = strtoul(text, &end, 10);
	if (errno != 0 || *end != '\0' || rows == 0 || text[0] < '0' || text[0] > '9')
		return usage(request, "-n wants a number of rows, not \"%s\"", text);
	request->history.rows = rows;
	return 0;
}

/* One option; 0, or negative with the request's problem set. */
static int take_option(int option, char **argv, struct request *request, struct choice *choice)
{
	switch (option) {
	case 'j':
		request->json = true;
		return 0;
	case 'a':
		request->all = true;
		return 0;
	case 'l':
		request->like = optarg;
		return 0;
	case 'F':
		request->for_board = optarg;
		return 0;
	case 'P':
		request->port = optarg;
		return 0;
	case 'o':
		request->output_file = optarg;
		return 0;
	case 'D':
		request->dictionary = optarg;
		return 0;
	case 'S':
		request->snippet = optarg;
		return 0;
	case 'b':
		request->history.board = optarg;
		return 0;
	case 'p':
		request->history.place = optarg;
		return 0;
	case 's':
		return take_since(request, optarg);
	case 'f':
		request->history.failed = true;
		return 0;
	case 'n':
		return take_rows(request, optarg);
	case 'c':
		request->csv = true;
		return 0;
	case 'C':
		choice->no_color = true;
		return 0;
	case ':':
		return usage(request, "%s wants a value", argv[optind - 1]);
	default:
		return usage(request, "there is no option \"%s\"", argv[optind - 1]);
	}
}

/* 0 and what to do, or negative with the request's problem set. */
static int parse(int argc, char **argv, struct request *request, struct choice *ret)
{
	static const struct option long_options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "all", no_argument, NULL, 'a' },
		{ "like", required_argument, NULL, 'l' },
		{ "for", required_argument, NULL, 'F' },
		{ "port", required_argument, NULL, 'P' },
		{ "output", required_argument, NULL, 'o' },
		{ "dictionary", required_argument, NULL, 'D' },
		{ "snippet", required_argument, NULL, 'S' },
		{ "board", required_argument, NULL, 'b' },
		{ "place", required_argument, NULL, 'p' },
		{ "since", required_argument, NULL, 's' },
		{ "failed", no_argument, NULL, 'f' },
		{ "rows", required_argument, NULL, 'n' },
		{ "csv", no_argument, NULL, 'c' },
		{ "no-color", no_argument, NULL, 'C' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ 0 },
	};
	opterr = 0;
	for (int option; (option = getopt_long(argc, argv, ":hn:", long_options, NULL)) != -1;) {
		if (option == 'h')
			return help(), 0;
		if (option == 'v')
			return puts("plugflash " VERSION), 0;
		int r = take_option(option, argv, request, ret);
		if (r < 0)
			return r;
	}
	const char *name = optind < argc ? argv[optind++] : "status";
	const struct verb *verb = find_verb(name);
	if (!verb)
		return usage(request, "there is no verb \"%s\"", name);
	ret->verb = verb;
	int r = check_filter(request, verb);
	return r < 0 ? r : check_words(request, verb, argv + optind, argc - optind);
}

/* ---- the end ---------------------------------------------------------------------------- */

static void say_as_json(const struct problem *problem)
{
	_cleanup_(json_deletep) cJSON *answer = cJSON_CreateObject();
	cJSON *error = answer ? cJSON_AddObjectToObject(answer, "error") : NULL;
	if (error && json_put_text(error, "code", problem->code) == 0 &&
		json_put_text(error, "sentence", problem->sentence ? problem->sentence : "") == 0)
		(void)json_print(stdout, answer, true);
}

/* Says what went wrong, for people always on stderr, and returns the exit code. */
static int conclude(struct request *request, int r)
{
	if (r < 0 && !request->problem.code)
		problem_set(&request->problem, EXIT_UNREACHABLE, "internal", "%s", strerror(-r));
	if (r < 0) {
		const struct problem *problem = &request->problem;
		if (request->json)
			say_as_json(problem);
		fprintf(stderr, "plugflash: %s\n",
			problem->sentence ? problem->sentence : problem->code);
		r = (int)problem->exit_code;
	}
	/* A report that did not arrive (a full disk, say) must not look like a good answer. */
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fputs("plugflash: the answer could not be written\n", stderr);
		r = EXIT_UNREACHABLE;
	}
	problem_done(&request->problem);
	return r;
}

int main(int argc, char **argv)
{
	setlocale(LC_CTYPE, "");
	struct request request = { 0 };
	struct choice choice = { 0 };
	int r = parse(argc, argv, &request, &choice);
	struct output output =
		output_over(stdout, !choice.no_color && !request.json && !request.csv);
	request.output = &output;
	if (r >= 0 && choice.verb)
		r = choice.verb->run(&request);
	return conclude(&request, r);
}
