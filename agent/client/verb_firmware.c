/* SPDX-License-Identifier: MIT */
/* What the firmware store holds. */
#include "client/service.h"
#include "client/verb.h"
#include "client/view.h"

int verb_firmware(struct request *request)
{
	_cleanup_(service_closep) sd_bus *bus = NULL;
	_cleanup_(json_deletep) cJSON *files = NULL;
	int r = service_open(&bus, &request->problem);
	if (r >= 0)
		r = service_call(bus, "ListFirmware", NULL, &files, &request->problem);
	if (r < 0)
		return r;
	if (request->json)
		json_print(request->output->stream, files, false);
	else
		view_firmware(request->output, files);
	return EXIT_YES;
}
