/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as what a device in DFU shows of itself: its configuration, one of its strings, and the
 * lines of text that such strings hold, from which chips are concluded. What is found is looked for
 * a second time in the bytes; what is refused leaves the answer as it was.
 */
#include <stdlib.h>
#include <string.h>

#include "backend/dfu_chips.h"
#include "backend/dfu_descriptor.h"
#include "base/bytes.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

#define FLASH_START 0x08000000u

static void must(bool truth)
{
	if (!truth)
		abort();
}

/* ---- the configuration ------------------------------------------------------------------- */

/* Does a descriptor of that type stand there, and say the same of the function? */
static bool is_alternate(const uint8_t *descriptor, const struct dfu_function *function)
{
	return descriptor[0] >= 9 && descriptor[1] == 4 && descriptor[2] == function->interface &&
	       descriptor[5] == 0xfe && descriptor[6] == 1 && descriptor[3] < DFU_ALTERNATES_MAX &&
	       descriptor[8] == function->names[descriptor[3]];
}

static bool is_functional(const uint8_t *descriptor, const struct dfu_function *function)
{
	if (descriptor[0] < 7 || descriptor[1] != 0x21)
		return false;
	uint16_t version = descriptor[0] >= 9 ? read_u16(descriptor + 7) : 0x0100;
	return descriptor[2] == function->attributes && version == function->version &&
	       read_u16(descriptor + 5) == function->transfer_bytes;
}

static void look_again(const uint8_t *data, size_t length, const struct dfu_function *function)
{
	size_t alternates = 0, functionals = 0;
	for (size_t at = 0; length - at >= 2 && data[at] >= 2 && data[at] <= length - at;
		at += data[at]) {
		alternates += is_alternate(data + at, function);
		functionals += is_functional(data + at, function);
	}
	must(alternates >= function->alternate_count && functionals > 0);
}

static void take_for_configuration(const uint8_t *data, size_t length)
{
	struct dfu_function function, untouched;
	memset(&function, 0x5a, sizeof(function));
	memset(&untouched, 0x5a, sizeof(untouched));
	if (dfu_find(data, length, &function) != 0) {
		must(memcmp(&function, &untouched, sizeof(function)) == 0);
		return;
	}
	must(function.alternate_count > 0 && function.alternate_count <= DFU_ALTERNATES_MAX);
	must(function.transfer_bytes >= DFU_TRANSFER_LEAST);
	must(DFU_TRANSFER_MAX % function.transfer_bytes == 0);
	look_again(data, length, &function);
}

/* ---- layouts ----------------------------------------------------------------------------- */

/* What is found lies in a segment, holds the address, and is one of the segment's units. */
static void take_unit(const struct dfuse_layout *layout, uint32_t address)
{
	uint32_t start = 0x5a5a5a5a, bytes = 0x5a5a5a5a;
	bool is_found = dfuse_layout_unit(layout, address, &start, &bytes);
	bool is_right = false, is_inside = false;
	for (size_t i = 0; i < layout->segment_count; i++) {
		const struct dfuse_segment *segment = &layout->segments[i];
		uint64_t end = segment->start + (uint64_t)segment->unit_bytes * segment->unit_count;
		if (address < segment->start || address >= end)
			continue;
		is_inside = true;
		is_right |= start >= segment->start && (uint64_t)start + bytes <= end &&
			    bytes == segment->unit_bytes && (start - segment->start) % bytes == 0;
	}
	must(is_found == is_inside);
	if (!is_found)
		must(start == 0x5a5a5a5a && bytes == 0x5a5a5a5a);
	else
		must(is_right && start <= address && address - start < bytes);
}

/* All of what is one memory can be read, erased and written. */
static void take_end(const struct dfuse_layout *layout, uint32_t start)
{
	uint64_t end = dfuse_layout_end(layout, start);
	must(end >= start && end <= UINT32_MAX);
	for (size_t i = 0; i < layout->segment_count && end > start; i++) {
		const struct dfuse_segment *segment = &layout->segments[i];
		if (segment->start != start)
			continue;
		take_unit(layout, (uint32_t)end - 1);
	}
	uint32_t unit_start, unit_bytes;
	must(end == start || dfuse_layout_unit(layout, start, &unit_start, &unit_bytes));
}

