/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The inside of the emulated STM32, shared by the stm32_*.c files only. Every function here may
 * rely on board->now being the time of the call that is served.
 */
#include "emu/noise.h"
#include "emu/stm32.h"

#define STM32_FAULTS              24
#define STM32_STUCK_BITS          16
#define STM32_STRING_CHARS        126
#define STM32_CONFIGURATION_BYTES 512
#define STM32_BUFFER_BYTES        4096
#define STM32_ERASED_KEPT         1024
#define STM32_AREAS               4
#define STM32_SECTOR_RUNS         6
#define STM32_CHIP_ID_BYTES       16

/* EP0 moves 2048 bytes down and two answers up in 4.5 ms, 1024 in 2.5 ms. */
#define STM32_PACKET_NSEC      (120 * NSEC_PER_USEC)
#define STM32_DESCRIPTOR_BYTES 9
#define STM32_SET_ADDRESS_NSEC (50 * NSEC_PER_USEC)
/* Between the status stage and whatever the ROM then does. */
#define STM32_AFTERWARDS_NSEC  (10 * NSEC_PER_USEC)
#define STM32_LEAVE_NSEC       NSEC_PER_MSEC
#define STM32_ROM_START_NSEC   (300 * NSEC_PER_MSEC)
#define STM32_APPLICATION_MSEC 400
#define STM32_REENUMERATE_MSEC 100

enum {
	DFU_DETACH,
	DFU_DNLOAD,
	DFU_UPLOAD,
	DFU_GETSTATUS,
	DFU_CLRSTATUS,
	DFU_GETSTATE,
	DFU_ABORT,
};

enum {
	DFU_STATE_IDLE = 2,
	DFU_STATE_DNLOAD_SYNC,
	DFU_STATE_DNBUSY,
	DFU_STATE_DNLOAD_IDLE,
	DFU_STATE_MANIFEST_SYNC,
	DFU_STATE_MANIFEST,
	DFU_STATE_MANIFEST_WAIT_RESET,
	DFU_STATE_UPLOAD_IDLE,
	DFU_STATE_ERROR,
};

enum {
	DFU_OK = 0,
	DFU_ERR_TARGET = 1,
	DFU_ERR_WRITE = 3,
	DFU_ERR_ERASE = 4,
	DFU_ERR_ADDRESS = 8,
	DFU_ERR_NOTDONE = 9,
	DFU_ERR_FIRMWARE = 10,
	DFU_ERR_VENDOR = 11,
	DFU_ERR_UNKNOWN = 14,
	DFU_ERR_STALLEDPKT = 15,
};

enum {
	DFUSE_SET_ADDRESS = 0x21,
	DFUSE_ERASE = 0x41,
	DFUSE_READ_UNPROTECT = 0x92,
};

enum program_rule {
	PROGRAM_ANDS, /* bits are cleared, whatever was there */
	PROGRAM_ERASED_OR_ZERO, /* a unit is written when it is erased, or with zeros */
	PROGRAM_ERASED, /* with ECC: a unit is written when it is erased */
};

enum protocol {
	PROTOCOL_DFUSE,
	PROTOCOL_BLOCKS, /* plain, a block's number is its place */
	PROTOCOL_SEQUENCE, /* plain, one block behind the other, written inside GETSTATUS */
};

struct sector_run {
	uint16_t count, kib, erase_msec;
};

struct manners {
	enum stm32_initial initial;
	enum stm32_clear clear;
	enum stm32_busy busy;
	enum stm32_leave leave;
	enum stm32_multiplier upload_multiplier, dnload_multiplier;
	enum stm32_functional functional;
	enum stm32_interface interface;
	enum stm32_bus_reset bus_reset;
	enum stm32_refusal refusal;
};

/* What makes one boot loader differ from the others. */
struct loader {
	uint16_t vendor, product, bcd_usb, bcd_device, bcd_dfu, detach_msec, transfer;
	uint8_t attributes;
	const char *manufacturer, *name;
	enum protocol protocol;
	struct manners manners;
	struct stm32_polls polls;
};

/* How flash is programmed, a unit at a time. */
struct cells {
	enum program_rule rule;
	uint8_t unit; /* bytes */
	uint32_t unit_nsec;
};

