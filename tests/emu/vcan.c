/* SPDX-License-Identifier: MIT */
/* Nodes on vcan; see vcan.h. */
#include <errno.h>
#include <linux/can/raw.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "emu/vcan.h"

int vcan_open(const char *interface)
{
	struct sockaddr_can address = { .can_family = AF_CAN };
	_cleanup_(closep) int fd = socket(PF_CAN, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, CAN_RAW);
	address.can_ifindex = (int)if_nametoindex(interface);
	if (fd < 0 || !address.can_ifindex)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

void vcan_hear(int fd, struct resident *resident, uint64_t now)
{
	struct can_frame frame;
	while (recv(fd, &frame, sizeof(frame), 0) == (ssize_t)sizeof(frame)) {
		struct can_bits bits = { .number = frame.can_id, .length = frame.can_dlc };
		if (frame.can_id > CAN_SFF_MASK || frame.can_dlc > CAN_FRAME_BYTES)
			continue;
		memcpy(bits.data, frame.data, bits.length);
		(void)resident_hear_frame(resident, now, &bits);
		/* A real bus leaves the time for it between two frames. */
		while (resident_next(resident) <= now && !kata_is_stalled(&resident->katapult))
			resident_step(resident, now);
	}
}

void vcan_speak(int fd, struct resident *resident, uint64_t now)
{
	const struct can_bits *bits;
	while ((bits = bus_node_offer(&resident->can))) {
		struct can_frame frame = { .can_id = bits->number, .can_dlc = bits->length };
		memcpy(frame.data, bits->data, bits->length);
		if (send(fd, &frame, sizeof(frame), 0) < 0)
			return;
		bus_node_sent(&resident->can, now);
		while (resident_next(resident) <= now)
			resident_step(resident, now);
	}
}
