/* SPDX-License-Identifier: MIT */
/*
 * plugflash-worker: the hands. systemd (or systemd-socket-activate) starts one process a job and
 * passes the connection to the mind; the process serves that job and ends. It says nothing but its
 * own start errors, everything else goes over the wire.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "base/cleanup.h"
#include "worker/run.h"

static int find_socket(void)
{
	int count = sd_listen_fds(1);
	if (count < 0)
		return count;
	if (count > 1)
		return -E2BIG;
	/* Without systemd's variables: an inetd-like starter, which passes it as standard input. */
	int fd = count == 1 ? SD_LISTEN_FDS_START : STDIN_FILENO;
	int r = sd_is_socket(fd, AF_UNIX, SOCK_SEQPACKET, 0);
	if (r < 0)
		return r;
	return r > 0 ? fd : -ENOTSOCK;
}

/* SIGTERM is a STOP: it is read beside the socket and never interrupts anything. */
static int watch_signals(void)
{
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
		return -errno;
	int fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int main(void)
{
	int socket = find_socket();
	if (socket < 0) {
		fprintf(stderr,
			"plugflash-worker: no connection to serve (%s); it is started by "
			"plugflash-worker.socket, not by hand\n",
			strerror(-socket));
		return EXIT_FAILURE;
	}
	_cleanup_(closep) int signals = watch_signals();
	if (signals < 0) {
		fprintf(stderr, "plugflash-worker: cannot watch signals: %s\n", strerror(-signals));
		return EXIT_FAILURE;
	}
	/* A mind that has hung up has heard all that it wanted to. */
	int r = run_job(socket, signals);
	return r < 0 && r != -EPIPE ? EXIT_FAILURE : EXIT_SUCCESS;
}
