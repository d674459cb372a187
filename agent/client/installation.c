/* SPDX-License-Identifier: MIT */
/* What is in place on this machine; see installation.h. */
#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>

#include "base/names.h"
#include "base/text.h"
#include "client/board_node.h"
#include "client/finding.h"
#include "client/installation.h"

#define SERVICE_UNIT "plugflashd.service"
#define SOCKET_UNIT  "plugflash-worker.socket"
#define RULES_FILE   "59-plugflash.rules"

#define ADVICE_INSTALL  "install plugflash again: as a package, or with \"make install\""
#define ADVICE_SYSUSERS "sudo systemd-sysusers plugflash.conf"
#define ADVICE_TMPFILES "sudo systemd-tmpfiles --create plugflash.conf"
#define ADVICE_TRIGGER  "sudo udevadm control --reload && sudo udevadm trigger --subsystem-match=usb"

/* ---- files and groups ------------------------------------------------------------------- */

/* The file that udev would take: the first in its order of directories masks the others. */
static int check_rules(cJSON *findings)
{
	static const char *const files[] = {
		"/etc/udev/rules.d/" RULES_FILE,
		"/run/udev/rules.d/" RULES_FILE,
		"/usr/local/lib/udev/rules.d/" RULES_FILE,
		"/usr/lib/udev/rules.d/" RULES_FILE,
	};
	for (size_t i = 0; i < ELEMENTSOF(files); i++) {
		struct stat status;
		if (stat(files[i], &status) < 0)
			continue;
		if (S_ISREG(status.st_mode) && status.st_size > 0)
			return finding_add(findings, FINDING_OK, "udev-rules", NULL,
				"udev marks boards by %s", files[i]);
		return finding_add(findings, FINDING_PROBLEM, "udev-rules",
			"remove that file, then " ADVICE_TRIGGER, "udev's rules are masked by %s",
			files[i]);
	}
	return finding_add(findings, FINDING_PROBLEM, "udev-rules", ADVICE_INSTALL,
		"udev's rules (%s) are not installed, so no board is recognised", RULES_FILE);
}

static int check_group(const char *name, const char *meaning, cJSON *findings)
{
	if (getgrnam(name))
		return finding_add(
			findings, FINDING_OK, "groups", NULL, "the group \"%s\" exists", name);
	return finding_add(findings, FINDING_PROBLEM, "groups", ADVICE_SYSUSERS,
		"the group \"%s\" (%s) does not exist", name, meaning);
}

static int check_socket(cJSON *findings)
{
	struct stat status;
	if (stat(NAME_WORKER_SOCKET, &status) == 0 && S_ISSOCK(status.st_mode))
		return finding_add(findings, FINDING_OK, "worker-socket", NULL,
			"workers can be asked for at " NAME_WORKER_SOCKET);
	if (errno == EACCES)
		return finding_add(findings, FINDING_UNKNOWN, "worker-socket",
			"ask as root or as a member of the group \"" NAME_GROUP "\"",
			"you may not see " NAME_WORKER_SOCKET);
	return finding_add(findings, FINDING_PROBLEM, "worker-socket",
		"sudo systemctl enable --now " SOCKET_UNIT,
		"there is no socket " NAME_WORKER_SOCKET ", so no board can be opened");
}

/* Only members of the group may look, and the mind is one of them. */
static int check_firmware(const char *directory, cJSON *findings)
{
	const char *path = directory && *directory ? directory
						   : NAME_STATE_DIRECTORY
				   "/" NAME_FIRMWARE_SUBDIRECTORY;
	struct stat status;
	const struct group *group = getgrnam(NAME_GROUP);
	if (stat(path, &status) < 0 && errno == EACCES)
		return finding_add(findings, FINDING_UNKNOWN, "firmware",
			"ask as root or as a member of the group \"" NAME_GROUP "\"",
			"you may not see the firmware directory %s", path);
	if (stat(path, &status) < 0 || !S_ISDIR(status.st_mode))
		return finding_add(findings, FINDING_PROBLEM, "firmware", ADVICE_TMPFILES,
			"there is no firmware directory %s", path);
	bool is_ours =
		strncmp(path, NAME_STATE_DIRECTORY "/", strlen(NAME_STATE_DIRECTORY) + 1) == 0;
	bool lets_mind_read =
		(status.st_mode & 0005) == 0005 ||
		((status.st_mode & 0050) == 0050 && group && status.st_gid == group->gr_gid);
	if (is_ours && !lets_mind_read)
		return finding_add(findings, FINDING_PROBLEM, "firmware", ADVICE_TMPFILES,
			"plugflashd may not read the firmware directory %s", path);
	return finding_add(
		findings, FINDING_OK, "firmware", NULL, "firmware is looked for in %s", path);
}

/* ---- boards ----------------------------------------------------------------------------- */

