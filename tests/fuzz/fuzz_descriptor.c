/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a configuration descriptor: what the backend takes for its interface is looked for a
 * second time, and must be an interface with two bulk endpoints that the bytes really describe.
 */
#include <stdlib.h>
#include <string.h>

#include "backend/picoboot_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

static void must(bool truth)
{
	if (!truth)
		abort();
}

/* A bulk endpoint with this address, among the descriptors that start at `at` and touch. */
static bool has_endpoint(const uint8_t *data, size_t length, size_t at, uint8_t address)
{
	for (; at + 7 <= length && data[at] >= 2 && data[at + 1] != 4; at += data[at])
		if (data[at] >= 7 && data[at + 1] == 5 && data[at + 2] == address &&
			(data[at + 3] & 3) == 2)
			return true;
	return false;
}

static bool has_interface(
	const uint8_t *data, size_t length, const struct picoboot_endpoints *endpoints)
{
	static const uint8_t vendor_class[] = { 0xff, 0, 0 };
	for (size_t at = 0; at + 9 <= length && data[at] >= 2; at += data[at])
		if (data[at] >= 9 && data[at + 1] == 4 && data[at + 2] == endpoints->interface &&
			data[at + 3] == 0 && memcmp(data + at + 5, vendor_class, 3) == 0 &&
			has_endpoint(data, length, at + data[at], endpoints->in) &&
			has_endpoint(data, length, at + data[at], endpoints->out))
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	struct picoboot_endpoints endpoints = { 0 }, untouched = { 0 };
	if (picoboot_find(data, length, &endpoints) != 0) {
		must(memcmp(&endpoints, &untouched, sizeof(endpoints)) == 0);
		return 0;
	}
	must((endpoints.in & 0x80) && !(endpoints.out & 0x80));
	must(has_interface(data, length, &endpoints));
	return 0;
}
