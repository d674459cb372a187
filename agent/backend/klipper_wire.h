/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Klipper's own protocol as a conversation over a byte stream: what a board that runs it says of
 * itself. Nothing that is said here changes anything on the board, and all of it is answered in
 * Klipper's shutdown, too (klipper, docs/Protocol.md, src/basecmd.c, src/debugcmds.c). One command
 * is under way at a time, which is right for every wire. The board may talk in between.
 *
 * Every function that can fail returns a negative errno of its stream, or
 *   -ESTALE   it does not answer, however often it is asked
 *   -EPROTO   it answers what it never should
 *   -EBADMSG  what it handed out is no dictionary
 *   -ENOTSUP  its dictionary has no such command
 */
#include <stdbool.h>
#include <stdint.h>

#include "backend/klipper_block.h"
#include "model/running.h"
#include "port/stream.h"

struct klipper_wire {
	struct stream *stream;
	struct klipper_receiver receiver;
	uint8_t sequence; /* what the device expects next, as far as is known */
	uint32_t requests, resends;
};

struct klipper_dictionary {
	char *json; /* byte by byte as it was packed, and a NUL; owned */
	size_t length;
	struct running running;
	bool has_debug_read;
	int32_t debug_read, debug_result; /* the numbers of these messages in this build */
};

void klipper_dictionary_done(struct klipper_dictionary *dictionary);

/*
 * Hands out the device's dictionary (docs/Protocol.md, "Data Dictionary"). `on_bytes` (may be NULL)
 * is called behind each piece of it; negative: stop here and return that.
 */
int klipper_identify(struct klipper_wire *wire, int (*on_bytes)(void *context, uint32_t bytes),
	void *context, struct klipper_dictionary *ret) _must_check_;

/*
 * Reads a word of 32 bits at an aligned address (src/debugcmds.c, command_debug_read). An address
 * where nothing is crashes the chip: whoever asks must know that something is there.
 */
int klipper_debug_read(struct klipper_wire *wire, const struct klipper_dictionary *dictionary,
	uint32_t address, uint32_t *ret) _must_check_;
