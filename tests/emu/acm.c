/* SPDX-License-Identifier: MIT */
/* The driver of a tty on USB; see acm.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emu/acm.h"

#define CLASS_COMM             2
#define CLASS_DATA             10
#define DESCRIPTOR_INTERFACE   4
#define DESCRIPTOR_ENDPOINT    5
#define BULK                   2
#define ENDPOINTS              2
#define SET_LINE_CODING        0x20
#define SET_CONTROL_LINE_STATE 0x22
#define DTR_AND_RTS            3

struct acm_request {
	struct urb urb; /* first */
	uint8_t stage[PACKET_BYTES];
};

bool acm_find(const uint8_t *configuration, size_t length, uint8_t *ret_in, uint8_t *ret_out)
{
	bool comm = false, data = false;
	unsigned found = 0;
	for (size_t at = 0; at + 7 <= length && configuration[at] >= 2; at += configuration[at]) {
		const uint8_t *its = configuration + at;
		if (its[1] == DESCRIPTOR_INTERFACE && its[0] >= 9) {
			comm = comm || its[5] == CLASS_COMM;
			data = its[5] == CLASS_DATA;
		} else if (its[1] == DESCRIPTOR_ENDPOINT && data && its[3] == BULK) {
			*(its[2] & ENDPOINT_TOWARDS_US ? ret_in : ret_out) = its[2];
			found++;
		}
	}
	return comm && found == ENDPOINTS;
}

/* --- reading ----------------------------------------------------------------------------- */

/* It is submitted again at once, as long as the device is there. */
static void on_read(struct urb *urb)
{
	struct acm *acm = urb->context;
	struct acm_urb *read = (struct acm_urb *)urb;
	read->used = false;
	if (urb->status || !acm->open)
		return;
	acm->on_bytes(acm->context, urb->data, urb->transferred);
	read->used = controller_submit(acm->controller, urb) >= 0;
}

static void start_reading(struct acm *acm)
{
	for (size_t index = 0; index < ACM_READS; index++) {
		struct acm_urb *read = &acm->reads[index];
		read->urb = (struct urb){ .endpoint = acm->in,
			.data = read->bytes,
			.length = ACM_READ_BYTES,
			.on_done = on_read,
			.context = acm };
		read->used = controller_submit(acm->controller, &read->urb) >= 0;
	}
}

/* --- writing ----------------------------------------------------------------------------- */

static void on_written(struct urb *urb)
{
	((struct acm_urb *)urb)->used = false;
}

static struct acm_urb *unused_write(struct acm *acm)
{
	for (size_t index = 0; index < ACM_WRITES; index++)
		if (!acm->writes[index].used)
			return &acm->writes[index];
	return NULL;
}

int acm_write(struct acm *acm, const uint8_t *bytes, size_t count)
{
	size_t taken = 0;
	struct acm_urb *write;
	while (taken < count && (write = unused_write(acm))) {
		size_t part = count - taken < ACM_WRITE_BYTES ? count - taken : ACM_WRITE_BYTES;
		memcpy(write->bytes, bytes + taken, part);
		write->urb = (struct urb){ .endpoint = acm->out,
			.data = write->bytes,
			.length = part,
			.on_done = on_written,
			.context = acm };
		int error = controller_submit(acm->controller, &write->urb);
		if (error < 0)
			return error;
		write->used = true;
		taken += part;
	}
	return (int)taken;
}

/* --- requests ---------------------------------------------------------------------------- */

static void on_requested(struct urb *urb)
{
	struct acm *acm = urb->context;
	acm->requests--;
	if (urb->setup[1] == SET_CONTROL_LINE_STATE)
		acm->dtr_status = urb->status;
	free(urb);
}

static int request(
	struct acm *acm, uint8_t code, uint16_t value, const uint8_t *data, size_t length)
{
	struct acm_request *request = calloc(1, sizeof(*request));
	if (!request)
		abort();
	request->urb = (struct urb){
		.setup = { 0x21, code, (uint8_t)value, (uint8_t)(value >> 8), 0, 0,
			(uint8_t)length },
		.data = request->stage,
		.length = length,
		.on_done = on_requested,
		.context = acm,
	};
	if (length)
		memcpy(request->stage, data, length);
	acm->requests++;
	int error = controller_submit(acm->controller, &request->urb);
	if (error < 0)
		on_requested(&request->urb);
	return error;
}

int acm_set_rate(struct acm *acm, uint32_t baud)
{
	const uint8_t coding[7] = { (uint8_t)baud, (uint8_t)(baud >> 8), (uint8_t)(baud >> 16),
		(uint8_t)(baud >> 24), 0, 0, 8 };
	return request(acm, SET_LINE_CODING, 0, coding, sizeof(coding));
}

int acm_set_dtr(struct acm *acm, bool dtr)
{
	return request(acm, SET_CONTROL_LINE_STATE, dtr ? DTR_AND_RTS : 0, NULL, 0);
}

void acm_give_up_requests(struct acm *acm)
{
	struct urb *urb = acm->controller->queues[0].head;
	while (urb) {
		struct urb *next = urb->next;
		if (urb->on_done == on_requested && urb->context == acm)
			controller_unlink(acm->controller, urb);
		urb = next;
	}
}

/* --- open and closed --------------------------------------------------------------------- */

void acm_open(struct acm *acm, struct controller *controller, uint8_t in, uint8_t out)
{
	acm->controller = controller;
	acm->in = in;
	acm->out = out;
	acm->open = true;
	start_reading(acm);
	(void)!acm_set_dtr(acm, true);
}

static void unlink_used(struct acm *acm, struct acm_urb *urbs, size_t count)
{
	for (size_t index = 0; index < count; index++)
		if (urbs[index].used)
			controller_unlink(acm->controller, &urbs[index].urb);
}

void acm_close(struct acm *acm)
{
	if (!acm->open)
		return;
	acm->open = false;
	(void)!acm_set_dtr(acm, false);
	unlink_used(acm, acm->reads, ACM_READS);
	unlink_used(acm, acm->writes, ACM_WRITES);
}

bool acm_is_busy(const struct acm *acm)
{
	bool busy = acm->requests > 0;
	for (size_t index = 0; index < ACM_READS && !acm->open; index++)
		busy = busy || acm->reads[index].used || acm->writes[index].used;
	return busy;
}
