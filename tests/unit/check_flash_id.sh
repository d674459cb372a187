#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Is the code that is sent to an RP2040 what its source says? Assembles the source and compares bytes,
# and the place of the answer, with what the backend holds. Prints TAP; a missing assembler is a
# failure and not a skip.
set -u
cd "$(dirname "$0")/../../agent/backend" || exit 1

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
failed=0

# report NUMBER NAME: by how the last command ended.
report() {
	local status=$?
	if [ "$status" -eq 0 ]; then
		echo "ok $1 - $2"
	else
		echo "not ok $1 - $2"
		failed=1
	fi
}

constant() {
	sed -n "s/^#define PICOBOOT_FLASH_ID_$1 *\([0-9a-fx]*\).*/\1/p" picoboot_flash_id.h
}

arm-none-eabi-as --fatal-warnings -o "$scratch/code.o" picoboot_flash_id.S &&
	arm-none-eabi-objcopy -O binary -j .text "$scratch/code.o" "$scratch/code"
report 1 "the source assembles (apt install binutils-arm-none-eabi)"

od -An -v -tx1 "$scratch/code" | tr -s ' ' '\n' | sed '/^$/d' >"$scratch/assembled"
grep -o '0x[0-9a-f]*,' picoboot_flash_id.c | sed 's/^0x//; s/,$//' >"$scratch/held"
[ -s "$scratch/held" ] && diff "$scratch/assembled" "$scratch/held"
report 2 "every byte of picoboot_flash_id.c"

[ "$(constant CODE_BYTES)" = "$(stat -c %s "$scratch/code")" ]
report 3 "its length"

answer=$(arm-none-eabi-nm "$scratch/code.o" | sed -n 's/^\([0-9a-f]*\) . answer$/\1/p')
[ "$(constant ANSWER_OFFSET)" = "$((16#${answer:-0}))" ]
report 4 "where the answer lies"

! arm-none-eabi-objdump -r "$scratch/code.o" | grep R_ARM
report 5 "it runs wherever it is put"
echo "1..5"
exit "$failed"
