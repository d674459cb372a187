/* SPDX-License-Identifier: MIT */
/* Stories about a question to klippy, with a host that answers as it is told. Both live in one
 * event loop; silence is a twentieth of a second here. */
#include "unit/expect.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/clock.h"
#include "daemon/klippy.h"
#include "model/klippy_status.h"

#define SILENCE_USEC (USEC_PER_SEC / 20)

#define INFO         "{\"id\":1,\"result\":{\"state\":\"ready\"}}\x03"
#define STATUS(text) "{\"id\":2,\"result\":{\"status\":{" text "}}}\x03"
#define PRINTING     STATUS("\"print_stats\":{\"state\":\"printing\",\"filename\":\"benchy.gcode\"}")
#define PAUSED       STATUS("\"print_stats\":{\"state\":\"paused\",\"filename\":\"benchy.gcode\"}")
#define IDLE         STATUS("\"print_stats\":{\"state\":\"standby\",\"filename\":\"\"}")

struct scene {
	sd_event *event;
	char directory[64];
	char path[96];

	/* The host. */
	int listener;
	int client; /* whoever has come */
	sd_event_source *door;
	sd_event_source *ear;
	sd_event_source *mouth;
	char heard[1024];
	size_t heard_length;
	const char *reply; /* NULL: none */
	size_t left; /* of it */
	size_t piece; /* so many bytes at a time */
	bool hangs_up; /* behind the reply */

	/* The answer. */
	struct klippy_question *question;
	unsigned answers;
	enum print_state state;
	char *sentence;
};

/* ---- the host ---------------------------------------------------------------------------- */

static int on_writable(sd_event_source *source, int socket, uint32_t events, void *context)
{
	(void)source, (void)events;
	struct scene *scene = context;
	size_t piece = scene->piece < scene->left ? scene->piece : scene->left;
	ssize_t sent = send(socket, scene->reply, piece, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0 && errno == EAGAIN)
		return 0;
	scene->left -= sent < 0 ? 0 : (size_t)sent;
	scene->reply += sent < 0 ? 0 : sent;
	if (sent >= 0 && scene->left > 0)
		return 0;
	scene->mouth = sd_event_source_disable_unref(scene->mouth);
	if (scene->hangs_up)
		scene->client = safe_close(scene->client);
	return 0;
}

static int on_question(sd_event_source *source, int socket, uint32_t events, void *context)
{
	(void)source, (void)events;
	struct scene *scene = context;
	ssize_t count = recv(socket, scene->heard + scene->heard_length,
		sizeof(scene->heard) - 1 - scene->heard_length, 0);
	if (count <= 0) {
		scene->ear = sd_event_source_disable_unref(scene->ear);
		return 0;
	}
	scene->heard_length += (size_t)count;
	if (scene->heard_length < strlen(KLIPPY_QUESTIONS) || !scene->reply)
		return 0;
	scene->ear = sd_event_source_disable_unref(scene->ear);
	assert_true(sd_event_add_io(scene->event, &scene->mouth, socket, EPOLLOUT, on_writable,
			    scene) >= 0);
	return 0;
}

static int on_client(sd_event_source *source, int listener, uint32_t events, void *context)
{
	(void)source, (void)events;
	struct scene *scene = context;
	scene->client = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	assert_true(scene->client >= 0);
	assert_true(sd_event_add_io(scene->event, &scene->ear, scene->client, EPOLLIN, on_question,
			    scene) >= 0);
	return 0;
}

static void listen_there(struct scene *scene, int type, int backlog)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	strcpy(address.sun_path, scene->path);
	scene->listener = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(scene->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(scene->listener, backlog), 0);
}

/* From now on somebody listens, and says this when he is asked. */
static void host_says(struct scene *scene, const char *reply)
{
	listen_there(scene, SOCK_STREAM, 8);
	scene->reply = reply;
	scene->left = reply ? strlen(reply) : 0;
	assert_true(sd_event_add_io(scene->event, &scene->door, scene->listener, EPOLLIN, on_client,
			    scene) >= 0);
}

/* ---- the scene --------------------------------------------------------------------------- */

