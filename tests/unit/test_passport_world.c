/* SPDX-License-Identifier: MIT */
/*
 * A world of boards that change their modes, their sockets and each other's places, seeded: what
 * left and what came goes through the real sightings, book, identity and policy. No board is ever
 * taken for another; what cannot be told is refused.
 */
#include "unit/history_story.h"

#include <inttypes.h>

#include "daemon/passports.h"
#include "daemon/rulebook.h"
#include "daemon/sightings.h"
#include "model/can_uuid.h"
#include "model/serial.h"
#include "model/stm32_serial.h"

#define ENROLLED  50
#define STRANGERS 8
#define BOARDS    (ENROLLED + STRANGERS)
#define SOCKETS   64
#define EVENTS    20000
#define SECOND    UINT64_C(1000000)

enum kind {
	KIND_F446,
	KIND_G0B1,
	KIND_F072, /* many show one serial in DFU */
	KIND_RP2040,
	KIND_F446_12345, /* Klipper with the chip's id turned off */
	KIND_RP2040_12345,
	KIND_TOOLHEAD, /* the policy knows its CAN uuid only */
};

static const struct {
	enum kind kind;
	size_t count;
} enrolled[] = {
	{ KIND_F446, 12 },
	{ KIND_G0B1, 8 },
	{ KIND_F072, 8 },
	{ KIND_RP2040, 10 },
	{ KIND_F446_12345, 3 },
	{ KIND_RP2040_12345, 3 },
	{ KIND_TOOLHEAD, 6 },
};

enum guise {
	GUISE_KLIPPER,
	GUISE_BRIDGE,
	GUISE_KATAPULT,
	GUISE_BOOT,
};

struct board {
	enum kind kind;
	char name[16]; /* "" = not in the policy */
	char id[25];
	enum guise guise;
	unsigned socket;
	struct device device;
	char place[64], port[16], syspath[64], serial[32];
};

struct tally {
	unsigned looks, identified, refused, left_alone, wrong;
	unsigned tellable, missed; /* of the enrolled: those that a good witness could tell */
};

struct world {
	struct board boards[BOARDS];
	struct board *at[SOCKETS];
	struct sightings *sightings;
	struct policy *policy;
	struct room *room;
	uint64_t random, now_usec, arrivals;
	struct tally tally;
};

/* ---- chance ------------------------------------------------------------------------------ */

static uint64_t draw(struct world *world)
{
	world->random ^= world->random << 13;
	world->random ^= world->random >> 7;
	world->random ^= world->random << 17;
	return world->random;
}

static unsigned below(struct world *world, unsigned limit)
{
	return (unsigned)(draw(world) % limit);
}

static bool happens(struct world *world, unsigned percent)
{
	return below(world, 100) < percent;
}

static unsigned free_socket(struct world *world)
{
	unsigned socket;
	do
		socket = below(world, SOCKETS);
	while (world->at[socket]);
	return socket;
}

static struct board *any_board(struct world *world)
{
	return &world->boards[below(world, BOARDS)];
}

/* ---- boards ------------------------------------------------------------------------------ */

static bool is_rp2040(const struct board *board)
{
	return board->kind == KIND_RP2040 || board->kind == KIND_RP2040_12345;
}

static bool hides_id(const struct board *board)
{
	return board->kind == KIND_F446_12345 || board->kind == KIND_RP2040_12345;
}

static const char *mcu_of(const struct board *board)
{
	switch (board->kind) {
	case KIND_F446:
	case KIND_F446_12345:
		return "stm32f446xx";
	case KIND_F072:
		return "stm32f072xb";
	case KIND_RP2040:
	case KIND_RP2040_12345:
		return "rp2040";
	default:
		return "stm32g0b1xx";
	}
}

static enum board_mode mode_of(const struct board *board)
{
	if (board->guise == GUISE_KATAPULT)
		return MODE_KATAPULT;
	if (board->guise == GUISE_BOOT)
		return is_rp2040(board) ? MODE_RP2040_BOOT : MODE_DFU;
	return MODE_NONE;
}

