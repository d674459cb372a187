/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * An RP2040 board, or one with its successor, at its USB plug: the boot ROM (mass storage and
 * PICOBOOT), its flash chip with real erase and program rules, the application it boots, and faults
 * on request. Written from the description of the chips alone, never from the host side of this
 * tree.
 */
#include "base/cleanup.h"
#include "emu/device_core.h"
#include "emu/resident.h"

#define RP2040_FLASH_BASE   0x10000000u
#define RP2040_SECTOR_BYTES 4096u
#define RP2040_PAGE_BYTES   256u

enum rp2040_mode {
	RP2040_OFF, /* without power */
	RP2040_AWAY, /* in reset or starting, off the bus, will be back */
	RP2040_BOOT, /* the boot ROM: 2e8a:0003, 2e8a:000f */
	RP2040_APPLICATION, /* 2e8a:000a, 2e8a:0009 */
	RP2040_LOST, /* runs something that has no USB, or has crashed */
	RP2040_KATAPULT, /* 1d50:6177, from flash */
};

/* What the flash chip would do at the next reset without a button. */
enum rp2040_boot {
	RP2040_FALLS_BACK, /* no valid boot2, or block loop: the boot ROM stays */
	RP2040_BOOTS, /* one of these, and a plausible vector table */
	RP2040_CRASHES, /* the ROM would start it, and it jumps into nothing */
};

enum rp2040_chip {
	RP2040_CHIP_RP2040,
	RP2040_CHIP_RP2350,
};

enum rp2040_touch {
	RP2040_TOUCH_SDK, /* 1200 baud is enough */
	RP2040_TOUCH_KLIPPER, /* 1200 baud and DTR low */
	RP2040_TOUCH_NONE,
};

/* All zero is a good board: an RP2040, 2 MiB, blank, revision B2, BOOTSEL held while it is plugged
 * in. */
struct rp2040_options {
	enum rp2040_chip chip;
	size_t flash_bytes; /* a power of two, default 2 MiB */
	uint8_t unique_id[8]; /* of the flash chip; of the RP2350 itself. All 0xFF: it has none */
	bool unique_id_given; /* also when it is all zero, which else reads as none */
	const uint8_t *image; /* copied to the start of flash, or of the partition */
	size_t image_bytes;
	const char *mirror; /* a file that holds what the flash holds, before anybody is told */
	bool random_flash; /* the rest of flash is noise, not 0xFF */
	bool button_released; /* plugged in without BOOTSEL: starts from flash */
	unsigned rom_revision; /* RP2040: 1…3, default 3; RP2350: 2 (A2, default) to 4 (A4) */
	bool partitions; /* RP2350: a partition table, of one partition, lies in flash */
	unsigned disable_mask; /* 1: no mass storage, 2: no PICOBOOT */
	unsigned speed; /* divides the times of chip and ROM, default 1 */
	unsigned slowness; /* multiplies them, default 1 */
	bool without_stray_ack; /* a task that outlives INTERFACE_RESET never acknowledges */
	bool hang_stays; /* code of an EXEC that never returns outlives the resets of USB, too */
	uint64_t seed; /* of all noise */
	const char *manufacturer; /* of the application */
	const char *product;
	const char *serial; /* instead of the unique id */
	uint16_t application_vendor, application_product;
	enum rp2040_touch touch;
	const char *boot_manufacturer, *boot_product, *boot_serial; /* a liar in boot mode */
	const uint8_t *boot_configuration; /* hostile bytes instead of the ROM's */
	size_t boot_configuration_bytes;
	unsigned application_msec; /* reset to pull-up of the application, default 400 */
	bool klipper; /* the application is Klipper (1d50:614e), not one of the SDK */
	struct resident_options resident; /* Katapult, and that Klipper; on USB only */
};

struct rp2040_counters {
	uint64_t commands;
	uint64_t commands_by_id[16]; /* index: bCmdId & 0x7f, 0 for anything unknown */
	uint64_t sectors_erased;
	uint64_t pages_programmed;
	uint64_t pages_overprogrammed; /* needed a bit that was already cleared */
	uint64_t bytes_read; /* READ, flash only */
	uint64_t bulk_bytes;
	uint64_t control_requests;
	uint64_t interface_resets;
	uint64_t bus_resets;
	uint64_t short_packets_amid; /* a WRITE split off the 64-byte grid: the ROM is lost */
	uint64_t commands_lost_to_abort; /* flash commands while the abort was latched */
	uint64_t commands_lost_to_busy; /* flash commands that a busy chip ignored */
	uint64_t executions; /* EXECs whose code was run, whatever became of it */
};

/* Where the time went. `union_nsec` counts a nanosecond once, however many were busy in it: a job
 * that took longer kept both chip and wire waiting. */
struct rp2040_ledger {
	uint64_t erase_nsec, program_nsec, read_nsec; /* the chip, SPI transfers included */
	uint64_t rom_nsec; /* the ROM's own overhead */
	uint64_t wire_nsec; /* packets, control transfers not counted */
	uint64_t turn_nsec; /* Katapult between a command and what it does about it */
	uint64_t union_nsec;
	uint64_t busy_until;
};

