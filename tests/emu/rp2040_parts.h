/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The inside of the emulated board, shared by the rp2040_*.c files only. Every function here may
 * rely on board->now being the time of the call that is served.
 */
#include "emu/noise.h"
#include "emu/rp2040.h"

#define RP2040_SRAM_BASE           0x20000000u
#define RP2040_XIP_SRAM_BYTES      0x4000u
#define RP2040_FAULTS              24
#define RP2040_STUCK_BITS          16
#define RP2040_STRING_CHARS        126
#define RP2040_CONFIGURATION_BYTES 512
#define RP2040_APPLICATION_MSEC    400

/* The chip: Winbond W25Q16JV, typical values; SPI at 8 Mbit/s carries a byte in a microsecond. */
#define SPI_BYTE_NSEC         NSEC_PER_USEC
#define SECTOR_ERASE_NSEC     (45 * NSEC_PER_MSEC)
#define PAGE_PROGRAM_NSEC     (400 * NSEC_PER_USEC)
#define PAGE_PROGRAM_SPI_NSEC (261 * SPI_BYTE_NSEC)
#define PAGE_READ_SPI_NSEC    (260 * SPI_BYTE_NSEC)
/*
 * The ROM's share of a page, chosen so that a page costs what was measured end to end: 1.1 ms
 * written, where one of its four packets went over during the page before; 0.6 ms read, where
 * nothing overlaps.
 */
#define ROM_WRITE_NSEC \
	(1100 * NSEC_PER_USEC - PAGE_PROGRAM_SPI_NSEC - PAGE_PROGRAM_NSEC - 3 * PACKET_NSEC)
#define ROM_READ_NSEC     (600 * NSEC_PER_USEC - PAGE_READ_SPI_NSEC - 4 * PACKET_NSEC)
#define ROM_TASK_NSEC     (20 * NSEC_PER_USEC)
#define ROM_EXIT_XIP_NSEC (100 * NSEC_PER_USEC)
#define ROM_START_NSEC    (10 * NSEC_PER_MSEC)

enum flash_operation {
	FLASH_IDLE,
	FLASH_ERASING,
	FLASH_PROGRAMMING,
};

struct flash_chip {
	uint8_t *bytes;
	size_t size;
	uint32_t *erase_counts;
	int mirror; /* a file, 0: none */
	enum flash_operation operation;
	uint32_t offset; /* of the operation, inside the chip */
	uint64_t start, end;
	uint8_t page[RP2040_PAGE_BYTES];
	bool ineffective; /* a fault: goes through the motions */
	bool lose_next_erase, lose_next_program, flip_next;
	uint8_t flip_byte, flip_bit;
	struct {
		uint32_t offset;
		uint8_t bit, value;
	} stuck[RP2040_STUCK_BITS];
	size_t stuck_count;
	uint64_t noise;
};

struct endpoint {
	bool halted;
	bool toggle;
};

/* The SSI, between the processor and the flash chip. */
#define SSI_FIFO_FRAMES   16
#define QSPI_PADS_WORDS   64
#define QSPI_SELECT_WORDS 3 /* of GPIO_QSPI_SS_CTRL */

struct ssi {
	uint32_t ctrlr0, ctrlr1, enabled, slaves, divisor;
	uint32_t to_send[SSI_FIFO_FRAMES], received[SSI_FIFO_FRAMES];
	unsigned to_send_count, received_count;
	bool shifting;
	uint32_t frame;
	uint64_t frame_end; /* in cycles of the processor */
	uint32_t io[QSPI_PADS_WORDS], pads[QSPI_PADS_WORDS];
	/* the chip's side */
	bool selected, deaf;
	uint32_t moved; /* bytes since the select line fell */
	uint8_t opcode;
	uint32_t address;
};

enum picoboot_out {
	OUT_CLOSED, /* NAK */
	OUT_COMMAND,
	OUT_DATA,
	OUT_ACKNOWLEDGE,
};

enum picoboot_in {
	IN_CLOSED, /* NAK */
	IN_DATA,
	IN_ACKNOWLEDGE,
};

struct picoboot_command {
	uint32_t token;
	uint8_t id;
	uint32_t transfer;
	uint32_t arguments[4];
};

