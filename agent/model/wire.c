/* SPDX-License-Identifier: MIT */
/* The words between mind and hands; see wire.h. Every byte that comes in is taken for hostile. */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/text.h"
#include "model/wire.h"

#define WIRE_VERSION 8

/* ---- encode ------------------------------------------------------------------------------ */

static void put_tally(struct buffer *buffer, const struct job_tally *tally)
{
	buffer_put_u32(buffer, tally->units_total);
	buffer_put_u32(buffer, tally->units_identical);
	buffer_put_u32(buffer, tally->units_erased);
	buffer_put_u64(buffer, tally->bytes_read);
	buffer_put_u64(buffer, tally->bytes_written);
	buffer_put_u32(buffer, tally->recoveries);
}

static void put_job(struct buffer *buffer, const struct wire_job *job)
{
	buffer_put_u64(buffer, job->id);
	buffer_put_u8(buffer, (uint8_t)job->mode);
	buffer_put_u32(buffer, job->bus);
	buffer_put_u32(buffer, job->device);
	buffer_put_u64(buffer, job->arrival);
	buffer_put_string(buffer, job->syspath);
	buffer_put_string(buffer, job->tty);
	buffer_put_u32(buffer, job->baud);
	buffer_put_string(buffer, job->can);
	buffer_put_string(buffer, job->can_uuid);
	buffer_put_u8(buffer, (uint8_t)job->expected_count);
	for (size_t i = 0; i < job->expected_count; i++)
		buffer_put_string(buffer, job->expected[i]);
}

static void put_keep(struct buffer *buffer, const struct wire_keep *keep)
{
	buffer_put_u8(buffer, (uint8_t)keep->kind);
	buffer_put_u32(buffer, keep->address);
	buffer_put_u32(buffer, keep->total_bytes);
	buffer_put_u32(buffer, keep->offset);
	buffer_put_u32(buffer, keep->length);
	buffer_put(buffer, keep->bytes, keep->length);
}

static void put_regions(struct buffer *buffer, const struct board_facts *facts)
{
	buffer_put_u8(buffer, (uint8_t)facts->writable_count);
	for (size_t i = 0; i < facts->writable_count; i++) {
		buffer_put_u32(buffer, facts->writable[i].start);
		buffer_put_u32(buffer, facts->writable[i].end);
	}
}

static void put_evidence(struct buffer *buffer, const struct board_facts *facts)
{
	buffer_put_u8(buffer, (uint8_t)facts->chip);
	buffer_put_u64(buffer, facts->possible_chips);
	buffer_put_u32(buffer, facts->rom_revision);
	buffer_put_u64(buffer, facts->flash_size_bytes);
	buffer_put_u8(buffer, (uint8_t)facts->content);
	buffer_put_string(buffer, facts->unique_id);
	buffer_put_u8(buffer, facts->is_partitioned);
	buffer_put_u8(buffer, facts->refusals);
	buffer_put_u8(buffer, (uint8_t)facts->bootloader);
	buffer_put_u32(buffer, facts->bootloader_end);
	buffer_put_u8(buffer, facts->has_application_start);
	buffer_put_u32(buffer, facts->application_start);
	put_regions(buffer, facts);
	buffer_put_u8(buffer, (uint8_t)facts->reach);
	running_encode(&facts->running, buffer);
	buffer_put_u8(buffer, facts->is_read_protected);
	buffer_put_u8(buffer, (uint8_t)facts->bootsel);
}

/* A sentence that was cut to fit may end in half a character, which the mind would take for an
 * attack. */
static void put_sentence(struct buffer *buffer, const char *text, size_t capacity)
{
	char sentence[WIRE_SENTENCE_MAX];
	text_copy_plain(sentence, capacity, text);
	buffer_put_string(buffer, sentence);
}

static void put_plan(struct buffer *buffer, const struct job_plan *plan)
{
	buffer_put_u32(buffer, plan->units_total);
	buffer_put_u32(buffer, plan->units_identical);
	buffer_put_u32(buffer, plan->units_blank);
	buffer_put_u32(buffer, plan->units_erased);
	buffer_put_u64(buffer, plan->bytes_written);
	put_sentence(buffer, plan->sentence, sizeof(plan->sentence));
}

static void put_outcome(struct buffer *buffer, const struct wire_outcome *outcome)
{
	buffer_put_u8(buffer, (uint8_t)outcome->outcome);
	buffer_put_u8(buffer, (uint8_t)outcome->reason);
	buffer_put_u8(buffer, (uint8_t)outcome->verification);
	buffer_put_u8(buffer, outcome->restarted);
	put_tally(buffer, &outcome->tally);
	put_sentence(buffer, outcome->sentence, sizeof(outcome->sentence));
}

