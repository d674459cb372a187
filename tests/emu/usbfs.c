/* SPDX-License-Identifier: MIT */
/*
 * Books of a device node. The kernel's driver for mass storage is pretended to be there: its
 * interface cannot be claimed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emu/usbfs.h"

#define REAPER_NSEC          (1 * NSEC_PER_MSEC)
#define DESCRIPTOR_INTERFACE 4
#define CLASS_STORAGE        8
#define REQUEST_TYPE         0x60
#define REQUEST_VENDOR       0x40
#define REQUEST_RECIPIENT    0x1f
#define RECIPIENT_INTERFACE  1

static void append(struct usbfs_request **list, struct usbfs_request *request)
{
	while (*list)
		list = &(*list)->next;
	request->next = NULL;
	*list = request;
}

static void take_out(struct usbfs_request **list, struct usbfs_request *request)
{
	while (*list && *list != request)
		list = &(*list)->next;
	if (*list)
		*list = request->next;
}

void usbfs_request_free(struct usbfs_request *request)
{
	take_out(&request->usbfs->waiting, request);
	take_out(&request->usbfs->done, request);
	request->usbfs->free_payload(request);
	free(request->stage);
	free(request);
}

static void on_urb_done(struct urb *urb)
{
	struct usbfs_request *request = (struct usbfs_request *)urb;
	struct usbfs *usbfs = request->usbfs;
	if (request->clears && !urb->status)
		controller_reset_toggle(&usbfs->port.controller, request->clears);
	if (request->is_synchronous && !request->orphaned)
		usbfs->on_ended(request);
	if (request->is_synchronous || request->orphaned)
		return usbfs_request_free(request);
	take_out(&usbfs->waiting, request);
	append(&usbfs->done, request);
}

struct usbfs_request *usbfs_request_new(struct usbfs *usbfs, void *client, size_t length)
{
	struct usbfs_request *request = calloc(1, sizeof(*request));
	if (!request)
		abort();
	/* The data of a control request, which needs room for a packet, lies behind its setup. */
	request->stage = calloc(1, length + PACKET_BYTES);
	if (!request->stage)
		abort();
	request->usbfs = usbfs;
	request->client = client;
	request->deadline = NEVER;
	request->urb.data = request->stage;
	request->urb.length = length;
	request->urb.on_done = on_urb_done;
	append(&usbfs->waiting, request);
	return request;
}

int usbfs_submit(struct usbfs_request *request)
{
	int error = controller_submit(&request->usbfs->port.controller, &request->urb);
	if (error < 0)
		usbfs_request_free(request);
	return error;
}

struct usbfs_request *usbfs_reap(struct usbfs *usbfs, const void *client)
{
	struct usbfs_request *request = usbfs->done;
	while (request && request->client != client)
		request = request->next;
	return request;
}

bool usbfs_await(struct usbfs *usbfs, void *client)
{
	if (usbfs->reaper)
		return false;
	usbfs->reaper = client;
	usbfs->reaper_due = usbfs->port.controller.clock + REAPER_NSEC;
	return true;
}

static void end_wait(struct usbfs *usbfs)
{
	void *client = usbfs->reaper;
	usbfs->reaper = NULL;
	usbfs->on_reap(usbfs, client);
}

/* Returns when it has to be looked after again. */
static uint64_t run_reaper(struct usbfs *usbfs, uint64_t now)
{
	if (!usbfs->reaper)
		return NEVER;
	if (usbfs->reaper_due > now && hub_port_has_device(&usbfs->port) &&
		!usbfs_reap(usbfs, usbfs->reaper))
		return usbfs->reaper_due;
	end_wait(usbfs);
	return NEVER;
}

int usbfs_discard(struct usbfs *usbfs, const void *client, uint64_t user_address)
{
	struct usbfs_request *request = usbfs->waiting;
	while (request && (request->client != client || request->user_address != user_address ||
				  request->is_synchronous))
		request = request->next;
	if (!request)
		return -EINVAL;
	controller_unlink(&usbfs->port.controller, &request->urb);
	return 0;
}

