/* SPDX-License-Identifier: MIT */
/* Proving where an image belongs; see link_address.h. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "model/katapult.h"
#include "model/link_address.h"
#include "model/rp2040.h"

/* The places that boot loaders leave to programs (Klipper's menu, Katapult's, vendors'). */
static const uint32_t stm32_offsets[] = { 0, 0x800, 0x1000, 0x2000, 0x4000, 0x5000, 0x6000, 0x7000,
	0x8000, 0x8800, 0x9000, 0xa000, 0xc000, 0x10000, 0x18000, 0x20000, 0x20200, 0x40000 };
static const uint32_t rp2_offsets[] = { 0, 0x4000, 0x8000, 0x10000 };
static const uint32_t lpc_offsets[] = { 0, 0x4000, 0x10000 };

_Static_assert(ELEMENTSOF(stm32_offsets) <= LINK_CANDIDATES, "every place can be listed");

#define CORE_VECTORS   16u /* stack, reset and the exceptions of the core */
#define OPCODE_CPSID_I 0xb672u
#define OPCODE_LOOP    0xe7feu /* b . */
#define STRONG         (LINK_RESET_CODE | LINK_DEFAULT_HANDLER | LINK_DICTIONARY | LINK_VTOR)

struct place {
	uint32_t base;
	unsigned signs;
	unsigned pointers;
};

struct search {
	const uint8_t *data;
	size_t length;
	enum chip chip;
	const struct chip_memory *memory;
	uint32_t vectors;
	size_t dictionary;
	struct place places[LINK_CANDIDATES];
	size_t count;
	uint32_t second; /* the lowest place behind the start of the flash */
	uint32_t lowest, highest; /* what a constant must lie between to mean anything */
};

/* ---- constants in code ------------------------------------------------------------------- */

/* The 16 bits that a MOVW or MOVT of Thumb-2 carries (ARMv7-M A7.7.76, A7.7.79). */
static uint16_t immediate16(uint16_t first, uint16_t second)
{
	return (uint16_t)((first & 0xfu) << 12 | (first >> 10 & 1u) << 11 |
			  (second >> 12 & 7u) << 8 | (second & 0xffu));
}

#define MOVW_REACH 64u /* bytes: a compiler keeps the two halves of a constant together */

struct halves {
	uint16_t low[16];
	size_t at[16]; /* where the MOVW stood, plus one; 0: none yet */
};

/* True when the instruction at `at` completes a constant. */
static bool completes_constant(
	struct halves *halves, const uint8_t *data, size_t at, uint32_t *ret_value)
{
	uint16_t first = read_u16(data + at), second = read_u16(data + at + 2);
	unsigned operation = first & 0xfbf0u, target = second >> 8 & 0xfu;
	if ((operation != 0xf240u && operation != 0xf2c0u) || second & 0x8000u)
		return false;
	if (operation == 0xf240u) {
		halves->low[target] = immediate16(first, second);
		halves->at[target] = at + 1;
		return false;
	}
	if (halves->at[target] == 0 || at + 1 - halves->at[target] > MOVW_REACH)
		return false;
	*ret_value = (uint32_t)immediate16(first, second) << 16 | halves->low[target];
	return true;
}

typedef void (*constant_heard)(void *object, uint32_t value);

/* Tells of every constant between two bounds: aligned words, and pairs of MOVW and MOVT. */
static void each_constant(const struct search *search, constant_heard heard, void *object)
{
	struct halves halves = { 0 };
	uint32_t span = search->highest - search->lowest, value;
	for (size_t at = 0; at + 4 <= search->length; at += 2) {
		if (at % 4 == 0) {
			value = read_u32(search->data + at);
			if (value - search->lowest <= span)
				heard(object, value);
		}
		if (completes_constant(&halves, search->data, at, &value) &&
			value - search->lowest <= span)
			heard(object, value);
	}
}

/* ---- signs ------------------------------------------------------------------------------- */

static bool is_inside(const struct search *search, uint32_t base, uint32_t address)
{
	return address >= base && address - base < search->length;
}

static bool is_in_ram(const struct search *search, uint32_t address)
{
	for (size_t i = 0; i < CHIP_RAMS; i++)
		if (address >= search->memory->ram[i].start && address < search->memory->ram[i].end)
			return true;
	return false;
}

