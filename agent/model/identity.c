/* SPDX-License-Identifier: MIT */
/* Completing what is known of a board; see identity.h. The strongest clue comes first, and what its
 * descriptors exclude no clue brings back. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "model/identity.h"
#include "model/serial.h"
#include "model/stm32_serial.h"

static bool is_possible(const struct board_facts *facts, enum chip chip)
{
	return chip != CHIP_UNKNOWN && facts->possible_chips & chip_bit(chip);
}

static void take_chip(struct board_facts *facts, enum chip chip, enum chip_origin origin)
{
	if (facts->chip != CHIP_UNKNOWN)
		return;
	facts->chip = chip;
	facts->chip_origin = origin;
}

static void copy_id(char ret[BOARD_ID_TEXT], const char *id)
{
	text_copy_plain(ret, BOARD_ID_TEXT, id);
	for (char *digit = ret; *digit; digit++)
		*digit = (char)toupper((unsigned char)*digit);
}

/* The first dispute is the one that is told. */
static void dispute(struct board_facts *facts, enum id_witness one, const char *one_says,
	enum id_witness other, const char *other_says)
{
	if (facts->dispute.one != WITNESS_NONE)
		return;
	facts->dispute.one = one;
	facts->dispute.other = other;
	text_copy_plain(facts->dispute.one_says, BOARD_ID_TEXT, one_says);
	text_copy_plain(facts->dispute.other_says, BOARD_ID_TEXT, other_says);
}

/* Which board it is, as somebody says it. */
static void take_unique_id(
	struct board_facts *facts, const char *id, enum provenance origin, enum id_witness witness)
{
	if (!*id)
		return;
	if (!*facts->unique_id) {
		copy_id(facts->unique_id, id);
		facts->id_witness = witness;
	} else if (strcasecmp(facts->unique_id, id) != 0) {
		char other[BOARD_ID_TEXT];
		copy_id(other, id);
		dispute(facts, facts->id_witness, facts->unique_id, witness, other);
		return;
	}
	if (facts->id_origin < origin)
		facts->id_origin = origin;
}

/* ---- shown by the board ------------------------------------------------------------------ */

/* Katapult and Klipper show the chip's id as their serial, the boot ROM of an RP2350 often does:
 * where a probe read none, that is it. */
static void take_shown(struct board_facts *facts, const struct device *device)
{
	bool shows_own = mode_shows_own_serial(device->mode);
	if (!*facts->unique_id && shows_own && serial_is_chip_id(device->serial))
		copy_id(facts->unique_id, device->serial);
	if (!*facts->unique_id)
		return;
	facts->id_origin = PROVENANCE_SHOWN;
	facts->id_witness = WITNESS_BOARD;
}

/* ---- seen a moment ago ------------------------------------------------------------------- */

/* Only these tell of their chip: by its name and by its whole id. A bridge has its ids from the
 * candleLight adapters, whose serial is another one. */
static bool is_klipper_or_katapult(const struct sighting *sighting)
{
	if (sighting->vid != 0x1d50)
		return false;
	bool is_bridge = sighting->pid == 0x606f && text_equal(sighting->manufacturer, "Klipper");
	return sighting->pid == 0x614e || sighting->pid == 0x6177 || is_bridge;
}

/* A hand may have put another board into the socket in between: its serial would give it away,
 * where it is not one that many show. */
static enum provenance origin_of(const struct sighting *sighting, const struct device *device)
{
	if (!stm32_serial_is_unique_id(sighting->serial))
		return PROVENANCE_NONE;
	bool agrees = stm32_serial_compare(sighting->serial, device->serial) == STM32_AGREES;
	if (!agrees && !stm32_serial_is_shared(device->serial))
		return PROVENANCE_NONE;
	if (sighting->was_requested)
		return PROVENANCE_REQUESTED;
	return agrees ? PROVENANCE_COMPUTED : PROVENANCE_SEEN;
}

static void take_sighting(
	struct board_facts *facts, const struct device *device, const struct sighting *sighting)
{
	enum chip chip = chip_from_mcu(sighting->product);
	enum provenance origin = origin_of(sighting, device);
	if (!is_klipper_or_katapult(sighting) || !is_possible(facts, chip) ||
		origin == PROVENANCE_NONE)
		return;
	take_chip(facts, chip, CHIP_FROM_SIGHTING);
	take_unique_id(facts, sighting->serial, origin, WITNESS_SIGHTING);
}

/* ---- written by us ----------------------------------------------------------------------- */

bool identity_is_own_write(
	const struct own_write *write, const struct device *device, const struct board_facts *facts)
{
	if (write->mode != device->mode || !text_equal(write->boot_serial, device->serial) ||
		!is_possible(facts, write->chip))
		return false;
	bool names_one = *device->serial && !serial_is_shared(device->serial);
	return names_one || (write->is_recent && facts->content != CONTENT_BOOTABLE);
}

static void take_own_write(
	struct board_facts *facts, const struct device *device, const struct own_write *write)
{
	if (!identity_is_own_write(write, device, facts))
		return;
	take_chip(facts, write->chip, CHIP_FROM_OWN_WRITE);
	take_unique_id(facts, write->unique_id, write->id_origin, WITNESS_OWN_WRITE);
}

/* ---- known from before ------------------------------------------------------------------- */

/* However well the book knows the serial's board: today there is only a serial that agrees. And a
 * board that we have asked ourselves is known better than what follows from a serial, since those
 * of two boards of one lot may be the same. */