struct picoboot_status {
	uint32_t token;
	uint32_t code;
	uint8_t id;
	bool in_progress;
};

/* The ROM's worker runs one of these at a time; it outlives an INTERFACE_RESET. */
struct picoboot_task {
	bool active;
	bool orphan; /* its command was forgotten by a reset */
	struct picoboot_command command;
	uint32_t address;
	uint32_t position; /* bytes of the command that are done */
	uint32_t length; /* of this chunk or sector */
	uint32_t result;
	uint8_t page[RP2040_PAGE_BYTES];
	uint64_t due;
};

struct picoboot {
	struct endpoint out, in;
	enum picoboot_out out_expects;
	enum picoboot_in in_sends;
	struct picoboot_status status;
	struct picoboot_command command;
	bool wants_worker; /* a chunk or a command waits for the worker */
	uint32_t position; /* bytes of the data phase in chunks that are done */
	uint8_t chunk[RP2040_PAGE_BYTES];
	uint32_t chunk_filled, chunk_sent, chunk_length;
	uint8_t staged[PACKET_BYTES]; /* the one packet taken during a program */
	uint32_t staged_length;
	bool has_staged;
	uint32_t received; /* bytes of the data phase taken off the wire */
	struct picoboot_task task;
	uint8_t exclusive;
	bool rebooting;
};

enum storage_stage {
	STORAGE_COMMAND,
	STORAGE_DATA_IN,
	STORAGE_DATA_OUT,
	STORAGE_STATUS,
};

struct storage {
	struct endpoint out, in;
	enum storage_stage stage;
	uint32_t tag, expected, moved;
	uint32_t length; /* bytes this device has to send or take */
	uint32_t lba; /* when the data are sectors */
	bool from_sectors;
	uint8_t reply[64];
	uint8_t status;
	uint8_t sense_key, sense_code;
	bool ejected;
	uint32_t volume_serial;
};

struct application {
	struct endpoint out, in, notify;
	uint8_t line_coding[7];
	bool dtr;
};

struct armed_fault {
	struct rp2040_fault fault;
	uint64_t seen;
	uint64_t due; /* NEVER until the trigger was met */
	bool fired;
};

/* What a command packet must look like. */
struct picoboot_shape {
	uint8_t argument_bytes;
	uint32_t transfer; /* or one of these */
};
#define ANY_LENGTH   UINT32_MAX
#define SAME_AS_SIZE (UINT32_MAX - 1)
#define SOME_WORDS   (UINT32_MAX - 2) /* up to a page of them */
#define ROWS_OF_OTP  (UINT32_MAX - 3)

/* What makes one model differ from the other. A function that is NULL is of no concern to it. */
struct chip {
	uint16_t usb_version, boot_product, application_product;
	uint8_t boot_power; /* in units of 2 mA */
	const char *boot_name, *application_name;
	const char *volume_label, *inquiry; /* of 11 and of 28 characters */
	const char *model, *board_id; /* in INFO_UF2.TXT */
	unsigned info_version; /* there; 0: the revision */
	unsigned default_revision;
	uint8_t rom_kind; /* behind 'M', 'u' */
	uint32_t rom_bytes, readable_rom_bytes;
	uint32_t sram_bytes, xip_sram_base;
	uint32_t flash_window_bytes;
	uint64_t fallback_nsec; /* until the ROM has given up looking for something to start */
	const struct picoboot_shape *shapes; /* by command */
	uint8_t commands;
	bool owns_up; /* a command that fails says so, and halts both endpoints */
	bool has_own_id; /* and shows it in boot mode */

	void (*init)(struct rp2040 *board);
	void (*enter_boot_mode)(struct rp2040 *board);
	enum rp2040_boot (*flash_state)(const struct rp2040 *board);
	uint32_t (*permits)(
		const struct rp2040 *board, uint32_t address, uint32_t length, bool writing);
	uint32_t (*reboot)(struct rp2040 *board);
	/* The worker's commands that this chip alone has: true when it was one. */
	bool (*begin)(struct rp2040 *board);
	/* Device requests and descriptors beyond the usual: their length, or 0. */
	size_t (*describe)(const struct rp2040 *board, const uint8_t setup[8], uint8_t *bytes);
};

