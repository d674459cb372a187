/* SPDX-License-Identifier: MIT */
/* Looking at a bus; see can_look.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/can_look.h"
#include "backend/can_reach.h"
#include "backend/can_words.h"
#include "backend/katapult_wire.h"
#include "backend/klipper_wire.h"
#include "base/text.h"

#define QUERY_MSEC 500
/* Nodes answer within a millisecond, one behind the other; errors take longer to be given up. */
#define QUIET_MSEC  100
#define GATHER_MSEC 1000
/* For all that a hostile bus may send meanwhile. */
#define FRAMES_MOST 20000u
#define REST_MOST   1000u
/* For one node to be met, for one to say what it is, and for all of them: at 1 Mbit/s a Klipper
 * needs a third of a second, at 250 kbit/s four times that. */
#define MEET_MSEC 120
#define NODE_MSEC 2500
#define LOOK_MSEC 8000

struct backend_session {
	struct visit visit;
	struct board_address address; /* borrowed texts: the run of the job outlives the visit */
	struct can *can;
	int64_t deadline_msec; /* for asking nodes */
	struct can_sight sight;
};

static int fail(struct backend_session *session, int error)
{
	const char *name = session->address.can;
	int r = can_reach_fail(&session->visit, error, name);
	if (r == 0)
		r = visit_fail_wire(&session->visit, error, "looking at the bus");
	return r < 0 ? error
		     : visit_fail(&session->visit, error, REASON_INTERNAL,
			       "the bus %s could not be looked at: %s", name, strerror(-error));
}

/* ---- opening ----------------------------------------------------------------------------- */

static struct backend_session *can_look_close(struct backend_session *session)
{
	if (!session)
		return NULL;
	can_close(session->can);
	free(session);
	return NULL;
}
DEFINE_CLEANUP(struct backend_session *, can_look_close)

static int open_bus(struct backend_session *session)
{
	struct can_sight *sight = &session->sight;
	TRY(can_interface_read(session->address.can, &sight->interface));
	TRY(can_open(session->address.can, &session->can));
	TRY(can_reach_listeners(session->can, &sight->listeners));
	sight->is_in_use = sight->listeners > 0;
	return can_lock_all(session->can);
}

static int can_look_open(const struct board_address *address, const struct backend_watch *watch,
	struct backend_session **ret, struct backend_failure *ret_failure)
{
	*ret_failure = (struct backend_failure){ 0 };
	_cleanup_(can_look_closep) struct backend_session *session = calloc(1, sizeof *session);
	if (!session)
		return -ENOMEM;
	session->visit = (struct visit){
		.watch = watch, .consequence = visit_changes_nothing, .session = session
	};
	session->address = *address;
	visit_enter(&session->visit, ret_failure);
	int r = open_bus(session);
	if (r < 0)
		return fail(session, r);
	*ret = TAKE_PTR(session);
	return 0;
}

/* ---- who answers ------------------------------------------------------------------------- */

static struct can_node *node_of(struct can_sight *sight, const char *uuid)
{
	for (size_t i = 0; i < sight->node_count; i++)
		if (text_equal(sight->nodes[i].uuid, uuid))
			return &sight->nodes[i];
	if (sight->node_count == CAN_NODES_MAX)
		return NULL;
	struct can_node *node = &sight->nodes[sight->node_count++];
	text_copy_plain(node->uuid, sizeof(node->uuid), uuid);
	return node;
}

static void take_frame(struct can_sight *sight, const struct can_frame_seen *frame)
{
	struct can_word_answer answer;
	if (frame->is_error) {
		can_errors_note(&sight->errors, frame);
		return;
	}
	sight->frames_heard++;
	if (frame->number != CAN_ADMIN_ANSWER)
		return;
	bool is_answer = can_word_take_answer(frame, &answer);
	struct can_node *node = is_answer ? node_of(sight, answer.uuid) : NULL;
	sight->is_garbled |= !is_answer;
	if (node)
		node->kind = answer.kind;
}

/* Until the bus has been quiet for a while, and not for ever. */
static int gather(struct backend_session *session)
{
	int64_t deadline_msec = can_now_msec(session->can) + GATHER_MSEC;
	int r = 0;
	for (unsigned frames = 0; r == 0 && frames < FRAMES_MOST; frames++) {
		struct can_frame_seen frame;
		int64_t left = deadline_msec - can_now_msec(session->can);
		if (left <= 0)
			break;
		r = can_receive(
			session->can, &frame, left < QUIET_MSEC ? (unsigned)left : QUIET_MSEC);
		if (r == 0)
			take_frame(&session->sight, &frame);
	}
	return r == -ETIMEDOUT || r == -ENETDOWN ? 0 : r;
}

static int query(struct backend_session *session)
{
	const struct can_word word = can_word_query();
	TRY(can_listen(session->can, NULL, 0, true));
	int r = can_send(session->can, CAN_ADMIN, word.bytes, word.length, QUERY_MSEC);
	session->sight.was_asked = r == 0;
	session->sight.is_queue_full = r == -ENOBUFS;
	session->deadline_msec = can_now_msec(session->can) + LOOK_MSEC;
	return r == 0 || r == -ENOBUFS || r == -ENETDOWN ? gather(session) : r;
}

/* Before others, so that whoever answers under many names takes no place of theirs, and no time. */
static void add_expected(struct backend_session *session)
{
	for (size_t i = 0; i < session->address.expected_count; i++) {
		struct can_node *node = node_of(&session->sight, session->address.expected[i]);
		if (node)
			node->is_expected = true;
	}
}

