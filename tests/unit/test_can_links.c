/* SPDX-License-Identifier: MIT */
/* Which CAN interfaces there are, by what the kernel says of them. */
#include "unit/expect.h"

#include <errno.h>

#include "daemon/can_links.h"
#include "unit/link_words.h"

struct scene {
	sd_event *event;
	struct can_links *links;
	unsigned times_up;
	char last_up[CAN_NAME_TEXT];
	bool was_present;
};

static void on_up(void *context, const char *interface, bool was_present)
{
	struct scene *scene = context;
	scene->times_up++;
	text_copy_plain(scene->last_up, sizeof(scene->last_up), interface);
	scene->was_present = was_present;
}

/* The event loop does not run: all that is heard is what the story says. */
static int scene_new(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	const struct can_links_calls calls = { .on_up = on_up, .context = scene };
	*state = scene;
	return sd_event_new(&scene->event) < 0 ||
			       can_links_new(scene->event, &calls, &scene->links) < 0
		       ? -1
		       : 0;
}

static int scene_free(void **state)
{
	struct scene *scene = *state;
	can_links_free(scene->links);
	sd_event_unref(scene->event);
	free(scene);
	return 0;
}

static void hear(struct scene *scene, const struct link_words *words)
{
	assert_int_equal(can_links_hear(scene->links, words->bytes, words->length), 0);
}

static void hear_of(struct scene *scene, int index, const char *name, bool is_up)
{
	struct link_words words = { .length = 0 };
	link_words_can(&words, index, name, is_up);
	hear(scene, &words);
}

static void hear_the_end(struct scene *scene)
{
	struct link_words words = { .length = 0 };
	link_words_end(&words);
	hear(scene, &words);
}

/* ---- what is there ------------------------------------------------------------------------ */

static void only_can_interfaces_are_known(void **state)
{
	struct scene *scene = *state;
	struct link_words words = { .length = 0 };
	link_words_say(&words, RTM_NEWLINK, ARPHRD_LOOPBACK, 1, "lo", true);
	link_words_say(&words, RTM_NEWLINK, ARPHRD_ETHER, 2, "eth0", true);
	link_words_can(&words, 3, "can0", true);
	link_words_can(&words, 4, "can1", false);
	link_words_end(&words);
	hear(scene, &words);
	assert_int_equal(can_links_count(scene->links), 2);
	assert_true(can_links_find(scene->links, "can0")->is_up);
	assert_false(can_links_find(scene->links, "can1")->is_up);
	assert_null(can_links_find(scene->links, "eth0"));
}

static void what_was_up_before_us_is_told_as_such(void **state)
{
	struct scene *scene = *state;
	hear_of(scene, 3, "can0", true);
	assert_int_equal(scene->times_up, 1);
	assert_true(scene->was_present);
	hear_the_end(scene);
	hear_of(scene, 4, "can1", true);
	assert_int_equal(scene->times_up, 2);
	assert_string_equal(scene->last_up, "can1");
	assert_false(scene->was_present);
}

static void coming_up_is_told_once_and_each_time(void **state)
{
	struct scene *scene = *state;
	hear_the_end(scene);
	hear_of(scene, 3, "can0", false);
	assert_int_equal(scene->times_up, 0);
	hear_of(scene, 3, "can0", true);
	hear_of(scene, 3, "can0", true); /* news of something else, as its carrier */
	assert_int_equal(scene->times_up, 1);
	hear_of(scene, 3, "can0", false);
	hear_of(scene, 3, "can0", true);
	assert_int_equal(scene->times_up, 2);
}

static void an_interface_that_leaves_is_forgotten(void **state)
{
	struct scene *scene = *state;
	struct link_words words = { .length = 0 };
	hear_of(scene, 3, "can0", true);
	link_words_say(&words, RTM_DELLINK, ARPHRD_CAN, 3, "can0", false);
	hear(scene, &words);
	assert_int_equal(can_links_count(scene->links), 0);
	hear_of(scene, 5, "can0", true); /* an adapter that is back has another number */
	assert_int_equal(scene->times_up, 2);
}

static void another_name_is_no_other_interface(void **state)
{
	struct scene *scene = *state;
	hear_of(scene, 3, "can0", true);
	hear_of(scene, 3, "tool", true);
	assert_int_equal(scene->times_up, 1);
	assert_int_equal(can_links_count(scene->links), 1);
	assert_non_null(can_links_find(scene->links, "tool"));
}

/* ---- what makes no sense ------------------------------------------------------------------ */

static void a_name_that_no_path_could_hold_is_none(void **state)
{
	struct scene *scene = *state;
	hear_of(scene, 3, "../can0", true);
	hear_of(scene, 4, "a-name-far-too-long", true);
	hear_of(scene, 5, "", true);
	assert_int_equal(can_links_count(scene->links), 0);
}

static void words_that_break_off_are_not_believed(void **state)
{
	struct scene *scene = *state;
	struct link_words words = { .length = 0 };
	link_words_can(&words, 3, "can0", true);
	for (size_t length = 1; length < words.length; length++) {
		assert_int_equal(can_links_hear(scene->links, words.bytes, length), -EBADMSG);
		assert_int_equal(can_links_count(scene->links), 0);
	}
	hear(scene, &words);
	assert_int_equal(can_links_count(scene->links), 1);
}

static void an_attribute_longer_than_its_word_ends_it(void **state)
{
	struct scene *scene = *state;
	struct link_words words = { .length = 0 };
	struct rtattr *first;
	link_words_can(&words, 3, "can0", true);
	first = (struct rtattr *)(words.bytes + sizeof(struct nlmsghdr) + sizeof(struct ifinfomsg));
	first->rta_len = 4000;
	hear(scene, &words);
	first->rta_len = 0;
	hear(scene, &words);
	assert_int_equal(can_links_count(scene->links), 0);
}

static void no_more_are_kept_than_any_computer_has(void **state)
{
	struct scene *scene = *state;
	for (int i = 1; i <= 500; i++) {
		char name[CAN_NAME_TEXT];
		snprintf(name, sizeof(name), "can%d", i);
		hear_of(scene, i, name, true);
	}
	assert_int_equal(can_links_count(scene->links), 64);
}

/* The kernel of this computer, whatever it has, answers to the end. */
static void the_kernel_answers(void **state)
{
	struct scene *scene = *state;
	assert_true(sd_event_run(scene->event, 10 * 1000000ull) > 0);
	hear_of(scene, 1 << 20, "can-story", true);
	assert_non_null(can_links_find(scene->links, "can-story"));
	assert_false(scene->was_present);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, scene_new, scene_free)

int main(void)
{
	const struct CMUnitTest stories[] = {
		STORY(only_can_interfaces_are_known),
		STORY(what_was_up_before_us_is_told_as_such),
		STORY(coming_up_is_told_once_and_each_time),
		STORY(an_interface_that_leaves_is_forgotten),
		STORY(another_name_is_no_other_interface),
		STORY(a_name_that_no_path_could_hold_is_none),
		STORY(words_that_break_off_are_not_believed),
		STORY(an_attribute_longer_than_its_word_ends_it),
		STORY(no_more_are_kept_than_any_computer_has),
		STORY(the_kernel_answers),
	};
	return cmocka_run_group_tests(stories, NULL, NULL);
}
