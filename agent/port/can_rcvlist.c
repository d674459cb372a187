/* SPDX-License-Identifier: MIT */
/*
 * Lines of /proc/net/can/rcvlist_*, as net/can/proc.c writes them:
 *
 *	  device   can_id   can_mask  function  userdata   matches  ident
 *	   can0      109    c00007ff  0000…     0000…        0      raw
 */
#include <stdio.h>
#include <string.h>

#include "port/can_rcvlist.h"

#define NUMBER_MASK 0x7ffu

bool can_rcvlist_matches(const char *line, const char *interface, uint32_t first, uint32_t last)
{
	char name[32];
	unsigned number, mask;
	if (sscanf(line, " %31s %x %x", name, &number, &mask) != 3)
		return false;
	return strcmp(name, interface) == 0 && (mask & NUMBER_MASK) == NUMBER_MASK &&
	       (number & NUMBER_MASK) >= first && (number & NUMBER_MASK) <= last;
}
