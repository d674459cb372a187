/* SPDX-License-Identifier: MIT */
/*
 * What is in firmware files, and would they fit a board: the same parser and the same judgement as
 * the service's. The service is asked only about a board that is plugged in.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "client/described_board.h"
#include "client/inspection.h"
#include "client/service.h"
#include "client/verb.h"
#include "model/fitness.h"

/* ---- the board --------------------------------------------------------------------------- */

/* Nobody named one: the board that the image itself asks for. Whether there is such a board is not
 * the question then, but whether the image would start on it. */
static struct board_facts board_meant(const struct image *image, const struct image_facts *says)
{
	struct board_facts facts = { .chip = says->chip };
	bool is_rp2 = says->chip == CHIP_RP2040 || says->chip == CHIP_RP2350;
	if (says->chip == CHIP_UNKNOWN || is_rp2 || !image->has_address)
		return facts;
	facts.has_application_start = true;
	facts.application_start = says->link.is_proved ? says->link.base : image_start(image);
	return facts;
}

static char *board_text(const struct board_facts *facts)
{
	const char *article = chip_article(facts->chip), *name = chip_name(facts->chip);
	if (facts->chip == CHIP_LINUX)
		return text_format("the computer itself");
	if (facts->chip == CHIP_UNKNOWN && facts->possible_chips)
		return chip_set_text(facts->possible_chips);
	if (!facts->has_application_start)
		return text_format("%s %s", article, name);
	return text_format("%s %s that starts its application at 0x%08" PRIx32, article, name,
		facts->application_start);
}

static int adopt_present(const char *place, struct board_facts *board, struct problem *problem)
{
	_cleanup_(service_closep) sd_bus *bus = NULL;
	_cleanup_(json_deletep) cJSON *explanation = NULL;
	TRY(service_open(&bus, problem));
	TRY(service_call(bus, "Explain", place, &explanation, problem));
	described_board_adopt(board, explanation);
	return 0;
}

/* ---- the verdict ------------------------------------------------------------------------- */

static int put_reasons(const struct reasons *reasons, cJSON *answer)
{
	TRY(json_put(answer, "fits", cJSON_CreateBool(reasons->count == 0)));
	cJSON *list = cJSON_AddArrayToObject(answer, "reasons");
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < reasons->count; i++) {
		cJSON *reason = cJSON_CreateObject();
		TRY(json_append(list, reason));
		TRY(json_put_text(reason, "code", reason_name(reasons->items[i].code)));
		TRY(json_put_text(reason, "sentence", reasons->items[i].sentence));
	}
	return 0;
}

static int judge_image(const struct image *image, const struct image_facts *says,
	const struct board_facts *named, struct reasons *reasons, cJSON *answer)
{
	struct board_facts facts = named ? *named : board_meant(image, says);
	if (facts.chip == CHIP_UNKNOWN && !named)
		return says->chip_sign == CHIP_SIGN_DICTIONARY
			       ? reasons_add(reasons, REASON_UNSUPPORTED,
					 "the image is for the MCU \"%s\", which plugflash does "
					 "not know",
					 says->klipper.mcu)
			       : reasons_add(reasons, REASON_IMAGE_CHIP_UNKNOWN,
					 "the image does not say which chip it is for%s: name the "
					 "board, as --for chip=stm32f429,base=0x08008000",
					 says->is_for_stm32 ? " (it is for some STM32)" : "");
	_cleanup_(freep) char *board = board_text(&facts);
	if (!board)
		return -ENOMEM;
	TRY(json_put_text(answer, "board", chip_name(facts.chip)));
	TRY(json_put_text(answer, "board_text", board));
	if (facts.flash_size_bytes > 0)
		TRY(json_put(answer, "board_flash_bytes",
			cJSON_CreateNumber((double)facts.flash_size_bytes)));
	return fitness_judge(image, says, &facts, NULL, reasons);
}

/* As the service does it: parse, read what it says, place, judge. */
static int judge_bytes(const uint8_t *data, size_t length, const struct board_facts *board,
	struct reasons *reasons, cJSON *answer)
{
	_cleanup_(image_freep) struct image *image = NULL;
	_cleanup_(image_facts_done) struct image_facts says = { 0 };
	TRY(json_put(answer, "file_bytes", cJSON_CreateNumber((double)length)));
	int r = image_parse(data, length, reasons, &image);
	if (r != 0)
		return r < 0 ? r : 0;
	bool states_address = image->has_address;
	TRY(image_facts_read(image, &says));
	TRY(fitness_place(image, &says, NULL, reasons));
	TRY(inspection_describe(image, &says, states_address, answer));
	return judge_image(image, &says, board, reasons, answer);
}

static int explain_unreadable(int error, const char *path, struct problem *problem)
{
	_cleanup_(freep) char *safe = text_escape(path);
	return problem_set(problem, EXIT_USAGE, "file-unreadable", "%s cannot be read: %s",
		safe ? safe : "the file", error == -EINVAL ? "it is no file" : strerror(-error));
}

static int inspect(
	const char *path, const struct board_facts *board, cJSON *answer, struct problem *problem)
{
	_cleanup_(freep) uint8_t *data = NULL;
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	size_t length;
	TRY(json_put_text(answer, "file", path));
	int r = file_read(path, IMAGE_FILE_MAX, &data, &length);
	if (r == -EFBIG)
		r = reasons_add(&reasons, REASON_IMAGE_TOO_LARGE,
			"the file is larger than any board's flash: is it the right file?");
	else if (r < 0)
		return r == -ENOMEM ? r : explain_unreadable(r, path, problem);
	else
		r = judge_bytes(data, length, board, &reasons, answer);
	return r < 0 ? r : put_reasons(&reasons, answer);
}

/* One file is one object, several are one a line. */
static int inspect_one(struct request *request, const char *path, const struct board_facts *board)
{
	_cleanup_(json_deletep) cJSON *answer = cJSON_CreateObject();
	int r = answer ? inspect(path, board, answer, &request->problem) : -ENOMEM;
	if (r < 0)
		return r;
	if (request->json)
		json_print(request->output->stream, answer, request->argument_count > 1);
	else
		inspection_show(request->output, answer);
	return json_flag(answer, "fits") ? EXIT_YES : EXIT_NO;
}

int verb_inspect(struct request *request)
{
	struct board_facts board = { 0 };
	const char *wanted = request->for_board;
	if (wanted && strchr(wanted, '='))
		TRY(described_board_parse(wanted, &board, &request->problem));
	else if (wanted)
		TRY(adopt_present(wanted, &board, &request->problem));
	int answer = EXIT_YES;
	for (size_t i = 0; i < request->argument_count; i++) {
		int r = inspect_one(request, request->arguments[i], wanted ? &board : NULL);
		/* A file that cannot be read keeps nobody from looking at the others. */
		if (r < 0 || (r == EXIT_NO && answer == EXIT_YES))
			answer = r;
		if (!request->json && i + 1 < request->argument_count)
			fputc('\n', request->output->stream);
	}
	return answer;
}
