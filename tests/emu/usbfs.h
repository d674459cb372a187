/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a kernel keeps for a device node that programs have open: who has claimed what, and the
 * requests that nobody has fetched yet. How words and bytes get to the program and back is the
 * transport's business; a client is any pointer that stands for one open file.
 */
#include "emu/hub_port.h"

#define USBFS_INTERFACES    8
#define USBFS_CONTROL_BYTES 4096 /* a page: the longest data stage that a kernel takes */

struct usbfs;

struct usbfs_request {
	struct urb urb; /* first */
	struct usbfs *usbfs;
	struct usbfs_request *next;
	void *client;
	uint8_t *stage; /* the data */
	uint64_t user_address;
	uint64_t deadline; /* unlinked then */
	uint8_t clears; /* CLEAR_HALT of this endpoint */
	bool is_synchronous; /* the client waits inside its call */
	bool orphaned; /* the client has closed the file */
	void *payload; /* the transport's */
};

struct usbfs {
	struct hub_port port;
	struct usbfs_request *waiting, *done; /* each in its order */
	void *claims[USBFS_INTERFACES];
	void *resetting; /* the client that waits for a port reset */
	void *reaper; /* the client that waits for a request to end, until `reaper_due` at most */
	uint64_t reaper_due;
	void (*on_reap)(struct usbfs *usbfs, void *client);
	/* A synchronous request has ended: answer it. It is freed afterwards. */
	void (*on_ended)(struct usbfs_request *request);
	void (*on_reset_ended)(void *client, int error);
	void (*free_payload)(struct usbfs_request *request);
};

/* With room for `length` bytes of data; aborts when memory is short. */
struct usbfs_request *usbfs_request_new(struct usbfs *usbfs, void *client, size_t length);
void usbfs_request_free(struct usbfs_request *request);

/* Negative errno: refused, and freed. */
int usbfs_submit(struct usbfs_request *request);
/* The client's first request that has ended, taken out of the books; NULL when there is none. */
struct usbfs_request *usbfs_reap(struct usbfs *usbfs, const void *client);
/* on_reap() follows: when there is something to reap, or soon. False: somebody else waits. */
bool usbfs_await(struct usbfs *usbfs, void *client);
int usbfs_discard(struct usbfs *usbfs, const void *client, uint64_t user_address);

int usbfs_claim(struct usbfs *usbfs, void *client, unsigned interface);
void usbfs_release(struct usbfs *usbfs, const void *client, unsigned interface);
/* Whether a client may send this control request. Whatever is asked of an interface claims it, as a
 * kernel does it. */
int usbfs_permit_control(struct usbfs *usbfs, void *client, const uint8_t setup[8]);
/* Whether the interface has this alternate setting. */
bool usbfs_has_setting(const struct usbfs *usbfs, unsigned interface, unsigned setting);
bool usbfs_is_storage(const struct usbfs *usbfs, unsigned interface);
/* on_reset_ended() follows. */
int usbfs_reset(struct usbfs *usbfs, void *client);
/* The device has left the bus: nobody holds anything of it any more. */
void usbfs_device_left(struct usbfs *usbfs);
void usbfs_client_left(struct usbfs *usbfs, const void *client);
/* Whoever holds an interface is dead, and the transport cannot see it. */
void usbfs_holders_died(struct usbfs *usbfs);

/* Runs the port, deadlines and resets too. */
uint64_t usbfs_run(struct usbfs *usbfs, uint64_t now);
