/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Files of USB DFU: a raw image with a suffix that holds its checksum, and DfuSe,
 * STMicroelectronics' container of pieces with addresses inside such a file.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/image.h"

bool dfuse_is_meant(const uint8_t *data, size_t length);
bool dfu_is_meant(const uint8_t *data, size_t length);

/* As image_parse(). */
int dfuse_parse(const uint8_t *data, size_t length, struct reasons *reasons, struct image **ret)
	_must_check_;
int dfu_parse(const uint8_t *data, size_t length, struct reasons *reasons, struct image **ret)
	_must_check_;
