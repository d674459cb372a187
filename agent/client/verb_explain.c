/* SPDX-License-Identifier: MIT */
/* What would happen to a board, and why: the service judges, this shows the judgement. */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "client/service.h"
#include "client/verb.h"
#include "client/view.h"
#include "model/provenance.h"

#define SHORT_DIGEST 16 /* characters for people; --json has all */

static bool would_write(const cJSON *explanation)
{
	const char *verdict = json_text(explanation, "verdict");
	return text_equal(verdict, "flash") || text_equal(verdict, "probe");
}

/* ---- for people ------------------------------------------------------------------------- */

static void put_label(const struct output *output, const char *label)
{
	output_tinted(output, TINT_FAINT, "  %-9s", label);
}

static void put_line(const struct output *output, const char *label, const char *text)
{
	if (!*text)
		return;
	put_label(output, label);
	fprintf(output->stream, "%s\n", text);
}

/* "stm32f429 (the firmware in its flash says so)", a new string. */
static char *chip_text(const cJSON *explanation)
{
	static const struct {
		const char *origin, *text;
	} origins[] = {
		{ "seen-before", "it was seen a moment ago as its application" },
		{ "own-write", "it was being written for this chip" },
		{ "firmware", "the firmware in its flash says so" },
		{ "policy", "the policy states it" },
	};
	const char *origin = json_text(explanation, "chip_from");
	for (size_t i = 0; i < ELEMENTSOF(origins); i++)
		if (text_equal(origins[i].origin, origin))
			return text_format(
				"%s (%s)", json_text(explanation, "chip"), origins[i].text);
	return view_chip(explanation);
}

/* Which board it is, and how that is known. */
static void show_id(const struct output *output, const cJSON *explanation)
{
	int origin = provenance_from_name(json_text(explanation, "id_from"));
	if (origin <= 0)
		return;
	_cleanup_(freep) char *text = text_format("%s (%s)", json_text(explanation, "unique_id"),
		provenance_text((enum provenance)origin));
	if (text)
		put_line(output, "id", text);
}

/* What was found in its flash, beside the content. */
static void show_flash(const struct output *output, const cJSON *explanation)
{
	const char *bootloader = json_text(explanation, "bootloader");
	const char *mcu = json_text(explanation, "runs_mcu");
	const char *version = json_text(explanation, "runs_version");
	_cleanup_(freep) char *text = text_format("%s%s%s%s%s%s",
		json_flag(explanation, "read_protected") ? "read-protected" : "", mcu,
		*mcu ? " " : "", version,
		*bootloader && *version ? ", boot loader "
		: *bootloader           ? "boot loader "
					: "",
		bootloader);
	if (text)
		put_line(output, "flash", text);
}

static void show_facts(const struct output *output, const cJSON *explanation)
{
	_cleanup_(freep) char *chip = chip_text(explanation);
	double revision = json_number(explanation, "rom_revision");
	double flash = json_number(explanation, "flash_size_bytes");
	_cleanup_(freep) char *size = output_bytes(flash);
	put_label(output, "board");
	fprintf(output->stream, "%s", chip ? chip : "");
	if (revision > 0)
		fprintf(output->stream, ", ROM revision %.0f", revision);
	fprintf(output->stream, ", %s of flash, content %s\n",
		flash > 0 && size ? size : "unknown amount",
		json_text(explanation, "flash_content"));
	show_id(output, explanation);
	show_flash(output, explanation);
}

static enum tint match_tint(const char *match)
{
	if (text_equal(match, "yes"))
		return TINT_GOOD;
	return text_equal(match, "maybe") ? TINT_WARNING : TINT_FAINT;
}

static void show_rules(const struct output *output, const cJSON *explanation)
{
	const char *label = "rules";
	const cJSON *rule;
	cJSON_ArrayForEach(rule, json_list(explanation, "rules"))
	{
		const char *match = json_text(rule, "match");
		const char *why = json_text(rule, "why");
		put_label(output, label);
		output_tinted(output, match_tint(match), "%-5s", match);
		fprintf(output->stream, " \"%s\"%s%s", json_text(rule, "rule"), *why ? ": " : "",
			why);
		output_tinted(output, TINT_FAINT, "  (%s:%.0f)\n", json_text(rule, "file"),
			json_number(rule, "line"));
		label = "";
	}
	if (*label)
		put_line(output, label, "there are none");
}

static void show_image(const struct output *output, const cJSON *explanation)
{
	const char *image = json_text(explanation, "image");
	if (!*image)
		return;
	put_label(output, "image");
	fputs(image, output->stream);
	const char *digest = json_text(explanation, "image_sha256");
	if (*digest)
		output_tinted(output, TINT_FAINT, "  sha256 %.*s…", SHORT_DIGEST, digest);
	fputc('\n', output->stream);
}

