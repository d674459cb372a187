/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a Klipper firmware says of itself: the dictionary that it hands to its host on request, a
 * zlib stream of JSON. It lies in every image of Klipper, and a board that runs can be asked for
 * it. All of it is a claim, of whoever built the image; what is missing, of another type or out of
 * range is unknown, and nothing is guessed.
 */
#include <stddef.h>
#include <stdint.h>

#include "model/image.h"
#include "model/running.h"
#include "model/transport.h"

/* Today's dictionaries are 12 KiB of JSON in 4 KiB of flash. Ten times as much leaves room for what
 * is to come, and bounds what a hostile file can make of it. */
#define KLIPPER_JSON_MAX   (128u << 10)
#define KLIPPER_PACKED_MAX (64u << 10)

/* Texts are escaped, and NULL when unknown. Numbers are 0 when unknown. */
struct klipper {
	size_t offset; /* of the stream, within the bytes that were searched */
	size_t packed_bytes; /* both 0 when the dictionary came from elsewhere */
	char *application; /* "Klipper"; vendors put what they like, older builds nothing */
	char *version;
	char *build_versions;
	char *mcu; /* "stm32g0b1xx" */
	uint32_t clock_hz;
	uint32_t can_bitrate; /* of a node on the bus; a bridge does not record its own */
	uint32_t serial_baud;
	enum transport transport;
	char *initial_pins; /* what is set before the host speaks: "!PC13" */
	struct klipper_pins {
		char *name; /* for what: "CAN", "USB", "serial", "crystal" */
		char *pins; /* "PB0,PB1" */
	} * pins;
	size_t pin_count;
};

void klipper_done(struct klipper *klipper);

/* The pins that are kept for `name`, or NULL. */
const char *klipper_reserved(const struct klipper *klipper, const char *name);

/* The same as a value of bounded size. */
struct running klipper_running(const struct klipper *klipper);

/* Reads a dictionary that is unpacked already. 0; -EBADMSG when it is none; -ENOMEM. */
int klipper_parse(const char *json, size_t length, struct klipper *ret) _must_check_;

/*
 * The number of a message, by its format ("debug_read order=%c addr=%u") in "commands" or
 * "responses": whatever a build numbers anew must be looked up (klipper, docs/Protocol.md). 0;
 * -ENOENT: it has none; -EBADMSG: no dictionary, or no number; -ENOMEM.
 */
int klipper_message_id(const char *json, size_t length, const char *kind, const char *format,
	int32_t *ret) _must_check_;

/* Unpacks a dictionary as identify hands it out: one stream, and nothing behind it. `*ret` is
 * exactly what was packed, with a NUL behind. 0; -EBADMSG: damaged, or too much; -ENOMEM. */
int klipper_unpack(const void *packed, size_t length, char **ret, size_t *ret_length) _must_check_;

/*
 * Finds the dictionary anywhere in the bytes. 0: there is one, or the same one more than once (as
 * when a boot loader and its application are one file), and `ret` is the first; KLIPPER_AMBIGUOUS:
 * there are two that differ, or so much that looks like one that not all of it was tried; -ENOENT;
 * -ENOMEM. The effort is bounded, whatever the bytes are.
 */
#define KLIPPER_AMBIGUOUS 1
int klipper_find(const void *data, size_t length, struct klipper *ret) _must_check_;

/* The same over all segments of an image; the offset counts from the start of `*ret_segment`. */
int klipper_find_in_image(const struct image *image, size_t *ret_segment, struct klipper *ret)
	_must_check_;
