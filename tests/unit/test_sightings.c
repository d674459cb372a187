/* SPDX-License-Identifier: MIT */
/* What sat on a socket a moment ago, and for how long that says something. */
#include "unit/expect.h"

#include "daemon/sightings.h"

#define SECOND 1000000ull
#define SOCKET "/sys/devices/usb1/1-2"

static struct device device_in(const char *syspath, enum board_mode mode, uint64_t arrival)
{
	return (struct device){
		.place = (char *)"pci-0000:00:14.0-usb-0:2",
		.syspath = (char *)syspath,
		.mode = mode,
		.arrival = arrival,
		.vid = mode == MODE_NONE ? 0x1d50 : 0x0483,
		.pid = mode == MODE_NONE ? 0x614e : 0xdf11,
		.serial = (char *)(mode == MODE_NONE ? "2B0007000C50425539393020" : "203739645542"),
		.product = (char *)(mode == MODE_NONE ? "stm32g0b1xx" : "DFU in FS Mode"),
	};
}

static void leaves(struct sightings *sightings, struct device device, uint64_t seconds)
{
	sightings_on_departure(sightings, &device, seconds * SECOND);
}

/* What was seen before this device, when it comes now. */
static const struct sighting *comes(
	struct sightings *sightings, struct device device, uint64_t seconds)
{
	sightings_on_arrival(sightings, &device, seconds * SECOND);
	return sightings_before(sightings, &device);
}

static void the_application_that_just_left_is_remembered(void **unused)
{
	(void)unused;
	_cleanup_(sightings_freep) struct sightings *sightings = sightings_new();
	leaves(sightings, device_in(SOCKET, MODE_NONE, 1), 100);
	const struct sighting *before = comes(sightings, device_in(SOCKET, MODE_DFU, 2), 105);
	assert_non_null(before);
	assert_int_equal(before->vid, 0x1d50);
	assert_int_equal(before->pid, 0x614e);
	assert_string_equal(before->serial, "2B0007000C50425539393020");
	assert_string_equal(before->product, "stm32g0b1xx");
}

static void after_a_while_it_says_nothing(void **unused)
{
	(void)unused;
	_cleanup_(sightings_freep) struct sightings *sightings = sightings_new();
	assert_null(comes(sightings, device_in(SOCKET, MODE_DFU, 1), 100));
	leaves(sightings, device_in(SOCKET, MODE_NONE, 1), 100);
	assert_null(comes(sightings, device_in(SOCKET, MODE_DFU, 2), 106));
	assert_null(comes(sightings, device_in(SOCKET, MODE_DFU, 3), 100));
}

static void what_was_caught_stays_with_this_arrival_and_with_no_other(void **unused)
{
	(void)unused;
	_cleanup_(sightings_freep) struct sightings *sightings = sightings_new();
	leaves(sightings, device_in(SOCKET, MODE_NONE, 1), 100);
	assert_non_null(comes(sightings, device_in(SOCKET, MODE_DFU, 2), 101));
	assert_non_null(comes(sightings, device_in(SOCKET, MODE_DFU, 2), 900));
	leaves(sightings, device_in(SOCKET, MODE_DFU, 2), 901);
	assert_null(comes(sightings, device_in(SOCKET, MODE_DFU, 3), 901));
	/* Also when its departure was lost. */
	leaves(sightings, device_in(SOCKET, MODE_NONE, 4), 1000);
	assert_non_null(comes(sightings, device_in(SOCKET, MODE_DFU, 5), 1001));
	assert_null(comes(sightings, device_in(SOCKET, MODE_DFU, 6), 1002));
}

static void only_what_left_last_counts(void **unused)
{
	(void)unused;
	_cleanup_(sightings_freep) struct sightings *sightings = sightings_new();
	struct device other = device_in(SOCKET, MODE_NONE, 2);
	other.serial = (char *)"27000E000551343438333339";
	leaves(sightings, device_in(SOCKET, MODE_NONE, 1), 100);
	leaves(sightings, other, 101);
	const struct sighting *before = comes(sightings, device_in(SOCKET, MODE_DFU, 3), 102);
	assert_string_equal(before->serial, other.serial);
	leaves(sightings, device_in(SOCKET, MODE_NONE, 4), 200);
	leaves(sightings, device_in(SOCKET, MODE_RP2040_BOOT, 5), 201);
	assert_null(comes(sightings, device_in(SOCKET, MODE_DFU, 6), 202));
}

