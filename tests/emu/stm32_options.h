/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a test may say about an STM32 and its faults, in words. -EINVAL and the word in `*ret_wrong`
 * when it says anything else.
 *
 *	chip=f429 [flash=2M] uid=24HEX image=FILE[@ADDRESS] mirror=FILE random=1 seed=N
 *	readout_protected=0|1|strict write_protected=RANGE,… also_readable=… unreadable=…
 *	speed=N slowness=N polls=SET,ERASE,MASS,WRITE[,IDLE] application_msec=N
 *	button=0|1 boot0_ignored=1 katapult_offset=N silent=1 crashes=1 touch=klipper|none
 *	manufacturer= product= serial= application_vendor= application_product=
 *	initial=chip|idle|error clear=chip|error|stall busy=chip|block|dnbusy|stall
 *	leave=chip|answer|vanish|once|stall|stay upload_multiplier=chip|transfer|length
 *	dnload_multiplier=… functional=chip|answer|stall|hang interface=chip|keep-error|idle|keep
 *	bus_reset=chip|stay|start refusal=chip|report|silent without_wedge=1
 *	transfer_bytes=N dnload_most=N bcd_device=N boot_manufacturer= boot_product= boot_serial=
 *	boot_configuration=HEX alternateN=TEXT alternate_stringN=HEX
 *
 * and what resident_words.h has. A RANGE is ADDRESS+BYTES, two numbers.
 */
#include "emu/stm32.h"
#include "emu/words.h"

/* What the options point at lives in `words`, which are changed, and in `*ret_image`. */
int stm32_options_parse(const struct words *words, size_t first, struct stm32_options *options,
	uint8_t **ret_image, const char **ret_wrong) _must_check_;
int stm32_options_parse_fault(const struct words *words, size_t first, struct stm32_fault *fault,
	const char **ret_wrong) _must_check_;
const char *stm32_options_fault_name(enum stm32_fault_kind kind);
