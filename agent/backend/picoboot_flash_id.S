/* SPDX-License-Identifier: MIT */
/*
 * Reads the 64-bit unique id of the flash chip beside an RP2040: command 0x4B, four dummy bytes,
 * eight bytes of id (Winbond W25Q16JV datasheet 8.2.31; other makers do the same). Loaded into RAM
 * and called by PICOBOOT's EXEC, right after EXIT_XIP, which leaves the serial port (SSI) set up for
 * one byte a frame at 8 MHz, with empty FIFOs.
 *
 * All 13 bytes fit into the FIFOs, 16 deep, so an interrupt in between does no harm: the chip select
 * is held by hand (IO_QSPI, output override), because the SSI would let go of it whenever its FIFO
 * runs dry. Every wait is bounded: code that hangs here hangs the ROM until the board is unplugged.
 *
 * picoboot_flash_id.c holds what this assembles to; tests/unit/check_flash_id.sh compares. Nothing
 * in here depends on where it lies.
 */
	.syntax unified
	.cpu cortex-m0plus
	.thumb

	.equ SSI,         0x18000000
	.equ SSI_SR,      0x28		/* bit 3, RFNE: something was received */
	.equ SSI_DR0,     0x60
	.equ QSPI_SS,     0x4001800c	/* GPIO_QSPI_SS_CTRL; OUTOVER: bits 9 and 8 */
	.equ DRIVE_LOW,   2
	.equ DRIVE_HIGH,  3
	.equ READ_ID,     0x4b
	.equ TRANSFERRED, 13		/* command, dummies, id */
	.equ PATIENCE,    100000	/* looks at SR; 13 microseconds are enough */
	.equ MARK,        0x21444921	/* "!ID!": all of the answer is there */

	.macro select level
	ldr	r0, [r6]
	bics	r0, r3
	movs	r1, #\level
	lsls	r1, r1, #8
	orrs	r0, r1
	str	r0, [r6]
	.endm

	.text
	.global picoboot_flash_id
	.thumb_func
picoboot_flash_id:
	push	{r4, r5, r6, r7, lr}
	ldr	r4, ssi
	adr	r5, answer
	ldr	r6, qspi_ss
	movs	r3, #3
	lsls	r3, r3, #8		/* OUTOVER */
	movs	r0, #0
	str	r0, [r5, #16]		/* no mark yet */

	select	DRIVE_LOW
	movs	r0, #READ_ID
	str	r0, [r4, #SSI_DR0]
	movs	r0, #0
	movs	r1, #TRANSFERRED - 1
send:
	str	r0, [r4, #SSI_DR0]
	subs	r1, r1, #1
	bne	send

	movs	r2, #0
	ldr	r7, patience
receive:
	subs	r7, r7, #1
	beq	finish
	ldr	r0, [r4, #SSI_SR]
	lsrs	r0, r0, #4		/* RFNE into the carry */
	bcc	receive
	ldr	r0, [r4, #SSI_DR0]
	strb	r0, [r5, r2]
	adds	r2, r2, #1
	cmp	r2, #TRANSFERRED
	bne	receive
	ldr	r0, mark
	str	r0, [r5, #16]
finish:
	select	DRIVE_HIGH
	pop	{r4, r5, r6, r7, pc}

	.align	2
ssi:		.word	SSI
qspi_ss:	.word	QSPI_SS
patience:	.word	PATIENCE
mark:		.word	MARK
answer:		.space	20		/* 13 bytes, padding, the mark */