/* An RP2040's ROM and Klipper's start-up code copy programs to RAM: handlers may be there. */
static bool is_handler(const struct search *search, uint32_t base, uint32_t vector)
{
	return vector % 2 == 1 &&
	       (is_inside(search, base, vector & ~1u) || is_in_ram(search, vector & ~1u));
}

static uint32_t vector_at(const struct search *search, unsigned index)
{
	return read_u32(search->data + search->vectors + 4 * index);
}

static bool vectors_fit(const struct search *search, uint32_t base)
{
	uint32_t stack = vector_at(search, 0), reset = vector_at(search, 1);
	if (!chip_stack_is_plausible(search->chip, stack) || reset % 2 == 0 ||
		!is_inside(search, base, reset & ~1u))
		return false;
	/* NMI and hard fault; what follows some chips and compilers use for other things. */
	return is_handler(search, base, vector_at(search, 2)) &&
	       is_handler(search, base, vector_at(search, 3));
}

static bool has_code(const struct search *search, uint32_t base, uint32_t vector, uint16_t code)
{
	uint32_t address = vector & ~1u;
	return is_inside(search, base, address) && search->length - (address - base) >= 2 &&
	       read_u16(search->data + (address - base)) == code;
}

/* What most of the core's exceptions lead to; 0: no two agree. */
static uint32_t default_handler(const struct search *search)
{
	uint32_t best = 0;
	unsigned best_count = 1;
	for (unsigned i = 2; i < CORE_VECTORS; i++) {
		unsigned count = 0;
		for (unsigned k = 2; k < CORE_VECTORS; k++)
			count += vector_at(search, k) == vector_at(search, i);
		if (vector_at(search, i) % 2 == 1 && count > best_count) {
			best = vector_at(search, i);
			best_count = count;
		}
	}
	return best;
}

/* What a constant that points to `value` would be a sign of, were the image at `base`. */
static unsigned sign_of(const struct search *search, uint32_t base, uint32_t value)
{
	if (!is_inside(search, base, value))
		return 0;
	if (value == base + search->vectors || value == base)
		return LINK_VTOR;
	return value - base == search->dictionary ? LINK_DICTIONARY : 0;
}

/* What is a sign by itself, at whichever place, is no pointer beside: it would count twice. */
static void weigh_constant(void *object, uint32_t value)
{
	struct search *search = object;
	unsigned seen = 0;
	for (size_t i = 0; i < search->count; i++) {
		struct place *place = &search->places[i];
		unsigned sign = sign_of(search, place->base, value);
		place->signs |= sign;
		seen |= sign;
	}
	for (size_t i = 0; i < search->count && !seen; i++)
		search->places[i].pointers += is_inside(search, search->places[i].base, value);
}

static void find_most_pointers(struct search *search)
{
	struct place *best = NULL;
	bool is_alone = false;
	for (size_t i = 0; i < search->count; i++) {
		struct place *place = &search->places[i];
		if (!best || place->pointers > best->pointers) {
			best = place;
			is_alone = true;
		} else if (place->pointers == best->pointers) {
			is_alone = false;
		}
	}
	/* Where one place is left, there is nothing to compare. */
	if (best && is_alone && search->count > 1)
		best->signs |= LINK_POINTERS;
}

/* ---- the search -------------------------------------------------------------------------- */

static void add_places(struct search *search, const uint32_t *offsets, size_t count)
{
	const struct chip_range flash = search->memory->flash;
	search->second = count > 1 ? flash.start + offsets[1] : flash.start;
	for (size_t i = 0; i < count; i++) {
		uint32_t base = flash.start + offsets[i];
		if (base >= flash.end || search->length > flash.end - base)
			continue;
		if (vectors_fit(search, base))
			search->places[search->count++] =
				(struct place){ .base = base, .signs = LINK_VECTORS };
	}
}

static bool is_rp2(enum chip chip)
{
	return chip == CHIP_RP2040 || chip == CHIP_RP2350;
}

/* Other chips start with what a boot2 is made of, whatever its checksum. */
static bool begins_with_boot2(const struct search *search)
{
	return is_rp2(search->chip) && search->length >= RP2040_BOOT2_BYTES &&
	       rp2040_boot2_is_valid(search->data);
}