static void take_segment(const struct dfuse_layout *layout, const struct dfuse_segment *segment)
{
	uint64_t bytes = (uint64_t)segment->unit_bytes * segment->unit_count;
	must(bytes > 0 && segment->start + bytes <= UINT32_MAX);
	must(segment->rights > 0 && segment->rights <= 7);
	uint32_t end = (uint32_t)(segment->start + bytes);
	take_unit(layout, segment->start);
	take_unit(layout, segment->start - 1);
	take_unit(layout, segment->start + segment->unit_bytes - 1);
	take_unit(layout, segment->start + (uint32_t)(bytes / 2));
	take_unit(layout, end - 1);
	take_unit(layout, end);
	take_end(layout, segment->start);
}

static bool take_for_layout(const char *text, struct dfuse_layout *ret)
{
	struct dfuse_layout untouched;
	memset(ret, 0x5a, sizeof(*ret));
	memset(&untouched, 0x5a, sizeof(untouched));
	if (dfuse_layout_parse(text, ret) != 0) {
		must(memcmp(ret, &untouched, sizeof(untouched)) == 0);
		return false;
	}
	must(text[0] == '@' && memchr(ret->name, '\0', sizeof(ret->name)));
	must(strncmp(text + 1, ret->name, strlen(ret->name)) == 0);
	must(ret->segment_count > 0 && ret->segment_count <= DFUSE_SEGMENTS_MAX);
	for (size_t i = 0; i < ret->segment_count; i++)
		take_segment(ret, &ret->segments[i]);
	take_unit(ret, 0);
	take_unit(ret, UINT32_MAX);
	take_end(ret, 0);
	take_end(ret, FLASH_START);
	take_end(ret, UINT32_MAX);
	return true;
}

static void take_for_string(const uint8_t *data, size_t length)
{
	char text[DFUSE_TEXT_BYTES];
	struct dfuse_layout layout;
	memset(text, 0x5a, sizeof(text));
	(void)dfuse_text(data, length, text);
	must(memchr(text, '\0', sizeof(text)));
	must(text_is_plain(text));
	for (const char *at = text; *at; at++)
		must(*at >= 0x20 && *at < 0x7f);
	(void)take_for_layout(text, &layout);
}

/* ---- chips ------------------------------------------------------------------------------- */

/* One line of those that are left, as much of it as a string can hold. */
static void next_line(const char **at, char ret[DFUSE_TEXT_BYTES])
{
	size_t length = strcspn(*at, "\n");
	size_t kept = length < DFUSE_TEXT_BYTES - 1 ? length : DFUSE_TEXT_BYTES - 1;
	memcpy(ret, *at, kept);
	ret[kept] = '\0';
	*at += length + ((*at)[length] == '\n');
}

static void take_chips(const struct dfu_looks *looks)
{
	chip_set chips = dfu_possible_chips(looks);
	must(!(chips & chip_bit(CHIP_UNKNOWN)));
	for (unsigned chip = 0; chip < 64; chip++)
		if (chips >> chip & 1)
			must(chip < _CHIP_MAX && chip_is_stm32((enum chip)chip));
	/* Only what has flash where an STM32 has it, without a hole, of a size that one has. */
	uint64_t bytes = dfuse_layout_end(&looks->flash, FLASH_START) - FLASH_START;
	must(chips == 0 || (bytes >= 32 << 10 && bytes <= 2 << 20));
}

/* The version, how many alternates there are, and the strings of the first ones. */
static void take_for_looks(const uint8_t *data, size_t length)
{
	if (length < 3)
		return;
	_cleanup_(freep) char *text = strndup((const char *)data + 3, length - 3);
	must(text);
	struct dfu_looks looks = {
		.device_version = read_u16(data),
		.alternate_count = data[2] % (DFU_ALTERNATES_MAX + 1),
	};
	const char *at = text;
	for (size_t i = 0; i < ELEMENTSOF(looks.alternates); i++)
		next_line(&at, looks.alternates[i]);
	if (take_for_layout(looks.alternates[0], &looks.flash))
		take_chips(&looks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	take_for_configuration(data, length);
	take_for_string(data, length);
	take_for_looks(data, length);
	return 0;
}
