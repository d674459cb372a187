/* SPDX-License-Identifier: MIT */
/* What a rule's image means for a board; see store.h. */
#include <errno.h>
#include <glob.h>
#include <string.h>

#include "base/text.h"
#include "daemon/store_parts.h"
#include "model/fitness.h"
#include "model/version.h"

/* What UF2 fills up. */
#define PAGE 256u
/* No build has more; what has is compared as it is. */
#define SEGMENTS_COMPARED 16

/* The files that come into question, by path and, where it is known, by what they say. */
struct candidate {
	const char *path;
	char *version; /* NULL = none stated */
	bool is_firmware; /* of some kind */
	bool is_out; /* looked at, and does not fit */
};

struct choice {
	const struct store *store;
	const struct policy *policy;
	const struct policy_rule *rule;
	const struct board_facts *facts;
	struct reasons *reasons;
	struct candidate *candidates;
	size_t count;
};

/* ---- by name or pattern ------------------------------------------------------------------ */

static bool climbs_out(const char *pattern)
{
	return strstr(pattern, "../") || text_equal(pattern, "..") || strstr(pattern, "/..");
}

/* What is not there holds no file either. */
static int on_glob_error(const char *path, int error)
{
	(void)path;
	return error != ENOENT && error != ENOTDIR;
}

static int glob_one(const char *pattern, glob_t *found, struct reasons *reasons)
{
	int flags = found->gl_pathv ? GLOB_APPEND : 0;
	int r = glob(pattern, flags, on_glob_error, found);
	if (r == GLOB_NOSPACE)
		return -ENOMEM;
	if (r == GLOB_ABORTED)
		return store_refuse(reasons, REASON_IMAGE_UNREADABLE, pattern,
			"the directory cannot be read; give plugflashd the right to");
	return 0;
}

/* A pattern that means this text and nothing else; NULL when memory is short. */
static char *literally(const char *text)
{
	char *pattern = malloc(2 * strlen(text) + 1), *end = pattern;
	for (; pattern && *text; text++) {
		if (strchr("*?[\\", *text))
			*end++ = '\\';
		*end++ = *text;
	}
	if (pattern)
		*end = '\0';
	return pattern;
}

static int glob_below(
	const char *directory, const char *pattern, glob_t *found, struct reasons *reasons)
{
	_cleanup_(freep) char *head = literally(directory);
	_cleanup_(freep) char *full = head ? text_format("%s/%s", head, pattern) : NULL;
	return full ? glob_one(full, found, reasons) : -ENOMEM;
}

/* All files that the pattern means, in all directories. */
static int find_files(const struct choice *choice, glob_t *found)
{
	const char *pattern = choice->rule->image;
	if (climbs_out(pattern))
		return store_refuse(choice->reasons, REASON_IMAGE_UNREADABLE, pattern,
			"\"..\" is not allowed; give an absolute path");
	if (pattern[0] == '/')
		return glob_one(pattern, found, choice->reasons);
	int r = glob_below(choice->store->directory, pattern, found, choice->reasons);
	for (size_t i = 0; i < choice->policy->directory_count && r == 0; i++)
		r = glob_below(choice->policy->directories[i], pattern, found, choice->reasons);
	return r;
}

static int refuse_missing(const struct choice *choice)
{
	const char *pattern = choice->rule->image;
	_cleanup_(freep) char *full =
		pattern[0] == '/' ? strdup(pattern)
				  : text_format("%s/%s", choice->store->directory, pattern);
	if (!full)
		return -ENOMEM;
	return store_refuse(choice->reasons, REASON_IMAGE_MISSING, full,
		"no such firmware file; put it there or correct the rule");
}

/* ---- one file ---------------------------------------------------------------------------- */

