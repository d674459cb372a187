/* SPDX-License-Identifier: MIT */
/* What a person reads of a CAN bus, from answers as the service gives them. */
#include "unit/expect.h"

#include <stdlib.h>

#include "client/view.h"

static void expect(const char *buses, const char *wanted)
{
	_cleanup_(json_deletep) cJSON *value = cJSON_Parse(buses);
	char *text = NULL;
	size_t length = 0;
	struct output output = { .stream = open_memstream(&text, &length) };
	assert_non_null(value);
	assert_non_null(output.stream);
	view_buses(&output, value);
	fclose(output.stream);
	_cleanup_(freep) char *said = text;
	assert_string_equal(said, wanted);
}

static void a_bus_its_health_and_its_nodes(void **state)
{
	(void)state;
	expect("[{\"interface\":\"can0\",\"driver\":\"gs_usb\",\"up\":true,"
	       "\"controller\":\"error-active\",\"bitrate\":1000000,\"wanted_bitrate\":1000000,"
	       "\"sample_point_permille\":875,\"restart_msec\":100,\"queue_length\":128,"
	       "\"health\":\"well\",\"evidence\":\"2 nodes answer\",\"advice\":\"\",\"nodes\":["
	       "{\"uuid\":\"154aab036e6a\",\"board\":\"toolhead\",\"kind\":\"klipper\","
	       "\"version\":\"v0.12.0\",\"mcu\":\"stm32g0b1xx\"},"
	       "{\"uuid\":\"38c9bdae9652\",\"board\":\"\",\"kind\":\"katapult\","
	       "\"bootloader_version\":\"v0.0.1\",\"application_start\":\"0x08002000\"}]}]",
		"can0  gs_usb  error-active"
		"  1000000 bit/s, sample point 87.5 %, restart-ms 100  queue 128\n"
		"  well: 2 nodes answer\n"
		"UUID          BOARD     RUNS      VERSION  MCU          APPLICATION AT\n"
		"154aab036e6a  toolhead  klipper   v0.12.0  stm32g0b1xx\n"
		"38c9bdae9652            katapult  v0.0.1                0x08002000\n");
}

static void what_is_wrong_comes_with_what_to_do_and_with_the_rate_that_is_wanted(void **state)
{
	(void)state;
	expect("[{\"interface\":\"can0\",\"driver\":\"gs_usb\",\"up\":true,"
	       "\"controller\":\"error-passive\",\"bitrate\":500000,\"wanted_bitrate\":1000000,"
	       "\"sample_point_permille\":875,\"restart_msec\":0,\"queue_length\":10,"
	       "\"health\":\"wrong-setting\",\"evidence\":\"seen\",\"advice\":\"do\",\"nodes\":[]}]",
		"can0  gs_usb  error-passive  500000 bit/s, sample point 87.5 %, restart-ms 0"
		"  (the policy wants 1000000 bit/s)  queue 10\n"
		"  wrong-setting: seen\n"
		"  -> do\n");
}

/* Whatever its health is called, and without a rate that means nothing. */
static void that_a_bridge_is_blind_is_always_said(void **state)
{
	(void)state;
	expect("[{\"interface\":\"can0\",\"driver\":\"gs_usb\",\"up\":true,\"bridge\":true,"
	       "\"blind\":true,\"controller\":\"error-active\",\"bitrate\":500000,"
	       "\"wanted_bitrate\":1000000,\"queue_length\":10,\"health\":\"node-missing\","
	       "\"evidence\":\"seen\",\"advice\":\"do\",\"nodes\":[]}]",
		"can0  gs_usb, a Klipper bridge  error-active"
		"  the bitrate is the one that the bridge was built with  queue 10\n"
		"  node-missing: seen\n"
		"  a bridge reports no error of the bus: what is not named here may still be wrong\n"
		"  -> do\n");
}

static void several_are_kept_apart_and_one_that_is_down_shows_no_rate(void **state)
{
	(void)state;
	expect("[{\"interface\":\"can0\",\"driver\":\"\",\"up\":true,\"controller\":\"unknown\","
	       "\"queue_length\":1000,\"health\":\"quiet\",\"evidence\":\"seen\",\"nodes\":[]},"
	       "{\"interface\":\"can1\",\"driver\":\"gs_usb\",\"up\":false,\"queue_length\":10,"
	       "\"health\":\"down\",\"evidence\":\"seen\",\"nodes\":[]}]",
		"can0  virtual  unknown  queue 1000\n"
		"  quiet: seen\n"
		"\n"
		"can1  gs_usb  down  queue 10\n"
		"  down: seen\n");
}

int main(void)
{
	const struct CMUnitTest stories[] = {
		cmocka_unit_test(a_bus_its_health_and_its_nodes),
		cmocka_unit_test(
			what_is_wrong_comes_with_what_to_do_and_with_the_rate_that_is_wanted),
		cmocka_unit_test(that_a_bridge_is_blind_is_always_said),
		cmocka_unit_test(several_are_kept_apart_and_one_that_is_down_shows_no_rate),
	};
	return cmocka_run_group_tests(stories, NULL, NULL);
}
