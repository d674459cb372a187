/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the stories about the store share: a directory of firmware, a rule, and what comes of it.
 * The board is always an RP2040 with 2 MiB.
 */
#include "daemon/store.h"
#include "unit/expect.h"

struct shelf {
	char directory[64];
	char outside[64]; /* empty, and no part of the store unless a story says so */
	struct store *store;
	struct policy *policy;
	struct policy_rule *rule;
	struct reasons reasons;
	struct firmware firmware;
};

/* A store with nothing in it, and a rule that says `image`. Released by shelf_done(). */
void shelf_open(struct shelf *shelf, const char *image);
void shelf_done(struct shelf *shelf);

/* For cmocka: a shelf on the heap with one file, "a.bin", and a rule that means `image`. */
int shelf_set_up(void **state, const char *image);
int shelf_tear_down(void **state);

/* The rule says another image from now on. */
void shelf_mean(struct shelf *shelf, const char *image);

/* Names in the store; one that begins with a slash is taken as it is. New strings. */
char *shelf_path(const struct shelf *shelf, const char *name);
char *outside_path(const struct shelf *shelf, const char *name);

void shelf_put(const struct shelf *shelf, const char *name, const void *bytes, size_t length);
void shelf_make_directory(const struct shelf *shelf, const char *name);
void shelf_chmod(const struct shelf *shelf, const char *name, mode_t mode);
void shelf_link(const struct shelf *shelf, const char *target, const char *name);

/* A program for an RP2040 that says this version of itself ("": none), with a body from the seed.
 */
#define SHELF_IMAGE_BYTES 0x2000u
uint8_t *make_widget(const char *version, uint32_t seed);
void shelf_put_widget(
	const struct shelf *shelf, const char *name, const char *version, uint32_t seed);

/* Its first words lead into the flash of an STM32. */
void shelf_put_stm32(const struct shelf *shelf, const char *name);

int shelf_choose(struct shelf *shelf);
void expect_choice(struct shelf *shelf, const char *name);
/* Refused for this reason, with these words, and no image is given. */
void expect_no_choice(struct shelf *shelf, enum reason_code code, const char *words);

/* What the list says of one file; NULL: it is not in there. Lives until the next look. */
const struct store_entry *shelf_entry(struct shelf *shelf, const char *name);
size_t shelf_count(struct shelf *shelf);
void expect_unused(struct shelf *shelf, const char *name, enum reason_code code, const char *words);
void expect_usable(struct shelf *shelf, const char *name);
