/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Makes the flash of an RP2040 hold an image: compares, then writes so that at no moment a complete
 * but unproved application lies in flash. Inside the picoboot backend only.
 */
#include "backend/backend.h"

int picoboot_write_image(struct backend_session *session, const struct backend_write *write,
	struct job_tally *ret_tally);
