/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The firmware directory: from a policy's name or pattern to an image.
 */
#include "model/board.h"
#include "model/image.h"
#include "model/reason.h"

/*
 * The one file that `pattern` means: an absolute path, a name, or a glob below `directory`.
 * 0: `*ret_path`, to be freed; STORE_REFUSED: none or several, and `reasons` says which; -ENOMEM.
 */
#define STORE_REFUSED 1
int store_find(const char *directory, const char *pattern, struct reasons *reasons, char **ret_path)
	_must_check_;

/* Reads and parses a firmware file; a raw image is placed where `chip` starts. Answers as above. */
int store_load(const char *path, enum chip chip, struct reasons *reasons, struct image **ret)
	_must_check_;
