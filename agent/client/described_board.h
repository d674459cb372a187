/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A board that is only spoken of: "chip=stm32g0b1,base=0x08002000,can=1000000".
 */
#include "client/json.h"
#include "client/problem.h"
#include "model/board.h"

/*
 * Reads "KEY=VALUE,…": chip, base (where it starts its application), flash (its size), transport
 * (by which it is reached), can (the bitrate of its bus), bootloader (none, katapult or other),
 * version (what it runs). 0, or negative with `problem` set.
 */
int described_board_parse(const char *text, struct board_facts *ret, struct problem *problem)
	_must_check_;

/* Takes what the service knows of a board (the answer to Explain). */
void described_board_adopt(struct board_facts *board, const cJSON *explanation);
