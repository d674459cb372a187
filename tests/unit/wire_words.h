/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One good message of each kind.
 */
#include "unit/expect.h"

#include "model/wire.h"

static const struct wire_message job = {
	.type = WIRE_JOB,
	.job = { .id = 42,
		.mode = MODE_RP2040_BOOT,
		.bus = 3,
		.device = 127,
		.arrival = UINT64_MAX,
		.syspath = "/sys/devices/pci0000:00/usb1/1-1" },
};
static const struct wire_message go = { .type = WIRE_GO,
	.go = { .digest.bytes = { 1, 2, 3 }, .force = true } };
static const struct wire_message stop = { .type = WIRE_STOP };
static const struct wire_message evidence = {
	.type = WIRE_EVIDENCE,
	.evidence = { .chip = CHIP_RP2040,
		.rom_revision = 3,
		.flash_size_bytes = 2 << 20,
		.content = CONTENT_BOOTABLE,
		.unique_id = "504450610847861C" },
};
static const struct wire_message progress = {
	.type = WIRE_PROGRESS,
	.progress = { .phase = PHASE_WRITE, .done_bytes = 4096, .total_bytes = 8192 },
};
static const struct wire_message flashed = {
	.type = WIRE_OUTCOME,
	.outcome = { .outcome = OUTCOME_FLASHED,
		.verification = VERIFY_READBACK,
		.restarted = true,
		.tally = { 8, 3, 5, 32768, 20480, 1 },
		.sentence = "written, and read back without a difference" },
};
static const struct wire_message refused = {
	.type = WIRE_OUTCOME,
	.outcome = { .outcome = OUTCOME_REFUSED,
		.reason = REASON_CANCELLED,
		.sentence = "told to stop before anything was written" },
};

static const struct wire_message *const all[] = { &job, &go, &stop, &evidence, &progress, &flashed,
	&refused };
