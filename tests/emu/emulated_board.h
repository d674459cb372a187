/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A board of any make, as a bench in real time handles it: its plug, its power, and what a test may
 * ask of it in words. One file of each make, such as rp2040_board.c, says how.
 */
#include <stdio.h>

#include "emu/device_core.h"
#include "emu/resident.h"
#include "emu/words.h"

struct emulated_board;

/* `text` is plain ASCII; a detail is for those who want to hear everything. */
typedef void (*emulated_board_listener)(
	void *context, uint64_t at_nsec, const char *text, bool is_detail);

struct emulated_board_operations {
	void (*free)(struct emulated_board *board);
	struct device_core *(*core)(struct emulated_board *board);

	/* What runs in it and can be talked to; of interest to a place that is a UART. */
	struct resident *(*resident)(struct emulated_board *board);

	/* The cable. `button` is whatever makes this board stay in its boot loader. */
	void (*power_on)(struct emulated_board *board, uint64_t now, bool button);
	void (*power_off)(struct emulated_board *board, uint64_t now);
	bool (*is_off)(const struct emulated_board *board);
	/* The reset button, pressed and let go. */
	void (*reset)(struct emulated_board *board, uint64_t now);

	/* Names for a test: what runs, and what would run after a reset without a button. */
	const char *(*mode)(const struct emulated_board *board);
	const char *(*flash_state)(const struct emulated_board *board);
	/* What a test loads and dumps. */
	uint8_t *(*flash)(struct emulated_board *board, size_t *ret_bytes);

	/* Members of a JSON object, each after a comma. */
	void (*write_counters)(const struct emulated_board *board, FILE *json);
	void (*reset_counters)(struct emulated_board *board);
	/* Words of await that only this make knows; false for what it does not know, either. */
	bool (*condition_holds)(const struct emulated_board *board, const char *condition);

	/* From "KIND key=value…"; a number, -ENOSPC, or -EINVAL and the word in `*ret_wrong`. */
	int (*arm)(struct emulated_board *board, uint64_t now, const struct words *words,
		size_t first, const char **ret_wrong);
	bool (*fault_exists)(const struct emulated_board *board, int fault);
	bool (*fault_fired)(const struct emulated_board *board, int fault);
	void (*disarm_all)(struct emulated_board *board);
};

/* The first member of every make's own. */
struct emulated_board {
	const struct emulated_board_operations *operations;
	bool button_held; /* when it is plugged in for the first time */
	emulated_board_listener listener;
	void *listener_context;
};

/* From "key=value" words, without power. kind=NAME says of which make, rp2040 when it is not there.
 * Negative errno; `*ret_wrong` is the word that was not understood, or NULL. */
int emulated_board_new(const struct words *words, size_t first, struct emulated_board **ret,
	const char **ret_wrong) _must_check_;
struct emulated_board *emulated_board_free(struct emulated_board *board);
DEFINE_CLEANUP(struct emulated_board *, emulated_board_free)

void emulated_board_listen(
	struct emulated_board *board, emulated_board_listener listener, void *context);
/* For the makes: tells whoever listens. */
void emulated_board_tell(
	const struct emulated_board *board, uint64_t at_nsec, const char *text, bool is_detail);

/* The makes. Whatever the options point at is read or copied before they return. */
int rp2040_board_new(const struct words *words, size_t first, struct emulated_board **ret,
	const char **ret_wrong) _must_check_;
int stm32_board_new(const struct words *words, size_t first, struct emulated_board **ret,
	const char **ret_wrong) _must_check_;
int candlelight_board_new(const struct words *words, size_t first, struct emulated_board **ret,
	const char **ret_wrong) _must_check_;
