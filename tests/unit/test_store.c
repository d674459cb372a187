/* SPDX-License-Identifier: MIT */
/* The firmware directory: what cannot be read is refused with what to do about it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/text.h"
#include "daemon/store.h"

static void assert_refused(const char *path, const char *advice)
{
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	_cleanup_(image_freep) struct image *image = NULL;
	assert_int_equal(store_load(path, CHIP_RP2040, &reasons, &image), STORE_REFUSED);
	assert_int_equal(reasons.count, 1);
	assert_int_equal(reasons.items[0].code, REASON_IMAGE_UNREADABLE);
	assert_non_null(strstr(reasons.items[0].sentence, path));
	assert_non_null(strstr(reasons.items[0].sentence, advice));
}

static void a_directory_is_no_firmware(void **state)
{
	(void)state;
	assert_refused("/", "name a firmware file in the rule");
}

static void a_private_file_is_refused_with_the_command_that_helps(void **state)
{
	(void)state;
	char path[] = "/tmp/plugflash-store-XXXXXX";
	_cleanup_(closep) int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0), 0);
	/* Root reads everything: nothing to be told then. */
	if (access(path, R_OK) < 0)
		assert_refused(path, "chmod g+r");
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_directory_is_no_firmware),
		cmocka_unit_test(a_private_file_is_refused_with_the_command_that_helps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