/* 0: it fits; CHOICE_UNFIT: not, and `reasons` says why; negative errno. */
#define CHOICE_UNFIT 1
static int try_file(const struct choice *choice, const char *path, struct reasons *reasons,
	struct firmware *ret)
{
	_cleanup_(firmware_done) struct firmware firmware = { 0 };
	const struct terms *terms = &choice->rule->terms;
	size_t before = reasons->count;
	int r = store_load(choice->store, path, terms, reasons, &firmware);
	if (r == 0)
		r = fitness_judge(firmware.image, &firmware.says, choice->facts, terms, reasons);
	if (r < 0)
		return r;
	if (firmware.image) {
		firmware_done(ret);
		*ret = firmware;
		firmware = (struct firmware){ 0 };
	}
	return r > 0 || reasons->count > before ? CHOICE_UNFIT : 0;
}

/* The file that is named, whether it fits or not: all that speaks against it is told. */
static int take_file(const struct choice *choice, const char *path, struct firmware *ret)
{
	int r = try_file(choice, path, choice->reasons, ret);
	if (r == CHOICE_UNFIT && ret->image)
		return 0;
	return r == CHOICE_UNFIT ? STORE_REFUSED : r;
}

/* ---- the newest of several --------------------------------------------------------------- */

static bool is_newer(const struct candidate *candidate, const struct candidate *than)
{
	return version_compare(candidate->version, than->version) == VERSION_NEWER;
}

/* The one to try first. Among those that have no order, what says most of itself is also what says
 * most when it does not fit. */
static bool is_before(const struct candidate *candidate, const struct candidate *other)
{
	if (candidate->is_firmware != other->is_firmware)
		return candidate->is_firmware;
	if (!candidate->version != !other->version)
		return candidate->version;
	return is_newer(candidate, other);
}

/* A candidate that none of those left is newer than; NULL: none is left. */
static struct candidate *find_newest(const struct choice *choice)
{
	struct candidate *newest = NULL;
	for (size_t i = 0; i < choice->count; i++) {
		struct candidate *candidate = &choice->candidates[i];
		if (!candidate->is_out && (!newest || is_before(candidate, newest)))
			newest = candidate;
	}
	return newest;
}

static int refuse_tie(
	const struct choice *choice, const struct candidate *one, const struct candidate *other)
{
	_cleanup_(freep) char *text = text_format(
		"%s (%s) and %s (%s) both fit, and which is the newer one, nobody can tell; keep "
		"one, or name it in the rule",
		one->path, one->version ? one->version : "no version", other->path,
		other->version ? other->version : "no version");
	_cleanup_(freep) char *safe = text ? text_escape(text) : NULL;
	return safe ? store_refuse(
			      choice->reasons, REASON_IMAGE_AMBIGUOUS, choice->rule->image, safe)
		    : -ENOMEM;
}

/* A page in which both say something, and where only one does it is padding. */
static bool is_same_page(const struct image *one, const struct image *other, uint32_t address)
{
	static const uint8_t paddings[] = { 0x00, 0xff };
	uint8_t left[PAGE], right[PAGE];
	for (size_t i = 0; i < ELEMENTSOF(paddings); i++) {
		memset(left, paddings[i], PAGE);
		memset(right, paddings[i], PAGE);
		if (image_copy(one, address, PAGE, left) > 0 &&
			image_copy(other, address, PAGE, right) > 0 &&
			memcmp(left, right, PAGE) == 0)
			return true;
	}
	return false;
}

static bool holds(const struct image *image, const struct image *other)
{
	for (size_t i = 0; i < other->segment_count; i++) {
		const struct image_segment *segment = &other->segments[i];
		uint64_t end = (uint64_t)segment->address + segment->length;
		for (uint64_t at = segment->address & ~(PAGE - 1); at < end; at += PAGE)
			if (!is_same_page(image, other, (uint32_t)at))
				return false;
	}
	return true;
}