static int scene_new(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	strcpy(scene->directory, "/tmp/plugflash-klippy-XXXXXX");
	if (sd_event_new(&scene->event) < 0 || !mkdtemp(scene->directory))
		return -1;
	snprintf(scene->path, sizeof(scene->path), "%s/klippy.sock", scene->directory);
	scene->listener = scene->client = -1;
	scene->piece = 4096;
	*state = scene;
	return 0;
}

static int scene_free(void **state)
{
	struct scene *scene = *state;
	klippy_forget(scene->question);
	sd_event_source_disable_unref(scene->door);
	sd_event_source_disable_unref(scene->ear);
	sd_event_source_disable_unref(scene->mouth);
	safe_close(scene->listener);
	safe_close(scene->client);
	sd_event_unref(scene->event);
	unlink(scene->path);
	int r = rmdir(scene->directory);
	free(scene->sentence);
	free(scene);
	return r;
}

static void on_answer(void *context, enum print_state state, const char *sentence)
{
	struct scene *scene = context;
	scene->answers++;
	scene->state = state;
	free(scene->sentence);
	scene->sentence = strdup(sentence);
	scene->question = klippy_forget(scene->question);
}

static void ask(struct scene *scene)
{
	const struct klippy_peer peer = {
		.printer = "voron", .socket = scene->path, .silence_usec = SILENCE_USEC
	};
	assert_int_equal(klippy_ask(scene->event, &peer, on_answer, scene, &scene->question), 0);
	assert_int_equal(scene->answers, 0);
}

static void answered(struct scene *scene, enum print_state state, const char *words)
{
	if (!scene->question && scene->answers == 0)
		ask(scene);
	while (scene->answers == 0)
		assert_true(sd_event_run(scene->event, 10 * USEC_PER_SEC) > 0);
	assert_string_equal(print_state_name(scene->state), print_state_name(state));
	assert_true(text_is_plain(scene->sentence));
	if (!strstr(scene->sentence, words) || !strstr(scene->sentence, "printer \"voron\""))
		fail_msg("\"%s\" is not in: %s", words, scene->sentence);
	while (sd_event_run(scene->event, 0) > 0)
		;
	assert_int_equal(scene->answers, 1);
}

/* ---- what a host answers ----------------------------------------------------------------- */

static void only_what_is_documented_is_asked(void **state)
{
	struct scene *scene = *state;
	host_says(scene, INFO IDLE);
	answered(scene, PRINT_IDLE, "is idle");
	assert_string_equal(scene->heard, KLIPPY_QUESTIONS);
	assert_string_equal(scene->heard,
		"{\"id\":1,\"method\":\"info\"}\x03"
		"{\"id\":2,\"method\":\"objects/query\",\"params\":{\"objects\":{\"webhooks\":null,"
		"\"print_stats\":[\"state\",\"filename\"],\"idle_timeout\":[\"state\"],"
		"\"virtual_sdcard\":[\"is_active\"]}}}\x03");
}

static void a_print_is_told_by_its_name(void **state)
{
	host_says(*state, INFO PRINTING);
	answered(*state, PRINT_PRINTING, "prints \"benchy.gcode\": wait until it has ended");
}

static void a_pause_is_a_print(void **state)
{
	host_says(*state, INFO PAUSED);
	answered(*state, PRINT_PAUSED, "has paused in \"benchy.gcode\"");
}

static void answers_come_in_any_order(void **state)
{
	host_says(*state, IDLE INFO);
	answered(*state, PRINT_IDLE, "is idle");
}

static void who_starts_is_waited_for(void **state)
{
	host_says(*state, "{\"id\":1,\"result\":{\"state\":\"startup\"}}\x03" STATUS(""));
	answered(*state, PRINT_UNKNOWN, "is still starting: wait until it is ready");
}

static void who_is_shut_down_prints_nothing(void **state)
{
	host_says(*state, "{\"id\":1,\"result\":{\"state\":\"shutdown\"}}\x03" STATUS(""));
	answered(*state, PRINT_IDLE, "is shut down");
}

