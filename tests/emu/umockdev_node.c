/* SPDX-License-Identifier: MIT */
/* Programs' requests on a node; see umockdev_node.h. */
#include <errno.h>
#include <linux/usb/ch9.h>
#include <linux/usbdevice_fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "emu/umockdev_node.h"

#define SET_INTERFACE_NSEC (5 * NSEC_PER_SEC)

/* Where a request came from, and where its answer goes. */
struct payload {
	UMockdevIoctlData *data, *buffer;
	size_t head; /* bytes of the buffer before the data stage */
};

typedef struct {
	UMockdevIoctlBase base;
	struct station *station;
	struct usbfs *usbfs;
	uint64_t arrival;
	const void *idle; /* the client that was the last to hear that there is nothing */
} Node;

typedef struct {
	UMockdevIoctlBaseClass base;
} NodeClass;

GType node_get_type(void);
G_DEFINE_TYPE(Node, node, UMOCKDEV_TYPE_IOCTL_BASE)

static bool is_there(const Node *node)
{
	const struct hub_port *port = &node->usbfs->port;
	return hub_port_has_device(port) && port->arrival == node->arrival;
}

static void copy_in(UMockdevIoctlData *data, size_t offset, void *bytes, size_t length)
{
	guint8 *raw = NULL;
	gint size = 0;
	umockdev_ioctl_data_retrieve(data, &raw, &size);
	if (raw && (size_t)size >= offset + length)
		memcpy(bytes, raw + offset, length);
	g_free(raw);
}

static bool goes_in(const struct urb *urb)
{
	return (urb->endpoint ? urb->endpoint : urb->setup[0]) & ENDPOINT_TOWARDS_US;
}

static void free_payload(struct usbfs_request *request)
{
	struct payload *payload = request->payload;
	if (payload->data)
		umockdev_ioctl_data_unref(payload->data);
	if (payload->buffer)
		umockdev_ioctl_data_unref(payload->buffer);
	g_object_unref(request->client);
	free(payload);
}

static void on_ended(struct usbfs_request *request)
{
	struct urb *urb = &request->urb;
	struct payload *payload = request->payload;
	int error = urb->status == -ECONNRESET ? ETIMEDOUT : -urb->status;
	if (goes_in(urb) && !error && urb->transferred && payload->buffer)
		umockdev_ioctl_data_update(payload->buffer, 0, urb->data, (gint)urb->transferred);
	umockdev_ioctl_client_complete(
		request->client, error ? -1 : (glong)urb->transferred, error);
}

static struct usbfs_request *new_request(
	Node *node, UMockdevIoctlClient *client, UMockdevIoctlData *data, size_t length)
{
	struct payload *payload = calloc(1, sizeof(*payload));
	if (!payload)
		abort();
	payload->data = data;
	struct usbfs_request *request =
		usbfs_request_new(node->usbfs, g_object_ref(client), length);
	request->payload = payload;
	return request;
}

/* The program's buffer, to which the structure has a pointer at `offset`. */
static void attach_buffer(struct usbfs_request *request, size_t offset, size_t length)
{
	struct payload *payload = request->payload;
	if (!length)
		return;
	payload->buffer = umockdev_ioctl_data_resolve(payload->data, offset, length, NULL);
	if (payload->buffer)
		copy_in(payload->buffer, 0, request->stage, length);
}

/* The structure that the argument points to. NULL when there is none. */
static UMockdevIoctlData *fetch(UMockdevIoctlClient *client, void *bytes, size_t length)
{
	UMockdevIoctlData *data =
		umockdev_ioctl_data_resolve(umockdev_ioctl_client_get_arg(client), 0, length, NULL);
	if (data)
		copy_in(data, 0, bytes, length);
	return data;
}

static uint64_t raw_argument(UMockdevIoctlClient *client)
{
	uint64_t value = 0;
	copy_in(umockdev_ioctl_client_get_arg(client), 0, &value, sizeof(value));
	return value;
}

static void answer(UMockdevIoctlClient *client, int error)
{
	umockdev_ioctl_client_complete(client, error ? -1 : 0, error);
}

