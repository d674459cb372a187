/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Makes the flash of an STM32 hold an image, over DfuSe. Inside the dfu backend only.
 */
#include "backend/dfu_session.h"

/* As struct backend's write(). */
int dfu_write_image(struct backend_session *session, const struct backend_write *write,
	struct job_tally *ret_tally) _must_check_;
