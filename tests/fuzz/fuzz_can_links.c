/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as what the kernel says of interfaces: no crash, and no interface is told of but one
 * with a number and a name that is safe in a path.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/can_link_words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

static void must(bool truth)
{
	if (!truth)
		abort();
}

static void on_link(void *context, const struct can_link *link)
{
	size_t *count = context;
	must(link->index > 0);
	must(memchr(link->name, '\0', sizeof(link->name)));
	must(can_name_is_valid(link->name));
	(*count)++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	size_t count = 0;
	/* Nothing is read behind its end: exactly as many bytes as that. */
	uint8_t *copy = malloc(length ? length : 1);
	must(copy);
	if (length > 0)
		memcpy(copy, data, length);
	int r = can_link_words_read(copy, length, on_link, &count);
	must(r <= CAN_LINK_WORDS_END && r > -4096);
	must(count <= length / 32);
	free(copy);
	return 0;
}
