/* SPDX-License-Identifier: MIT */
/* What is in a firmware file, for people; see inspection.h. */
#include "client/inspection.h"

#define SEGMENTS_SHOWN 12

static void put_label(const struct output *output, const char *label)
{
	output_tinted(output, TINT_FAINT, "  %-11s", label);
}

static void show_line(const struct output *output, const char *label, const char *text)
{
	if (!*text)
		return;
	put_label(output, label);
	fprintf(output->stream, "%s\n", text);
}

/* ---- the bytes --------------------------------------------------------------------------- */

static void show_segments(const struct output *output, const cJSON *answer)
{
	const char *label = "segments";
	size_t shown = 0;
	const cJSON *segment, *list = json_list(answer, "segments");
	cJSON_ArrayForEach(segment, list)
	{
		if (shown++ >= SEGMENTS_SHOWN)
			break;
		_cleanup_(freep) char *size = output_bytes(json_number(segment, "length"));
		put_label(output, label);
		fprintf(output->stream, "%s  %s\n", json_text(segment, "address"),
			size ? size : "");
		label = "";
	}
	size_t all = (size_t)cJSON_GetArraySize(list);
	if (all > SEGMENTS_SHOWN) {
		put_label(output, "");
		fprintf(output->stream, "and %zu more\n", all - SEGMENTS_SHOWN);
	}
}

static void show_format(const struct output *output, const cJSON *answer)
{
	_cleanup_(freep) char *size = output_bytes(json_number(answer, "bytes"));
	const char *family = json_text(answer, "uf2_family");
	put_label(output, "format");
	fprintf(output->stream, "%s%s, %s of firmware", json_text(answer, "format"),
		json_flag(answer, "gzip") ? " (.gz)" : "", size ? size : "");
	if (*family)
		fprintf(output->stream, ", for family %s (%s)",
			json_text(answer, "uf2_family_name"), family);
	if (json_flag(answer, "linux_program"))
		fputs(", a program for Linux", output->stream);
	else if (!json_flag(answer, "states_address"))
		fputs(", states no address", output->stream);
	fputc('\n', output->stream);
	put_label(output, "sha256");
	fprintf(output->stream, "%s (addresses and content)\n", json_text(answer, "sha256"));
	if (!json_flag(answer, "linux_program"))
		show_segments(output, answer);
}

/* ---- what would start -------------------------------------------------------------------- */

static void show_boot2(const struct output *output, const cJSON *boot2)
{
	bool valid = json_flag(boot2, "valid");
	put_label(output, "boot2");
	output_tinted(
		output, valid ? TINT_GOOD : TINT_BAD, "checksum %s", valid ? "right" : "wrong");
	fprintf(output->stream, " (%s, computed %s)\n", json_text(boot2, "crc32"),
		json_text(boot2, "crc32_computed"));
}

static void show_image_def(const struct output *output, const cJSON *definition)
{
	bool program = json_flag(definition, "program");
	const char *what = json_flag(definition, "data") ? "data" : "no program for an rp2350";
	put_label(output, "blocks");
	output_tinted(output, program ? TINT_GOOD : TINT_BAD, "%s", program ? "program" : what);
	if (program)
		fprintf(output->stream, " for %s, %s", json_text(definition, "processor"),
			json_flag(definition, "secure") ? "secure" : "non-secure");
	if (json_flag(definition, "partition_table"))
		fputs(", with a partition table", output->stream);
	fprintf(output->stream, " (the first of %.0f at %s)\n", json_number(definition, "blocks"),
		json_text(definition, "address"));
}

static void show_start(const struct output *output, const cJSON *answer)
{
	const cJSON *boot2 = json_list(answer, "boot2"), *vectors = json_list(answer, "vectors");
	const cJSON *definition = json_list(answer, "image_def");
	if (boot2)
		show_boot2(output, boot2);
	if (definition)
		show_image_def(output, definition);
	if (vectors) {
		bool plausible = json_flag(vectors, "plausible");
		put_label(output, "vectors");
		output_tinted(output, plausible ? TINT_GOOD : TINT_BAD, "%s",
			plausible ? "plausible" : "implausible");
		fprintf(output->stream, " (stack %s, reset %s)\n", json_text(vectors, "stack"),
			json_text(vectors, "reset"));
	}
}

static void show_link(const struct output *output, const cJSON *answer)
{
	const char *address = json_text(answer, "link_address"), *separator = "";
	const cJSON *candidate;
	if (json_flag(answer, "linux_program"))
		return;
	put_label(output, "built for");
	if (*address) {
		fprintf(output->stream, "%s (%s)\n", address, json_text(answer, "link_signs"));
	} else {
		output_tinted(output, TINT_WARNING, "an address that its bytes do not prove");
		cJSON_ArrayForEach(candidate, json_list(answer, "link_candidates"))
		{
			fprintf(output->stream, "%s%s", *separator ? separator : " (",
				cJSON_GetStringValue(candidate));
			separator = ", ";
		}
		fputs(*separator ? ")\n" : "\n", output->stream);
	}
	if (json_flag(answer, "truncated")) {
		put_label(output, "");
		output_tinted(output, TINT_BAD, "its end is missing\n");
	}
}

