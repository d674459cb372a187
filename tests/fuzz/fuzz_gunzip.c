/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a gzip file, and any bytes packed into one: those must come out again.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "fuzz/check_image.h"
#include "model/gunzip.h"
#include "unit/make_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

static void pack_and_unpack(const uint8_t *data, size_t length)
{
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	_cleanup_(freep) uint8_t *unpacked = NULL;
	size_t packed_length, unpacked_length;
	_cleanup_(freep) uint8_t *packed = make_gzip(data, length, &packed_length);
	must(gunzip(packed, packed_length, &reasons, &unpacked, &unpacked_length) == 0);
	must(unpacked_length == length && (length == 0 || memcmp(unpacked, data, length) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	_cleanup_(freep) uint8_t *unpacked = NULL;
	size_t unpacked_length = 0;
	int r = gunzip(data, length, &reasons, &unpacked, &unpacked_length);
	check_reasons(&reasons);
	must(r == 0 || r == IMAGE_REJECTED);
	must((r == 0) == (unpacked != NULL) && reasons.count == (r == 0 ? 0 : 1));
	must(unpacked_length <= IMAGE_FILE_MAX);

	_cleanup_(image_freep) struct image *image = parse_checked(data, length);
	must(!image || image->is_gzip == gunzip_is_meant(data, length));
	pack_and_unpack(data, length);
	return 0;
}
