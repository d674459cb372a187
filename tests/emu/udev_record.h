/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What kernel and udev say about an emulated device, for a testbed.
 */
#include "emu/hub_port.h"

#define UDEV_RECORD_BUS     1
#define UDEV_RECORD_SYSPATH "/sys/devices/pci0000:00/0000:00:14.0/usb1/1-"
#define UDEV_RECORD_ID_PATH "pci-0000:00:14.0-usb-0:"

/* The caller frees it. `place` is the chain of ports, as in "1.3". */
char *udev_record(struct hub_port *port, const char *syspath, const char *place);

/* The same of a hub, behind which other places are. */
char *udev_record_hub(unsigned device, const char *syspath, const char *place);
