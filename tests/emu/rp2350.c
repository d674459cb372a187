/* SPDX-License-Identifier: MIT */
/*
 * What the boot ROM of the RP2350 has that the RP2040's has not: it tells about itself, about its
 * partitions and its one-time programmable memory, it reboots in more ways, and it does not let
 * everybody write everywhere.
 */
#include <string.h>

#include "emu/rp2040_parts.h"
#include "emu/picoboot_words.h"

#define REVISION_A2      2
#define REVISION_A3      3
#define FLASH_CS0_BYTES  (16u << 20) /* when OTP says nothing; CS1 has none */
#define FLASH_DEVINFO    0x0c00u /* the same: 4 KiB << 12 on CS0, none on CS1 */
#define PACKAGE_QFN60    1u
#define BOOT_INFO        0x00ff02ffu /* no partition, boot mode, no partition, nothing to buy */
#define OTP_ROWS         0x10000u
#define OTP_CHIP_ID_ROWS 4u /* 16 bits each, the lowest first */

/* bits 26…31 of a location: secure, non-secure and boot mode may read, may write */
#define MAY_READ_AND_WRITE 0xfc000000u
#define MAY_READ           0x54000000u
#define ACCEPTS_FAMILIES   0x00070000u /* data, Arm secure, RISC-V */
#define LOCATION(first, last, permissions) \
	((uint32_t)(first) | (uint32_t)(last) << 13 | (uint32_t)(permissions))

#define FAMILY_ABSOLUTE     0xe48bff57u
#define FAMILY_DATA         0xe48bff58u
#define FAMILY_RP2350_ARM_S 0xe48bff59u
#define FAMILY_RP2350_RISCV 0xe48bff5au
#define ABSOLUTE_SPACE      0xffu
#define NOWHERE             0xffffffffu

enum {
	INFO_SYS = 1,
	INFO_PARTITION_TABLE = 2,
	INFO_TARGET_PARTITION = 3,
	INFO_UF2_STATUS = 4,
};

enum {
	SYS_CHIP_INFO = 0x0001,
	SYS_CRITICAL = 0x0002,
	SYS_CPU = 0x0004,
	SYS_FLASH_DEVINFO = 0x0008,
	SYS_BOOT_RANDOM = 0x0010,
	SYS_BOOT_INFO = 0x0040,
};

enum {
	TABLE_INFO = 0x0001,
	TABLE_LOCATIONS = 0x0010,
	TABLE_IDS = 0x0020,
	TABLE_FAMILIES = 0x0040,
	TABLE_NAMES = 0x0080,
	TABLE_SINGLE = 0x8000,
};

enum {
	REBOOT2_NORMAL = 0x0,
	REBOOT2_BOOTSEL = 0x2,
	REBOOT2_RAM_IMAGE = 0x3,
	REBOOT2_FLASH_UPDATE = 0x4,
	REBOOT2_TO_ARM = 0x10,
	REBOOT2_TO_RISCV = 0x20,
	REBOOT2_NO_RETURN = 0x100,
};

/* The words of an answer: the first counts the others. */
struct answer {
	uint32_t words[RP2040_PAGE_BYTES / 4];
	uint32_t count;
};

static void say(struct answer *answer, uint32_t word)
{
	if (++answer->count < ELEMENTSOF(answer->words))
		answer->words[answer->count] = word;
}

