/* SPDX-License-Identifier: MIT */
/*
 * How long the history takes with a million jobs in it.
 *
 * usage: bench-history DIRECTORY [JOBS]      a file of about half a gigabyte is made there
 */
#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "bench/figures.h"
#include "daemon/history.h"

#define MSEC 1000

struct bench {
	char *path;
	struct history *history;
	struct history_filter filter;
	uint64_t rows_seen;
};

static void must(int r)
{
	if (r < 0) {
		fprintf(stderr, "bench-history: %s\n", strerror(-r));
		exit(2);
	}
}

static void open_it(struct bench *bench)
{
	char *aside = NULL;
	must(history_open(bench->path, 0, &bench->history, &aside));
	assert(!aside);
}

/* ---- a million jobs ---------------------------------------------------------------------- */

/* A fifth of all jobs are of one board, the rest of a thousand; one in fifty failed. */
static const char fill[] =
	"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) "
	"INSERT INTO jobs SELECT i, 'pci-0000:00:14.0-usb-0:1.' || (i % 32), '1-1.' || (i % 32), "
	"'rp2040-boot', '2e8a:0003', 'E0C9125B0D9B', 'rp2040', 3, 2097152, 'bootable', "
	"format('E66058388348%04X', iif(i % 5 = 0, 0, i * 7919 % 1000)), "
	"'board-' || iif(i % 5 = 0, 0, i * 7919 % 1000), 'write', 'rule-' || (i % 50), "
	"'/var/lib/plugflash/firmware/klipper-' || (i % 50) || '.uf2', "
	"format('%064x', i % 50), NULL, NULL, 40, 30, 10, 163840, 40960, 0, "
	"14000, 200000, 1300000, 40000, 800000, 'readback', "
	"iif(i % 50 = 0, 'failed', 'flashed'), iif(i % 50 = 0, 'board-left', NULL), "
	"'40960 bytes written, read back and compared; Klipper rp2040 (1d50:614e) came up', "
	"'1d50:614e', 1700000000000000 + i * 60000000, 1700000002500000 + i * 60000000, 2500000 "
	"FROM n";

static void fill_it(const char *path, unsigned jobs)
{
	sqlite3 *connection;
	sqlite3_stmt *statement;
	int result = sqlite3_open(path, &connection);
	assert(result == SQLITE_OK);
	sqlite3_exec(connection, "PRAGMA synchronous = OFF; PRAGMA cache_size = -200000", NULL,
		NULL, NULL);
	result = sqlite3_prepare_v2(connection, fill, -1, &statement, NULL);
	assert(result == SQLITE_OK);
	sqlite3_bind_int64(statement, 1, jobs);
	result = sqlite3_step(statement);
	assert(result == SQLITE_DONE);
	sqlite3_finalize(statement);
	sqlite3_close(connection);
}

/* What the kernel remembers of the file is forgotten, as after a start of the machine. */
static void forget(const char *path)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fdatasync(fd) < 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
		fprintf(stderr, "bench-history: the file stays in memory\n");
}

/* ---- what is timed ----------------------------------------------------------------------- */

static void do_open(void *context, unsigned round)
{
	struct bench *bench = context;
	(void)round;
	bench->history = history_close(bench->history);
	open_it(bench);
}

static void do_open_cold(void *context, unsigned round)
{
	struct bench *bench = context;
	bench->history = history_close(bench->history);
	forget(bench->path);
	do_open(bench, round);
}

static int on_job(void *context, const struct history_field *fields, size_t count)
{
	(void)fields, (void)count;
	((struct bench *)context)->rows_seen++;
	return 0;
}

static void do_query(void *context, unsigned round)
{
	struct bench *bench = context;
	(void)round;
	must(history_query(bench->history, &bench->filter, on_job, bench));
}

static struct device the_device = {
	.place = (char *)"pci-0000:00:14.0-usb-0:1.7",
	.port = (char *)"1-1.7",
	.mode = MODE_RP2040_BOOT,
	.vid = 0x2e8a,
	.pid = 0x0003,
	.serial = (char *)"E0C9125B0D9B",
};

static struct job a_job(uint64_t id)
{
	return (struct job){
		.id = id,
		.device = &the_device,
		.has_facts = true,
		.facts = { .chip = CHIP_RP2040, .unique_id = "E660583883480007" },
		.rule = (char *)"rule-7",
		.board = (char *)"board-7",
		.image_path = (char *)"/var/lib/plugflash/firmware/klipper-7.uf2",
		.has_image = true,
		.permitted_usec = 1,
		.started_realtime_usec = clock_usec(CLOCK_REALTIME),
	};
}

