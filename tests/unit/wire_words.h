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
static const struct wire_message stop = { .type = WIRE_STOP, .stop = { .leave = true } };
static const struct wire_message evidence = {
	.type = WIRE_EVIDENCE,
	.evidence = { .chip = CHIP_RP2040,
		.rom_revision = 3,
		.flash_size_bytes = 2 << 20,
		.content = CONTENT_BOOTABLE,
		.unique_id = "504450610847861C" },
};
static const struct wire_message evidence_of_dfu = {
	.type = WIRE_EVIDENCE,
	.evidence = { .possible_chips = UINT64_C(1) << CHIP_STM32F446 | UINT64_C(1)
										<< CHIP_STM32F401,
		.flash_size_bytes = 512 << 10,
		.content = CONTENT_BOOTABLE,
		.bootloader = BOOTLOADER_KATAPULT,
		.bootloader_end = 0x08004000,
		.has_application_start = true,
		.application_start = 0x08008000,
		.writable = { { 0x08000000, 0x08080000 } },
		.writable_count = 1,
		.running = { .is_known = true,
			.mcu = "stm32f446xx",
			.version = "v0.12.0-1-gabcdef",
			.clock_hz = 180000000,
			.can_bitrate = 1000000,
			.serial_baud = 250000,
			.transport = TRANSPORT_BRIDGE,
			.can_pins = "PB8,PB9",
			.usb_pins = "PA11,PA12",
			.serial_pins = "PA10,PA9",
			.has_initial_pins = true,
			.initial_pins = "!PC13" },
		.is_read_protected = true },
};
static const struct wire_message evidence_of_program = {
	.type = WIRE_EVIDENCE,
	.evidence = { .content = CONTENT_BOOTABLE,
		.reach = TRANSPORT_USB,
		.bootsel = BOOTSEL_BY_SERIAL },
};
static const struct wire_message plan = {
	.type = WIRE_PLAN,
	.plan = { .units_total = 7,
		.units_identical = 3,
		.units_blank = 1,
		.units_erased = 3,
		.bytes_written = 44544,
		.sentence = "3 of 7 units are identical" },
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

static const struct wire_message *const all[] = { &job, &go, &stop, &evidence, &evidence_of_dfu,
	&evidence_of_program, &progress, &plan, &flashed, &refused };
