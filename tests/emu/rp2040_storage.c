/* SPDX-License-Identifier: MIT */
/*
 * The mass-storage interface of the boot ROM: bulk-only transport and the few SCSI commands that a
 * kernel needs to be content. Writes are taken and forgotten: dropping a UF2 file on the drive is
 * not modelled.
 */
#include <string.h>

#include "emu/rp2040_parts.h"

#define COMMAND_SIGNATURE 0x43425355u
#define STATUS_SIGNATURE  0x53425355u
#define COMMAND_BYTES     31
#define STATUS_BYTES      13
#define SECTORS           262144u
#define SECTOR_BYTES      512u

enum {
	SCSI_TEST_UNIT_READY = 0x00,
	SCSI_REQUEST_SENSE = 0x03,
	SCSI_INQUIRY = 0x12,
	SCSI_MODE_SENSE_6 = 0x1a,
	SCSI_START_STOP = 0x1b,
	SCSI_PREVENT_REMOVAL = 0x1e,
	SCSI_READ_FORMAT_CAPACITIES = 0x23,
	SCSI_READ_CAPACITY = 0x25,
	SCSI_READ_10 = 0x28,
	SCSI_WRITE_10 = 0x2a,
	SCSI_VERIFY_10 = 0x2f,
	SCSI_SYNCHRONIZE_CACHE = 0x35,
};

enum {
	SENSE_NOT_READY = 2,
	SENSE_ILLEGAL_REQUEST = 5,
	CODE_INVALID_COMMAND = 0x20,
	CODE_OUT_OF_RANGE = 0x21,
	CODE_NO_MEDIUM = 0x3a,
};

static void put_be32(uint8_t *bytes, uint32_t value)
{
	for (int index = 0; index < 4; index++)
		bytes[index] = (uint8_t)(value >> (24 - 8 * index));
}