void wire_encode(const struct wire_message *message, struct buffer *ret)
{
	buffer_put_u8(ret, WIRE_VERSION);
	buffer_put_u8(ret, (uint8_t)message->type);
	switch (message->type) {
	case WIRE_JOB:
		put_job(ret, &message->job);
		return;
	case WIRE_GO:
		buffer_put(ret, message->go.digest.bytes, DIGEST_BYTES);
		buffer_put_u8(ret, message->go.force);
		return;
	case WIRE_STOP:
		buffer_put_u8(ret, message->stop.leave);
		return;
	case WIRE_ENTER:
		return;
	case WIRE_KEEP:
		put_keep(ret, &message->keep);
		return;
	case WIRE_EVIDENCE:
		put_evidence(ret, &message->evidence);
		return;
	case WIRE_PLAN:
		put_plan(ret, &message->plan);
		return;
	case WIRE_PROGRESS:
		buffer_put_u8(ret, (uint8_t)message->progress.phase);
		buffer_put_u64(ret, message->progress.done_bytes);
		buffer_put_u64(ret, message->progress.total_bytes);
		return;
	case WIRE_OUTCOME:
		put_outcome(ret, &message->outcome);
		return;
	}
	assert(false);
}

/* ---- decode ------------------------------------------------------------------------------ */

static bool is_path_below(const char *path, const char *root)
{
	return text_is_plain(path) && strncmp(path, root, strlen(root)) == 0 && !strstr(path, "..");
}

/* A USB device, a line that stands for itself, a bus, or a node of one. */
static bool job_has_one_address(const struct wire_job *job)
{
	if (*job->can)
		return !*job->syspath && !*job->tty && job->baud == 0 &&
		       can_name_is_valid(job->can) && (job->mode == MODE_CAN) == !*job->can_uuid;
	if (job->mode == MODE_CAN)
		return false;
	if (*job->tty)
		return !*job->syspath && !*job->can_uuid && is_path_below(job->tty, "/dev/") &&
		       job->baud > 0;
	return is_path_below(job->syspath, "/sys/") && job->baud == 0;
}

static bool take_expected(struct cursor *cursor, struct wire_job *job)
{
	job->expected_count = cursor_enum(cursor, CAN_NODES_MAX + 1);
	for (size_t i = 0; i < job->expected_count; i++) {
		cursor_string(cursor, job->expected[i], sizeof(job->expected[i]));
		if (!can_uuid_is_valid(job->expected[i]))
			return false;
	}
	return job->expected_count == 0 || job->mode == MODE_CAN;
}

static bool take_job(struct cursor *cursor, struct wire_job *job)
{
	job->id = cursor_u64(cursor);
	job->mode = cursor_enum(cursor, _MODE_MAX);
	job->bus = cursor_u32(cursor);
	job->device = cursor_u32(cursor);
	job->arrival = cursor_u64(cursor);
	cursor_string(cursor, job->syspath, sizeof(job->syspath));
	cursor_string(cursor, job->tty, sizeof(job->tty));
	job->baud = cursor_u32(cursor);
	cursor_string(cursor, job->can, sizeof(job->can));
	cursor_string(cursor, job->can_uuid, sizeof(job->can_uuid));
	return job->mode != MODE_NONE && take_expected(cursor, job) &&
	       (!*job->can_uuid || can_uuid_is_valid(job->can_uuid)) && job_has_one_address(job);
}

static bool take_go(struct cursor *cursor, struct wire_go *go)
{
	const uint8_t *digest = cursor_take(cursor, DIGEST_BYTES);
	if (digest)
		memcpy(go->digest.bytes, digest, DIGEST_BYTES);
	go->force = cursor_bool(cursor);
	return true;
}

static bool take_text(struct cursor *cursor, char *ret, size_t capacity)
{
	cursor_string(cursor, ret, capacity);
	return text_is_plain(ret);
}

/* Ascending, apart from each other, none empty. */
static bool take_regions(struct cursor *cursor, struct board_facts *facts)
{
	facts->writable_count = cursor_enum(cursor, BOARD_REGIONS + 1);
	uint32_t behind = 0;
	for (size_t i = 0; i < facts->writable_count; i++) {
		struct chip_range *region = &facts->writable[i];
		region->start = cursor_u32(cursor);
		region->end = cursor_u32(cursor);
		if (region->start < behind || region->end <= region->start)
			return false;
		behind = region->end;
	}
	return true;
}