/* One build in two formats: UF2 fills the last page up, a .bin the holes of an ELF. */
static bool is_same_firmware(const struct image *one, const struct image *other)
{
	if (memcmp(&one->digest, &other->digest, sizeof(struct digest)) == 0)
		return true;
	return one->segment_count <= SEGMENTS_COMPARED &&
	       other->segment_count <= SEGMENTS_COMPARED && holds(one, other) && holds(other, one);
}

/* Does any other one fit of which nobody can say that it is older? */
static int refuse_rivals(const struct choice *choice, const struct candidate *chosen,
	const struct firmware *firmware)
{
	for (size_t i = 0; i < choice->count; i++) {
		const struct candidate *rival = &choice->candidates[i];
		if (rival->is_out || rival == chosen || is_newer(chosen, rival))
			continue;
		_cleanup_(reasons_done) struct reasons reasons = { 0 };
		_cleanup_(firmware_done) struct firmware other = { 0 };
		int r = try_file(choice, rival->path, &reasons, &other);
		if (r < 0)
			return r;
		if (r == 0 && !is_same_firmware(firmware->image, other.image))
			return refuse_tie(choice, chosen, rival);
	}
	return 0;
}

/* Why the newest one does not fit says most. */
static int take_reasons(struct reasons *from, struct reasons *to)
{
	for (size_t i = 0; i < from->count; i++)
		if (reasons_add(to, from->items[i].code, "%s", from->items[i].sentence) < 0)
			return -ENOMEM;
	return STORE_REFUSED;
}

static int choose_newest(const struct choice *choice, struct firmware *ret)
{
	_cleanup_(reasons_done) struct reasons first = { 0 };
	for (struct candidate *newest; (newest = find_newest(choice));) {
		_cleanup_(reasons_done) struct reasons reasons = { 0 };
		_cleanup_(firmware_done) struct firmware firmware = { 0 };
		int r = try_file(choice, newest->path, &reasons, &firmware);
		if (r == 0)
			r = refuse_rivals(choice, newest, &firmware);
		else if (r == CHOICE_UNFIT) {
			newest->is_out = true;
			if (first.count == 0) {
				first = reasons;
				reasons = (struct reasons){ 0 };
			}
			continue;
		}
		if (r != 0)
			return r;
		*ret = firmware;
		firmware = (struct firmware){ 0 };
		return 0;
	}
	return take_reasons(&first, choice->reasons);
}

/* ---- patterns and "auto" ----------------------------------------------------------------- */

static int set_candidate(
	struct candidate *candidate, const char *path, const struct image_facts *says)
{
	const char *version = says ? image_facts_version(says) : NULL;
	bool has_version = version && *version;
	*candidate = (struct candidate){
		.path = path,
		.is_firmware = says,
		.version = has_version ? strdup(version) : NULL,
	};
	return has_version && !candidate->version ? -ENOMEM : 0;
}

static void candidates_done(struct choice *choice)
{
	for (size_t i = 0; i < choice->count; i++)
		free(choice->candidates[i].version);
	free(choice->candidates);
}

/* What a look at the store can already say of a file that need not be read for it. */
static bool may_fit(const struct choice *choice, const struct store_entry *entry)
{
	const struct board_facts *facts = choice->facts;
	if (entry->reasons.count > 0)
		return false;
	if (entry->says.chip_sign == CHIP_SIGN_NONE)
		return true;
	if (facts->chip == CHIP_UNKNOWN)
		return facts->possible_chips == 0 ||
		       facts->possible_chips & chip_bit(entry->says.chip);
	if (entry->says.chip == facts->chip)
		return true;
	/* One family's files are weighed by their content; see fitness.c. */
	return entry->says.chip_sign > CHIP_SIGN_DICTIONARY &&
	       (facts->chip == CHIP_RP2040 || facts->chip == CHIP_RP2350);
}

