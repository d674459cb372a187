/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the judgements share; nobody else includes this. Whether a chip would start the image is a
 * file a family (fitness_rp2040.c, fitness_rp2350.c, and fitness_cortex.c for all chips that start
 * with a vector table), what these share is fitness_trial.c; whether it is what the policy means is
 * fitness_terms.c. fitness.c calls the right ones.
 */
#include "model/board.h"
#include "model/image.h"
#include "model/image_facts.h"
#include "model/reason.h"
#include "model/terms.h"

/* Where a chip has what, and how a sentence calls it. */
struct layout {
	const char *name; /* "RP2040", behind "an" */
	uint32_t flash_start;
	uint32_t flash_end;
	uint32_t ram_start;
	uint32_t ram_end;
	uint32_t flash_size_least; /* of any board in common use */
};

/* The image under judgement and the little that is worked out only once. */
struct trial {
	const struct image *image;
	const struct image_facts *says;
	const struct board_facts *facts;
	const struct terms *terms;
	const struct layout *layout;
	struct reasons *reasons;
	uint32_t shift; /* added to the image's addresses: where an unplaced image would go */
};

uint64_t trial_start(const struct trial *trial);

/* Where the image ends, of what lies in the flash; the flash's start when nothing does. */
uint32_t trial_flash_end(const struct trial *trial);

/* Copies image bytes by board address; false unless all of them are there. */
bool trial_bytes(const struct trial *trial, uint32_t address, size_t length, uint8_t *ret)
	_must_check_;

/* Does the image lie where the chip starts, and may it replace a boot loader there? */
bool trial_replaces_bootloader(const struct trial *trial);

/* Do these eight bytes lead into the flash of an STM32? */
bool are_stm32_vectors(const uint8_t vectors[8]);

/* Each adds the reasons it finds. 0 or -ENOMEM. */
int judge_family(const struct trial *trial) _must_check_;
int judge_place(const struct trial *trial) _must_check_;
int judge_size(const struct trial *trial) _must_check_;
int judge_regions(const struct trial *trial) _must_check_;
int judge_bootloader_kept(const struct trial *trial) _must_check_;

int fitness_judge_rp2040(const struct trial *trial) _must_check_;
int fitness_judge_rp2350(const struct trial *trial) _must_check_;
int fitness_judge_cortex(const struct trial *trial) _must_check_;
int fitness_judge_terms(const struct trial *trial) _must_check_;