struct rp2040 {
	struct device_core core; /* first: the controller's view */
	const struct chip *chip;
	struct rp2040_options options;
	char *strings[6]; /* application: manufacturer, product, serial; boot mode: the same */
	uint8_t *boot_configuration;
	rp2040_listener listener;
	void *listener_context;

	uint64_t now;
	enum rp2040_mode mode, mode_after;
	uint64_t mode_due; /* when `mode_after` begins */
	uint64_t watchdog_due; /* REBOOT */
	enum rp2040_mode watchdog_mode; /* then boot mode, or lost, or whatever flash starts */
	unsigned watchdog_mask; /* of that boot mode */
	unsigned disable_mask; /* of this stay in boot mode */
	uint8_t configuration;
	bool requested; /* the host has said something to PICOBOOT */
	bool abort_latched;
	bool flash_disturbed; /* somebody's code has used the SSI and the ROM does not know */

	bool silent; /* fell off the bus, until the bus is reset */
	bool dead, hung, hung_control;
	uint64_t late_until;
	uint64_t return_due; /* power comes back */

	struct flash_chip flash;
	struct ssi ssi;
	struct picoboot picoboot;
	struct storage storage;
	struct application application;
	struct resident resident;
	bool behind_katapult; /* the application */
	uint64_t double_reset; /* when Katapult began to wait for another reset */
	uint8_t *sram, *xip_sram, *rom;
	uint32_t boot_random[4]; /* RP2350, of this stay in boot mode */
	struct armed_fault faults[RP2040_FAULTS];
	size_t fault_count;
	struct rp2040_counters counters;
	struct rp2040_ledger ledger;
};

/* rp2040_chip.c, rp2350.c */
extern const struct chip chip_rp2040, chip_rp2350;
void rp2350_init(struct rp2040 *board);
void rp2350_enter_boot_mode(struct rp2040 *board);
uint32_t rp2350_permits(
	const struct rp2040 *board, uint32_t address, uint32_t length, bool writing);
uint32_t rp2350_reboot(struct rp2040 *board);
bool rp2350_begin(struct rp2040 *board);
size_t rp2350_describe(const struct rp2040 *board, const uint8_t setup[8], uint8_t *bytes);
#define RP2350_PARTITION_FIRST 16u /* sectors */
#define RP2350_PARTITION_LAST  511u

/* rp2350_boot.c, rp2040_judge.c */
enum rp2040_boot rp2350_flash_state(const struct rp2040 *board);
enum rp2040_boot rp2040_boot2_state(const struct rp2040 *board);

/* rp2040_exec.c, rp2040_ssi.c: times in cycles of the processor, from the start of the EXEC. */
uint64_t exec_run(struct rp2040 *board, uint32_t address);
void ssi_reset(struct ssi *ssi);
void ssi_settle(struct rp2040 *board);
uint32_t ssi_read(struct rp2040 *board, uint64_t cycles, uint32_t offset);
void ssi_write(struct rp2040 *board, uint64_t cycles, uint32_t offset, uint32_t value);
uint32_t qspi_read(const uint32_t *words, uint32_t offset);
void qspi_write(
	struct rp2040 *board, uint64_t cycles, uint32_t *words, uint32_t offset, uint32_t value);
#define CYCLES_PER_USEC 48

/* rp2040.c */
void board_event(struct rp2040 *board, enum rp2040_event_kind kind, uint32_t value);
void board_set_mode(struct rp2040 *board, enum rp2040_mode mode);
void board_leave(struct rp2040 *board, enum rp2040_mode next, uint64_t nsec);
void board_start_from_flash(struct rp2040 *board);
void board_start_boot_mode(struct rp2040 *board, unsigned disable_mask);
void board_busy(struct rp2040 *board, uint64_t *account, uint64_t start, uint64_t nsec);
uint64_t board_scaled(const struct rp2040 *board, uint64_t nsec);
void board_hard_reset_endpoints(struct rp2040 *board);

static inline uint32_t get_le32(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
	       (uint32_t)bytes[3] << 24;
}

static inline void put_le32(uint8_t *bytes, uint32_t value)
{
	for (int index = 0; index < 4; index++)
		bytes[index] = (uint8_t)(value >> 8 * index);
}