static void take_passport(struct board_facts *facts, const struct passport_claim *claim)
{
	if (claim->provenance < facts->id_origin || (!*facts->unique_id && !claim->names_board))
		return;
	take_unique_id(facts, claim->unique_id, PROVENANCE_COMPUTED, WITNESS_PASSPORT);
}

/* ---- what it runs ------------------------------------------------------------------------ */

/* What the firmware says contradicts what was seen: then one of the two is about another board, and
 * neither is believed. */
static void take_firmware(struct board_facts *facts)
{
	enum chip chip = chip_from_mcu(facts->running.mcu);
	if (!is_possible(facts, chip))
		return;
	take_chip(facts, chip, CHIP_FROM_FIRMWARE);
	if (facts->chip != chip && facts->chip_origin == CHIP_FROM_SIGHTING) {
		dispute(facts, WITNESS_SIGHTING, chip_name(facts->chip), WITNESS_FIRMWARE,
			chip_name(chip));
		facts->chip = CHIP_UNKNOWN;
		facts->chip_origin = CHIP_ORIGIN_UNSAID;
	}
}

/* ---- programs of the Pico SDK ------------------------------------------------------------ */

/* The SDK's own ids (pico-sdk, src/rp2_common/pico_stdio_usb/stdio_usb_descriptors.c). What they
 * promise decides whether the board is asked; whether it is written, its ROM decides. */
static chip_set chips_of_program(const struct device *device)
{
	if (device->vid == 0x2e8a && device->pid == 0x000a)
		return chip_bit(CHIP_RP2040);
	if (device->vid == 0x2e8a && device->pid == 0x0009)
		return chip_bit(CHIP_RP2350);
	return chip_bit(CHIP_RP2040) | chip_bit(CHIP_RP2350);
}

/* All that a look at such a board can show is how it is asked: whatever else a worker claims is not
 * so. */
static void take_program(struct board_facts *facts, const struct device *device)
{
	*facts = (struct board_facts){
		.possible_chips = chips_of_program(device),
		.content = CONTENT_BOOTABLE, /* it runs */
		.reach = TRANSPORT_USB,
		.bootsel = facts->bootsel,
	};
	facts->chip = chip_set_only(facts->possible_chips);
	if (facts->chip != CHIP_UNKNOWN)
		facts->chip_origin = CHIP_FROM_DESCRIPTORS;
}

static void complete_dfu(
	struct board_facts *facts, const struct device *device, const struct identity_clues *clues)
{
	if (facts->chip != CHIP_UNKNOWN)
		facts->possible_chips |= chip_bit(facts->chip);
	facts->chip = chip_set_only(facts->possible_chips);
	facts->chip_origin =
		facts->chip == CHIP_UNKNOWN ? CHIP_ORIGIN_UNSAID : CHIP_FROM_DESCRIPTORS;
	if (clues->sighting)
		take_sighting(facts, device, clues->sighting);
	if (clues->own_write)
		take_own_write(facts, device, clues->own_write);
	if (clues->passport)
		take_passport(facts, clues->passport);
	take_firmware(facts);
}

void identity_complete(
	struct board_facts *facts, const struct device *device, const struct identity_clues *clues)
{
	facts->id_origin = PROVENANCE_NONE;
	facts->id_witness = WITNESS_NONE;
	facts->dispute = (struct id_dispute){ 0 };
	if (device->mode == MODE_PICO_SDK)
		take_program(facts, device);
	else
		facts->bootsel = BOOTSEL_UNKNOWN;
	take_shown(facts, device);
	if (device->mode == MODE_DFU)
		complete_dfu(facts, device, clues);
	if (facts->dispute.one == WITNESS_NONE)
		return;
	*facts->unique_id = '\0';
	facts->id_origin = PROVENANCE_NONE;
	facts->id_witness = WITNESS_NONE;
}

char *identity_dispute_text(const struct id_dispute *dispute)
{
	static const char *const witnesses[_WITNESS_MAX] = {
		[WITNESS_NONE] = "nobody",
		[WITNESS_BOARD] = "the board itself",
		[WITNESS_SIGHTING] = "what left this place just before",
		[WITNESS_OWN_WRITE] = "the write that is open on this place",
		[WITNESS_PASSPORT] = "the book of boards, by the serial that it shows,",
		[WITNESS_FIRMWARE] = "the firmware in its flash",
	};
	return text_format("%s says that this is %s, and %s says that it is %s: one of the two is "
			   "about another board. Unplug it, let its application start on this "
			   "place, and have it enter its boot loader again",
		witnesses[dispute->one], dispute->one_says, witnesses[dispute->other],
		dispute->other_says);
}

int identity_state(struct board_facts *facts, enum chip stated, bool is_forced)
{
	if (facts->chip == stated)
		return 0;
	bool is_firmware = facts->chip_origin == CHIP_FROM_FIRMWARE ||
			   facts->chip_origin == CHIP_FROM_OWN_WRITE;
	/* What the policy stated before it was read anew counts no longer. */
	bool is_open = facts->chip == CHIP_UNKNOWN || facts->chip_origin == CHIP_FROM_POLICY ||
		       (is_forced && is_firmware);
	if (facts->possible_chips && !is_possible(facts, stated))
		return IDENTITY_EXCLUDED;
	if (!is_open)
		return IDENTITY_CONTRADICTED;
	/* Nothing is known that the statement could be held against. */
	if (facts->possible_chips == 0)
		return 0;
	facts->chip = stated;
	facts->chip_origin = CHIP_FROM_POLICY;
	return 0;
}