/* ---- what it says ------------------------------------------------------------------------ */

static void show_rate(const struct output *output, const char *text, double rate, const char *unit)
{
	if (rate > 0)
		fprintf(output->stream, "%s%.0f %s", text, rate, unit);
}

static void show_pins(const struct output *output, const cJSON *klipper)
{
	const char *separator = "", *initial = json_text(klipper, "initial_pins");
	const cJSON *pins;
	put_label(output, "pins");
	cJSON_ArrayForEach(pins, json_list(klipper, "reserved_pins"))
	{
		fprintf(output->stream, "%s%s %s", separator, pins->string,
			cJSON_GetStringValue(pins));
		separator = "; ";
	}
	if (*initial)
		fprintf(output->stream, "%sset at the start %s", separator, initial);
	fputs(*separator || *initial ? "\n" : "none reserved\n", output->stream);
}

static void show_klipper(const struct output *output, const cJSON *klipper)
{
	const char *application = json_text(klipper, "application");
	put_label(output, "firmware");
	output_tinted(output, TINT_STRONG, "%s", *application ? application : "Klipper");
	fprintf(output->stream, " %s\n", json_text(klipper, "version"));
	show_line(output, "built with", json_text(klipper, "build_versions"));
	put_label(output, "mcu");
	fprintf(output->stream, "%s", json_text(klipper, "mcu"));
	show_rate(output, " at ", json_number(klipper, "clock_hz") / 1e6, "MHz");
	fprintf(output->stream, ", talks %s", json_text(klipper, "transport"));
	show_rate(output, " at ", json_number(klipper, "can_bitrate"), "bit/s");
	show_rate(output, " at ", json_number(klipper, "serial_baud"), "baud");
	fputc('\n', output->stream);
	show_pins(output, klipper);
}

static void show_binary_info(const struct output *output, const cJSON *info)
{
	put_label(output, "firmware");
	output_tinted(output, TINT_STRONG, "%s",
		*json_text(info, "program") ? json_text(info, "program") : "unnamed");
	fprintf(output->stream, " %s\n", json_text(info, "version"));
	show_line(output, "about", json_text(info, "description"));
	show_line(output, "url", json_text(info, "url"));
	show_line(output, "board", json_text(info, "board"));
	show_line(output, "built", json_text(info, "build_date"));
	show_line(output, "pico-sdk", json_text(info, "sdk_version"));
}

static void show_says(const struct output *output, const cJSON *answer)
{
	const cJSON *klipper = json_list(answer, "klipper");
	const cJSON *info = json_list(answer, "binary_info");
	show_line(output, "kind", json_text(answer, "kind"));
	if (*json_text(answer, "chip")) {
		put_label(output, "chip");
		fprintf(output->stream, "%s (%s)\n", json_text(answer, "chip"),
			json_text(answer, "chip_from"));
	}
	if (klipper)
		show_klipper(output, klipper);
	if (info)
		show_binary_info(output, info);
}

/* ---- the verdict ------------------------------------------------------------------------- */

static void show_verdict(const struct output *output, const cJSON *answer)
{
	const char *board = json_text(answer, "board_text");
	put_label(output, "verdict");
	if (json_flag(answer, "fits")) {
		output_tinted(output, TINT_GOOD, "fits %s", board);
		fputs(json_number(answer, "board_flash_bytes") > 0 ? "\n"
								   : ", if that has flash enough\n",
			output->stream);
		return;
	}
	if (*board)
		output_tinted(output, TINT_BAD, "does not fit %s\n", board);
	else
		output_tinted(output, TINT_BAD, "%s\n",
			*json_text(answer, "format") ? "cannot be judged without a board"
						     : "is no firmware that can be used");
	const cJSON *reason;
	cJSON_ArrayForEach(reason, json_list(answer, "reasons"))
	{
		put_label(output, "");
		output_tinted(output, TINT_BAD, "%s", json_text(reason, "code"));
		fprintf(output->stream, ": %s\n", json_text(reason, "sentence"));
	}
}

void inspection_show(const struct output *output, const cJSON *answer)
{
	output_tinted(output, TINT_STRONG, "%s\n", json_text(answer, "file"));
	if (*json_text(answer, "format")) {
		show_format(output, answer);
		show_says(output, answer);
		show_link(output, answer);
		show_start(output, answer);
	}
	show_verdict(output, answer);
}