/* NULL: there is no such setting; any will do when `setting` is negative. */
static const uint8_t *find_setting(const struct usbfs *usbfs, unsigned interface, int setting)
{
	const uint8_t *bytes = usbfs->port.configuration;
	size_t length = usbfs->port.configuration_bytes;
	for (size_t at = 0; at + 9 <= length && bytes[at] >= 2; at += bytes[at])
		if (bytes[at + 1] == DESCRIPTOR_INTERFACE && bytes[at + 2] == interface &&
			(setting < 0 || bytes[at + 3] == setting))
			return bytes + at;
	return NULL;
}

bool usbfs_has_setting(const struct usbfs *usbfs, unsigned interface, unsigned setting)
{
	return setting <= UINT8_MAX && find_setting(usbfs, interface, (int)setting);
}

bool usbfs_is_storage(const struct usbfs *usbfs, unsigned interface)
{
	const uint8_t *found = find_setting(usbfs, interface, -1);
	return found && found[5] == CLASS_STORAGE;
}

int usbfs_claim(struct usbfs *usbfs, void *client, unsigned interface)
{
	if (interface >= USBFS_INTERFACES || !find_setting(usbfs, interface, -1))
		return -ENOENT;
	if ((usbfs->claims[interface] && usbfs->claims[interface] != client) ||
		usbfs_is_storage(usbfs, interface))
		return -EBUSY;
	usbfs->claims[interface] = client;
	return 0;
}

int usbfs_permit_control(struct usbfs *usbfs, void *client, const uint8_t setup[8])
{
	if ((setup[7] << 8 | setup[6]) > USBFS_CONTROL_BYTES)
		return -EINVAL;
	if ((setup[0] & REQUEST_TYPE) == REQUEST_VENDOR ||
		(setup[0] & REQUEST_RECIPIENT) != RECIPIENT_INTERFACE)
		return 0;
	return usbfs_claim(usbfs, client, setup[4]);
}

void usbfs_release(struct usbfs *usbfs, const void *client, unsigned interface)
{
	if (interface < USBFS_INTERFACES && usbfs->claims[interface] == client)
		usbfs->claims[interface] = NULL;
}

int usbfs_reset(struct usbfs *usbfs, void *client)
{
	if (usbfs->resetting)
		return -EBUSY;
	int error = hub_port_reset(&usbfs->port);
	if (error < 0)
		return error;
	usbfs->resetting = client;
	return 0;
}

void usbfs_device_left(struct usbfs *usbfs)
{
	memset(usbfs->claims, 0, sizeof(usbfs->claims));
}

void usbfs_client_left(struct usbfs *usbfs, const void *client)
{
	struct usbfs_request *next;
	if (usbfs->reaper == client)
		end_wait(usbfs);
	for (unsigned interface = 0; interface < USBFS_INTERFACES; interface++)
		usbfs_release(usbfs, client, interface);
	for (struct usbfs_request *request = usbfs->done; request; request = next) {
		next = request->next;
		if (request->client == client)
			usbfs_request_free(request);
	}
	for (struct usbfs_request *request = usbfs->waiting; request; request = next) {
		next = request->next;
		if (request->client != client)
			continue;
		request->orphaned = true;
		controller_unlink(&usbfs->port.controller, &request->urb);
	}
}

void usbfs_holders_died(struct usbfs *usbfs)
{
	for (unsigned interface = 0; interface < USBFS_INTERFACES; interface++)
		if (usbfs->claims[interface])
			usbfs_client_left(usbfs, usbfs->claims[interface]);
}

uint64_t usbfs_run(struct usbfs *usbfs, uint64_t now)
{
	struct usbfs_request *following;
	uint64_t next = hub_port_run(&usbfs->port, now);
	if (usbfs->resetting && usbfs->port.state != HUB_PORT_RESETTING) {
		void *client = usbfs->resetting;
		usbfs->resetting = NULL;
		usbfs->on_reset_ended(client, hub_port_has_device(&usbfs->port) ? 0 : -ENODEV);
	}
	for (struct usbfs_request *request = usbfs->waiting; request; request = following) {
		following = request->next;
		if (request->deadline <= now)
			controller_unlink(&usbfs->port.controller, &request->urb);
		else if (request->deadline < next)
			next = request->deadline;
	}
	uint64_t due = run_reaper(usbfs, now);
	return due < next ? due : next;
}
