/* SPDX-License-Identifier: MIT */
/* Boards on CAN buses as the mind has them: what a policy says of them, which rule means which
 * node, and in which order their jobs go. */
#include "unit/expect.h"

#include <errno.h>

#include "daemon/can_names.h"
#include "daemon/queue.h"
#include "daemon/rulebook.h"
#include "model/policy.h"

#define UUID   "154aab036e6a"
#define SERIAL "3D0052001450425539383920" /* whose uuid that is */

#define RULES                                                                \
	"rules = ({ name = \"toolhead\"; match = { board = \"toolhead\"; };" \
	" flash = { image = \"k.bin\"; enter_bootloader = true; }; },"       \
	" { name = \"all\"; match = { }; flash = { image = \"x.bin\"; }; });"

static struct policy *parse(const char *text, struct reasons *errors)
{
	_cleanup_(policy_freep) struct policy *policy = policy_new();
	_cleanup_(reasons_done) struct reasons warnings = { 0 };
	assert_int_equal(rulebook_parse("a.conf", text, policy, errors, &warnings), 0);
	assert_int_equal(rulebook_check(policy, errors), 0);
	return TAKE_PTR(policy);
}

static struct policy *accepted(const char *text)
{
	_cleanup_(reasons_done) struct reasons errors = { 0 };
	struct policy *policy = parse(text, &errors);
	if (errors.count > 0)
		fail_msg("%s", errors.items[0].sentence);
	return policy;
}

static void expect_complaint(const char *text, const char *words)
{
	_cleanup_(reasons_done) struct reasons errors = { 0 };
	_cleanup_(policy_freep) struct policy *policy = parse(text, &errors);
	(void)policy;
	assert_true(errors.count > 0);
	if (!strstr(errors.items[0].sentence, words))
		fail_msg("no \"%s\" in: %s", words, errors.items[0].sentence);
}

/* ---- what a policy says ------------------------------------------------------------------- */

static void a_policy_knows_buses_and_who_is_on_them(void **state)
{
	(void)state;
	_cleanup_(policy_freep) struct policy *policy = accepted(
		"buses = ({ interface = \"can0\"; bitrate = 500000; setup = true; sample_point = 0.8;"
		" restart_ms = 100; txqueuelen = 128; });"
		"boards = ({ name = \"toolhead\"; can_uuid = \"" UUID "\"; bus = \"can0\"; });");
	assert_int_equal(policy_bus(policy, "can0")->setting.bitrate, 500000);
	assert_int_equal(policy_bus(policy, "can0")->setting.sample_point_permille, 800);
	assert_int_equal(policy_bus(policy, "can0")->setting.restart_msec, 100);
	assert_int_equal(policy_bus(policy, "can0")->setting.queue_length, 128);
	assert_true(policy_bus(policy, "can0")->setting.setup);
	assert_null(policy_bus(policy, "can1"));
	assert_string_equal(policy_board(policy, "toolhead")->bus, "can0");
}

static void what_is_wrong_with_a_bus_is_said(void **state)
{
	(void)state;
	expect_complaint("buses = ({ bitrate = 1000000; });", "interface = \"can0\"");
	expect_complaint("buses = ({ interface = \"can 0\"; });", "name of an interface");
	expect_complaint("buses = ({ interface = \"can0\"; bitrate = 5; });", "bitrate");
	expect_complaint("buses = ({ interface = \"can0\"; setup = true; });", "has no bitrate");
	expect_complaint(
		"buses = ({ interface = \"can0\"; sample_point = 2.0; });", "sample_point wants");
	expect_complaint("rules = ({ name = \"a\"; match = { }; flash = { image = \"x\"; "
			 "on_update = true; }; });",
		"names no board");
	expect_complaint("buses = ({ interface = \"can0\"; }, { interface = \"can0\"; });",
		"exists already");
	expect_complaint("boards = ({ name = \"toolhead\"; bus = \"can0\"; });", "can_uuid");
}

/* ---- which rule means which node ---------------------------------------------------------- */

static enum verdict decide(const char *boards, const char *can, const char *uuid, const char **ret)
{
	_cleanup_(freep) char *text = text_format("%s" RULES, boards);
	_cleanup_(policy_freep) struct policy *policy = accepted(text);
	_cleanup_(device_freep) struct device *node = device_new_node(can, uuid, MODE_KATAPULT);
	const struct policy_rule *rule;
	enum verdict verdict = policy_decide(policy, node, NULL, &rule);
	*ret = rule ? "toolhead" : NULL;
	assert_true(!rule || text_equal(rule->name, "toolhead"));
	return verdict;
}

