/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A board with an STM32 at its USB plug: the DFU boot loader in its ROM (DfuSe), its flash with
 * real erase and program rules and times, what starts from that flash (Katapult, an application),
 * and faults on request. Two loaders of plain DFU 1.1 are here too. Written from the description of
 * the chips alone, never from the host side of this tree.
 */
#include "base/cleanup.h"
#include "emu/device_core.h"
#include "emu/resident.h"

#define STM32_FLASH_BASE      0x08000000u
#define STM32_UNIQUE_ID_BYTES 12
#define STM32_ALTERNATES      4
#define STM32_RANGES          4
#define STM32_REQUESTS        7

enum stm32_chip {
	STM32_F429_1MB, /* with the garbage behind its layout string */
	STM32_F429_2MB,
	STM32_F446,
	STM32_F407,
	STM32_F405,
	STM32_F401XE,
	STM32_F072,
	STM32_F042,
	STM32_G0B1_128K,
	STM32_G0B1_256K,
	STM32_G0B1_512K,
	STM32_G431,
	STM32_G474,
	STM32_H723,
	STM32_H743,
	STM32_SMOOTHIE, /* an LPC1769 with Smoothieboard's loader, 1d50:6015, flash at 0 */
	STM32_MAPLE, /* an F103 with stm32duino's loader, 1eaf:0003, 128 KiB */
	STM32_F103, /* the same chip without; its ROM has no USB */
	STM32_LPC1769, /* with a Katapult, where a Smoothieboard has its loader */
	STM32_CHIPS,
};

enum stm32_mode {
	STM32_OFF, /* without power */
	STM32_AWAY, /* starting, off the bus, will be back */
	STM32_DFU, /* the boot loader */
	STM32_KATAPULT, /* 1d50:6177 */
	STM32_APPLICATION, /* 1d50:614e */
	STM32_SILENT, /* the application runs and has no USB */
	STM32_LOST, /* nothing runs: a blank part, or a crash */
};

/* What a reset without BOOT0 would lead to; the empty check is left out. */
enum stm32_start {
	STM32_STARTS_NOTHING, /* blank, or vectors that lead into nothing */
	STM32_STARTS_KATAPULT, /* and its application is absent */
	STM32_STARTS_APPLICATION,
};

/* In each of these 0 means: what this chip is known, or supposed, to do. */
enum stm32_initial {
	STM32_INITIAL_OF_CHIP,
	STM32_INITIAL_IDLE, /* dfuIDLE */
	STM32_INITIAL_ERROR, /* dfuERROR, errFIRMWARE */
};

enum stm32_clear { /* CLRSTATUS outside dfuERROR */
	STM32_CLEAR_OF_CHIP,
	STM32_CLEAR_TO_ERROR, /* taken; dfuERROR, errUNKNOWN */
	STM32_CLEAR_STALLS, /* refused; dfuERROR, errSTALLEDPKT */
};

enum stm32_busy { /* GETSTATUS while an operation runs */
	STM32_BUSY_OF_CHIP,
	STM32_BUSY_BLOCKS, /* endpoint zero NAKs until it has ended */
	STM32_BUSY_ANSWERS, /* dfuDNBUSY, again and again */
	STM32_BUSY_STALLS, /* and nothing changes */
};

enum stm32_leave { /* behind a DNLOAD of length 0 */
	STM32_LEAVE_OF_CHIP,
	STM32_LEAVE_ANSWERS, /* GETSTATUS: dfuMANIFEST, then it is gone */
	STM32_LEAVE_VANISHES, /* GETSTATUS is never answered */
	STM32_LEAVE_AT_ONCE, /* gone before anybody asks */
	STM32_LEAVE_STALLS, /* GETSTATUS stalls, then it is gone */
	STM32_LEAVE_STAYS, /* GETSTATUS: dfuMANIFEST, and it is still there */
};

enum stm32_multiplier { /* of a block number */
	STM32_BY_CHIP,
	STM32_BY_TRANSFER, /* wTransferSize */
	STM32_BY_LENGTH, /* wLength of the request */
};

enum stm32_functional { /* GET_DESCRIPTOR(0x21) */
	STM32_FUNCTIONAL_OF_CHIP,
	STM32_FUNCTIONAL_ANSWERS,
	STM32_FUNCTIONAL_STALLS,
	STM32_FUNCTIONAL_HANGS, /* that request, and every other after it */
};