/* Of the id as it is printed: its second half is the lower word. */
static uint32_t id_word(const struct rp2040 *board, int which)
{
	const uint8_t *bytes = board->options.unique_id + (which ? 0 : 4);
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

/* --- partitions -------------------------------------------------------------------------- */

/* The table as a block at the start of flash: the picture of what the ROM enforces. */
static void write_partition_table(struct rp2040 *board)
{
	const uint32_t block[] = { 0xffffded3, 0x0100040a, MAY_READ | ACCEPTS_FAMILIES,
		LOCATION(RP2350_PARTITION_FIRST, RP2350_PARTITION_LAST, MAY_READ_AND_WRITE),
		MAY_READ_AND_WRITE | ACCEPTS_FAMILIES, 0x000004ff, 0, 0xab123579 };
	for (size_t index = 0; index < ELEMENTSOF(block); index++)
		put_le32(board->flash.bytes + 4 * index, block[index]);
}

void rp2350_init(struct rp2040 *board)
{
	if (board->options.partitions)
		write_partition_table(board);
}

/* RP2350-E10: the first ROM reads the table through an interface that it has not prepared. */
static bool finds_partitions(const struct rp2040 *board)
{
	bool blind = board->abort_latched && board->options.rom_revision < REVISION_A3;
	return board->options.partitions && !blind;
}

uint32_t rp2350_permits(const struct rp2040 *board, uint32_t address, uint32_t length, bool writing)
{
	uint32_t offset = address - RP2040_FLASH_BASE;
	if ((uint64_t)offset + length > FLASH_CS0_BYTES)
		return PICOBOOT_NOT_PERMITTED;
	uint32_t end = (RP2350_PARTITION_LAST + 1) * RP2040_SECTOR_BYTES;
	bool inside = offset >= RP2350_PARTITION_FIRST * RP2040_SECTOR_BYTES &&
		      (uint64_t)offset + length <= end;
	if (writing && board->options.partitions && !inside)
		return PICOBOOT_NOT_PERMITTED;
	return PICOBOOT_OK;
}

/* --- what it tells ----------------------------------------------------------------------- */

void rp2350_enter_boot_mode(struct rp2040 *board)
{
	board->storage.volume_serial = id_word(board, 1) * 31 + id_word(board, 0);
	for (size_t index = 0; index < ELEMENTSOF(board->boot_random); index++)
		board->boot_random[index] = (uint32_t)(noise_next(&board->flash.noise) >> 32);
}

static void tell_system(const struct rp2040 *board, uint32_t flags, struct answer *answer)
{
	bool is_a2 = board->options.rom_revision == REVISION_A2;
	flags &= SYS_CHIP_INFO | SYS_CRITICAL | SYS_CPU | SYS_FLASH_DEVINFO | SYS_BOOT_RANDOM |
		 SYS_BOOT_INFO;
	say(answer, flags);
	if (flags & SYS_CHIP_INFO) {
		say(answer, is_a2 ? 0 : PACKAGE_QFN60); /* RP2350-E23 */
		say(answer, id_word(board, 0));
		say(answer, id_word(board, 1));
	}
	if (flags & SYS_CRITICAL)
		say(answer, 0);
	if (flags & SYS_CPU)
		say(answer, 0);
	if (flags & SYS_FLASH_DEVINFO)
		say(answer, FLASH_DEVINFO);
	for (size_t index = 0; flags & SYS_BOOT_RANDOM && index < 4; index++)
		say(answer, board->boot_random[index]);
	for (size_t index = 0; flags & SYS_BOOT_INFO && index < 4; index++)
		say(answer, index ? 0 : BOOT_INFO);
}

static void tell_partition_table(const struct rp2040 *board, uint32_t wanted, struct answer *answer)
{
	bool exists = finds_partitions(board);
	uint32_t permissions = exists ? MAY_READ : MAY_READ_AND_WRITE;
	uint32_t flags = wanted & (TABLE_INFO | TABLE_LOCATIONS | TABLE_IDS | TABLE_FAMILIES |
					  TABLE_NAMES | TABLE_SINGLE);
	say(answer, flags);
	if (flags & TABLE_INFO) {
		say(answer, exists ? 0x101 : 0);
		say(answer, LOCATION(0, 0x1fff, permissions));
		say(answer, permissions | ACCEPTS_FAMILIES);
	}
	if (!exists || (flags & TABLE_SINGLE && wanted >> 24))
		return;
	if (flags & TABLE_LOCATIONS) {
		say(answer, LOCATION(RP2350_PARTITION_FIRST, RP2350_PARTITION_LAST,
				    MAY_READ_AND_WRITE));
		say(answer, MAY_READ_AND_WRITE | ACCEPTS_FAMILIES);
	}
	/* It has no id, no further families and no name. */
	for (int index = 0; flags & TABLE_IDS && index < 2; index++)
		say(answer, 0);
	if (flags & TABLE_FAMILIES)
		say(answer, 0);
	if (flags & TABLE_NAMES)
		say(answer, 0);
}

static void tell_target_partition(struct rp2040 *board, uint32_t family, struct answer *answer)
{
	bool partitioned = finds_partitions(board);
	bool placed = family == FAMILY_DATA || family == FAMILY_RP2350_ARM_S ||
		      family == FAMILY_RP2350_RISCV;
	uint32_t target = placed && partitioned ? 0 : placed ? ABSOLUTE_SPACE : NOWHERE;
	if (family == FAMILY_ABSOLUTE && !partitioned)
		target = ABSOLUTE_SPACE;
	say(answer, target);
	say(answer, target == NOWHERE ? 0
		    : target          ? LOCATION(0, 0x1fff, MAY_READ_AND_WRITE)
				      : LOCATION(RP2350_PARTITION_FIRST, RP2350_PARTITION_LAST,
						MAY_READ_AND_WRITE));
	say(answer, target == NOWHERE ? 0 : MAY_READ_AND_WRITE | ACCEPTS_FAMILIES);
	/* It works that out in the memory that is the user's. */
	for (uint32_t offset = 0; offset < board->chip->sram_bytes; offset += 4)
		put_le32(board->sram + offset, (uint32_t)noise_next(&board->flash.noise));
}

static void begin_info(struct rp2040 *board)
{
	struct picoboot_task *task = &board->picoboot.task;
	const uint32_t *arguments = task->command.arguments;
	struct answer answer = { 0 };
	switch (arguments[0] & 0xff) {
	case INFO_SYS:
		tell_system(board, arguments[1], &answer);
		break;
	case INFO_PARTITION_TABLE:
		tell_partition_table(board, arguments[1], &answer);
		break;
	case INFO_TARGET_PARTITION:
		tell_target_partition(board, arguments[1], &answer);
		break;
	case INFO_UF2_STATUS:
		for (int index = 0; index < 4; index++)
			say(&answer, 0);
		break;
	default:
		return task_fail(board, PICOBOOT_INVALID_ARG);
	}
	if (4 + 4 * answer.count > task->command.transfer)
		return task_fail(board, PICOBOOT_BUFFER_TOO_SMALL);
	answer.words[0] = answer.count;
	memset(task->page, 0, sizeof(task->page));
	for (size_t index = 0; index <= answer.count; index++)
		put_le32(task->page + 4 * index, answer.words[index]);
	task_take(board, ROM_TASK_NSEC);
}

/* Only the chip's id is written there. What a row of it keeps for error correction is not shown. */
static void begin_otp_read(struct rp2040 *board)
{
	struct picoboot_task *task = &board->picoboot.task;
	const uint32_t *arguments = task->command.arguments;
	uint32_t row = arguments[0] & 0xffff, count = arguments[0] >> 16;
	uint32_t bytes = arguments[1] & 0xff ? 2 : 4;
	if (row + count > OTP_ROWS)
		return task_fail(board, PICOBOOT_INVALID_ADDRESS);
	memset(task->page, 0, sizeof(task->page));
	row += task->position / bytes;
	for (uint32_t at = 0; at + bytes <= task->length; at += bytes, row++) {
		uint32_t value = 0;
		if (row < OTP_CHIP_ID_ROWS)
			value = id_word(board, row >= 2) >> 16 * (row % 2) & 0xffff;
		task->page[at] = (uint8_t)value;
		task->page[at + 1] = (uint8_t)(value >> 8);
	}
	task_take(board, ROM_TASK_NSEC);
}

bool rp2350_begin(struct rp2040 *board)
{
	switch (board->picoboot.task.command.id & 0x7f) {
	case PICOBOOT_GET_INFO & 0x7f:
		begin_info(board);
		return true;
	case PICOBOOT_OTP_READ & 0x7f:
		begin_otp_read(board);
		return true;
	case PICOBOOT_OTP_WRITE: /* what is burnt is burnt: this chip is never harmed */
		task_fail(board, PICOBOOT_NOT_PERMITTED);
		return true;
	case PICOBOOT_REBOOT:
	case PICOBOOT_EXEC:
	case PICOBOOT_VECTORIZE_FLASH:
		task_fail(board, PICOBOOT_UNKNOWN_CMD);
		return true;
	}
	return false;
}

/* --- rebooting --------------------------------------------------------------------------- */

static bool is_permitted(uint32_t flags)
{
	uint32_t kind = flags & 0xf;
	uint32_t both = REBOOT2_TO_ARM | REBOOT2_TO_RISCV;
	if (flags & ~(0xfu | both | REBOOT2_NO_RETURN) || (flags & both) == both)
		return false;
	return kind == REBOOT2_NORMAL || kind == REBOOT2_BOOTSEL || kind == REBOOT2_RAM_IMAGE ||
	       kind == REBOOT2_FLASH_UPDATE;
}

uint32_t rp2350_reboot(struct rp2040 *board)
{
	const uint32_t *arguments = board->picoboot.command.arguments;
	if (!is_permitted(arguments[0]))
		return PICOBOOT_NOT_PERMITTED;
	board->watchdog_due = board->now + ((arguments[1] * 1000) & 0xffffff) * NSEC_PER_USEC;
	board->watchdog_mask = arguments[2] & 3;
	board->watchdog_mode = RP2040_APPLICATION;
	if ((arguments[0] & 0xf) == REBOOT2_BOOTSEL)
		board->watchdog_mode = RP2040_BOOT;
	else if ((arguments[0] & 0xf) == REBOOT2_RAM_IMAGE)
		board->watchdog_mode = RP2040_LOST;
	return PICOBOOT_OK;
}

/* --- descriptors for another system ------------------------------------------------------ */

#define BOS_DESCRIPTOR    0x0f
#define VENDOR_CODE       1
#define MS_OS_20_INDEX    7
#define MS_OS_20_VERSION  0x00, 0x00, 0x03, 0x06
#define MS_OS_20_ALL      0xa6
#define MS_OS_20_FUNCTION 8 /* the part for one of several interfaces */

/* Alone, PICOBOOT needs no header for its interface. */
static size_t ms_os_bytes(const struct rp2040 *board)
{
	return board->disable_mask & 1 ? MS_OS_20_ALL - MS_OS_20_FUNCTION : MS_OS_20_ALL;
}

static size_t bos(const struct rp2040 *board, uint8_t *bytes)
{
	static const uint8_t template[33] = { 5, BOS_DESCRIPTOR, 33, 0, 1, 28, 16, 5, 0, 0xdf, 0x60,
		0xdd, 0xd8, 0x89, 0x45, 0xc7, 0x4c, 0x9c, 0xd2, 0x65, 0x9d, 0x9e, 0x64, 0x8a, 0x9f,
		MS_OS_20_VERSION, 0, 0, VENDOR_CODE, 0 };
	memcpy(bytes, template, sizeof(template));
	bytes[29] = (uint8_t)ms_os_bytes(board);
	return sizeof(template);
}

static uint8_t *put_bytes(uint8_t *to, const uint8_t *from, size_t length)
{
	memcpy(to, from, length);
	return to + length;
}

static uint8_t *put_wide(uint8_t *to, const char *text)
{
	for (size_t at = 0; at <= strlen(text); at++) {
		*to++ = (uint8_t)text[at];
		*to++ = 0;
	}
	return to;
}

static size_t ms_os_set(const struct rp2040 *board, uint8_t *bytes)
{
	static const uint8_t head[8] = { 10, 0, 0, 0, MS_OS_20_VERSION };
	static const uint8_t function[6] = { 8, 0, 2, 0, 1, 0 };
	static const uint8_t winusb[20] = { 20, 0, 3, 0, 'W', 'I', 'N', 'U', 'S', 'B' };
	static const uint8_t property[8] = { 128, 0, 4, 0, 1, 0, 40, 0 };
	size_t total = ms_os_bytes(board);
	uint8_t *to = put_bytes(bytes, head, sizeof(head));
	*to++ = (uint8_t)total;
	*to++ = 0;
	if (total == MS_OS_20_ALL) {
		to = put_bytes(to, function, sizeof(function));
		*to++ = (uint8_t)(total - 10);
		*to++ = 0;
	}
	to = put_bytes(to, winusb, sizeof(winusb));
	to = put_bytes(to, property, sizeof(property));
	to = put_wide(to, "DeviceInterfaceGUID");
	*to++ = 78;
	*to++ = 0;
	to = put_wide(to, "{bc7398c1-73cd-4cb7-98b8-913a8fca7bf6}");
	return (size_t)(to - bytes);
}

size_t rp2350_describe(const struct rp2040 *board, const uint8_t setup[8], uint8_t *bytes)
{
	if (setup[0] == 0x80 && setup[2] == 0 && setup[3] == BOS_DESCRIPTOR)
		return bos(board, bytes);
	if (setup[0] == 0xc0 && setup[1] == VENDOR_CODE && setup[4] == MS_OS_20_INDEX)
		return ms_os_set(board, bytes);
	return 0;
}
