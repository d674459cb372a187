/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What sat on a socket just before: a board that enters its boot mode leaves as its application and
 * is back within seconds. What is caught when it comes stays with this arrival, however long it
 * then waits for its turn.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/device.h"
#include "model/identity.h"

/* A board that takes longer was more likely plugged by a hand. */
#define SIGHTINGS_USEC 5000000ull

struct sightings;

struct sightings *sightings_new(void);
struct sightings *sightings_free(struct sightings *sightings);
DEFINE_CLEANUP(struct sightings *, sightings_free)

/* Times are CLOCK_MONOTONIC. */
void sightings_on_departure(
	struct sightings *sightings, const struct device *device, uint64_t now_usec);
void sightings_on_arrival(
	struct sightings *sightings, const struct device *device, uint64_t now_usec);

/* We ask the board that this device is to enter its boot loader. If it leaves its socket soon, what
 * comes there next is what it became, and not what a hand has put there: the sighting says so. */
void sightings_on_request(
	struct sightings *sightings, const struct device *device, uint64_t now_usec);

/* The application that left the socket just before this arrival, or NULL. */
const struct sighting *sightings_before(
	const struct sightings *sightings, const struct device *device);
