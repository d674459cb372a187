/* SPDX-License-Identifier: MIT */
/* Reasons; see reason.h. */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>

#include "base/text.h"
#include "model/reason.h"

static const char *const names[_REASON_MAX] = {
	[REASON_NONE] = "none",
	[REASON_NO_RULE] = "no-rule",
	[REASON_IGNORED] = "ignored-by-rule",
	[REASON_PRESENT_AT_START] = "present-at-start",
	[REASON_IDENTITY_UNKNOWN] = "identity-unknown",
	[REASON_IDENTITY_CONTRADICTED] = "identity-contradicted",
	[REASON_POLICY_INVALID] = "policy-invalid",
	[REASON_LIMIT] = "limit",
	[REASON_QUARANTINED] = "quarantined",
	[REASON_IMAGE_MISSING] = "image-missing",
	[REASON_IMAGE_AMBIGUOUS] = "image-ambiguous",
	[REASON_IMAGE_UNREADABLE] = "image-unreadable",
	[REASON_IMAGE_FORMAT] = "image-format",
	[REASON_IMAGE_TRUNCATED] = "image-truncated",
	[REASON_IMAGE_INCONSISTENT] = "image-inconsistent",
	[REASON_IMAGE_TOO_LARGE] = "image-too-large",
	[REASON_IMAGE_BEING_WRITTEN] = "image-being-written",
	[REASON_FIRMWARE_PERMISSIONS] = "firmware-permissions",
	[REASON_WRONG_CHIP] = "wrong-chip",
	[REASON_CHIP_UNKNOWN] = "chip-unknown",
	[REASON_CHIP_AMBIGUOUS] = "chip-ambiguous",
	[REASON_IMAGE_CHIP_UNKNOWN] = "image-chip-unknown",
	[REASON_LINK_ADDRESS_UNKNOWN] = "link-address-unknown",
	[REASON_WRONG_ADDRESS] = "wrong-address",
	[REASON_APPLICATION_START_UNKNOWN] = "application-start-unknown",
	[REASON_OUTSIDE_FLASH] = "outside-flash",
	[REASON_TOO_LARGE] = "too-large",
	[REASON_FLASH_SIZE_UNKNOWN] = "flash-size-unknown",
	[REASON_NO_BOOT2] = "no-boot2",
	[REASON_BAD_BOOT2] = "bad-boot2",
	[REASON_NO_VECTOR_TABLE] = "no-vector-table",
	[REASON_NO_IMAGE_DEF] = "no-image-def",
	[REASON_PARTITIONED] = "partitioned",
	[REASON_OVERLAPS_BOOTLOADER] = "overlaps-bootloader",
	[REASON_BOOTLOADER_IMAGE] = "bootloader-image",
	[REASON_WRONG_TRANSPORT] = "wrong-transport",
	[REASON_TRANSPORT_CHANGE] = "transport-change",
	[REASON_WRONG_CAN_BITRATE] = "wrong-can-bitrate",
	[REASON_WRONG_SERIAL_BAUD] = "wrong-serial-baud",
	[REASON_WRONG_PINS] = "wrong-pins",
	[REASON_WRONG_CLOCK] = "wrong-clock",
	[REASON_WRONG_CRYSTAL] = "wrong-crystal",
	[REASON_WRONG_VERSION] = "wrong-version",
	[REASON_WRONG_DIGEST] = "wrong-digest",
	[REASON_EXPECTATION_UNPROVED] = "expectation-unproved",
	[REASON_DECLARATION_CONTRADICTED] = "declaration-contradicted",
	[REASON_DOWNGRADE] = "downgrade",
	[REASON_VERSION_UNORDERED] = "version-unordered",
	[REASON_READ_PROTECTED] = "read-protected",
	[REASON_LOADER_UNKNOWN] = "loader-unknown",
	[REASON_NO_LOADER] = "no-loader",
	[REASON_LOADER_UNREACHABLE] = "loader-unreachable",
	[REASON_LOADER_UNSAFE] = "loader-unsafe",
	[REASON_UNSUPPORTED] = "unsupported",
	[REASON_BOARD_LEFT] = "board-left",
	[REASON_PRINTING] = "printing",
	[REASON_PRINT_UNKNOWN] = "print-unknown",
	[REASON_BOARD_CHANGED] = "board-changed",
	[REASON_NO_PERMISSION] = "no-permission",
	[REASON_BOARD_BUSY] = "board-busy",
	[REASON_BUS_DOWN] = "bus-down",
	[REASON_BUS_BLOCKED] = "bus-blocked",
	[REASON_RUNS_APPLICATION] = "runs-application",
	[REASON_BOARD_SILENT] = "board-silent",
	[REASON_BOARD_ERROR] = "board-error",
	[REASON_VERIFY_FAILED] = "verify-failed",
	[REASON_WRITE_PROTECTED] = "write-protected",
	[REASON_NO_APPLICATION] = "no-application",
	[REASON_WRONG_APPLICATION] = "wrong-application",
	[REASON_CANCELLED] = "cancelled",
	[REASON_WORKER_LOST] = "worker-lost",
	[REASON_WORKER_SILENT] = "worker-silent",
	[REASON_WIRE_VIOLATION] = "wire-violation",
	[REASON_NO_WORKER] = "no-worker",
	[REASON_NOT_RECORDED] = "not-recorded",
	[REASON_SERVICE_LOST] = "service-lost",
	[REASON_INTERNAL] = "internal",
};

const char *reason_name(enum reason_code code)
{
	assert(code < _REASON_MAX);
	return names[code];
}

int reasons_add(struct reasons *reasons, enum reason_code code, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	_cleanup_(freep) char *sentence = text_format_list(format, arguments);
	va_end(arguments);
	if (!sentence)
		return -ENOMEM;

	struct reason *grown =
		reallocarray(reasons->items, reasons->count + 1, sizeof(struct reason));
	if (!grown)
		return -ENOMEM;
	reasons->items = grown;
	reasons->items[reasons->count++] =
		(struct reason){ .code = code, .sentence = TAKE_PTR(sentence) };
	return 0;
}

bool reasons_have(const struct reasons *reasons, enum reason_code code)
{
	for (size_t i = 0; i < reasons->count; i++)
		if (reasons->items[i].code == code)
			return true;
	return false;
}

void reasons_done(struct reasons *reasons)
{
	for (size_t i = 0; i < reasons->count; i++)
		free(reasons->items[i].sentence);
	free(reasons->items);
	*reasons = (struct reasons){ 0 };
}

char *reasons_text(const struct reasons *reasons)
{
	_cleanup_(freep) char *text = NULL;
	for (size_t i = 0; i < reasons->count; i++)
		if (text_append(&text, "%s%s", i ? "; " : "", reasons->items[i].sentence) < 0)
			return NULL;
	return text ? TAKE_PTR(text) : text_format("no reason given");
}
