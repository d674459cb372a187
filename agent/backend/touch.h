/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Asking an application for its boot loader by its serial port: 1200 baud, and DTR low. Klipper
 * wants both (klipper, src/generic/usb_cdc.c, check_reboot()); the Pico SDK the rate alone
 * (pico-sdk, src/rp2_common/pico_stdio_usb/reset_interface.c). Inside backends only.
 */
#include "port/serial.h"

#define TOUCH_STAYS 1

/*
 * 0: it has left. TOUCH_STAYS: it has not, within three seconds, and its line is as it was. How the
 * request itself ended means nothing: some boards reset within it.
 */
int touch(struct serial *serial, unsigned usual_baud) _must_check_;
