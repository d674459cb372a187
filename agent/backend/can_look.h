/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A look at a whole CAN bus: its interface, what is wrong with it, and who is there; handed over as
 * one keepsake (model/can.h). Nothing is written. Where a program of this computer talks to nodes,
 * no more is sent than one query, and nobody is given a number.
 */
#include "backend/backend.h"

extern const struct backend can_look_backend;