static void only_a_rule_that_names_it_means_a_node(void **state)
{
	(void)state;
	static const char by_uuid[] =
		"boards = ({ name = \"toolhead\"; can_uuid = \"" UUID "\"; });";
	static const char by_serial[] =
		"boards = ({ name = \"toolhead\"; serial = \"" SERIAL "\"; });";
	static const char on_can1[] =
		"boards = ({ name = \"toolhead\"; can_uuid = \"" UUID "\"; bus = \"can1\"; });";
	const char *rule;
	assert_int_equal(decide(by_uuid, "can0", UUID, &rule), VERDICT_PROBE);
	assert_int_equal(decide(by_uuid, "can0", "154AAB036E6A", &rule), VERDICT_PROBE);
	assert_int_equal(decide(by_serial, "can0", UUID, &rule), VERDICT_PROBE);
	assert_int_equal(decide(by_uuid, "can0", "154aab036e6b", &rule), VERDICT_NO_RULE);
	assert_int_equal(decide(on_can1, "can0", UUID, &rule), VERDICT_NO_RULE);
	assert_int_equal(decide(on_can1, "can1", UUID, &rule), VERDICT_PROBE);
}

static void a_node_has_one_place_in_every_mode(void **state)
{
	(void)state;
	_cleanup_(device_freep) struct device *loader =
		device_new_node("can0", "154AAB036E6A", MODE_KATAPULT);
	_cleanup_(device_freep) struct device *running = device_in_mode(loader, MODE_KLIPPER);
	assert_string_equal(loader->place, "can0-154AAB036E6A");
	assert_string_equal(running->place, loader->place);
	assert_string_equal(running->can_uuid, UUID);
	assert_int_equal(running->mode, MODE_KLIPPER);
	assert_true(device_is_node(running) && device_is_standing(running));
	assert_false(device_is_bridge(running) || device_is_line(running));
}

/* ---- in which order ----------------------------------------------------------------------- */

static struct job *add_node(struct queue *queue, uint64_t id, const char *uuid)
{
	_cleanup_(device_freep) struct device *node = device_new_node("can0", uuid, MODE_KATAPULT);
	return queue_add(queue, id, node);
}

static struct job *add_bridge(struct queue *queue, uint64_t id)
{
	struct device bridge = { .place = (char *)"usb-1",
		.port = (char *)"1-1",
		.syspath = (char *)"/sys/devices/usb1/1-1",
		.mode = MODE_KLIPPER,
		.can_uuid = "38c9bdae9652",
		.serial = (char *)"",
		.manufacturer = (char *)"",
		.product = (char *)"" };
	return queue_add(queue, id, &bridge);
}

static void the_bridge_goes_last(void **state)
{
	(void)state;
	_cleanup_(queue_freep) struct queue *queue = queue_new();
	struct job *bridge = add_bridge(queue, 1);
	struct job *one = add_node(queue, 2, UUID), *two = add_node(queue, 3, "154aab036e6b");
	assert_ptr_equal(queue_next(queue, 8, 0), one);
	one->state = JOB_PROBING;
	assert_ptr_equal(queue_next(queue, 8, 0), two);
	two->state = JOB_DONE;
	assert_null(queue_next(queue, 8, 0));
	one->state = JOB_DONE;
	assert_ptr_equal(queue_next(queue, 8, 0), bridge);
}

static void nobody_begins_on_a_bus_whose_bridge_is_written(void **state)
{
	(void)state;
	_cleanup_(queue_freep) struct queue *queue = queue_new();
	struct job *bridge = add_bridge(queue, 1);
	bridge->state = JOB_WRITING;
	bridge->worker = (struct worker *)queue; /* never looked into */
	struct job *node = add_node(queue, 2, UUID);
	assert_null(queue_next(queue, 8, 0));
	bridge->worker = NULL;
	bridge->state = JOB_DONE;
	assert_ptr_equal(queue_next(queue, 8, 0), node);
}

static void nor_on_one_whose_bridge_is_on_its_way(void **state)
{
	(void)state;
	_cleanup_(queue_freep) struct queue *queue = queue_new();
	struct job *bridge = add_bridge(queue, 1);
	bridge->state = JOB_AWAITING; /* its worker is done */
	struct job *node = add_node(queue, 2, UUID);
	assert_null(queue_next(queue, 8, 0));
	bridge->state = JOB_DONE;
	assert_ptr_equal(queue_next(queue, 8, 0), node);
}