static void do_intent(void *context, unsigned round)
{
	struct bench *bench = context;
	(void)round;
	const struct job job = a_job(history_next_id(bench->history));
	const struct place_record record = { .attempts = 1 };
	must(history_store_intent(bench->history, &job, &record));
}

static void do_end(void *context, unsigned round)
{
	struct bench *bench = context;
	struct job job = a_job(history_next_id(bench->history) - 1 - round);
	const struct place_record record = { 0 };
	job.state = JOB_DONE;
	job.outcome = OUTCOME_FLASHED;
	job.ended_realtime_usec = job.started_realtime_usec + 1;
	must(history_store_end(bench->history, &job, &record, true));
}

static void do_count(void *context, unsigned round)
{
	struct bench *bench = context;
	uint64_t count;
	(void)round;
	must(history_count_flashed(
		bench->history, "rule-7", bench->filter.since_usec, INT64_MAX, &count));
}

static void do_retire(void *context, unsigned round)
{
	(void)round;
	must(history_retire(((struct bench *)context)->history, 0, 1000));
}

static void do_retire_nothing(void *context, unsigned round)
{
	(void)round;
	must(history_retire(((struct bench *)context)->history, 36500, 100000000));
}

static void query(
	struct bench *bench, const char *name, uint64_t bar_usec, struct history_filter filter)
{
	bench->filter = filter;
	bench->rows_seen = 0;
	figure(name, 101, bar_usec, do_query, bench);
	printf("# %" PRIu64 " jobs at a time\n", bench->rows_seen / 101);
}

static void query_all_ways(struct bench *bench, unsigned jobs)
{
	const uint64_t bar_usec = 50 * MSEC, last_usec = 1700000000000000 + jobs * 60000000ull;
	query(bench, "jobs of a board", bar_usec, (struct history_filter){ .board = "board-7" });
	query(bench, "jobs of a board, deep", bar_usec,
		(struct history_filter){ .board = "board-7", .before_job_id = jobs / 10 });
	query(bench, "jobs of the board with most of them", bar_usec,
		(struct history_filter){ .board = "board-0" });
	query(bench, "jobs of the board with most of them, deep", bar_usec,
		(struct history_filter){ .board = "board-0", .before_job_id = jobs / 100 });
	query(bench, "jobs of a board by its id, deep", bar_usec,
		(struct history_filter){ .board = "E660583883480007", .before_job_id = jobs / 10 });
	query(bench, "jobs of a place, deep", bar_usec,
		(struct history_filter){ .place = the_device.place, .before_job_id = jobs / 10 });
	query(bench, "failed jobs, deep", bar_usec,
		(struct history_filter){ .only_failed = true, .before_job_id = jobs / 10 });
	query(bench, "failed jobs of a board", bar_usec,
		(struct history_filter){ .only_failed = true, .board = "board-50" });
	query(bench, "all jobs since the last hour", bar_usec,
		(struct history_filter){ .since_usec = last_usec - 3600 * USEC_PER_SEC });
	query(bench, "failed jobs of a place without any", bar_usec,
		(struct history_filter){
			.only_failed = true, .place = "pci-0000:00:14.0-usb-0:1.1" });
	query(bench, "all jobs since the beginning", bar_usec,
		(struct history_filter){ .since_usec = 1 });
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return fputs("usage: bench-history DIRECTORY [JOBS]\n", stderr), 2;
	unsigned jobs = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1000000;
	struct bench bench = { .path = text_format("%s/bench-history.db", argv[1]) };
	assert(bench.path);
	open_it(&bench);
	bench.history = history_close(bench.history);
	fill_it(bench.path, jobs);
	open_it(&bench);

	figure("open and check", 5, 0, do_open, &bench);
	figure("open and check, not in memory", 3, 0, do_open_cold, &bench);
	query_all_ways(&bench, jobs);
	bench.filter.since_usec = 1700000000000000 + (jobs - 10000) * 60000000ull;
	figure("count of a rule's boards within a week", 101, 0, do_count, &bench);
	figure("store an intent", 201, 0, do_intent, &bench);
	figure("store an end", 201, 0, do_end, &bench);
	figure("retire nothing", 21, 0, do_retire_nothing, &bench);
	figure("retire a few jobs", 101, 0, do_retire, &bench);
	history_close(bench.history);
	remove(bench.path);
	free(bench.path);
	return figures_end();
}
