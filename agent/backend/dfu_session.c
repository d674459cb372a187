/* SPDX-License-Identifier: MIT */
/* What a visit to a board in DFU has in common; see dfu_session.h. */
#include <errno.h>
#include <string.h>

#include "backend/dfu_session.h"

bool dfu_has_empty_check(chip_set chips)
{
	/* An F070 that looks like an F042 is the small one, which checks, too. */
	const chip_set small = chip_bit(CHIP_STM32F042) | chip_bit(CHIP_STM32F070);
	const chip_set checked = chip_bit(CHIP_STM32F042) | chip_bit(CHIP_STM32G070) |
				 chip_bit(CHIP_STM32G071) | chip_bit(CHIP_STM32G0B1) |
				 chip_bit(CHIP_STM32L412) | chip_bit(CHIP_STM32L431);
	return chips == small || (chips != 0 && (chips & ~checked) == 0);
}

uint16_t dfu_write_unit(chip_set chips)
{
	const chip_set words_of_256_bits =
		chip_bit(CHIP_STM32H723) | chip_bit(CHIP_STM32H743) | chip_bit(CHIP_STM32H750);
	return chips & words_of_256_bits ? 32 : 8;
}

const char *dfu_consequence(const struct backend_session *session)
{
	if (session->may_start)
		return "all but its first words was verified, so it either starts the new image or "
		       "starts nothing";
	if (!session->is_touched)
		return "its flash was not changed";
	if (session->loader)
		return "its application is not complete: bring the board into its boot loader again, "
		       "and it is written from the beginning";
	if (session->is_behind_loader)
		return "it has no application any more, its boot loader stays in charge, and what "
		       "is missing is written when it comes back";
	if (dfu_has_empty_check(session->chips))
		return "it has no program any more, so it comes back in DFU mode by itself when its "
		       "power was off, and what is missing is written then";
	return "it has no program any more: hold BOOT0 (or fit its jumper) while it gets power, and "
	       "what is missing is written then";
}

/* What the device said itself. */
static int fail_remote(struct backend_session *session, const char *doing)
{
	if (session->wire.status == DFU_STATUS_VENDOR)
		return visit_fail(&session->visit, -EREMOTEIO, REASON_READ_PROTECTED,
			"the chip is read-protected and refused while %s; %s. plugflash leaves such "
			"chips alone, because lifting the protection erases them",
			doing, dfu_consequence(session));
	return visit_fail(&session->visit, -EREMOTEIO, REASON_BOARD_ERROR,
		"the board failed while %s (it says %s); %s. Unplug it and plug it in again", doing,
		dfu_status_name(session->wire.status), dfu_consequence(session));
}

int dfu_fail_wire(struct backend_session *session, int error, const char *doing)
{
	struct visit *visit = &session->visit;
	if (visit_fail_wire(visit, error, doing) < 0)
		return error;
	switch (error) {
	case -ETIMEDOUT:
		return visit_fail(visit, error, REASON_BOARD_SILENT,
			"the board stopped answering while %s, and resetting its port did not help; "
			"%s. Unplug it, with all its power, and plug it in again",
			doing, dfu_consequence(session));
	case -EREMOTEIO:
		return fail_remote(session, doing);
	default:
		return visit_fail(visit, error, REASON_BOARD_ERROR,
			"the board failed again and again while %s (%s); %s. Unplug it and plug it "
			"in again, with another cable or port if this repeats",
			doing, strerror(-error), dfu_consequence(session));
	}
}

int dfu_on_step(void *context, uint32_t bytes)
{
	struct backend_session *session = context;
	return visit_step(&session->visit, bytes);
}

int dfu_recover(struct backend_session *session)
{
	int r = dfu_synchronise(&session->wire);
	if (r == 0 || r == -ENODEV)
		return r;
	r = usb_reset(session->device);
	return r < 0 ? r : dfu_synchronise(&session->wire);
}

static int recover(void *context)
{
	return dfu_recover(context);
}

int dfu_repair(struct backend_session *session, int error, uint64_t progress)
{
	return visit_repair(&session->visit, error, progress, recover, session);
}
