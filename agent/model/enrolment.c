/* SPDX-License-Identifier: MIT */
/* Entries for boards; see enrolment.h. */
#include <ctype.h>
#include <string.h>

#include "base/text.h"
#include "model/enrolment.h"
#include "model/serial.h"

#define NAME_MAX_LENGTH 48

bool enrolment_is_board(const struct device *device)
{
	if (device->mode != MODE_NONE)
		return true;
	if (device->vid != 0x1d50)
		return false;
	return device->pid == 0x614e || device->pid == 0x6177 ||
	       (device->pid == 0x606f && text_equal(device->manufacturer, "Klipper"));
}

/* ---- which board ------------------------------------------------------------------------- */

/* Why a board that shows no id of its own cannot be enrolled, and what to do. */
static const char *way_out(const struct device *device, const struct board_facts *facts)
{
	if (facts && facts->dispute.one != WITNESS_NONE)
		return "what is known of it contradicts itself (see \"plugflash explain\"); start "
		       "its application on this place, then enrol it";
	if (device->mode == MODE_DFU && facts && *facts->unique_id)
		return "which board it is is only known by what left this place just before; start "
		       "its application on this place, then enrol it";
	if (device->mode == MODE_DFU)
		return "in DFU a board shows no id of its own, but a serial that is made of it; "
		       "start its application, or its Katapult, on this place, then enrol it";
	if ((device->mode == MODE_RP2040_BOOT || device->mode == MODE_RP2350_BOOT) && !facts)
		return "in this boot mode a board shows its id only when it is looked at, and no "
		       "job has looked at it since it came; start its application and enrol that, "
		       "or plug it again when a rule covers it";
	if (serial_is_shared(device->serial))
		return "its serial is shown by many boards and names none; build its firmware with "
		       "the chip's id as the USB serial, or enrol it in a boot mode that shows its "
		       "id";
	return "it shows no chip's id as its serial; start its Klipper or its Katapult, then enrol "
	       "it";
}

static enum chip chip_of(const struct device *device, const struct board_facts *facts)
{
	if (facts && facts->chip != CHIP_UNKNOWN)
		return facts->chip;
	return mode_shows_own_serial(device->mode) ? chip_from_mcu(device->product) : CHIP_UNKNOWN;
}

int enrolment_identify(const struct device *device, const struct board_facts *facts,
	struct enrolment *ret, struct reasons *reasons)
{
	struct enrolment enrolment = { .chip = chip_of(device, facts) };
	bool shows_own = mode_shows_own_serial(device->mode);
	bool is_known = facts && *facts->unique_id && facts->id_origin >= PROVENANCE_COMPUTED;
	const char *id = is_known ? facts->unique_id : shows_own ? device->serial : "";
	if (!serial_is_chip_id(id)) {
		int r = reasons_add(reasons, REASON_IDENTITY_UNKNOWN, "the board at %s: %s",
			*device->port ? device->port : device->place, way_out(device, facts));
		return r < 0 ? r : ENROLMENT_REFUSED;
	}
	enrolment.origin = is_known ? facts->id_origin : PROVENANCE_SHOWN;
	text_copy_plain(enrolment.id, sizeof(enrolment.id), id);
	for (char *digit = enrolment.id; *digit; digit++)
		*digit = (char)toupper((unsigned char)*digit);
	(void)can_uuid_from_serial(enrolment.id, enrolment.can_uuid);
	*ret = enrolment;
	return 0;
}

/* ---- the entry --------------------------------------------------------------------------- */

bool enrolment_name_is_valid(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_";
	size_t length = strlen(name);
	return length > 0 && length <= NAME_MAX_LENGTH && strspn(name, letters) == length &&
	       name[0] != '-' && name[0] != '_';
}

char *enrolment_file_name(const char *name)
{
	return text_format("board-%s.conf", name);
}

char *enrolment_text(const char *name, const struct enrolment *enrolment)
{
	_cleanup_(freep) char *chip =
		enrolment->chip != CHIP_UNKNOWN
			? text_format(" chip = \"%s\";", chip_name(enrolment->chip))
			: strdup("");
	if (!chip)
		return NULL;
	return text_format("# Made by \"plugflash enroll %s\". On a CAN bus it answers as %s.\n"
			   "boards = (\n"
			   "  { name = \"%s\";%s serial = \"%s\"; can_uuid = \"%s\"; }\n"
			   ");\n",
		name, enrolment->can_uuid, name, chip, enrolment->id, enrolment->can_uuid);
}
