/* SPDX-License-Identifier: MIT */
/* The firmware directory; see store.h. */
#include <errno.h>
#include <glob.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "daemon/store.h"
#include "model/fitness.h"

#define NAMES_SHOWN 5

static int refuse(
	struct reasons *reasons, enum reason_code code, const char *subject, const char *text)
{
	_cleanup_(freep) char *safe = text_escape(subject);
	if (!safe)
		return -ENOMEM;
	int r = reasons_add(reasons, code, "%s: %s", safe, text);
	return r < 0 ? r : STORE_REFUSED;
}

static bool climbs_out(const char *pattern)
{
	return strstr(pattern, "../") || text_equal(pattern, "..") || strstr(pattern, "/..");
}

static int refuse_ambiguous(struct reasons *reasons, const char *pattern, const glob_t *found)
{
	_cleanup_(freep) char *names = NULL;
	for (size_t i = 0; i < found->gl_pathc && i < NAMES_SHOWN; i++)
		if (text_append(&names, "%s%s", i ? ", " : "", basename(found->gl_pathv[i])) < 0)
			return -ENOMEM;
	_cleanup_(freep) char *text =
		text_format("matches %zu files (%s%s); keep one, or name it in the rule",
			(size_t)found->gl_pathc, names, found->gl_pathc > NAMES_SHOWN ? ", …" : "");
	_cleanup_(freep) char *safe = text ? text_escape(text) : NULL;
	return safe ? refuse(reasons, REASON_IMAGE_AMBIGUOUS, pattern, safe) : -ENOMEM;
}

int store_find(const char *directory, const char *pattern, struct reasons *reasons, char **ret_path)
{
	if (climbs_out(pattern))
		return refuse(reasons, REASON_IMAGE_UNREADABLE, pattern,
			"\"..\" is not allowed; give an absolute path");
	_cleanup_(freep) char *full =
		pattern[0] == '/' ? strdup(pattern) : text_format("%s/%s", directory, pattern);
	if (!full)
		return -ENOMEM;

	_cleanup_(globfree) glob_t found = { 0 };
	int r = glob(full, GLOB_ERR, NULL, &found);
	if (r == GLOB_NOSPACE)
		return -ENOMEM;
	if (r == GLOB_ABORTED)
		return refuse(reasons, REASON_IMAGE_UNREADABLE, full,
			"the directory cannot be read; give plugflashd the right to");
	if (r == GLOB_NOMATCH)
		return refuse(reasons, REASON_IMAGE_MISSING, full,
			"no such firmware file; put it there or correct the rule");
	if (found.gl_pathc > 1)
		return refuse_ambiguous(reasons, full, &found);
	*ret_path = strdup(found.gl_pathv[0]);
	return *ret_path ? 0 : -ENOMEM;
}

int store_load(const char *path, enum chip chip, struct reasons *reasons, struct image **ret)
{
	_cleanup_(freep) uint8_t *data = NULL;
	size_t length;
	int r = file_read(path, IMAGE_FILE_MAX, &data, &length);
	if (r == -ENOMEM)
		return r;
	if (r == -EFBIG)
		return refuse(reasons, REASON_IMAGE_TOO_LARGE, path,
			"larger than any board's flash; this is no firmware file");
	if (r == -EACCES)
		return refuse(reasons, REASON_IMAGE_UNREADABLE, path,
			"plugflashd may not read it; run: chmod g+r on it, or a+r where it is not "
			"the group's");
	if (r == -EINVAL)
		return refuse(reasons, REASON_IMAGE_UNREADABLE, path,
			"not a regular file; name a firmware file in the rule");
	if (r < 0)
		return refuse(reasons, REASON_IMAGE_UNREADABLE, path, strerror(-r));

	_cleanup_(image_freep) struct image *image = NULL;
	r = image_parse(data, length, reasons, &image);
	if (r != 0)
		return r < 0 ? r : STORE_REFUSED;
	uint32_t address;
	if (!image->has_address && !image->is_linux_program &&
		fitness_default_address(chip, &address)) {
		r = image_place(image, address, reasons);
		if (r != 0)
			return r < 0 ? r : STORE_REFUSED;
	}
	*ret = TAKE_PTR(image);
	return 0;
}
