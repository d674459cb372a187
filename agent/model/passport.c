/* SPDX-License-Identifier: MIT */
/* Passports of boards; see passport.h. */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "model/can_uuid.h"
#include "model/passport.h"
#include "model/serial.h"
#include "model/stm32_serial.h"

static const char *const kind_names[_TIE_MAX] = {
	[TIE_RUNTIME_SERIAL] = "runtime-serial",
	[TIE_KATAPULT_SERIAL] = "katapult-serial",
	[TIE_DFU_SERIAL] = "dfu-serial",
	[TIE_DFU_SERIAL_COMPUTED] = "dfu-serial-computed",
	[TIE_FLASH_ID] = "flash-id",
	[TIE_CAN_UUID] = "can-uuid",
	[TIE_CAN_UUID_COMPUTED] = "can-uuid-computed",
	[TIE_PLACE] = "place",
	[TIE_FIRMWARE] = "firmware",
	[TIE_IMAGE] = "image",
	[TIE_NAME] = "name",
};

const char *tie_kind_name(enum tie_kind kind)
{
	assert(kind < _TIE_MAX);
	return kind_names[kind];
}

int tie_kind_from_name(const char *name)
{
	return text_lookup(kind_names, _TIE_MAX, name);
}

/* ---- one encounter ----------------------------------------------------------------------- */

/* Half a text could be taken for another one: what does not fit is left out. */
static void add_tie(
	struct lesson *lesson, enum tie_kind kind, enum provenance learnt, const char *value)
{
	if (!value || !*value || strlen(value) >= TIE_TEXT || learnt == PROVENANCE_NONE)
		return;
	assert(lesson->count < LESSON_TIES);
	struct tie *tie = &lesson->ties[lesson->count++];
	*tie = (struct tie){ .kind = kind, .learnt = learnt };
	text_copy_plain(tie->value, TIE_TEXT, value);
	/* Serials are digits; texts stay as they are. */
	for (char *digit = tie->value; kind <= TIE_FLASH_ID && *digit; digit++)
		*digit = (char)toupper((unsigned char)*digit);
}

static const char *serial_of(const struct device *device)
{
	return device && device->serial && serial_is_chip_id(device->serial) ? device->serial : "";
}

/* Which board it was and how that is known. What came back after our restart tells it where nobody
 * knew, and stands against what was only supposed. */
static int find_id(const struct encounter *encounter, struct lesson *lesson, enum provenance *ret)
{
	const struct board_facts *facts = encounter->facts;
	const char *known = facts ? facts->unique_id : "", *came = serial_of(encounter->successor);
	enum provenance origin = facts ? facts->id_origin : PROVENANCE_NONE;
	bool is_other = *known && *came && strcasecmp(known, came) != 0;
	if (facts && facts->dispute.one != WITNESS_NONE)
		return 0;
	/* The book learns nothing from itself. */
	if (facts && facts->id_witness == WITNESS_PASSPORT && !*came)
		return 0;
	if (is_other && origin < PROVENANCE_SHOWN)
		return LESSON_CONTRADICTED;
	if (*came && !is_other && origin < PROVENANCE_REQUESTED)
		origin = PROVENANCE_REQUESTED;
	const char *id = *known ? known : came;
	text_copy_plain(lesson->id, sizeof(lesson->id), id);
	for (char *digit = lesson->id; *digit; digit++)
		*digit = (char)toupper((unsigned char)*digit);
	*ret = origin;
	return *id ? LESSON_LEARNT : 0;
}

/* A board that has only told its uuid is known by it until it shows its id. */
static bool learn_uuid(const struct encounter *encounter, struct lesson *lesson)
{
	const char *seen = encounter->can_uuid;
	char computed[CAN_UUID_TEXT] = "", shown[CAN_UUID_TEXT] = "";
	if (seen && can_uuid_is_valid(seen))
		for (size_t i = 0; i < CAN_UUID_TEXT - 1; i++)
			shown[i] = (char)tolower((unsigned char)seen[i]);
	bool follows = can_uuid_from_serial(lesson->id, computed);
	if (follows && *shown && !text_equal(computed, shown))
		return false;
	if (!*lesson->id)
		strcpy(lesson->id, shown);
	add_tie(lesson, TIE_CAN_UUID, PROVENANCE_SHOWN, shown);
	add_tie(lesson, TIE_CAN_UUID_COMPUTED, PROVENANCE_COMPUTED, computed);
	strcpy(lesson->can_uuid, follows ? computed : shown);
	return true;
}

