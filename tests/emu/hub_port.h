/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A port of a hub with a kernel behind it: notices an arrival, lets it settle, enumerates it under
 * a new device number, and notices the departure a little late. For the transports that have no
 * real kernel.
 */
#include "emu/controller.h"

#define HUB_PORT_DEBOUNCE_NSEC  (100 * NSEC_PER_MSEC)
#define HUB_PORT_ENUMERATE_NSEC (40 * NSEC_PER_MSEC)
#define HUB_PORT_NOTICE_NSEC    (20 * NSEC_PER_MSEC) /* until a departure is noticed */
#define HUB_PORT_RESET_NSEC     (120 * NSEC_PER_MSEC)
#define HUB_PORT_RETRY_NSEC     (500 * NSEC_PER_MSEC)
#define HUB_PORT_TRIES          3
#define HUB_PORT_BYTES          512
#define HUB_DEVICE_NUMBERS      127

enum hub_port_state {
	HUB_PORT_EMPTY,
	HUB_PORT_SETTLING,
	HUB_PORT_PRESENT,
	HUB_PORT_RESETTING,
	HUB_PORT_LEAVING, /* the device is off the bus, nobody has noticed yet */
	HUB_PORT_FAILED, /* something is there that cannot be enumerated */
};

/* Device numbers and inodes are given out for a whole bus: numbers in turn, those that are free. */
struct hub {
	unsigned last_device;
	bool is_taken[HUB_DEVICE_NUMBERS + 1];
	uint64_t last_arrival;
};

/* A number for one more device; 0 when there are as many devices as numbers. */
unsigned hub_take_number(struct hub *hub);

struct hub_port {
	struct hub *hub;
	struct controller controller;
	enum hub_port_state state;
	uint64_t due; /* of the state's end, NEVER when only the device can end it */
	unsigned tries;
	unsigned device; /* number on the bus */
	uint64_t arrival;
	uint8_t descriptor[18];
	uint8_t configuration[HUB_PORT_BYTES];
	size_t configuration_bytes;
	char manufacturer[HUB_PORT_BYTES], product[HUB_PORT_BYTES], serial[HUB_PORT_BYTES];
	/* PRESENT begins and ends. */
	void (*on_change)(struct hub_port *port, bool present);
	void *context;
};

void hub_port_init(struct hub_port *port, struct hub *hub, struct device_core *core, uint64_t now);
/* Another device is on the cable now; the one before is forgotten at once. */
void hub_port_swap(struct hub_port *port, struct device_core *core);
uint64_t hub_port_run(struct hub_port *port, uint64_t now);

/* A host can open the device: it is there, or nobody has noticed that it is not. */
bool hub_port_has_device(const struct hub_port *port);

/* Begins a port reset, which ends HUB_PORT_RESET_NSEC later: PRESENT again, or gone. */
int hub_port_reset(struct hub_port *port);
