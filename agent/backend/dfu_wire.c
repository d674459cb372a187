/* SPDX-License-Identifier: MIT */
/*
 * Speaking DFU; see dfu_wire.h.
 *
 * A block that was sent is only kept; the first GETSTATUS starts the work and answers dfuDNBUSY
 * with a time to wait that has little to do with how long it takes (104 ms for less than one, 100
 * ms for four seconds). So the time is not obeyed: we ask again at once. Most ROMs then answer when
 * they are done, some answer dfuDNBUSY again, and a few stall; for those the times are obeyed from
 * then on.
 */
#include <errno.h>
#include <string.h>

#include "backend/dfu_wire.h"
#include "base/bytes.h"
#include "base/clock.h"

enum {
	REQUEST_DOWNLOAD = 1,
	REQUEST_UPLOAD = 2,
	REQUEST_GET_STATUS = 3,
	REQUEST_CLEAR_STATUS = 4,
	REQUEST_ABORT = 6,
};

enum {
	DFUSE_SET_ADDRESS = 0x21,
	DFUSE_ERASE = 0x41,
};

#define TOWARDS_DEVICE 0x21
#define TOWARDS_HOST   0xa1

#define SYNCHRONISE_ROUNDS 8
/* A device that a worker before left in the middle of an erase is silent for so long; one that is
 * silent for longer must be given up before the mind gives us up. */
#define SYNCHRONISE_MSEC 5000
/* Of one that says "busy" instead: twice as long each time, and in all rounds together longer than
 * an erase takes that somebody else has begun. What it asks for is given up to a second. */
#define FIRST_REST_MSEC 32u
#define ASKED_REST_MSEC 1000u
#define STALLS_BORNE    3 /* of one operation */
#define DATA_LIMIT_MSEC 2000 /* of a block on the wire */
/* A device that answers "busy" is asked again at once for so often, and then ever more seldom: no
 * wait is longer than a sixteenth of what was waited before. */
#define EAGER_ASKS     4
#define WAIT_SHARE     16
#define WAIT_MOST_MSEC 100
/* An H743's ROM stays busy for ever after it has erased in its second bank, which takes four
 * seconds at most; two CLRSTATUS set it free (betaflight-configurator #1861). */
#define WEDGED_MSEC 6000
/* Nothing that takes part in a flash needs a longer rest. */
#define POLL_MOST_MSEC 10000

struct status {
	enum dfu_status status;
	enum dfu_state state;
	unsigned poll_msec;
};

const char *dfu_status_name(enum dfu_status status)
{
	static const char *const names[_DFU_STATUS_MAX] = {
		"OK",
		"errTARGET",
		"errFILE",
		"errWRITE",
		"errERASE",
		"errCHECK_ERASED",
		"errPROG",
		"errVERIFY",
		"errADDRESS",
		"errNOTDONE",
		"errFIRMWARE",
		"errVENDOR",
		"errUSBR",
		"errPOR",
		"errUNKNOWN",
		"errSTALLEDPKT",
	};
	return status < _DFU_STATUS_MAX ? names[status] : "an unknown status";
}

static int request(struct dfu_wire *wire, uint8_t what, uint16_t value, const void *data,
	uint16_t length, unsigned limit_msec)
{
	int r = usb_control(wire->device, TOWARDS_DEVICE, what, value, wire->function.interface,
		(void *)data, length, limit_msec);
	return r < 0 ? r : r == length ? 0 : -EIO;
}

static int get_status(struct dfu_wire *wire, unsigned limit_msec, struct status *ret)
{
	uint8_t answer[6];
	int r = usb_control(wire->device, TOWARDS_HOST, REQUEST_GET_STATUS, 0,
		wire->function.interface, answer, sizeof answer, limit_msec);
	if (r < 0)
		return r;
	if (r != sizeof answer || answer[0] >= _DFU_STATUS_MAX || answer[4] >= _DFU_STATE_MAX)
		return -EPROTO;
	unsigned poll_msec = read_u16(answer + 1) | (unsigned)answer[3] << 16;
	*ret = (struct status){
		.status = answer[0],
		.state = answer[4],
		.poll_msec = poll_msec < POLL_MOST_MSEC ? poll_msec : POLL_MOST_MSEC,
	};
	wire->state = ret->state;
	return 0;
}

