/* SPDX-License-Identifier: MIT */
/* Speaking to the journal; see journal.h. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>

#include "base/names.h"
#include "base/text.h"
#include "daemon/journal.h"

#define FIELDS_MAX 24

struct entry {
	struct iovec items[FIELDS_MAX];
	int count;
};

static void entry_done(struct entry *entry)
{
	for (int i = 0; i < entry->count; i++)
		free(entry->items[i].iov_base);
}

static void entry_put(struct entry *entry, const char *name, const char *value)
{
	char *text = value && entry->count < FIELDS_MAX ? text_format("%s=%s", name, value) : NULL;
	if (text)
		entry->items[entry->count++] =
			(struct iovec){ .iov_base = text, .iov_len = strlen(text) };
}

static void entry_put_count(struct entry *entry, const char *name, uint64_t value)
{
	char text[24];
	snprintf(text, sizeof(text), "%" PRIu64, value);
	entry_put(entry, name, text);
}

static void entry_put_number(struct entry *entry, const char *name, uint64_t value)
{
	if (value > 0)
		entry_put_count(entry, name, value);
}

static void entry_put_plan(struct entry *entry, const struct job_plan *plan)
{
	entry_put_count(entry, NAME_FIELD_UNITS_TOTAL, plan->units_total);
	entry_put_count(entry, NAME_FIELD_UNITS_IDENTICAL, plan->units_identical);
	entry_put_count(entry, NAME_FIELD_UNITS_BLANK, plan->units_blank);
	entry_put_count(entry, NAME_FIELD_UNITS_ERASED, plan->units_erased);
	entry_put_count(entry, NAME_FIELD_BYTES_WRITTEN, plan->bytes_written);
}

/* True when stderr ends in the journal anyway (systemd.exec(5), $JOURNAL_STREAM): a plain line
 * there would be a second entry. */
static bool stderr_is_journal(void)
{
	uintmax_t device, inode;
	struct stat status;
	const char *stream = getenv("JOURNAL_STREAM");
	return stream && sscanf(stream, "%ju:%ju", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device &&
	       status.st_ino == inode;
}

static void send_entry(int priority, const char *message_id, const struct journal_fields *fields,
	const char *message)
{
	_cleanup_(entry_done) struct entry entry = { 0 };
	char level[2] = { (char)('0' + priority), '\0' };
	entry_put(&entry, "MESSAGE", message);
	entry_put(&entry, "PRIORITY", level);
	entry_put(&entry, "SYSLOG_IDENTIFIER", "plugflashd");
	entry_put(&entry, "MESSAGE_ID", message_id);
	if (fields) {
		entry_put_number(&entry, NAME_FIELD_JOB, fields->job);
		entry_put(&entry, NAME_FIELD_PLACE, fields->place);
		entry_put(&entry, NAME_FIELD_MODE, fields->mode);
		entry_put(&entry, NAME_FIELD_BOARD, fields->board);
		entry_put(&entry, NAME_FIELD_BOARD_ID, fields->board_id);
		entry_put(&entry, NAME_FIELD_RULE, fields->rule);
		entry_put(&entry, NAME_FIELD_IMAGE, fields->image);
		entry_put(&entry, NAME_FIELD_IMAGE_SHA256, fields->image_sha256);
		entry_put(&entry, NAME_FIELD_OUTCOME, fields->outcome);
		entry_put(&entry, NAME_FIELD_REASON, fields->reason);
		entry_put(&entry, NAME_FIELD_VERIFY, fields->verify);
		entry_put(&entry, NAME_FIELD_APPLICATION, fields->application);
		entry_put(&entry, NAME_FIELD_EXAMPLE, fields->example);
		entry_put(&entry, NAME_FIELD_CHIP_FROM, fields->chip_from);
		entry_put_number(&entry, NAME_FIELD_DURATION_USEC, fields->duration_usec);
		if (fields->plan)
			entry_put_plan(&entry, fields->plan);
	}
	sd_journal_sendv(entry.items, entry.count);
}

void journal_say(int priority, const char *message_id, const struct journal_fields *fields,
	const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	_cleanup_(freep) char *message = text_format_list(format, arguments);
	va_end(arguments);
	const char *text = message ? message : format;
	if (!stderr_is_journal())
		fprintf(stderr, "plugflashd: %s\n", text);
	else
		send_entry(priority, message_id, fields, text);
}
