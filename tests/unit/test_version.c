/* SPDX-License-Identifier: MIT */
/* Stories about two versions, and which of them is the older one. */
#include "unit/expect.h"

#include "model/version.h"

static void expect_order(const char *left, const char *right, enum version_order order)
{
	static const enum version_order mirrored[] = {
		[VERSION_UNORDERED] = VERSION_UNORDERED,
		[VERSION_OLDER] = VERSION_NEWER,
		[VERSION_SAME] = VERSION_SAME,
		[VERSION_NEWER] = VERSION_OLDER,
	};
	if (version_compare(left, right) != order)
		fail_msg("\"%s\" seen from \"%s\": %d, not %d", left, right,
			version_compare(left, right), order);
	if (version_compare(right, left) != mirrored[order])
		fail_msg("\"%s\" seen from \"%s\": %d", right, left, version_compare(right, left));
}

static void expect_older(const char *older, const char *newer)
{
	expect_order(older, newer, VERSION_OLDER);
}

static void expect_unordered(const char *left, const char *right)
{
	expect_order(left, right, VERSION_UNORDERED);
}

static void a_tag_before_another_is_older(void **unused)
{
	(void)unused;
	expect_older("v0.12.0", "v0.13.0");
	expect_older("v0.9.1", "v0.10.0");
	expect_older("v0.13.0", "v0.13.1");
	expect_older("v0.13", "v0.13.0.1");
	expect_older("v0.12.0-404-g0123456ab", "v0.13.0-0-g0a1b2c3d4");
}

static void more_commits_behind_the_same_tag_are_newer(void **unused)
{
	(void)unused;
	expect_older("v0.13.0", "v0.13.0-1-g0a1b2c3d4");
	expect_older("v0.13.0-0-gfeedbeef", "v0.13.0-420-g0a1b2c3d4");
	expect_older("v0.13.0-99-gfeedbeef", "v0.13.0-100-g0a1b2c3d4");
}

static void the_same_text_is_the_same_version(void **unused)
{
	(void)unused;
	static const char *const texts[] = { "v0.13.0", "?", "0a1b2c3d",
		"v0.12.0-1-gab-dirty-20240101_120000-bench", "some words", "v99999999999" };
	for (size_t i = 0; i < ELEMENTSOF(texts); i++)
		expect_order(texts[i], texts[i], VERSION_SAME);
}

static void two_commits_at_one_distance_have_no_order(void **unused)
{
	(void)unused;
	expect_unordered("v0.13.0-420-g0a1b2c3d4", "v0.13.0-420-gfeedbeef1");
	expect_unordered("v0.13.0-0-g0a1b2c3d4", "v0.13.0");
	expect_unordered("v0.13.0-rc1", "v0.13.0");
	expect_unordered("v0.13.0-rc1-5-g0a1b2c3d4", "v0.13.0-rc2-9-g0a1b2c3d4");
	expect_unordered("5.01", "5.1");
}

static void what_was_never_committed_has_no_order(void **unused)
{
	(void)unused;
	const char *clean = "v0.13.0-420-g0a1b2c3d4";
	expect_unordered("v0.13.0-420-g0a1b2c3d4-dirty", clean);
	expect_unordered("v0.13.0-420-g0a1b2c3d4-dirty-20240101_120000-bench", clean);
	expect_unordered("v0.13.0-420-g0a1b2c3d4-dirty-20240101_120000-bench",
		"v0.13.0-420-g0a1b2c3d4-dirty-20250101_120000-bench");
	/* But behind another commit it has one. */
	expect_older("v0.13.0-419-gfeedbeef-dirty-20250101_120000-bench", clean);
}

static void vendors_number_behind_their_own_words(void **unused)
{
	(void)unused;
	expect_older("CARTOGRAPHER 5.0.0", "CARTOGRAPHER 5.1.0");
	expect_older("beacon 1.0.0", "beacon 2.0.0 (release)");
	expect_older("1.9", "1.10");
	expect_unordered("CARTOGRAPHER 5.0.0", "CARTOGRAPHER 5.0.0 beta");
}

static void other_words_have_no_order(void **unused)
{
	(void)unused;
	expect_unordered("CARTOGRAPHER 5.1.0", "v0.13.0");
	expect_unordered("CARTOGRAPHER 5.1.0", "cartographer 5.0.0");
	expect_unordered("v0.13.0", "0.12.0");
	expect_unordered("version", "release");
	expect_unordered("?", "v0.13.0");
}

static void nothing_has_no_order(void **unused)
{
	(void)unused;
	expect_unordered(NULL, NULL);
	expect_unordered("", "");
	expect_unordered(NULL, "v0.13.0");
	expect_unordered("", "v0.13.0");
}

static void a_number_that_does_not_fit_is_no_number(void **unused)
{
	(void)unused;
	expect_older("v999999998.0", "v999999999.0");
	expect_unordered("v4294967296.0", "v1.0");
	expect_unordered("v18446744073709551617.0", "v1.0");
	expect_unordered("v1.99999999999", "v1.2");
	expect_unordered("v1.2.3.4.5", "v1.2.3.4.4");
	/* Nor is one that counts commits. */
	expect_unordered("v1.0-4294967297-gfeedbeef", "v1.0-2-g0a1b2c3d4");
	expect_unordered("v1.0-99999999999-gfeedbeef", "v1.0-2-g0a1b2c3d4");
}

static void a_dot_without_a_number_is_no_version(void **unused)
{
	(void)unused;
	expect_unordered("v1.", "v0.9");
	expect_unordered("v1..2", "v1.1");
	expect_unordered("v1.x", "v0.9");
}

/* What `git describe --always` makes where there is no tag. */
static void the_name_of_a_commit_is_no_number(void **unused)
{
	(void)unused;
	expect_unordered("0a1b2c3d", "9f00aa11");
	expect_unordered("d1b2c3d4", "d9aabbcc");
	expect_unordered("12345678", "23456789");
	expect_unordered("d1234567", "d2345678");
	expect_unordered("1234567-dirty-20240101_120000-bench", "2345678");
	expect_unordered("0a1b2c3d", "v0.13.0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tag_before_another_is_older),
		cmocka_unit_test(more_commits_behind_the_same_tag_are_newer),
		cmocka_unit_test(the_same_text_is_the_same_version),
		cmocka_unit_test(two_commits_at_one_distance_have_no_order),
		cmocka_unit_test(what_was_never_committed_has_no_order),
		cmocka_unit_test(vendors_number_behind_their_own_words),
		cmocka_unit_test(other_words_have_no_order),
		cmocka_unit_test(nothing_has_no_order),
		cmocka_unit_test(a_number_that_does_not_fit_is_no_number),
		cmocka_unit_test(a_dot_without_a_number_is_no_version),
		cmocka_unit_test(the_name_of_a_commit_is_no_number),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
