/* SPDX-License-Identifier: MIT */
/* Terms; see terms.h. */
#include <stdlib.h>

#include "model/terms.h"

void terms_done(struct terms *terms)
{
	free(terms->expected.can_pins);
	free(terms->expected.usb_pins);
	free(terms->expected.serial_pins);
	free(terms->expected.initial_pins);
	free(terms->expected.version);
	*terms = (struct terms){ 0 };
}
