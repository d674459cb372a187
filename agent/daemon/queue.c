/* SPDX-License-Identifier: MIT */
/* The records of jobs; see queue.h. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "daemon/neighbour.h"
#include "daemon/queue.h"

#define ENDED_KEPT 100

/* A board that is back sooner after a good end was hardly brought back by a hand. */
#define RETURN_USEC (60 * USEC_PER_SEC)

/* So is one that is back sooner after it was told to leave. */
#define LEFT_USEC (30 * USEC_PER_SEC)

#define HELD_MAX 8

/* Of one bus: more find no share of it (port/can.h). */
#define NODES_AT_ONCE 8

struct queue {
	struct job **jobs;
	size_t count;
	/* Buses that are looked at as a whole. */
	char held[HELD_MAX][CAN_NAME_TEXT];
	size_t held_count;
};

static struct job *job_free(struct job *job)
{
	if (!job)
		return NULL;
	worker_close(job->worker);
	sd_event_source_disable_unref(job->deadline);
	device_free(job->device);
	device_free(job->successor);
	kept_done(&job->firmware);
	neighbour_forget(job->printers.question);
	free(job->printers.asked);
	free(job->printers.sentence);
	free(job->rule);
	free(job->board);
	free(job->image_path);
	free(job->application);
	free(job->stop_sentence);
	free(job->sentence);
	free(job);
	return NULL;
}

struct queue *queue_new(void)
{
	return calloc(1, sizeof(struct queue));
}

struct queue *queue_free(struct queue *queue)
{
	if (!queue)
		return NULL;
	for (size_t i = 0; i < queue->count; i++)
		job_free(queue->jobs[i]);
	free(queue->jobs);
	free(queue);
	return NULL;
}

struct job *queue_add(struct queue *queue, uint64_t id, const struct device *device)
{
	struct job **grown = reallocarray(queue->jobs, queue->count + 1, sizeof(*grown));
	if (!grown)
		return NULL;
	queue->jobs = grown;
	struct job *job = calloc(1, sizeof(*job));
	struct device *copy = device_copy(device);
	if (!job || !copy) {
		device_free(copy);
		free(job);
		return NULL;
	}
	job->id = id;
	job->device = copy;
	queue->jobs[queue->count++] = job;
	return job;
}

size_t queue_count(const struct queue *queue)
{
	return queue->count;
}

struct job *queue_job(const struct queue *queue, size_t index)
{
	return queue->jobs[index];
}

struct job *queue_at(const struct queue *queue, const struct device *device)
{
	for (size_t i = 0; i < queue->count; i++)
		if (queue->jobs[i]->state != JOB_DONE &&
			text_equal(queue->jobs[i]->device->syspath, device->syspath))
			return queue->jobs[i];
	return NULL;
}

/* The hub is what stands before the last number of a port: "1-1" of "1-1.3", "1" of "1-3". */
static size_t hub_length(const char *port)
{
	const char *dot = strrchr(port, '.'), *dash = strrchr(port, '-');
	return dot ? (size_t)(dot - port) : dash ? (size_t)(dash - port) : strlen(port);
}

static bool share_a_hub(const struct job *left, const struct job *right)
{
	const char *one = left->device->port, *other = right->device->port;
	size_t length = hub_length(one);
	return length == hub_length(other) && strncmp(one, other, length) == 0;
}

static unsigned busy_beside(const struct queue *queue, const struct job *job)
{
	unsigned busy = 0;
	for (size_t i = 0; i < queue->count; i++)
		busy += queue->jobs[i]->worker && share_a_hub(queue->jobs[i], job);
	return busy;
}

static bool is_active_on_can(const struct job *job)
{
	return job->state != JOB_DONE && device_is_on_can(job->device);
}

/* Which bus is behind a bridge, nobody knows. */
static bool is_on_bus(const struct job *job, const char *can)
{
	return is_active_on_can(job) &&
	       (device_is_bridge(job->device) || text_equal(job->device->can, can));
}

static size_t held_index(const struct queue *queue, const char *can)
{
	size_t i = 0;
	while (i < queue->held_count && !text_equal(queue->held[i], can))
		i++;
	return i;
}

int queue_hold_bus(struct queue *queue, const char *can)
{
	if (held_index(queue, can) < queue->held_count)
		return -EALREADY;
	for (size_t i = 0; i < queue->count; i++)
		if (is_on_bus(queue->jobs[i], can))
			return -EBUSY;
	if (queue->held_count == HELD_MAX || strlen(can) >= CAN_NAME_TEXT)
		return -ENOSPC;
	strcpy(queue->held[queue->held_count++], can);
	return 0;
}

void queue_release_bus(struct queue *queue, const char *can)
{
	size_t at = held_index(queue, can);
	if (at == queue->held_count)
		return;
	queue->held_count--;
	memmove(queue->held[at], queue->held[queue->held_count], CAN_NAME_TEXT);
}

static bool is_held(const struct queue *queue, const struct job *job)
{
	for (size_t i = 0; i < queue->held_count; i++)
		if (is_on_bus(job, queue->held[i]))
			return true;
	return false;
}

/* The bridge takes the bus away while it is written: it goes last, and alone. Which bus is behind
 * which bridge is not looked at: there is rarely more than one of them. */