static void each_socket_has_its_own(void **unused)
{
	(void)unused;
	_cleanup_(sightings_freep) struct sightings *sightings = sightings_new();
	leaves(sightings, device_in(SOCKET, MODE_NONE, 1), 100);
	assert_null(comes(sightings, device_in("/sys/devices/usb1/1-3", MODE_DFU, 2), 101));
	/* The USB 3 bus counts its sockets alike. */
	assert_null(comes(sightings, device_in("/sys/devices/usb2/2-2", MODE_DFU, 3), 101));
	assert_non_null(comes(sightings, device_in(SOCKET, MODE_DFU, 4), 101));
}

static void of_many_the_oldest_are_forgotten(void **unused)
{
	(void)unused;
	_cleanup_(sightings_freep) struct sightings *sightings = sightings_new();
	char sockets[80][32];
	for (unsigned i = 0; i < ELEMENTSOF(sockets); i++) {
		snprintf(sockets[i], sizeof(sockets[i]), "/sys/devices/usb1/1-%u", i);
		sightings_on_departure(sightings,
			&(struct device){ .syspath = sockets[i],
				.serial = (char *)"",
				.product = (char *)"" },
			100 * SECOND + i);
	}
	assert_null(comes(sightings, device_in(sockets[15], MODE_DFU, 1), 101));
	assert_non_null(comes(sightings, device_in(sockets[16], MODE_DFU, 1), 101));
	assert_non_null(comes(sightings, device_in(sockets[79], MODE_DFU, 1), 101));
}

static void a_text_that_does_not_fit_is_not_taken_for_another(void **unused)
{
	(void)unused;
	_cleanup_(sightings_freep) struct sightings *sightings = sightings_new();
	char serial[SIGHTING_TEXT + 1];
	memset(serial, 'A', SIGHTING_TEXT);
	serial[SIGHTING_TEXT] = '\0';
	struct device device = device_in(SOCKET, MODE_NONE, 1);
	device.serial = serial;
	leaves(sightings, device, 100);
	assert_null(comes(sightings, device_in(SOCKET, MODE_DFU, 2), 101));
}

static void asked(struct sightings *sightings, struct device device, uint64_t seconds)
{
	sightings_on_request(sightings, &device, seconds * SECOND);
}

static void what_we_have_asked_for_is_more_than_a_chance(void **unused)
{
	(void)unused;
	_cleanup_(sightings_freep) struct sightings *sightings = sightings_new();
	struct device klipper = device_in(SOCKET, MODE_NONE, 1);
	asked(sightings, klipper, 100);
	/* Seen anew meanwhile, it is still the one that was asked. */
	assert_null(comes(sightings, klipper, 100));
	leaves(sightings, klipper, 101);
	assert_true(comes(sightings, device_in(SOCKET, MODE_DFU, 2), 102)->was_requested);
	/* Next time nobody has asked. */
	leaves(sightings, device_in(SOCKET, MODE_DFU, 2), 103);
	leaves(sightings, device_in(SOCKET, MODE_NONE, 3), 104);
	assert_false(comes(sightings, device_in(SOCKET, MODE_DFU, 4), 105)->was_requested);
}

static void a_request_is_to_one_board_and_not_for_ever(void **unused)
{
	(void)unused;
	_cleanup_(sightings_freep) struct sightings *sightings = sightings_new();
	asked(sightings, device_in(SOCKET, MODE_NONE, 1), 100);
	leaves(sightings, device_in(SOCKET, MODE_NONE, 2), 101);
	assert_false(comes(sightings, device_in(SOCKET, MODE_DFU, 3), 102)->was_requested);
	/* It did not obey, and was pulled later. */
	asked(sightings, device_in(SOCKET, MODE_NONE, 4), 200);
	leaves(sightings, device_in(SOCKET, MODE_NONE, 4), 260);
	assert_false(comes(sightings, device_in(SOCKET, MODE_DFU, 5), 261)->was_requested);
	/* Its departure was lost. */
	asked(sightings, device_in(SOCKET, MODE_NONE, 6), 300);
	assert_null(comes(sightings, device_in(SOCKET, MODE_DFU, 7), 301));
	assert_null(comes(sightings, device_in("/sys/devices/usb1/1-3", MODE_DFU, 8), 301));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_application_that_just_left_is_remembered),
		cmocka_unit_test(after_a_while_it_says_nothing),
		cmocka_unit_test(what_was_caught_stays_with_this_arrival_and_with_no_other),
		cmocka_unit_test(only_what_left_last_counts),
		cmocka_unit_test(each_socket_has_its_own),
		cmocka_unit_test(of_many_the_oldest_are_forgotten),
		cmocka_unit_test(what_we_have_asked_for_is_more_than_a_chance),
		cmocka_unit_test(a_request_is_to_one_board_and_not_for_ever),
		cmocka_unit_test(a_text_that_does_not_fit_is_not_taken_for_another),
	};
	return cmocka_run_group_tests_name("sightings", tests, NULL, NULL);
}
