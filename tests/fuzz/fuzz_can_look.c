/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a whole CAN bus that is looked at: this is port/can.h, in virtual time. Four bytes
 * say what the interface is and who else is there; the others are the frames that come, one behind
 * the other, and what befalls the wire; when they end, the bus is silent or says the last frame for
 * ever.
 *
 * A look must end soon, whatever comes; nobody may be given a number where another program talks to
 * nodes, and no more than the query may be sent there; every node that is expected must be in what
 * is handed over, and that must be a sight which the mind takes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/can_look.h"
#include "backend/can_words.h"
#include "base/text.h"
#include "port/can.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

#define HEADER_BYTES 4u
#define OPEN_MOST    4u
#define NUMBERS_MOST 4u
#define FRAME_USEC   110
/* A second and a half for the query, eight for asking, and what was under way then. */
#define LOOK_USEC 11000000

struct can {
	bool is_open, holds_all;
	uint32_t numbers[NUMBERS_MOST];
	size_t number_count;
	bool hears_errors;
};

/* What a byte says of what comes next. */
enum {
	COMES_NOTHING,
	COMES_ANSWER, /* to the query, eight bytes of it */
	COMES_SHORT_ANSWER,
	COMES_NODE, /* under the number that is listened to */
	COMES_ERROR,
	COMES_OFF,
	COMES_LOSS,
	COMES_OTHER,
	_COMES_MAX,
};

static struct bus {
	const uint8_t *data;
	size_t length;
	bool is_up, is_bridge, says_last, is_blocked;
	unsigned listeners, expected_count;
	char expected[CAN_NODES_MAX][CAN_UUID_TEXT];
	struct can cans[OPEN_MOST];
	uint8_t last[CAN_PAYLOAD];
	uint8_t last_what;
	int64_t now_usec;
	unsigned sent, queries, numbered, sights;
} bus;

static void must(bool truth)
{
	if (!truth)
		abort();
}

static uint8_t next_byte(void)
{
	if (bus.length == 0)
		return 0;
	bus.length--;
	return *bus.data++;
}

/* ---- port/can.h --------------------------------------------------------------------------- */

int can_open(const char *interface, struct can **ret)
{
	must(text_equal(interface, "can0"));
	for (size_t i = 0; i < OPEN_MOST; i++) {
		if (bus.cans[i].is_open)
			continue;
		bus.cans[i] = (struct can){ .is_open = true };
		*ret = &bus.cans[i];
		return 0;
	}
	abort(); /* somebody closes nothing */
}

struct can *can_close(struct can *can)
{
	if (can)
		*can = (struct can){ 0 };
	return NULL;
}

int can_listen(struct can *can, const uint32_t *numbers, size_t count, bool errors)
{
	must(can->is_open && count <= NUMBERS_MOST);
	if (count > 0)
		memcpy(can->numbers, numbers, count * sizeof(*numbers));
	can->number_count = count;
	can->hears_errors = errors;
	return 0;
}

static bool is_bus_held(void)
{
	bool is_held = false;
	for (size_t i = 0; i < OPEN_MOST; i++)
		is_held |= bus.cans[i].holds_all;
	return is_held;
}

int can_send(
	struct can *can, uint32_t number, const void *data, size_t length, unsigned timeout_msec)
{
	const uint8_t *bytes = data;
	must(can->is_open && length > 0 && length <= CAN_PAYLOAD);
	must(number == CAN_ADMIN || (number >= can_to_node(160) && number <= can_to_node(255)));
	must(number != CAN_ADMIN || bytes[0] == 0x00 || bytes[0] == 0x01 || bytes[0] == 0x11);
	if (bus.is_blocked) {
		bus.now_usec += timeout_msec * INT64_C(1000);
		return -ENOBUFS;
	}
	must(is_bus_held());
	bus.now_usec += FRAME_USEC;
	bus.sent++;
	bus.queries += number == CAN_ADMIN && bytes[0] == 0x00;
	bus.numbered += number == CAN_ADMIN && bytes[0] != 0x00;
	return 0;
}

static int make_frame(const struct can *can, uint8_t what, struct can_frame_seen *ret)
{
	*ret = (struct can_frame_seen){ .length = CAN_PAYLOAD };
	memcpy(ret->data, bus.last, CAN_PAYLOAD);
	if (what == COMES_SHORT_ANSWER)
		ret->length = 7;
	if (what == COMES_ANSWER || what == COMES_SHORT_ANSWER)
		ret->number = CAN_ADMIN_ANSWER;
	if (what == COMES_NODE)
		ret->number = can->number_count ? can->numbers[0] : 0x123;
	if (what == COMES_OTHER)
		ret->number = 0x321;
	ret->is_error = what == COMES_ERROR || what == COMES_OFF;
	if (ret->is_error)
		ret->number = what == COMES_OFF ? 0x40u : 1u << (bus.last[0] & 7);
	if (ret->is_error)
		return can->hears_errors ? 0 : -ETIMEDOUT;
	for (size_t i = 0; i < can->number_count; i++)
		if (can->numbers[i] == ret->number)
			return 0;
	return can->number_count == 0 ? 0 : -ETIMEDOUT;
}

