/* SPDX-License-Identifier: MIT */
/*
 * What is in a firmware file, and would it fit a board: the same parser and the same judgement as
 * the service's, without asking it. First everything becomes JSON, then that is shown.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/text.h"
#include "client/verb.h"
#include "model/fitness.h"
#include "model/rp2040.h"
#include "model/rp2350.h"
#include "model/uf2.h"

#define SEGMENTS_SHOWN 12

#define TRY(call)                  \
	do {                       \
		int _r = (call);   \
		if (_r < 0)        \
			return _r; \
	} while (0)

static int put_number(cJSON *object, const char *key, double value)
{
	return json_put(object, key, cJSON_CreateNumber(value));
}

static int put_bool(cJSON *object, const char *key, bool value)
{
	return json_put(object, key, cJSON_CreateBool(value));
}

static int put_hex(cJSON *object, const char *key, uint32_t value)
{
	char text[16];
	snprintf(text, sizeof(text), "0x%08" PRIx32, value);
	return json_put_text(object, key, text);
}

/* ---- what there is ---------------------------------------------------------------------- */

static int describe_segments(const struct image *image, cJSON *answer)
{
	cJSON *list = cJSON_AddArrayToObject(answer, "segments");
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < image->segment_count; i++) {
		cJSON *segment = cJSON_CreateObject();
		TRY(json_append(list, segment));
		TRY(put_hex(segment, "address", image->segments[i].address));
		TRY(put_number(segment, "length", image->segments[i].length));
	}
	return 0;
}

static int describe_boot2(const struct image *image, cJSON *answer)
{
	uint8_t page[RP2040_BOOT2_BYTES];
	if (image_copy(image, RP2040_FLASH_START, sizeof(page), page) != sizeof(page))
		return 0;
	cJSON *boot2 = cJSON_AddObjectToObject(answer, "boot2");
	if (!boot2)
		return -ENOMEM;
	TRY(put_bool(boot2, "valid", rp2040_boot2_is_valid(page)));
	TRY(put_hex(boot2, "crc32", read_u32(page + 252)));
	return put_hex(boot2, "crc32_computed", crc32_mpeg2(page, 252));
}

static int describe_vectors(const struct image *image, enum chip chip, cJSON *answer)
{
	bool is_rp2040 = chip == CHIP_RP2040;
	uint32_t address = is_rp2040 ? RP2040_VECTORS_ADDRESS : RP2350_FLASH_START;
	uint32_t flash_end = is_rp2040 ? RP2040_FLASH_END : RP2350_FLASH_END;
	uint8_t vectors[RP2040_VECTORS_BYTES];
	if (image_copy(image, address, sizeof(vectors), vectors) != sizeof(vectors))
		return 0;
	cJSON *table = cJSON_AddObjectToObject(answer, "vectors");
	if (!table)
		return -ENOMEM;
	uint32_t end = image_end(image) < flash_end ? (uint32_t)image_end(image) : flash_end;
	TRY(put_hex(table, "address", address));
	TRY(put_hex(table, "stack", read_u32(vectors)));
	TRY(put_hex(table, "reset", read_u32(vectors + 4)));
	return put_bool(table, "plausible",
		is_rp2040 ? rp2040_vectors_are_plausible(vectors, end)
			  : rp2350_vectors_are_plausible(vectors, end));
}

static int describe_image_def(const struct rp2350_start *start, cJSON *answer)
{
	bool is_program = start->has_image_def && rp2350_type_is_program(start->image_type);
	cJSON *definition = cJSON_AddObjectToObject(answer, "image_def");
	if (!definition)
		return -ENOMEM;
	TRY(put_hex(definition, "address", start->block_address));
	TRY(put_number(definition, "blocks", start->block_count));
	TRY(put_bool(definition, "program", is_program));
	TRY(put_bool(definition, "data", start->is_data));
	TRY(put_bool(definition, "partition_table", start->is_partition_table));
	if (!is_program)
		return 0;
	bool is_arm = rp2350_type_cpu(start->image_type) == RP2350_ARM;
	TRY(json_put_text(definition, "processor", is_arm ? "arm" : "riscv"));
	return put_bool(definition, "secure", !rp2350_type_is_non_secure(start->image_type));
}

/* What the boot ROM of that chip would look at, if the image has something in that place. */
static int describe_start(const struct image *image, enum chip chip, cJSON *answer)
{
	struct rp2350_start start;
	bool is_arm = true;
	if (chip == CHIP_RP2040)
		TRY(describe_boot2(image, answer));
	else if (rp2350_find_start(image, &start) == 0) {
		TRY(describe_image_def(&start, answer));
		is_arm = !start.has_entry_point && !start.has_vector_table &&
			 rp2350_type_cpu(start.image_type) == RP2350_ARM;
	}
	return is_arm ? describe_vectors(image, chip, answer) : 0;
}

/* The board that a person most likely wants it for: by the content, then by the UF2 family. */
static enum chip likely_chip(const struct image *image)
{
	uint8_t page[RP2040_BOOT2_BYTES];
	struct rp2350_start start;
	if (image_copy(image, RP2040_FLASH_START, sizeof(page), page) == sizeof(page) &&
		rp2040_boot2_is_valid(page))
		return CHIP_RP2040;
	if (rp2350_find_start(image, &start) == 0 || image->family_chip == CHIP_RP2350)
		return CHIP_RP2350;
	return CHIP_RP2040;
}

