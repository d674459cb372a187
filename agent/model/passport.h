/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One board has many names: the serial that its Klipper shows, another one in DFU, a CAN uuid, the
 * id of its flash chip. A passport ties them together, and each tie says how it was learnt. Here is
 * what one encounter teaches, and what the ties of all boards say of one serial; where they are
 * kept is daemon/passports.c's matter.
 */
#include "base/digest.h"
#include "model/identity.h"

enum tie_kind {
	TIE_RUNTIME_SERIAL, /* of its application: the chip's id (klipper: 1.2 of its chips) */
	TIE_KATAPULT_SERIAL,
	TIE_DFU_SERIAL, /* as it was shown */
	TIE_DFU_SERIAL_COMPUTED, /* as it follows from the chip's id */
	TIE_FLASH_ID, /* of an RP2040's flash chip */
	TIE_CAN_UUID, /* as it answered on a bus */
	TIE_CAN_UUID_COMPUTED,
	TIE_PLACE,
	TIE_FIRMWARE, /* the version that was found in its flash */
	TIE_IMAGE, /* the digest of what was written, or found to be there already */
	TIE_NAME, /* that the policy gives it */
	_TIE_MAX,
};

const char *tie_kind_name(enum tie_kind kind); /* "dfu-serial-computed" */
int tie_kind_from_name(const char *name); /* enum tie_kind or -EINVAL */

#define TIE_TEXT 192

struct tie {
	enum tie_kind kind;
	enum provenance learnt;
	char value[TIE_TEXT];
};

/* Where a board was met, and what is known of it then. Each pointer may be NULL. */
struct encounter {
	const struct device *device; /* as it was looked at */
	const struct board_facts *facts; /* completed (identity.h) */
	const struct device *successor; /* what came to its socket after we had restarted it */
	const char *can_uuid; /* that it answered with on a bus */
	const char *name; /* that the policy in force gives it */
	const struct digest *image; /* that is in its flash now, as we have read back */
};

#define LESSON_TIES 12

struct lesson {
	char id[BOARD_ID_TEXT]; /* the chip's id; the CAN uuid in lower case where that is all */
	char can_uuid[13]; /* that it has, "" = unknown: an entry under it is of the same board */
	enum chip chip;
	struct tie ties[LESSON_TIES];
	size_t count;
};

/* What an encounter teaches. 0: nothing, since nobody knows which board it was; LESSON_LEARNT;
 * LESSON_CONTRADICTED: what came back is another board than the one that was taken for it. */
#define LESSON_LEARNT       1
#define LESSON_CONTRADICTED 2
int passport_learn(const struct encounter *encounter, struct lesson *ret) _must_check_;

/* ---- what the book says of a serial in DFU ------------------------------------------------ */

struct testimony {
	struct passport_claim claim;
	bool is_ambiguous; /* several boards are tied to it */
};

/* One tie of that serial: to which board, how well, and did that board sit on this place last? */
void testimony_add(
	struct testimony *testimony, const char *id, enum provenance learnt, bool is_at_place);

/* True: the ties name one board, and one of them is more than a chance. To a board that nobody else
 * knows it gives its name only on the place where that board sat last: there the serial confirms,
 * elsewhere it is no proof (two boards of one lot can have the same one; dfu: ST community 153796).
 */
bool testimony_claims(const struct testimony *testimony);