struct personality {
	const char *name, *mcu;
	const struct loader *loader;
	const struct cells *cells;
	const char *serial; /* of the loader; NULL: by the formula; "": none */
	const char *alternates[STM32_ALTERNATES];
	unsigned garbage_units; /* behind the first of them */
	uint32_t flash_base;
	struct sector_run sectors[STM32_SECTOR_RUNS];
	uint32_t mass_erase_msec;
	struct stm32_range ram[STM32_AREAS];
	struct stm32_range areas[STM32_AREAS]; /* option bytes, OTP, Device Feature */
	uint32_t unique_id; /* its address */
	bool empty_check;
	uint32_t wedge; /* an erase from here on never seems to end; 0: none */
	uint32_t katapult_offset; /* where its application usually is */
	bool is_lpc; /* as Katapult writes to it */
	bool withholds_first; /* the first packet of a serial port */
	bool without_dfu; /* the ROM's loader has no USB */
	uint8_t id_bytes; /* 0: STM32_UNIQUE_ID_BYTES */
	uint32_t application; /* plain: where the blocks go */
};

extern const struct personality stm32_personalities[STM32_CHIPS];

enum flash_job {
	FLASH_REST,
	FLASH_ERASE,
	FLASH_PROGRAM,
};

struct sector {
	uint32_t offset, bytes, erase_msec;
};

struct flash_array {
	uint8_t *bytes;
	size_t size;
	struct sector *sectors;
	size_t sector_count;
	uint32_t *erase_counts;
	uint32_t erased[STM32_ERASED_KEPT];
	size_t erased_count;
	int mirror; /* a file, 0: none */
	uint64_t noise;

	enum flash_job job;
	uint32_t offset, length; /* of the job */
	uint64_t start, end, unit_nsec;
	uint8_t block[STM32_BUFFER_BYTES];
	bool by_words; /* at a voltage that allows it, where the ROM writes bytes */
	bool ineffective; /* a fault: goes through the motions */
	bool lose_next_erase, lose_next_program, flip_next;
	uint16_t flip_byte;
	uint8_t flip_bit;
	struct {
		uint32_t offset;
		uint8_t bit, value;
	} stuck[STM32_STUCK_BITS];
	size_t stuck_count;
};

enum work {
	WORK_NONE,
	WORK_SET_ADDRESS,
	WORK_ERASE,
	WORK_MASS_ERASE,
	WORK_READ_UNPROTECT,
	WORK_WRITE,
};

struct dfu {
	uint8_t state, status;
	uint8_t alternate;
	uint32_t pointer;
	uint32_t sequence; /* bytes that came before, where they are counted */
	enum work work; /* buffered, or under way */
	uint16_t block;
	uint16_t length;
	uint8_t buffer[STM32_BUFFER_BYTES]; /* behind `length` lies what came before */
	bool working;
	uint64_t work_start, work_end; /* NEVER: not yet */
	uint8_t result;
	bool wedged;
	bool answer_owed; /* a GETSTATUS waits for the work */
	bool erased; /* the first half of a block of a plain loader */
	bool resets_afterwards; /* the part, when the work is done */
	uint64_t poll_due; /* until then the host was told to wait */
	uint64_t manifest_due, leave_due;
};

struct armed_fault {
	struct stm32_fault fault;
	uint64_t seen;
	uint64_t due; /* NEVER until the trigger was met */
	bool fired;
};

struct stm32 {
	struct device_core core; /* first: the controller's view */
	const struct personality *kind;
	struct stm32_options options;
	struct manners manners;
	struct stm32_polls polls;
	uint16_t transfer, dnload_most;
	char *strings[6]; /* application: manufacturer, product, serial; loader: the same */
	char *alternate_texts[STM32_ALTERNATES];
	uint8_t *alternate_strings[STM32_ALTERNATES];
	uint8_t *boot_configuration;
	stm32_listener listener;
	void *listener_context;

	uint64_t now;
	enum stm32_mode mode, mode_after;
	uint64_t mode_due; /* when `mode_after` begins */
	uint64_t return_due; /* power comes back */
	bool return_boot0;
	bool boot0; /* held */
	bool found_empty; /* by the empty check at power-on */
	uint32_t running; /* the vector table of the application */
	uint8_t configuration;
	bool requested; /* the host has said something to DFU */
	bool reset_wanted; /* of the bus, as soon as the ROM looks */
	bool dead, hung;
	bool stall_next, fail_next, fail_after_serving, wrong_read_next;
	uint16_t wrong_byte;
	uint8_t wrong_bit;
	uint8_t error_next; /* status of the next operation */
	uint64_t double_reset; /* when Katapult began to wait for another reset */
	uint8_t chip_id[STM32_CHIP_ID_BYTES];
	struct resident resident;

	struct flash_array flash;
	struct dfu dfu;
	struct armed_fault faults[STM32_FAULTS];
	size_t fault_count;
	struct stm32_counters counters;
	struct stm32_ledger ledger;
};