/* The names that it goes by in the mode in which it was met, and what follows from its id. */
static void learn_names(
	const struct encounter *encounter, struct lesson *lesson, enum provenance origin)
{
	const struct device *device = encounter->device;
	const char *came = serial_of(encounter->successor);
	char computed[STM32_BOOT_SERIAL_TEXT];
	enum board_mode mode = device ? device->mode : MODE_NONE;
	if (mode == MODE_DFU)
		add_tie(lesson, TIE_DFU_SERIAL, origin, device->serial);
	else if (mode == MODE_KATAPULT)
		add_tie(lesson, TIE_KATAPULT_SERIAL, PROVENANCE_SHOWN, serial_of(device));
	else if (mode == MODE_RP2040_BOOT)
		add_tie(lesson, TIE_FLASH_ID, origin, lesson->id);
	else
		came = *came ? came : serial_of(device);
	if (*came && strcasecmp(came, lesson->id) == 0)
		add_tie(lesson, TIE_RUNTIME_SERIAL, PROVENANCE_SHOWN, came);
	else if (mode == MODE_DFU)
		add_tie(lesson, TIE_RUNTIME_SERIAL, origin, lesson->id);
	if (chip_is_stm32(lesson->chip) && stm32_serial_predict(lesson->id, computed))
		add_tie(lesson, TIE_DFU_SERIAL_COMPUTED, PROVENANCE_COMPUTED, computed);
}

/* What it says of its firmware, or what we have written, which it replaces. */
static void learn_content(const struct encounter *encounter, struct lesson *lesson)
{
	char digest[DIGEST_TEXT];
	if (encounter->facts && encounter->facts->running.is_known)
		add_tie(lesson, TIE_FIRMWARE, PROVENANCE_SHOWN, encounter->facts->running.version);
	if (!encounter->image)
		return;
	text_hex(encounter->image->bytes, DIGEST_BYTES, digest);
	add_tie(lesson, TIE_IMAGE, PROVENANCE_REQUESTED, digest);
}

int passport_learn(const struct encounter *encounter, struct lesson *ret)
{
	struct lesson lesson = { 0 };
	enum provenance origin = PROVENANCE_NONE;
	int r = find_id(encounter, &lesson, &origin);
	if (r == LESSON_CONTRADICTED)
		return r;
	if (!learn_uuid(encounter, &lesson))
		return LESSON_CONTRADICTED;
	if (!*lesson.id)
		return 0;
	if (encounter->facts)
		lesson.chip = encounter->facts->chip;
	if (r == LESSON_LEARNT)
		learn_names(encounter, &lesson, origin);
	if (encounter->device)
		add_tie(&lesson, TIE_PLACE, origin, encounter->device->place);
	learn_content(encounter, &lesson);
	add_tie(&lesson, TIE_NAME, PROVENANCE_DECLARED, encounter->name);
	*ret = lesson;
	return LESSON_LEARNT;
}

/* ---- what the book says of a serial in DFU ------------------------------------------------ */

void testimony_add(
	struct testimony *testimony, const char *id, enum provenance learnt, bool is_at_place)
{
	struct passport_claim *claim = &testimony->claim;
	if (*claim->unique_id && strcasecmp(claim->unique_id, id) != 0) {
		testimony->is_ambiguous = true;
		return;
	}
	text_copy_plain(claim->unique_id, sizeof(claim->unique_id), id);
	if (claim->provenance < learnt)
		claim->provenance = learnt;
	claim->names_board |= learnt >= PROVENANCE_COMPUTED && is_at_place;
}

bool testimony_claims(const struct testimony *testimony)
{
	return !testimony->is_ambiguous && board_id_is_valid(testimony->claim.unique_id) &&
	       *testimony->claim.unique_id && testimony->claim.provenance >= PROVENANCE_COMPUTED;
}
