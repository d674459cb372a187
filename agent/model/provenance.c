/* SPDX-License-Identifier: MIT */
/* Names of provenances; see provenance.h. */
#include <assert.h>
#include <errno.h>

#include "base/text.h"
#include "model/provenance.h"

static const char *const names[_PROVENANCE_MAX] = {
	[PROVENANCE_NONE] = "",
	[PROVENANCE_SEEN] = "seen",
	[PROVENANCE_DECLARED] = "declared",
	[PROVENANCE_COMPUTED] = "computed",
	[PROVENANCE_REQUESTED] = "requested",
	[PROVENANCE_SHOWN] = "shown",
};

static const char *const texts[_PROVENANCE_MAX] = {
	[PROVENANCE_NONE] = "unknown",
	[PROVENANCE_SEEN] = "seen on its place just before",
	[PROVENANCE_DECLARED] = "declared by the policy",
	[PROVENANCE_COMPUTED] = "it agrees with what follows from a known id",
	[PROVENANCE_REQUESTED] = "seen after plugflash's own request",
	[PROVENANCE_SHOWN] = "the board itself shows it",
};

const char *provenance_name(enum provenance provenance)
{
	assert(provenance < _PROVENANCE_MAX);
	return names[provenance];
}

int provenance_from_name(const char *name)
{
	int provenance = text_lookup(names, _PROVENANCE_MAX, name);
	return provenance == PROVENANCE_NONE ? -EINVAL : provenance;
}

const char *provenance_text(enum provenance provenance)
{
	assert(provenance < _PROVENANCE_MAX);
	return texts[provenance];
}
