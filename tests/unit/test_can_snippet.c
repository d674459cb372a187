/* SPDX-License-Identifier: MIT */
/* What others would read to set a CAN interface up for good. */
#include "unit/expect.h"

#include "client/can_snippet.h"

static void expect(enum can_snippet kind, const char *bus, const char *wanted)
{
	_cleanup_(json_deletep) cJSON *value = cJSON_Parse(bus);
	_cleanup_(freep) char *text = can_snippet_text(kind, value);
	assert_string_equal(text, wanted);
}

static void ifupdown_raises_it_whenever_it_appears(void **state)
{
	(void)state;
	expect(CAN_SNIPPET_IFUPDOWN,
		"{\"interface\":\"can0\",\"bitrate\":500000,\"wanted_bitrate\":1000000,"
		"\"sample_point_permille\":875,\"restart_msec\":100,\"queue_length\":10}",
		"# /etc/network/interfaces.d/can0\n"
		"allow-hotplug can0\n"
		"iface can0 can static\n"
		"    bitrate 1000000 sample-point 0.875\n"
		"    restart-ms 100\n"
		"    up ip link set $IFACE txqueuelen 128\n");
}

static void networkd_wants_two_files(void **state)
{
	(void)state;
	expect(CAN_SNIPPET_NETWORKD,
		"{\"interface\":\"can1\",\"bitrate\":250000,\"sample_point_permille\":875,"
		"\"restart_msec\":100,\"queue_length\":1024}",
		"# /etc/systemd/network/80-can1.network\n"
		"[Match]\n"
		"Name=can1\n\n"
		"[CAN]\n"
		"BitRate=250000\n"
		"SamplePoint=87.5%\n"
		"RestartSec=100ms\n"
		"\n# /etc/systemd/network/80-can1.link\n"
		"[Match]\n"
		"OriginalName=can1\n\n"
		"[Link]\n"
		"TransmitQueueLength=1024\n");
}

static void what_nobody_states_is_what_klipper_recommends(void **state)
{
	(void)state;
	expect(CAN_SNIPPET_IFUPDOWN, "{\"interface\":\"can0\"}",
		"# /etc/network/interfaces.d/can0\n"
		"allow-hotplug can0\n"
		"iface can0 can static\n"
		"    bitrate 1000000\n"
		"    up ip link set $IFACE txqueuelen 128\n");
}

int main(void)
{
	const struct CMUnitTest stories[] = {
		cmocka_unit_test(ifupdown_raises_it_whenever_it_appears),
		cmocka_unit_test(networkd_wants_two_files),
		cmocka_unit_test(what_nobody_states_is_what_klipper_recommends),
	};
	return cmocka_run_group_tests(stories, NULL, NULL);
}
