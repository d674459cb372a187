/* SPDX-License-Identifier: MIT */
/* Text for people; see output.h. */
#include <langinfo.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/text.h"
#include "client/output.h"

#define COLUMNS_MAX 8 /* of a table */
#define NOTE_INDENT "     "

static bool wants_colors(FILE *stream)
{
	const char *no_color = getenv("NO_COLOR");
	const char *terminal = getenv("TERM");
	return isatty(fileno(stream)) && !(no_color && *no_color) &&
	       !(terminal && text_equal(terminal, "dumb"));
}

struct output output_over(FILE *stream, bool colors)
{
	const char *terminal = getenv("TERM");
	return (struct output){
		.stream = stream,
		.colors = colors && wants_colors(stream),
		.is_terminal =
			isatty(fileno(stream)) && !(terminal && text_equal(terminal, "dumb")),
		.has_unicode = text_equal(nl_langinfo(CODESET), "UTF-8"),
	};
}

void output_terminal_size(const struct output *output, size_t *ret_columns, size_t *ret_rows)
{
	struct winsize size = { 0 };
	if (ioctl(fileno(output->stream), TIOCGWINSZ, &size) < 0)
		size = (struct winsize){ 0 };
	*ret_columns = size.ws_col > 0 ? size.ws_col : 80;
	*ret_rows = size.ws_row > 0 ? size.ws_row : 24;
}

void output_tinted(const struct output *output, enum tint tint, const char *format, ...)
{
	static const char *const codes[_TINT_MAX] = {
		[TINT_GOOD] = "32",
		[TINT_BAD] = "1;31",
		[TINT_WARNING] = "33",
		[TINT_FAINT] = "2",
		[TINT_STRONG] = "1",
	};
	const char *code = output->colors ? codes[tint] : NULL;
	if (code)
		fprintf(output->stream, "\033[%sm", code);
	va_list arguments;
	va_start(arguments, format);
	vfprintf(output->stream, format, arguments);
	va_end(arguments);
	if (code)
		fputs("\033[0m", output->stream);
}

/* ---- widths ----------------------------------------------------------------------------- */

static bool starts_character(char byte)
{
	return ((unsigned char)byte & 0xC0) != 0x80;
}

size_t output_width(const char *text)
{
	size_t width = 0;
	for (; *text; text++)
		width += starts_character(*text);
	return width;
}

void output_cut(char *text, size_t columns)
{
	size_t width = 0;
	for (; *text; text++) {
		width += starts_character(*text);
		if (width > columns) {
			*text = '\0';
			return;
		}
	}
}

/* ---- tables ----------------------------------------------------------------------------- */

static char *cell_of(const struct column *column, const cJSON *row)
{
	return column->cell ? column->cell(row) : strdup(json_text(row, column->key));
}

/* 0: the column is empty and is left out. */
static size_t column_width(const struct column *column, const cJSON *rows)
{
	size_t widest = 0;
	const cJSON *row;
	cJSON_ArrayForEach(row, rows)
	{
		_cleanup_(freep) char *cell = cell_of(column, row);
		size_t width = cell ? output_width(cell) : 0;
		widest = width > widest ? width : widest;
	}
	size_t title = output_width(column->title);
	return widest == 0 || widest > title ? widest : title;
}

/* Blanks are put before a cell and not behind it, so that no line ends with them. */
static void put_row(const struct output *output, const struct column *columns, size_t column_count,
	const size_t *widths, const cJSON *row)
{
	int blanks = 0;
	for (size_t i = 0; i < column_count; i++) {
		if (widths[i] == 0)
			continue;
		_cleanup_(freep) char *cell =
			row ? cell_of(&columns[i], row) : strdup(columns[i].title);
		size_t used = cell ? output_width(cell) : 0;
		enum tint tint = row ? TINT_NONE : TINT_FAINT;
		if (row && columns[i].tint)
			tint = columns[i].tint(row);
		if (used > 0) {
			fprintf(output->stream, "%*s", blanks, "");
			output_tinted(output, tint, "%s", cell);
			blanks = 0;
		}
		blanks += (int)(widths[i] - used) + 2;
	}
	fputc('\n', output->stream);
}

void output_table(const struct output *output, const struct column *columns, size_t column_count,
	const cJSON *rows, char *(*note)(const cJSON *object))
{
	size_t widths[COLUMNS_MAX];
	column_count = column_count < COLUMNS_MAX ? column_count : COLUMNS_MAX;
	for (size_t i = 0; i < column_count; i++)
		widths[i] = column_width(&columns[i], rows);
	put_row(output, columns, column_count, widths, NULL);
	const cJSON *row;
	cJSON_ArrayForEach(row, rows)
	{
		put_row(output, columns, column_count, widths, row);
		_cleanup_(freep) char *text = note ? note(row) : NULL;
		if (text)
			output_tinted(output, TINT_FAINT, NOTE_INDENT "%s\n", text);
	}
}

/* ---- amounts ---------------------------------------------------------------------------- */

char *output_bytes(double bytes)
{
	if (bytes < 1024)
		return text_format("%.0f B", bytes);
	if (bytes < 1024 * 1024)
		return text_format("%.*f KiB", bytes < 10240 ? 1 : 0, bytes / 1024);
	return text_format("%.1f MiB", bytes / (1024 * 1024));
}

char *output_duration(double usec)
{
	if (usec < 59.95e6)
		return text_format("%.1f s", usec / 1e6);
	unsigned long seconds = (unsigned long)(usec / 1e6 + 0.5);
	return text_format("%lu min %02lu s", seconds / 60, seconds % 60);
}

char *output_count(double count, const char *singular, const char *plural)
{
	return text_format("%.0f %s", count, count == 1 ? singular : plural);
}