static void submit(struct usbfs_request *request)
{
	UMockdevIoctlClient *client = request->client;
	bool answers_later = request->is_synchronous;
	g_object_ref(client);
	int error = usbfs_submit(request);
	if (error < 0 || !answers_later)
		answer(client, -error);
	g_object_unref(client);
}

/* The buffer of a control URB begins with its setup. */
static int take_setup(Node *node, UMockdevIoctlClient *client, struct usbfs_request *request)
{
	struct payload *payload = request->payload;
	struct urb *urb = &request->urb;
	payload->head = sizeof(urb->setup);
	memcpy(urb->setup, request->stage, payload->head);
	size_t length = (size_t)(urb->setup[6] | urb->setup[7] << 8);
	if (urb->length < payload->head + length)
		return -EINVAL;
	urb->data += payload->head;
	urb->length = length;
	return usbfs_permit_control(node->usbfs, client, urb->setup);
}

static void on_submit(Node *node, UMockdevIoctlClient *client)
{
	struct usbdevfs_urb wanted = { 0 };
	uint64_t user_address = raw_argument(client);
	UMockdevIoctlData *data = fetch(client, &wanted, sizeof(wanted));
	bool control = wanted.type == USBDEVFS_URB_TYPE_CONTROL;
	if (!data || wanted.buffer_length < (control ? 8 : 0) ||
		wanted.type == USBDEVFS_URB_TYPE_ISO)
		return answer(client, EINVAL);
	size_t length = (size_t)wanted.buffer_length;
	struct usbfs_request *request = new_request(node, client, data, length);
	attach_buffer(request, offsetof(struct usbdevfs_urb, buffer), length);
	request->user_address = user_address;
	request->urb.endpoint = control ? 0 : wanted.endpoint;
	request->urb.zero_packet = wanted.flags & USBDEVFS_URB_ZERO_PACKET;
	int error = control ? take_setup(node, client, request) : 0;
	if (error < 0) {
		answer(client, -error);
		return usbfs_request_free(request);
	}
	submit(request);
}

static void give_request(UMockdevIoctlClient *client, struct usbfs_request *request)
{
	struct urb *urb = &request->urb;
	struct payload *payload = request->payload;
	gint32 status = urb->status == -ECONNRESET ? -ENOENT : urb->status;
	gint32 transferred = (gint32)urb->transferred;
	umockdev_ioctl_data_update(payload->data, offsetof(struct usbdevfs_urb, status),
		(guint8 *)&status, sizeof(status));
	umockdev_ioctl_data_update(payload->data, offsetof(struct usbdevfs_urb, actual_length),
		(guint8 *)&transferred, sizeof(transferred));
	if (goes_in(urb) && transferred && payload->buffer)
		umockdev_ioctl_data_update(payload->buffer, payload->head, urb->data, transferred);
	UMockdevIoctlData *pointer = umockdev_ioctl_data_resolve(
		umockdev_ioctl_client_get_arg(client), 0, sizeof(void *), NULL);
	if (pointer) {
		umockdev_ioctl_data_set_ptr(pointer, 0, payload->data);
		umockdev_ioctl_data_unref(pointer);
	}
	answer(client, pointer ? 0 : EFAULT);
	usbfs_request_free(request);
}

/* A program that has heard once that there is nothing will ask again at once: umockdev's node is
 * always ready, as no kernel's is. It is let wait, or it would take the processor that others need
 * for as long as a board is busy. */
static void on_reap(Node *node, UMockdevIoctlClient *client)
{
	struct usbfs_request *request = usbfs_reap(node->usbfs, client);
	const void *idle = g_steal_pointer(&node->idle);
	if (request)
		return give_request(client, request);
	if (!is_there(node))
		return answer(client, ENODEV);
	node->idle = client;
	if (idle != client || !usbfs_await(node->usbfs, client))
		return answer(client, EAGAIN);
	g_object_ref(client);
}

