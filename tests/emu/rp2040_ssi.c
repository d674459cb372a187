/* SPDX-License-Identifier: MIT */
/*
 * The serial interface between the processor and the flash chip, for code that uses it by itself:
 * the registers that such code needs, frames that take their time, a select line that rises when
 * there is nothing to send unless it is forced, and the few commands of the chip that only read.
 */
#include <string.h>

#include "emu/rp2040_parts.h"

enum {
	SSI_CTRLR0 = 0x00,
	SSI_CTRLR1 = 0x04,
	SSI_ENABLE = 0x08,
	SSI_SLAVES = 0x10,
	SSI_DIVISOR = 0x14,
	SSI_TO_SEND = 0x20,
	SSI_RECEIVED = 0x24,
	SSI_STATUS = 0x28,
	SSI_DATA = 0x60,
	SSI_DATA_END = 0xf0,
};

enum {
	STATUS_BUSY = 1 << 0,
	STATUS_MAY_SEND = 1 << 1,
	STATUS_ALL_SENT = 1 << 2,
	STATUS_RECEIVED = 1 << 3,
	STATUS_FULL = 1 << 4,
};

/* What EXIT_XIP leaves behind: frames of 8 bits, one line, both ways, 48 MHz / 6. */
#define CTRLR0_AFTER_EXIT  (7u << 16)
#define DIVISOR_AFTER_EXIT 6u
#define CTRLR0_MODE        (3u << 8)
#define CTRLR0_BOTH_WAYS   (0u << 8)
#define CTRLR0_LINES       (3u << 21)

#define OVERRIDE_SHIFT 8

enum {
	OPCODE_READ = 0x03,
	OPCODE_STATUS = 0x05,
	OPCODE_UNIQUE_ID = 0x4b,
	OPCODE_JEDEC_ID = 0x9f,
};

void ssi_reset(struct ssi *ssi)
{
	*ssi = (struct ssi){
		.ctrlr0 = CTRLR0_AFTER_EXIT,
		.enabled = 1,
		.slaves = 1,
		.divisor = DIVISOR_AFTER_EXIT,
	};
}

/* --- the chip ---------------------------------------------------------------------------- */

static bool chip_is_busy(struct rp2040 *board, uint64_t cycles)
{
	struct flash_chip *chip = &board->flash;
	uint64_t now = board->now + cycles * NSEC_PER_USEC / CYCLES_PER_USEC;
	flash_advance(chip, now);
	return chip->operation != FLASH_IDLE;
}

static uint8_t id_byte(const struct rp2040 *board, uint32_t index)
{
	static const uint8_t none[8];
	const uint8_t *id = board->options.unique_id;
	bool exists = board->options.unique_id_given || memcmp(id, none, sizeof(none)) != 0;
	return exists && index < 8 ? id[index] : 0xff;
}

static uint8_t jedec_byte(const struct rp2040 *board, uint32_t index)
{
	uint8_t capacity = 0;
	while ((size_t)2 << capacity <= board->flash.size)
		capacity++;
	const uint8_t bytes[] = { 0xef, 0x40, capacity };
	return index < ELEMENTSOF(bytes) ? bytes[index] : 0xff;
}

static uint8_t read_byte(struct ssi *ssi, const struct flash_chip *chip, uint8_t out)
{
	if (ssi->moved <= 3) {
		ssi->address = ssi->address << 8 | out;
		return 0xff;
	}
	return chip->bytes[(ssi->address + ssi->moved - 4) & (chip->size - 1)];
}

/* One byte over the line. A busy chip is deaf to all but the question whether it is. */
static uint8_t exchange(struct rp2040 *board, uint64_t cycles, uint8_t out)
{
	struct ssi *ssi = &board->ssi;
	uint8_t in = 0xff;
	if (ssi->selected && ssi->moved == 0) {
		ssi->opcode = out;
		ssi->address = 0;
		ssi->deaf = out != OPCODE_STATUS && chip_is_busy(board, cycles);
	} else if (ssi->selected && !ssi->deaf) {
		if (ssi->opcode == OPCODE_READ)
			in = read_byte(ssi, &board->flash, out);
		else if (ssi->opcode == OPCODE_STATUS)
			in = chip_is_busy(board, cycles);
		else if (ssi->opcode == OPCODE_UNIQUE_ID && ssi->moved > 4)
			in = id_byte(board, ssi->moved - 5);
		else if (ssi->opcode == OPCODE_JEDEC_ID)
			in = jedec_byte(board, ssi->moved - 1);
	}
	ssi->moved += ssi->selected;
	return board->abort_latched ? 0x00 : in;
}

/* --- the interface ----------------------------------------------------------------------- */

static unsigned frame_bits(const struct ssi *ssi)
{
	return (ssi->ctrlr0 >> 16 & 0x1f) + 1;
}

static bool runs(const struct ssi *ssi)
{
	return ssi->enabled && ssi->slaves & 1 && ssi->divisor;
}

static void select_chip(struct ssi *ssi)
{
	bool transfers = runs(ssi) && (ssi->shifting || ssi->to_send_count);
	bool low = transfers;
	switch (ssi->io[QSPI_SELECT_WORDS] >> OVERRIDE_SHIFT & 3) {
	case 1:
		low = !transfers;
		break;
	case 2:
		low = true;
		break;
	case 3:
		low = false;
		break;
	}
	if (low && !ssi->selected)
		ssi->moved = 0;
	ssi->selected = low;
}

