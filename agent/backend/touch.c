/* SPDX-License-Identifier: MIT */
/* The touch; see touch.h. */
#include <errno.h>

#include "backend/touch.h"

#define TOUCH_BAUD  1200
#define LEAVES_MSEC 3000

int touch(struct serial *serial, unsigned usual_baud)
{
	(void)!serial_set_line(serial, TOUCH_BAUD, false);
	int r = serial_pause(serial, LEAVES_MSEC);
	if (r == -ENODEV)
		return 0;
	/* Or the next who opens it would ask again. */
	(void)!serial_set_line(serial, usual_baud, true);
	return r < 0 ? r : TOUCH_STAYS;
}