static void show_printer(const struct output *output, const cJSON *explanation)
{
	const char *printer = json_text(explanation, "printer");
	if (!*printer)
		return;
	put_label(output, "printer");
	fprintf(output->stream,
		"\"%s\" is asked first: only when it does not print is the board written\n",
		printer);
}

/* Refusals one by one; the sentence would only join them. */
static void show_verdict(const struct output *output, const cJSON *explanation)
{
	const char *verdict = json_text(explanation, "verdict");
	const cJSON *reasons = json_list(explanation, "reasons");
	enum tint tint = would_write(explanation)        ? TINT_GOOD
			 : text_equal(verdict, "refuse") ? TINT_BAD
							 : TINT_WARNING;
	put_label(output, "verdict");
	output_tinted(output, tint, "%s", verdict);
	if (!reasons || !reasons->child) {
		fprintf(output->stream, ": %s\n", json_text(explanation, "sentence"));
		return;
	}
	fputc('\n', output->stream);
	const cJSON *reason;
	cJSON_ArrayForEach(reason, reasons)
	{
		put_label(output, "");
		output_tinted(output, TINT_BAD, "%s", json_text(reason, "code"));
		fprintf(output->stream, ": %s\n", json_text(reason, "sentence"));
	}
}

static void show(const struct output *output, const cJSON *explanation)
{
	output_tinted(output, TINT_STRONG, "%s\n", json_text(explanation, "board"));
	put_line(output, "place", json_text(explanation, "place"));
	show_facts(output, explanation);
	show_rules(output, explanation);
	show_image(output, explanation);
	show_printer(output, explanation);
	show_verdict(output, explanation);
}

/* ---- asking ----------------------------------------------------------------------------- */

static int ask(sd_bus *bus, const char *method, const char *argument, cJSON *explanations,
	struct problem *problem)
{
	/* The bus carries nothing but UTF-8, and no place has anything else in it. */
	if (!text_is_plain(argument)) {
		_cleanup_(freep) char *safe = text_escape(argument);
		return problem_set(problem, EXIT_USAGE, "no-board",
			"nothing is plugged in at %s; \"plugflash list\" shows the places",
			safe ? safe : "that place");
	}
	cJSON *explanation = NULL;
	int r = service_call(bus, method, argument, &explanation, problem);
	return r < 0 ? r : json_append(explanations, explanation);
}

static int ask_all(sd_bus *bus, cJSON *explanations, struct problem *problem)
{
	_cleanup_(json_deletep) cJSON *devices = NULL;
	int r = service_call(bus, "ListDevices", NULL, &devices, problem);
	if (r < 0)
		return r;
	const cJSON *device;
	cJSON_ArrayForEach(device, devices)
	{
		if (!view_is_board(device))
			continue;
		_cleanup_(problem_done) struct problem local = { 0 };
		r = ask(bus, "Explain", json_text(device, "place"), explanations, &local);
		if (r < 0 && text_equal(local.code, "no-board"))
			continue; /* has left meanwhile */
		if (r < 0) {
			*problem = local;
			local = (struct problem){ 0 };
			return r;
		}
	}
	return 0;
}

int verb_explain(struct request *request)
{
	struct problem *problem = &request->problem;
	_cleanup_(service_closep) sd_bus *bus = NULL;
	_cleanup_(json_deletep) cJSON *answer = cJSON_CreateObject();
	cJSON *explanations = answer ? cJSON_AddArrayToObject(answer, "explanations") : NULL;
	int r = explanations ? service_open(&bus, problem) : -ENOMEM;
	if (r >= 0 && request->like)
		r = ask(bus, "ExplainLike", request->like, explanations, problem);
	else if (r >= 0 && request->argument)
		r = ask(bus, "Explain", request->argument, explanations, problem);
	else if (r >= 0)
		r = ask_all(bus, explanations, problem);
	if (r < 0)
		return r;

	r = EXIT_YES;
	const cJSON *explanation;
	cJSON_ArrayForEach(explanation, explanations)
	{
		if (!would_write(explanation))
			r = EXIT_NO;
		if (!request->json)
			show(request->output, explanation);
		if (!request->json && explanation->next)
			fputc('\n', request->output->stream);
	}
	if (request->json)
		json_print(request->output->stream, answer, false);
	else if (!explanations->child)
		fputs("No board in boot mode is plugged in; --like 2e8a:0003@PLACE asks about one "
		      "that is not there.\n",
			request->output->stream);
	return r;
}
