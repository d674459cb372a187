/* SPDX-License-Identifier: MIT */
/* Stories about telling chips apart by the looks of their ROMs. The strings are what devices have
 * shown. */
#include "unit/expect.h"

#include <stdio.h>

#include "backend/dfu_chips.h"

#define OLD 0x2200
#define NEW 0x0200

#define F4_OPTIONS       "@Option Bytes  /0x1FFFC000/01*016 e"
#define F42_OPTIONS      "@Option Bytes  /0x1FFFC000/01*016 e/0x1FFEC000/01*016 e"
#define F4_OTP           "@OTP Memory /0x1FFF7800/01*512 e,01*016 e"
#define FEATURE          "@Device Feature/0xFFFF0000/01*004 e"
#define F0_OPTIONS       "@Option Bytes  /0x1FFFF800/01*016 e"
#define FLASH(geometry)  "@Internal Flash  /0x08000000/" geometry
#define FLASH3(geometry) "@Internal Flash   /0x08000000/" geometry

#define BIT(name) (UINT64_C(1) << CHIP_STM32##name)

static chip_set possible(uint16_t version, const char *const *alternates)
{
	struct dfu_looks looks = { .device_version = version };
	for (; looks.alternate_count < 4 && alternates[looks.alternate_count];
		looks.alternate_count++)
		strcpy(looks.alternates[looks.alternate_count], alternates[looks.alternate_count]);
	assert_int_equal(dfuse_layout_parse(looks.alternates[0], &looks.flash), 0);
	return dfu_possible_chips(&looks);
}

#define POSSIBLE(version, ...) possible(version, (const char *const[5]){ __VA_ARGS__ })

static void expect_chips(chip_set found, chip_set wanted)
{
	for (unsigned chip = 0; chip < _CHIP_MAX; chip++)
		if ((found ^ wanted) & chip_bit(chip))
			fail_msg("%s is %s", chip_name(chip),
				wanted & chip_bit(chip) ? "missing" : "too much");
}

static void roms_that_nothing_else_looks_like(void **state)
{
	(void)state;
	static const char *const g0b1[] = { "64*02Kg", "128*02Kg", "256*02Kg" };
	for (size_t i = 0; i < ELEMENTSOF(g0b1); i++) {
		char flash[DFUSE_TEXT_BYTES];
		snprintf(flash, sizeof(flash), FLASH3("%s"), g0b1[i]);
		expect_chips(POSSIBLE(NEW, flash, flash, flash), BIT(G0B1));
	}
	expect_chips(POSSIBLE(NEW, FLASH3("64*02Kg"), "@Option Bytes   /0x1FFF7800/01*40Be",
			     "@OTP Memory   /0x1FFF7000/01*01Ke"),
		BIT(G431));
	expect_chips(POSSIBLE(NEW, FLASH3("256*02Kg"),
			     "@Option Bytes   /0x1FFF7800/01*048 e/0x1FFFF800/01*048 e",
			     "@OTP Memory   /0x1FFF7000/01*1024 e"),
		BIT(G474));
	expect_chips(
		POSSIBLE(NEW, FLASH3("8*128Kg"), "@Option Bytes   /0x5200201C/01*88 e"), BIT(H723));
	expect_chips(
		POSSIBLE(OLD, FLASH("04*016Kg,01*064Kg,011*128Kg"), F4_OPTIONS, F4_OTP, FEATURE),
		BIT(F413));
	expect_chips(
		POSSIBLE(OLD, FLASH("04*032Kg,01*128Kg,07*256Kg"), F4_OPTIONS, F4_OTP, FEATURE),
		BIT(F765));
}

