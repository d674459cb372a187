/* SPDX-License-Identifier: MIT */
/* The book of boards for people; see view.h. */
#include <string.h>

#include "base/text.h"
#include "client/view.h"
#include "model/provenance.h"

/* In this order, each with what it is called; what has another kind is not for people. */
static const struct {
	const char *kind, *title;
} titles[] = {
	{ "runtime-serial", "serial" },
	{ "katapult-serial", "in Katapult" },
	{ "flash-id", "flash id" },
	{ "dfu-serial", "in DFU" },
	{ "dfu-serial-computed", "in DFU" },
	{ "can-uuid", "CAN uuid" },
	{ "can-uuid-computed", "CAN uuid" },
	{ "firmware", "firmware" },
	{ "image", "written" },
	{ "place", "place" },
	{ "name", "was called" },
};

#define SHORT_DIGEST 16 /* characters for people; --json has all */

static bool is_called(const cJSON *board, const char *name)
{
	const cJSON *entry;
	cJSON_ArrayForEach(entry, json_list(board, "names"))
	{
		if (text_equal(cJSON_GetStringValue(entry), name))
			return true;
	}
	return false;
}

static bool has_value(const cJSON *board, const char *kind, const char *value)
{
	const cJSON *tie;
	cJSON_ArrayForEach(tie, json_list(board, "ties"))
	{
		if (text_equal(json_text(tie, "kind"), kind) &&
			text_equal(json_text(tie, "value"), value))
			return true;
	}
	return false;
}

/* What was computed is not told again where it was seen, nor a name that is in force. */
static bool is_told_already(const cJSON *board, const cJSON *tie)
{
	const char *kind = json_text(tie, "kind"), *value = json_text(tie, "value");
	if (text_equal(kind, "dfu-serial-computed"))
		return has_value(board, "dfu-serial", value);
	if (text_equal(kind, "can-uuid-computed"))
		return has_value(board, "can-uuid", value);
	return text_equal(kind, "name") && is_called(board, value);
}

static void show_tie(const struct output *output, const char *title, const cJSON *tie)
{
	const char *value = json_text(tie, "value");
	bool is_digest = text_equal(json_text(tie, "kind"), "image");
	bool is_recent = text_equal(json_text(tie, "kind"), "place") ||
			 text_equal(json_text(tie, "kind"), "firmware") || is_digest;
	int learnt = provenance_from_name(json_text(tie, "learnt"));
	_cleanup_(freep) char *when = view_time(json_number(tie, "last_realtime_usec"));
	output_tinted(output, TINT_FAINT, "  %-12s", title);
	fprintf(output->stream, "%.*s%s", is_digest ? SHORT_DIGEST : (int)strlen(value), value,
		is_digest ? "…" : "");
	if (is_recent)
		output_tinted(output, TINT_FAINT, "  %s", when ? when : "");
	else if (learnt > 0)
		output_tinted(
			output, TINT_FAINT, "  (%s)", provenance_text((enum provenance)learnt));
	fputc('\n', output->stream);
}

static void show_kind(const struct output *output, const cJSON *board, size_t kind)
{
	const cJSON *tie;
	cJSON_ArrayForEach(tie, json_list(board, "ties"))
	{
		if (text_equal(json_text(tie, "kind"), titles[kind].kind) &&
			!is_told_already(board, tie))
			show_tie(output, titles[kind].title, tie);
	}
}

static void show_names(const struct output *output, const cJSON *board)
{
	const cJSON *names = json_list(board, "names"), *name;
	if (!names || !names->child)
		output_tinted(output, TINT_WARNING, "not enrolled");
	cJSON_ArrayForEach(name, names)
	{
		const char *text = cJSON_GetStringValue(name);
		output_tinted(
			output, TINT_STRONG, "%s%s", text ? text : "", name->next ? ", " : "");
	}
}

static void show_board(const struct output *output, const cJSON *board)
{
	const char *chip = json_text(board, "chip");
	show_names(output, board);
	fprintf(output->stream, "  %s%s%s\n", chip, *chip ? "  " : "", json_text(board, "id"));
	if (!json_list(board, "ties"))
		output_tinted(output, TINT_FAINT, "  was never met\n");
	for (size_t kind = 0; kind < ELEMENTSOF(titles); kind++)
		show_kind(output, board, kind);
}

void view_passports(const struct output *output, const cJSON *boards)
{
	const cJSON *board;
	cJSON_ArrayForEach(board, boards)
	{
		show_board(output, board);
		if (board->next)
			fputc('\n', output->stream);
	}
}
