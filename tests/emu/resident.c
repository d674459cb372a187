/* SPDX-License-Identifier: MIT */
/* The program, its line and its transport; see resident.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "emu/resident.h"
#include "emu/words.h"

/* Every make has its flash at the beginning of such a region. */
#define FLASH_REGION       0xfff00000u
#define BLOCK_MOST         512
#define USB_RECEIVE_BYTES  128
#define USB_SEND_BYTES     192
#define UART_RECEIVE_BYTES 192
#define UART_SEND_BYTES    96
#define CAN_RECEIVE_BYTES  192
#define CAN_SEND_BYTES     96

/* NULL stays NULL. */
static int copy_text(char **place, const char **text)
{
	if (!*text)
		return 0;
	*place = strdup(*text);
	*text = *place;
	return *place ? 0 : -ENOMEM;
}

static int copy_options(struct resident *resident, const struct resident_options *options)
{
	struct kata_options *katapult = &resident->options.katapult;
	struct klip_options *klipper = &resident->options.klipper;
	const char **const texts[RESIDENT_TEXTS] = { &katapult->version, &katapult->mcu,
		&katapult->manufacturer, &katapult->serial };
	resident->options = *options;
	if (katapult->block_bytes > BLOCK_MOST || katapult->block_bytes % 4)
		return -EINVAL;
	for (size_t index = 0; index < RESIDENT_TEXTS; index++)
		TRY(copy_text(&resident->texts[index], texts[index]));
	if (klipper->dictionary_file) {
		TRY(word_read_file(klipper->dictionary_file, &resident->dictionary,
			&klipper->dictionary_bytes));
		klipper->dictionary = resident->dictionary;
		klipper->dictionary_file = NULL;
		return 0;
	}
	resident->dictionary_is_flashed = !klipper->dictionary_bytes;
	if (resident->dictionary_is_flashed)
		return 0;
	resident->dictionary = malloc(klipper->dictionary_bytes);
	if (!resident->dictionary)
		return -ENOMEM;
	memcpy(resident->dictionary, klipper->dictionary, klipper->dictionary_bytes);
	klipper->dictionary = resident->dictionary;
	return 0;
}

int resident_init(struct resident *resident, const struct resident_options *options,
	const struct kata_kind *kind, const struct program_chip *chip, void *context)
{
	TRY(copy_options(resident, options));
	resident->on_uart = options->baud;
	resident->on_can = options->on_can;
	resident->options.katapult.canbus |= options->on_can;
	kata_uuid(kind->chip_id, kind->chip_id_bytes, resident->can.uuid);
	uart_init(&resident->uart, options->baud);
	resident->katapult = (struct kata){
		.options = &resident->options.katapult,
		.chip = chip,
		.context = context,
		.line = &resident->line,
		.kind = *kind,
		.due = NEVER,
		.complete_due = NEVER,
	};
	resident->klipper = (struct klip){
		.options = &resident->options.klipper,
		.chip = chip,
		.context = context,
		.line = &resident->line,
		.on_uart = options->baud,
		.due = NEVER,
		.stats_due = NEVER,
	};
	klip_learn(&resident->klipper);
	resident_start(resident, RESIDENT_NONE, &cdc_shape_stm32, 0);
	return 0;
}

void resident_done(struct resident *resident)
{
	for (size_t index = 0; index < RESIDENT_TEXTS; index++)
		free(resident->texts[index]);
	free(resident->dictionary);
	uart_done(&resident->uart);
	kata_done(&resident->katapult);
}

static bool is_stalled(const struct resident *resident)
{
	return resident->kind == RESIDENT_NONE || kata_is_stalled(&resident->katapult);
}

/* Another firmware has another one. */
static void take_flashed_dictionary(struct resident *resident)
{
	struct klip_options *options = &resident->options.klipper;
	uint32_t flash = resident->katapult.kind.application & FLASH_REGION;
	free(resident->dictionary);
	resident->dictionary =
		klip_find_dictionary(&resident->klipper, flash, &options->dictionary_bytes);
	options->dictionary = resident->dictionary;
	klip_learn(&resident->klipper);
}

static enum bus_node_language language_of(const struct resident *resident, enum resident_kind kind)
{
	if (!resident->on_can || kind == RESIDENT_NONE)
		return BUS_NODE_SAYS_NOTHING;
	return kind == RESIDENT_KATAPULT ? BUS_NODE_SAYS_KATAPULT : BUS_NODE_SAYS_KLIPPER;
}

