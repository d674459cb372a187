/* SPDX-License-Identifier: MIT */
/* What is in a firmware file, as JSON; see inspection.h. */
#include <errno.h>
#include <inttypes.h>

#include "base/bytes.h"
#include "base/text.h"
#include "client/inspection.h"
#include "model/rp2040.h"
#include "model/rp2350.h"
#include "model/uf2.h"

static int put_number(cJSON *object, const char *key, double value)
{
	return json_put(object, key, cJSON_CreateNumber(value));
}

static int put_bool(cJSON *object, const char *key, bool value)
{
	return json_put(object, key, cJSON_CreateBool(value));
}

static cJSON *new_hex(uint32_t value)
{
	char text[16];
	snprintf(text, sizeof(text), "0x%08" PRIx32, value);
	return cJSON_CreateString(text);
}

static int put_hex(cJSON *object, const char *key, uint32_t value)
{
	return json_put(object, key, new_hex(value));
}

/* What is unknown is left out. */
static int put_known(cJSON *object, const char *key, const char *text)
{
	return text ? json_put_text(object, key, text) : 0;
}

static int put_known_number(cJSON *object, const char *key, uint32_t value)
{
	return value ? put_number(object, key, value) : 0;
}

/* ---- the bytes --------------------------------------------------------------------------- */

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

static int describe_file(const struct image *image, bool states_address, cJSON *answer)
{
	char digest[DIGEST_TEXT];
	text_hex(image->digest.bytes, DIGEST_BYTES, digest);
	TRY(json_put_text(answer, "format", image_format_name(image->format)));
	TRY(put_bool(answer, "gzip", image->is_gzip));
	TRY(put_number(answer, "bytes", (double)image->byte_count));
	TRY(put_bool(answer, "states_address", states_address));
	TRY(put_bool(answer, "linux_program", image->is_linux_program));
	TRY(json_put_text(answer, "sha256", digest));
	if (image->uf2_family != 0) {
		const char *name = uf2_family_name(image->uf2_family);
		TRY(put_hex(answer, "uf2_family", image->uf2_family));
		TRY(json_put_text(answer, "uf2_family_name", name ? name : "unknown"));
	}
	return describe_segments(image, answer);
}

/* ---- what would start -------------------------------------------------------------------- */

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

/* The first two words at the place that the chip looks at. */
static int describe_vectors(
	const struct image *image, enum chip chip, uint32_t address, cJSON *answer)
{
	uint8_t vectors[8], code[2];
	if (image_copy(image, address, sizeof(vectors), vectors) != sizeof(vectors))
		return 0;
	cJSON *table = cJSON_AddObjectToObject(answer, "vectors");
	if (!table)
		return -ENOMEM;
	uint32_t stack = read_u32(vectors), reset = read_u32(vectors + 4);
	bool is_there = image_copy(image, reset & ~1u, sizeof(code), code) == sizeof(code);
	uint64_t end = image_end(image);
	TRY(put_hex(table, "address", address));
	TRY(put_hex(table, "stack", stack));
	TRY(put_hex(table, "reset", reset));
	if (chip == CHIP_RP2040)
		return put_bool(
			table, "plausible", rp2040_vectors_are_plausible(vectors, (uint32_t)end));
	if (chip == CHIP_RP2350)
		return put_bool(table, "plausible", rp2350_vectors_are_plausible(vectors, end));
	return put_bool(table, "plausible",
		chip_stack_is_plausible(chip, stack) && reset % 2 == 1 && is_there);
}

static int describe_rp2350_start(const struct image *image, cJSON *answer)
{
	struct rp2350_start start;
	if (rp2350_find_start(image, &start) == 0) {
		TRY(describe_image_def(&start, answer));
		if (start.has_entry_point || start.has_vector_table ||
			rp2350_type_cpu(start.image_type) != RP2350_ARM)
			return 0;
	}
	return describe_vectors(image, CHIP_RP2350, RP2350_FLASH_START, answer);
}