int can_receive(struct can *can, struct can_frame_seen *ret, unsigned timeout_msec)
{
	uint8_t what = bus.last_what;
	must(can->is_open);
	if (bus.length > 0) {
		what = next_byte() % _COMES_MAX;
		for (size_t i = 0; what != COMES_NOTHING && i < CAN_PAYLOAD; i++)
			bus.last[i] = next_byte();
	} else if (!bus.says_last) {
		what = COMES_NOTHING;
	}
	bus.last_what = what;
	bus.now_usec += FRAME_USEC;
	if (what == COMES_LOSS)
		return bus.last[0] & 1 ? -ENETDOWN : -ENODEV;
	int r = what == COMES_NOTHING ? -ETIMEDOUT : make_frame(can, what, ret);
	if (r < 0)
		bus.now_usec += timeout_msec * INT64_C(1000);
	return r;
}

int64_t can_now_msec(const struct can *can)
{
	must(can->is_open);
	return bus.now_usec / 1000;
}

/* A look takes no share: it has all. */
int can_lock_share(struct can *can, unsigned *ret_share)
{
	(void)can, (void)ret_share;
	abort();
}

int can_lock_all(struct can *can)
{
	can->holds_all = true;
	return 0;
}

int can_listeners(const struct can *can, uint32_t first, uint32_t last, unsigned *ret_count)
{
	must(can->is_open && first <= last);
	*ret_count = bus.listeners;
	return 0;
}

int can_interface_read(const char *name, struct can_interface *ret)
{
	*ret = (struct can_interface){ .is_up = bus.is_up, .driver = "gs_usb", .bitrate = 500000 };
	text_copy_plain(ret->name, sizeof(ret->name), name);
	text_copy_plain(ret->usb_manufacturer, sizeof(ret->usb_manufacturer),
		bus.is_bridge ? "Klipper" : "bytewerk");
	return 0;
}

/* ---- the look ----------------------------------------------------------------------------- */

static void check_expected(const struct can_sight *sight)
{
	for (unsigned i = 0; i < bus.expected_count; i++) {
		bool is_there = false;
		for (size_t k = 0; k < sight->node_count; k++)
			is_there |= sight->nodes[k].is_expected &&
				    text_equal(sight->nodes[k].uuid, bus.expected[i]);
		must(is_there);
	}
}

static void on_keep(
	void *context, enum keepsake kind, uint32_t address, const uint8_t *bytes, size_t length)
{
	static struct can_sight sight;
	(void)context;
	must(kind == KEEP_CAN && address == 0);
	must(can_sight_decode(bytes, length, &sight) == 0);
	must(text_equal(sight.interface.name, "can0"));
	must(sight.is_in_use == (bus.listeners > 0));
	check_expected(&sight);
	bus.sights++;
}

static int on_progress(
	void *context, enum job_phase phase, uint64_t done_bytes, uint64_t total_bytes)
{
	(void)context;
	must(phase < _PHASE_MAX && done_bytes <= total_bytes);
	return 0;
}

static void check_failure(int r, const struct backend_failure *failure)
{
	must(r < 0 && failure->code != REASON_NONE);
	must(failure->sentence[0] && text_is_plain(failure->sentence));
}

static void look(void)
{
	const struct board_address address = { .can = "can0",
		.expected = (const char(*)[CAN_UUID_TEXT])bus.expected,
		.expected_count = bus.expected_count };
	const struct backend_watch watch = { .on_progress = on_progress, .on_keep = on_keep };
	struct backend_session *session = NULL;
	struct backend_failure failure;
	struct board_facts facts;
	int r = can_look_backend.open(&address, &watch, &session, &failure);
	must(r == 0);
	r = can_look_backend.probe(session, &facts, &failure);
	if (r < 0)
		check_failure(r, &failure);
	must(bus.sights == (r == 0));
	must(r < 0 || facts.can_bitrate == (bus.is_bridge ? 0 : 500000));
	must(can_look_backend.close(session) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	if (length < HEADER_BYTES)
		return 0;
	bus = (struct bus){ .data = data, .length = length };
	uint8_t flags = next_byte();
	bus.is_up = flags & 1;
	bus.is_bridge = flags & 2;
	bus.says_last = flags & 4;
	bus.is_blocked = flags & 8;
	bus.listeners = next_byte() % 4;
	bus.expected_count = next_byte() % (CAN_NODES_MAX + 1);
	uint8_t mark = next_byte();
	for (unsigned i = 0; i < bus.expected_count; i++)
		text_hex((const uint8_t[]){ 0, 0, 0, 0, mark, (uint8_t)i }, 6, bus.expected[i]);
	look();
	for (size_t i = 0; i < OPEN_MOST; i++)
		must(!bus.cans[i].is_open);
	must(bus.now_usec < LOOK_USEC);
	must(bus.queries <= 1 && (bus.is_up || bus.sent == 0));
	must(bus.listeners == 0 || (bus.sent <= 1 && bus.numbered == 0));
	return 0;
}
