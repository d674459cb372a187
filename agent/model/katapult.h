/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Katapult (once CanBoot) in the bytes of an image. The boot loader carries eight letters right
 * before its reset handler, where an application looks for them to know whether it is there
 * (Katapult, src/generic/armcm_canboot.c); the deployer that replaces it carries it as data.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KATAPULT_SIGNATURE_BYTES 8u

/* The letters, right before the code that a reset vector leads to. */
bool katapult_is_signature(const uint8_t bytes[KATAPULT_SIGNATURE_BYTES]);

/* Does an image linked at `base`, with its vector table `vectors` bytes in, begin with Katapult? */
bool katapult_starts(const uint8_t *data, size_t length, uint32_t base, uint32_t vectors);

/* Are the letters anywhere? Also in applications that look for them, Klipper among them. */
bool katapult_is_mentioned(const uint8_t *data, size_t length);
