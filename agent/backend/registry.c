/* SPDX-License-Identifier: MIT */
/* Which backend speaks to which mode; see backend.h. A new backend is one line here. */
#include <stddef.h>

#include "backend/backend.h"
#include "backend/can_look.h"
#include "backend/dfu.h"
#include "backend/katapult.h"
#include "backend/klipper.h"
#include "backend/pico_sdk.h"
#include "backend/picoboot.h"

static const struct backend *const backends[] = {
	&picoboot_rp2040_backend,
	&picoboot_rp2350_backend,
	&dfu_backend,
	&katapult_backend,
	&klipper_backend,
	&pico_sdk_backend,
	&can_look_backend,
};

const struct backend *backend_for_mode(enum board_mode mode)
{
	for (size_t i = 0; i < ELEMENTSOF(backends); i++) {
		if (backends[i]->mode == mode)
			return backends[i];
	}
	return NULL;
}