/* What another rule file may have done to a board's node. */
static int check_rights(const struct board_node *node, cJSON *findings)
{
	const char *name = node->is_serial ? NAME_SERIAL_GROUP : NAME_USB_GROUP;
	const struct group *group = getgrnam(name);
	struct stat status;
	if (node->is_serial && !*node->path)
		return finding_add(findings, FINDING_PROBLEM, "boards", "sudo modprobe cdc_acm",
			"the board at %s has no serial port", node->port);
	if (stat(node->path, &status) < 0)
		return finding_add(findings, FINDING_UNKNOWN, "boards", NULL,
			"the board at %s has no node %s", node->port, node->path);
	bool others = status.st_mode & 0007;
	bool ours = group && status.st_gid == group->gr_gid && (status.st_mode & 0060) == 0060;
	if (ours && !others)
		return finding_add(findings, FINDING_OK, "boards", NULL,
			"the board at %s is marked and only %s may open it", node->port,
			node->is_serial ? "workers and the group \"" NAME_SERIAL_GROUP "\""
					: "workers");
	_cleanup_(freep) char *advice = text_format(
		"\"udevadm test $(udevadm info -q path -n %s)\" shows which file does it",
		node->path);
	if (ours)
		return finding_add(findings, FINDING_WARNING, "boards", advice,
			"everybody may open the board at %s: another udev rule says so",
			node->port);
	return finding_add(findings, FINDING_PROBLEM, "boards", advice,
		"workers may not open the board at %s: another udev rule took it from the group "
		"\"%s\"",
		node->port, name);
}

static int check_board(const struct board_node *node, void *context)
{
	cJSON *findings = context;
	if (!node->is_marked)
		return finding_add(findings, FINDING_PROBLEM, "boards", ADVICE_TRIGGER,
			"udev has not marked the board at %s with " NAME_UDEV_PROPERTY
			", so it is taken for a stranger",
			node->port);
	if (!node->has_place)
		return finding_add(findings, FINDING_PROBLEM, "boards", ADVICE_TRIGGER,
			"udev has given the board at %s no ID_PATH, so it has no place",
			node->port);
	return check_rights(node, findings);
}

/* ---- units ------------------------------------------------------------------------------ */

#define SYSTEMD      "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"

static void message_unrefp(sd_bus_message **message)
{
	sd_bus_message_unref(*message);
}

/* A new string, or NULL when systemd does not say. */
static char *unit_file_state(sd_bus *bus, const char *unit)
{
	_cleanup_(message_unrefp) sd_bus_message *reply = NULL;
	const char *state;
	if (sd_bus_call_method(bus, SYSTEMD, SYSTEMD_PATH, SYSTEMD ".Manager", "GetUnitFileState",
		    NULL, &reply, "s", unit) < 0 ||
		sd_bus_message_read(reply, "s", &state) < 0)
		return NULL;
	return text_escape(state);
}

static char *unit_active_state(sd_bus *bus, const char *unit)
{
	_cleanup_(message_unrefp) sd_bus_message *reply = NULL;
	_cleanup_(freep) char *state = NULL;
	const char *path;
	if (sd_bus_call_method(bus, SYSTEMD, SYSTEMD_PATH, SYSTEMD ".Manager", "LoadUnit", NULL,
		    &reply, "s", unit) < 0 ||
		sd_bus_message_read(reply, "o", &path) < 0 ||
		sd_bus_get_property_string(
			bus, SYSTEMD, path, SYSTEMD ".Unit", "ActiveState", NULL, &state) < 0)
		return NULL;
	return text_escape(state);
}

static int check_unit(sd_bus *bus, const char *unit, cJSON *findings)
{
	_cleanup_(freep) char *active = bus ? unit_active_state(bus, unit) : NULL;
	_cleanup_(freep) char *file = bus ? unit_file_state(bus, unit) : NULL;
	_cleanup_(freep) char *enable = text_format("sudo systemctl enable --now %s", unit);
	_cleanup_(freep) char *status = text_format("systemctl status %s", unit);
	if (!active)
		return finding_add(findings, FINDING_UNKNOWN, "units", status,
			"systemd cannot be asked about %s", unit);
	if (!file || !*file)
		return finding_add(findings, FINDING_PROBLEM, "units", ADVICE_INSTALL,
			"%s is not installed", unit);
	if (text_equal(active, "failed"))
		return finding_add(
			findings, FINDING_PROBLEM, "units", status, "%s has failed", unit);
	if (!text_equal(active, "active") && !text_equal(active, "reloading"))
		return finding_add(
			findings, FINDING_PROBLEM, "units", enable, "%s is %s", unit, active);
	if (strncmp(file, "enabled", 7) != 0)
		return finding_add(findings, FINDING_WARNING, "units", enable,
			"%s runs, but is %s: it will not after the next start of the machine", unit,
			file);
	return finding_add(
		findings, FINDING_OK, "units", NULL, "%s is %s and %s", unit, file, active);
}

int installation_check(sd_bus *bus, const char *firmware_directory, cJSON *findings)
{
	int r = check_unit(bus, SERVICE_UNIT, findings);
	if (r == 0)
		r = check_unit(bus, SOCKET_UNIT, findings);
	if (r == 0)
		r = check_socket(findings);
	if (r == 0)
		r = check_group(NAME_GROUP, "people who may ask", findings);
	if (r == 0)
		r = check_group(NAME_USB_GROUP, "workers, to open boards", findings);
	if (r == 0)
		r = check_firmware(firmware_directory, findings);
	if (r == 0)
		r = check_rules(findings);
	return r < 0 ? r : board_node_each(check_board, findings);
}
