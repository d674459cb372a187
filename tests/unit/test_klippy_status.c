/* SPDX-License-Identifier: MIT */
/* Stories about what klippy answers, and what it means for a board of its printer. */
#include "unit/expect.h"

#include <errno.h>

#include "base/text.h"
#include "model/klippy_status.h"

#define INFO(state)      "{\"id\":1,\"result\":{\"state\":\"" state "\",\"hostname\":\"voron\"}}"
#define OBJECTS(objects) "{\"id\":2,\"result\":{\"eventtime\":31.5,\"status\":{" objects "}}}"
#define HOOKS(state)     "\"webhooks\":{\"state\":\"" state "\",\"state_message\":\"…\"}"
#define PRINT(state)     "\"print_stats\":{\"state\":\"" state "\",\"filename\":\"benchy.gcode\"}"
#define CARD(is_active)  "\"virtual_sdcard\":{\"is_active\":" is_active "}"
#define MOTION(state)    "\"idle_timeout\":{\"state\":\"" state "\"}"

static int take(struct klippy_status *status, const char *message)
{
	return klippy_status_take(status, message, strlen(message));
}

/* Both questions are answered like this: what does it mean, and what is said of it? */
static void means(const char *info, const char *objects, enum print_state state, const char *words)
{
	struct klippy_status status = { 0 };
	assert_false(klippy_status_is_whole(&status));
	assert_int_equal(take(&status, info), 0);
	assert_false(klippy_status_is_whole(&status));
	assert_int_equal(take(&status, objects), 0);
	assert_true(klippy_status_is_whole(&status));
	_cleanup_(freep) char *sentence = klippy_status_sentence(&status, "voron");
	if (klippy_status_judge(&status) != state)
		fail_msg("%s: %s, and %s was expected", objects,
			print_state_name(klippy_status_judge(&status)), print_state_name(state));
	assert_true(text_is_plain(sentence));
	if (!strstr(sentence, words) || !strstr(sentence, "\"voron\""))
		fail_msg("\"%s\" is not in: %s", words, sentence);
}

static void a_print_is_a_print_by_whatever_it_shows(void **unused)
{
	(void)unused;
	means(INFO("ready"),
		OBJECTS(HOOKS("ready") "," PRINT("printing") "," CARD("true") "," MOTION(
			"Printing")),
		PRINT_PRINTING, "prints \"benchy.gcode\": wait until it has ended, or cancel it");
	means(INFO("ready"), OBJECTS(HOOKS("ready") "," CARD("true")), PRINT_PRINTING,
		"prints a file");
	means(INFO("ready"), OBJECTS(PRINT("standby") "," CARD("false") "," MOTION("Printing")),
		PRINT_PRINTING, "moves, heats or runs a macro");
	means(INFO("ready"), OBJECTS(PRINT("paused") "," CARD("false") "," MOTION("Idle")),
		PRINT_PAUSED, "has paused in \"benchy.gcode\": resume it");
}

static void an_idle_printer_is_idle(void **unused)
{
	(void)unused;
	static const char *const ends[] = {
		OBJECTS(PRINT("standby") "," CARD("false") "," MOTION("Ready")),
		OBJECTS(PRINT("complete") "," CARD("false") "," MOTION("Idle")),
		OBJECTS(PRINT("cancelled")),
		OBJECTS(PRINT("error")),
		OBJECTS("\"print_stats\":{\"state\":null,\"filename\":null}," MOTION("Idle")),
		OBJECTS("\"print_stats\":{},\"virtual_sdcard\":{}," MOTION("Ready")),
	};
	for (size_t i = 0; i < ELEMENTSOF(ends); i++)
		means(INFO("ready"), ends[i], PRINT_IDLE, "is idle");
}

static void a_klipper_that_is_down_prints_nothing(void **unused)
{
	(void)unused;
	means(INFO("shutdown"), OBJECTS(HOOKS("shutdown") "," PRINT("standby")), PRINT_IDLE,
		"is shut down");
	means(INFO("error"), OBJECTS(HOOKS("error")), PRINT_IDLE, "could not start");
	/* idle_timeout keeps what it said last */
	means(INFO("shutdown"), OBJECTS(PRINT("error") "," MOTION("Printing")), PRINT_IDLE,
		"is shut down");
	means(INFO("shutdown"), OBJECTS(PRINT("paused") "," MOTION("Printing")), PRINT_PAUSED,
		"FIRMWARE_RESTART");
	means(INFO("shutdown"), OBJECTS(PRINT("printing")), PRINT_PRINTING, "FIRMWARE_RESTART");
}

static void what_is_not_known_is_never_idle(void **unused)
{
	(void)unused;
	means(INFO("startup"), OBJECTS(HOOKS("startup") "," MOTION("Idle")), PRINT_UNKNOWN,
		"still starting");
	means(INFO("ready"), OBJECTS(HOOKS("ready")), PRINT_UNKNOWN, "add [virtual_sdcard]");
	means(INFO("ready"), OBJECTS("\"print_stats\":{},\"virtual_sdcard\":null"), PRINT_UNKNOWN,
		"knows neither");
	means(INFO("ready"), OBJECTS(PRINT("resting") "," MOTION("Idle")), PRINT_UNKNOWN,
		"does not know");
	means(INFO("ready"), OBJECTS(PRINT("standby") "," MOTION("Waiting")), PRINT_UNKNOWN,
		"does not know");
	means(INFO("ready"), OBJECTS(PRINT("standby") "," CARD("0")), PRINT_UNKNOWN, "not know");
	means(INFO("ready"), OBJECTS("\"print_stats\":[]"), PRINT_UNKNOWN, "does not know");
	means(INFO("asleep"), OBJECTS(PRINT("standby")), PRINT_UNKNOWN, "does not know");
	means("{\"id\":1,\"result\":{}}", OBJECTS(PRINT("standby")), PRINT_UNKNOWN, "not know");
}