/* Only in dfuERROR, where it is legal: elsewhere it is an error itself, or stalls. */
static int clear_status(struct dfu_wire *wire)
{
	return request(wire, REQUEST_CLEAR_STATUS, 0, NULL, 0, DFU_LIMIT_QUICK_MSEC);
}

static int rest(struct dfu_wire *wire, unsigned asked_msec, unsigned round)
{
	unsigned msec = FIRST_REST_MSEC << round;
	if (asked_msec > ASKED_REST_MSEC)
		asked_msec = ASKED_REST_MSEC;
	return usb_pause(wire->device, asked_msec > msec ? asked_msec : msec);
}

/* One step towards dfuIDLE. 1: there. */
static int step_towards_idle(struct dfu_wire *wire, const struct status *status, unsigned round)
{
	switch (status->state) {
	case DFU_IDLE:
		return 1;
	case DFU_ERROR:
		return clear_status(wire);
	case DFU_DOWNLOAD_SYNC:
	case DFU_DOWNLOAD_IDLE:
	case DFU_UPLOAD_IDLE:
		return request(wire, REQUEST_ABORT, 0, NULL, 0, DFU_LIMIT_QUICK_MSEC);
	case DFU_DOWNLOAD_BUSY:
		return rest(wire, status->poll_msec, round);
	case DFU_APP_IDLE:
	case DFU_APP_DETACH:
	case DFU_MANIFEST_SYNC:
	case DFU_MANIFEST:
	case DFU_MANIFEST_WAIT_RESET:
	case _DFU_STATE_MAX:
		break;
	}
	return -EPROTO;
}

/* A stall leaves a device of the standard in dfuERROR, where the next round finds it. */
static int reach_idle(struct dfu_wire *wire)
{
	int r = 0;
	for (unsigned round = 0; round < SYNCHRONISE_ROUNDS; round++) {
		struct status status;
		if (wire->on_alive)
			wire->on_alive(wire->context);
		r = get_status(wire, SYNCHRONISE_MSEC, &status);
		if (r == 0)
			r = step_towards_idle(wire, &status, round);
		if (r == 1)
			return 0;
		if (r < 0 && r != -EPIPE)
			return r;
	}
	return r < 0 ? r : -EPROTO;
}

/* The work is done, only the ROM does not notice. Whether it is, reading back proves. */
static int set_free(struct dfu_wire *wire)
{
	int r = clear_status(wire);
	if (r == 0)
		r = clear_status(wire);
	return r == 0 ? reach_idle(wire) : r;
}

int dfu_synchronise(struct dfu_wire *wire)
{
	int r = reach_idle(wire);
	return r == -EPROTO && wire->state == DFU_DOWNLOAD_BUSY ? set_free(wire) : r;
}

/* ---- execution --------------------------------------------------------------------------- */

struct execution {
	unsigned limit_msec;
	unsigned poll_msec; /* as advertised */
	unsigned asks, stalls;
	unsigned waited_msec;
};

static int wait_for(struct dfu_wire *wire, struct execution *execution, unsigned msec)
{
	if (msec == 0)
		return 0;
	execution->waited_msec += msec;
	return usb_pause(wire->device, msec);
}

/* The device says "busy" (again). */
static int wait_busy(struct dfu_wire *wire, struct execution *execution)
{
	unsigned asks = execution->asks++;
	if (wire->on_alive)
		wire->on_alive(wire->context);
	if (wire->obeys_poll_times)
		return wait_for(wire, execution, execution->poll_msec ? execution->poll_msec : 1);
	if (asks < EAGER_ASKS)
		return 0;
	unsigned msec = execution->waited_msec / WAIT_SHARE + 1;
	return wait_for(wire, execution, msec < WAIT_MOST_MSEC ? msec : WAIT_MOST_MSEC);
}

/* Asked too early: so it is given the time that it wants, now and from now on. */
static int wait_stalled(struct dfu_wire *wire, struct execution *execution)
{
	if (execution->stalls++ == STALLS_BORNE)
		return -EPIPE;
	unsigned waited = execution->waited_msec, poll = execution->poll_msec;
	/* Some L4 announce too little: then as much again. */
	unsigned msec = poll > waited ? poll - waited : poll;
	wire->obeys_poll_times = true;
	return wait_for(wire, execution, msec > 0 ? msec : 1);
}