static void on_reap_again(struct usbfs *usbfs, void *context)
{
	UMockdevIoctlClient *client = context;
	struct usbfs_request *request = usbfs_reap(usbfs, client);
	if (request)
		give_request(client, request);
	else
		answer(client, hub_port_has_device(&usbfs->port) ? EAGAIN : ENODEV);
	g_object_unref(client);
}

static void on_control(Node *node, UMockdevIoctlClient *client)
{
	struct usbdevfs_ctrltransfer wanted = { 0 };
	UMockdevIoctlData *data = fetch(client, &wanted, sizeof(wanted));
	if (!data)
		return answer(client, EFAULT);
	uint8_t setup[8];
	memcpy(setup, &wanted, sizeof(setup));
	int error = usbfs_permit_control(node->usbfs, client, setup);
	if (error < 0) {
		umockdev_ioctl_data_unref(data);
		return answer(client, -error);
	}
	struct usbfs_request *request = new_request(node, client, data, wanted.wLength);
	attach_buffer(request, offsetof(struct usbdevfs_ctrltransfer, data), wanted.wLength);
	request->is_synchronous = true;
	memcpy(request->urb.setup, setup, sizeof(setup));
	if (wanted.timeout)
		request->deadline = station_now() + wanted.timeout * NSEC_PER_MSEC;
	submit(request);
}

static unsigned fetch_number(UMockdevIoctlClient *client)
{
	unsigned number = UINT32_MAX;
	UMockdevIoctlData *data = fetch(client, &number, sizeof(number));
	if (data)
		umockdev_ioctl_data_unref(data);
	return number;
}

static void on_clear_halt(Node *node, UMockdevIoctlClient *client)
{
	uint8_t endpoint = (uint8_t)fetch_number(client);
	struct usbfs_request *request = new_request(node, client, NULL, 0);
	request->is_synchronous = true;
	request->clears = endpoint;
	request->urb.setup[0] = USB_RECIP_ENDPOINT;
	request->urb.setup[1] = USB_REQ_CLEAR_FEATURE;
	request->urb.setup[4] = endpoint;
	request->deadline = station_now() + NSEC_PER_SEC;
	submit(request);
}

static void on_set_interface(Node *node, UMockdevIoctlClient *client)
{
	struct usbdevfs_setinterface wanted = { 0 };
	UMockdevIoctlData *data = fetch(client, &wanted, sizeof(wanted));
	if (data)
		umockdev_ioctl_data_unref(data);
	if (!data || !usbfs_has_setting(node->usbfs, wanted.interface, wanted.altsetting))
		return answer(client, data ? EINVAL : EFAULT);
	int error = usbfs_claim(node->usbfs, client, wanted.interface);
	if (error < 0)
		return answer(client, -error);
	struct usbfs_request *request = new_request(node, client, NULL, 0);
	request->is_synchronous = true;
	request->urb.setup[0] = USB_RECIP_INTERFACE;
	request->urb.setup[1] = USB_REQ_SET_INTERFACE;
	request->urb.setup[2] = (uint8_t)wanted.altsetting;
	request->urb.setup[4] = (uint8_t)wanted.interface;
	request->deadline = station_now() + SET_INTERFACE_NSEC;
	submit(request);
}

static void on_reset(Node *node, UMockdevIoctlClient *client)
{
	int error = usbfs_reset(node->usbfs, client);
	if (error < 0)
		return answer(client, -error);
	g_object_ref(client);
}

static void on_reset_ended(void *client, int error)
{
	answer(client, -error);
	g_object_unref(client);
}

static void on_claim(Node *node, UMockdevIoctlClient *client)
{
	answer(client, -usbfs_claim(node->usbfs, client, fetch_number(client)));
}

static void on_get_driver(Node *node, UMockdevIoctlClient *client)
{
	struct usbdevfs_getdriver driver = { 0 };
	UMockdevIoctlData *data = fetch(client, &driver, sizeof(driver));
	bool bound = data && usbfs_is_storage(node->usbfs, driver.interface);
	if (bound) {
		strcpy(driver.driver, "usb-storage");
		umockdev_ioctl_data_update(data, 0, (guint8 *)&driver, sizeof(driver));
	}
	answer(client, bound ? 0 : ENODATA);
	if (data)
		umockdev_ioctl_data_unref(data);
}

