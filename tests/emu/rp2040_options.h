/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a test may say about an RP2040 or RP2350 and its faults, in words; see resident_words.h,
 * too. -EINVAL and the word in
 * `*ret_wrong` when it says anything else.
 */
#include "emu/rp2040.h"
#include "emu/words.h"

/* What the options point at lives in `words` and in `*ret_image`. */
int rp2040_options_parse(const struct words *words, size_t first, struct rp2040_options *options,
	uint8_t **ret_image, const char **ret_wrong) _must_check_;
int rp2040_options_parse_fault(const struct words *words, size_t first, struct rp2040_fault *fault,
	const char **ret_wrong) _must_check_;
const char *rp2040_options_fault_name(enum rp2040_fault_kind kind);
