/* SPDX-License-Identifier: MIT */
/* Stories about printers that are asked: one for a board that is a part of it, all for a board that
 * may be anybody's. */
#include "unit/expect.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "daemon/neighbour.h"

#define PRINTERS 3

#define INFO "{\"id\":1,\"result\":{\"state\":\"ready\"}}\x03"
#define IS(text) \
	INFO "{\"id\":2,\"result\":{\"status\":{\"print_stats\":{\"state\":\"" text "\"}}}}\x03"

struct host {
	int listener;
	int client;
	sd_event_source *door;
	const char *reply; /* NULL: silent */
};

struct scene {
	sd_event *event;
	char directory[64];
	struct policy *policy;
	struct host hosts[PRINTERS];
	struct neighbour_question *question;
	unsigned answers;
	enum reason_code code;
	char *sentence;
};

/* Says it to whoever comes, before it is asked. */
static int on_client(sd_event_source *source, int listener, uint32_t events, void *context)
{
	(void)source, (void)events;
	struct host *host = context;
	host->client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (host->reply)
		assert_int_equal(send(host->client, host->reply, strlen(host->reply), MSG_NOSIGNAL),
			strlen(host->reply));
	host->door = sd_event_source_disable_unref(host->door);
	return 0;
}

static int scene_new(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	strcpy(scene->directory, "/tmp/plugflash-neighbour-XXXXXX");
	scene->policy = policy_new();
	if (sd_event_new(&scene->event) < 0 || !mkdtemp(scene->directory) || !scene->policy)
		return -1;
	for (size_t i = 0; i < PRINTERS; i++)
		scene->hosts[i].listener = scene->hosts[i].client = -1;
	*state = scene;
	return 0;
}

static int scene_free(void **state)
{
	struct scene *scene = *state;
	neighbour_forget(scene->question);
	for (size_t i = 0; i < PRINTERS; i++) {
		sd_event_source_disable_unref(scene->hosts[i].door);
		safe_close(scene->hosts[i].listener);
		safe_close(scene->hosts[i].client);
	}
	for (size_t i = 0; i < scene->policy->printer_count; i++)
		unlink(scene->policy->printers[i].socket);
	int r = rmdir(scene->directory);
	policy_free(scene->policy);
	sd_event_unref(scene->event);
	free(scene->sentence);
	free(scene);
	return r;
}

/* A printer of the policy, with a host that says this. */
static void given_a_printer(struct scene *scene, const char *name, const char *reply)
{
	struct host *host = &scene->hosts[scene->policy->printer_count];
	struct policy_printer *printer = policy_add_printer(scene->policy);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	printer->name = strdup(name);
	printer->socket = text_format("%s/%s", scene->directory, name);
	strcpy(address.sun_path, printer->socket);
	host->reply = reply;
	host->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(host->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(host->listener, 4), 0);
	assert_true(sd_event_add_io(scene->event, &host->door, host->listener, EPOLLIN, on_client,
			    host) >= 0);
}

static void given_a_board(struct scene *scene, const char *name, const char *printer)
{
	struct policy_board *board = policy_add_board(scene->policy);
	board->name = strdup(name);
	board->printer = printer ? strdup(printer) : NULL;
}

/* The question is forgotten at once, while its sentence is still read. */
static void on_answer(void *context, enum reason_code code, const char *sentence)
{
	struct scene *scene = context;
	scene->question = neighbour_forget(scene->question);
	scene->answers++;
	scene->code = code;
	scene->sentence = strdup(sentence);
}

static void wait_for_answer(struct scene *scene)
{
	assert_int_equal(scene->answers, 0);
	while (scene->answers == 0)
		assert_true(sd_event_run(scene->event, 10 * USEC_PER_SEC) > 0);
	while (sd_event_run(scene->event, 0) > 0)
		;
	assert_int_equal(scene->answers, 1);
}

static void answered(struct scene *scene, enum reason_code code, const char *sentence)
{
	wait_for_answer(scene);
	assert_string_equal(reason_name(scene->code), reason_name(code));
	assert_string_equal(scene->sentence, sentence);
}

