/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * DFU 1.1 (USB-IF) and DfuSe 1.1a (ST UM0424, AN3156) as a conversation: requests, the state
 * machine, and the patience that real ROMs need. Knows no chip and no image.
 *
 * Every function that can fail returns a negative errno of port/usb.h, or
 *   -EREMOTEIO  the device says that it failed: `wire->status` is what it said
 *   -EPROTO     it answers what no device in this state does
 */
#include <stdbool.h>
#include <stdint.h>

#include "backend/dfu_descriptor.h"
#include "port/usb.h"

enum dfu_state {
	DFU_APP_IDLE,
	DFU_APP_DETACH,
	DFU_IDLE,
	DFU_DOWNLOAD_SYNC,
	DFU_DOWNLOAD_BUSY,
	DFU_DOWNLOAD_IDLE,
	DFU_MANIFEST_SYNC,
	DFU_MANIFEST,
	DFU_MANIFEST_WAIT_RESET,
	DFU_UPLOAD_IDLE,
	DFU_ERROR,
	_DFU_STATE_MAX,
};

enum dfu_status {
	DFU_STATUS_OK,
	DFU_STATUS_TARGET, /* an address that the device does not have */
	DFU_STATUS_FILE,
	DFU_STATUS_WRITE,
	DFU_STATUS_ERASE,
	DFU_STATUS_CHECK_ERASED,
	DFU_STATUS_PROGRAM,
	DFU_STATUS_VERIFY,
	DFU_STATUS_ADDRESS,
	DFU_STATUS_NOT_DONE,
	DFU_STATUS_FIRMWARE, /* how an F4's ROM greets */
	DFU_STATUS_VENDOR, /* read protection is active (AN3156) */
	DFU_STATUS_USB_RESET,
	DFU_STATUS_POWER_ON_RESET,
	DFU_STATUS_UNKNOWN,
	DFU_STATUS_STALLED,
	_DFU_STATUS_MAX,
};

const char *dfu_status_name(enum dfu_status status); /* "errTARGET" */

struct dfu_wire {
	struct usb_device *device;
	struct dfu_function function;
	bool obeys_poll_times; /* the device does not bear to be asked early */
	enum dfu_status status; /* what the device said about the last failure */
	enum dfu_state state; /* as far as we know */
	/* Called while we wait for long. */
	void (*on_alive)(void *context);
	void *context;
};

/* How long one operation may take at the very most. */
enum dfu_limit {
	DFU_LIMIT_QUICK_MSEC = 1000,
	DFU_LIMIT_WRITE_MSEC = 3000,
	DFU_LIMIT_ERASE_MSEC = 12000, /* F7: 256 KiB in 4 s; twice, and some more */
};

/* Brings the device to dfuIDLE from wherever it is, with CLRSTATUS and ABORT where they are legal.
 * -EPROTO: it is leaving, or goes round in circles. */
int dfu_synchronise(struct dfu_wire *wire) _must_check_;

/* One block towards the device, and its execution. `length` up to the transfer size. */
int dfu_download(struct dfu_wire *wire, uint16_t block, const void *data, uint16_t length,
	enum dfu_limit limit) _must_check_;

/* One block from the device; all of it must come. From dfuIDLE or dfuUPLOAD-IDLE only. */
int dfu_upload(struct dfu_wire *wire, uint16_t block, void *data, uint16_t length) _must_check_;

/* Back to dfuIDLE from one of the idle states. */
int dfu_abort(struct dfu_wire *wire) _must_check_;

/* The address that block 2 means from now on (UM0424). The state is dfuDNLOAD-IDLE afterwards. */
int dfuse_set_address(struct dfu_wire *wire, uint32_t address) _must_check_;

/* Erases the unit that holds the address. It moves the address pointer of some ROMs. */
int dfuse_erase(struct dfu_wire *wire, uint32_t address) _must_check_;

/* Tells the device to start what lies at `address`; what it answers means nothing (AN3156: it may
 * be gone before), only whether it leaves. Negative when it did not take the address. */
int dfuse_leave(struct dfu_wire *wire, uint32_t address) _must_check_;
