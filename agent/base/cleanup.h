/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Ownership by attribute: a variable marked _cleanup_(f) is released by f when it leaves scope,
 * TAKE_PTR and TAKE_FD hand it on. There is no goto in this tree.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(function)     __attribute__((cleanup(function)))
#define _printf_(string, first) __attribute__((format(printf, string, first)))
#define _must_check_            __attribute__((warn_unused_result))

#define ELEMENTSOF(array) (sizeof(array) / sizeof((array)[0]))

/* For functions that are one long list of steps: a negative errno is passed up at once. */
#define TRY(call)                  \
	do {                       \
		int _r = (call);   \
		if (_r < 0)        \
			return _r; \
	} while (0)

/* Gives a destructor `type *f(type *)` the shape that _cleanup_ wants: `void fp(type **)`. */
#define DEFINE_CLEANUP(type, destructor)               \
	static inline void destructor##p(type *object) \
	{                                              \
		if (*object)                           \
			*object = destructor(*object); \
	}

#define TAKE_PTR(pointer)                                 \
	({                                                \
		__typeof__(pointer) *_place = &(pointer); \
		__typeof__(pointer) _taken = *_place;     \
		*_place = NULL;                           \
		_taken;                                   \
	})

#define TAKE_FD(fd)                   \
	({                            \
		int *_place = &(fd);  \
		int _taken = *_place; \
		*_place = -1;         \
		_taken;               \
	})

static inline void freep(void *place)
{
	void **pointer = place;
	free(*pointer);
	*pointer = NULL;
}

static inline int safe_close(int fd)
{
	if (fd >= 0)
		close(fd);
	return -1;
}

static inline void closep(int *fd)
{
	*fd = safe_close(*fd);
}

static inline void fclosep(FILE **file)
{
	if (*file)
		fclose(*file);
	*file = NULL;
}
