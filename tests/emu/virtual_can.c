/* SPDX-License-Identifier: MIT */
/*
 * agent/port/can.h over a bench in virtual time: what raw sockets do, with the few frames that they
 * let be under way, and what others on this computer hear of each other.
 */
#include <errno.h>
#include <linux/can/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/bench_parts.h"
#include "port/can.h"

#define INTERFACE    "can0"
#define UNDER_WAY    6u /* frames that fit into the smallest send buffer */
#define KEPT_FRAMES  256u
#define NUMBERS_MOST 8u

struct can {
	struct bench *bench;
	struct can *next;
	uint32_t numbers[NUMBERS_MOST];
	size_t number_count;
	bool hears_all, hears_errors;
	unsigned under_way;
	struct can_frame_seen kept[KEPT_FRAMES];
	size_t kept_count;
	bool shares[CAN_SHARES];
};

static struct bench_can *bench_can_of(const struct can *can)
{
	return &can->bench->can;
}

/* --- what comes ---------------------------------------------------------------------------- */

static bool hears(const struct can *can, uint32_t number)
{
	for (size_t i = 0; i < can->number_count; i++)
		if (can->numbers[i] == number)
			return true;
	return can->hears_all;
}

static void keep(struct can *can, const struct can_frame_seen *frame)
{
	if (can->kept_count < KEPT_FRAMES)
		can->kept[can->kept_count++] = *frame;
}

static void on_frame(void *context, const struct can_bits *bits, void *sender)
{
	const struct bench_can *bench_can = context;
	struct can_frame_seen frame = {
		.number = bits->number, .length = bits->length, .is_ours = sender != NULL
	};
	memcpy(frame.data, bits->data, bits->length);
	for (struct can *can = bench_can->open; can; can = can->next)
		if (can != sender && hears(can, bits->number))
			keep(can, &frame);
}

static void on_error(void *context, enum can_bus_error error)
{
	const struct bench_can *bench_can = context;
	struct can_frame_seen frame = { .is_error = true, .length = CAN_PAYLOAD };
	switch (error) {
	case CAN_BUS_ERROR_ACKNOWLEDGE:
		frame.number = CAN_ERR_ACK;
		break;
	case CAN_BUS_ERROR_STUFF:
		frame.number = CAN_ERR_PROT | CAN_ERR_BUSERROR;
		frame.data[2] = CAN_ERR_PROT_STUFF;
		break;
	case CAN_BUS_ERROR_BIT:
		frame.number = CAN_ERR_PROT | CAN_ERR_BUSERROR;
		frame.data[2] = CAN_ERR_PROT_BIT;
		break;
	case CAN_BUS_ERROR_PASSIVE:
		frame.number = CAN_ERR_CRTL;
		frame.data[1] = CAN_ERR_CRTL_TX_PASSIVE;
		break;
	case CAN_BUS_ERROR_OFF:
		frame.number = CAN_ERR_BUSOFF;
		break;
	}
	for (struct can *can = bench_can->open; can; can = can->next)
		if (can->hears_errors)
			keep(can, &frame);
}

static void on_sent(void *context, void *sender)
{
	(void)context;
	struct can *can = sender;
	if (can)
		can->under_way--;
}

void bench_can_init(struct bench_can *can, const struct can_bus_options *options)
{
	const struct can_bus_listener listener = {
		.on_frame = on_frame, .on_error = on_error, .on_sent = on_sent, .context = can
	};
	can->exists = can->is_up = true;
	can_bus_init(&can->bus, options, &listener);
}

/* --- sockets ------------------------------------------------------------------------------- */

int can_open(const char *interface, struct can **ret)
{
	struct bench *bench = bench_current();
	if (!bench || !bench->can.exists || strcmp(interface, INTERFACE) != 0)
		return -ENODEV;
	struct can *can = calloc(1, sizeof(*can));
	if (!can)
		return -ENOMEM;
	can->bench = bench;
	can->next = bench->can.open;
	bench->can.open = can;
	*ret = can;
	return 0;
}

struct can *can_close(struct can *can)
{
	if (!can)
		return NULL;
	struct bench_can *bench_can = bench_can_of(can);
	struct can **place = &bench_can->open;
	while (*place != can)
		place = &(*place)->next;
	*place = can->next;
	for (unsigned i = 0; i < CAN_SHARES; i++)
		bench_can->shares[i] &= !can->shares[i];
	can_bus_forget(&bench_can->bus, can);
	free(can);
	return NULL;
}