void resident_start(struct resident *resident, enum resident_kind kind,
	const struct cdc_shape *shape, uint64_t now)
{
	struct cdc_shape its = *shape;
	bool katapult = kind == RESIDENT_KATAPULT;
	if (resident->options.is_bridge)
		resident->on_can = kind == RESIDENT_KLIPPER;
	its.ends_short = katapult ? resident->katapult.options->ends_short : true;
	its.withholds_first = shape->withholds_first &&
			      (katapult ? !resident->katapult.options->without_withholding
					: resident->klipper.options->withholds_first);
	kata_stop(&resident->katapult);
	klip_stop(&resident->klipper);
	resident->kind = kind;
	if (kind == RESIDENT_KLIPPER && resident->dictionary_is_flashed)
		take_flashed_dictionary(resident);
	if (resident->on_can)
		line_start(&resident->line, CAN_RECEIVE_BYTES, CAN_SEND_BYTES);
	else if (resident->on_uart)
		line_start(&resident->line, UART_RECEIVE_BYTES, UART_SEND_BYTES);
	else
		line_start(&resident->line, USB_RECEIVE_BYTES, USB_SEND_BYTES);
	bus_node_start(&resident->can, language_of(resident, kind));
	cdc_start(&resident->cdc, &its);
	uart_start(&resident->uart, resident->on_uart && kind != RESIDENT_NONE);
	if (kind == RESIDENT_KATAPULT)
		kata_start(&resident->katapult, now);
	else if (kind == RESIDENT_KLIPPER)
		klip_start(&resident->klipper, now);
}

static void wake(struct resident *resident, uint64_t now)
{
	kata_wake(&resident->katapult, now);
	klip_wake(&resident->klipper, now);
}

/* The processor looks after its transport, when it can. */
static void settle(struct resident *resident, uint64_t now)
{
	bool stalled = is_stalled(resident);
	bool came = false;
	if (resident->on_uart)
		came = uart_advance(&resident->uart, &resident->line, now, stalled);
	else if (resident->on_can)
		came = bus_node_advance(&resident->can, &resident->line, stalled);
	else if (!stalled)
		came = cdc_settle(&resident->cdc, &resident->line);
	if (came)
		wake(resident, now);
}

uint64_t resident_next(const struct resident *resident)
{
	const uint64_t dues[] = { kata_next(&resident->katapult), klip_next(&resident->klipper),
		resident->on_uart ? uart_next(&resident->uart) : NEVER,
		resident->on_can ? resident->can.due : NEVER };
	uint64_t next = NEVER;
	for (size_t index = 0; index < sizeof(dues) / sizeof(dues[0]); index++)
		if (dues[index] < next)
			next = dues[index];
	return next;
}

/* By its name on the bus; with or without a number. */
static void enter_bootloader(struct resident *resident)
{
	resident->can.enters = false;
	resident->klipper.chip->start_bootloader(resident->klipper.context);
}

bool resident_step(struct resident *resident, uint64_t now)
{
	bool due = resident_next(resident) <= now;
	if (!due)
		return false;
	settle(resident, now);
	if (!kata_advance(&resident->katapult, now))
		klip_advance(&resident->klipper, now);
	settle(resident, now);
	if (resident->can.enters)
		enter_bootloader(resident);
	return true;
}

void resident_configure(struct resident *resident, uint64_t now, bool configured)
{
	cdc_configure(&resident->cdc, configured);
	settle(resident, now);
}

enum packet resident_out(struct resident *resident, uint64_t now, uint8_t endpoint, bool toggle,
	const uint8_t *data, size_t length)
{
	enum packet answer = cdc_out(&resident->cdc, endpoint, toggle, data, length);
	settle(resident, now);
	return answer;
}

enum packet resident_in(struct resident *resident, uint64_t now, uint8_t endpoint, uint8_t *data,
	size_t *ret_length, bool *ret_toggle)
{
	enum packet answer = cdc_in(&resident->cdc, endpoint, data, ret_length, ret_toggle);
	settle(resident, now);
	return answer;
}

enum packet resident_request(
	struct resident *resident, const uint8_t setup[8], uint8_t *data, size_t *length)
{
	bool changed;
	enum packet answer = cdc_request(&resident->cdc, setup, data, length, &changed);
	if (answer == PACKET_ACK && changed &&
		klip_is_touched(&resident->klipper, cdc_baud(&resident->cdc), resident->cdc.dtr) &&
		!resident->klipper.running)
		return PACKET_LOST;
	return answer;
}

void resident_hear(struct resident *resident, uint64_t now, const uint8_t *bytes, size_t count)
{
	uart_host_send(&resident->uart, now, bytes, count);
}

bool resident_hear_frame(struct resident *resident, uint64_t now, const struct can_bits *frame)
{
	return bus_node_hear(&resident->can, now, frame);
}

void resident_reset_counters(struct resident *resident)
{
	struct line *line = &resident->line;
	resident->katapult.counters = (struct kata_counters){ 0 };
	resident->klipper.counters = (struct klip_counters){ 0 };
	memset(line->bytes, 0, sizeof(line->bytes));
	line->overrun = line->unsent = 0;
	resident->uart.bytes = resident->uart.lost = 0;
	resident->cdc.packets = 0;
	resident->can.counters = (struct bus_node_counters){ 0 };
}