static bool waits_for_bridge(const struct job *job, const struct job *other)
{
	bool is_bridge = device_is_bridge(job->device);
	if (is_bridge == device_is_bridge(other->device))
		return false;
	return is_bridge || other->state != JOB_QUEUED;
}

static bool waits_for_bus(const struct queue *queue, const struct job *job)
{
	unsigned beside = 0;
	for (size_t i = 0; i < queue->count && is_active_on_can(job); i++) {
		const struct job *other = queue->jobs[i];
		if (other == job || !is_active_on_can(other))
			continue;
		if (waits_for_bridge(job, other))
			return true;
		beside += other->worker && text_equal(job->device->can, other->device->can);
	}
	return beside >= NODES_AT_ONCE;
}

struct job *queue_next(const struct queue *queue, unsigned limit, unsigned limit_per_hub)
{
	struct job *next = NULL;
	unsigned busy = 0;
	for (size_t i = 0; i < queue->count; i++) {
		struct job *job = queue->jobs[i];
		if (job->worker)
			busy++;
		if (next || job->state != JOB_QUEUED || job->printers.question ||
			is_held(queue, job) || waits_for_bus(queue, job))
			continue;
		if (limit_per_hub == 0 || busy_beside(queue, job) < limit_per_hub)
			next = job;
	}
	return busy < limit ? next : NULL;
}

/* A board's serial in DFU, if it is one that not many show. */
static const char *boot_serial(const struct device *device)
{
	bool is_one = device->mode == MODE_DFU && *device->serial &&
		      !policy_serial_is_shared(device->serial);
	return is_one ? device->serial : NULL;
}

/* The id of a board in DFU shows only when it was seen as its application. Where boards show
 * nothing, one that needs no byte written is taken for the one before. */
static bool is_same_unit(const struct job *before, const struct job *job)
{
	const char *id = job->facts.unique_id, *serial = boot_serial(job->device);
	if (serial && boot_serial(before->device))
		return text_equal(serial, boot_serial(before->device));
	return text_equal(before->facts.unique_id, id) &&
	       (*id || job->outcome == OUTCOME_IDENTICAL);
}

static bool is_return(const struct job *before, const struct job *job)
{
	return outcome_is_good(before->outcome) && outcome_is_good(job->outcome) &&
	       memcmp(&before->digest, &job->digest, sizeof(job->digest)) == 0 &&
	       job->started_usec - before->ended_usec < RETURN_USEC && is_same_unit(before, job);
}

/* The last one that has ended on this socket, or NULL. */
static const struct job *job_before(const struct queue *queue, const struct job *job)
{
	const struct job *before = NULL;
	for (size_t i = 0; i < queue->count && queue->jobs[i] != job; i++)
		if (queue->jobs[i]->state == JOB_DONE &&
			text_equal(queue->jobs[i]->device->syspath, job->device->syspath))
			before = queue->jobs[i];
	return before;
}

bool queue_job_is_return(const struct queue *queue, const struct job *job)
{
	const struct job *before = job_before(queue, job);
	return before && is_return(before, job);
}

bool queue_was_just_called(const struct queue *queue, const struct job *job)
{
	const struct job *before = job_before(queue, job);
	return before && before->outcome == OUTCOME_ENTERED &&
	       job->started_usec - before->ended_usec < LEFT_USEC;
}

bool queue_has_just_left(const struct queue *queue, const struct job *job)
{
	for (size_t i = 0; i < queue->count; i++) {
		const struct job *before = queue->jobs[i];
		if (before->has_to_leave && before->state == JOB_DONE && before != job &&
			text_equal(before->device->syspath, job->device->syspath) &&
			job->started_usec - before->ended_usec < LEFT_USEC)
			return true;
	}
	return false;
}

/* Only two ids that are known can tell two boards apart. */
static bool is_other_unit(const struct job *before, const struct job *job)
{
	const char *left = before->facts.unique_id, *right = job->facts.unique_id;
	return *left && *right && !text_equal(left, right);
}

bool queue_was_just_written(const struct queue *queue, const struct job *job)
{
	for (size_t i = 0; i < queue->count && queue->jobs[i] != job; i++) {
		const struct job *before = queue->jobs[i];
		if (before->state == JOB_DONE && before->verification == VERIFY_READBACK &&
			text_equal(before->device->syspath, job->device->syspath) &&
			memcmp(&before->digest, &job->digest, sizeof(job->digest)) == 0 &&
			job->started_usec - before->ended_usec < RETURN_USEC &&
			!is_other_unit(before, job))
			return true;
	}
	return false;
}

size_t queue_active(const struct queue *queue)
{
	size_t active = 0;
	for (size_t i = 0; i < queue->count; i++)
		active += queue->jobs[i]->state != JOB_DONE;
	return active;
}

void queue_retire(struct queue *queue, struct job *job)
{
	assert(job->state == JOB_DONE);
	kept_done(&job->firmware);
	job->worker = worker_close(job->worker);
	job->deadline = sd_event_source_disable_unref(job->deadline);

	size_t ended = queue->count - queue_active(queue);
	for (size_t i = 0; i < queue->count && ended > ENDED_KEPT; i++) {
		if (queue->jobs[i]->state != JOB_DONE || queue->jobs[i] == job)
			continue;
		job_free(queue->jobs[i]);
		queue->count--;
		memmove(&queue->jobs[i], &queue->jobs[i + 1],
			(queue->count - i) * sizeof(queue->jobs[0]));
		i--;
		ended--;
	}
}
