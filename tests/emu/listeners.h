/* SPDX-License-Identifier: MIT */
#pragma once

/* Waits, with a limit, until each listener to uevents of the testbed with this root has room for
 * one more. Only the caller may send them: nobody else can take the room that was found. */
void listeners_wait(const char *root);
