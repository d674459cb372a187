/* SPDX-License-Identifier: MIT */
/* Images out of pieces; see image_builder.h. Linear in the number of bytes, but for one sort. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "model/image.h"
#include "model/image_builder.h"

/* Pieces that touch or overlap, as they become one segment. */
struct run {
	const struct image_piece *pieces;
	size_t piece_count;
	uint32_t address;
	uint32_t length;
};

static int reject(int r)
{
	return r < 0 ? r : IMAGE_REJECTED;
}

static uint32_t piece_end(const struct image_piece *piece)
{
	return piece->address + piece->length;
}

static int grow(struct image_builder *builder)
{
	size_t wanted = builder->allocated ? 2 * builder->allocated : 64;
	struct image_piece *grown = reallocarray(builder->pieces, wanted, sizeof(*builder->pieces));
	if (!grown)
		return -ENOMEM;
	builder->pieces = grown;
	builder->allocated = wanted;
	return 0;
}

int image_builder_add(
	struct image_builder *builder, uint32_t address, const uint8_t *data, size_t length)
{
	assert(length <= UINT32_MAX - address);
	if (length == 0)
		return 0;
	/* Text formats come in lines of 16 bytes, which are to cost no piece each. */
	struct image_piece *last =
		builder->piece_count ? &builder->pieces[builder->piece_count - 1] : NULL;
	if (last && piece_end(last) == address && last->data + last->length == data) {
		last->length += (uint32_t)length;
		return 0;
	}
	if (builder->piece_count == builder->allocated && grow(builder) < 0)
		return -ENOMEM;
	builder->pieces[builder->piece_count++] = (struct image_piece){
		.address = address,
		.length = (uint32_t)length,
		.data = data,
	};
	return 0;
}

static int compare_addresses(const void *left, const void *right)
{
	const struct image_piece *a = left, *b = right;
	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	/* qsort() is not stable, and what a person reads should not depend on that. */
	return a->data < b->data ? -1 : a->data > b->data;
}

/* The run that begins with the sorted piece `first`. */
static struct run measure_run(const struct image_builder *builder, size_t first)
{
	const struct image_piece *pieces = builder->pieces;
	uint32_t end = piece_end(&pieces[first]);
	size_t next = first + 1;
	for (; next < builder->piece_count && pieces[next].address <= end; next++)
		end = piece_end(&pieces[next]) > end ? piece_end(&pieces[next]) : end;
	return (struct run){
		.pieces = &pieces[first],
		.piece_count = next - first,
		.address = pieces[first].address,
		.length = end - pieces[first].address,
	};
}

static int check_limits(
	const struct image_builder *builder, size_t runs, uint64_t bytes, struct reasons *reasons)
{
	if (runs == 0)
		return reject(reasons_add(reasons, REASON_IMAGE_FORMAT,
			"the %s holds nothing that is to be written: is it the right file?",
			builder->name));
	if (runs > IMAGE_SEGMENTS_MAX)
		return reject(reasons_add(reasons, REASON_IMAGE_INCONSISTENT,
			"the %s scatters over %zu places in the flash, where %d are plenty: "
			"it is damaged, build or download it again",
			builder->name, runs, IMAGE_SEGMENTS_MAX));
	if (bytes > IMAGE_BYTES_MAX)
		return reject(reasons_add(reasons, REASON_IMAGE_TOO_LARGE,
			"the %s holds %" PRIu64
			" KiB, and no board that plugflash knows holds more than %u KiB: is it the "
			"right file?",
			builder->name, bytes >> 10, IMAGE_BYTES_MAX >> 10));
	return 0;
}

/* Sorted, what overlaps at all overlaps its neighbour. */
static int check_overlap(const struct image_builder *builder, struct reasons *reasons)
{
	for (size_t i = 1; !builder->may_repeat && i < builder->piece_count; i++) {
		const struct image_piece *piece = &builder->pieces[i];
		if (piece->address < piece_end(piece - 1))
			return reject(reasons_add(reasons, REASON_IMAGE_INCONSISTENT,
				"the %s says twice what belongs at address 0x%08" PRIx32
				": it is damaged or joined from two, build or download it again",
				builder->name, piece->address));
	}
	return 0;
}

/* Sorted pieces fill a run from its start, so what is filled already is one number. */
static int fill_run(const struct image_builder *builder, const struct run *run,
	struct reasons *reasons, uint8_t *ret)
{
	uint32_t filled = 0;
	for (size_t i = 0; i < run->piece_count; i++) {
		const struct image_piece *piece = &run->pieces[i];
		uint32_t place = piece->address - run->address;
		uint32_t overlap = filled - place;
		overlap = overlap < piece->length ? overlap : piece->length;
		if (memcmp(ret + place, piece->data, overlap) != 0)
			return reject(reasons_add(reasons, REASON_IMAGE_INCONSISTENT,
				"the %s says two different things about what belongs at address "
				"0x%08" PRIx32
				": it is damaged or joined from two, build or download it again",
				builder->name, piece->address));
		memcpy(ret + filled, piece->data + overlap, piece->length - overlap);
		filled += piece->length - overlap;
	}
	return 0;
}

static int append_run(const struct image_builder *builder, const struct run *run,
	struct reasons *reasons, struct image *image)
{
	struct image_segment *segment = &image->segments[image->segment_count];
	segment->data = malloc(run->length);
	if (!segment->data)
		return -ENOMEM;
	segment->address = run->address;
	segment->length = run->length;
	image->segment_count++;
	image->byte_count += run->length;
	return fill_run(builder, run, reasons, segment->data);
}

static int build(const struct image_builder *builder, size_t runs, struct reasons *reasons,
	struct image **ret)
{
	_cleanup_(image_freep) struct image *image = image_new(builder->format, runs);
	if (!image)
		return -ENOMEM;
	for (size_t i = 0; i < builder->piece_count;) {
		struct run run = measure_run(builder, i);
		int r = append_run(builder, &run, reasons, image);
		if (r != 0)
			return r;
		i += run.piece_count;
	}
	image->has_address = true;
	int r = image_seal(image);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(image);
	return 0;
}

int image_builder_finish(struct image_builder *builder, struct reasons *reasons, struct image **ret)
{
	if (builder->piece_count > 0)
		qsort(builder->pieces, builder->piece_count, sizeof(*builder->pieces),
			compare_addresses);
	size_t runs = 0;
	uint64_t bytes = 0;
	for (size_t i = 0; i < builder->piece_count; runs++) {
		struct run run = measure_run(builder, i);
		bytes += run.length;
		i += run.piece_count;
	}
	/* Nothing is allocated for what is refused here. */
	int r = check_overlap(builder, reasons);
	if (r == 0)
		r = check_limits(builder, runs, bytes, reasons);
	return r == 0 ? build(builder, runs, reasons, ret) : r;
}

void image_builder_done(struct image_builder *builder)
{
	free(builder->pieces);
	*builder = (struct image_builder){ 0 };
}

int image_from_raw(enum image_format format, const uint8_t *data, size_t length,
	struct reasons *reasons, struct image **ret)
{
	if (length > IMAGE_BYTES_MAX)
		return reject(reasons_add(reasons, REASON_IMAGE_TOO_LARGE,
			"the file holds %zu KiB, and no board that plugflash knows holds more than "
			"%u KiB: is it the right file?",
			length >> 10, IMAGE_BYTES_MAX >> 10));
	_cleanup_(image_freep) struct image *image = image_new(format, 1);
	if (!image)
		return -ENOMEM;
	int r = image_append(image, 0, data, (uint32_t)length);
	if (r == 0)
		r = image_seal(image);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(image);
	return 0;
}
