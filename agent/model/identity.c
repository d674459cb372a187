/* SPDX-License-Identifier: MIT */
/* Completing what is known of a board; see identity.h. The strongest clue comes first, and what its
 * descriptors exclude no clue brings back. */
#include <ctype.h>
#include <string.h>

#include "base/text.h"
#include "model/identity.h"
#include "model/policy.h"
#include "model/stm32_serial.h"

/* Of a flash chip's id beside an RP2040, and of an RP2350's own. */
#define RP2_ID_DIGITS 16

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

static void take_unique_id(struct board_facts *facts, const char *id)
{
	if (*facts->unique_id)
		return;
	text_copy_plain(facts->unique_id, sizeof(facts->unique_id), id);
	for (char *digit = facts->unique_id; *digit; digit++)
		*digit = (char)toupper((unsigned char)*digit);
}

/* ---- seen a moment ago ------------------------------------------------------------------- */

/* Only these two tell of their chip: by its name and by its whole id. */
static bool is_klipper_or_katapult(const struct sighting *sighting)
{
	return sighting->vid == 0x1d50 && (sighting->pid == 0x614e || sighting->pid == 0x6177);
}

/* A hand may have put another board into the socket in between: its serial would give it away. */
static bool is_same_board(const struct sighting *sighting, const struct device *device)
{
	if (!stm32_serial_is_unique_id(sighting->serial))
		return false;
	return stm32_serial_is_shared(device->serial) ||
	       stm32_serial_compare(sighting->serial, device->serial) == STM32_AGREES;
}

static void take_sighting(
	struct board_facts *facts, const struct device *device, const struct sighting *sighting)
{
	enum chip chip = chip_from_mcu(sighting->product);
	if (!is_klipper_or_katapult(sighting) || !is_possible(facts, chip) ||
		!is_same_board(sighting, device))
		return;
	take_chip(facts, chip, CHIP_FROM_SIGHTING);
	take_unique_id(facts, sighting->serial);
}

/* ---- written by us ----------------------------------------------------------------------- */

bool identity_is_own_write(
	const struct own_write *write, const struct device *device, const struct board_facts *facts)
{
	if (write->mode != device->mode || !text_equal(write->boot_serial, device->serial) ||
		!is_possible(facts, write->chip))
		return false;
	bool names_one = *device->serial && !policy_serial_is_shared(device->serial);
	return names_one || (write->is_recent && facts->content != CONTENT_BOOTABLE);
}

static void take_own_write(
	struct board_facts *facts, const struct device *device, const struct own_write *write)
{
	if (!identity_is_own_write(write, device, facts))
		return;
	take_chip(facts, write->chip, CHIP_FROM_OWN_WRITE);
	take_unique_id(facts, write->unique_id);
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
 * so. The serial is the id that boot mode shows, unless the program's maker chose another text. */
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
	if (strlen(device->serial) != RP2_ID_DIGITS || policy_serial_is_shared(device->serial))
		return;
	take_unique_id(facts, device->serial);
	if (!board_id_is_valid(facts->unique_id))
		*facts->unique_id = '\0';
}

void identity_complete(
	struct board_facts *facts, const struct device *device, const struct identity_clues *clues)
{
	if (device->mode == MODE_PICO_SDK)
		take_program(facts, device);
	else
		facts->bootsel = BOOTSEL_UNKNOWN;
	if (device->mode != MODE_DFU)
		return;
	if (facts->chip != CHIP_UNKNOWN)
		facts->possible_chips |= chip_bit(facts->chip);
	facts->chip = chip_set_only(facts->possible_chips);
	facts->chip_origin =
		facts->chip == CHIP_UNKNOWN ? CHIP_ORIGIN_UNSAID : CHIP_FROM_DESCRIPTORS;
	if (clues->sighting)
		take_sighting(facts, device, clues->sighting);
	if (clues->own_write)
		take_own_write(facts, device, clues->own_write);
	take_firmware(facts);
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
