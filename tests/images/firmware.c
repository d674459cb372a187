/* SPDX-License-Identifier: MIT
 *
 * A program that is laid out as Klipper is: blocks come in, commands are found by number in a
 * table, and `identify` hands out the packed dictionary, to which a word in its literal pool
 * points. TRANSPORT_USB, TRANSPORT_CAN, TRANSPORT_UART and TRANSPORT_BRIDGE choose what carries the
 * blocks.
 */
#include "firmware.h"

enum { BLOCK_MIN = 5, BLOCK_MAX = 64, SYNC = 0x7e, OBJECTS = 48, ARGUMENTS = 16 };

static struct object objects[OBJECTS];
static struct object *timers = &objects[0];
static uint8_t incoming[192], outgoing[192];
static uint32_t incoming_fill, outgoing_fill;
static uint8_t sequence = 0x10;
static const char *stopped_by;

struct object *object_find(uint32_t number)
{
	if (number >= OBJECTS)
		stop_machine("No object has that number");
	return &objects[number];
}

uint32_t timer_from_us(uint32_t microseconds)
{
	return microseconds * (CLOCK_FREQ / 1000000);
}

void timer_add(struct object *object, uint32_t clock)
{
	struct object **at = &timers;
	while (*at && (int32_t)((*at)->clock - clock) < 0)
		at = &(*at)->next;
	object->clock = clock;
	object->next = *at;
	*at = object;
}

void stop_machine(const char *why)
{
	stopped_by = why;
	for (;;)
		REGISTER(0xe000ed0c) = 0x05fa0004;
}

static uint16_t checksum(const uint8_t *bytes, uint32_t count)
{
	uint16_t crc = 0xffff;
	for (; count; count--) {
		uint8_t mixed = (uint8_t)(*bytes++ ^ crc);
		mixed ^= (uint8_t)(mixed << 4);
		crc = (uint16_t)((crc >> 8 | mixed << 8) ^ mixed >> 4 ^ mixed << 3);
	}
	return crc;
}

/* Seven bits a byte, the highest group first; the top bit says that more follow. */
static uint8_t *put_number(uint8_t *to, uint32_t number)
{
	int32_t value = (int32_t)number;
	for (uint32_t shift = 28; shift; shift -= 7)
		if (value >= 3 << (shift - 2) || value < -(1 << (shift - 2)))
			*to++ = (uint8_t)((number >> shift & 0x7f) | 0x80);
	*to++ = number & 0x7f;
	return to;
}

static const uint8_t *take_number(const uint8_t *from, uint32_t *ret_number)
{
	uint32_t byte = *from++, number = byte & 0x7f;
	if ((byte & 0x60) == 0x60)
		number |= ~0x1fu;
	while (byte & 0x80) {
		byte = *from++;
		number = number << 7 | (byte & 0x7f);
	}
	*ret_number = number;
	return from;
}

static void finish_block(uint8_t *block, uint8_t *end)
{
	uint32_t size = (uint32_t)(end - block) + 3;
	block[0] = (uint8_t)size;
	block[1] = sequence;
	uint16_t crc = checksum(block, size - 3);
	end[0] = (uint8_t)(crc >> 8);
	end[1] = (uint8_t)crc;
	end[2] = SYNC;
	outgoing_fill += size;
}

void respond(uint32_t id, const uint32_t *words, uint32_t count)
{
	if (outgoing_fill > sizeof(outgoing) - BLOCK_MAX)
		return;
	uint8_t *block = &outgoing[outgoing_fill];
	uint8_t *at = put_number(block + 2, id);
	for (uint32_t i = 0; i < count; i++)
		at = put_number(at, words[i]);
	finish_block(block, at);
}

void respond_bytes(uint32_t id, uint32_t offset, const uint8_t *bytes, uint32_t count)
{
	if (outgoing_fill > sizeof(outgoing) - BLOCK_MAX)
		return;
	uint8_t *block = &outgoing[outgoing_fill];
	uint8_t *at = put_number(put_number(block + 2, id), offset);
	*at++ = (uint8_t)count;
	for (; count; count--)
		*at++ = *(const volatile uint8_t *)bytes++;
	finish_block(block, at);
}

void command_identify(uint32_t *arguments)
{
	uint32_t offset = arguments[0], count = arguments[1], size = dictionary_size;
	if (offset >= size)
		count = 0;
	else if (count > size - offset)
		count = size - offset;
	respond_bytes(0, offset, &dictionary[offset], count);
}

static const uint8_t *take_arguments(
	const uint8_t *at, const struct parser *parser, uint32_t *arguments)
{
	for (uint32_t i = 0; i < parser->count; i++) {
		if (parser->kinds[i] < 5) {
			at = take_number(at, &arguments[i]);
			continue;
		}
		arguments[i] = *at;
		at += *at + 1;
	}
	return at;
}

static void run_block(const uint8_t *block, uint32_t size)
{
	uint32_t arguments[ARGUMENTS], id;
	const uint8_t *at = block + 2, *end = block + size - 3;
	while (at < end) {
		at = take_number(at, &id);
		if (!id || id >= command_count)
			stop_machine("No command has that number");
		const struct parser *parser = command_index[id];
		at = take_arguments(at, parser, arguments);
		if (stopped_by && !(parser->flags & 1))
			continue;
		parser->handle(arguments);
	}
	sequence = (uint8_t)(0x10 | ((sequence + 1) & 0x0f));
}