static uint32_t get_be32(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

static void refuse(struct storage *storage, uint8_t key, uint8_t code)
{
	storage->status = 1;
	storage->sense_key = key;
	storage->sense_code = code;
	storage->length = 0;
}

static void reply(struct storage *storage, const void *bytes, size_t length)
{
	memset(storage->reply, 0, sizeof(storage->reply));
	memcpy(storage->reply, bytes, length);
	storage->length = (uint32_t)length;
}

static void inquiry(const struct rp2040 *board, struct storage *storage)
{
	uint8_t answer[36] = { 0x00, 0x80, 2, 2, 31 };
	memcpy(answer + 8, board->chip->inquiry, 28);
	answer[32] = (uint8_t)('0' + board->options.rom_revision);
	reply(storage, answer, sizeof(answer));
}

static void request_sense(struct storage *storage)
{
	uint8_t answer[18] = { 0x70, 0, storage->sense_key, 0, 0, 0, 0, 10 };
	answer[12] = storage->sense_code;
	reply(storage, answer, sizeof(answer));
	storage->sense_key = storage->sense_code = 0;
}

static void capacity(struct storage *storage, uint8_t operation)
{
	uint8_t answer[12] = { 0 };
	if (operation == SCSI_READ_CAPACITY) {
		put_be32(answer, SECTORS - 1);
		put_be32(answer + 4, SECTOR_BYTES);
		return reply(storage, answer, 8);
	}
	answer[3] = 8;
	put_be32(answer + 4, SECTORS);
	put_be32(answer + 8, SECTOR_BYTES);
	answer[8] = 2;
	reply(storage, answer, 12);
}

static void sectors(struct storage *storage, const uint8_t *block)
{
	uint32_t lba = get_be32(block + 2), count = (uint32_t)block[7] << 8 | block[8];
	if (lba >= SECTORS || count > SECTORS - lba)
		return refuse(storage, SENSE_ILLEGAL_REQUEST, CODE_OUT_OF_RANGE);
	storage->lba = lba;
	storage->length = count * SECTOR_BYTES;
	storage->from_sectors = true;
}

static void execute(struct rp2040 *board, const uint8_t *block)
{
	static const uint8_t mode[4] = { 3, 0, 0, 0 };
	struct storage *storage = &board->storage;
	switch (block[0]) {
	case SCSI_INQUIRY:
		return inquiry(board, storage);
	case SCSI_REQUEST_SENSE:
		return request_sense(storage);
	case SCSI_MODE_SENSE_6:
		return reply(storage, mode, sizeof(mode));
	case SCSI_START_STOP:
		storage->ejected |= (block[4] & 3) == 2;
		return;
	case SCSI_PREVENT_REMOVAL:
	case SCSI_SYNCHRONIZE_CACHE:
	case SCSI_VERIFY_10:
		return;
	}
	if (storage->ejected)
		return refuse(storage, SENSE_NOT_READY, CODE_NO_MEDIUM);
	switch (block[0]) {
	case SCSI_TEST_UNIT_READY:
		return;
	case SCSI_READ_CAPACITY:
	case SCSI_READ_FORMAT_CAPACITIES:
		return capacity(storage, block[0]);
	case SCSI_READ_10:
	case SCSI_WRITE_10:
		return sectors(storage, block);
	}
	refuse(storage, SENSE_ILLEGAL_REQUEST, CODE_INVALID_COMMAND);
}

static void on_command(struct rp2040 *board, const uint8_t *data, size_t length)
{
	struct storage *storage = &board->storage;
	if (length != COMMAND_BYTES || get_le32(data) != COMMAND_SIGNATURE) {
		storage->in.halted = storage->out.halted = true;
		return;
	}
	storage->tag = get_le32(data + 4);
	storage->expected = get_le32(data + 8);
	storage->moved = storage->length = 0;
	storage->status = 0;
	storage->from_sectors = false;
	execute(board, data + 15);
	if (storage->length > storage->expected)
		storage->length = storage->expected;
	if (!storage->expected)
		storage->stage = STORAGE_STATUS;
	else if (!(data[12] & 0x80))
		storage->stage = STORAGE_DATA_OUT;
	else if (storage->length)
		storage->stage = STORAGE_DATA_IN;
	else
		storage->stage = STORAGE_STATUS;
	/* The host expects data and there are none: it finds a halt, then the status. */
	storage->in.halted = storage->expected && data[12] & 0x80 && !storage->length;
}

enum packet storage_out(struct rp2040 *board, const uint8_t *data, size_t length)
{
	struct storage *storage = &board->storage;
	if (storage->stage == STORAGE_COMMAND) {
		on_command(board, data, length);
		return PACKET_ACK;
	}
	storage->moved += (uint32_t)length;
	if (storage->moved >= storage->expected || length < PACKET_BYTES)
		storage->stage = STORAGE_STATUS;
	return PACKET_ACK;
}

static size_t data_packet(struct rp2040 *board, uint8_t *data)
{
	struct storage *storage = &board->storage;
	uint8_t sector[SECTOR_BYTES];
	uint32_t left = storage->length - storage->moved;
	size_t length = left < PACKET_BYTES ? left : PACKET_BYTES;
	if (!storage->from_sectors) {
		memcpy(data, storage->reply + storage->moved, length);
	} else {
		volume_sector(board, storage->lba + storage->moved / SECTOR_BYTES, sector);
		memcpy(data, sector + storage->moved % SECTOR_BYTES, length);
	}
	storage->moved += (uint32_t)length;
	/* A short packet has told the host that there is no more. A full last one has not. */
	bool more = storage->moved < storage->expected && length == PACKET_BYTES;
	if (storage->moved == storage->length) {
		storage->stage = STORAGE_STATUS;
		storage->in.halted = more;
	}
	return length;
}

enum packet storage_in(struct rp2040 *board, uint8_t *data, size_t *ret_length)
{
	struct storage *storage = &board->storage;
	if (storage->stage == STORAGE_DATA_IN) {
		*ret_length = data_packet(board, data);
		return PACKET_ACK;
	}
	memset(data, 0, STATUS_BYTES);
	put_le32(data, STATUS_SIGNATURE);
	put_le32(data + 4, storage->tag);
	put_le32(data + 8, storage->expected - storage->moved);
	data[12] = storage->status;
	storage->stage = STORAGE_COMMAND;
	*ret_length = STATUS_BYTES;
	return PACKET_ACK;
}

enum packet storage_poll(const struct rp2040 *board, uint8_t endpoint)
{
	const struct storage *storage = &board->storage;
	if (endpoint & ENDPOINT_TOWARDS_US) {
		if (storage->in.halted)
			return PACKET_STALL;
		bool sends = storage->stage == STORAGE_DATA_IN || storage->stage == STORAGE_STATUS;
		return sends ? PACKET_ACK : PACKET_NAK;
	}
	if (storage->out.halted)
		return PACKET_STALL;
	bool takes = storage->stage == STORAGE_COMMAND || storage->stage == STORAGE_DATA_OUT;
	return takes ? PACKET_ACK : PACKET_NAK;
}

void storage_reset(struct rp2040 *board)
{
	uint32_t serial = board->storage.volume_serial;
	board->storage = (struct storage){ .volume_serial = serial };
}
