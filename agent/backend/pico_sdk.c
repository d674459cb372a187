/* SPDX-License-Identifier: MIT */
/* The pico-sdk backend; see pico_sdk.h. */
#include <errno.h>
#include <string.h>

#include "backend/pico_reset.h"
#include "backend/pico_sdk.h"
#include "backend/visit.h"
#include "port/usb.h"

#define HOLDERS "a terminal, the program that speaks with it"

struct backend_session {
	struct visit visit;
	struct usb_address address;
	char *syspath; /* what `address` borrows */
	struct usb_device *device; /* NULL: its node belongs to others */
};

static int fail(struct visit *visit, int error, const char *doing)
{
	if (visit_fail_open(visit, error, HOLDERS) < 0 || visit_fail_wire(visit, error, doing) < 0)
		return error;
	return visit_fail(visit, error, REASON_BOARD_ERROR,
		"the board failed while %s (%s); nothing on it was changed. Unplug it and plug it "
		"in again",
		doing, strerror(-error));
}

static struct backend_session *pico_sdk_close(struct backend_session *session)
{
	if (!session)
		return NULL;
	usb_close(session->device);
	free(session->syspath);
	free(session);
	return NULL;
}
DEFINE_CLEANUP(struct backend_session *, pico_sdk_close)

/* Its drivers stay, and so does whoever speaks with it. */
static int pico_sdk_open(const struct board_address *address, const struct backend_watch *watch,
	struct backend_session **ret, struct backend_failure *ret_failure)
{
	*ret_failure = (struct backend_failure){ 0 };
	if (!address->usb.syspath)
		return -EINVAL;
	_cleanup_(pico_sdk_closep) struct backend_session *session = calloc(1, sizeof *session);
	if (!session)
		return -ENOMEM;
	session->visit = (struct visit){
		.watch = watch, .consequence = visit_changes_nothing, .session = session
	};
	visit_enter(&session->visit, ret_failure);
	session->syspath = strdup(address->usb.syspath);
	if (!session->syspath)
		return -ENOMEM;
	session->address = address->usb;
	session->address.syspath = session->syspath;
	int r = usb_open(&session->address, &session->device);
	if (r < 0 && r != -EACCES)
		return fail(&session->visit, r, "opening it");
	*ret = TAKE_PTR(session);
	return 0;
}

/* Where nobody may look, its serial port is what is left to try, and it shows itself then. */
static int look(struct backend_session *session, enum bootsel *ret)
{
	const uint8_t *configuration;
	size_t length;
	*ret = BOOTSEL_BY_SERIAL;
	if (!session->device)
		return 0;
	TRY(usb_configuration(session->device, &configuration, &length));
	*ret = pico_reset_way(configuration, length);
	return 0;
}

static int pico_sdk_probe(struct backend_session *session, struct board_facts *ret,
	struct backend_failure *ret_failure)
{
	struct visit *visit = &session->visit;
	visit_enter(visit, ret_failure);
	struct board_facts facts = {
		.content = CONTENT_BOOTABLE, /* it runs */
		.reach = TRANSPORT_USB,
	};
	int r = visit_safe_point(visit, PHASE_PROBE, 0, 0);
	if (r == 0)
		r = look(session, &facts.bootsel);
	if (r < 0)
		return fail(visit, r, "showing its interfaces");
	*ret = facts;
	return 0;
}

static int pico_sdk_enter(struct backend_session *session, struct backend_failure *ret_failure)
{
	session->device = usb_close(session->device);
	return pico_reset_enter(&session->address, ret_failure);
}

/* What runs, runs. */
static int pico_sdk_restart(struct backend_session *session, struct backend_failure *ret_failure)
{
	visit_enter(&session->visit, ret_failure);
	return 0;
}

const struct backend pico_sdk_backend = {
	.name = "pico-sdk",
	.mode = MODE_PICO_SDK,
	.open = pico_sdk_open,
	.probe = pico_sdk_probe,
	.enter = pico_sdk_enter,
	.restart = pico_sdk_restart,
	.close = pico_sdk_close,
};
