/* SPDX-License-Identifier: MIT */
/* The way to a node; see can_reach.h. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/can_reach.h"
#include "backend/can_words.h"
#include "backend/katapult_frame.h"
#include "backend/klipper_block.h"
#include "base/text.h"

/*
 * Numbers of ours. Klipper's host gives them from 4 on, its console tool 64, flashtool.py 129. A
 * Katapult forgets a number that another one gets; a Klipper shuts down over it, and keeps its own
 * for ever, so that there are several for each share, and one is taken that nobody answers to.
 */
#define KATAPULT_FIRST 160u
#define KLIPPER_FIRST  176u
#define KLIPPER_EACH   10u
#define OTHERS_FIRST   0u
#define OTHERS_LAST    (KATAPULT_FIRST - 1)

#define WORD_MSEC   500
#define ANSWER_MSEC 50
/* To an empty block a Klipper answers at once. */
#define OCCUPIED_MSEC 20
#define ENTER_MSEC    1000

/* ---- opening ----------------------------------------------------------------------------- */

/* The interface of a bridge, which is a USB device: "…/1-1.3/1-1.3:1.0/net/can0". */
static int find_interface(const char *syspath, char ret[CAN_NAME_TEXT])
{
	const char *name = strrchr(syspath, '/');
	_cleanup_(freep) char *path = name ? text_format("%s%s:1.0/net", syspath, name) : NULL;
	if (!path)
		return -ENOMEM;
	DIR *directory = opendir(path);
	if (!directory)
		return -ENODEV;
	int r = -ENODEV;
	for (struct dirent *entry; r < 0 && (entry = readdir(directory));)
		if (can_name_is_valid(entry->d_name)) {
			text_copy_plain(ret, CAN_NAME_TEXT, entry->d_name);
			r = 0;
		}
	closedir(directory);
	return r;
}

int can_reach_listeners(const struct can *can, unsigned *ret_count)
{
	return can_listeners(
		can, can_from_node(OTHERS_FIRST), can_from_node(OTHERS_LAST), ret_count);
}

/* Nobody else's nodes: Klipper's host would lose those that it has. */
static int require_nobody(struct can_reach *reach)
{
	unsigned listeners;
	TRY(can_reach_listeners(reach->can, &listeners));
	return listeners > 0 ? -EBUSY : 0;
}

static int open_bus(struct can_reach *reach, const char *name, bool has_all)
{
	unsigned share = 0;
	TRY(can_interface_read(name, &reach->interface));
	if (!reach->interface.is_up)
		return -ENETDOWN;
	TRY(can_open(name, &reach->can));
	TRY(require_nobody(reach));
	if (!has_all)
		TRY(can_lock_share(reach->can, &share));
	reach->katapult_number = KATAPULT_FIRST + share;
	reach->klipper_number = KLIPPER_FIRST + KLIPPER_EACH * share;
	return can_stream_open(&reach->katapult, name, reach->katapult_number);
}

int can_reach_interface(const struct board_address *address, char ret[CAN_NAME_TEXT])
{
	if (address->usb.syspath)
		return find_interface(address->usb.syspath, ret);
	snprintf(ret, CAN_NAME_TEXT, "%s", address->can);
	return 0;
}

static int open_reach(const struct board_address *address, bool has_all, struct can_reach **ret)
{
	char name[CAN_NAME_TEXT];
	_cleanup_(can_reach_closep) struct can_reach *reach = calloc(1, sizeof *reach);
	if (!reach)
		return -ENOMEM;
	reach->is_bridge = address->usb.syspath != NULL;
	TRY(can_reach_interface(address, name));
	snprintf(reach->uuid, sizeof(reach->uuid), "%s", address->can_uuid);
	TRY(open_bus(reach, name, has_all));
	*ret = TAKE_PTR(reach);
	return 0;
}

int can_reach_open(const struct board_address *address, struct can_reach **ret)
{
	return open_reach(address, false, ret);
}

int can_reach_open_within(const struct board_address *address, struct can_reach **ret)
{
	return open_reach(address, true, ret);
}

struct can_reach *can_reach_close(struct can_reach *reach)
{
	if (!reach)
		return NULL;
	can_stream_done(&reach->katapult);
	can_stream_done(&reach->klipper);
	can_close(reach->can);
	free(reach);
	return NULL;
}

void can_reach_limit(struct can_reach *reach, unsigned msec)
{
	reach->katapult.deadline_msec = reach->klipper.deadline_msec =
		can_now_msec(reach->can) + msec;
}

/* ---- who is there ------------------------------------------------------------------------ */

static int tell_all(struct can_reach *reach, struct can_word word)
{
	return can_send(reach->can, CAN_ADMIN, word.bytes, word.length, WORD_MSEC);
}

/* Does anything come from there? Positive: yes. */
static int await(struct can_stream *stream, unsigned msec)
{
	uint8_t bytes[CAN_PAYLOAD];
	int r = stream_read(&stream->stream, bytes, sizeof(bytes), msec);
	return r == -ETIMEDOUT ? 0 : r;
}

