/* SPDX-License-Identifier: MIT */
/* Finding the DFU function; see dfu_descriptor.h. */
#include <errno.h>

#include "backend/dfu_descriptor.h"
#include "base/bytes.h"

enum {
	DESCRIPTOR_INTERFACE = 4,
	DESCRIPTOR_FUNCTIONAL = 0x21, /* also that of HID: the interface before it decides */
};

#define INTERFACE_BYTES    9u
#define FUNCTIONAL_BYTES   7u /* of DFU 1.0, which has no version in it */
#define FUNCTIONAL_VERSION 9u

struct search {
	struct dfu_function function;
	bool is_found; /* an interface of the function was seen */
	bool is_inside; /* and nothing of another since */
	bool is_complete; /* the functional descriptor, too */
};

/* Application specific, device firmware upgrade; 1 is run-time, 2 is DFU mode, and some loaders say
 * 1 in DFU mode. */
static bool is_dfu_interface(const uint8_t *descriptor)
{
	return descriptor[5] == 0xfe && descriptor[6] == 1 &&
	       (descriptor[7] == 1 || descriptor[7] == 2);
}

/* False: the alternates are not numbered 0, 1, 2, …, or are too many. */
static bool take_interface(struct search *search, const uint8_t *descriptor)
{
	struct dfu_function *function = &search->function;
	search->is_inside = is_dfu_interface(descriptor) &&
			    (!search->is_found || descriptor[2] == function->interface);
	if (!search->is_inside)
		return true;
	if (descriptor[3] != function->alternate_count || descriptor[3] >= DFU_ALTERNATES_MAX)
		return false;
	search->is_found = true;
	function->interface = descriptor[2];
	function->names[function->alternate_count++] = descriptor[8];
	return true;
}

static void take_functional(struct search *search, const uint8_t *descriptor)
{
	if (!search->is_inside || search->is_complete)
		return;
	search->is_complete = true;
	search->function.attributes = descriptor[2];
	search->function.transfer_bytes = read_u16(descriptor + 5);
	search->function.version =
		descriptor[0] >= FUNCTIONAL_VERSION ? read_u16(descriptor + 7) : 0x0100;
}

/* Erase units are powers of two; so are the blocks, that one is a whole number of the other. */
static bool is_transfer_size(uint16_t bytes)
{
	return bytes >= DFU_TRANSFER_LEAST && bytes <= DFU_TRANSFER_MAX &&
	       (bytes & (bytes - 1)) == 0;
}

int dfu_find(const uint8_t *configuration, size_t length, struct dfu_function *ret)
{
	struct search search = { 0 };
	for (size_t at = 0; length - at >= 2;) {
		const uint8_t *descriptor = configuration + at;
		size_t bytes = descriptor[0];
		if (bytes < 2 || bytes > length - at)
			break;
		if (descriptor[1] == DESCRIPTOR_INTERFACE && bytes >= INTERFACE_BYTES &&
			!take_interface(&search, descriptor))
			return -ENOENT;
		if (descriptor[1] == DESCRIPTOR_FUNCTIONAL && bytes >= FUNCTIONAL_BYTES)
			take_functional(&search, descriptor);
		at += bytes;
	}
	if (!search.is_found || !search.is_complete)
		return -ENOENT;
	if (!is_transfer_size(search.function.transfer_bytes))
		return -EPROTO;
	*ret = search.function;
	return 0;
}
