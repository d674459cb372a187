/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The DFU function in the descriptors of a device (USB DFU 1.1, section 4): its interface, the
 * alternate settings, which stand for memories, and the functional descriptor. Hostile bytes.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DFU_ALTERNATES_MAX 16
/* What usbfs takes in one control transfer, and more than any loader that we know asks for. */
#define DFU_TRANSFER_MAX 4096
/* A command of DfuSe and the first words of a vector table fit into one. */
#define DFU_TRANSFER_LEAST 64

enum dfu_attribute {
	DFU_CAN_DOWNLOAD = 1,
	DFU_CAN_UPLOAD = 2,
	DFU_MANIFESTATION_TOLERANT = 4,
	DFU_WILL_DETACH = 8,
};

struct dfu_function {
	uint8_t interface;
	uint8_t names[DFU_ALTERNATES_MAX]; /* iInterface of alternate 0, 1, …; 0: it has none */
	size_t alternate_count;
	uint8_t attributes; /* enum dfu_attribute */
	uint16_t transfer_bytes; /* wTransferSize, a power of two from 64 to DFU_TRANSFER_MAX */
	uint16_t version; /* bcdDFUVersion: 0x011a is DfuSe; 0x0100 when it does not say */
};

/*
 * Finds the first DFU function of a configuration (with all that follows it). 0; -ENOENT: there is
 * none, or it is none that could be spoken to (no functional descriptor, alternates out of order);
 * -EPROTO: its transfer size is none that flash could be divided into.
 */
int dfu_find(const uint8_t *configuration, size_t length, struct dfu_function *ret);
