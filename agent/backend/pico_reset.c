/* SPDX-License-Identifier: MIT */
/* Asking a program of the Pico SDK for BOOTSEL; see pico_reset.h. */
#include <errno.h>
#include <string.h>

#include "backend/pico_reset.h"
#include "backend/touch.h"
#include "backend/visit.h"
#include "port/serial.h"
#include "port/usb.h"

#define DESCRIPTOR_INTERFACE 4
#define INTERFACE_BYTES      9
#define CLASS_COMMUNICATION  0x02
#define SUBCLASS_ACM         0x02
#define TO_INTERFACE         0x21 /* class, host to device */
#define REQUEST_BOOTSEL      0x01 /* pico/stdio_usb/reset_interface.h, RESET_REQUEST_BOOTSEL */
#define REQUEST_MSEC         1000
#define STEP_MSEC            50
#define LEAVES_MSEC          3000
#define BAUD                 115200 /* means nothing over USB */
#define HOLDERS              "a terminal, the program that speaks with it"

typedef bool (*interface_test)(const uint8_t *its);

/* The first interface that it says yes to; NULL: none. */
static const uint8_t *find(const uint8_t *configuration, size_t length, interface_test is_meant)
{
	for (size_t at = 0; at + 2 <= length && configuration[at] >= 2; at += configuration[at]) {
		const uint8_t *its = configuration + at;
		if (its[0] > length - at)
			break;
		if (its[1] == DESCRIPTOR_INTERFACE && its[0] >= INTERFACE_BYTES && is_meant(its))
			return its;
	}
	return NULL;
}

static bool is_reset(const uint8_t *its)
{
	return its[5] == 0xff && its[6] == 0x00 && its[7] == 0x01;
}

static bool is_serial(const uint8_t *its)
{
	return its[5] == CLASS_COMMUNICATION && its[6] == SUBCLASS_ACM;
}

int pico_reset_find(const uint8_t *configuration, size_t length, uint8_t *ret_interface)
{
	const uint8_t *its = find(configuration, length, is_reset);
	if (!its)
		return -ENOENT;
	*ret_interface = its[2];
	return 0;
}

enum bootsel pico_reset_way(const uint8_t *configuration, size_t length)
{
	if (find(configuration, length, is_reset))
		return BOOTSEL_BY_INTERFACE;
	return find(configuration, length, is_serial) ? BOOTSEL_BY_SERIAL : BOOTSEL_NO_WAY;
}

static int fail(struct visit *visit, int error)
{
	if (visit_fail_open(visit, error, HOLDERS) < 0 ||
		visit_fail_wire(visit, error, "asking it for its boot loader") < 0)
		return error;
	return visit_fail(visit, error, REASON_BOARD_ERROR,
		"the board could not be asked for its boot loader (%s); hold BOOTSEL while plugging it "
		"in",
		strerror(-error));
}

static int fail_stays(struct visit *visit)
{
	return visit_fail(visit, -EIO, REASON_BOARD_SILENT,
		"the board did not enter its boot loader; hold BOOTSEL while plugging it in");
}

/* It resets within the request, so how that ends means nothing. 0, TOUCH_STAYS or an error. */
static int ask_interface(struct usb_device *device, uint8_t interface)
{
	TRY(usb_claim(device, interface));
	(void)!usb_control(
		device, TO_INTERFACE, REQUEST_BOOTSEL, 0, interface, NULL, 0, REQUEST_MSEC);
	for (unsigned waited = 0; waited < LEAVES_MSEC; waited += STEP_MSEC) {
		int r = usb_pause(device, STEP_MSEC);
		if (r == 0)
			r = usb_is_same_arrival(device) == 0 ? -ENODEV : 0;
		if (r < 0)
			return r == -ENODEV ? 0 : r;
	}
	return TOUCH_STAYS;
}

static int ask_serial(const struct usb_address *address)
{
	const struct serial_address tty = {
		.usb_syspath = address->syspath,
		.usb_arrival = address->arrival,
	};
	_cleanup_(serial_closep) struct serial *serial = NULL;
	TRY(serial_open(&tty, BAUD, &serial));
	return touch(serial, BAUD);
}

/* Another package's rules gave the node to another group; the port has one of its own. */
static int ask_unseen(const struct usb_address *address)
{
	int r = ask_serial(address);
	return r == -ENODEV && access(address->syspath, F_OK) == 0 ? -EACCES : r;
}

static int ask(const struct usb_address *address)
{
	_cleanup_(usb_closep) struct usb_device *device = NULL;
	const uint8_t *configuration;
	size_t length;
	uint8_t interface;
	int r = usb_open(address, &device);
	if (r == -EACCES)
		return ask_unseen(address);
	if (r < 0)
		return r;
	TRY(usb_configuration(device, &configuration, &length));
	if (pico_reset_find(configuration, length, &interface) == 0)
		return ask_interface(device, interface);
	return ask_serial(address);
}

int pico_reset_enter(const struct usb_address *address, struct backend_failure *ret_failure)
{
	struct visit visit = { .consequence = visit_changes_nothing };
	visit_enter(&visit, ret_failure);
	int r = ask(address);
	if (r < 0)
		return fail(&visit, r);
	return r == TOUCH_STAYS ? fail_stays(&visit) : 0;
}
