/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a program of the Pico SDK says of itself: a table of entries that its build puts into every
 * image for an RP2040 or RP2350. All of it is a claim of whoever built the image.
 */
#include "model/image.h"

/* Escaped, and NULL when the image does not say. Of an entry that is there twice, the first counts.
 */
struct binary_info {
	char *program;
	char *version;
	char *board; /* "pico_w" */
	char *build_date;
	char *url;
	char *description;
	char *sdk_version;
};

void binary_info_done(struct binary_info *info);

/*
 * 0; -ENOENT when the image holds no such table, or one that says nothing; -ENOMEM. An image
 * without an address is taken for one that lies at the start of the flash. What a table says that
 * leads outside the image is left out.
 */
int binary_info_find(const struct image *image, struct binary_info *ret) _must_check_;