static inline uint32_t get_le32(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
	       (uint32_t)bytes[3] << 24;
}

static inline bool range_holds(const struct stm32_range *range, uint32_t address)
{
	return range->bytes && address - range->address < range->bytes;
}

/* stm32.c */
void stm32_core_init(struct stm32 *board);
void stm32_event(struct stm32 *board, enum stm32_event_kind kind, uint32_t value);
void stm32_busy(struct stm32 *board, uint64_t *account, uint64_t start, uint64_t nsec);
uint64_t stm32_scaled(const struct stm32 *board, uint64_t nsec);
void stm32_set_mode(struct stm32 *board, enum stm32_mode mode);

/* stm32_boot.c */
void stm32_boot_enter(struct stm32 *board, enum stm32_mode mode, uint64_t nsec);
void stm32_boot_start(struct stm32 *board); /* what a reset leads to */
void stm32_boot_jump(struct stm32 *board, uint32_t address);
void stm32_boot_bootloader(struct stm32 *board); /* the application asks for it */
void stm32_boot_application(struct stm32 *board); /* Katapult has been told that it is complete */
bool stm32_boot_is_second(const struct stm32 *board); /* a reset now would keep Katapult */
void stm32_boot_katapult(struct stm32 *board);
uint32_t stm32_boot_behind_katapult(const struct stm32 *board);
bool stm32_boot_has_application(const struct stm32 *board);

/* stm32_control.c, stm32_application.c */
enum packet stm32_control(
	struct stm32 *board, const uint8_t setup[8], uint8_t *data, size_t *length);
enum packet stm32_application_request(
	struct stm32 *board, const uint8_t setup[8], uint8_t *data, size_t *length);
int stm32_application_init(struct stm32 *board) _must_check_;
void stm32_application_start(struct stm32 *board); /* of the mode that has just begun */
bool stm32_application_runs(const struct stm32 *board);
uint64_t stm32_application_next(const struct stm32 *board);
void stm32_application_advance(struct stm32 *board);
size_t stm32_application_device(const struct stm32 *board, uint8_t *bytes);
size_t stm32_application_configuration(const struct stm32 *board, uint8_t *bytes);
/* `hex` has room for two digits of each byte of a chip id. */
const char *stm32_application_string(const struct stm32 *board, unsigned index, char *hex);

/* stm32_dfu.c */
void stm32_dfu_start(struct stm32 *board);
enum packet stm32_dfu_request(
	struct stm32 *board, const uint8_t setup[8], uint8_t *data, size_t *length);
enum packet stm32_dfu_refuse(struct stm32 *board, uint8_t status);
bool stm32_dfu_is_blocked(const struct stm32 *board);
void stm32_dfu_advance(struct stm32 *board);
uint64_t stm32_dfu_next(const struct stm32 *board);

/* stm32_work.c */
enum work stm32_work_of(const struct stm32 *board);
uint32_t stm32_work_poll(const struct stm32 *board, enum work work);
void stm32_work_begin(struct stm32 *board);
void stm32_work_end(struct stm32 *board);
enum packet stm32_work_upload(struct stm32 *board, uint16_t block, uint8_t *data, size_t *length);

/* stm32_flash.c: times are those of this chip, scaled; the jobs end in stm32_flash_advance(). */
int stm32_flash_init(struct stm32 *board) _must_check_;
void stm32_flash_done(struct stm32 *board);
void stm32_flash_advance(struct stm32 *board, uint64_t now);
void stm32_flash_power_cut(struct stm32 *board);
bool stm32_flash_holds(const struct stm32 *board, uint32_t address, size_t length);
/* Both return the status with which the job will end. */
uint8_t stm32_flash_erase(struct stm32 *board, uint32_t address);
uint8_t stm32_flash_mass_erase(struct stm32 *board);
uint8_t stm32_flash_program(
	struct stm32 *board, uint32_t address, const uint8_t *block, size_t length);
void stm32_flash_stick(struct stm32 *board, uint32_t address, uint8_t bit, uint8_t value);
const uint8_t *stm32_flash_at(const struct stm32 *board, uint32_t address);

/* stm32_fault.c */
void stm32_fault_note(
	struct stm32 *board, enum stm32_trigger trigger, uint32_t address, uint32_t bytes);
void stm32_fault_note_bytes(struct stm32 *board, size_t length);
uint64_t stm32_fault_next(const struct stm32 *board);
void stm32_fault_advance(struct stm32 *board);
