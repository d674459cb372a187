/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Small programs for Arm microcontrollers, made by hand: a vector table, and of all that tells
 * where an image belongs just what a story wants to be there. Nothing in the rest says anything.
 */
#include <stddef.h>
#include <stdint.h>

#include "model/image.h"

/* Where things lie in an image. */
#define ARM_CONSTANTS  0x100u
#define ARM_DICTIONARY 0x400u
#define ARM_RESET      0x5000u
#define ARM_HANDLER    0x5100u
#define ARM_LENGTH     0x8000u

#define ARM_STACK   0x20004000u
#define ARM_STM32_0 0x08000000u
#define ARM_8K      0x08002000u
#define ARM_32K     0x08008000u

struct made_arm {
	uint32_t base;
	uint32_t stack; /* 0: ARM_STACK, which every STM32 of some size has */
	size_t length; /* 0: ARM_LENGTH */
	uint32_t reset; /* 0: ARM_RESET */
	unsigned signs; /* of enum link_sign, those that can be made: all but the last two */
	const char *json; /* a dictionary, packed; NULL: none */
};

/* All that a build of Klipper shows. */
#define ARM_KLIPPER_SIGNS \
	(LINK_RESET_CODE | LINK_DEFAULT_HANDLER | LINK_DICTIONARY | LINK_VTOR | LINK_POINTERS)

/* The caller frees it. */
uint8_t *make_arm(const struct made_arm *made);
size_t made_arm_length(const struct made_arm *made);

/* Klipper for an MCU, linked at `base`; "config" beyond the MCU begins with a comma. */
uint8_t *make_klipper(const char *mcu, uint32_t base, const char *version, const char *config);

/* Puts a constant into code, as MOVW and MOVT of a register, `gap` bytes between them. */
void make_movw(uint8_t *code, unsigned target, uint32_t value, size_t gap);

/* Katapult's letters, right before the reset handler. */
void make_katapult(uint8_t *bytes, uint32_t base);

/* A dictionary, packed as Klipper does; its length. */
size_t make_dictionary(uint8_t *ret, size_t capacity, const char *json);

/* The bytes as a value of that format, without a file around them: raw ones have no address. */
struct image *make_value(
	enum image_format format, const uint8_t *bytes, size_t length, uint32_t address);
