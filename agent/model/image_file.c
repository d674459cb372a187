/* SPDX-License-Identifier: MIT */
/* What kind of firmware file it is, its bytes decide and not its name; see image_parse(). */
#include <ctype.h>
#include <string.h>

#include "model/image_builder.h"
#include "model/uf2.h"

#define BIN_BYTES_MIN 512u

static int reject(int r)
{
	return r < 0 ? r : IMAGE_REJECTED;
}

/* ---- files that are something else ------------------------------------------------------- */

#define UNPACK  "it is packed: unpack it and offer what is inside"
#define CONVERT "plugflash reads .uf2 and .bin so far, and most builds make one of them beside it"
#define SAVE    "save the firmware itself, not the page about it"

static const struct {
	const char *magic;
	size_t length;
	const char *name;
	const char *advice;
} foreign_formats[] = {
	{ "\177ELF", 4, "an ELF program", CONVERT },
	{ "DfuSe", 5, "a DfuSe file", CONVERT },
	{ "\x1f\x8b", 2, "a gzip file", UNPACK },
	{ "PK\x03\x04", 4, "a zip archive", UNPACK },
	{ "BZh", 3, "a bzip2 file", UNPACK },
	{ "\3757zXZ", 5, "an xz file", UNPACK },
	{ "\x28\xb5\x2f\xfd", 4, "a zstd file", UNPACK },
	{ "<!DOCTYPE", 9, "a web page", SAVE },
	{ "<!doctype", 9, "a web page", SAVE },
	{ "<html", 5, "a web page", SAVE },
	{ "version https://git-lfs", 23, "a pointer of git-lfs", "fetch the file it stands for" },
};

/* The start of a line of hexadecimal text: one mark, then at least `digits` digits. */
static bool is_hexadecimal_line(const uint8_t *data, size_t length, size_t digits)
{
	if (length <= digits)
		return false;
	for (size_t i = 1; i <= digits; i++)
		if (!isxdigit(data[i]))
			return false;
	return true;
}

/* A .dfu file is a raw image with 16 bytes behind it that no flash is to hold. */
static bool has_dfu_suffix(const uint8_t *data, size_t length)
{
	return length >= 16 && memcmp(data + length - 8, "UFD\x10", 4) == 0;
}

static bool foreign_format(
	const uint8_t *data, size_t length, const char **ret_name, const char **ret_advice)
{
	for (size_t i = 0; i < ELEMENTSOF(foreign_formats); i++)
		if (length >= foreign_formats[i].length &&
			memcmp(data, foreign_formats[i].magic, foreign_formats[i].length) == 0) {
			*ret_name = foreign_formats[i].name;
			*ret_advice = foreign_formats[i].advice;
			return true;
		}
	*ret_advice = CONVERT;
	if (length > 0 && data[0] == ':' && is_hexadecimal_line(data, length, 10))
		*ret_name = "an Intel HEX file";
	else if (length > 0 && data[0] == 'S' && is_hexadecimal_line(data, length, 9))
		*ret_name = "a Motorola S-record file";
	else if (has_dfu_suffix(data, length))
		*ret_name = "a DFU file";
	else
		return false;
	return true;
}

/* ---- the choice -------------------------------------------------------------------------- */

static int parse_bin(
	const uint8_t *data, size_t length, struct reasons *reasons, struct image **ret)
{
	if (length < BIN_BYTES_MIN)
		return reject(reasons_add(reasons, REASON_IMAGE_TRUNCATED,
			"the file holds %zu bytes, which is too short for any firmware: copy or "
			"build it again",
			length));
	return image_from_raw(FORMAT_BIN, data, length, reasons, ret);
}

int image_parse(const void *data, size_t length, struct reasons *reasons, struct image **ret)
{
	if (length > IMAGE_FILE_MAX)
		return reject(reasons_add(reasons, REASON_IMAGE_TOO_LARGE,
			"the file is larger than %u KiB, and no firmware that plugflash knows is: "
			"is it the right file?",
			IMAGE_FILE_MAX >> 10));
	if (uf2_is_meant(data, length))
		return uf2_parse(data, length, reasons, ret);
	const char *name, *advice;
	if (foreign_format(data, length, &name, &advice))
		return reject(reasons_add(
			reasons, REASON_IMAGE_FORMAT, "the file is %s: %s", name, advice));
	return parse_bin(data, length, reasons, ret);
}
