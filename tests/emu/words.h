/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A line of the bench protocol, in words; most of them are "key=value". %XX in a value is one byte,
 * so that strings of any malice fit into a word.
 */
#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORDS_MOST 64

struct words {
	size_t count;
	char *words[WORDS_MOST];
};

/* Cuts the word in two and returns the value; NULL when it has none. */
char *word_split(char *word);
/* In place. */
char *word_unescape(char *text);
/* Decimal, hexadecimal behind 0x, and with K or M behind it. */
bool word_number(const char *text, uint64_t *ret) _must_check_;
/* As many bytes as there is room for, from exactly two hexadecimal digits each. */
bool word_hex(const char *text, uint8_t *bytes, size_t count) _must_check_;
/* The position of a name among these, -EINVAL when it is none of them; gaps are passed over. */
int word_index(const char *const *names, size_t count, const char *name);
/* A whole file; negative errno. */
int word_read_file(const char *path, uint8_t **ret_bytes, size_t *ret_length) _must_check_;
