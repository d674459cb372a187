/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Code for an RP2040, not for this machine: reads the id of the flash chip. Its source, and what it
 * relies on, is picoboot_flash_id.S. Inside the picoboot backend only.
 */
#include <stdint.h>

#define PICOBOOT_FLASH_ID_CODE_BYTES    120 /* the answer is part of it, at the end */
#define PICOBOOT_FLASH_ID_ANSWER_OFFSET 100
#define PICOBOOT_FLASH_ID_ANSWER_BYTES  20
#define PICOBOOT_FLASH_ID_SKIP          5 /* what came in while command and dummies went out */
#define PICOBOOT_FLASH_ID_BYTES         8
#define PICOBOOT_FLASH_ID_MARK_OFFSET   16 /* of the answer: there when it is complete */
#define PICOBOOT_FLASH_ID_MARK          0x21444921u

extern const uint8_t picoboot_flash_id_code[PICOBOOT_FLASH_ID_CODE_BYTES];
