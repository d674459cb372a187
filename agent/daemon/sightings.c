/* SPDX-License-Identifier: MIT */
/* What sat where; see sightings.h. */
#include <string.h>

#include "base/text.h"
#include "daemon/sightings.h"

/* Sockets that something has left lately: more than any bench has. */
#define SOCKETS 64

struct entry {
	/* A place is not enough; see queue_at(). NULL: free. */
	char *syspath;
	bool has_left; /* else what is there was only asked to */
	uint64_t asked_arrival;
	struct sighting left;
	uint64_t left_usec; /* or was asked to */
	bool is_caught;
	uint64_t arrival; /* that it was caught for */
};

struct sightings {
	struct entry entries[SOCKETS];
};

static void forget(struct entry *entry)
{
	free(entry->syspath);
	*entry = (struct entry){ 0 };
}

struct sightings *sightings_new(void)
{
	return calloc(1, sizeof(struct sightings));
}

struct sightings *sightings_free(struct sightings *sightings)
{
	for (size_t i = 0; sightings && i < SOCKETS; i++)
		forget(&sightings->entries[i]);
	free(sightings);
	return NULL;
}

static struct entry *find(struct sightings *sightings, const struct device *device)
{
	for (size_t i = 0; i < SOCKETS; i++)
		if (text_equal(sightings->entries[i].syspath, device->syspath))
			return &sightings->entries[i];
	return NULL;
}

/* A free one, or the one that is of least use. */
static struct entry *find_oldest(struct sightings *sightings)
{
	struct entry *oldest = &sightings->entries[0];
	for (size_t i = 1; i < SOCKETS; i++)
		if (sightings->entries[i].left_usec < oldest->left_usec)
			oldest = &sightings->entries[i];
	return oldest;
}

/* Half a text could be taken for another one. */
static bool fits(const char *text)
{
	return strlen(text) < SIGHTING_TEXT;
}

/* An entry for this socket in which nothing stands yet; NULL: memory is short. */
static struct entry *begin(
	struct sightings *sightings, const struct device *device, uint64_t now_usec)
{
	struct entry *entry = find(sightings, device);
	if (!entry)
		entry = find_oldest(sightings);
	forget(entry);
	entry->syspath = strdup(device->syspath);
	entry->left_usec = now_usec;
	return entry->syspath ? entry : NULL;
}

void sightings_on_request(
	struct sightings *sightings, const struct device *device, uint64_t now_usec)
{
	struct entry *entry = begin(sightings, device, now_usec);
	if (entry)
		entry->asked_arrival = device->arrival;
}

static bool was_asked(const struct entry *entry, const struct device *device, uint64_t now_usec)
{
	return entry && !entry->has_left && entry->asked_arrival == device->arrival &&
	       now_usec - entry->left_usec <= SIGHTINGS_USEC;
}

void sightings_on_departure(
	struct sightings *sightings, const struct device *device, uint64_t now_usec)
{
	struct entry *entry = find(sightings, device);
	bool was_requested = was_asked(entry, device, now_usec);
	if (entry)
		forget(entry);
	/* Only what came last counts, and a boot ROM tells nothing of what runs; Katapult does. */
	bool tells = mode_is_application(device->mode) || device->mode == MODE_KATAPULT;
	if (!tells || !fits(device->serial) || !fits(device->product))
		return;
	entry = begin(sightings, device, now_usec);
	if (!entry)
		return;
	entry->has_left = true;
	entry->left = (struct sighting){
		.vid = device->vid,
		.pid = device->pid,
		.was_requested = was_requested,
	};
	strcpy(entry->left.serial, device->serial);
	strcpy(entry->left.product, device->product);
	if (device->manufacturer && fits(device->manufacturer))
		strcpy(entry->left.manufacturer, device->manufacturer);
}

void sightings_on_arrival(
	struct sightings *sightings, const struct device *device, uint64_t now_usec)
{
	struct entry *entry = find(sightings, device);
	if (!entry || (entry->is_caught && entry->arrival == device->arrival))
		return;
	/* Seen anew, and still there. */
	if (!entry->has_left && entry->asked_arrival == device->arrival)
		return;
	if (!entry->has_left || entry->is_caught || now_usec - entry->left_usec > SIGHTINGS_USEC) {
		forget(entry);
		return;
	}
	entry->is_caught = true;
	entry->arrival = device->arrival;
}

const struct sighting *sightings_before(
	const struct sightings *sightings, const struct device *device)
{
	const struct entry *entry = find((struct sightings *)sightings, device);
	return entry && entry->is_caught && entry->arrival == device->arrival ? &entry->left : NULL;
}