int can_listen(struct can *can, const uint32_t *numbers, size_t count, bool errors)
{
	if (count > NUMBERS_MOST)
		return -EINVAL;
	if (count)
		memcpy(can->numbers, numbers, count * sizeof(*numbers));
	can->number_count = count;
	can->hears_all = !count;
	can->hears_errors = errors;
	return 0;
}

static int trouble(const struct can *can)
{
	const struct bench_can *bench_can = bench_can_of(can);
	if (!bench_can->exists)
		return -ENODEV;
	return bench_can->is_up && bench_can->bus.state != CAN_BUS_IS_OFF ? 0 : -ENETDOWN;
}

int can_send(
	struct can *can, uint32_t number, const void *data, size_t length, unsigned timeout_msec)
{
	struct bench *bench = can->bench;
	uint64_t deadline = bench->now + timeout_msec * NSEC_PER_MSEC;
	struct can_bits frame = { .number = number, .length = (uint8_t)length };
	if (length > CAN_PAYLOAD)
		return -EINVAL;
	memcpy(frame.data, data, length);
	bench_run(bench);
	while (can->under_way == UNDER_WAY && trouble(can) == 0)
		if (!bench_step(bench, deadline))
			return -ENOBUFS;
	int r = trouble(can);
	if (r < 0)
		return r;
	if (!can_bus_send(&bench->can.bus, bench->now, &frame, can))
		return -ENOBUFS;
	can->under_way++;
	bench_run(bench);
	return 0;
}

int can_receive(struct can *can, struct can_frame_seen *ret, unsigned timeout_msec)
{
	uint64_t deadline = can->bench->now + timeout_msec * NSEC_PER_MSEC;
	bench_run(can->bench);
	while (!can->kept_count && trouble(can) == 0 && bench_step(can->bench, deadline))
		continue;
	if (!can->kept_count)
		return trouble(can) < 0 ? trouble(can) : -ETIMEDOUT;
	*ret = can->kept[0];
	can->kept_count--;
	memmove(can->kept, can->kept + 1, can->kept_count * sizeof(*ret));
	return 0;
}

int64_t can_now_msec(const struct can *can)
{
	return (int64_t)(can->bench->now / NSEC_PER_MSEC);
}

/* --- locks, and who else ------------------------------------------------------------------- */

static int take(struct can *can, unsigned share)
{
	bool *place = &bench_can_of(can)->shares[share];
	if (*place)
		return -EBUSY;
	*place = can->shares[share] = true;
	return 0;
}

int can_lock_share(struct can *can, unsigned *ret_share)
{
	for (unsigned share = 0; share < CAN_SHARES; share++)
		if (take(can, share) == 0) {
			*ret_share = share;
			return 0;
		}
	return -EBUSY;
}

int can_lock_all(struct can *can)
{
	for (unsigned share = 0; share < CAN_SHARES; share++)
		if (bench_can_of(can)->shares[share])
			return -EBUSY;
	for (unsigned share = 0; share < CAN_SHARES; share++)
		(void)take(can, share);
	return 0;
}

int can_listeners(const struct can *can, uint32_t first, uint32_t last, unsigned *ret_count)
{
	(void)first, (void)last;
	*ret_count = bench_can_of(can)->listeners;
	return 0;
}

int can_interface_read(const char *name, struct can_interface *ret)
{
	static const enum can_controller controllers[] = {
		[CAN_BUS_IS_ACTIVE] = CAN_ERROR_ACTIVE,
		[CAN_BUS_IS_WARNING] = CAN_ERROR_WARNING,
		[CAN_BUS_IS_PASSIVE] = CAN_ERROR_PASSIVE,
		[CAN_BUS_IS_OFF] = CAN_BUS_OFF,
	};
	const struct bench *bench = bench_current();
	if (!bench || !bench->can.exists || strcmp(name, INTERFACE) != 0)
		return -ENODEV;
	const struct can_bus *bus = &bench->can.bus;
	bool is_bridge = bus->options.is_bridge;
	*ret = (struct can_interface){
		.name = INTERFACE,
		.driver = "gs_usb",
		.is_up = bench->can.is_up,
		.controller = controllers[is_bridge ? CAN_BUS_IS_ACTIVE : bus->state],
		.bitrate = bus->options.host_bitrate,
		.sample_point_permille = 875,
		.restart_msec = bus->options.restart_msec,
		.queue_length = 10,
		.has_error_counters = !is_bridge,
		.send_errors = (uint16_t)bus->send_errors,
		.frames_sent = bus->host_frames,
		.frames_received = bus->node_frames,
	};
	snprintf(ret->usb_manufacturer, sizeof(ret->usb_manufacturer), "%s",
		is_bridge ? "Klipper" : "bytewerk");
	return 0;
}
