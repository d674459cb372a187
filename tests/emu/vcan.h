/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A node on a CAN interface of this very computer, as vcan is one: the kernel carries the frames,
 * and there is no wire that could be busy or broken.
 */
#include "emu/resident.h"

/* A raw socket that hears all frames; negative errno. */
int vcan_open(const char *interface) _must_check_;
/* Hands over what has come. */
void vcan_hear(int fd, struct resident *resident, uint64_t now);
/* Sends what the node wants to send now. */
void vcan_speak(int fd, struct resident *resident, uint64_t now);
