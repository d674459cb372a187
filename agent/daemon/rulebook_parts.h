/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the readers of policy files share; nobody else includes this. A value that is not as it must
 * be is complained of with its file and line, and stands for nothing.
 */
#include <libconfig.h>

#include "base/cleanup.h"
#include "model/policy.h"
#include "model/reason.h"

/* No flash of a chip that we know lies higher, and libconfig 1.5 reads larger numbers in
 * hexadecimal as negative ones. */
#define ADDRESS_MOST 0x3fffffff

struct parse {
	const char *file;
	struct policy *policy;
	struct reasons *errors;
	struct reasons *warnings;
	int failure; /* sticky -ENOMEM */
};

void complain(struct parse *parse, const config_setting_t *setting, const char *format, ...)
	_printf_(3, 4);
void warn(struct parse *parse, const config_setting_t *setting, const char *text);
void keep(struct parse *parse, char **place, const char *text);
struct policy_origin origin_of(struct parse *parse, const config_setting_t *setting);

/* NULL, false, `low` and an untouched `ret` after a complaint. */
const char *want_string(struct parse *parse, const config_setting_t *setting);
bool want_bool(struct parse *parse, const config_setting_t *setting);
long long want_number(
	struct parse *parse, const config_setting_t *setting, long long low, long long high);
void want_id(
	struct parse *parse, const config_setting_t *setting, uint16_t *ret_vid, uint16_t *ret_pid);
void want_chip(struct parse *parse, const config_setting_t *setting, enum chip *ret);
void want_mode(struct parse *parse, const config_setting_t *setting, enum board_mode *ret);

/* A text without control characters. */
void take_name(struct parse *parse, const config_setting_t *setting, char **place);

struct key {
	const char *name;
	void (*take)(struct parse *parse, const config_setting_t *setting, void *object);
};

/* Every setting of a group by the key of its name. */
void take_group(struct parse *parse, const config_setting_t *group, const struct key *keys,
	size_t key_count, void *object);

/* rulebook_can.c: what is said of CAN buses, and of boards on them. */
void board_bus(struct parse *parse, const config_setting_t *setting, void *board);
void parse_bus(struct parse *parse, const config_setting_t *setting);
void flash_on_update(struct parse *parse, const config_setting_t *setting, void *rule);

/* rulebook_terms.c: the keys of flash = { … } that say more about the image than its name. */
void flash_expect(struct parse *parse, const config_setting_t *setting, void *rule);
void flash_declare(struct parse *parse, const config_setting_t *setting, void *rule);
void flash_downgrade(struct parse *parse, const config_setting_t *setting, void *rule);
void flash_bootloader(struct parse *parse, const config_setting_t *setting, void *rule);
void flash_sha256(struct parse *parse, const config_setting_t *setting, void *rule);
