/* SPDX-License-Identifier: MIT */
/* USB serials; see serial.h. */
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "model/serial.h"
#include "model/stm32_serial.h"

bool serial_is_shared(const char *serial)
{
	/* RP2040 boot ROM B2, B0, B1: the ROM's revision. Firmware without flash access on RP2040.
	 * Factory firmware; Klipper's "12345". */
	static const char *const shared[] = {
		"E0C9125B0D9B",
		"E0C912D24340",
		"E0C912952D54",
		"EEEEEEEEEEEEEEEE",
		"12345",
		"000000000001",
		"0123456789ABCDEF",
	};
	for (size_t i = 0; i < ELEMENTSOF(shared); i++)
		if (strcasecmp(serial, shared[i]) == 0)
			return true;
	return stm32_serial_is_shared(serial);
}

bool serial_is_chip_id(const char *serial)
{
	size_t length = strlen(serial);
	return (length == 16 || length == 24 || length == 32) &&
	       strspn(serial, "0123456789abcdefABCDEF") == length && strspn(serial, "0") < length &&
	       strspn(serial, "fF") < length && !serial_is_shared(serial);
}