enum stm32_interface { /* SET_INTERFACE */
	STM32_INTERFACE_OF_CHIP,
	STM32_INTERFACE_KEEPS_ERROR, /* to dfuIDLE, but not from dfuERROR */
	STM32_INTERFACE_IDLES, /* to dfuIDLE in any case */
	STM32_INTERFACE_KEEPS, /* the state stays */
};

enum stm32_bus_reset {
	STM32_RESET_OF_CHIP,
	STM32_RESET_STAYS, /* the loader starts over */
	STM32_RESET_STARTS, /* a loader that was configured starts the application, if it can */
};

enum stm32_refusal { /* a program operation on flash that is not erased, where that matters */
	STM32_REFUSAL_OF_CHIP,
	STM32_REFUSAL_REPORTED, /* errWRITE */
	STM32_REFUSAL_SILENT,
};

enum stm32_protection {
	STM32_READ_OUT, /* RDP level 0 */
	STM32_PROTECTED, /* level 1: Set Address works, all else is errVENDOR */
	STM32_PROTECTED_STRICTLY, /* Set Address too */
};

enum stm32_touch {
	STM32_TOUCH_KLIPPER, /* 1200 baud and DTR low: Katapult if there is one, else DFU */
	STM32_TOUCH_NONE, /* asked in vain */
};

struct stm32_range {
	uint32_t address, bytes; /* no bytes: none */
};

struct stm32_bytes {
	const uint8_t *bytes; /* NULL: not given */
	size_t length;
};

/* What the loader tells a host to wait for, in milliseconds. */
struct stm32_polls {
	bool given; /* else the chip's */
	uint32_t set_address, erase, mass_erase, write;
	uint32_t idle; /* in every answer that is not dfuDNBUSY */
};

/* All zero is a good board: an F429 of 1 MiB, blank, BOOT0 held while it is plugged in. */
struct stm32_options {
	enum stm32_chip chip;
	uint8_t unique_id[STM32_UNIQUE_ID_BYTES]; /* in memory order; all zero: some other */

	/* flash */
	const uint8_t *image; /* copied to `image_offset` */
	size_t image_bytes;
	uint32_t image_offset; /* from the start of flash */
	const char *mirror; /* a file that holds what the flash holds, before anybody is told */
	bool random_flash; /* the rest of flash is noise, not 0xFF */
	uint64_t seed; /* of all noise */
	enum stm32_protection protection;
	struct stm32_range write_protected[STM32_RANGES]; /* swallows erases and writes silently */
	struct stm32_range also_readable[STM32_RANGES]; /* reads as noise, the unique id apart */
	struct stm32_range unreadable[STM32_RANGES]; /* UPLOAD: errTARGET */
	enum stm32_refusal refusal;

	/* time */
	unsigned speed; /* divides the times of flash and ROM, and what it announces; default 1 */
	unsigned slowness; /* multiplies the times, not what it announces; default 1 */
	struct stm32_polls polls;
	unsigned application_msec; /* reset to pull-up of an application or Katapult, default 400 */

	/* how it starts */
	bool boot0_released; /* plugged in without BOOT0 */
	bool boot0_ignored; /* G0 as it leaves the factory: the pin is never looked at */
	uint32_t katapult_offset; /* of the application that a Katapult starts, 0: the usual one */
	struct resident_options resident; /* Katapult and Klipper, when they run */
	bool application_is_silent; /* CAN only */
	bool application_crashes; /* also one whose vectors look well */
	enum stm32_touch touch;
	const char *manufacturer; /* of the application */
	const char *product;
	const char *serial; /* instead of the unique id */
	uint16_t application_vendor, application_product;

	/* manners of the boot loader */
	enum stm32_initial initial;
	enum stm32_clear clear;
	enum stm32_busy busy;
	enum stm32_leave leave;
	enum stm32_multiplier upload_multiplier, dnload_multiplier;
	enum stm32_functional functional;
	enum stm32_interface interface;
	enum stm32_bus_reset bus_reset;
	bool without_wedge; /* an H743 whose second bank works */
	uint16_t transfer_bytes; /* wTransferSize, 0: the chip's; 4096 at most */
	uint16_t dnload_most; /* a longer DNLOAD is refused, 0: wTransferSize */

