/* SPDX-License-Identifier: MIT */
/* A tty of a testbed; see umockdev_tty.h. */
#include <asm/ioctls.h>
#include <errno.h>
#include <linux/termios.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "emu/umockdev_tty.h"

#define MAJOR_ACM 166
#define MAJOR_AMA 204

typedef struct {
	UMockdevIoctlBase base;
	struct umockdev_tty *tty;
} TtyNode;

typedef struct {
	UMockdevIoctlBaseClass base;
} TtyNodeClass;

GType tty_node_get_type(void);
G_DEFINE_TYPE(TtyNode, tty_node, UMOCKDEV_TYPE_IOCTL_BASE)

/* --- requests ---------------------------------------------------------------------------- */

static UMockdevIoctlData *fetch_lines(UMockdevIoctlClient *client, int *ret)
{
	guint8 *raw = NULL;
	gint size = 0;
	UMockdevIoctlData *data = umockdev_ioctl_data_resolve(
		umockdev_ioctl_client_get_arg(client), 0, sizeof(*ret), NULL);
	if (!data)
		return NULL;
	umockdev_ioctl_data_retrieve(data, &raw, &size);
	if (raw && (size_t)size >= sizeof(*ret))
		memcpy(ret, raw, sizeof(*ret));
	g_free(raw);
	return data;
}

static int lines_after(gulong request, int before, int argument)
{
	switch (request) {
	case TIOCMBIS:
		return before | argument;
	case TIOCMBIC:
		return before & ~argument;
	}
	return argument;
}

/* The lines of a modem, which a pty does not have. */
static void on_lines(struct tty *tty, UMockdevIoctlClient *client)
{
	gulong request = umockdev_ioctl_client_get_request(client);
	int argument = 0, lines = tty->dtr ? TIOCM_DTR | TIOCM_RTS : 0;
	UMockdevIoctlData *data = fetch_lines(client, &argument);
	if (data && request == TIOCMGET)
		umockdev_ioctl_data_update(data, 0, (guint8 *)&lines, sizeof(lines));
	else if (data)
		tty_set_dtr(tty, lines_after(request, lines, argument) & TIOCM_DTR);
	umockdev_ioctl_client_complete(client, data ? 0 : -1, data ? 0 : EFAULT);
	if (data)
		umockdev_ioctl_data_unref(data);
}

static bool is_about_lines(gulong request)
{
	return request == TIOCMGET || request == TIOCMSET || request == TIOCMBIS ||
	       request == TIOCMBIC;
}

/* Everything else is a pty's business. */
static gboolean on_ioctl(UMockdevIoctlBase *base, UMockdevIoctlClient *client)
{
	struct umockdev_tty *tty = ((TtyNode *)base)->tty;
	bool lines = is_about_lines(umockdev_ioctl_client_get_request(client));
	int error = 0, result = lines ? 0 : umockdev_ioctl_client_execute(client, &error, NULL);
	station_lock(tty->station);
	tty_note_open(&tty->tty);
	if (lines)
		on_lines(&tty->tty, client);
	station_unlock(tty->station);
	if (!lines)
		umockdev_ioctl_client_complete(client, result, error);
	station_kick(tty->station);
	return TRUE;
}

static void tty_node_class_init(TtyNodeClass *class)
{
	class->base.handle_ioctl = on_ioctl;
}

static void tty_node_init(TtyNode *node)
{
	node->tty = NULL;
}

/* --- its device -------------------------------------------------------------------------- */

static void add(struct umockdev_tty *tty, UMockdevTestbed *testbed, const char *name,
	void (*wait)(void *context), void *context)
{
	unsigned number = 0;
	const char *digits = name + strcspn(name, "0123456789");
	bool acm = *tty->interface;
	(void)!sscanf(digits, "%u", &number);
	if (acm) {
		g_autofree char *text = g_strdup_printf("P: %s\nE: DEVTYPE=usb_interface\n"
							"E: SUBSYSTEM=usb\nE: DRIVER=cdc_acm\n"
							"E: INTERFACE=2/2/1\n"
							"A: bInterfaceNumber=00\\n\n"
							"A: bInterfaceClass=02\\n\n",
			tty->interface + strlen("/sys"));
		wait(context);
		umockdev_testbed_add_from_string(testbed, text, NULL);
	}
	g_autofree char *text = g_strdup_printf("P: %s\nN: %s\nE: DEVNAME=/dev/%s\n"
						"E: SUBSYSTEM=tty\nE: MAJOR=%u\nE: MINOR=%u\n"
						"A: dev=%u:%u\\n\n",
		tty->syspath + strlen("/sys"), name, name, acm ? MAJOR_ACM : MAJOR_AMA, number,
		acm ? MAJOR_ACM : MAJOR_AMA, number);
	wait(context);
	umockdev_testbed_add_from_string(testbed, text, NULL);
}

int umockdev_tty_show(struct umockdev_tty *tty, UMockdevTestbed *testbed, const char *name,
	const char *parent, void (*wait)(void *context), void *context)
{
	const char *last = parent ? strrchr(parent, '/') : NULL;
	TtyNode *node = g_object_new(tty_node_get_type(), NULL);
	node->tty = tty;
	*tty->interface = '\0';
	if (last)
		snprintf(tty->interface, sizeof(tty->interface), "%s%s:1.0", parent, last);
	snprintf(tty->syspath, sizeof(tty->syspath), "%.100s/tty/%.32s",
		last ? tty->interface : "/sys/devices/platform/serial0", name);
	snprintf(tty->node, sizeof(tty->node), "/dev/%.32s", name);
	bool attached = umockdev_testbed_attach_ioctl(testbed, tty->node, &node->base, NULL);
	g_object_unref(node);
	if (!attached)
		return -EIO;
	add(tty, testbed, name, wait, context);
	tty->is_shown = true;
	int fd = umockdev_testbed_get_dev_fd(testbed, tty->node);
	if (fd < 0 || ptsname_r(fd, tty->pty, sizeof(tty->pty)) != 0)
		return -EIO;
	return fd;
}

static void take_away(
	UMockdevTestbed *testbed, const char *syspath, void (*wait)(void *context), void *context)
{
	wait(context);
	umockdev_testbed_uevent(testbed, syspath, "remove");
	umockdev_testbed_remove_device(testbed, syspath);
}

/* umockdev 0.17.16 leaves its notes of the pty's numbers behind, and would not have them twice. */
static void forget_pty(const struct umockdev_tty *tty, UMockdevTestbed *testbed)
{
	g_autofree char *root = umockdev_testbed_get_root_dir(testbed);
	g_autofree char *name = g_strdelimit(g_strdup(tty->pty), "/", '_');
	g_autofree char *note = g_strconcat(root, "/dev/.ptymap/", name, NULL);
	unlink(note);
}

void umockdev_tty_hide(struct umockdev_tty *tty, UMockdevTestbed *testbed,
	void (*wait)(void *context), void *context)
{
	if (!tty->is_shown)
		return;
	tty->is_shown = false;
	take_away(testbed, tty->syspath, wait, context);
	if (*tty->interface)
		take_away(testbed, tty->interface, wait, context);
	umockdev_testbed_detach_ioctl(testbed, tty->node, NULL);
	forget_pty(tty, testbed);
}
