/* SPDX-License-Identifier: MIT */
/*
 * Any text as Intel HEX: as it is, and with the checksums of its lines made right, so that more
 * gets behind them. What is accepted is written out again, and must then say the same.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "fuzz/check_image.h"
#include "unit/make_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

static int digit(uint8_t character)
{
	const char *digits = "0123456789abcdef", *found = NULL;
	if (character)
		found = strchr(
			digits, character >= 'A' && character <= 'F' ? character + 32 : character);
	return found ? (int)(found - digits) : -1;
}

/* The last two digits of each run of digits behind a colon become what makes their sum 0. */
static void make_sums_right(uint8_t *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (text[i] != ':')
			continue;
		size_t end = i + 1;
		uint8_t sum = 0;
		for (; end + 3 < length && digit(text[end + 2]) >= 0 && digit(text[end + 3]) >= 0 &&
			digit(text[end]) >= 0 && digit(text[end + 1]) >= 0;
			end += 2)
			sum = (uint8_t)(sum + 16 * digit(text[end]) + digit(text[end + 1]));
		if (end + 2 > length)
			return;
		sum = (uint8_t)-sum;
		text[end] = (uint8_t) "0123456789ABCDEF"[sum >> 4];
		text[end + 1] = (uint8_t) "0123456789ABCDEF"[sum & 15];
		i = end + 1;
	}
}

static void write_again(const struct image *image)
{
	struct made_segment segments[64];
	if (image->segment_count > ELEMENTSOF(segments))
		return;
	for (size_t i = 0; i < image->segment_count; i++)
		segments[i] = (struct made_segment){ image->segments[i].address,
			image->segments[i].data, image->segments[i].length };
	size_t length;
	_cleanup_(freep) uint8_t *text = make_hex(segments, image->segment_count, &length);
	_cleanup_(image_freep) struct image *twin = parse_checked(text, length);
	must(twin && memcmp(&twin->digest, &image->digest, sizeof(twin->digest)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	_cleanup_(image_freep) struct image *image = parse_checked(data, length);
	(void)image;
	_cleanup_(freep) uint8_t *repaired = malloc(length + 1);
	must(repaired != NULL);
	if (length > 0)
		memcpy(repaired, data, length);
	make_sums_right(repaired, length);
	_cleanup_(image_freep) struct image *other = parse_checked(repaired, length);
	if (other && other->format == FORMAT_HEX)
		write_again(other);
	return 0;
}