static void roms_that_several_chips_share(void **state)
{
	(void)state;
	const chip_set f42 = BIT(F427) | BIT(F429) | BIT(F469);
	expect_chips(
		POSSIBLE(OLD, FLASH("04*016Kg,01*064Kg,03*128Kg"), F4_OPTIONS, F4_OTP, FEATURE),
		BIT(F207) | BIT(F401) | BIT(F405) | BIT(F407) | BIT(F411) | BIT(F412) | BIT(F446) |
			BIT(F469));
	expect_chips(
		POSSIBLE(OLD, FLASH("04*016Kg,01*064Kg,07*128Kg"), F4_OPTIONS, F4_OTP, FEATURE),
		BIT(F207) | BIT(F405) | BIT(F407) | BIT(F412) | f42);
	expect_chips(
		POSSIBLE(OLD, FLASH("04*016Kg,01*064Kg,07*128Kg?"), F42_OPTIONS, F4_OTP, FEATURE),
		BIT(F427) | BIT(F429));
	expect_chips(
		POSSIBLE(OLD, FLASH("04*016Kg,01*064Kg,07*128Kg"), F42_OPTIONS, F4_OTP, FEATURE),
		f42);
	expect_chips(POSSIBLE(OLD, FLASH("04*016Kg,01*064Kg,07*128Kg,04*016Kg,01*064Kg,07*128Kg"),
			     F42_OPTIONS, F4_OTP, FEATURE),
		f42);
	expect_chips(POSSIBLE(OLD, FLASH("064*0002Kg"), F0_OPTIONS), BIT(F070) | BIT(F072));
	expect_chips(POSSIBLE(OLD, FLASH("032*0001Kg"), F0_OPTIONS), BIT(F042) | BIT(F070));
	expect_chips(POSSIBLE(NEW, FLASH3("16*128Kg"), "@Option Bytes   /0x5200201C/01*128 e"),
		BIT(H743) | BIT(H750));
}

static void what_looks_like_none_that_we_know_is_none(void **state)
{
	(void)state;
	/* An F72x has the geometry of an F446. */
	expect_chips(
		POSSIBLE(OLD, FLASH("04*016Kg,01*64Kg,03*128Kg"), F4_OPTIONS, F4_OTP, FEATURE), 0);
	/* The generation contradicts the geometry. */
	expect_chips(
		POSSIBLE(NEW, FLASH("04*016Kg,01*064Kg,07*128Kg"), F4_OPTIONS, F4_OTP, FEATURE), 0);
	expect_chips(POSSIBLE(0x0100, FLASH("04*016Kg,01*064Kg,07*128Kg"), F4_OPTIONS), 0);
	/* A G0B1 has three times the same, and no fewer. */
	expect_chips(POSSIBLE(NEW, FLASH3("64*02Kg"), FLASH3("64*02Kg")), 0);
	/* Flash that is elsewhere, or cannot be erased, or has more behind it. */
	expect_chips(
		POSSIBLE(OLD, "@Flash  /0x08004000/04*016Kg,01*064Kg,07*128Kg", F4_OPTIONS), 0);
	expect_chips(POSSIBLE(OLD, FLASH("04*016Ka,01*064Kg,07*128Kg"), F4_OPTIONS), 0);
	expect_chips(POSSIBLE(OLD, FLASH("04*016Kg,01*064Kg,07*128Kg,01*128Kg"), F4_OPTIONS), 0);
	/* An F303. */
	expect_chips(POSSIBLE(OLD, FLASH("128*0002Kg"), F0_OPTIONS), 0);
}

static void loaders_of_plain_dfu_go_by_their_id(void **state)
{
	(void)state;
	const struct dfu_loader *maple = dfu_loader_find(0x1eaf, 0x0003);
	assert_non_null(maple);
	assert_int_equal(maple->alternate, 2);
	assert_int_equal(maple->application_start, 0x08002000);
	assert_true(maple->chips == BIT(F103));
	assert_int_equal(dfu_loader_find(0x1d50, 0x6015)->application_start, 0x4000);
	assert_null(dfu_loader_find(0x0483, 0xdf11));
}

int main(void)
{
	const struct CMUnitTest stories[] = {
		cmocka_unit_test(roms_that_nothing_else_looks_like),
		cmocka_unit_test(roms_that_several_chips_share),
		cmocka_unit_test(what_looks_like_none_that_we_know_is_none),
		cmocka_unit_test(loaders_of_plain_dfu_go_by_their_id),
	};
	return cmocka_run_group_tests(stories, NULL, NULL);
}