static void start_frame(struct ssi *ssi, uint64_t cycles)
{
	ssi->frame = ssi->to_send[0];
	ssi->to_send_count--;
	memmove(ssi->to_send, ssi->to_send + 1, ssi->to_send_count * sizeof(ssi->to_send[0]));
	ssi->shifting = true;
	ssi->frame_end = cycles + ssi->divisor * frame_bits(ssi);
}

/* Of the modes, only the one in which every frame sent brings one back is modelled: in others, and
 * on several lines, nothing comes back. What comes when there is no room is lost. */
static void end_frame(struct rp2040 *board)
{
	struct ssi *ssi = &board->ssi;
	uint32_t in = 0;
	for (unsigned left = frame_bits(ssi); left >= 8; left -= 8)
		in = in << 8 | exchange(board, ssi->frame_end, (uint8_t)(ssi->frame >> (left - 8)));
	ssi->shifting = false;
	bool answers = (ssi->ctrlr0 & (CTRLR0_MODE | CTRLR0_LINES)) == CTRLR0_BOTH_WAYS;
	if (answers && ssi->received_count < SSI_FIFO_FRAMES)
		ssi->received[ssi->received_count++] = in;
}

static void advance(struct rp2040 *board, uint64_t cycles)
{
	struct ssi *ssi = &board->ssi;
	while (runs(ssi)) {
		if (ssi->shifting && ssi->frame_end > cycles)
			break;
		uint64_t idle_since = cycles;
		if (ssi->shifting) {
			idle_since = ssi->frame_end;
			end_frame(board);
		}
		if (!ssi->to_send_count)
			break;
		start_frame(ssi, idle_since);
		select_chip(ssi);
	}
	select_chip(ssi);
}

/* Between two EXECs everything comes to rest, and the next counts from its own start. */
void ssi_settle(struct rp2040 *board)
{
	advance(board, NEVER / 2);
	board->ssi.shifting = false;
	select_chip(&board->ssi);
}

static uint32_t status(const struct ssi *ssi)
{
	return (ssi->shifting ? STATUS_BUSY : 0) |
	       (ssi->to_send_count < SSI_FIFO_FRAMES ? STATUS_MAY_SEND : 0) |
	       (ssi->to_send_count ? 0 : STATUS_ALL_SENT) |
	       (ssi->received_count ? STATUS_RECEIVED : 0) |
	       (ssi->received_count == SSI_FIFO_FRAMES ? STATUS_FULL : 0);
}

static uint32_t take_frame(struct ssi *ssi)
{
	if (!ssi->received_count)
		return 0;
	uint32_t frame = ssi->received[0];
	ssi->received_count--;
	memmove(ssi->received, ssi->received + 1, ssi->received_count * sizeof(ssi->received[0]));
	return frame;
}

uint32_t ssi_read(struct rp2040 *board, uint64_t cycles, uint32_t offset)
{
	struct ssi *ssi = &board->ssi;
	advance(board, cycles);
	if (offset >= SSI_DATA && offset < SSI_DATA_END)
		return take_frame(ssi);
	switch (offset) {
	case SSI_CTRLR0:
		return ssi->ctrlr0;
	case SSI_CTRLR1:
		return ssi->ctrlr1;
	case SSI_ENABLE:
		return ssi->enabled;
	case SSI_SLAVES:
		return ssi->slaves;
	case SSI_DIVISOR:
		return ssi->divisor;
	case SSI_TO_SEND:
		return ssi->to_send_count;
	case SSI_RECEIVED:
		return ssi->received_count;
	case SSI_STATUS:
		return status(ssi);
	}
	return 0;
}

static void send_frame(struct ssi *ssi, uint32_t value)
{
	if (ssi->enabled && ssi->to_send_count < SSI_FIFO_FRAMES)
		ssi->to_send[ssi->to_send_count++] = value;
}

/* How it works can only be changed while it does not. */
static void configure(struct ssi *ssi, uint32_t offset, uint32_t value)
{
	if (ssi->enabled)
		return;
	if (offset == SSI_CTRLR0)
		ssi->ctrlr0 = value;
	else if (offset == SSI_CTRLR1)
		ssi->ctrlr1 = value & 0xffff;
	else if (offset == SSI_DIVISOR)
		ssi->divisor = value & 0xfffe;
}

void ssi_write(struct rp2040 *board, uint64_t cycles, uint32_t offset, uint32_t value)
{
	struct ssi *ssi = &board->ssi;
	advance(board, cycles);
	if (offset >= SSI_DATA && offset < SSI_DATA_END)
		send_frame(ssi, value);
	else if (offset == SSI_SLAVES)
		ssi->slaves = value & 1;
	else if (offset == SSI_ENABLE)
		ssi->enabled = value & 1;
	else
		configure(ssi, offset, value);
	if (!ssi->enabled) {
		ssi->to_send_count = ssi->received_count = 0;
		ssi->shifting = false;
	}
	advance(board, cycles);
}

/* --- the pins: words of a block that is there four times: plain, to flip, to set, to clear ---- */

uint32_t qspi_read(const uint32_t *words, uint32_t offset)
{
	uint32_t index = (offset & 0xfff) / 4;
	return index < QSPI_PADS_WORDS ? words[index] : 0;
}

void qspi_write(
	struct rp2040 *board, uint64_t cycles, uint32_t *words, uint32_t offset, uint32_t value)
{
	uint32_t index = (offset & 0xfff) / 4;
	if (index >= QSPI_PADS_WORDS)
		return;
	advance(board, cycles);
	switch (offset >> 12 & 3) {
	case 0:
		words[index] = value;
		break;
	case 1:
		words[index] ^= value;
		break;
	case 2:
		words[index] |= value;
		break;
	case 3:
		words[index] &= ~value;
		break;
	}
	select_chip(&board->ssi);
}
