/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Emulated boards that run Klipper: every chip there is, alone in its flash or behind a Katapult,
 * with a dictionary as its build would carry it.
 */
#include "unit/expect.h"

#include "emu/bench.h"
#include "model/board.h"
#include "model/entry.h"

#define KLIPPER_PLACE  "/sys/devices/emu/usb1/1-1"
#define KLIPPER_NODE   "/dev/ttyAMA0"
#define DICTIONARY_MAX 8192u

/* What a board is, and what must be found out about it. */
struct klipper_kind {
	const char *name;
	bool is_rp2;
	unsigned chip; /* enum stm32_chip or enum rp2040_chip */
	const char *mcu;
	uint32_t stack;
	uint32_t base; /* where the flash begins */
	uint32_t offset; /* of the application; 0 when it is alone */
	bool has_katapult;
	enum entry_loader loader; /* that it goes to */
	bool has_start; /* it can be found out where it runs */
	enum bootloader bootloader;
};

extern const struct klipper_kind klipper_kinds[];
extern const size_t klipper_kind_count;

struct klipper_board {
	const struct klipper_kind *kind;
	struct bench *bench;
	struct bench_board *board;
	char *json;
	size_t json_length;
	uint8_t packed[DICTIONARY_MAX];
	size_t packed_length;
};

/* Changes to what is usual; all zero: none. */
struct klipper_twist {
	const char *json; /* this dictionary instead */
	const uint8_t *packed; /* these bytes instead of one */
	size_t packed_length;
	bool is_mute, is_deaf, is_talkative, withholds_first, stays;
	uint64_t stats_nsec; /* when it is talkative */
	bool is_on_uart; /* STM32 only */
};

/* 12 KB of JSON that packs to 4, as builds of today do; the caller frees it. */
char *klipper_board_json(const char *mcu);

void klipper_board_plug(struct klipper_board *board, const struct klipper_kind *kind,
	const struct klipper_twist *twist);
void klipper_board_done(struct klipper_board *board);

/* Books of the Klipper that it runs. */
const struct klip_counters *klipper_board_counters(struct klipper_board *board);

/* Which boot loader it is in; ENTRY_NOTHING: it still runs Klipper. */
enum entry_loader klipper_board_loader(struct klipper_board *board);