static int refuse_auto(const struct choice *choice, size_t files)
{
	const struct board_facts *facts = choice->facts;
	_cleanup_(freep) char *chip =
		facts->chip != CHIP_UNKNOWN
			? text_format("%s %s", chip_article(facts->chip), chip_name(facts->chip))
		: facts->possible_chips ? chip_set_text(facts->possible_chips)
					: strdup("this board");
	_cleanup_(freep) char *text =
		chip ? text_format(
			       "none of the %zu files is firmware for %s; put one there (\"plugflash firmware\" "
			       "shows what is there, and why files are not used)",
			       files, chip)
		     : NULL;
	return text ? store_refuse(
			      choice->reasons, REASON_IMAGE_MISSING, choice->store->directory, text)
		    : -ENOMEM;
}

static int find_candidates(struct choice *choice, const struct store_entry *entries, size_t count)
{
	int r = 0;
	for (size_t i = 0; i < count && r == 0; i++)
		if (may_fit(choice, &entries[i]))
			r = set_candidate(&choice->candidates[choice->count++], entries[i].path,
				&entries[i].says);
	return r;
}

static int choose_auto(const struct choice *outer, const struct store_entry *entries, size_t count,
	struct firmware *ret)
{
	_cleanup_(candidates_done) struct choice choice = *outer;
	choice.candidates = calloc(count ? count : 1, sizeof(*choice.candidates));
	int r = choice.candidates ? find_candidates(&choice, entries, count) : -ENOMEM;
	if (r < 0)
		return r;
	return choice.count > 0 ? choose_newest(&choice, ret) : refuse_auto(&choice, count);
}

/* A file that lies in no directory of the store is read for what it says. */
static int set_stranger(const struct choice *choice, struct candidate *candidate, const char *path)
{
	_cleanup_(reasons_done) struct reasons reasons = { 0 };
	_cleanup_(firmware_done) struct firmware firmware = { 0 };
	int r = store_load(choice->store, path, NULL, &reasons, &firmware);
	return r < 0 ? r : set_candidate(candidate, path, r == 0 ? &firmware.says : NULL);
}

static int choose_matching(const struct choice *outer, const glob_t *found, struct firmware *ret)
{
	_cleanup_(candidates_done) struct choice choice = *outer;
	choice.candidates = calloc(found->gl_pathc, sizeof(*choice.candidates));
	int r = choice.candidates ? 0 : -ENOMEM;
	for (size_t i = 0; i < found->gl_pathc && r == 0; i++) {
		const char *path = found->gl_pathv[i];
		const struct store_entry *entry =
			store_find(choice.store->entries, choice.store->count, path);
		struct candidate *candidate = &choice.candidates[choice.count++];
		r = entry ? set_candidate(candidate, path,
				    entry->reasons.count == 0 ? &entry->says : NULL)
			  : set_stranger(&choice, candidate, path);
	}
	return r < 0 ? r : choose_newest(&choice, ret);
}

int store_choose(struct store *store, const struct policy *policy, const struct policy_rule *rule,
	const struct board_facts *facts, struct reasons *reasons, struct firmware *ret)
{
	const struct choice choice = {
		.store = store, .policy = policy, .rule = rule, .facts = facts, .reasons = reasons
	};
	_cleanup_(globfree) glob_t found = { 0 };
	bool is_auto = text_equal(rule->image, "auto");
	guard_listen(store->guard);
	int r = is_auto ? 0 : find_files(&choice, &found);
	if (r != 0)
		return r;
	if (!is_auto && found.gl_pathc == 0)
		return refuse_missing(&choice);
	if (found.gl_pathc == 1)
		return take_file(&choice, found.gl_pathv[0], ret);

	const struct store_entry *entries;
	size_t count;
	r = store_look(store, policy, &entries, &count);
	if (r == -E2BIG)
		return store_refuse(reasons, REASON_IMAGE_AMBIGUOUS, store->directory,
			"holds more files than plugflash looks through; clear it up, or name the "
			"file in the rule");
	if (r < 0)
		return r;
	return is_auto ? choose_auto(&choice, entries, count, ret)
		       : choose_matching(&choice, &found, ret);
}
