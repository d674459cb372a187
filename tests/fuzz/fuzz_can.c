/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as what comes from a CAN bus and its kernel, by the first byte: an answer of a node, a
 * line of the kernel's lists, or a look at a bus that a worker hands over. What is accepted holds
 * what its readers rely on.
 */
#include <stdlib.h>
#include <string.h>

#include "backend/can_words.h"
#include "base/text.h"
#include "port/can_rcvlist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

static void must(bool truth)
{
	if (!truth)
		abort();
}

static void read_frame(const uint8_t *data, size_t length)
{
	struct can_word_answer answer;
	struct can_errors errors = { 0 };
	struct can_frame_seen frame = { .number = CAN_ADMIN_ANSWER };
	frame.length = (uint8_t)(length < CAN_PAYLOAD ? length : CAN_PAYLOAD);
	memcpy(frame.data, data, frame.length);
	if (can_word_take_answer(&frame, &answer))
		must(can_uuid_is_valid(answer.uuid) && answer.kind != CAN_NODE_SILENT);
	frame.is_error = true;
	frame.number = length > 8 ? data[8] * 8u : 8;
	can_errors_note(&errors, &frame);
	must(errors.stuff <= 1 && errors.bits <= 1);
}

static void read_line(const uint8_t *data, size_t length)
{
	char *line = strndup((const char *)data, length);
	must(line != NULL);
	(void)can_rcvlist_matches(line, "can0", 0x101, 0x23f);
	free(line);
}

static void read_sight(const uint8_t *data, size_t length)
{
	static struct can_sight sight;
	if (can_sight_decode(data, length, &sight) < 0)
		return;
	must(can_name_is_valid(sight.interface.name) && sight.node_count <= CAN_NODES_MAX);
	must(text_is_plain(sight.interface.driver) && text_is_plain(sight.interface.usb_serial));
	for (size_t i = 0; i < sight.node_count; i++)
		must(can_uuid_is_valid(sight.nodes[i].uuid) &&
			text_is_plain(sight.nodes[i].bootloader_version) &&
			text_is_plain(sight.nodes[i].running.version));
	struct buffer again = { 0 };
	can_sight_encode(&sight, &again);
	must(again.length == length && memcmp(again.data, data, length) == 0);
	buffer_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	static void (*const readers[])(
		const uint8_t *data, size_t length) = { read_frame, read_line, read_sight };
	if (length > 0)
		readers[data[0] % ELEMENTSOF(readers)](data + 1, length - 1);
	return 0;
}
