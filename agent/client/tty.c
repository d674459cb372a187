/* SPDX-License-Identifier: MIT */
/* Serial ports that a person names; see tty.h. What a process has open stands in /proc. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "client/tty.h"

#define PTY_MAJORS_FIRST 136u /* Documentation/admin-guide/devices.txt */
#define PTY_MAJORS_LAST  143u
#define TEXT_MAX         4096u

void tty_done(struct tty *tty)
{
	free(tty->node);
	free(tty->usb_syspath);
	*tty = (struct tty){ 0 };
}

/* ---- what it is -------------------------------------------------------------------------- */

/* "/sys/devices/…/1-1.3/1-1.3:1.0/tty/ttyACM0" is the port of an interface; the device is the
 * directory above that. An adapter has a directory of its own in between. */
static int find_usb(struct tty *tty)
{
	char path[PATH_MAX];
	struct stat status;
	const char *name = strrchr(tty->node, '/') + 1;
	_cleanup_(freep) char *class = text_format("/sys/class/tty/%s", name);
	_cleanup_(freep) char *end = text_format("/tty/%s", name);
	if (!class || !end)
		return -ENOMEM;
	char *port = realpath(class, path) ? strstr(path, end) : NULL;
	if (!port)
		return 0;
	*port = '\0';
	_cleanup_(freep) char *number = text_format("%s/bInterfaceNumber", path);
	if (!number)
		return -ENOMEM;
	if (access(number, F_OK) < 0)
		return 0;
	*strrchr(path, '/') = '\0';
	if (stat(path, &status) < 0)
		return -errno;
	tty->usb_syspath = strdup(path);
	tty->usb_arrival = status.st_ino;
	return tty->usb_syspath ? 0 : -ENOMEM;
}

int tty_find(const char *path, struct tty *ret)
{
	_cleanup_(tty_done) struct tty tty = { 0 };
	struct stat status;
	char node[PATH_MAX];
	/* The kernel's own names are no links. */
	bool is_name = strncmp(path, "/dev/tty", 8) == 0;
	if (!is_name && !realpath(path, node))
		return -errno;
	tty.node = strdup(is_name ? path : node);
	if (!tty.node)
		return -ENOMEM;
	if (stat(tty.node, &status) < 0)
		return -errno;
	if (!S_ISCHR(status.st_mode))
		return -ENOTTY;
	tty.number = status.st_rdev;
	tty.is_pty = major(tty.number) >= PTY_MAJORS_FIRST && major(tty.number) <= PTY_MAJORS_LAST;
	int r = find_usb(&tty);
	if (r < 0)
		return r;
	*ret = tty;
	tty = (struct tty){ 0 };
	return 0;
}

/* ---- who has it -------------------------------------------------------------------------- */

void tty_holders_done(struct tty_holders *holders)
{
	free(holders->names);
	*holders = (struct tty_holders){ 0 };
}

static void closedirp(DIR **directory)
{
	if (*directory)
		closedir(*directory);
}

/* Of a file of /proc; "" when it cannot be read. NULs between words become spaces. */
static void read_text(const char *path, char ret[TEXT_MAX])
{
	_cleanup_(fclosep) FILE *file = fopen(path, "re");
	size_t length = file ? fread(ret, 1, TEXT_MAX - 1, file) : 0;
	for (size_t i = 0; i + 1 < length; i++)
		if (ret[i] == '\0')
			ret[i] = ' ';
	ret[length] = '\0';
}

/* The other end of a pty is an open /dev/ptmx; which one, only its fdinfo tells. */
static bool is_other_end(const char *process, const char *descriptor, const struct tty *tty)
{
	char text[TEXT_MAX];
	_cleanup_(freep) char *path = text_format("/proc/%s/fdinfo/%s", process, descriptor);
	if (!tty->is_pty || !path)
		return false;
	read_text(path, text);
	const char *index = strstr(text, "tty-index:");
	return index && strtoul(index + strlen("tty-index:"), NULL, 10) == minor(tty->number);
}

enum holding { HOLDS_NOT, HOLDS, KEEPS_THE_OTHER_END, SHOWS_NOBODY };

static enum holding look_at(const char *process, const struct tty *tty)
{
	_cleanup_(freep) char *path = text_format("/proc/%s/fd", process);
	_cleanup_(closedirp) DIR *directory = path ? opendir(path) : NULL;
	enum holding found = directory ? HOLDS_NOT : SHOWS_NOBODY;
	for (struct dirent *entry; directory && (entry = readdir(directory));) {
		struct stat status;
		if (fstatat(dirfd(directory), entry->d_name, &status, 0) < 0 ||
			!S_ISCHR(status.st_mode))
			continue;
		if (is_other_end(process, entry->d_name, tty))
			return KEEPS_THE_OTHER_END;
		if (status.st_rdev == tty->number)
			found = HOLDS;
	}
	return found;
}

/* "python3 /home/pi/klipper/klippy/klippy.py …" is klippy.py to a person. */
static char *name_of(const char *process)
{
	char text[TEXT_MAX];
	_cleanup_(freep) char *path = text_format("/proc/%s/cmdline", process);
	if (!path)
		return NULL;
	read_text(path, text);
	if (strstr(text, "klippy.py"))
		return strdup("klippy.py");
	_cleanup_(freep) char *comm = text_format("/proc/%s/comm", process);
	if (!comm)
		return NULL;
	read_text(comm, text);
	text[strcspn(text, "\n")] = '\0';
	return text_escape(text);
}

static int add(struct tty_holders *holders, const char *process, enum holding holding)
{
	if (holding == HOLDS_NOT || holding == KEEPS_THE_OTHER_END)
		return 0;
	_cleanup_(freep) char *name = name_of(process);
	if (!name)
		return -ENOMEM;
	if (holding == HOLDS)
		return text_append(
			&holders->names, "%s%s (%s)", holders->names ? ", " : "", name, process);
	holders->may_be_klippy |= text_equal(name, "klippy.py");
	return 0;
}

int tty_holders_find(const struct tty *tty, struct tty_holders *ret)
{
	_cleanup_(tty_holders_done) struct tty_holders holders = { 0 };
	_cleanup_(closedirp) DIR *processes = opendir("/proc");
	for (struct dirent *entry; processes && (entry = readdir(processes));) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		int r = add(&holders, entry->d_name, look_at(entry->d_name, tty));
		if (r < 0)
			return r;
	}
	*ret = holders;
	holders = (struct tty_holders){ 0 };
	return 0;
}
