/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as what comes from klippy's socket: no crash, plain text only, and never "idle" before
 * both questions are answered, or beside any sign of a print.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "model/klippy_status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

static void must(bool truth)
{
	if (!truth)
		abort();
}

static void check(const struct klippy_status *status)
{
	enum print_state state = klippy_status_judge(status);
	_cleanup_(freep) char *sentence = klippy_status_sentence(status, "voron");
	must(sentence && text_is_plain(sentence) && text_is_plain(status->file));
	must(memchr(status->file, '\0', sizeof(status->file)));
	must(state < _PRINT_STATE_MAX && state != PRINT_ABSENT);
	must(status->state <= KLIPPY_ERROR && status->motion <= ACTIVITY_STRANGE);
	if (!print_state_is_quiet(state))
		return;
	must(klippy_status_is_whole(status) && !status->is_refused);
	must(status->print <= ACTIVITY_NONE && status->card <= ACTIVITY_NONE);
	must(status->motion <= ACTIVITY_NONE || status->state == KLIPPY_SHUTDOWN ||
		status->state == KLIPPY_ERROR);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	struct klippy_status status = { 0 };
	const uint8_t *end;
	check(&status);
	while ((end = memchr(data, KLIPPY_END, length))) {
		size_t size = (size_t)(end - data);
		int r = klippy_status_take(&status, (const char *)data, size);
		must(r == 0 || r == -EBADMSG);
		check(&status);
		data += size + 1;
		length -= size + 1;
	}
	return 0;
}
