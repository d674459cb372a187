/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * ELF: firmware as the linker made it, of which what is loaded goes to its physical address; and
 * programs for Linux, which some firmware comes as too and which are one piece.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/image.h"

bool elf_is_meant(const uint8_t *data, size_t length);

/* As image_parse(). */
int elf_parse(const uint8_t *data, size_t length, struct reasons *reasons, struct image **ret)
	_must_check_;
