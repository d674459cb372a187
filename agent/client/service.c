/* SPDX-License-Identifier: MIT */
/* Calls to the service; see service.h. */
#include <errno.h>
#include <string.h>

#include "base/names.h"
#include "base/text.h"
#include "client/bus_json.h"
#include "client/service.h"

#define TIMEOUT_USEC 15000000ull

#define ADVICE_START "start it with \"sudo systemctl enable --now plugflashd.service\""

static void message_unrefp(sd_bus_message **message)
{
	sd_bus_message_unref(*message);
}

static int explain_open(int error, struct problem *problem)
{
	if (error == -ENOENT || error == -ECONNREFUSED)
		return problem_set(problem, EXIT_UNREACHABLE, "no-bus",
			"there is no system bus to ask plugflashd through; start it with \"sudo "
			"systemctl start dbus.service\"");
	if (error == -EACCES || error == -EPERM)
		return problem_set(problem, EXIT_UNREACHABLE, "access-denied",
			"the system bus does not let you in; ask whoever administers this machine");
	return problem_set(problem, EXIT_UNREACHABLE, "no-bus",
		"the system bus cannot be reached: %s", strerror(-error));
}

static int explain_denied(const char *method, struct problem *problem)
{
	if (text_equal(method, "Reload"))
		return problem_set(problem, EXIT_UNREACHABLE, "access-denied",
			"only root may have the policies loaded; try \"sudo plugflash reload\"");
	return problem_set(problem, EXIT_UNREACHABLE, "access-denied",
		"only root and members of the group \"" NAME_GROUP
		"\" may ask plugflashd; join with \"sudo usermod -aG " NAME_GROUP
		" $USER\" and log in again");
}

static bool means_absent(const sd_bus_error *error)
{
	return sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
	       sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER) ||
	       sd_bus_error_has_name(error, "org.freedesktop.systemd1.NoSuchUnit") ||
	       strncmp(error->name, "org.freedesktop.DBus.Error.Spawn.", 33) == 0;
}

/* Sentences of the service that need no word of ours. */
struct plain_answer {
	const char *error;
	enum exit_code status;
	const char *code;
};

static const struct plain_answer *find_plain_answer(const sd_bus_error *error)
{
	static const struct plain_answer answers[] = {
		{ NAME_BUS ".Error.NoBoard", EXIT_USAGE, "no-board" },
		{ NAME_BUS ".Error.Ambiguous", EXIT_USAGE, "ambiguous" },
		{ SD_BUS_ERROR_INVALID_ARGS, EXIT_USAGE, "invalid-argument" },
		{ NAME_BUS ".Error.Refused", EXIT_NO, "refused" },
		{ NAME_BUS ".Error.Busy", EXIT_NO, "busy" },
		{ NAME_BUS ".Error.NotQuarantined", EXIT_NO, "not-quarantined" },
		{ NAME_BUS ".Error.NotEnrollable", EXIT_NO, "not-enrollable" },
		{ NAME_BUS ".Error.NoHistory", EXIT_UNREACHABLE, "no-history" },
	};
	for (size_t i = 0; i < ELEMENTSOF(answers); i++)
		if (sd_bus_error_has_name(error, answers[i].error))
			return &answers[i];
	return NULL;
}

static int explain_error(
	int r, const char *method, const sd_bus_error *error, struct problem *problem)
{
	_cleanup_(freep) char *foreign = NULL;
	if (!sd_bus_error_is_set(error))
		return problem_set(problem, EXIT_UNREACHABLE, "failed",
			"plugflashd cannot be asked: %s", strerror(-r));
	const char *message = error->message ? error->message : error->name;
	if (!text_is_plain(message))
		message = foreign = text_escape(message);
	if (sd_bus_error_has_name(error, SD_BUS_ERROR_ACCESS_DENIED))
		return explain_denied(method, problem);
	if (means_absent(error))
		return problem_set(problem, EXIT_UNREACHABLE, "not-running",
			"plugflashd is not running; " ADVICE_START);
	if (sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY) ||
		sd_bus_error_has_name(error, SD_BUS_ERROR_TIMEOUT) ||
		sd_bus_error_has_name(error, SD_BUS_ERROR_DISCONNECTED))
		return problem_set(problem, EXIT_UNREACHABLE, "no-answer",
			"plugflashd did not answer; \"journalctl -u plugflashd\" may say why");
	const struct plain_answer *plain = find_plain_answer(error);
	if (plain)
		return problem_set(problem, plain->status, plain->code, "%s", message);
	if (sd_bus_error_has_name(error, NAME_BUS ".Error.PolicyInvalid"))
		return problem_set(problem, EXIT_NO, "policy-invalid",
			"the policy files were refused and nothing has changed: %s", message);
	if (sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_METHOD))
		return problem_set(problem, EXIT_UNREACHABLE, "too-old",
			"the plugflashd that runs is of another version than this "
			"plugflash " VERSION
			"; restart it with \"sudo systemctl restart plugflashd.service\"");
	return problem_set(problem, EXIT_UNREACHABLE, "failed", "plugflashd says: %s", message);
}

int service_open(sd_bus **ret, struct problem *problem)
{
	int r = sd_bus_open_system(ret);
	if (r < 0)
		return explain_open(r, problem);
	(void)sd_bus_set_method_call_timeout(*ret, TIMEOUT_USEC);
	return 0;
}

int service_call_with(sd_bus *bus, const char *method,
	int (*put)(sd_bus_message *call, void *context), void *context, cJSON **ret,
	struct problem *problem)
{
	_cleanup_(message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	int r = sd_bus_message_new_method_call(
		bus, &call, NAME_BUS, NAME_BUS_PATH, NAME_BUS_INTERFACE, method);
	if (r >= 0)
		r = put(call, context);
	if (r >= 0)
		r = sd_bus_call(bus, call, 0, &error, &reply);
	if (r < 0)
		return explain_error(r, method, &error, problem);
	r = bus_json_read(reply, ret);
	if (r < 0)
		return problem_set(problem, EXIT_UNREACHABLE, "failed",
			"the answer of plugflashd cannot be read: %s", strerror(-r));
	return 0;
}

static int put_argument(sd_bus_message *call, void *argument)
{
	return argument ? sd_bus_message_append(call, "s", (const char *)argument) : 0;
}

int service_call(
	sd_bus *bus, const char *method, const char *argument, cJSON **ret, struct problem *problem)
{
	return service_call_with(bus, method, put_argument, (void *)argument, ret, problem);
}
