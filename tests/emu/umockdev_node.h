/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A usbdevfs node in a testbed of umockdev: takes the requests of unmodified programs to the usbfs
 * of a port, and the answers back. Requests arrive in a thread of umockdev's; the station's lock is
 * taken here.
 */
#include <umockdev.h>

#include "emu/station.h"
#include "emu/usbfs.h"

/* Tells a usbfs where its answers go, once. */
void umockdev_node_prepare(struct usbfs *usbfs);

/* The node of one arrival; it answers that the board is gone to whoever still holds it later. */
UMockdevIoctlBase *umockdev_node_new(
	struct station *station, struct usbfs *usbfs, uint64_t arrival);
