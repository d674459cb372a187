/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * An STM32 has one id of 96 bits. Its Klipper and Katapult show all of it as their USB serial, its
 * boot ROM shows twelve digits that are made of it. So the one foretells the other: enough to say
 * that two devices are not one board, never enough to say which board one is.
 */
#include <stdbool.h>

/* Twelve digits, and the end. */
#define STM32_BOOT_SERIAL_TEXT 13

/* 24 hexadecimal digits that name one chip: what Klipper shows. */
bool stm32_serial_is_unique_id(const char *text);

/* What a boot ROM shows on many boards, or on all of its kind. */
bool stm32_serial_is_shared(const char *boot_serial);

/* What the boot ROM of the chip with this id shows; false when that is no such id. */
bool stm32_serial_predict(const char *unique_id, char ret[STM32_BOOT_SERIAL_TEXT]);

enum stm32_agreement {
	STM32_UNDECIDED, /* one of the two says nothing, or is shared by many */
	STM32_AGREES,
	STM32_CONTRADICTS, /* two boards, in every way of making the one of the other */
};

enum stm32_agreement stm32_serial_compare(const char *unique_id, const char *boot_serial);
