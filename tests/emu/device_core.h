/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a host controller sees of an emulated USB device: packets and time, nothing else. A core has
 * no thread, no clock and no I/O of its own; it is told what time it is with every call.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NSEC_PER_USEC ((uint64_t)1000)
#define NSEC_PER_MSEC ((uint64_t)1000000)
#define NSEC_PER_SEC  ((uint64_t)1000000000)
#define NEVER         UINT64_MAX

#define PACKET_BYTES 64
/* Full speed carries at most 19 bulk packets of 64 bytes in a frame of one millisecond. */
#define PACKET_NSEC (NSEC_PER_MSEC / 19)

#define ENDPOINT_TOWARDS_US 0x80

enum packet {
	PACKET_ACK,
	PACKET_NAK,
	PACKET_STALL,
	PACKET_LOST, /* nobody answers */
};

struct device_core;

struct device_operations {
	/* Lets everything happen that is due until `now`, in its order. */
	void (*advance)(struct device_core *core, uint64_t now);
	/* When a NAK may turn into something else, NEVER when only the host can change it. */
	uint64_t (*next_event)(const struct device_core *core);
	bool (*is_attached)(const struct device_core *core);
	void (*bus_reset)(struct device_core *core, uint64_t now);
	/* What a packet on this endpoint (0: a SETUP) would meet now; changes nothing. */
	enum packet (*poll)(const struct device_core *core, uint8_t endpoint);
	/* A whole control transfer. `data` has room for wLength bytes, 64 at least; `*length` is
	 * what the data stage carried. */
	enum packet (*control)(struct device_core *core, uint64_t now, const uint8_t setup[8],
		uint8_t *data, size_t *length);
	enum packet (*out)(struct device_core *core, uint64_t now, uint8_t endpoint, bool toggle,
		const uint8_t *data, size_t length);
	enum packet (*in)(struct device_core *core, uint64_t now, uint8_t endpoint, uint8_t *data,
		size_t *ret_length, bool *ret_toggle);
};

struct device_core {
	const struct device_operations *operations;
	/* What a packet in the data stage of a control transfer takes; 0: PACKET_NSEC. */
	uint64_t control_packet_nsec;
};

#define CONTROL_PACKETS_LEAST 2 /* SETUP and status */

static inline uint64_t control_data_nsec(const struct device_core *core, size_t packets)
{
	return packets * (core->control_packet_nsec ? core->control_packet_nsec : PACKET_NSEC);
}
