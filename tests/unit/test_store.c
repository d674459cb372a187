/* SPDX-License-Identifier: MIT */
/* The store: what may be used, and which one is meant. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "daemon/store.h"
#include "unit/expect.h"
#include "unit/make_image.h"

/* A directory of firmware, and what a rule makes of it. */
struct shelf {
	char directory[64];
	struct store *store;
	struct policy *policy;
	struct policy_rule *rule;
	struct reasons reasons;
	struct firmware firmware;
};

static void shelf_open(struct shelf *shelf, const char *image)
{
	strcpy(shelf->directory, "/tmp/plugflash-store-XXXXXX");
	assert_non_null(mkdtemp(shelf->directory));
	assert_int_equal(store_new(shelf->directory, &shelf->store), 0);
	shelf->policy = policy_new();
	shelf->rule = policy_add_rule(shelf->policy);
	shelf->rule->image = strdup(image);
}

static void shelf_done(struct shelf *shelf)
{
	_cleanup_(freep) char *command = text_format("rm -rf %s", shelf->directory);
	assert_int_equal(system(command), 0);
	firmware_done(&shelf->firmware);
	reasons_done(&shelf->reasons);
	store_free(shelf->store);
	policy_free(shelf->policy);
}

static char *shelf_path(const struct shelf *shelf, const char *name)
{
	char *path = text_format("%s/%s", shelf->directory, name);
	assert_non_null(path);
	return path;
}

static void shelf_put(const struct shelf *shelf, const char *name, const void *bytes, size_t length)
{
	_cleanup_(freep) char *path = shelf_path(shelf, name);
	_cleanup_(fclosep) FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
}

static int shelf_choose(struct shelf *shelf)
{
	const struct board_facts facts = { .chip = CHIP_RP2040, .flash_size_bytes = 2u << 20 };
	reasons_done(&shelf->reasons);
	firmware_done(&shelf->firmware);
	return store_choose(shelf->store, shelf->policy, shelf->rule, &facts, &shelf->reasons,
		&shelf->firmware);
}

static void expect_choice(struct shelf *shelf, const char *name)
{
	int r = shelf_choose(shelf);
	if (shelf->reasons.count > 0)
		fail_msg("refused: %s", shelf->reasons.items[0].sentence);
	assert_int_equal(r, 0);
	_cleanup_(freep) char *path = shelf_path(shelf, name);
	assert_string_equal(shelf->firmware.path, path);
}

static void expect_no_choice(struct shelf *shelf, enum reason_code code, const char *words)
{
	shelf_choose(shelf);
	expect_reason(&shelf->reasons, code, words);
}

static void a_directory_is_no_firmware(void **state)
{
	(void)state;
	_cleanup_(shelf_done) struct shelf shelf = { 0 };
	shelf_open(&shelf, "/");
	expect_no_choice(&shelf, REASON_IMAGE_UNREADABLE, "name a firmware file in the rule");
}

static void a_private_file_is_refused_with_the_command_that_helps(void **state)
{
	(void)state;
	_cleanup_(shelf_done) struct shelf shelf = { 0 };
	shelf_open(&shelf, "a.bin");
	_cleanup_(freep) uint8_t *bytes = make_bin(5000, 1);
	shelf_put(&shelf, "a.bin", bytes, 5000);
	_cleanup_(freep) char *path = shelf_path(&shelf, "a.bin");
	assert_int_equal(chmod(path, 0), 0);
	/* Root reads everything: nothing to be told then. */
	if (access(path, R_OK) < 0)
		expect_no_choice(&shelf, REASON_IMAGE_UNREADABLE, "chmod g+r");
	else
		expect_choice(&shelf, "a.bin");
}

static void the_file_that_is_named_is_meant(void **state)
{
	(void)state;
	_cleanup_(shelf_done) struct shelf shelf = { 0 };
	shelf_open(&shelf, "a.bin");
	expect_no_choice(&shelf, REASON_IMAGE_MISSING, "no such firmware file");
	_cleanup_(freep) uint8_t *bytes = make_bin(5000, 1);
	shelf_put(&shelf, "a.bin", bytes, 5000);
	expect_choice(&shelf, "a.bin");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_directory_is_no_firmware),
		cmocka_unit_test(a_private_file_is_refused_with_the_command_that_helps),
		cmocka_unit_test(the_file_that_is_named_is_meant),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
