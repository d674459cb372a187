/* SPDX-License-Identifier: MIT */
/* Names of transports; see transport.h. */
#include <assert.h>
#include <errno.h>

#include "base/text.h"
#include "model/transport.h"

static const char *const transport_names[_TRANSPORT_MAX] = {
	[TRANSPORT_UNKNOWN] = "unknown",
	[TRANSPORT_USB] = "usb",
	[TRANSPORT_UART] = "uart",
	[TRANSPORT_CAN] = "can",
	[TRANSPORT_BRIDGE] = "bridge",
	[TRANSPORT_PTY] = "pty",
};

const char *transport_name(enum transport transport)
{
	assert(transport < _TRANSPORT_MAX);
	return transport_names[transport];
}

int transport_from_name(const char *name)
{
	int transport = text_lookup(transport_names, _TRANSPORT_MAX, name);
	return transport == TRANSPORT_UNKNOWN ? -EINVAL : transport;
}