static int describe_image(
	const struct image *image, enum chip chip, bool has_address, cJSON *answer)
{
	char digest[DIGEST_TEXT];
	text_hex(image->digest.bytes, DIGEST_BYTES, digest);
	TRY(json_put_text(answer, "format", image_format_name(image->format)));
	TRY(put_bool(answer, "gzip", image->is_gzip));
	TRY(put_bool(answer, "linux_program", image->is_linux_program));
	TRY(put_number(answer, "bytes", (double)image->byte_count));
	TRY(put_bool(answer, "states_address", has_address));
	TRY(json_put_text(answer, "sha256", digest));
	if (image->uf2_family != 0) {
		const char *name = uf2_family_name(image->uf2_family);
		TRY(put_hex(answer, "uf2_family", image->uf2_family));
		TRY(json_put_text(answer, "uf2_family_name", name ? name : "unknown"));
	}
	TRY(describe_segments(image, answer));
	return describe_start(image, chip, answer);
}

static int describe_reasons(const struct reasons *reasons, cJSON *answer)
{
	if (!json_text(answer, "board")[0])
		TRY(json_put_text(answer, "board", chip_name(CHIP_RP2040)));
	TRY(put_bool(answer, "fits", reasons->count == 0));
	cJSON *list = cJSON_AddArrayToObject(answer, "reasons");
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < reasons->count; i++) {
		cJSON *reason = cJSON_CreateObject();
		TRY(json_append(list, reason));
		TRY(json_put_text(reason, "code", reason_name(reasons->items[i].code)));
		TRY(json_put_text(reason, "sentence", reasons->items[i].sentence));
	}
	return 0;
}

/* As the service does it: parse, place a raw image where it would go, judge. */
static int judge_bytes(const uint8_t *data, size_t length, struct reasons *reasons, cJSON *answer)
{
	_cleanup_(image_freep) struct image *image = NULL;
	TRY(put_number(answer, "file_bytes", (double)length));
	int r = image_parse(data, length, reasons, &image);
	if (r != 0)
		return r < 0 ? r : 0;
	bool has_address = image->has_address;
	uint32_t address;
	/* The same for all chips that there may be a choice of. */
	if (!has_address && !image->is_linux_program &&
		fitness_default_address(CHIP_RP2040, &address)) {
		r = image_place(image, address, reasons);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	const struct board_facts facts = { .chip = likely_chip(image) };
	TRY(json_put_text(answer, "board", chip_name(facts.chip)));
	TRY(describe_image(image, facts.chip, has_address, answer));
	return fitness_judge(image, &facts, reasons);
}

static int explain_unreadable(int error, const char *path, struct problem *problem)
{
	_cleanup_(freep) char *safe = text_escape(path);
	return problem_set(problem, EXIT_USAGE, "file-unreadable", "%s cannot be read: %s",
		safe ? safe : "the file", error == -EINVAL ? "it is no file" : strerror(-error));
}

static int inspect(const char *path, cJSON *answer, struct problem *problem)
{
	_cleanup_(freep) uint8_t *data = NULL;
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	size_t length;
	TRY(json_put_text(answer, "file", path));
	int r = file_read(path, IMAGE_FILE_MAX, &data, &length);
	if (r == -EFBIG)
		r = reasons_add(&reasons, REASON_IMAGE_TOO_LARGE,
			"the file is larger than any board's flash: is it the right file?");
	else if (r < 0)
		return r == -ENOMEM ? r : explain_unreadable(r, path, problem);
	else
		r = judge_bytes(data, length, &reasons, answer);
	return r < 0 ? r : describe_reasons(&reasons, answer);
}

/* ---- for people ------------------------------------------------------------------------- */

static void put_label(const struct output *output, const char *label)
{
	output_tinted(output, TINT_FAINT, "  %-9s", label);
}

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

static void show_image(const struct output *output, const cJSON *answer)
{
	_cleanup_(freep) char *size = output_bytes(json_number(answer, "bytes"));
	const char *family = json_text(answer, "uf2_family");
	put_label(output, "format");
	fprintf(output->stream, "%s%s, %s of %s", json_text(answer, "format"),
		json_flag(answer, "gzip") ? " in a .gz" : "", size ? size : "",
		json_flag(answer, "linux_program") ? "a program for Linux" : "firmware");
	if (*family)
		fprintf(output->stream, ", for family %s (%s)",
			json_text(answer, "uf2_family_name"), family);
	if (!json_flag(answer, "states_address"))
		fputs(", states no address", output->stream);
	fputc('\n', output->stream);
	put_label(output, "sha256");
	fprintf(output->stream, "%s (addresses and content)\n", json_text(answer, "sha256"));
	if (!json_flag(answer, "linux_program"))
		show_segments(output, answer);
	show_start(output, answer);
}

static void show(const struct output *output, const cJSON *answer)
{
	output_tinted(output, TINT_STRONG, "%s\n", json_text(answer, "file"));
	if (*json_text(answer, "format"))
		show_image(output, answer);
	put_label(output, "verdict");
	if (json_flag(answer, "fits")) {
		output_tinted(output, TINT_GOOD, "fits an %s", json_text(answer, "board"));
		fputs(", if that has flash enough\n", output->stream);
		return;
	}
	output_tinted(output, TINT_BAD, "does not fit an %s\n", json_text(answer, "board"));
	const cJSON *reason;
	cJSON_ArrayForEach(reason, json_list(answer, "reasons"))
	{
		put_label(output, "");
		output_tinted(output, TINT_BAD, "%s", json_text(reason, "code"));
		fprintf(output->stream, ": %s\n", json_text(reason, "sentence"));
	}
}

int verb_inspect(struct request *request)
{
	_cleanup_(json_deletep) cJSON *answer = cJSON_CreateObject();
	int r = answer ? inspect(request->argument, answer, &request->problem) : -ENOMEM;
	if (r < 0)
		return r;
	if (request->json)
		json_print(request->output->stream, answer, false);
	else
		show(request->output, answer);
	return json_flag(answer, "fits") ? EXIT_YES : EXIT_NO;
}
