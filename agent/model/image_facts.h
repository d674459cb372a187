/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * All that an image says of itself or that its bytes prove, in one value: read once, shown by
 * `plugflash inspect`, judged by fitness. What it does not say is unknown, never guessed.
 */
#include <stdbool.h>
#include <stddef.h>

#include "model/binary_info.h"
#include "model/chip.h"
#include "model/image.h"
#include "model/klipper.h"
#include "model/link_address.h"

enum image_kind {
	KIND_PROGRAM, /* not known to be anything more special */
	KIND_KLIPPER,
	KIND_KATAPULT, /* a boot loader */
	KIND_DEPLOYER, /* a program that overwrites the boot loader */
	KIND_COMBINED, /* a boot loader with its application behind it */
	_KIND_MAX,
};

const char *image_kind_name(enum image_kind kind); /* "klipper" */

/* What an image's chip is known from. */
enum chip_sign {
	CHIP_SIGN_NONE,
	CHIP_SIGN_FORMAT, /* a program for Linux */
	CHIP_SIGN_DICTIONARY,
	CHIP_SIGN_BOOT2,
	CHIP_SIGN_IMAGE_DEF,
	CHIP_SIGN_FAMILY, /* of its UF2 file */
	_CHIP_SIGN_MAX,
};

const char *chip_sign_text(enum chip_sign sign); /* "its dictionary", for a sentence */

struct image_facts {
	enum image_kind kind;
	bool has_klipper;
	bool has_several_dictionaries; /* that differ: none of them is believed */
	struct klipper klipper;
	bool has_binary_info;
	struct binary_info binary_info;
	enum chip chip;
	enum chip_sign chip_sign;
	bool is_for_stm32; /* its vector table leads into the flash of one, whichever */
	struct link_address link; /* proved for the first segment, also where the file states it */
};

/* 0 or -ENOMEM. To be released by image_facts_done(). */
int image_facts_read(const struct image *image, struct image_facts *ret) _must_check_;
void image_facts_done(struct image_facts *facts);

/* The firmware's version: Klipper's, else the SDK program's; NULL: it states none. */
const char *image_facts_version(const struct image_facts *facts);
