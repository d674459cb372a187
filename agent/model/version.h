/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Which of two firmware versions is the older one, as far as their texts say it: what
 * `git describe` makes ("v0.13.0-420-g0a1b2c3d4", with "-dirty…" behind) and dotted numbers behind
 * the same words ("CARTOGRAPHER 5.1.0").
 */

enum version_order {
	VERSION_UNORDERED, /* other words, or two builds of which neither can be the later one */
	VERSION_OLDER,
	VERSION_SAME,
	VERSION_NEWER,
};

/* What `left` is, seen from `right`. NULL and "" are unordered with everything. */
enum version_order version_compare(const char *left, const char *right);