/* An image that names no chip may still lead to the flash of one family. */
static const struct chip_memory *memory_of(
	enum chip chip, const uint8_t *start, enum chip *ret_chip)
{
	*ret_chip = chip;
	if (chip == CHIP_UNKNOWN && rp2040_boot2_is_valid(start))
		*ret_chip = CHIP_RP2040;
	else if (chip == CHIP_UNKNOWN && read_u32(start + 4) >> 24 == 0x10)
		*ret_chip = CHIP_RP2350; /* the larger one of the two */
	return chip_memory(*ret_chip);
}

static void find_places(struct search *search)
{
	if (begins_with_boot2(search)) {
		/* The checksum of 252 bytes is proof enough: whether what follows would start is
		 * for fitness to say. */
		search->vectors = RP2040_BOOT2_BYTES;
		add_places(search, rp2_offsets, 1);
		if (search->count == 0)
			search->places[search->count++].base = RP2040_FLASH_START;
		search->places[0].signs |= LINK_BOOT2;
	} else if (is_rp2(search->chip)) {
		add_places(search, rp2_offsets, ELEMENTSOF(rp2_offsets));
	} else if (search->chip == CHIP_LPC1768 || search->chip == CHIP_LPC1769) {
		add_places(search, lpc_offsets, ELEMENTSOF(lpc_offsets));
	} else {
		add_places(search, stm32_offsets, ELEMENTSOF(stm32_offsets));
	}
	/* What lies behind Katapult in one file is linked for another place, and all its signs are
	 * there too. */
	if (search->count > 0 && search->places[0].base == search->memory->flash.start &&
		katapult_starts(
			search->data, search->length, search->places[0].base, search->vectors)) {
		search->places[0].signs |= LINK_KATAPULT;
		search->count = 1;
	}
}

static void find_signs(struct search *search)
{
	uint32_t handler = default_handler(search);
	for (size_t i = 0; i < search->count; i++) {
		struct place *place = &search->places[i];
		if (has_code(search, place->base, vector_at(search, 1), OPCODE_CPSID_I))
			place->signs |= LINK_RESET_CODE;
		if (handler && has_code(search, place->base, handler, OPCODE_LOOP))
			place->signs |= LINK_DEFAULT_HANDLER;
	}
	if (search->count == 0)
		return;
	search->lowest = search->places[0].base;
	search->highest = search->places[search->count - 1].base + (uint32_t)search->length - 1;
	each_constant(search, weigh_constant, search);
	find_most_pointers(search);
}

/*
 * Code that starts before the second of all places lies at the first, whatever is missing. Klipper
 * for the RP2 family may run from RAM, where all pointers then lead: the start-up code is the only
 * sign that is left in the flash (measured on real builds: at no other place).
 */
static bool two_signs_agree(const struct search *search, const struct place *place)
{
	unsigned seen = place->signs & (STRONG | LINK_POINTERS);
	bool may_run_from_ram = is_rp2(search->chip) && search->dictionary != LINK_NO_DICTIONARY;
	if (place->signs & (LINK_BOOT2 | LINK_KATAPULT) ||
		(may_run_from_ram && seen & LINK_RESET_CODE))
		return true;
	return vector_at(search, 1) < search->second ? seen != 0 : (seen & (seen - 1)) != 0;
}

/*
 * A sign that can be seen at some place speaks against all places where it cannot. The number of
 * pointers does not: it decides by a hair's breadth and never alone.
 */
static struct place *find_uncontradicted(struct search *search)
{
	unsigned seen = 0;
	for (size_t i = 0; i < search->count; i++)
		seen |= search->places[i].signs & STRONG;
	struct place *found = NULL;
	for (size_t i = 0; i < search->count; i++) {
		if ((search->places[i].signs & STRONG) != seen)
			continue;
		if (found)
			return NULL;
		found = &search->places[i];
	}
	return found;
}

/*
 * The start of the flash is a constant in many programs that lie elsewhere: they look for the boot
 * loader before them, or reckon with the size of the flash. It counts as a sign for that place only
 * where the pointers agree.
 */
