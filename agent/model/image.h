/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A firmware image as one value, whatever file it came from: segments of bytes in the order of
 * their addresses, and a digest over addresses and bytes, so that one firmware in two formats is
 * recognised as the same.
 *
 * What a file states is content, and nothing is taken off again: UF2 is filled up to whole blocks
 * of mostly 256 bytes, a .bin fills the holes between what an ELF states apart. So one firmware has
 * one digest in all formats when it is in one piece and, for UF2, a whole number of blocks long.
 * Where it is not, the files do say different things about the bytes behind it, or between.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "model/board.h"
#include "model/reason.h"

/* No board that we know holds more; larger files are not read. A UF2 is twice its content. */
#define IMAGE_BYTES_MAX    (16u << 20)
#define IMAGE_FILE_MAX     (2 * IMAGE_BYTES_MAX + (1u << 20))
#define IMAGE_SEGMENTS_MAX 4096

/* What image_parse() reads, for people. */
#define IMAGE_FORMATS ".uf2, .bin, .elf, .hex and .dfu, each of them also as .gz"

enum image_format {
	FORMAT_UNKNOWN,
	FORMAT_BIN,
	FORMAT_UF2,
	FORMAT_ELF,
	FORMAT_HEX, /* Intel HEX */
	FORMAT_DFUSE,
	FORMAT_DFU, /* a raw image and a DFU suffix, which does not say where it belongs either */
	_FORMAT_MAX,
};

const char *image_format_name(enum image_format format); /* "uf2" */

struct image_segment {
	uint32_t address;
	uint32_t length; /* never 0; address + length never wraps */
	uint8_t *data;
};

struct image {
	enum image_format format;
	bool is_gzip; /* the file was a .gz of that format */
	bool has_address; /* false: a raw image, which does not say where it belongs */
	/* No firmware but a program for the machine itself: one segment, the whole ELF file. */
	bool is_linux_program;
	uint32_t uf2_family; /* 0 = the file names none */
	enum chip family_chip; /* the chip that the family means, CHIP_UNKNOWN = none named */
	struct image_segment *segments; /* ascending, apart from each other */
	size_t segment_count;
	uint64_t byte_count;
	struct digest digest;
};

/*
 * Parses the bytes of a firmware file, which alone decide what kind of file it is, not its name
 * (image_file.c: no part of the worker). 0: `*ret` is a new image, to be freed by image_free();
 * 1: the bytes are no acceptable image and `reasons` says why; -ENOMEM.
 */
#define IMAGE_REJECTED 1
int image_parse(const void *data, size_t length, struct reasons *reasons, struct image **ret)
	_must_check_;

/*
 * Places a raw image, never a Linux program, at `address` (its digest changes with it). 0, or
 * IMAGE_REJECTED with a reason when it would not lie inside 32 bits; -ENOMEM. The image is
 * unchanged by failure.
 */
int image_place(struct image *image, uint32_t address, struct reasons *reasons) _must_check_;

/*
 * How an image comes to be, for those that make one: segments in ascending order, then the digest.
 * image_new() is empty, with room for `segments` segments, at least 1; NULL when memory is short.
 */
struct image *image_new(enum image_format format, size_t segments);

/* Copies the bytes. 0 or -ENOMEM. */
int image_append(struct image *image, uint32_t address, const uint8_t *data, uint32_t length)
	_must_check_;

/* Computes the digest, the SHA-256 of the canonical form. 0 or -ENOMEM. */
int image_seal(struct image *image) _must_check_;

struct image *image_free(struct image *image);
DEFINE_CLEANUP(struct image *, image_free)

/* The lowest address and the one behind the last byte. */
uint32_t image_start(const struct image *image);
uint64_t image_end(const struct image *image);

/*
 * Copies what the image holds of [address, address + length) into `ret`, which the caller has
 * filled with what belongs into the holes. Returns how many bytes were copied.
 */
size_t image_copy(const struct image *image, uint32_t address, size_t length, uint8_t *ret);

/*
 * The canonical form that crosses the wire between mind and hands in a sealed memfd, so that only
 * the mind ever parses a firmware file: "PFI1", number of segments, then address, length and bytes
 * of each, all u32 little-endian. Its SHA-256 is the image's digest. Only an image that has its
 * address can be encoded.
 */
struct buffer;
void image_encode(const struct image *image, struct buffer *ret);

/* 0, -EBADMSG when the bytes are not exactly what image_encode() makes, -ENOMEM. */
int image_decode(const void *data, size_t length, struct image **ret) _must_check_;

/* ---- how an image comes to be: segments in ascending order, then the digest -------------- */

/* Empty, with room for `segments` segments, at least 1. NULL when memory is short. */
struct image *image_new(enum image_format format, size_t segments);

/* Copies the bytes. 0 or -ENOMEM. */
int image_append(struct image *image, uint32_t address, const uint8_t *data, uint32_t length)
	_must_check_;

/* Computes the digest, the SHA-256 of the canonical form. 0 or -ENOMEM. */
int image_seal(struct image *image) _must_check_;