/* Did it end, and well? USB_PENDING: not yet. */
static int judge_status(struct dfu_wire *wire, const struct status *status)
{
	if (status->state == DFU_DOWNLOAD_IDLE && status->status == DFU_STATUS_OK)
		return 0;
	if (status->state == DFU_DOWNLOAD_BUSY || status->state == DFU_DOWNLOAD_SYNC)
		return USB_PENDING;
	if (status->state != DFU_ERROR)
		return -EPROTO;
	wire->status = status->status;
	return -EREMOTEIO;
}

static int execute(struct dfu_wire *wire, enum dfu_limit limit)
{
	struct execution execution = { .limit_msec = limit };
	uint64_t began_usec = clock_usec(CLOCK_MONOTONIC);
	for (;;) {
		struct status status;
		int r = get_status(wire, limit, &status);
		if (r == -EPIPE && execution.asks > 0) {
			r = wait_stalled(wire, &execution);
		} else if (r == 0) {
			r = judge_status(wire, &status);
			if (r != USB_PENDING)
				return r;
			if (execution.asks == 0)
				execution.poll_msec = status.poll_msec;
			r = wait_busy(wire, &execution);
		}
		if (r < 0)
			return r;
		if (execution.waited_msec >= WEDGED_MSEC && limit == DFU_LIMIT_ERASE_MSEC)
			return set_free(wire);
		/* Answers may be slow, too. */
		uint64_t took_msec = (clock_usec(CLOCK_MONOTONIC) - began_usec) / 1000;
		if (execution.waited_msec >= execution.limit_msec ||
			took_msec >= 2 * (uint64_t)limit)
			return -ETIMEDOUT;
	}
}

int dfu_download(struct dfu_wire *wire, uint16_t block, const void *data, uint16_t length,
	enum dfu_limit limit)
{
	int r = request(wire, REQUEST_DOWNLOAD, block, data, length, DATA_LIMIT_MSEC);
	return r < 0 ? r : execute(wire, limit);
}

int dfu_upload(struct dfu_wire *wire, uint16_t block, void *data, uint16_t length)
{
	int r = usb_control(wire->device, TOWARDS_HOST, REQUEST_UPLOAD, block,
		wire->function.interface, data, length, DATA_LIMIT_MSEC);
	if (r == length) {
		wire->state = DFU_UPLOAD_IDLE;
		return 0;
	}
	if (r >= 0)
		return -EPROTO;
	if (r == -EPIPE) {
		struct status status;
		if (get_status(wire, DFU_LIMIT_QUICK_MSEC, &status) == 0 &&
			status.state == DFU_ERROR) {
			wire->status = status.status;
			return -EREMOTEIO;
		}
	}
	return r;
}

int dfu_abort(struct dfu_wire *wire)
{
	int r = request(wire, REQUEST_ABORT, 0, NULL, 0, DFU_LIMIT_QUICK_MSEC);
	if (r == 0)
		wire->state = DFU_IDLE;
	return r;
}

/* ---- DfuSe ------------------------------------------------------------------------------- */

static int command(struct dfu_wire *wire, uint8_t what, uint32_t address, enum dfu_limit limit)
{
	uint8_t bytes[5] = { what };
	write_u32(bytes + 1, address);
	return dfu_download(wire, 0, bytes, sizeof bytes, limit);
}

int dfuse_set_address(struct dfu_wire *wire, uint32_t address)
{
	return command(wire, DFUSE_SET_ADDRESS, address, DFU_LIMIT_QUICK_MSEC);
}

int dfuse_erase(struct dfu_wire *wire, uint32_t address)
{
	return command(wire, DFUSE_ERASE, address, DFU_LIMIT_ERASE_MSEC);
}

int dfuse_leave(struct dfu_wire *wire, uint32_t address)
{
	int r = dfuse_set_address(wire, address);
	if (r < 0)
		return r;
	struct status status;
	(void)!request(wire, REQUEST_DOWNLOAD, 2, NULL, 0, DFU_LIMIT_QUICK_MSEC);
	(void)!get_status(wire, DFU_LIMIT_QUICK_MSEC, &status);
	return 0;
}
