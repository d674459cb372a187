/* SPDX-License-Identifier: MIT */
/* Digests; see digest.h. */

/*
 * The one-shot context of libcrypto, though deprecated, is used on purpose: fetching the same
 * algorithm through EVP costs a resident service 1.9 MiB of dirty memory for providers it does
 * not need.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/digest.h"

struct digest_state {
	SHA256_CTX context;
};

struct digest_state *digest_new(void)
{
	struct digest_state *state = calloc(1, sizeof(*state));
	if (state)
		SHA256_Init(&state->context);
	return state;
}

void digest_add(struct digest_state *state, const void *data, size_t length)
{
	SHA256_Update(&state->context, data, length);
}

void digest_add_u32(struct digest_state *state, uint32_t value)
{
	uint8_t bytes[4];
	write_u32(bytes, value);
	digest_add(state, bytes, sizeof(bytes));
}

struct digest digest_finish(struct digest_state *state)
{
	struct digest digest;
	SHA256_Final(digest.bytes, &state->context);
	free(state);
	return digest;
}

uint32_t crc32_mpeg2(const void *data, size_t length)
{
	const uint8_t *byte = data;
	uint32_t crc = UINT32_MAX;
	for (size_t i = 0; i < length; i++) {
		crc ^= (uint32_t)byte[i] << 24;
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 0x80000000 ? crc << 1 ^ 0x04C11DB7 : crc << 1;
	}
	return crc;
}