/* rp2040_resident.c */
int resident_set_up(struct rp2040 *board) _must_check_;
bool resident_is_katapult(const struct rp2040 *board);
void resident_boot(struct rp2040 *board); /* flash starts a Katapult */
void resident_boot_katapult(struct rp2040 *board); /* which stays */
bool resident_reset_is_second(const struct rp2040 *board);
void resident_enter(struct rp2040 *board); /* the mode that has just begun */
bool resident_runs(const struct rp2040 *board);
uint64_t resident_due(const struct rp2040 *board);
void resident_advance(struct rp2040 *board);
size_t resident_device(const struct rp2040 *board, uint8_t *bytes);
const char *resident_string(const struct rp2040 *board, unsigned index);
enum packet resident_control(
	struct rp2040 *board, const uint8_t setup[8], uint8_t *data, size_t *length);

/* rp2040_fault.c */
void fault_note(struct rp2040 *board, enum rp2040_trigger trigger, uint32_t what);
void fault_note_bytes(struct rp2040 *board, size_t length);
uint64_t fault_next(const struct rp2040 *board);
void fault_advance(struct rp2040 *board);

/* rp2040_flash.c: `command` is the SPI word, opcode and 24-bit address. Both return when a status
 * poll will see the chip ready again. */
int flash_init(struct flash_chip *chip, const struct rp2040_options *options) _must_check_;
void flash_done(struct flash_chip *chip);
void flash_advance(struct flash_chip *chip, uint64_t now);
uint64_t flash_erase(struct rp2040 *board, uint32_t command);
uint64_t flash_program(struct rp2040 *board, uint32_t command, const uint8_t *page);
void flash_read(struct rp2040 *board, uint32_t command, uint8_t *page);
void flash_power_cut(struct flash_chip *chip, uint64_t now);
void flash_stick(struct flash_chip *chip, uint32_t offset, uint8_t bit, uint8_t value);

/* rp2040_picoboot.c */
void picoboot_reset(struct rp2040 *board);
void picoboot_interface_reset(struct rp2040 *board);
void picoboot_abort_flash(struct rp2040 *board);
void picoboot_clear_halt(struct rp2040 *board, uint8_t endpoint);
void picoboot_get_status(const struct rp2040 *board, uint8_t bytes[16]);
enum packet picoboot_poll(const struct rp2040 *board, uint8_t endpoint);
enum packet picoboot_out(struct rp2040 *board, const uint8_t *data, size_t length);
enum packet picoboot_in(struct rp2040 *board, uint8_t *data, size_t *ret_length);

/* rp2040_task.c */
void task_take(struct rp2040 *board, uint64_t nsec);
void task_fail(struct rp2040 *board, uint32_t code);
void task_start_if_wanted(struct rp2040 *board);
void task_advance(struct rp2040 *board);
uint64_t task_next(const struct rp2040 *board);
void task_hurry(struct rp2040 *board);
void picoboot_task_ended(struct rp2040 *board, const struct picoboot_task *task);

/* rp2040_storage.c */
void storage_reset(struct rp2040 *board);
enum packet storage_poll(const struct rp2040 *board, uint8_t endpoint);
enum packet storage_out(struct rp2040 *board, const uint8_t *data, size_t length);
enum packet storage_in(struct rp2040 *board, uint8_t *data, size_t *ret_length);

/* rp2040_volume.c */
void volume_sector(const struct rp2040 *board, uint32_t lba, uint8_t sector[512]);

/* rp2040_control.c, rp2040_application.c */
enum packet boot_control(
	struct rp2040 *board, const uint8_t setup[8], uint8_t *data, size_t *length);
enum packet application_control(
	struct rp2040 *board, const uint8_t setup[8], uint8_t *data, size_t *length);
enum packet standard_request(
	struct rp2040 *board, const uint8_t setup[8], uint8_t *data, size_t *length);
struct endpoint *board_endpoint(struct rp2040 *board, uint8_t address);
void application_reset(struct rp2040 *board);
size_t application_device_descriptor(const struct rp2040 *board, uint8_t *bytes);
size_t application_configuration(const struct rp2040 *board, uint8_t *bytes);