static void show_serial(struct board *board)
{
	if (board->guise != GUISE_BOOT)
		strcpy(board->serial, hides_id(board) ? "12345" : board->id);
	else if (is_rp2040(board))
		strcpy(board->serial, "E0C9125B0D9B");
	else if (board->kind == KIND_F072)
		strcpy(board->serial, "FFFFFFFEFFFF");
	else
		assert_true(stm32_serial_predict(board->id, board->serial));
}

static void name_board(struct board *board, enum kind kind, const char *name, uint64_t number)
{
	uint64_t mixed = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
	board->kind = kind;
	strcpy(board->name, name);
	if (is_rp2040(board))
		snprintf(board->id, sizeof(board->id), "E660%012" PRIX64, mixed >> 16);
	else
		snprintf(board->id, sizeof(board->id), "%016" PRIX64 "%08X", mixed,
			(unsigned)(mixed >> 20) ^ 0x20393734);
}

/* Two boards of one lot: bytes that go into no serial of DFU differ. */
static void make_twins(struct board *first, struct board *second)
{
	memcpy(second->id, first->id, sizeof(second->id));
	second->id[8] = second->id[8] == '1' ? '2' : '1';
}

static void make_boards(struct world *world)
{
	size_t count = 0;
	for (size_t i = 0; i < ELEMENTSOF(enrolled); i++)
		for (size_t n = 0; n < enrolled[i].count; n++, count++) {
			char name[16];
			snprintf(name, sizeof(name), "board%zu", count);
			name_board(&world->boards[count], enrolled[i].kind, name, count);
		}
	assert_int_equal(count, ENROLLED);
	for (; count < BOARDS; count++)
		name_board(&world->boards[count], (enum kind)(count % 4), "", count);
	make_twins(&world->boards[0], &world->boards[1]);
	make_twins(&world->boards[12], &world->boards[13]);
}

/* By what a person would enrol them: their serial, where they show one, else their CAN uuid. */
static struct policy *enrol(const struct world *world)
{
	_cleanup_(freep) char *boards = strdup("boards = ("), *rules = strdup("rules = (");
	for (size_t i = 0; i < ENROLLED; i++) {
		const struct board *board = &world->boards[i];
		const char *comma = i ? "," : "";
		bool by_uuid = board->kind == KIND_TOOLHEAD || board->kind == KIND_F446_12345;
		char uuid[CAN_UUID_TEXT];
		assert_true(can_uuid_from_serial(board->id, uuid));
		assert_int_equal(text_append(&boards, "%s{ name = \"%s\"; %s = \"%s\"; }\n", comma,
					 board->name, by_uuid ? "can_uuid" : "serial",
					 by_uuid ? uuid : board->id),
			0);
		assert_int_equal(text_append(&rules,
					 "%s{ name = \"%s\"; match = { board = \"%s\"; };"
					 " flash = { image = \"a\"; }; }\n",
					 comma, board->name, board->name),
			0);
	}
	_cleanup_(freep) char *text = text_format("%s);%s);", boards, rules);
	_cleanup_(reasons_done) struct reasons errors = { 0 }, warnings = { 0 };
	struct policy *policy = policy_new();
	assert_int_equal(rulebook_parse("w.conf", text, policy, &errors, &warnings), 0);
	assert_int_equal(rulebook_check(policy, &errors), 0);
	if (errors.count > 0)
		fail_msg("%s", errors.items[0].sentence);
	return policy;
}

/* ---- coming and going -------------------------------------------------------------------- */

static struct board_facts look_at(const struct board *board)
{
	struct board_facts facts = { .content = CONTENT_BOOTABLE };
	enum board_mode mode = mode_of(board);
	if (mode == MODE_RP2040_BOOT) {
		facts.chip = CHIP_RP2040;
		strcpy(facts.unique_id, board->id);
	} else if (mode == MODE_KATAPULT) {
		facts.chip = chip_from_mcu(mcu_of(board));
	} else {
		facts.possible_chips = board->kind == KIND_F072
					       ? chip_bit(CHIP_STM32F072) | chip_bit(CHIP_STM32F042)
				       : board->kind == KIND_F446 || board->kind == KIND_F446_12345
					       ? chip_bit(CHIP_STM32F401) | chip_bit(CHIP_STM32F446)
					       : chip_bit(CHIP_STM32G0B1);
	}
	return facts;
}

