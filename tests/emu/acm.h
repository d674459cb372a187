/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a kernel's driver for CDC-ACM does on its controller: many URBs that read, many that write,
 * requests for rate and DTR. It never waits; whoever uses it lets time pass.
 */
#include "emu/hub_port.h"

#define ACM_READS       16
#define ACM_READ_BYTES  128
#define ACM_WRITES      16
#define ACM_WRITE_BYTES 1280

struct acm_urb {
	struct urb urb; /* first */
	bool used;
	uint8_t bytes[ACM_WRITE_BYTES];
};

struct acm {
	struct controller *controller;
	uint8_t in, out;
	bool open;
	struct acm_urb reads[ACM_READS], writes[ACM_WRITES];
	unsigned requests; /* under way */
	int dtr_status; /* of the last request about it that has ended */
	void (*on_bytes)(void *context, const uint8_t *bytes, size_t count);
	void *context;
};

/* False: a device of this configuration has no tty. */
bool acm_find(const uint8_t *configuration, size_t length, uint8_t *ret_in, uint8_t *ret_out);

/* on_bytes and context are set already. Opening raises DTR, as closing lowers it. */
void acm_open(struct acm *acm, struct controller *controller, uint8_t in, uint8_t out);
void acm_close(struct acm *acm);
/* Something that was begun has not ended. */
bool acm_is_busy(const struct acm *acm);

/* How many of the bytes were taken; -ENODEV. */
int acm_write(struct acm *acm, const uint8_t *bytes, size_t count);
/* -ENODEV. What becomes of a rate is nobody's business, as in Linux. */
int acm_set_rate(struct acm *acm, uint32_t baud);
int acm_set_dtr(struct acm *acm, bool dtr);
/* Requests that never end are given up. */
void acm_give_up_requests(struct acm *acm);
