/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as what comes from a board in Katapult, in pieces as the first byte says: each answer
 * that is taken must stand in the bytes as a whole frame, in their order, and there is always room
 * for more.
 */
#include <stdlib.h>
#include <string.h>

#include "backend/katapult_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

static void must(bool truth)
{
	if (!truth)
		abort();
}

/* Behind where the answer's frame stands in the bytes, from `from` on. */
static size_t find_frame(
	const uint8_t *data, size_t length, size_t from, const struct katapult_answer *answer)
{
	uint8_t frame[KATAPULT_FRAME_MAX];
	size_t bytes = katapult_frame(answer->code, answer->payload, answer->length, frame);
	const uint8_t *at = memmem(data + from, length - from, frame, bytes);
	must(at != NULL);
	return (size_t)(at - data) + bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	static struct katapult_receiver receiver;
	static struct katapult_answer answer;
	if (length == 0)
		return 0;
	size_t piece = 1 + data[0] % 100u, found_to = 0;
	data++, length--;
	receiver.length = 0;
	for (size_t at = 0; at < length;) {
		size_t capacity, count = length - at < piece ? length - at : piece;
		uint8_t *space = katapult_receiver_space(&receiver, &capacity);
		must(capacity > 0);
		if (count > capacity)
			count = capacity;
		memcpy(space, data + at, count);
		katapult_receiver_came(&receiver, count);
		at += count;
		while (katapult_receiver_take(&receiver, &answer))
			found_to = find_frame(data, length, found_to, &answer);
	}
	return 0;
}
