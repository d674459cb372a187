/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the history's file looks like inside, and how an older one becomes a new one.
 */
#include "daemon/database.h"

/*
 * Is it ours, whole, and of a version that we know? Writes nothing. 0: yes; HISTORY_SCHEMA_NEW:
 * nothing is in it yet; -EUCLEAN: damaged, or another program's; -EPROTONOSUPPORT: a newer
 * plugflash's.
 */
#define HISTORY_SCHEMA_NEW 1
int history_schema_check(struct database *database) _must_check_;

/* Brings it to the newest version, one step a transaction. */
int history_schema_migrate(struct database *database) _must_check_;