static void learn(struct world *world, struct board *board, const struct board_facts *facts,
	const struct device *successor)
{
	const struct encounter encounter = {
		.device = &board->device,
		.facts = facts,
		.successor = successor,
		.name = successor ? board->name : NULL,
	};
	struct lesson lesson;
	if (passport_learn(&encounter, &lesson) != LESSON_LEARNT)
		return;
	/* Nobody is noted as another, but by what is said to be little, or as his twin. */
	if (strcasecmp(lesson.id, board->id) != 0 && facts->id_origin > PROVENANCE_SEEN &&
		stm32_serial_compare(lesson.id, board->serial) != STM32_AGREES)
		fail_msg("%s was noted as %s (%s)", board->id, lesson.id,
			provenance_name(facts->id_origin));
	assert_int_equal(passports_store(world->room->history, &lesson, world->now_usec), 0);
}

/* It shows its id, or was seen to become what it is, and its serial is not that of many. */
static bool is_tellable(
	const struct world *world, const struct board *board, const struct sighting *sighting)
{
	size_t number = (size_t)(board - world->boards);
	bool is_twin = number <= 1 || number == 12 || number == 13;
	if (!*board->name)
		return false;
	if (board->device.mode != MODE_DFU)
		return board->device.mode == MODE_RP2040_BOOT || !hides_id(board);
	if (!sighting || !text_equal(sighting->serial, board->id) || is_twin)
		return false;
	return board->kind != KIND_F072 || sighting->was_requested;
}

static void judge_it(struct world *world, struct board *board)
{
	struct tally *tally = &world->tally;
	struct board_facts facts = look_at(board);
	struct identity_clues clues = {
		.sighting = sightings_before(world->sightings, &board->device),
	};
	struct passport_claim claim;
	if (mode_of(board) == MODE_DFU && !serial_is_shared(board->serial) &&
		passports_claim(world->room->history, &board->device, &claim) == PASSPORTS_CLAIM)
		clues.passport = &claim;
	identity_complete(&facts, &board->device, &clues);
	const struct policy_rule *rule;
	enum verdict verdict = policy_decide(world->policy, &board->device, &facts, &rule);
	bool is_own = rule && text_equal(rule->name, board->name);
	tally->looks++;
	tally->identified += verdict == VERDICT_FLASH && is_own;
	tally->refused += verdict == VERDICT_UNKNOWN;
	tally->left_alone += verdict == VERDICT_NO_RULE;
	if (is_tellable(world, board, clues.sighting)) {
		tally->tellable++;
		tally->missed += !(verdict == VERDICT_FLASH && is_own);
	}
	/* Taken for another, or firmly not taken for itself. */
	bool is_wrong =
		verdict == VERDICT_FLASH ? !is_own : verdict == VERDICT_NO_RULE && *board->name;
	if (is_wrong) {
		tally->wrong++;
		print_message("%s (%s) in %s: %s %s, known as %s (%s)\n", board->name, board->id,
			mode_name(mode_of(board)), verdict == VERDICT_FLASH ? "flash" : "no rule",
			rule ? rule->name : "", facts.unique_id, provenance_name(facts.id_origin));
	}
	learn(world, board, &facts, NULL);
}

