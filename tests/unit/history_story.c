/* SPDX-License-Identifier: MIT */
/* Helpers of the history's stories; see history_story.h. */
#include "unit/history_story.h"

#include <dirent.h>
#include <inttypes.h>
#include <sqlite3.h>

#define BEGAN_USEC 1700000000000000ull

const char *const place_left = "pci-0000:00:14.0-usb-0:1";
const char *const place_right = "pci-0000:00:14.0-usb-0:2";

int room_new(void **state)
{
	struct room *room = calloc(1, sizeof(*room));
	if (!room)
		return -1;
	/* Thousands of syncs: where they cost nothing, if there is such a place. */
	snprintf(room->directory, sizeof(room->directory), "%s/plugflash-test-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(room->directory))
		return -1;
	snprintf(room->path, sizeof(room->path), "%s/history.db", room->directory);
	*state = room;
	return 0;
}

static void closedirp(DIR **directory)
{
	if (*directory)
		closedir(*directory);
}

size_t room_files(const struct room *room, const char *prefix)
{
	_cleanup_(closedirp) DIR *directory = opendir(room->directory);
	size_t count = 0;
	for (struct dirent *entry; directory && (entry = readdir(directory));)
		count += entry->d_name[0] != '.' &&
			 strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
	return count;
}

void room_clear(struct room *room)
{
	_cleanup_(closedirp) DIR *directory = opendir(room->directory);
	for (struct dirent *entry; directory && (entry = readdir(directory));) {
		_cleanup_(freep) char *path = text_format("%s/%s", room->directory, entry->d_name);
		if (path)
			(void)remove(path);
	}
}

int room_free(void **state)
{
	struct room *room = *state;
	room_close(room);
	room_clear(room);
	rmdir(room->directory);
	free(room);
	return 0;
}

int room_open(struct room *room)
{
	assert_null(room->history);
	free(TAKE_PTR(room->aside));
	return history_open(room->path, 0, &room->history, &room->aside);
}

void room_close(struct room *room)
{
	room->history = history_close(room->history);
	free(TAKE_PTR(room->aside));
}

void room_reopen(struct room *room)
{
	room_close(room);
	assert_int_equal(room_open(room), 0);
}

/* ---- jobs -------------------------------------------------------------------------------- */

static struct device *device_at(const char *place)
{
	static struct device devices[2];
	struct device *device = &devices[place == place_right];
	*device = (struct device){
		.place = (char *)place,
		.port = (char *)"1-2",
		.syspath = (char *)"/sys/devices/usb1/1-2",
		.mode = MODE_RP2040_BOOT,
		.vid = 0x2e8a,
		.pid = 0x0003,
		.serial = (char *)"E0C9125B0D9B",
		.manufacturer = (char *)"Raspberry Pi",
		.product = (char *)"RP2 Boot",
	};
	return device;
}

struct job job_begun(uint64_t id, const char *place)
{
	return (struct job){
		.id = id,
		.state = JOB_PROBING,
		.device = device_at(place),
		.started_usec = 1000,
		.started_realtime_usec = BEGAN_USEC + id * 1000000,
	};
}

struct job job_probed(uint64_t id, const char *place)
{
	struct job job = job_begun(id, place);
	job.has_facts = true;
	job.facts = (struct board_facts){
		.chip = CHIP_RP2040,
		.rom_revision = 3,
		.flash_size_bytes = 2 << 20,
		.content = CONTENT_BOOTABLE,
		.unique_id = "E66058388348892B",
	};
	job.phase_usec[PHASE_PROBE] = 14000;
	return job;
}

struct job job_permitted(uint64_t id, const char *place)
{
	struct job job = job_probed(id, place);
	job.state = JOB_WRITING;
	job.rule = (char *)"bench";
	job.board = (char *)"eddy";
	job.image_path = (char *)"/var/lib/plugflash/firmware/blink.uf2";
	job.has_image = true;
	memset(&job.digest, 0xA5, sizeof(job.digest));
	job.permitted_usec = 16000;
	return job;
}

struct job job_ended(uint64_t id, const char *place, enum job_outcome outcome)
{
	bool is_good = outcome == OUTCOME_FLASHED || outcome == OUTCOME_IDENTICAL;
	struct job job = is_good ? job_permitted(id, place) : job_probed(id, place);
	job.state = JOB_DONE;
	job.outcome = outcome;
	job.reason = is_good ? REASON_NONE : REASON_BOARD_LEFT;
	job.sentence = (char *)"so it went";
	job.verification = is_good ? VERIFY_READBACK : VERIFY_NONE;
	job.ended_usec = job.started_usec + 2500000;
	job.ended_realtime_usec = job.started_realtime_usec + 2500000;
	return job;
}

/* ---- rows -------------------------------------------------------------------------------- */

static int on_row(void *context, const struct history_field *fields, size_t count)
{
	char **text = context;
	for (size_t i = 0; i < count; i++) {
		int r = fields[i].is_number
				? text_append(
					  text, "%s=%" PRIu64 " ", fields[i].name, fields[i].number)
				: text_append(text, "%s=%s ", fields[i].name, fields[i].text);
		if (r < 0)
			return r;
	}
	return 0;
}

char *row_of(struct history *history, uint64_t job_id)
{
	const struct history_filter filter = { .job_id = job_id };
	char *text = strdup("");
	assert_int_equal(history_query(history, &filter, on_row, &text), 0);
	return text;
}

static int on_job(void *context, const struct history_field *fields, size_t count)
{
	char **text = context;
	assert_true(count > 0);
	assert_string_equal(fields[0].name, "job");
	return text_append(text, "%s%" PRIu64, **text ? " " : "", fields[0].number);
}

char *jobs_found(struct history *history, const struct history_filter *filter)
{
	char *text = strdup("");
	assert_int_equal(history_query(history, filter, on_job, &text), 0);
	return text;
}

void expect_jobs(struct history *history, const struct history_filter *filter, const char *expected)
{
	_cleanup_(freep) char *found = jobs_found(history, filter);
	assert_string_equal(found, expected);
}

void sql(const char *path, const char *text)
{
	sqlite3 *connection;
	assert_int_equal(sqlite3_open(path, &connection), SQLITE_OK);
	assert_int_equal(sqlite3_exec(connection, text, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(connection), SQLITE_OK);
}