static void what_others_are_told_is_passed_over(void **state)
{
	host_says(*state, "{\"method\":\"notify\",\"params\":{}}\x03" INFO
			  "{\"id\":9,\"result\":{}}\x03" PRINTING);
	answered(*state, PRINT_PRINTING, "prints");
}

static void a_byte_at_a_time_is_an_answer_too(void **state)
{
	struct scene *scene = *state;
	scene->piece = 1;
	host_says(scene, INFO PRINTING);
	answered(scene, PRINT_PRINTING, "prints \"benchy.gcode\"");
}

/* ---- what is no answer ------------------------------------------------------------------- */

static void silence_is_unknown(void **state)
{
	host_says(*state, NULL);
	answered(*state, PRINT_UNKNOWN, "gives no answer: Klipper hangs or is very busy");
}

static void half_an_answer_is_unknown(void **state)
{
	host_says(*state,
		INFO "{\"id\":2,\"result\":{\"status\":{\"print_stats\":{\"state\":\"stand");
	answered(*state, PRINT_UNKNOWN, "gives no answer");
}

static void one_answer_of_two_is_unknown(void **state)
{
	host_says(*state, INFO);
	answered(*state, PRINT_UNKNOWN, "gives no answer");
}

static void who_hangs_up_is_unknown(void **state)
{
	struct scene *scene = *state;
	scene->hangs_up = true;
	host_says(scene, INFO "{\"id\":2,");
	answered(scene, PRINT_UNKNOWN, "was closed before it had answered: Klipper was stopped");
}

static void garbage_is_unknown(void **state)
{
	host_says(*state, "HTTP/1.1 400 Bad Request\r\n\r\n\x03");
	answered(*state, PRINT_UNKNOWN,
		"speaks another language than Klipper's API: correct socket");
}

static void a_reply_without_an_end_has_a_bound(void **state)
{
	struct scene *scene = *state;
	_cleanup_(freep) char *endless = malloc((1 << 20) + 1);
	memset(endless, ' ', 1 << 20);
	endless[1 << 20] = '\0';
	host_says(scene, endless);
	answered(scene, PRINT_UNKNOWN, "speaks another language");
	assert_in_range(scene->left, 512 << 10, 1 << 20);
}

/* Each word ends the silence, and still there is an end to it. */
static void who_talks_for_ever_without_an_answer_is_unknown(void **state)
{
	struct scene *scene = *state;
	_cleanup_(freep) char *talk = malloc((64 << 20) + 1);
	for (size_t i = 0; i < 64 << 20; i += 4)
		memcpy(talk + i, "{ }\x03", 4);
	talk[64 << 20] = '\0';
	scene->piece = 4;
	host_says(scene, talk);
	uint64_t began_usec = clock_usec(CLOCK_MONOTONIC);
	answered(scene, PRINT_UNKNOWN, "gives no answer");
	uint64_t took_usec = clock_usec(CLOCK_MONOTONIC) - began_usec;
	assert_in_range(took_usec, KLIPPY_SILENCES * SILENCE_USEC, 100 * SILENCE_USEC);
}

/* ---- nobody there ------------------------------------------------------------------------ */

static void a_socket_that_nobody_listens_on_is_a_klipper_that_does_not_run(void **state)
{
	struct scene *scene = *state;
	listen_there(scene, SOCK_STREAM, 8);
	scene->listener = safe_close(scene->listener);
	answered(scene, PRINT_ABSENT, "Klipper of printer \"voron\" is not running");
}

static void no_socket_is_unknown(void **state)
{
	answered(*state, PRINT_UNKNOWN, "klippy.sock is not there: is Klipper started with -a");
}

/* The kernel refuses a connection to it with the same words. */
static void a_file_in_its_place_is_unknown(void **state)
{
	struct scene *scene = *state;
	safe_close(open(scene->path, O_CREAT | O_CLOEXEC | O_WRONLY, 0644));
	answered(scene, PRINT_UNKNOWN, "is no socket: correct socket in printers");
}

/* A socket that was bound as a file, and was made anew since: nobody listens on it, and Klipper may
 * be printing. */