static void arrive(struct world *world, struct board *board, unsigned socket, enum guise guise)
{
	static const struct {
		uint16_t vid, pid;
	} ids[] = { { 0x1d50, 0x614e }, { 0x1d50, 0x606f }, { 0x1d50, 0x6177 } };
	world->at[socket] = board;
	board->socket = socket;
	board->guise = guise;
	show_serial(board);
	snprintf(board->place, sizeof(board->place), "pci-0000:00:14.0-usb-0:%u", socket);
	snprintf(board->port, sizeof(board->port), "1-%u", socket);
	snprintf(board->syspath, sizeof(board->syspath), "/sys/devices/usb1/1-%u", socket);
	board->device = (struct device){
		.place = board->place,
		.port = board->port,
		.syspath = board->syspath,
		.serial = board->serial,
		.manufacturer = (char *)(guise == GUISE_KATAPULT ? "katapult" : "Klipper"),
		.product = (char *)mcu_of(board),
		.mode = mode_of(board),
		.arrival = ++world->arrivals,
	};
	if (guise != GUISE_BOOT) {
		board->device.vid = ids[guise].vid;
		board->device.pid = ids[guise].pid;
	}
	sightings_on_arrival(world->sightings, &board->device, world->now_usec);
	if (board->device.mode != MODE_NONE)
		judge_it(world, board);
}

/* Now and then nobody hears of it. */
static void leave(struct world *world, struct board *board)
{
	world->at[board->socket] = NULL;
	if (!happens(world, 5))
		sightings_on_departure(world->sightings, &board->device, world->now_usec);
}

/* Mostly within the window in which a sighting counts, sometimes later. */
static void wait_a_little(struct world *world)
{
	world->now_usec += happens(world, 85) ? 300000 + below(world, 3500) * 1000
					      : 5 * SECOND + below(world, 20000) * 1000;
}

static enum guise any_guise(struct world *world, const struct board *board)
{
	unsigned choice = below(world, 100);
	if (choice < 40)
		return GUISE_KLIPPER;
	if (choice < 50)
		return board->kind == KIND_F072 || board->kind == KIND_F446 ? GUISE_BRIDGE
									    : GUISE_KLIPPER;
	return choice < 65 ? GUISE_KATAPULT : GUISE_BOOT;
}

/* ---- what happens ------------------------------------------------------------------------ */

/* Some are asked by us: then it is the board itself that comes back. */
static void change_mode(struct world *world, struct board *board)
{
	unsigned socket = board->socket;
	bool is_asked = board->guise == GUISE_KLIPPER && happens(world, 30);
	if (is_asked)
		sightings_on_request(world->sightings, &board->device, world->now_usec);
	leave(world, board);
	wait_a_little(world);
	arrive(world, board, socket, is_asked ? GUISE_BOOT : any_guise(world, board));
}

static void change_socket(struct world *world, struct board *board)
{
	leave(world, board);
	wait_a_little(world);
	arrive(world, board, free_socket(world),
		happens(world, 50) ? board->guise : any_guise(world, board));
}

/* A hand takes one out and puts another in, within the window. */
static void swap_by_hand(struct world *world, struct board *board, struct board *other)
{
	unsigned socket = board->socket;
	if (board == other)
		return;
	leave(world, other);
	world->now_usec += 20000;
	leave(world, board);
	world->now_usec += 500000 + below(world, 4000) * 1000;
	arrive(world, other, socket, happens(world, 60) ? GUISE_BOOT : other->guise);
	wait_a_little(world);
	arrive(world, board, free_socket(world), any_guise(world, board));
}

/* Each into the other's socket, in the mode that they are in. */
static void exchange(struct world *world, struct board *board, struct board *other)
{
	unsigned first = board->socket, second = other->socket;
	if (board == other)
		return;
	leave(world, board);
	leave(world, other);
	wait_a_little(world);
	arrive(world, board, second, board->guise);
	arrive(world, other, first, other->guise);
}

/* A person starts it, and it comes back on its socket as what it is. */
static void write_and_restart(struct world *world, struct board *board)
{
	struct board_facts facts = look_at(board);
	const struct identity_clues clues = {
		.sighting = sightings_before(world->sightings, &board->device),
	};
	struct board before = *board;
	if (board->guise != GUISE_BOOT)
		return;
	before.device.place = before.place;
	before.device.serial = before.serial;
	identity_complete(&facts, &board->device, &clues);
	leave(world, board);
	wait_a_little(world);
	arrive(world, board, board->socket, GUISE_KLIPPER);
	/* Of what was only supposed the one that came back says whether it is so. */
	if (*facts.unique_id && strcasecmp(facts.unique_id, board->id) != 0 && hides_id(board))
		return;
	learn(world, &before, &facts, &board->device);
}