	/* a liar, or another board with the same chip */
	const char *boot_manufacturer, *boot_product, *boot_serial;
	uint16_t bcd_device;
	struct stm32_bytes boot_configuration; /* instead of the loader's */
	const char *alternate_texts[STM32_ALTERNATES]; /* instead of the chip's */
	struct stm32_bytes alternate_strings[STM32_ALTERNATES]; /* whole string descriptors */
};

struct stm32_counters {
	uint64_t control_requests; /* of all kinds */
	uint64_t requests[STM32_REQUESTS]; /* of the class, by bRequest: DETACH 0 … ABORT 6 */
	uint64_t stalls; /* requests of the class that were refused */
	uint64_t set_interfaces;
	uint64_t bus_resets;
	uint64_t set_addresses; /* operations begun, this and the next */
	uint64_t erases; /* of one sector, also of one that is protected */
	uint64_t programs; /* blocks */
	uint64_t bytes_programmed;
	uint64_t bytes_uploaded;
	uint64_t ep0_bytes; /* of DNLOAD and UPLOAD */
	uint64_t overprograms; /* blocks that needed a bit, or a unit, which was not erased */
	uint64_t protected_operations; /* swallowed */
	uint64_t early_polls; /* GETSTATUS served before the announced time had passed */
	uint64_t leaves; /* jumps into flash that DFU ordered */
	uint64_t mass_erases, read_unprotects;
	uint64_t option_writes; /* or erases of option bytes, OTP or Device Feature */
};

/* Where the time went. `union_nsec` counts a nanosecond once, however many were busy in it. */
struct stm32_ledger {
	uint64_t erase_nsec, program_nsec;
	uint64_t
		wire_nsec; /* control transfers of DFU, packets of a serial port, bytes of a UART */
	uint64_t turn_nsec; /* Katapult between a command and what it does about it */
	uint64_t union_nsec;
	uint64_t busy_until;
};

enum stm32_event_kind {
	STM32_EVENT_MODE, /* value: enum stm32_mode */
	STM32_EVENT_FIRST_REQUEST, /* of the DFU class */
	STM32_EVENT_ERASE, /* value: address of the sector; of flash for a mass erase */
	STM32_EVENT_PROGRAM, /* value: address of the block */
	STM32_EVENT_COMMAND, /* value: bRequest */
	STM32_EVENT_FAULT, /* value: enum stm32_fault_kind */
};

struct stm32_event {
	enum stm32_event_kind kind;
	uint64_t at_nsec;
	uint32_t value;
};

typedef void (*stm32_listener)(void *context, const struct stm32_event *event);

/* "Next" includes what has triggered the fault. */
enum stm32_fault_kind {
	STM32_FAULT_UNPLUG, /* the cable is pulled: no power */
	STM32_FAULT_POWER_CYCLE, /* power returns after `msec`; BOOT0 is held when `boot0` */
	STM32_FAULT_RESET, /* a system reset, power stays; BOOT0 likewise */
	STM32_FAULT_REENUMERATE, /* off the bus for `msec` (0: 100), then DFU again */
	STM32_FAULT_STALL, /* the next DFU request is stalled, and has no effect */
	STM32_FAULT_WIRE_ERROR, /* it fails; `value` 1: but the device has served it */
	STM32_FAULT_FLIP_BIT, /* bit `bit` of byte `byte` of the next block is programmed wrongly */
	STM32_FAULT_STUCK_BIT, /* `bit` at `target` is `value` from now on */
	STM32_FAULT_WRONG_READ, /* bit `bit` of byte `byte` of the next UPLOAD differs from flash */
	STM32_FAULT_LOST_ERASE, /* the next erase does nothing, in its usual time */
	STM32_FAULT_LOST_PROGRAM, /* the same for a block */
	STM32_FAULT_ERROR_STATUS, /* the next operation does nothing and ends with status `value` */
	STM32_FAULT_HANG, /* NAK for ever */
	STM32_FAULT_DIE, /* attached, but never answers again */
	/* of Katapult */
	STM32_FAULT_ANSWER, /* the next command is not served but answered with code `value`; so
			       are `byte` more */
	STM32_FAULT_MUTE, /* the next answer is lost */
};

