/* SPDX-License-Identifier: MIT */
/* The CAN uuid that follows from a USB serial, and what no uuid follows from. */
#include "unit/expect.h"

#include "model/can_uuid.h"
#include "model/provenance.h"
#include "model/serial.h"

static void expect_uuid(const char *serial, const char *expected)
{
	char uuid[CAN_UUID_TEXT];
	assert_true(can_uuid_from_serial(serial, uuid));
	assert_string_equal(uuid, expected);
	assert_true(can_uuid_is_valid(uuid));
}

static void a_serial_foretells_the_uuid(void **unused)
{
	(void)unused;
	expect_uuid("3D0052001450425539383920", "154aab036e6a");
	expect_uuid("0123456789ABCDEF01234567", "38c9bdae9652");
	expect_uuid("E6605838833F4A2B", "ab766359251a");
	/* Small letters are the same id. */
	expect_uuid("e6605838833f4a2b", "ab766359251a");
}

static void what_names_no_chip_foretells_nothing(void **unused)
{
	(void)unused;
	static const char *const others[] = {
		"",
		"12345",
		"3D005200145042553938392", /* a digit short */
		"3D00520014504255393839200",
		"3D005200145042553938392G",
		"0x0052001450425539383920",
		"375E36693532", /* of a boot ROM */
		"EEEEEEEEEEEEEEEE",
		"0123456789abcdef",
		"000000000000000000000000",
		"ffffffffffffffffffffffff",
		"momentOS",
	};
	for (size_t i = 0; i < ELEMENTSOF(others); i++) {
		char uuid[CAN_UUID_TEXT] = "untouched";
		assert_false(serial_is_chip_id(others[i]));
		assert_false(can_uuid_from_serial(others[i], uuid));
		assert_string_equal(uuid, "untouched");
	}
}

static void an_id_may_have_eight_twelve_or_sixteen_bytes(void **unused)
{
	(void)unused;
	char uuid[CAN_UUID_TEXT], other[CAN_UUID_TEXT];
	assert_true(can_uuid_from_serial("0102030405060708090A0B0C0D0E0F10", uuid));
	assert_true(can_uuid_from_serial("0102030405060708090A0B0C0D0E0F11", other));
	assert_string_not_equal(uuid, other);
	assert_false(can_uuid_from_serial("0102030405060708090A", uuid));
}

static void a_uuid_has_twelve_digits(void **unused)
{
	(void)unused;
	assert_true(can_uuid_is_valid("154AAB036E6a"));
	assert_false(can_uuid_is_valid("154aab036e6"));
	assert_false(can_uuid_is_valid("154aab036e6a0"));
	assert_false(can_uuid_is_valid("154aab036e6x"));
}

static void provenances_have_names_and_an_order(void **unused)
{
	(void)unused;
	for (enum provenance p = PROVENANCE_SEEN; p < _PROVENANCE_MAX; p++) {
		assert_int_equal(provenance_from_name(provenance_name(p)), p);
		assert_true(*provenance_text(p));
	}
	assert_true(provenance_from_name("") < 0);
	assert_true(provenance_from_name("guessed") < 0);
	assert_true(PROVENANCE_SEEN < PROVENANCE_DECLARED);
	assert_true(PROVENANCE_DECLARED < PROVENANCE_COMPUTED);
	assert_true(PROVENANCE_COMPUTED < PROVENANCE_REQUESTED);
	assert_true(PROVENANCE_REQUESTED < PROVENANCE_SHOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_serial_foretells_the_uuid),
		cmocka_unit_test(what_names_no_chip_foretells_nothing),
		cmocka_unit_test(an_id_may_have_eight_twelve_or_sixteen_bytes),
		cmocka_unit_test(a_uuid_has_twelve_digits),
		cmocka_unit_test(provenances_have_names_and_an_order),
	};
	return cmocka_run_group_tests_name("can uuid", tests, NULL, NULL);
}
