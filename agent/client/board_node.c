/* SPDX-License-Identifier: MIT */
/* Boards without the service; see board_node.h. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/names.h"
#include "base/text.h"
#include "client/board_node.h"
#include "model/board.h"

#define DEVICES "/sys/bus/usb/devices"

/* What matters of a sysfs uevent file. */
struct uevent {
	unsigned vid;
	unsigned pid;
	unsigned major;
	unsigned minor;
	char name[48]; /* "bus/usb/001/005" */
};

static void dir_closep(DIR **directory)
{
	if (*directory)
		closedir(*directory);
}

static bool read_uevent(const char *port, struct uevent *ret)
{
	_cleanup_(freep) char *path = text_format(DEVICES "/%s/uevent", port);
	_cleanup_(fclosep) FILE *file = path ? fopen(path, "re") : NULL;
	bool is_device = false;
	char line[256];
	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (text_equal(line, "DEVTYPE=usb_device"))
			is_device = true;
		(void)sscanf(line, "PRODUCT=%x/%x", &ret->vid, &ret->pid);
		(void)sscanf(line, "MAJOR=%u", &ret->major);
		(void)sscanf(line, "MINOR=%u", &ret->minor);
		(void)sscanf(line, "DEVNAME=%47[a-z0-9/]", ret->name);
	}
	return is_device;
}

/* udev's database is one small file a device; libudev would read the same lines. */
static void read_database(const struct uevent *uevent, struct board_node *node)
{
	_cleanup_(freep) char *path =
		text_format("/run/udev/data/c%u:%u", uevent->major, uevent->minor);
	_cleanup_(fclosep) FILE *file = path ? fopen(path, "re") : NULL;
	char line[512];
	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "E:" NAME_UDEV_PROPERTY "=", strlen(NAME_UDEV_PROPERTY) + 3) == 0)
			node->is_marked = true;
		if (strncmp(line, "E:ID_PATH=", 10) == 0)
			node->has_place = true;
	}
}

/* "/sys/bus/usb/devices/1-1.3/1-1.3:1.0/tty/ttyACM0" */
static void find_serial_port(struct board_node *node)
{
	_cleanup_(freep) char *path = text_format(DEVICES "/%s/%s:1.0/tty", node->port, node->port);
	_cleanup_(dir_closep) DIR *directory = path ? opendir(path) : NULL;
	node->is_serial = true;
	node->path[0] = '\0';
	for (struct dirent *entry; directory && (entry = readdir(directory));)
		if (strncmp(entry->d_name, "tty", 3) == 0)
			snprintf(node->path, sizeof(node->path), "/dev/%.48s", entry->d_name);
}

int board_node_each(int (*visit)(const struct board_node *node, void *context), void *context)
{
	_cleanup_(dir_closep) DIR *directory = opendir(DEVICES);
	for (struct dirent *entry; directory && (entry = readdir(directory));) {
		struct uevent uevent = { 0 };
		struct board_node node = { 0 };
		if (entry->d_name[0] == '.' || !read_uevent(entry->d_name, &uevent))
			continue;
		enum board_mode mode = mode_of_usb_id((uint16_t)uevent.vid, (uint16_t)uevent.pid);
		if (mode == MODE_NONE)
			continue;
		text_copy_plain(node.port, sizeof(node.port), entry->d_name);
		snprintf(node.path, sizeof(node.path), "/dev/%s", uevent.name);
		read_database(&uevent, &node);
		if (mode == MODE_KATAPULT || mode == MODE_KLIPPER)
			find_serial_port(&node);
		int r = visit(&node, context);
		if (r < 0)
			return r;
	}
	return 0;
}
