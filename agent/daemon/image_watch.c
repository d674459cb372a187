/* SPDX-License-Identifier: MIT */
/* Watching for new images; see image_watch.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/text.h"
#include "daemon/image_watch.h"

#define PLACES_MAX 128u
#define DEPTH_MAX  4u
#define NEWS       (IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ONLYDIR)

struct place {
	struct image_watch *watch;
	char *path;
	sd_event_source *source;
};

struct image_watch {
	sd_event *event;
	const char *directory;
	image_watch_on_change on_change;
	void *context;
	const struct policy *policy; /* NULL: none yet */
	struct place *places[PLACES_MAX];
	size_t count;
};

static struct place *place_free(struct place *place)
{
	if (!place)
		return NULL;
	sd_event_source_disable_unref(place->source);
	free(place->path);
	free(place);
	return NULL;
}
DEFINE_CLEANUP(struct place *, place_free)

static void forget_places(struct image_watch *watch)
{
	while (watch->count > 0)
		place_free(watch->places[--watch->count]);
}

/* ---- which rule is meant ----------------------------------------------------------------- */

/* What stands behind `directory` in the path; NULL: it lies elsewhere. */
static const char *below(const char *path, const char *directory)
{
	size_t length = strlen(directory);
	return strncmp(path, directory, length) == 0 && path[length] == '/' ? path + length + 1
									    : NULL;
}

static bool fits_below(const char *image, const char *path, const char *directory)
{
	const char *rest = below(path, directory);
	if (!rest)
		return false;
	if (text_equal(image, "auto"))
		return rest[0] != '.' && !strstr(rest, "/.");
	return fnmatch(image, rest, FNM_PATHNAME | FNM_PERIOD) == 0;
}

static bool is_meant(
	const struct image_watch *watch, const struct policy_rule *rule, const char *path)
{
	if (rule->image[0] == '/')
		return fnmatch(rule->image, path, FNM_PATHNAME | FNM_PERIOD) == 0;
	bool fits = fits_below(rule->image, path, watch->directory);
	for (size_t i = 0; i < watch->policy->directory_count && !fits; i++)
		fits = fits_below(rule->image, path, watch->policy->directories[i]);
	return fits;
}

static bool is_watched(const struct policy_rule *rule)
{
	return rule->on_update && rule->image;
}

/* `path` NULL: nobody knows which file, so it may be any. */
static void tell(struct image_watch *watch, const char *path)
{
	const struct policy *policy = watch->policy;
	for (size_t i = 0; i < policy->rule_count; i++)
		if (is_watched(&policy->rules[i]) &&
			(!path || is_meant(watch, &policy->rules[i], path)))
			watch->on_change(watch->context, &policy->rules[i]);
}

/* ---- where they lie ---------------------------------------------------------------------- */

static void look(struct image_watch *watch);

/* A directory that has come may hold what is wanted already, before anybody could watch it; and one
 * that has gone took its watch along. Places are freed by look(): nothing of this one is touched
 * behind it. */
static int on_news(sd_event_source *source, const struct inotify_event *event, void *context)
{
	(void)source;
	struct place *place = context;
	struct image_watch *watch = place->watch;
	bool is_lost = event->mask & IN_Q_OVERFLOW;
	if (!is_lost && event->len == 0)
		return 0;
	_cleanup_(freep) char *path =
		is_lost ? NULL : text_format("%s/%s", place->path, event->name);
	if (is_lost || event->mask & IN_ISDIR)
		look(watch);
	if (is_lost || (event->mask & (IN_CLOSE_WRITE | IN_MOVED_TO) && !(event->mask & IN_ISDIR)))
		tell(watch, path);
	return 0;
}

static bool is_known(const struct image_watch *watch, const char *path)
{
	for (size_t i = 0; i < watch->count; i++)
		if (text_equal(watch->places[i]->path, path))
			return true;
	return false;
}

/* What is not there, or cannot be looked into, is left out: its rule says what is wrong. */
static void add(struct image_watch *watch, const char *path)
{
	if (watch->count == PLACES_MAX || is_known(watch, path))
		return;
	_cleanup_(place_freep) struct place *place = calloc(1, sizeof(*place));
	if (!place)
		return;
	place->watch = watch;
	place->path = strdup(path);
	if (!place->path ||
		sd_event_add_inotify(watch->event, &place->source, path, NEWS, on_news, place) < 0)
		return;
	watch->places[watch->count++] = TAKE_PTR(place);
}

static void closedirp(DIR **directory)
{
	if (*directory)
		closedir(*directory);
}

static void add_all(struct image_watch *watch, const char *path, unsigned depth)
{
	_cleanup_(closedirp) DIR *directory = opendir(path);
	add(watch, path);
	for (struct dirent *item; directory && depth < DEPTH_MAX && (item = readdir(directory));) {
		struct stat status;
		if (item->d_name[0] == '.' ||
			fstatat(dirfd(directory), item->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		_cleanup_(freep) char *child = text_format("%s/%s", path, item->d_name);
		if (child && S_ISDIR(status.st_mode))
			add_all(watch, child, depth + 1);
	}
}

/* The directory of a file that is named, and the one above: "make clean" takes the former away. */
static void add_way_to(struct image_watch *watch, const char *file)
{
	_cleanup_(freep) char *path = strdup(file);
	for (int i = 0; i < 2 && path; i++) {
		char *slash = strrchr(path, '/');
		if (!slash || slash == path)
			return;
		*slash = '\0';
		add(watch, path);
	}
}

static void look(struct image_watch *watch)
{
	const struct policy *policy = watch->policy;
	bool is_below = false;
	forget_places(watch);
	for (size_t i = 0; i < policy->rule_count; i++) {
		const struct policy_rule *rule = &policy->rules[i];
		if (!is_watched(rule))
			continue;
		if (rule->image[0] == '/')
			add_way_to(watch, rule->image);
		else
			is_below = true;
	}
	if (!is_below)
		return;
	add_all(watch, watch->directory, 0);
	for (size_t i = 0; i < policy->directory_count; i++)
		add_all(watch, policy->directories[i], 0);
}

/* ---- the roof's side --------------------------------------------------------------------- */

void image_watch_set_policy(struct image_watch *watch, const struct policy *policy)
{
	watch->policy = policy;
	look(watch);
}

int image_watch_new(sd_event *event, const char *directory, image_watch_on_change on_change,
	void *context, struct image_watch **ret)
{
	struct image_watch *watch = calloc(1, sizeof(*watch));
	if (!watch)
		return -ENOMEM;
	watch->event = event;
	watch->directory = directory;
	watch->on_change = on_change;
	watch->context = context;
	*ret = watch;
	return 0;
}

struct image_watch *image_watch_free(struct image_watch *watch)
{
	if (watch)
		forget_places(watch);
	free(watch);
	return NULL;
}
