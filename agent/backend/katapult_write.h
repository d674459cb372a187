/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Makes the place behind Katapult hold an image. Inside the katapult backend only.
 */
#include "backend/katapult_session.h"

/* As struct backend's write(). */
int katapult_write_image(struct backend_session *session, const struct backend_write *write,
	struct job_tally *ret_tally) _must_check_;
