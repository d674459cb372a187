/* SPDX-License-Identifier: MIT */
/* CAN buses: what is wrong with them, if anything is, and who is there. The service has somebody
 * look. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "client/can_snippet.h"
#include "client/service.h"
#include "client/verb.h"
#include "client/view.h"
#include "model/can.h"

#define TYPE_CAN 280u /* ARPHRD_CAN */

static bool is_can(const char *name)
{
	unsigned type = 0;
	_cleanup_(freep) char *path = text_format("/sys/class/net/%s/type", name);
	_cleanup_(fclosep) FILE *file = path ? fopen(path, "re") : NULL;
	return file && fscanf(file, "%u", &type) == 1 && type == TYPE_CAN;
}

/* One look: its bus and its nodes in one object. */
static int look(sd_bus *bus, const char *interface, cJSON *answer, struct problem *problem)
{
	cJSON *found = NULL;
	int r = service_call(bus, "LookAtBus", interface, &found, problem);
	if (r < 0)
		return r;
	_cleanup_(json_deletep) cJSON *both = found;
	cJSON *its = cJSON_DetachItemFromArray(both, 0);
	cJSON *nodes = cJSON_DetachItemFromArray(both, 0);
	if (!its || !nodes) {
		cJSON_Delete(its);
		cJSON_Delete(nodes);
		return problem_set(problem, EXIT_UNREACHABLE, "failed",
			"the answer of plugflashd cannot be read: it describes no bus");
	}
	r = json_put(its, "nodes", nodes);
	if (r < 0) {
		cJSON_Delete(its);
		return r;
	}
	cJSON_AddItemToArray(answer, its);
	return 0;
}

static int look_at_all(sd_bus *bus, cJSON *answer, struct problem *problem)
{
	DIR *directory = opendir("/sys/class/net");
	int r = directory ? 0 : -errno;
	for (struct dirent *entry; r >= 0 && directory && (entry = readdir(directory));)
		if (can_name_is_valid(entry->d_name) && is_can(entry->d_name))
			r = look(bus, entry->d_name, answer, problem);
	if (directory)
		closedir(directory);
	return r;
}

/* Something that a person ought to do. */
static bool is_sick(const cJSON *bus)
{
	const char *health = json_text(bus, "health");
	return !text_equal(health, "well") && !text_equal(health, "quiet") &&
	       !text_equal(health, "in-use");
}

static int show_snippets(struct request *request, const cJSON *buses)
{
	const cJSON *bus;
	int kind = can_snippet_from_name(request->snippet);
	if (kind < 0)
		return problem_set(&request->problem, EXIT_USAGE, "usage",
			"--snippet wants \"ifupdown\" or \"networkd\"");
	cJSON_ArrayForEach(bus, buses)
	{
		_cleanup_(freep) char *text = can_snippet_text((enum can_snippet)kind, bus);
		if (!text)
			return -ENOMEM;
		fputs(text, request->output->stream);
	}
	return EXIT_YES;
}

int verb_can(struct request *request)
{
	_cleanup_(service_closep) sd_bus *bus = NULL;
	_cleanup_(json_deletep) cJSON *answer = cJSON_CreateObject();
	cJSON *buses = answer ? cJSON_AddArrayToObject(answer, "buses") : NULL;
	int r = buses ? service_open(&bus, &request->problem) : -ENOMEM;
	if (r >= 0)
		r = request->argument ? look(bus, request->argument, buses, &request->problem)
				      : look_at_all(bus, buses, &request->problem);
	if (r < 0)
		return r;
	bool is_well = true;
	const cJSON *each;
	cJSON_ArrayForEach(each, buses) is_well &= !is_sick(each);
	if (request->snippet)
		return show_snippets(request, buses);
	if (request->json)
		r = json_print(request->output->stream, answer, false);
	else if (buses->child)
		view_buses(request->output, buses);
	else
		fputs("There is no CAN interface on this computer.\n", request->output->stream);
	return r < 0 ? r : is_well ? EXIT_YES : EXIT_NO;
}
