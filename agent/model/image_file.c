/* SPDX-License-Identifier: MIT */
/* What kind of firmware file it is, its bytes decide and not its name; see image_parse(). */
#include <ctype.h>
#include <string.h>

#include "model/dfu.h"
#include "model/elf.h"
#include "model/gunzip.h"
#include "model/hex.h"
#include "model/image_builder.h"
#include "model/uf2.h"

static int reject(int r)
{
	return r < 0 ? r : IMAGE_REJECTED;
}

/* ---- files that are something else ------------------------------------------------------- */

#define UNPACK  "it is packed: unpack it and offer what is inside"
#define CONVERT "plugflash reads " IMAGE_FORMATS ", and most builds make one of them beside it"
#define SAVE    "save the firmware itself, not the page about it"

static const struct {
	const char *magic;
	size_t length;
	const char *name;
	const char *advice;
} foreign_formats[] = {
	{ "PK\x03\x04", 4, "a zip archive", UNPACK },
	{ "BZh", 3, "a bzip2 file", UNPACK },
	{ "\3757zXZ", 5, "an xz file", UNPACK },
	{ "\x28\xb5\x2f\xfd", 4, "a zstd file", UNPACK },
	{ "<!DOCTYPE", 9, "a web page", SAVE },
	{ "<!doctype", 9, "a web page", SAVE },
	{ "<html", 5, "a web page", SAVE },
	{ "version https://git-lfs", 23, "a pointer of git-lfs", "fetch the file it stands for" },
};

/* One mark, then at least nine digits. */
static bool is_s_record(const uint8_t *data, size_t length)
{
	if (length < 10 || data[0] != 'S')
		return false;
	for (size_t i = 1; i < 10; i++)
		if (!isxdigit(data[i]))
			return false;
	return true;
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
	*ret_name = "a Motorola S-record file";
	*ret_advice = CONVERT;
	return is_s_record(data, length);
}

/* ---- the choice -------------------------------------------------------------------------- */

static int parse_bin(
	const uint8_t *data, size_t length, struct reasons *reasons, struct image **ret)
{
	if (length < IMAGE_RAW_BYTES_MIN)
		return reject(reasons_add(reasons, REASON_IMAGE_TRUNCATED,
			"the file holds %zu bytes, which is too short for any firmware: copy or "
			"build it again",
			length));
	return image_from_raw(FORMAT_BIN, data, length, reasons, ret);
}

static const struct {
	bool (*is_meant)(const uint8_t *data, size_t length);
	int (*parse)(
		const uint8_t *data, size_t length, struct reasons *reasons, struct image **ret);
} kinds[] = {
	{ uf2_is_meant, uf2_parse },
	{ elf_is_meant, elf_parse },
	{ hex_is_meant, hex_parse },
	{ dfuse_is_meant, dfuse_parse },
};

static int parse_plain(
	const uint8_t *data, size_t length, struct reasons *reasons, struct image **ret)
{
	for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
		if (kinds[i].is_meant(data, length))
			return kinds[i].parse(data, length, reasons, ret);
	const char *name, *advice;
	if (foreign_format(data, length, &name, &advice))
		return reject(reasons_add(
			reasons, REASON_IMAGE_FORMAT, "the file is %s: %s", name, advice));
	/* Its mark stands at the end, where any file may have one. */
	if (dfu_is_meant(data, length))
		return dfu_parse(data, length, reasons, ret);
	return parse_bin(data, length, reasons, ret);
}

static int parse_gzip(
	const uint8_t *data, size_t length, struct reasons *reasons, struct image **ret)
{
	_cleanup_(freep) uint8_t *unpacked = NULL;
	size_t unpacked_length;
	int r = gunzip(data, length, reasons, &unpacked, &unpacked_length);
	if (r != 0)
		return r;
	if (gunzip_is_meant(unpacked, unpacked_length))
		return reject(reasons_add(reasons, REASON_IMAGE_FORMAT,
			"the file was packed with gzip twice: unpack it once and offer what is "
			"inside"));
	r = parse_plain(unpacked, unpacked_length, reasons, ret);
	if (r == 0)
		(*ret)->is_gzip = true;
	return r;
}

int image_parse(const void *data, size_t length, struct reasons *reasons, struct image **ret)
{
	if (length > IMAGE_FILE_MAX)
		return reject(reasons_add(reasons, REASON_IMAGE_TOO_LARGE,
			"the file is larger than %u KiB, and no firmware that plugflash knows is: "
			"is it the right file?",
			IMAGE_FILE_MAX >> 10));
	return gunzip_is_meant(data, length) ? parse_gzip(data, length, reasons, ret)
					     : parse_plain(data, length, reasons, ret);
}
