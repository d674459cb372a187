/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a firmware that may hold Klipper's dictionary, as the dictionary itself, and as one
 * that is packed and put somewhere: there it must be found, and say the same.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/text.h"
#include "model/klipper.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

static void must(bool truth)
{
	if (!truth)
		abort();
}

static void check_text(const char *text)
{
	must(!text || (text[0] && text_is_plain(text)));
}

static void check(const struct klipper *klipper)
{
	check_text(klipper->application);
	check_text(klipper->version);
	check_text(klipper->build_versions);
	check_text(klipper->mcu);
	check_text(klipper->initial_pins);
	for (size_t i = 0; i < klipper->pin_count; i++) {
		must(klipper->pins[i].name && text_is_plain(klipper->pins[i].name));
		check_text(klipper->pins[i].pins);
		must(klipper_reserved(klipper, klipper->pins[i].name) == klipper->pins[i].pins);
	}
	must(klipper->transport < _TRANSPORT_MAX);
	must(klipper->transport == TRANSPORT_UNKNOWN || klipper->mcu);
	must(klipper->transport != TRANSPORT_CAN || klipper->can_bitrate > 0);
	must(klipper->transport != TRANSPORT_UART || klipper->serial_baud > 0);
}

static void must_be_same(const char *left, const char *right)
{
	must(left == right || text_equal(left, right));
}

static void take_for_a_firmware(const uint8_t *data, size_t length)
{
	_cleanup_(klipper_done) struct klipper klipper = { 0 };
	int r = klipper_find(data, length, &klipper);
	must(r == 0 || r == KLIPPER_AMBIGUOUS || r == -ENOENT);
	if (r != 0)
		return;
	check(&klipper);
	must(klipper.packed_bytes > 0 && klipper.packed_bytes <= length - klipper.offset);
	must(data[klipper.offset] == 0x78);
}

/* Packed, behind a few bytes of the same, of which nothing is a dictionary by itself. */
static void pack_and_find(const uint8_t *data, size_t length, const struct klipper *twin)
{
	size_t before = data[length / 2] % 16;
	uLongf packed = compressBound(length);
	_cleanup_(freep) uint8_t *image = malloc(before + packed);
	must(image);
	memset(image, 0x78, before);
	must(compress2(image + before, &packed, data, length, data[length / 2] % 10) == Z_OK);
	_cleanup_(klipper_done) struct klipper klipper = { 0 };
	int r = klipper_find(image, before + packed, &klipper);
	/* Klipper's begin at once, ours need not. */
	must(r == 0 || (r == -ENOENT && memcmp(data, "{\"", 2) != 0));
	if (r != 0)
		return;
	must(klipper.offset == before && klipper.packed_bytes == packed);
	must_be_same(klipper.version, twin->version);
	must_be_same(klipper.mcu, twin->mcu);
	must(klipper.transport == twin->transport && klipper.pin_count == twin->pin_count);
}

static void take_for_a_dictionary(const uint8_t *data, size_t length)
{
	_cleanup_(klipper_done) struct klipper klipper = { 0 };
	int r = klipper_parse((const char *)data, length, &klipper);
	must(r == 0 || r == -EBADMSG);
	if (r < 0)
		return;
	must(klipper.offset == 0 && klipper.packed_bytes == 0);
	check(&klipper);
	pack_and_find(data, length, &klipper);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	take_for_a_firmware(data, length);
	take_for_a_dictionary(data, length);
	return 0;
}
