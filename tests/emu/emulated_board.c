/* SPDX-License-Identifier: MIT */
/* Which makes there are, and what is the same for all of them. */
#include <errno.h>
#include <string.h>

#include "emu/emulated_board.h"

#define KIND "kind="

static const struct {
	const char *kind;
	int (*create)(const struct words *words, size_t first, struct emulated_board **ret,
		const char **ret_wrong);
} makes[] = {
	{ "rp2040", rp2040_board_new },
	{ "stm32", stm32_board_new },
	{ "candlelight", candlelight_board_new },
};

/* Takes kind=NAME out of the words. */
static const char *take_kind(struct words *words, size_t first)
{
	const char *kind = makes[0].kind;
	size_t kept = first;
	for (size_t index = first; index < words->count; index++) {
		if (!strncmp(words->words[index], KIND, strlen(KIND)))
			kind = words->words[index] + strlen(KIND);
		else
			words->words[kept++] = words->words[index];
	}
	words->count = kept;
	return kind;
}

int emulated_board_new(const struct words *words, size_t first, struct emulated_board **ret,
	const char **ret_wrong)
{
	struct words options = *words;
	const char *kind = take_kind(&options, first);
	for (size_t index = 0; index < ELEMENTSOF(makes); index++) {
		if (strcmp(makes[index].kind, kind) != 0)
			continue;
		*ret_wrong = NULL;
		return makes[index].create(&options, first, ret, ret_wrong);
	}
	*ret_wrong = kind;
	return -EINVAL;
}

struct emulated_board *emulated_board_free(struct emulated_board *board)
{
	if (board)
		board->operations->free(board);
	return NULL;
}

void emulated_board_listen(
	struct emulated_board *board, emulated_board_listener listener, void *context)
{
	board->listener = listener;
	board->listener_context = context;
}

void emulated_board_tell(
	const struct emulated_board *board, uint64_t at_nsec, const char *text, bool is_detail)
{
	if (board->listener)
		board->listener(board->listener_context, at_nsec, text, is_detail);
}