/* ---- what they are ----------------------------------------------------------------------- */

static int ask_katapult(struct can_reach *reach, struct can_node *node)
{
	struct katapult_device device;
	struct katapult_wire wire = { .stream = &reach->katapult.stream, .is_awake = true };
	TRY(katapult_connect(&wire, &device));
	node->has_application_start = true;
	node->application_start = device.application_start;
	text_copy_plain(node->bootloader_version, sizeof(node->bootloader_version), device.version);
	text_copy_plain(node->running.mcu, sizeof(node->running.mcu), device.mcu);
	return 0;
}

static int on_bytes(void *context, uint32_t bytes)
{
	return visit_step(context, bytes);
}

static int ask_klipper(
	struct backend_session *session, struct can_reach *reach, struct can_node *node)
{
	_cleanup_(klipper_dictionary_done) struct klipper_dictionary dictionary = { 0 };
	struct klipper_wire wire = { .stream = &reach->klipper.stream };
	TRY(klipper_identify(&wire, on_bytes, &session->visit, &dictionary));
	node->running = dictionary.running;
	return 0;
}

/* However slowly it answers. */
static int limit(const struct backend_session *session, struct can_reach *reach)
{
	int64_t left = session->deadline_msec - can_now_msec(reach->can);
	if (left <= 0)
		return -ETIMEDOUT;
	can_reach_limit(reach, left < NODE_MSEC ? (unsigned)left : NODE_MSEC);
	return 0;
}

/* One that does not answer, or not as it should, is left as it was found. */
static int ask_node(struct backend_session *session, struct can_node *node)
{
	const struct board_address address = { .can = session->address.can,
		.can_uuid = node->uuid };
	_cleanup_(can_reach_closep) struct can_reach *reach = NULL;
	enum can_speaker wanted =
		node->kind == CAN_NODE_KLIPPER ? CAN_SPEAKER_KLIPPER : CAN_SPEAKER_KATAPULT;
	enum can_speaker speaker = CAN_SPEAKER_NOBODY;
	TRY(visit_safe_point(&session->visit, PHASE_PROBE, 0, 0));
	int r = can_reach_open_within(&address, &reach);
	if (r == 0)
		r = limit(session, reach);
	if (r == 0)
		r = can_reach_recognise(reach, wanted, MEET_MSEC, &speaker);
	if (r < 0 || speaker == CAN_SPEAKER_NOBODY)
		return r == -ENOMEM ? r : 0;
	bool is_katapult = speaker == CAN_SPEAKER_KATAPULT;
	node->kind = is_katapult ? CAN_NODE_KATAPULT : CAN_NODE_KLIPPER;
	r = is_katapult ? ask_katapult(reach, node) : ask_klipper(session, reach, node);
	node->is_asked = r == 0;
	return r == -ENOMEM || session->visit.stop < 0 ? r : 0;
}

/* Errors of meanwhile, and answers that came late. */
static void take_rest(struct backend_session *session)
{
	struct can_frame_seen frame;
	for (unsigned i = 0; i < REST_MOST && can_receive(session->can, &frame, 0) == 0; i++)
		take_frame(&session->sight, &frame);
}

/* Each of them is given a number, so that whoever has given them theirs must not be there:
 * Klipper's host, or a visit that is writing, which is why all shares are held to the end. */
static int ask_nodes(struct backend_session *session)
{
	static const uint32_t answers = CAN_ADMIN_ANSWER;
	struct can_sight *sight = &session->sight;
	int r = 0;
	if (sight->is_in_use || !sight->was_asked)
		return 0;
	TRY(can_listen(session->can, &answers, 1, true));
	for (size_t i = 0; r == 0 && i < sight->node_count; i++)
		r = ask_node(session, &sight->nodes[i]);
	take_rest(session);
	return r;
}

/* ---- the sight --------------------------------------------------------------------------- */

static int hand_over(struct backend_session *session)
{
	_cleanup_(buffer_done) struct buffer bytes = { 0 };
	can_sight_encode(&session->sight, &bytes);
	if (bytes.failed)
		return -ENOMEM;
	visit_keep(&session->visit, KEEP_CAN, 0, bytes.data, bytes.length);
	return 0;
}

static int look(struct backend_session *session)
{
	struct can_sight *sight = &session->sight;
	TRY(visit_safe_point(&session->visit, PHASE_PROBE, 0, 0));
	add_expected(session);
	if (sight->interface.is_up)
		TRY(query(session));
	TRY(ask_nodes(session));
	/* Its counters, and perhaps its state, are others now. */
	TRY(can_interface_read(session->address.can, &sight->interface));
	return hand_over(session);
}

static int can_look_probe(struct backend_session *session, struct board_facts *ret,
	struct backend_failure *ret_failure)
{
	visit_enter(&session->visit, ret_failure);
	int r = look(session);
	if (r < 0)
		return session->visit.failure->code == REASON_NONE ? fail(session, r) : r;
	*ret = (struct board_facts){
		.reach = TRANSPORT_CAN,
		.can_bitrate = can_interface_bitrate(&session->sight.interface),
	};
	return 0;
}

/* There is nothing to start. */
static int can_look_restart(struct backend_session *session, struct backend_failure *ret_failure)
{
	visit_enter(&session->visit, ret_failure);
	return 0;
}

const struct backend can_look_backend = {
	.name = "can",
	.mode = MODE_CAN,
	.open = can_look_open,
	.probe = can_look_probe,
	.restart = can_look_restart,
	.close = can_look_close,
};
