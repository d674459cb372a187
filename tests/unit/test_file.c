/* SPDX-License-Identifier: MIT */
/* Stories about whole files, and about memfds that must not change any more. */
#include "unit/expect.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/file.h"

struct place {
	char directory[64];
	char path[96];
};

static int make_place(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	if (!place)
		return -1;
	snprintf(place->directory, sizeof(place->directory), "/tmp/plugflash-test-XXXXXX");
	if (!mkdtemp(place->directory))
		return -1;
	snprintf(place->path, sizeof(place->path), "%s/file", place->directory);
	*state = place;
	return 0;
}

static int remove_place(void **state)
{
	struct place *place = *state;
	unlink(place->path);
	rmdir(place->directory);
	free(place);
	return 0;
}

static void write_file(const char *path, const char *content)
{
	_cleanup_(fclosep) FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(content, file) >= 0);
}

static void a_file_is_read_whole_and_terminated(void **state)
{
	struct place *place = *state;
	write_file(place->path, "firmware");
	_cleanup_(freep) uint8_t *data = NULL;
	size_t length = 0;
	assert_int_equal(file_read(place->path, 8, &data, &length), 0);
	assert_int_equal(length, 8);
	assert_string_equal((char *)data, "firmware");
}

static void an_empty_file_is_a_file(void **state)
{
	struct place *place = *state;
	write_file(place->path, "");
	_cleanup_(freep) uint8_t *data = NULL;
	size_t length = 1;
	assert_int_equal(file_read(place->path, 8, &data, &length), 0);
	assert_int_equal(length, 0);
	assert_int_equal(data[0], 0);
}

static void a_file_over_the_limit_is_not_read(void **state)
{
	struct place *place = *state;
	write_file(place->path, "firmware!");
	uint8_t *data = NULL;
	size_t length = 7;
	assert_int_equal(file_read(place->path, 8, &data, &length), -EFBIG);
	assert_null(data);
	assert_int_equal(length, 7);
}

static void no_limit_is_a_limit_too(void **state)
{
	struct place *place = *state;
	write_file(place->path, "firmware");
	_cleanup_(freep) uint8_t *data = NULL;
	size_t length = 0;
	assert_int_equal(file_read(place->path, SIZE_MAX, &data, &length), 0);
	assert_int_equal(length, 8);
}

static void what_is_no_file_is_refused_without_hanging(void **state)
{
	struct place *place = *state;
	uint8_t *data = NULL;
	size_t length;
	assert_int_equal(file_read(place->path, 8, &data, &length), -ENOENT);
	assert_int_equal(file_read(place->directory, 8, &data, &length), -EINVAL);
	assert_int_equal(mkfifo(place->path, 0600), 0); /* nobody will ever write into it */
	assert_int_equal(file_read(place->path, 8, &data, &length), -EINVAL);
	assert_null(data);
}

static void sealed_bytes_come_back_and_cannot_be_changed(void **state)
{
	(void)state;
	_cleanup_(closep) int fd = file_seal("image", "firmware", 8);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	_cleanup_(mapping_done) struct mapping mapping = { 0 };
	assert_int_equal(file_map_sealed(fd, 8, &mapping), 0);
	assert_int_equal(mapping.length, 8);
	assert_memory_equal(mapping.data, "firmware", 8);

	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, 4), -1);
	assert_int_equal(ftruncate(fd, 16), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_ptr_equal(mmap(NULL, 8, PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
}

static void a_missing_seal_is_noticed(void **state)
{
	(void)state;
	static const int seals[] = { F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE };
	for (size_t missing = 0; missing < ELEMENTSOF(seals); missing++) {
		_cleanup_(closep) int fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		assert_true(fd >= 0);
		assert_int_equal(write(fd, "firmware", 8), 8);
		int set = 0;
		for (size_t i = 0; i < ELEMENTSOF(seals); i++)
			set |= i == missing ? 0 : seals[i];
		assert_int_equal(fcntl(fd, F_ADD_SEALS, set), 0);
		struct mapping mapping = { 0 };
		assert_int_equal(file_map_sealed(fd, 8, &mapping), -EPERM);
		assert_null(mapping.data);
	}
}

static void a_plain_file_is_no_sealed_memfd(void **state)
{
	struct place *place = *state;
	write_file(place->path, "firmware");
	_cleanup_(closep) int fd = open(place->path, O_RDONLY | O_CLOEXEC);
	struct mapping mapping = { 0 };
	/* A tmpfs has seals too, and none of them set; other file systems have none. */
	int r = file_map_sealed(fd, 8, &mapping);
	assert_true(r == -EINVAL || r == -EPERM);
	assert_true(file_map_sealed(-1, 8, &mapping) < 0);
	assert_null(mapping.data);
}

static void sealed_bytes_over_the_limit_or_none_at_all_are_refused(void **state)
{
	(void)state;
	_cleanup_(closep) int large = file_seal("image", "firmware", 8);
	_cleanup_(closep) int empty = file_seal("image", NULL, 0);
	struct mapping mapping = { 0 };
	assert_int_equal(file_map_sealed(large, 7, &mapping), -EFBIG);
	assert_int_equal(file_map_sealed(empty, 8, &mapping), -ENODATA);
	assert_null(mapping.data);
	mapping_done(&mapping); /* takes what was never mapped */
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, make_place, remove_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(a_file_is_read_whole_and_terminated),
		STORY(an_empty_file_is_a_file),
		STORY(a_file_over_the_limit_is_not_read),
		STORY(no_limit_is_a_limit_too),
		STORY(what_is_no_file_is_refused_without_hanging),
		STORY(sealed_bytes_come_back_and_cannot_be_changed),
		STORY(a_missing_seal_is_noticed),
		STORY(a_plain_file_is_no_sealed_memfd),
		STORY(sealed_bytes_over_the_limit_or_none_at_all_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