static bool take_evidence(struct cursor *cursor, struct board_facts *facts)
{
	facts->chip = cursor_enum(cursor, _CHIP_MAX);
	facts->possible_chips = cursor_u64(cursor);
	facts->rom_revision = cursor_u32(cursor);
	facts->flash_size_bytes = cursor_u64(cursor);
	facts->content = cursor_enum(cursor, _CONTENT_MAX);
	cursor_string(cursor, facts->unique_id, sizeof(facts->unique_id));
	facts->is_partitioned = cursor_bool(cursor);
	facts->refusals = (uint8_t)cursor_enum(cursor, _REFUSES_ALL + 1);
	facts->bootloader = cursor_enum(cursor, _BOOTLOADER_MAX);
	facts->bootloader_end = cursor_u32(cursor);
	facts->has_application_start = cursor_bool(cursor);
	facts->application_start = cursor_u32(cursor);
	if (!take_regions(cursor, facts))
		return false;
	facts->reach = cursor_enum(cursor, _TRANSPORT_MAX);
	running_decode(cursor, &facts->running);
	facts->is_read_protected = cursor_bool(cursor);
	facts->bootsel = cursor_enum(cursor, _BOOTSEL_MAX);
	return board_id_is_valid(facts->unique_id) && facts->possible_chips >> _CHIP_MAX == 0;
}

static bool take_keep(struct cursor *cursor, struct wire_keep *keep)
{
	keep->kind = cursor_enum(cursor, _KEEP_MAX);
	keep->address = cursor_u32(cursor);
	keep->total_bytes = cursor_u32(cursor);
	keep->offset = cursor_u32(cursor);
	keep->length = cursor_u32(cursor);
	if (keep->length == 0 || keep->length > WIRE_KEEP_BYTES ||
		keep->total_bytes > WIRE_KEEP_MAX || keep->offset > keep->total_bytes ||
		keep->length > keep->total_bytes - keep->offset)
		return false;
	const uint8_t *bytes = cursor_take(cursor, keep->length);
	if (bytes)
		memcpy(keep->bytes, bytes, keep->length);
	return true;
}

/* What is blank is not erased, and nothing is done to what is identical. */
static bool take_plan(struct cursor *cursor, struct job_plan *plan)
{
	plan->units_total = cursor_u32(cursor);
	plan->units_identical = cursor_u32(cursor);
	plan->units_blank = cursor_u32(cursor);
	plan->units_erased = cursor_u32(cursor);
	plan->bytes_written = cursor_u64(cursor);
	uint64_t sum = (uint64_t)plan->units_identical + plan->units_blank + plan->units_erased;
	return take_text(cursor, plan->sentence, sizeof(plan->sentence)) &&
	       sum <= plan->units_total;
}

static bool take_progress(struct cursor *cursor, struct wire_progress *progress)
{
	progress->phase = cursor_enum(cursor, _PHASE_MAX);
	progress->done_bytes = cursor_u64(cursor);
	progress->total_bytes = cursor_u64(cursor);
	return progress->done_bytes <= progress->total_bytes;
}

/* Does the last word contradict itself? */
static bool outcome_is_consistent(const struct wire_outcome *outcome)
{
	const struct job_tally *tally = &outcome->tally;
	bool touched = tally->units_erased > 0 || tally->bytes_written > 0;
	if (tally->units_identical > tally->units_total)
		return false;
	/* That the application runs is seen by a later visit, never by the one that wrote. */
	if (outcome->verification == VERIFY_RUNNING)
		return false;
	switch (outcome->outcome) {
	case OUTCOME_FLASHED:
		return outcome->reason == REASON_NONE && outcome->verification != VERIFY_NONE;
	case OUTCOME_IDENTICAL:
		return outcome->reason == REASON_NONE && outcome->verification != VERIFY_NONE &&
		       !touched;
	case OUTCOME_ENTERED:
		return outcome->reason == REASON_NONE && outcome->verification == VERIFY_NONE &&
		       !touched;
	case OUTCOME_REFUSED:
		return outcome->reason != REASON_NONE && outcome->verification == VERIFY_NONE &&
		       !touched;
	case OUTCOME_FAILED:
	case OUTCOME_INTERRUPTED:
		return outcome->reason != REASON_NONE;
	case OUTCOME_NONE:
	case _OUTCOME_MAX:
		break;
	}
	return false;
}

static bool take_outcome(struct cursor *cursor, struct wire_outcome *outcome)
{
	outcome->outcome = cursor_enum(cursor, _OUTCOME_MAX);
	outcome->reason = cursor_enum(cursor, _REASON_MAX);
	outcome->verification = cursor_enum(cursor, _VERIFY_MAX);
	outcome->restarted = cursor_bool(cursor);
	outcome->tally.units_total = cursor_u32(cursor);
	outcome->tally.units_identical = cursor_u32(cursor);
	outcome->tally.units_erased = cursor_u32(cursor);
	outcome->tally.bytes_read = cursor_u64(cursor);
	outcome->tally.bytes_written = cursor_u64(cursor);
	outcome->tally.recoveries = cursor_u32(cursor);
	return take_text(cursor, outcome->sentence, sizeof(outcome->sentence)) &&
	       outcome_is_consistent(outcome);
}