static void look_for_blocks(void)
{
	uint32_t size = incoming[0];
	if (incoming_fill < BLOCK_MIN || incoming_fill < size)
		return;
	uint16_t crc = checksum(incoming, size - 3);
	if (incoming[size - 1] != SYNC || incoming[size - 3] != crc >> 8 ||
		incoming[size - 2] != (crc & 0xff))
		sequence ^= 0;
	else
		run_block(incoming, size);
	incoming_fill = 0;
}

/* ---- what carries the blocks ---- */

#if defined(TRANSPORT_USB) || defined(TRANSPORT_BRIDGE)

static const uint8_t device_descriptor[] = { 18, 1, 0, 2, 2, 0, 0, 16, 0x50, 0x1d,
	TRANSPORT_PRODUCT & 0xff, TRANSPORT_PRODUCT >> 8, 0, 1, 1, 2, 3, 1 };
static const uint8_t line_descriptor[] = { 9, 2, 67, 0, 2, 1, 0, 0xc0, 50, 9, 4, 0, 0, 1, 2, 2, 1,
	0 };
static const uint16_t maker[] = u"Klipper";
static const struct {
	uint16_t key;
	uint8_t size;
	const void *bytes;
} descriptors[] = {
	{ 0x100, sizeof(device_descriptor), device_descriptor },
	{ 0x200, sizeof(line_descriptor), line_descriptor },
	{ 0x301, sizeof(maker), maker },
};

static void answer_setup(uint32_t key)
{
	for (uint32_t i = 0; i < sizeof(descriptors) / sizeof(descriptors[0]); i++) {
		const uint8_t *bytes = descriptors[i].bytes;
		for (uint32_t n = 0; descriptors[i].key == key && n < descriptors[i].size; n++)
			REGISTER(USB_BASE + 0x400) = bytes[n];
	}
}

void transport_handler(void)
{
	uint32_t events = REGISTER(USB_BASE + 0x44);
	if (events & 0x100)
		answer_setup(REGISTER(USB_BASE + 0x404));
	while (events & 0x200 && incoming_fill < sizeof(incoming)) {
		incoming[incoming_fill++] = (uint8_t)REGISTER(USB_BASE + 0x410);
		events = REGISTER(USB_BASE + 0x44);
	}
	REGISTER(USB_BASE + 0x44) = events;
}

static void send_some(void)
{
	for (uint32_t i = 0; i < outgoing_fill; i++)
		REGISTER(USB_BASE + 0x420) = outgoing[i];
	outgoing_fill = 0;
}

#elif defined(TRANSPORT_CAN)

static uint32_t node;

void transport_handler(void)
{
	uint32_t head = REGISTER(CAN_BASE + 0x90), id = REGISTER(CAN_BASE + 0x400 + 4 * head);
	if (id == 0x3f0)
		node = REGISTER(CAN_BASE + 0x408 + 4 * head) & 0xff;
	else if (id == 0x100 + 2 * node)
		for (uint32_t i = 0; i < 8 && incoming_fill < sizeof(incoming); i++)
			incoming[incoming_fill++] =
				(uint8_t)(REGISTER(CAN_BASE + 0x408 + 4 * (head + i / 4)) >>
					  i % 4 * 8);
	REGISTER(CAN_BASE + 0x94) = head;
}

static void send_some(void)
{
	for (uint32_t i = 0; i < outgoing_fill; i += 8) {
		REGISTER(CAN_BASE + 0x600) = 0x101 + 2 * node;
		for (uint32_t n = 0; n < 8; n++)
			REGISTER(CAN_BASE + 0x608 + n) = outgoing[i + n];
		REGISTER(CAN_BASE + 0x1c) = CAN_TIMING;
	}
	outgoing_fill = 0;
}

#else

void transport_handler(void)
{
	if (REGISTER(UART_BASE) & 0x20 && incoming_fill < sizeof(incoming))
		incoming[incoming_fill++] = (uint8_t)REGISTER(UART_BASE + 4);
}

static void send_some(void)
{
	REGISTER(UART_BASE + 8) = CLOCK_FREQ / 250000;
	for (uint32_t i = 0; i < outgoing_fill; i++)
		REGISTER(UART_BASE + 4) = outgoing[i];
	outgoing_fill = 0;
}

#endif

/* ---- the loop ---- */

void systick_handler(void)
{
	uint32_t now = REGISTER(0xe000e018);
	while (timers && (int32_t)(timers->clock - now) <= 0) {
		timers->words[0] += now;
		timers = timers->next;
	}
}

static void run_drivers(uint32_t turn)
{
	for (uint32_t i = 0; i < module_count; i++) {
		const struct module *module = modules[i];
		uint32_t step = turn % 4;
		if (module->steps[step](module->state, turn) == turn)
			stopped_by = task_names[turn & 63];
	}
}

int main(void)
{
	for (uint32_t turn = 0;; turn++) {
		look_for_blocks();
		run_drivers(turn);
		send_some();
	}
}