static void no_more_at_once_than_a_bus_has_shares(void **state)
{
	(void)state;
	_cleanup_(queue_freep) struct queue *queue = queue_new();
	struct job *jobs[9];
	for (unsigned i = 0; i < ELEMENTSOF(jobs); i++) {
		char uuid[CAN_UUID_TEXT];
		snprintf(uuid, sizeof(uuid), "154aab036e6%x", i);
		jobs[i] = add_node(queue, i + 1, uuid);
	}
	for (unsigned i = 0; i < 8; i++) {
		assert_ptr_equal(queue_next(queue, 64, 0), jobs[i]);
		jobs[i]->state = JOB_PROBING;
		jobs[i]->worker = (struct worker *)queue; /* never looked into */
	}
	assert_null(queue_next(queue, 64, 0));
	jobs[3]->worker = NULL;
	jobs[3]->state = JOB_DONE;
	assert_ptr_equal(queue_next(queue, 64, 0), jobs[8]);
	for (unsigned i = 0; i < 8; i++)
		jobs[i]->worker = NULL;
}

/* ---- a look at the whole bus ---------------------------------------------------------------- */

static void nobody_begins_on_a_bus_that_is_looked_at(void **state)
{
	(void)state;
	_cleanup_(queue_freep) struct queue *queue = queue_new();
	assert_int_equal(queue_hold_bus(queue, "can0"), 0);
	assert_int_equal(queue_hold_bus(queue, "can0"), -EALREADY);
	struct job *node = add_node(queue, 1, UUID);
	assert_null(queue_next(queue, 8, 0));
	queue_release_bus(queue, "can0");
	assert_ptr_equal(queue_next(queue, 8, 0), node);
}

static void another_bus_is_none_of_its_business(void **state)
{
	(void)state;
	_cleanup_(queue_freep) struct queue *queue = queue_new();
	struct job *node = add_node(queue, 1, UUID);
	assert_int_equal(queue_hold_bus(queue, "can1"), 0);
	assert_ptr_equal(queue_next(queue, 8, 0), node);
}

static void nobody_looks_at_a_bus_with_jobs(void **state)
{
	(void)state;
	_cleanup_(queue_freep) struct queue *queue = queue_new();
	struct job *node = add_node(queue, 1, UUID);
	assert_int_equal(queue_hold_bus(queue, "can0"), -EBUSY);
	node->state = JOB_DONE;
	assert_int_equal(queue_hold_bus(queue, "can0"), 0);
}

static void which_bus_is_behind_a_bridge_nobody_knows(void **state)
{
	(void)state;
	_cleanup_(queue_freep) struct queue *queue = queue_new();
	assert_int_equal(queue_hold_bus(queue, "can0"), 0);
	struct job *bridge = add_bridge(queue, 1);
	assert_null(queue_next(queue, 8, 0));
	assert_int_equal(queue_hold_bus(queue, "can1"), -EBUSY);
	queue_release_bus(queue, "can0");
	assert_ptr_equal(queue_next(queue, 8, 0), bridge);
}

/* ---- where a board is ----------------------------------------------------------------------- */

static const char *bus_of(const char *text, const char *name)
{
	static char bus[CAN_NAME_TEXT];
	_cleanup_(policy_freep) struct policy *policy = accepted(text);
	const char *found = can_names_bus(policy, NULL, policy_board(policy, name));
	snprintf(bus, sizeof(bus), "%s", found ? found : "");
	return bus;
}

static void a_board_is_on_the_bus_that_is_stated_or_the_only_one(void **state)
{
	(void)state;
	static const char stated[] =
		"boards = ({ name = \"toolhead\"; can_uuid = \"" UUID "\"; bus = \"can1\"; });"
		"buses = ({ interface = \"can0\"; });";
	static const char only[] = "boards = ({ name = \"toolhead\"; can_uuid = \"" UUID "\"; });"
				   "buses = ({ interface = \"can0\"; });";
	static const char two[] = "boards = ({ name = \"toolhead\"; can_uuid = \"" UUID "\"; });"
				  "buses = ({ interface = \"can0\"; }, { interface = \"can1\"; });";
	assert_string_equal(bus_of(stated, "toolhead"), "can1");
	assert_string_equal(bus_of(only, "toolhead"), "can0");
	assert_string_equal(bus_of(two, "toolhead"), "");
}

