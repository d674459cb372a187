/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How it was learnt which board one is, or that two names are names of one board.
 */

/* The weakest first. */
enum provenance {
	PROVENANCE_NONE, /* nobody knows */
	PROVENANCE_SEEN, /* on the same place just before; a hand may have been quicker */
	PROVENANCE_DECLARED, /* the policy says which board sits on this place */
	PROVENANCE_COMPUTED, /* what the board shows agrees with what follows from a known id */
	PROVENANCE_REQUESTED, /* seen after we had asked that very board, or had started it */
	PROVENANCE_SHOWN, /* the board itself shows it now */
	_PROVENANCE_MAX,
};

/* "computed"; "" for NONE. */
const char *provenance_name(enum provenance provenance);
int provenance_from_name(const char *name); /* enum provenance or -EINVAL; "" is no name */

/* For people, behind an id: "the board itself shows it". */
const char *provenance_text(enum provenance provenance);
