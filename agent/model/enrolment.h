/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A board that is plugged in becomes an entry of the policy: only by an id that names it and no
 * other, and that it is known by well.
 */
#include "model/board.h"
#include "model/can_uuid.h"
#include "model/device.h"
#include "model/reason.h"

struct enrolment {
	char id[BOARD_ID_TEXT];
	enum provenance origin;
	enum chip chip; /* CHIP_UNKNOWN: it does not say it */
	char can_uuid[CAN_UUID_TEXT];
};

/* Is it something that could be enrolled: in a boot mode, or an application of Klipper? (1d50:614e,
 * 1d50:606f by "Klipper"; klipper: src/Kconfig) */
bool enrolment_is_board(const struct device *device);

/* Which board is it? `facts`, completed (identity.h), may be NULL: nobody has looked. 0, or
 * ENROLMENT_REFUSED and why, with the way out, or -ENOMEM. */
#define ENROLMENT_REFUSED 1
int enrolment_identify(const struct device *device, const struct board_facts *facts,
	struct enrolment *ret, struct reasons *reasons) _must_check_;

/* A name that is good in a policy and in the name of a file: letters, digits, "-" and "_", at most
 * 48 of them, the first no sign. */
bool enrolment_name_is_valid(const char *name);

/* The name of the file that the entry belongs into, "board-NAME.conf", and its text; NULL when
 * memory is short. */
char *enrolment_file_name(const char *name) _must_check_;
char *enrolment_text(const char *name, const struct enrolment *enrolment) _must_check_;