/* A CONNECT is one frame: a node hears all of it or nothing. */
static int ask_katapult(struct can_reach *reach)
{
	uint8_t frame[KATAPULT_FRAME_MAX];
	size_t length = katapult_frame(KATAPULT_CONNECT, NULL, 0, frame);
	TRY(tell_all(reach, can_word_number_katapult(reach->uuid, reach->katapult_number)));
	TRY(stream_write(&reach->katapult.stream, frame, length, WORD_MSEC));
	return await(&reach->katapult, ANSWER_MSEC);
}

/* An empty block, and what ends whatever stood before it, are one frame, too. */
static int say_empty_block(struct can_stream *stream)
{
	uint8_t bytes[1 + KLIPPER_BLOCK_MAX] = { KLIPPER_SYNC };
	size_t length = klipper_block(0, NULL, 0, bytes + 1);
	return stream_write(&stream->stream, bytes, 1 + length, WORD_MSEC);
}

/* A number of our share that no Klipper has kept. */
static int choose_klipper_number(struct can_reach *reach)
{
	for (unsigned i = 0; i < KLIPPER_EACH; i++) {
		unsigned number = reach->klipper_number + i;
		TRY(can_stream_open(&reach->klipper, reach->interface.name, number));
		reach->klipper.deadline_msec = reach->katapult.deadline_msec;
		TRY(say_empty_block(&reach->klipper));
		int r = await(&reach->klipper, OCCUPIED_MSEC);
		if (r == 0)
			reach->klipper_number = number;
		if (r <= 0)
			return r;
		can_stream_done(&reach->klipper);
	}
	return -EBUSY;
}

static int ask_klipper(struct can_reach *reach)
{
	if (!reach->klipper.can)
		TRY(choose_klipper_number(reach));
	TRY(tell_all(reach, can_word_number_klipper(reach->uuid, reach->klipper_number)));
	TRY(say_empty_block(&reach->klipper));
	return await(&reach->klipper, ANSWER_MSEC);
}

/* Positive: that one answers. */
static int ask(struct can_reach *reach, enum can_speaker speaker, enum can_speaker *ret)
{
	int r = speaker == CAN_SPEAKER_KATAPULT ? ask_katapult(reach) : ask_klipper(reach);
	if (r > 0)
		*ret = speaker;
	return r;
}

int can_reach_recognise(
	struct can_reach *reach, enum can_speaker wanted, unsigned msec, enum can_speaker *ret)
{
	int64_t deadline_msec = can_now_msec(reach->can) + msec;
	int r;
	*ret = CAN_SPEAKER_NOBODY;
	/* While the only node of a bus resets, nobody acknowledges, and nothing leaves. */
	do {
		r = ask(reach, wanted, ret);
		if (r == 0 && wanted == CAN_SPEAKER_KATAPULT)
			r = ask(reach, CAN_SPEAKER_KLIPPER, ret);
	} while ((r == 0 || r == -ENOBUFS) && can_now_msec(reach->can) < deadline_msec);
	if (r == 0 && wanted == CAN_SPEAKER_KLIPPER)
		r = ask(reach, CAN_SPEAKER_KATAPULT, ret);
	return r < 0 ? r : 0;
}

/* Positive: it does. */
static int is_klipper_there(struct can_reach *reach)
{
	TRY(stream_discard_input(&reach->klipper.stream));
	TRY(say_empty_block(&reach->klipper));
	return await(&reach->klipper, ANSWER_MSEC);
}

int can_reach_enter(struct can_reach *reach)
{
	int64_t deadline_msec = can_now_msec(reach->can) + ENTER_MSEC;
	TRY(tell_all(reach, can_word_enter(reach->uuid)));
	int r;
	do
		r = is_klipper_there(reach);
	while (r > 0 && can_now_msec(reach->can) < deadline_msec);
	if (reach->is_bridge && (r == -ENODEV || r == -ENETDOWN || r == -ENOBUFS))
		return 0;
	return r > 0 ? -ETIMEDOUT : r;
}

/* ---- failing ----------------------------------------------------------------------------- */

int can_reach_fail(struct visit *visit, int error, const char *interface)
{
	switch (error) {
	case -ENODEV:
		return visit_fail(visit, error, REASON_BUS_DOWN,
			"there is no CAN interface %s now; %s. Is the adapter, or the board that is the "
			"bridge, plugged in and on?",
			interface, visit->consequence(visit->session));
	case -ENETDOWN:
		return visit_fail(visit, error, REASON_BUS_DOWN,
			"the CAN interface %s is down, or has taken itself off the bus; %s. \"plugflash "
			"can %s\" says what is wrong",
			interface, visit->consequence(visit->session), interface);
	case -ENOBUFS:
		return visit_fail(visit, error, REASON_BUS_BLOCKED,
			"nothing leaves for the bus on %s: no node acknowledges, or the queue is full; "
			"%s. \"plugflash can %s\" says what is wrong",
			interface, visit->consequence(visit->session), interface);
	case -EBUSY:
		return visit_fail(visit, error, REASON_BOARD_BUSY,
			"another program talks to nodes on %s: Klipper's host, or a flashing tool. Stop "
			"it first (sudo systemctl stop klipper)",
			interface);
	case -EPERM:
	case -EACCES:
	case -EAFNOSUPPORT:
		return visit_fail(visit, error, REASON_NO_PERMISSION,
			"the worker may not open a CAN socket (%s); check plugflash-worker-can@.service, "
			"and that the module can_raw is there",
			strerror(-error));
	default:
		return 0;
	}
}
