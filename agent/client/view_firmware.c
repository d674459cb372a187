/* SPDX-License-Identifier: MIT */
/* The firmware store for people; see view.h. */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "client/view.h"

static bool is_usable(const cJSON *file)
{
	return json_flag(file, "usable");
}

/* The directory is the same for most of them, and long. */
static char *file_cell(const cJSON *file)
{
	const char *path = json_text(file, "path"), *slash = strrchr(path, '/');
	return strdup(slash ? slash + 1 : path);
}

static char *firmware_cell(const cJSON *file)
{
	const char *name = json_text(file, "application");
	if (!*name)
		name = json_text(file, "program");
	return strdup(*name ? name : json_text(file, "kind"));
}

static char *address_cell(const cJSON *file)
{
	double address = json_number(file, "link_address");
	return address > 0 ? text_format("0x%08" PRIx32, (uint32_t)address) : NULL;
}

static char *wire_cell(const cJSON *file)
{
	double bitrate = json_number(file, "can_bitrate");
	return bitrate > 0 ? text_format("%s %.0fk", json_text(file, "transport"), bitrate / 1000)
			   : strdup(json_text(file, "transport"));
}

static char *size_cell(const cJSON *file)
{
	return output_bytes(json_number(file, is_usable(file) ? "bytes" : "file_bytes"));
}

static enum tint chip_tint(const cJSON *file)
{
	return is_usable(file) ? TINT_NONE : TINT_BAD;
}

static char *chip_cell(const cJSON *file)
{
	return strdup(is_usable(file) ? json_text(file, "chip") : json_text(file, "reason"));
}

static char *why_not(const cJSON *file)
{
	return is_usable(file) ? NULL : strdup(json_text(file, "sentence"));
}

void view_firmware(const struct output *output, const cJSON *files)
{
	static const struct column columns[] = {
		{ .title = "FILE", .cell = file_cell },
		{ .title = "CHIP", .cell = chip_cell, .tint = chip_tint },
		{ .title = "FIRMWARE", .cell = firmware_cell },
		{ .title = "VERSION", .key = "version" },
		{ .title = "AT", .cell = address_cell },
		{ .title = "TALKS", .cell = wire_cell },
		{ .title = "SIZE", .cell = size_cell },
	};
	if (files && files->child)
		output_table(output, columns, ELEMENTSOF(columns), files, why_not);
	else
		fputs("No firmware is there. \"plugflash status\" says where it belongs.\n",
			output->stream);
}
