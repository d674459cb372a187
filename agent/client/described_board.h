/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A board that is only spoken of: "chip=stm32g0b1,base=0x08002000,can=1000000".
 */
#include "client/json.h"
#include "client/problem.h"
#include "model/board.h"
#include "model/klipper.h"

struct described_board {
	struct board_facts facts;
	struct klipper running; /* what facts.running points to */
};

/*
 * Reads "KEY=VALUE,…": chip, base (where it starts its application), flash (its size), transport
 * (by which it is reached), can (the bitrate of its bus), bootloader (none, katapult or other),
 * version (what it runs). 0, or negative with `problem` set. To be released by
 * described_board_done().
 */
int described_board_parse(const char *text, struct described_board *ret, struct problem *problem)
	_must_check_;
void described_board_done(struct described_board *board);

/* Takes what the service knows of a board (the answer to Explain). */
void described_board_adopt(struct described_board *board, const cJSON *explanation);