static void something_happens(struct world *world)
{
	struct board *board = any_board(world);
	unsigned choice = below(world, 100);
	world->now_usec += 30 * SECOND;
	if (choice < 55)
		change_mode(world, board);
	else if (choice < 70)
		change_socket(world, board);
	else if (choice < 80)
		swap_by_hand(world, board, any_board(world));
	else if (choice < 90)
		exchange(world, board, any_board(world));
	else
		write_and_restart(world, board);
}

static void run_world(struct world *world, struct room *room, uint64_t seed)
{
	*world = (struct world){ .random = seed, .now_usec = 1000 * SECOND, .room = room };
	assert_int_equal(room_open(room), 0);
	make_boards(world);
	world->policy = enrol(world);
	world->sightings = sightings_new();
	for (size_t i = 0; i < BOARDS; i++)
		arrive(world, &world->boards[i], free_socket(world), GUISE_KLIPPER);
	for (unsigned i = 0; i < EVENTS; i++)
		something_happens(world);
	policy_free(world->policy);
	sightings_free(world->sightings);
}

static void fifty_boards_are_never_taken_for_each_other(void **state)
{
	struct world world;
	run_world(&world, *state, UINT64_C(0x706c7567666c6173));
	const struct tally *tally = &world.tally;
	print_message("%u looks: %u identified (%u of them shown or well seen), %u refused, "
		      "%u strangers left alone, %u wrong\n",
		tally->looks, tally->identified, tally->tellable, tally->refused, tally->left_alone,
		tally->wrong);
	assert_int_equal(tally->wrong, 0);
	assert_true(tally->looks > EVENTS / 2);
	/* What shows its id, or was well seen to become what it is, is known without exception;
	 * the book knows some more. */
	assert_int_equal(tally->missed, 0);
	assert_true(tally->tellable > tally->looks / 4);
	assert_true(tally->identified > tally->tellable + 100);
	assert_true(tally->refused > 1000);
}

/* ---- two of a kind ----------------------------------------------------------------------- */

static void two_that_are_swapped_in_boot_mode_keep_their_rules(void **state)
{
	struct world world = { .random = 1, .now_usec = 1000 * SECOND, .room = *state };
	assert_int_equal(room_open(world.room), 0);
	make_boards(&world);
	world.policy = enrol(&world);
	world.sightings = sightings_new();
	struct board *left = &world.boards[28], *right = &world.boards[29];
	assert_true(left->kind == KIND_RP2040 && right->kind == KIND_RP2040);
	arrive(&world, left, 1, GUISE_BOOT);
	arrive(&world, right, 2, GUISE_BOOT);
	assert_int_equal(world.tally.identified, 2);
	for (unsigned i = 0; i < 20; i++) {
		world.now_usec += SECOND;
		exchange(&world, left, right);
		assert_int_equal(world.tally.identified, 4 + 2 * i);
	}
	assert_int_equal(world.tally.wrong, 0);
	policy_free(world.policy);
	sightings_free(world.sightings);
}

static void in_other_worlds_neither(void **state)
{
	struct room *room = *state;
	for (uint64_t seed = 1; seed <= 3; seed++) {
		struct world world;
		run_world(&world, room, seed * UINT64_C(0x9e3779b97f4a7c15));
		assert_int_equal(world.tally.wrong, 0);
		assert_int_equal(world.tally.missed, 0);
		room_close(room);
		room_clear(room);
	}
}

#define STORY(function) cmocka_unit_test_setup_teardown(function, room_new, room_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(two_that_are_swapped_in_boot_mode_keep_their_rules),
		STORY(fifty_boards_are_never_taken_for_each_other),
		STORY(in_other_worlds_neither),
	};
	return cmocka_run_group_tests_name("passport world", tests, NULL, NULL);
}
