/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as one of the short texts that come from outside: serials and names that a device says,
 * words and numbers in a policy or on the command line. What is accepted must say the same when it
 * is written again; what is shown must be harmless.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "model/board.h"
#include "model/enrolment.h"
#include "model/passport.h"
#include "model/policy.h"
#include "model/serial.h"
#include "model/transport.h"
#include "model/version.h"

#define TEN_YEARS_USEC (3660ull * 24 * 3600 * 1000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

static void must(bool truth)
{
	if (!truth)
		abort();
}

static void show(const char *text)
{
	_cleanup_(freep) char *escaped = text_escape(text);
	must(escaped && text_is_plain(escaped));
	must(strlen(escaped) >= strlen(text));
	/* Nothing to escape: not changed. */
	must(!text_is_plain(text) || strchr(text, '\\') || strcmp(escaped, text) == 0);
	for (size_t capacity = 1; capacity < 24; capacity++) {
		char plain[24];
		text_copy_plain(plain, capacity, text);
		must(strlen(plain) < capacity && text_is_plain(plain));
	}
}

static void take_for_numbers(const char *text)
{
	uint16_t vid = 0, pid = 0;
	uint64_t usec = 0;
	if (text_parse_vid_pid(text, &vid, &pid) == 0) {
		char again[10];
		snprintf(again, sizeof(again), "%04x:%04x", vid, pid);
		must(strcasecmp(again, text) == 0);
	}
	if (text_parse_span(text, &usec) == 0)
		must(isdigit((unsigned char)text[0]) && usec > 0 && usec <= TEN_YEARS_USEC);
}

static void take_for_names(const char *text)
{
	int chip = chip_from_name(text), mode = mode_from_name(text);
	must(chip < 0 || (chip != CHIP_UNKNOWN && text_equal(chip_name(chip), text)));
	must(mode < 0 || (mode != MODE_NONE && text_equal(mode_name(mode), text)));
	if (board_id_is_valid(text)) {
		must(strlen(text) < BOARD_ID_TEXT && strlen(text) % 2 == 0);
		for (const char *digit = text; *digit; digit++)
			must(isxdigit((unsigned char)*digit) && !islower((unsigned char)*digit));
	}
	char uuid[CAN_UUID_TEXT];
	bool is_id = serial_is_chip_id(text);
	must(!is_id || !serial_is_shared(text));
	must(can_uuid_from_serial(text, uuid) == is_id);
	must(!is_id || can_uuid_is_valid(uuid));
	must(!enrolment_name_is_valid(text) || (!strchr(text, '/') && text_is_plain(text)));
	int provenance = provenance_from_name(text), tie = tie_kind_from_name(text);
	must(provenance < 0 || text_equal(provenance_name((enum provenance)provenance), text));
	must(tie < 0 || text_equal(tie_kind_name((enum tie_kind)tie), text));
	int transport = transport_from_name(text);
	must(transport < 0 || text_equal(transport_name((enum transport)transport), text));
	const char *mcu = chip_name(chip_from_mcu(text));
	must(chip_from_mcu(text) == CHIP_UNKNOWN || strncmp(text, mcu, strlen(mcu)) == 0);
	must(chip < 0 || chip_from_mcu(text) == (enum chip)chip);
}

/* Two versions, one a line: which is the older one does not hang on who asks. */
static void take_for_versions(const char *text)
{
	const char *end = strchr(text, '\n');
	_cleanup_(freep) char *left = end ? strndup(text, (size_t)(end - text)) : strdup(text);
	must(left);
	const char *right = end ? end + 1 : "v0.13.0-420-g0a1b2c3d4";
	enum version_order there = version_compare(left, right),
			   back = version_compare(right, left);
	must(version_compare(left, left) == (*left ? VERSION_SAME : VERSION_UNORDERED));
	must((there == VERSION_SAME) == (*left && strcmp(left, right) == 0));
	must((there == VERSION_OLDER) == (back == VERSION_NEWER));
	must((there == VERSION_NEWER) == (back == VERSION_OLDER));
	/* What is ordered differs in numbers only: both begin with the same words. */
	size_t words = strcspn(left, "0123456789");
	must(there == VERSION_UNORDERED || there == VERSION_SAME ||
		(words == strcspn(right, "0123456789") && memcmp(left, right, words) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	_cleanup_(freep) char *text = malloc(length + 1);
	must(text);
	if (length > 0)
		memcpy(text, data, length);
	text[length] = 0;
	show(text);
	take_for_numbers(text);
	take_for_names(text);
	take_for_versions(text);
	return 0;
}