enum rp2040_event_kind {
	RP2040_EVENT_MODE, /* value: enum rp2040_mode */
	RP2040_EVENT_FIRST_REQUEST,
	RP2040_EVENT_ERASE, /* value: address */
	RP2040_EVENT_PROGRAM, /* value: address */
	RP2040_EVENT_COMMAND, /* value: bCmdId */
	RP2040_EVENT_FAULT, /* value: enum rp2040_fault_kind */
};

struct rp2040_event {
	enum rp2040_event_kind kind;
	uint64_t at_nsec;
	uint32_t value;
};

typedef void (*rp2040_listener)(void *context, const struct rp2040_event *event);

enum rp2040_fault_kind {
	RP2040_FAULT_UNPLUG, /* the cable is pulled: no power */
	RP2040_FAULT_POWER_CYCLE, /* power fails and returns after `msec`, no button held */
	RP2040_FAULT_STALL, /* `endpoint` halts */
	RP2040_FAULT_WIRE_ERROR, /* the ROM takes it for an unplug: silent until a bus reset */
	RP2040_FAULT_FLIP_BIT, /* `byte` and `bit` of the next page are programmed wrongly */
	RP2040_FAULT_STUCK_BIT, /* `bit` at `target` is `value` from now on */
	RP2040_FAULT_LOST_ERASE, /* the next sector erase does nothing, in its usual time */
	RP2040_FAULT_LOST_PROGRAM, /* the same for a page */
	RP2040_FAULT_HANG, /* NAK for ever; control requests are still served */
	RP2040_FAULT_HANG_ALL, /* NAK for ever on every endpoint */
	RP2040_FAULT_LATE, /* bulk endpoints answer `msec` later */
	RP2040_FAULT_DIE, /* attached, but never answers again */
	RP2040_FAULT_RESTART, /* the application asks for boot mode (as by a touch) */
	/* of Katapult */
	RP2040_FAULT_ANSWER, /* the next command is not served but answered with code `value`; so
			       are `byte` more */
	RP2040_FAULT_MUTE, /* the next answer is lost */
};

enum rp2040_trigger {
	RP2040_AT_ONCE,
	RP2040_AT_COMMAND, /* the nth command, of `command` when that is not 0, as it arrives */
	RP2040_AT_BYTE, /* before the bulk packet that carries byte `nth` (from 0) */
	RP2040_AT_TIME, /* `nth` nanoseconds after arming */
	RP2040_AT_PAGE, /* the nth page program, of `address` when that is not 0, as it starts */
	RP2040_AT_SECTOR, /* the nth sector erase, likewise */
};

struct rp2040_fault {
	enum rp2040_fault_kind kind;
	enum rp2040_trigger trigger;
	uint64_t nth; /* 0 means the first, except for bytes and times */
	uint64_t after_nsec; /* between trigger and effect */
	uint32_t address; /* filter of the trigger, an address in 0x10000000… */
	uint8_t command;
	uint8_t endpoint;
	uint8_t byte, bit, value;
	uint32_t target;
	uint32_t msec;
};

struct rp2040;

int rp2040_new(const struct rp2040_options *options, struct rp2040 **ret) _must_check_;
struct rp2040 *rp2040_free(struct rp2040 *board);
DEFINE_CLEANUP(struct rp2040 *, rp2040_free)

struct device_core *rp2040_core(struct rp2040 *board);
void rp2040_listen(struct rp2040 *board, rp2040_listener listener, void *context);

/* The cable. With `button` held the board starts in boot mode, else from flash. */
void rp2040_power_on(struct rp2040 *board, uint64_t now, bool button);
/* The reset button, with BOOTSEL held or not. */
void rp2040_reset(struct rp2040 *board, uint64_t now, bool button);
void rp2040_power_off(struct rp2040 *board, uint64_t now);

/* Returns a number by which rp2040_fault_fired() knows the fault, -ENOSPC when there are too many.
 */
int rp2040_arm(struct rp2040 *board, uint64_t now, const struct rp2040_fault *fault) _must_check_;
bool rp2040_fault_exists(const struct rp2040 *board, int fault);
bool rp2040_fault_fired(const struct rp2040 *board, int fault);
void rp2040_disarm_all(struct rp2040 *board); /* heals hangs too, but not the dead */

enum rp2040_mode rp2040_mode(const struct rp2040 *board);
enum rp2040_boot rp2040_flash_state(const struct rp2040 *board);
const char *rp2040_mode_name(enum rp2040_mode mode);
const char *rp2040_boot_name(enum rp2040_boot boot);

/* The memory array itself, as a programmer clipped to the chip would see it. */
uint8_t *rp2040_flash(struct rp2040 *board, size_t *ret_bytes);
const uint32_t *rp2040_erase_counts(const struct rp2040 *board, size_t *ret_sectors);
/* What runs from flash and can be talked to: Katapult, Klipper, and their books. */
struct resident *rp2040_resident(struct rp2040 *board);
const struct rp2040_counters *rp2040_counters(const struct rp2040 *board);
const struct rp2040_ledger *rp2040_ledger(const struct rp2040 *board);
void rp2040_reset_counters(struct rp2040 *board);
