/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a policy says about an image beyond its name: what it is expected to be, what is declared
 * because no image records it, what is permitted that is else refused. Nothing stated is the
 * default; a stated thing is never guessed at: what the image does not prove is refused.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "model/chip.h"
#include "model/transport.h"

/* Each is 0, NULL or TRANSPORT_UNKNOWN when it is not stated. */
struct terms_expected {
	enum transport transport;
	uint32_t can_bitrate;
	uint32_t serial_baud;
	uint32_t clock_hz;
	uint32_t crystal_hz;
	char *can_pins; /* as the dictionary has them: "PB0,PB1" */
	char *usb_pins;
	char *serial_pins;
	char *initial_pins; /* "" = none */
	char *version; /* a glob */
};

/* The owner's word, for what the image cannot say. */
struct terms_declared {
	bool has_address;
	uint32_t address;
	enum chip chip;
	enum transport transport;
	uint32_t can_bitrate;
	uint32_t crystal_hz;
};

struct terms {
	struct terms_expected expected;
	struct terms_declared declared;
	bool permits_downgrade;
	bool permits_bootloader;
	bool has_digest;
	struct digest digest;
};

void terms_done(struct terms *terms);