static bool take_message(struct cursor *cursor, struct wire_message *message)
{
	switch (message->type) {
	case WIRE_JOB:
		return take_job(cursor, &message->job);
	case WIRE_GO:
		return take_go(cursor, &message->go);
	case WIRE_STOP:
		message->stop.leave = cursor_bool(cursor);
		return true;
	case WIRE_ENTER:
		return true;
	case WIRE_KEEP:
		return take_keep(cursor, &message->keep);
	case WIRE_EVIDENCE:
		return take_evidence(cursor, &message->evidence);
	case WIRE_PLAN:
		return take_plan(cursor, &message->plan);
	case WIRE_PROGRESS:
		return take_progress(cursor, &message->progress);
	case WIRE_OUTCOME:
		return take_outcome(cursor, &message->outcome);
	}
	return false;
}

int wire_decode(const void *data, size_t length, struct wire_message *ret)
{
	struct cursor cursor = cursor_over(data, length);
	if (cursor_u8(&cursor) != WIRE_VERSION)
		return -EBADMSG;
	struct wire_message message = { .type = cursor_enum(&cursor, WIRE_OUTCOME + 1) };
	if (!take_message(&cursor, &message) || !cursor_is_exhausted(&cursor))
		return -EBADMSG;
	*ret = message;
	return 0;
}

/* ---- the socket -------------------------------------------------------------------------- */

/* One fd travels; a peer may send more, and they must be received to be closed. */
#define SURPLUS_FDS 8

union control {
	struct cmsghdr alignment;
	char bytes[CMSG_SPACE(SURPLUS_FDS * sizeof(int))];
};

/* The fd that came along in *ret_fd, or -1; -EBADMSG when there were several, all closed then. */
static int collect_fds(struct msghdr *header, int *ret_fd)
{
	_cleanup_(closep) int first = -1;
	size_t fds = 0;
	for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part; part = CMSG_NXTHDR(header, part)) {
		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(fd));
			if (fds++ == 0)
				first = fd;
			else
				safe_close(fd);
		}
	}
	if (fds > 1)
		return -EBADMSG;
	*ret_fd = TAKE_FD(first);
	return 0;
}

static ssize_t receive_message(int socket, struct msghdr *header)
{
	ssize_t received;
	do
		received = recvmsg(socket, header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (received < 0 && errno == EINTR);
	return received < 0 ? -errno : received;
}

int wire_send(int socket, const struct wire_message *message, int fd)
{
	_cleanup_(buffer_done) struct buffer buffer = { 0 };
	wire_encode(message, &buffer);
	if (buffer.failed)
		return -ENOMEM;
	assert(buffer.length <= WIRE_MESSAGE_MAX);

	struct iovec data = { .iov_base = buffer.data, .iov_len = buffer.length };
	struct msghdr header = { .msg_iov = &data, .msg_iovlen = 1 };
	union control control = { 0 };
	if (fd >= 0) {
		header.msg_control = &control;
		header.msg_controllen = CMSG_SPACE(sizeof(int));
		struct cmsghdr *part = CMSG_FIRSTHDR(&header);
		part->cmsg_level = SOL_SOCKET;
		part->cmsg_type = SCM_RIGHTS;
		part->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(part), &fd, sizeof(fd));
	}
	ssize_t sent;
	do
		sent = sendmsg(socket, &header, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	return 0;
}

int wire_receive(int socket, struct wire_message *ret, int *ret_fd)
{
	uint8_t bytes[WIRE_MESSAGE_MAX];
	union control control = { 0 };
	struct iovec data = { .iov_base = bytes, .iov_len = sizeof(bytes) };
	struct msghdr header = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t received = receive_message(socket, &header);
	if (received < 0)
		return received == -ECONNRESET ? WIRE_CLOSED : (int)received;

	/* First of all: what came in must not leak, whatever else is wrong with the message. */
	_cleanup_(closep) int fd = -1;
	int r = collect_fds(&header, &fd);
	if (r < 0)
		return r;
	if (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		return -EBADMSG;
	if (received == 0)
		return WIRE_CLOSED;

	struct wire_message message;
	r = wire_decode(bytes, (size_t)received, &message);
	if (r < 0)
		return r;
	/* The permission to write and the image travel together, and nothing else brings an fd. */
	if ((message.type == WIRE_GO) != (fd >= 0))
		return -EBADMSG;
	*ret = message;
	*ret_fd = TAKE_FD(fd);
	return 0;
}