static void its_name_there_is_stated_or_follows_from_its_serial(void **state)
{
	(void)state;
	char uuid[CAN_UUID_TEXT] = "";
	_cleanup_(policy_freep) struct policy *policy =
		accepted("boards = ({ name = \"a\"; can_uuid = \"154AAB036E6F\"; },"
			 " { name = \"b\"; serial = \"" SERIAL "\"; },"
			 " { name = \"c\"; tty = \"/dev/ttyS0\"; baud = 250000; });");
	assert_true(policy_board_uuid(policy_board(policy, "a"), uuid));
	assert_string_equal(uuid, "154aab036e6f");
	memset(uuid, 0, sizeof(uuid));
	assert_true(policy_board_uuid(policy_board(policy, "b"), uuid));
	assert_string_equal(uuid, UUID);
	assert_false(policy_board_uuid(policy_board(policy, "c"), uuid));
}

static bool is_expected(const char *buses, const char *board, const char *interface)
{
	char uuid[CAN_UUID_TEXT];
	_cleanup_(freep) char *text =
		text_format("%s boards = ({ name = \"a\"; %s });", buses, board);
	_cleanup_(policy_freep) struct policy *policy = accepted(text);
	return can_names_expected(policy, interface, policy_board(policy, "a"), uuid);
}

static void who_ought_to_answer_on_a_bus(void **state)
{
	(void)state;
	static const char one[] = "buses = ({ interface = \"can0\"; });";
	static const char two[] = "buses = ({ interface = \"can0\"; }, { interface = \"can1\"; });";
	static const char node[] = "can_uuid = \"" UUID "\";";
	static const char stated[] = "can_uuid = \"" UUID "\"; bus = \"can1\";";
	static const char plugged[] = "serial = \"" SERIAL "\";";
	static const char known[] = "serial = \"" SERIAL "\"; bus = \"can0\";";
	assert_true(is_expected("", node, "can0"));
	assert_true(is_expected(one, node, "can0"));
	assert_false(is_expected(one, node, "can1"));
	assert_false(is_expected(two, node, "can0"));
	assert_true(is_expected(two, stated, "can1"));
	assert_false(is_expected(two, stated, "can0"));
	assert_false(is_expected(one, plugged, "can0"));
	assert_true(is_expected(one, known, "can0"));
}

static void a_rule_may_want_new_images_for_a_board_that_it_names(void **state)
{
	(void)state;
	static const char board[] = "boards = ({ name = \"toolhead\"; can_uuid = \"" UUID "\"; });";
	_cleanup_(freep) char *wants =
		text_format("%s rules = ({ name = \"r\"; match = { board = \"toolhead\"; };"
			    " flash = { image = \"k.bin\"; on_update = true; }; },"
			    " { name = \"s\"; match = { }; flash = { image = \"k.bin\"; }; });",
			board);
	_cleanup_(policy_freep) struct policy *policy = accepted(wants);
	assert_true(policy->rules[0].on_update);
	assert_false(policy->rules[1].on_update);
	expect_complaint("rules = ({ name = \"r\"; match = { };"
			 " flash = { image = \"k.bin\"; on_update = true; }; });",
		"names no board");
}

int main(void)
{
	const struct CMUnitTest stories[] = {
		cmocka_unit_test(a_policy_knows_buses_and_who_is_on_them),
		cmocka_unit_test(what_is_wrong_with_a_bus_is_said),
		cmocka_unit_test(only_a_rule_that_names_it_means_a_node),
		cmocka_unit_test(a_node_has_one_place_in_every_mode),
		cmocka_unit_test(the_bridge_goes_last),
		cmocka_unit_test(nobody_begins_on_a_bus_whose_bridge_is_written),
		cmocka_unit_test(nor_on_one_whose_bridge_is_on_its_way),
		cmocka_unit_test(no_more_at_once_than_a_bus_has_shares),
		cmocka_unit_test(nobody_begins_on_a_bus_that_is_looked_at),
		cmocka_unit_test(another_bus_is_none_of_its_business),
		cmocka_unit_test(nobody_looks_at_a_bus_with_jobs),
		cmocka_unit_test(which_bus_is_behind_a_bridge_nobody_knows),
		cmocka_unit_test(a_board_is_on_the_bus_that_is_stated_or_the_only_one),
		cmocka_unit_test(its_name_there_is_stated_or_follows_from_its_serial),
		cmocka_unit_test(who_ought_to_answer_on_a_bus),
		cmocka_unit_test(a_rule_may_want_new_images_for_a_board_that_it_names),
	};
	return cmocka_run_group_tests(stories, NULL, NULL);
}
