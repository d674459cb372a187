/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Boot loaders of plain DFU 1.1: blocks go one behind the other, from the beginning to the end, and
 * nothing else can be said about where. Inside the dfu backend only.
 */
#include "backend/dfu_session.h"

/* What can be seen of the application. 0 or an error of dfu_wire.h. */
int dfu_plain_look(struct backend_session *session, struct board_facts *facts) _must_check_;

/* As struct backend's write(). */
int dfu_plain_write(struct backend_session *session, const struct backend_write *write,
	struct job_tally *ret_tally) _must_check_;