enum stm32_trigger {
	STM32_AT_ONCE,
	STM32_AT_DNLOAD, /* the nth one, before it is served; of length 0 too */
	STM32_AT_UPLOAD,
	STM32_AT_GETSTATUS,
	STM32_AT_LEAVE, /* the nth DNLOAD of length 0, before it is served */
	STM32_AT_ERASE, /* as it starts, of `address` when that is not 0; mass erases too */
	STM32_AT_PROGRAM, /* the same for a block */
	STM32_AT_BYTE, /* in the data stage that carries byte `nth` (from 0) of DNLOAD and UPLOAD */
	STM32_AT_TIME, /* `nth` nanoseconds after arming */
	/* of Katapult, before it is served */
	STM32_AT_COMMAND, /* the nth one, of code `address` when that is not 0 */
	STM32_AT_BLOCK, /* the nth SEND_BLOCK, to `address` when that is not 0 */
};

struct stm32_fault {
	enum stm32_fault_kind kind;
	enum stm32_trigger trigger;
	uint64_t nth; /* 0 means the first, except for bytes and times */
	uint64_t after_nsec; /* between trigger and effect */
	uint32_t address;
	uint16_t byte;
	uint8_t bit, value;
	uint32_t target;
	uint32_t msec;
	bool boot0;
};

struct stm32;

int stm32_new(const struct stm32_options *options, struct stm32 **ret) _must_check_;
struct stm32 *stm32_free(struct stm32 *board);
DEFINE_CLEANUP(struct stm32 *, stm32_free)

struct device_core *stm32_core(struct stm32 *board);
void stm32_listen(struct stm32 *board, stm32_listener listener, void *context);

/* The cable. With BOOT0 held the board starts in DFU, else from flash. */
void stm32_power_on(struct stm32 *board, uint64_t now, bool boot0);
void stm32_power_off(struct stm32 *board, uint64_t now);
/* The reset button: flash and the verdict of the empty check stay. */
void stm32_reset(struct stm32 *board, uint64_t now, bool boot0);

/* Returns a number by which stm32_fault_fired() knows the fault, -ENOSPC when there are too many.
 */
int stm32_arm(struct stm32 *board, uint64_t now, const struct stm32_fault *fault) _must_check_;
bool stm32_fault_exists(const struct stm32 *board, int fault);
bool stm32_fault_fired(const struct stm32 *board, int fault);
void stm32_disarm_all(struct stm32 *board); /* heals hangs too, but not the dead */

enum stm32_mode stm32_mode(const struct stm32 *board);
enum stm32_start stm32_flash_state(const struct stm32 *board);
const char *stm32_mode_name(enum stm32_mode mode);
const char *stm32_start_name(enum stm32_start start);
const char *stm32_chip_name(enum stm32_chip chip); /* "f429-1mb", … */
/* The MCU as Klipper calls it: "stm32f429xx", … */
const char *stm32_mcu_name(enum stm32_chip chip);

/* The memory array itself, as a programmer clipped to the chip would see it. */
uint8_t *stm32_flash(struct stm32 *board, size_t *ret_bytes);
uint32_t stm32_flash_base(const struct stm32 *board);
/* The sector that holds `address`; false when none does. */
bool stm32_sector(const struct stm32 *board, uint32_t address, struct stm32_range *ret);
/* How often each sector was erased, in the order of addresses. */
const uint32_t *stm32_erase_counts(const struct stm32 *board, size_t *ret_sectors);
/* The addresses of the sectors that were erased, in the order of time: the first `*ret_count`. */
const uint32_t *stm32_erased(const struct stm32 *board, size_t *ret_count);
const struct stm32_counters *stm32_counters(const struct stm32 *board);
const struct stm32_ledger *stm32_ledger(const struct stm32 *board);
void stm32_reset_counters(struct stm32 *board);

/* What runs and can be talked to: Katapult, Klipper, and their books. */
struct resident *stm32_resident(struct stm32 *board);

/* Of the boot loader: bState and bStatus, and the address pointer. */
uint8_t stm32_dfu_state(const struct stm32 *board);
uint8_t stm32_dfu_status(const struct stm32 *board);
uint32_t stm32_pointer(const struct stm32 *board);
