/* SPDX-License-Identifier: MIT */
/*
 * Making a board from its options, and its end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emu/stm32_parts.h"

static const uint8_t some_id[STM32_UNIQUE_ID_BYTES] = { 0x2b, 0x00, 0x07, 0x00, 0x0c, 0x50, 0x42,
	0x55, 0x39, 0x39, 0x30, 0x20 };

struct stm32 *stm32_free(struct stm32 *board)
{
	if (!board)
		return NULL;
	for (size_t index = 0; index < ELEMENTSOF(board->strings); index++)
		free(board->strings[index]);
	for (size_t index = 0; index < STM32_ALTERNATES; index++) {
		free(board->alternate_texts[index]);
		free(board->alternate_strings[index]);
	}
	free(board->boot_configuration);
	resident_done(&board->resident);
	stm32_flash_done(board);
	free(board);
	return NULL;
}

static int copy_string(char **ret, const char *source)
{
	*ret = source ? strdup(source) : NULL;
	return source && !*ret ? -ENOMEM : 0;
}

static int copy_bytes(uint8_t **ret, const struct stm32_bytes *source, size_t most)
{
	if (!source->bytes)
		return 0;
	if (source->length > most)
		return -EINVAL;
	*ret = malloc(source->length ? source->length : 1);
	if (!*ret)
		return -ENOMEM;
	memcpy(*ret, source->bytes, source->length);
	return 0;
}

static int copy_strings(struct stm32 *board, const struct stm32_options *options)
{
	const char *const sources[] = { options->manufacturer, options->product, options->serial,
		options->boot_manufacturer, options->boot_product, options->boot_serial };
	for (size_t index = 0; index < ELEMENTSOF(sources); index++)
		TRY(copy_string(&board->strings[index], sources[index]));
	for (size_t index = 0; index < STM32_ALTERNATES; index++) {
		TRY(copy_string(&board->alternate_texts[index], options->alternate_texts[index]));
		TRY(copy_bytes(&board->alternate_strings[index], &options->alternate_strings[index],
			STM32_CONFIGURATION_BYTES));
	}
	return copy_bytes(&board->boot_configuration, &options->boot_configuration,
		STM32_CONFIGURATION_BYTES);
}

/* Whatever the options leave open is as the chip does it. */
static void choose_manners(struct stm32 *board, const struct stm32_options *options)
{
	const struct manners *usual = &board->kind->loader->manners;
#define CHOOSE(member) board->manners.member = options->member ? options->member : usual->member
	CHOOSE(initial);
	CHOOSE(clear);
	CHOOSE(busy);
	CHOOSE(leave);
	CHOOSE(upload_multiplier);
	CHOOSE(dnload_multiplier);
	CHOOSE(functional);
	CHOOSE(interface);
	CHOOSE(bus_reset);
	CHOOSE(refusal);
#undef CHOOSE
	board->polls = options->polls.given ? options->polls : board->kind->loader->polls;
	board->transfer =
		options->transfer_bytes ? options->transfer_bytes : board->kind->loader->transfer;
	board->dnload_most = options->dnload_most ? options->dnload_most : board->transfer;
}

int stm32_new(const struct stm32_options *options, struct stm32 **ret)
{
	static const uint8_t nothing[STM32_UNIQUE_ID_BYTES];
	if (options->chip >= STM32_CHIPS)
		return -EINVAL;
	_cleanup_(stm32_freep) struct stm32 *board = calloc(1, sizeof(*board));
	if (!board)
		return -ENOMEM;
	board->kind = &stm32_personalities[options->chip];
	board->options = *options;
	if (!memcmp(options->unique_id, nothing, sizeof(nothing)))
		memcpy(board->options.unique_id, some_id, sizeof(some_id));
	board->mode_due = board->return_due = board->double_reset = NEVER;
	choose_manners(board, options);
	if (board->transfer > STM32_BUFFER_BYTES || board->dnload_most > STM32_BUFFER_BYTES)
		return -EINVAL;
	TRY(copy_strings(board, options));
	TRY(stm32_flash_init(board));
	TRY(stm32_application_init(board));
	stm32_core_init(board);
	stm32_dfu_start(board);
	*ret = TAKE_PTR(board);
	return 0;
}
