/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The name of a board on a CAN bus is a hash of its chip's id: who knows the USB serial that the
 * board shows knows its CAN uuid, never the other way round.
 */
#include <stdbool.h>

/* Twelve digits, and the end. */
#define CAN_UUID_TEXT 13

/* The low six bytes, in the order of memory, of fasthash64 of the id's bytes with the seed
 * 0xA16231A7, in lower case (Klipper: src/generic/canserial.c, fasthash.c; Katapult's CAN is the
 * same). False when the serial is no chip's id, or is shared by many; `ret` is then unchanged. */
bool can_uuid_from_serial(const char *serial, char ret[CAN_UUID_TEXT]);

/* Twelve hexadecimal digits. */
bool can_uuid_is_valid(const char *uuid);