static int ask(struct scene *scene, const char *board)
{
	return neighbour_ask(
		scene->event, scene->policy, board, on_answer, scene, &scene->question);
}

static int ask_all(struct scene *scene)
{
	return neighbour_ask_all(scene->event, scene->policy, on_answer, scene, &scene->question);
}

static void the_printer_of_the_board_is_asked_and_no_other(void **state)
{
	struct scene *scene = *state;
	given_a_printer(scene, "ender", IS("printing"));
	given_a_printer(scene, "voron", IS("standby"));
	given_a_board(scene, "eddy", "voron");
	assert_int_equal(ask(scene, "eddy"), 0);
	answered(scene, REASON_NONE, "printer \"voron\" is idle");
	assert_int_equal(scene->hosts[0].client, -1);
}

static void a_board_of_no_printer_has_nobody_to_ask(void **state)
{
	struct scene *scene = *state;
	given_a_printer(scene, "voron", IS("printing"));
	given_a_board(scene, "loose", NULL);
	assert_int_equal(ask(scene, "loose"), NEIGHBOUR_NOBODY);
	assert_int_equal(ask(scene, "unheard-of"), NEIGHBOUR_NOBODY);
	assert_int_equal(ask(scene, NULL), NEIGHBOUR_NOBODY);
	assert_null(scene->question);
}

static void a_policy_without_printers_has_nobody_to_ask(void **state)
{
	assert_int_equal(ask_all(*state), NEIGHBOUR_NOBODY);
}

static void all_must_be_quiet(void **state)
{
	struct scene *scene = *state;
	given_a_printer(scene, "a", IS("standby"));
	given_a_printer(scene, "b", IS("complete"));
	given_a_printer(scene, "c", IS("error"));
	assert_int_equal(ask_all(scene), 0);
	wait_for_answer(scene);
	assert_string_equal(reason_name(scene->code), "none");
	for (size_t i = 0; i < PRINTERS; i++) {
		_cleanup_(freep) char *part = text_format("printer \"%c\" is idle", "abc"[i]);
		assert_non_null(strstr(scene->sentence, part));
	}
}

/* And who says nothing need not be waited for. */
static void one_that_prints_is_enough(void **state)
{
	struct scene *scene = *state;
	given_a_printer(scene, "a", IS("standby"));
	given_a_printer(scene, "b", NULL);
	given_a_printer(scene, "c", IS("paused"));
	assert_int_equal(ask_all(scene), 0);
	answered(scene, REASON_PRINTING,
		"printer \"c\" has paused in a file: resume it and wait until it has ended, or "
		"cancel it");
}

static void one_that_nobody_understands_is_enough(void **state)
{
	struct scene *scene = *state;
	given_a_printer(scene, "a", IS("dreaming"));
	given_a_printer(scene, "b", IS("standby"));
	assert_int_equal(ask_all(scene), 0);
	answered(scene, REASON_PRINT_UNKNOWN,
		"Klipper of printer \"a\" says of its print what plugflash does not know: stop "
		"klipper.service while boards are written");
}

static void the_policy_may_be_gone_before_the_answer(void **state)
{
	struct scene *scene = *state;
	given_a_printer(scene, "voron", IS("standby"));
	assert_int_equal(ask_all(scene), 0);
	unlink(scene->policy->printers[0].socket);
	policy_free(scene->policy);
	scene->policy = policy_new();
	answered(scene, REASON_NONE, "printer \"voron\" is idle");
}

#define STORY(function) cmocka_unit_test_setup_teardown(function, scene_new, scene_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(the_printer_of_the_board_is_asked_and_no_other),
		STORY(a_board_of_no_printer_has_nobody_to_ask),
		STORY(a_policy_without_printers_has_nobody_to_ask),
		STORY(all_must_be_quiet),
		STORY(one_that_prints_is_enough),
		STORY(one_that_nobody_understands_is_enough),
		STORY(the_policy_may_be_gone_before_the_answer),
	};
	return cmocka_run_group_tests_name("neighbour", tests, NULL, NULL);
}
