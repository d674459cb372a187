/* SPDX-License-Identifier: MIT */
/*
 * The drive that the boot ROM pretends to be, sector by sector: a partition table, one FAT16
 * volume, two small files. Nothing in it comes from flash.
 */
#include <stdio.h>
#include <string.h>

#include "emu/rp2040_parts.h"

#define SECTORS             262144u
#define PARTITION_START     1u
#define SECTORS_PER_CLUSTER 8u
#define FAT_SECTORS         129u
#define ROOT_ENTRIES        512u
#define FIRST_FAT           (PARTITION_START + 1)
#define ROOT_DIRECTORY      (FIRST_FAT + 2 * FAT_SECTORS)
#define FIRST_CLUSTER       (ROOT_DIRECTORY + ROOT_ENTRIES * 32 / 512)
#define ATTRIBUTE_READ_ONLY 0x01
#define ATTRIBUTE_LABEL     0x08

static const char index_page[] = "<html><head><meta http-equiv=\"refresh\" content=\"0;URL="
				 "'https://www.raspberrypi.com/documentation/'\"/></head></html>\n";

static size_t info_text(const struct rp2040 *board, char *text, size_t size)
{
	unsigned version = board->chip->info_version;
	return (size_t)snprintf(text, size, "UF2 Bootloader v%u.0\nModel: %s\nBoard-ID: %s\n",
		version ? version : board->options.rom_revision, board->chip->model,
		board->chip->board_id);
}

static void put_le16(uint8_t *bytes, unsigned value)
{
	bytes[0] = (uint8_t)value;
	bytes[1] = (uint8_t)(value >> 8);
}

static void partition_table(uint8_t *sector)
{
	uint8_t *entry = sector + 446;
	entry[4] = 0x0e;
	put_le32(entry + 8, PARTITION_START);
	put_le32(entry + 12, SECTORS - PARTITION_START);
	put_le16(sector + 510, 0xaa55);
}

static void boot_sector(const struct rp2040 *board, uint8_t *sector)
{
	static const uint8_t jump[3] = { 0xeb, 0x3c, 0x90 };
	memcpy(sector, jump, sizeof(jump));
	memcpy(sector + 3, "MSWIN4.1", 8);
	put_le16(sector + 11, 512);
	sector[13] = SECTORS_PER_CLUSTER;
	put_le16(sector + 14, 1);
	sector[16] = 2;
	put_le16(sector + 17, ROOT_ENTRIES);
	sector[21] = 0xf8;
	put_le16(sector + 22, FAT_SECTORS);
	put_le16(sector + 24, 1);
	put_le16(sector + 26, 1);
	put_le32(sector + 28, PARTITION_START);
	put_le32(sector + 32, SECTORS - PARTITION_START);
	sector[38] = 0x29;
	put_le32(sector + 39, board->storage.volume_serial);
	memcpy(sector + 43, board->chip->volume_label, 11);
	memcpy(sector + 54, "FAT16   ", 8);
	put_le16(sector + 510, 0xaa55);
}

static void directory_entry(
	uint8_t *entry, const char *name, uint8_t attributes, unsigned cluster, size_t size)
{
	memcpy(entry, name, 11);
	entry[11] = attributes;
	put_le16(entry + 26, cluster);
	put_le32(entry + 28, (uint32_t)size);
}

void volume_sector(const struct rp2040 *board, uint32_t lba, uint8_t sector[512])
{
	static const uint8_t fat_start[8] = { 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	char info[128];
	size_t info_bytes = info_text(board, info, sizeof(info));
	memset(sector, 0, 512);
	if (lba == 0) {
		partition_table(sector);
	} else if (lba == PARTITION_START) {
		boot_sector(board, sector);
	} else if (lba == FIRST_FAT || lba == FIRST_FAT + FAT_SECTORS) {
		memcpy(sector, fat_start, sizeof(fat_start));
	} else if (lba == ROOT_DIRECTORY) {
		directory_entry(sector, board->chip->volume_label, ATTRIBUTE_LABEL, 0, 0);
		directory_entry(
			sector + 32, "INDEX   HTM", ATTRIBUTE_READ_ONLY, 2, sizeof(index_page) - 1);
		directory_entry(sector + 64, "INFO_UF2TXT", ATTRIBUTE_READ_ONLY, 3, info_bytes);
	} else if (lba == FIRST_CLUSTER) {
		memcpy(sector, index_page, sizeof(index_page) - 1);
	} else if (lba == FIRST_CLUSTER + SECTORS_PER_CLUSTER) {
		memcpy(sector, info, info_bytes);
	}
}
