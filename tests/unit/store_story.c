/* SPDX-License-Identifier: MIT */
/* A directory of firmware, and what a rule makes of it; see store_story.h. */
#include "unit/store_story.h"

#include <sys/stat.h>

#include "base/bytes.h"
#include "unit/make_image.h"

#define FLASH 0x10000000u

void shelf_open(struct shelf *shelf, const char *image)
{
	strcpy(shelf->directory, "/tmp/plugflash-store-XXXXXX");
	strcpy(shelf->outside, "/tmp/plugflash-outside-XXXXXX");
	assert_non_null(mkdtemp(shelf->directory));
	assert_non_null(mkdtemp(shelf->outside));
	assert_int_equal(store_new(shelf->directory, &shelf->store), 0);
	shelf->policy = policy_new();
	shelf->rule = policy_add_rule(shelf->policy);
	shelf_mean(shelf, image);
}

void shelf_done(struct shelf *shelf)
{
	_cleanup_(freep) char *command =
		text_format("rm -rf %s %s", shelf->directory, shelf->outside);
	assert_int_equal(system(command), 0);
	firmware_done(&shelf->firmware);
	reasons_done(&shelf->reasons);
	store_free(shelf->store);
	policy_free(shelf->policy);
}

int shelf_set_up(void **state, const char *image)
{
	struct shelf *shelf = calloc(1, sizeof(*shelf));
	assert_non_null(shelf);
	shelf_open(shelf, image);
	shelf_put_widget(shelf, "a.bin", "1.0", 1);
	*state = shelf;
	return 0;
}

int shelf_tear_down(void **state)
{
	shelf_done(*state);
	free(*state);
	return 0;
}

void shelf_mean(struct shelf *shelf, const char *image)
{
	free(shelf->rule->image);
	shelf->rule->image = strdup(image);
	assert_non_null(shelf->rule->image);
}

/* ---- what lies there --------------------------------------------------------------------- */

char *shelf_path(const struct shelf *shelf, const char *name)
{
	char *path = name[0] == '/' ? strdup(name) : text_format("%s/%s", shelf->directory, name);
	assert_non_null(path);
	return path;
}

char *outside_path(const struct shelf *shelf, const char *name)
{
	char *path = text_format("%s/%s", shelf->outside, name);
	assert_non_null(path);
	return path;
}

void shelf_put(const struct shelf *shelf, const char *name, const void *bytes, size_t length)
{
	_cleanup_(freep) char *path = shelf_path(shelf, name);
	_cleanup_(fclosep) FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
}

void shelf_make_directory(const struct shelf *shelf, const char *name)
{
	_cleanup_(freep) char *path = shelf_path(shelf, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

void shelf_chmod(const struct shelf *shelf, const char *name, mode_t mode)
{
	_cleanup_(freep) char *path = shelf_path(shelf, name);
	assert_int_equal(chmod(path, mode), 0);
}

void shelf_link(const struct shelf *shelf, const char *target, const char *name)
{
	_cleanup_(freep) char *path = shelf_path(shelf, name);
	assert_int_equal(symlink(target, path), 0);
}

/* ---- programs ---------------------------------------------------------------------------- */

/* A table of one entry, the version, as the Pico SDK puts it into every program. */
static void put_version(uint8_t *bytes, const char *version)
{
	const uint32_t header = 0x1D8, list = 0x800, entry = 0x810, text = 0x820, copies = 0x8F0;
	assert_true(strlen(version) < copies - text);
	const uint32_t words[] = { 0x7188EBF2, FLASH + list, FLASH + list + 4, FLASH + copies,
		0xE71AA390 };
	for (size_t i = 0; i < ELEMENTSOF(words); i++)
		write_u32(bytes + header + 4 * i, words[i]);
	write_u32(bytes + list, FLASH + entry);
	write_u16(bytes + entry, 6);
	write_u16(bytes + entry + 2, 0x5052);
	write_u32(bytes + entry + 4, 0x11A9BC3A);
	write_u32(bytes + entry + 8, FLASH + text);
	write_u32(bytes + copies, 0);
	strcpy((char *)bytes + text, version);
}

uint8_t *make_widget(const char *version, uint32_t seed)
{
	uint8_t *bytes = make_bin(SHELF_IMAGE_BYTES, seed);
	if (*version)
		put_version(bytes, version);
	return bytes;
}

void shelf_put_widget(
	const struct shelf *shelf, const char *name, const char *version, uint32_t seed)
{
	_cleanup_(freep) uint8_t *bytes = make_widget(version, seed);
	shelf_put(shelf, name, bytes, SHELF_IMAGE_BYTES);
}

void shelf_put_stm32(const struct shelf *shelf, const char *name)
{
	_cleanup_(freep) uint8_t *bytes = make_offset_bin(0x08008000, SHELF_IMAGE_BYTES, 1);
	write_u32(bytes, 0x20004000);
	shelf_put(shelf, name, bytes, SHELF_IMAGE_BYTES);
}

/* ---- what comes of it -------------------------------------------------------------------- */

int shelf_choose(struct shelf *shelf)
{
	const struct board_facts facts = { .chip = CHIP_RP2040, .flash_size_bytes = 2u << 20 };
	reasons_done(&shelf->reasons);
	firmware_done(&shelf->firmware);
	return store_choose(shelf->store, shelf->policy, shelf->rule, &facts, &shelf->reasons,
		&shelf->firmware);
}

void expect_choice(struct shelf *shelf, const char *name)
{
	int r = shelf_choose(shelf);
	if (shelf->reasons.count > 0)
		fail_msg("refused: %s", shelf->reasons.items[0].sentence);
	assert_int_equal(r, 0);
	_cleanup_(freep) char *path = shelf_path(shelf, name);
	assert_string_equal(shelf->firmware.path, path);
	assert_non_null(shelf->firmware.image);
}

void expect_no_choice(struct shelf *shelf, enum reason_code code, const char *words)
{
	assert_int_equal(shelf_choose(shelf), STORE_REFUSED);
	expect_reason(&shelf->reasons, code, words);
	assert_null(shelf->firmware.path);
	assert_null(shelf->firmware.image);
}

/* ---- the list ---------------------------------------------------------------------------- */

const struct store_entry *shelf_entry(struct shelf *shelf, const char *name)
{
	_cleanup_(freep) char *path = shelf_path(shelf, name);
	const struct store_entry *entries;
	size_t count;
	assert_int_equal(store_look(shelf->store, shelf->policy, &entries, &count), 0);
	for (size_t i = 0; i < count; i++)
		if (text_equal(entries[i].path, path))
			return &entries[i];
	return NULL;
}

size_t shelf_count(struct shelf *shelf)
{
	const struct store_entry *entries;
	size_t count;
	assert_int_equal(store_look(shelf->store, shelf->policy, &entries, &count), 0);
	return count;
}

void expect_unused(struct shelf *shelf, const char *name, enum reason_code code, const char *words)
{
	const struct store_entry *entry = shelf_entry(shelf, name);
	assert_non_null(entry);
	expect_only_reason(&entry->reasons, code, words);
	assert_true(entry->status.st_size >= 0);
}

void expect_usable(struct shelf *shelf, const char *name)
{
	const struct store_entry *entry = shelf_entry(shelf, name);
	assert_non_null(entry);
	if (entry->reasons.count > 0)
		fail_msg("not used: %s", entry->reasons.items[0].sentence);
}