static void forgive_flash_start(struct search *search)
{
	if (search->count < 2 || search->places[0].base != search->memory->flash.start ||
		search->places[0].signs & LINK_POINTERS)
		return;
	unsigned others = 0;
	for (size_t i = 1; i < search->count; i++)
		others |= search->places[i].signs;
	if (!(others & LINK_VTOR))
		search->places[0].signs &= ~(unsigned)LINK_VTOR;
}

/* ---- a missing end ----------------------------------------------------------------------- */

#define CUT_REACH  0x10000u
#define CUT_LEAST  8u
#define CUT_MARGIN 4u /* the end itself, and what a linker puts right behind it, is no sign */
#define CUT_SHARE  16u /* of the constants that point into the image: data may look like some */

struct overrun {
	uint32_t end;
	unsigned hits;
	uint32_t values[CUT_LEAST]; /* those that differ */
	unsigned count;
};

static void note_overrun(void *object, uint32_t value)
{
	struct overrun *overrun = object;
	if (value - overrun->end > CUT_REACH || value - overrun->end <= CUT_MARGIN)
		return;
	overrun->hits++;
	for (unsigned i = 0; i < overrun->count; i++)
		if (overrun->values[i] == value)
			return;
	if (overrun->count < CUT_LEAST)
		overrun->values[overrun->count++] = value;
}

static bool end_is_missing(struct search *search, const struct place *place)
{
	struct overrun overrun = { .end = place->base + (uint32_t)search->length };
	search->lowest = overrun.end;
	search->highest = overrun.end + CUT_REACH;
	each_constant(search, note_overrun, &overrun);
	return overrun.count == CUT_LEAST && overrun.hits > place->pointers / CUT_SHARE;
}

/* ---- public ------------------------------------------------------------------------------ */

struct link_address link_address_find(
	const uint8_t *data, size_t length, enum chip chip, size_t dictionary)
{
	struct link_address answer = { 0 };
	struct search search = { .data = data, .length = length, .dictionary = dictionary };
	if (length < RP2040_BOOT2_BYTES + 4 * CORE_VECTORS || length > UINT32_MAX / 16)
		return answer;
	search.memory = memory_of(chip, data, &search.chip);
	if (!search.memory)
		return answer;
	find_places(&search);
	answer.vectors = search.vectors;
	for (size_t i = 0; i < search.count; i++)
		answer.candidates[answer.candidate_count++] = search.places[i].base;

	/* Nothing else starts at the start of an RP2040's flash. */
	bool needs_boot2 = search.chip == CHIP_RP2040 && search.vectors == 0;
	if (needs_boot2 && search.count > 0 && search.places[0].base == RP2040_FLASH_START)
		memmove(&search.places[0], &search.places[1],
			--search.count * sizeof(search.places[0]));
	find_signs(&search);
	forgive_flash_start(&search);
	const struct place *place = find_uncontradicted(&search);
	if (!place || !two_signs_agree(&search, place))
		return answer;
	answer.is_proved = true;
	answer.base = place->base;
	answer.signs = place->signs;
	answer.is_cut = end_is_missing(&search, place);
	return answer;
}

size_t link_offsets_stm32(const uint32_t **ret)
{
	*ret = stm32_offsets;
	return ELEMENTSOF(stm32_offsets);
}

static void note_mention(void *object, uint32_t value)
{
	(void)value; /* it is the only one that is asked for */
	*(bool *)object = true;
}

bool link_mentions(const uint8_t *code, size_t length, uint32_t value)
{
	bool is_mentioned = false;
	const struct search search = {
		.data = code, .length = length, .lowest = value, .highest = value
	};
	each_constant(&search, note_mention, &is_mentioned);
	return is_mentioned;
}

void link_signs_text(unsigned signs, char *ret)
{
	static const char *const sign_names[] = { "vector table", "reset code", "default handler",
		"pointer to the dictionary", "vector table offset", "pointers", "boot2",
		"Katapult's signature" };
	size_t at = 0;
	ret[0] = '\0';
	for (size_t i = 0; i < ELEMENTSOF(sign_names); i++)
		if (signs & 1u << i)
			at += (size_t)snprintf(ret + at, LINK_SIGNS_TEXT - at, "%s%s",
				at > 0 ? ", " : "", sign_names[i]);
}