static int describe_start(const struct image *image, const struct image_facts *says, cJSON *answer)
{
	if (!image->has_address || image->is_linux_program)
		return 0;
	if (says->chip == CHIP_RP2350)
		return describe_rp2350_start(image, answer);
	if (says->chip == CHIP_RP2040 && image_start(image) < RP2040_VECTORS_ADDRESS) {
		TRY(describe_boot2(image, answer));
		return describe_vectors(image, CHIP_RP2040, RP2040_VECTORS_ADDRESS, answer);
	}
	return describe_vectors(image, says->chip, image_start(image) + says->link.vectors, answer);
}

/* ---- what it says ------------------------------------------------------------------------ */

static int describe_link(const struct link_address *link, cJSON *answer)
{
	char signs[LINK_SIGNS_TEXT];
	TRY(put_bool(answer, "truncated", link->is_cut));
	if (link->is_proved) {
		link_signs_text(link->signs, signs);
		TRY(put_hex(answer, "link_address", link->base));
		return json_put_text(answer, "link_signs", signs);
	}
	cJSON *list = cJSON_AddArrayToObject(answer, "link_candidates");
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < link->candidate_count; i++)
		TRY(json_append(list, new_hex(link->candidates[i])));
	return 0;
}

static int describe_klipper(const struct klipper *klipper, cJSON *answer)
{
	cJSON *object = cJSON_AddObjectToObject(answer, "klipper");
	if (!object)
		return -ENOMEM;
	TRY(put_known(object, "application", klipper->application));
	TRY(put_known(object, "version", klipper->version));
	TRY(put_known(object, "build_versions", klipper->build_versions));
	TRY(put_known(object, "mcu", klipper->mcu));
	TRY(put_known_number(object, "clock_hz", klipper->clock_hz));
	TRY(json_put_text(object, "transport", transport_name(klipper->transport)));
	TRY(put_known_number(object, "can_bitrate", klipper->can_bitrate));
	TRY(put_known_number(object, "serial_baud", klipper->serial_baud));
	TRY(put_known(object, "initial_pins", klipper->initial_pins));
	cJSON *pins = cJSON_AddObjectToObject(object, "reserved_pins");
	if (!pins)
		return -ENOMEM;
	for (size_t i = 0; i < klipper->pin_count; i++)
		TRY(put_known(pins, klipper->pins[i].name, klipper->pins[i].pins));
	TRY(put_number(object, "offset", (double)klipper->offset));
	return put_number(object, "packed_bytes", (double)klipper->packed_bytes);
}

static int describe_binary_info(const struct binary_info *info, cJSON *answer)
{
	cJSON *object = cJSON_AddObjectToObject(answer, "binary_info");
	if (!object)
		return -ENOMEM;
	TRY(put_known(object, "program", info->program));
	TRY(put_known(object, "version", info->version));
	TRY(put_known(object, "board", info->board));
	TRY(put_known(object, "build_date", info->build_date));
	TRY(put_known(object, "url", info->url));
	TRY(put_known(object, "description", info->description));
	return put_known(object, "sdk_version", info->sdk_version);
}

static int describe_says(const struct image_facts *says, cJSON *answer)
{
	TRY(json_put_text(answer, "kind", image_kind_name(says->kind)));
	TRY(put_known(answer, "version", image_facts_version(says)));
	if (says->chip_sign != CHIP_SIGN_NONE) {
		TRY(json_put_text(answer, "chip", chip_name(says->chip)));
		TRY(json_put_text(answer, "chip_from", chip_sign_text(says->chip_sign)));
	}
	if (says->has_several_dictionaries)
		TRY(put_bool(answer, "several_dictionaries", true));
	if (says->has_klipper)
		TRY(describe_klipper(&says->klipper, answer));
	return says->has_binary_info ? describe_binary_info(&says->binary_info, answer) : 0;
}

int inspection_describe(const struct image *image, const struct image_facts *says,
	bool states_address, cJSON *answer)
{
	TRY(describe_file(image, states_address, answer));
	TRY(describe_says(says, answer));
	if (!image->is_linux_program)
		TRY(describe_link(&says->link, answer));
	return describe_start(image, says, answer);
}