static void a_socket_that_was_made_anew_elsewhere_is_unknown(void **state)
{
	struct scene *scene = *state;
	listen_there(scene, SOCK_STREAM, 8);
	_cleanup_(closep) int old = open(scene->path, O_PATH | O_CLOEXEC);
	assert_true(old >= 0);
	unlink(scene->path);
	scene->listener = safe_close(scene->listener);
	snprintf(scene->path, sizeof(scene->path), "/proc/self/fd/%d", old);
	answered(scene, PRINT_UNKNOWN, "is the socket of a Klipper that is gone");
}

static void a_socket_of_another_kind_is_unknown(void **state)
{
	listen_there(*state, SOCK_DGRAM, 0);
	answered(*state, PRINT_UNKNOWN, "plugflash/dropins");
}

static void a_closed_door_is_told_with_the_key(void **state)
{
	struct scene *scene = *state;
	host_says(scene, INFO IDLE);
	assert_int_equal(chmod(scene->path, 0), 0);
	assert_int_equal(chmod(scene->directory, 0755), 0);
	bool is_root = geteuid() == 0;
	if (is_root)
		assert_int_equal(seteuid(65534), 0);
	ask(scene);
	if (is_root)
		assert_int_equal(seteuid(0), 0);
	answered(scene, PRINT_UNKNOWN, "lets nobody in: give Klipper's service UMask=0007");
}

static void a_full_queue_is_unknown_at_once(void **state)
{
	struct scene *scene = *state;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	strcpy(address.sun_path, scene->path);
	listen_there(scene, SOCK_STREAM, 0);
	_cleanup_(closep) int first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(first, (struct sockaddr *)&address, sizeof(address)), 0);
	answered(scene, PRINT_UNKNOWN, "takes no more connections: Klipper hangs");
}

/* ---- no longer asked --------------------------------------------------------------------- */

static void a_forgotten_question_is_not_answered(void **state)
{
	struct scene *scene = *state;
	host_says(scene, INFO IDLE);
	ask(scene);
	scene->question = klippy_forget(scene->question);
	while (sd_event_run(scene->event, 2 * SILENCE_USEC) > 0)
		;
	assert_int_equal(scene->answers, 0);
	assert_null(klippy_forget(NULL));
}

static void one_that_could_not_even_be_asked_can_be_forgotten(void **state)
{
	struct scene *scene = *state;
	ask(scene);
	scene->question = klippy_forget(scene->question);
	while (sd_event_run(scene->event, 0) > 0)
		;
	assert_int_equal(scene->answers, 0);
}

#define STORY(function) cmocka_unit_test_setup_teardown(function, scene_new, scene_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(only_what_is_documented_is_asked),
		STORY(a_print_is_told_by_its_name),
		STORY(a_pause_is_a_print),
		STORY(answers_come_in_any_order),
		STORY(who_starts_is_waited_for),
		STORY(who_is_shut_down_prints_nothing),
		STORY(what_others_are_told_is_passed_over),
		STORY(a_byte_at_a_time_is_an_answer_too),
		STORY(silence_is_unknown),
		STORY(half_an_answer_is_unknown),
		STORY(one_answer_of_two_is_unknown),
		STORY(who_hangs_up_is_unknown),
		STORY(garbage_is_unknown),
		STORY(a_reply_without_an_end_has_a_bound),
		STORY(who_talks_for_ever_without_an_answer_is_unknown),
		STORY(a_socket_that_nobody_listens_on_is_a_klipper_that_does_not_run),
		STORY(no_socket_is_unknown),
		STORY(a_file_in_its_place_is_unknown),
		STORY(a_socket_that_was_made_anew_elsewhere_is_unknown),
		STORY(a_socket_of_another_kind_is_unknown),
		STORY(a_closed_door_is_told_with_the_key),
		STORY(a_full_queue_is_unknown_at_once),
		STORY(a_forgotten_question_is_not_answered),
		STORY(one_that_could_not_even_be_asked_can_be_forgotten),
	};
	return cmocka_run_group_tests_name("klippy", tests, NULL, NULL);
}