static void give(UMockdevIoctlClient *client, void *bytes, size_t length)
{
	UMockdevIoctlData *data =
		umockdev_ioctl_data_resolve(umockdev_ioctl_client_get_arg(client), 0, length, NULL);
	if (!data)
		return answer(client, EFAULT);
	umockdev_ioctl_data_update(data, 0, bytes, (gint)length);
	umockdev_ioctl_data_unref(data);
	answer(client, 0);
}

static void on_connect_info(Node *node, UMockdevIoctlClient *client)
{
	struct usbdevfs_connectinfo info = { .devnum = node->usbfs->port.device };
	give(client, &info, sizeof(info));
}

static void dispatch(Node *node, UMockdevIoctlClient *client)
{
	guint32 capabilities = USBDEVFS_CAP_ZERO_PACKET | USBDEVFS_CAP_NO_PACKET_SIZE_LIM |
			       USBDEVFS_CAP_REAP_AFTER_DISCONNECT;
	gulong request = umockdev_ioctl_client_get_request(client);
	if (request == USBDEVFS_REAPURBNDELAY || request == USBDEVFS_REAPURB)
		return on_reap(node, client);
	if (request == USBDEVFS_DISCARDURB)
		return answer(client, -usbfs_discard(node->usbfs, client, raw_argument(client)));
	if (!is_there(node))
		return answer(client, ENODEV);
	switch (request) {
	case USBDEVFS_SUBMITURB:
		return on_submit(node, client);
	case USBDEVFS_CONTROL:
		return on_control(node, client);
	case USBDEVFS_CLEAR_HALT:
		return on_clear_halt(node, client);
	case USBDEVFS_SETINTERFACE:
		return on_set_interface(node, client);
	case USBDEVFS_RESET:
		return on_reset(node, client);
	case USBDEVFS_CLAIMINTERFACE:
		return on_claim(node, client);
	case USBDEVFS_RELEASEINTERFACE:
		usbfs_release(node->usbfs, client, fetch_number(client));
		return answer(client, 0);
	case USBDEVFS_GETDRIVER:
		return on_get_driver(node, client);
	case USBDEVFS_GET_CAPABILITIES:
		return give(client, &capabilities, sizeof(capabilities));
	case USBDEVFS_CONNECTINFO:
		return on_connect_info(node, client);
	case USBDEVFS_GET_SPEED:
		return umockdev_ioctl_client_complete(client, USB_SPEED_FULL, 0);
	case USBDEVFS_IOCTL:
		return answer(client, ENODATA);
	}
	answer(client, ENOTTY);
}

static gboolean on_ioctl(UMockdevIoctlBase *base, UMockdevIoctlClient *client)
{
	Node *node = (Node *)base;
	struct station *station = node->station;
	station_lock(station);
	hub_port_run(&node->usbfs->port, station_now());
	dispatch(node, client);
	hub_port_run(&node->usbfs->port, station_now());
	station_unlock(station);
	station_kick(station);
	return TRUE;
}

static void on_vanished(UMockdevIoctlBase *base, UMockdevIoctlClient *client)
{
	Node *node = (Node *)base;
	station_lock(node->station);
	usbfs_client_left(node->usbfs, client);
	station_unlock(node->station);
}

static void node_class_init(NodeClass *class)
{
	class->base.handle_ioctl = on_ioctl;
	class->base.client_vanished = on_vanished;
}

static void node_init(Node *node)
{
	node->usbfs = NULL;
}

void umockdev_node_prepare(struct usbfs *usbfs)
{
	usbfs->on_ended = on_ended;
	usbfs->on_reset_ended = on_reset_ended;
	usbfs->on_reap = on_reap_again;
	usbfs->free_payload = free_payload;
}

UMockdevIoctlBase *umockdev_node_new(struct station *station, struct usbfs *usbfs, uint64_t arrival)
{
	Node *node = g_object_new(node_get_type(), NULL);
	node->station = station;
	node->usbfs = usbfs;
	node->arrival = arrival;
	return &node->base;
}