static void the_later_word_of_its_state_holds(void **unused)
{
	(void)unused;
	means(INFO("ready"), OBJECTS(HOOKS("shutdown")), PRINT_IDLE, "is shut down");
	means(INFO("ready"), OBJECTS(HOOKS("startup") "," MOTION("Idle")), PRINT_UNKNOWN, "start");
	means(INFO("ready"), OBJECTS(HOOKS("new") "," MOTION("Idle")), PRINT_UNKNOWN, "not know");
}

static void an_error_in_place_of_an_answer_is_no_answer(void **unused)
{
	(void)unused;
	static const char refusal[] =
		"{\"id\":2,\"error\":{\"error\":\"WebRequestError\",\"message\":\"no\"}}";
	means(INFO("ready"), refusal, PRINT_UNKNOWN, "would not say");
	means(INFO("shutdown"), refusal, PRINT_UNKNOWN, "would not say");
	means("{\"id\":1,\"error\":{}}", OBJECTS(PRINT("standby")), PRINT_UNKNOWN, "would not say");
	means("{\"id\":1,\"error\":{}}", OBJECTS(PRINT("printing")), PRINT_PRINTING, "prints");
}

static void what_answers_nothing_of_ours_is_passed_over(void **unused)
{
	(void)unused;
	static const char *const others[] = {
		"{\"method\":\"notify\",\"params\":{}}",
		"{\"id\":3,\"result\":{}}",
		"{\"id\":1.5,\"result\":{}}",
		"{\"id\":\"1\",\"result\":7}",
		"{\"id\":null,\"error\":{}}",
		"{}",
	};
	struct klippy_status status = { 0 };
	const struct klippy_status nothing = { 0 };
	for (size_t i = 0; i < ELEMENTSOF(others); i++)
		assert_int_equal(take(&status, others[i]), 0);
	assert_memory_equal(&status, &nothing, sizeof(status));
	assert_int_equal(klippy_status_judge(&status), PRINT_UNKNOWN);
}

static void another_language_is_told(void **unused)
{
	(void)unused;
	static const char *const others[] = {
		"",
		"HTTP/1.1 400 Bad Request",
		"[1]",
		"{\"id\":1",
		"{\"id\":1}",
		"{\"id\":1,\"result\":\"ready\"}",
		"{\"id\":2,\"result\":{}}",
		"{\"id\":2,\"result\":{\"status\":[]}}",
		"{\"a\":[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]}",
		"{\"id\":2,\"result\":{\"status\":{\"print_stats\":{\"filename\":\"a\\u0000\"}}}}",
	};
	for (size_t i = 0; i < ELEMENTSOF(others); i++) {
		struct klippy_status status = { 0 };
		if (take(&status, others[i]) != -EBADMSG)
			fail_msg("taken: %s", others[i]);
		assert_int_equal(status.answered, 0);
	}
}

static void a_message_has_a_bound(void **unused)
{
	(void)unused;
	size_t length = KLIPPY_MESSAGE_MAX + 1;
	_cleanup_(freep) char *blanks = malloc(length);
	struct klippy_status status = { 0 };
	memset(blanks, ' ', length);
	memcpy(blanks, "{}", 2);
	assert_int_equal(klippy_status_take(&status, blanks, length - 1), 0);
	assert_int_equal(klippy_status_take(&status, blanks, length), -EBADMSG);
}

static void the_name_of_a_file_is_foreign_text(void **unused)
{
	(void)unused;
	means(INFO("ready"),
		OBJECTS("\"print_stats\":{\"state\":\"printing\",\"filename\":\"a\\u001b[31mb\"}"),
		PRINT_PRINTING, "\"a?[31mb\"");
	means(INFO("ready"), OBJECTS("\"print_stats\":{\"state\":\"printing\",\"filename\":7}"),
		PRINT_PRINTING, "prints a file");
	char objects[1024] =
		"{\"id\":2,\"result\":{\"status\":{\"print_stats\":{\"state\":\"printing\",\"filename\":\"";
	memset(objects + strlen(objects), 'x', 600);
	strcat(objects, "\"}}}}");
	means(INFO("ready"), objects, PRINT_PRINTING, "xxx\": wait");
}

static void states_have_names_and_two_of_them_are_quiet(void **unused)
{
	(void)unused;
	static const char *const names[] = { "unknown", "absent", "idle", "paused", "printing" };
	for (unsigned state = 0; state < _PRINT_STATE_MAX; state++) {
		assert_string_equal(print_state_name(state), names[state]);
		assert_int_equal(
			print_state_is_quiet(state), state == PRINT_IDLE || state == PRINT_ABSENT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_print_is_a_print_by_whatever_it_shows),
		cmocka_unit_test(an_idle_printer_is_idle),
		cmocka_unit_test(a_klipper_that_is_down_prints_nothing),
		cmocka_unit_test(what_is_not_known_is_never_idle),
		cmocka_unit_test(the_later_word_of_its_state_holds),
		cmocka_unit_test(an_error_in_place_of_an_answer_is_no_answer),
		cmocka_unit_test(what_answers_nothing_of_ours_is_passed_over),
		cmocka_unit_test(another_language_is_told),
		cmocka_unit_test(a_message_has_a_bound),
		cmocka_unit_test(the_name_of_a_file_is_foreign_text),
		cmocka_unit_test(states_have_names_and_two_of_them_are_quiet),
	};
	return cmocka_run_group_tests_name("klippy status", tests, NULL, NULL);
}
