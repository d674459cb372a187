/* SPDX-License-Identifier: MIT */
/*
 * A USB device as kernel and udev would describe it, in the text format of umockdev: path, node,
 * properties, attributes. Strings of the device come through unharmed where the kernel would let
 * them through, and cleaned where udev would have cleaned them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "emu/udev_record.h"

/* Boards, as rules/59-plugflash.rules marks them. */
static const struct {
	uint16_t vendor, product;
	const char *mode;
} marks[] = {
	{ 0x2e8a, 0x0003, "rp2040-boot" },
	{ 0x2e8a, 0x000f, "rp2350-boot" },
	{ 0x0483, 0xdf11, "dfu" },
	{ 0x1eaf, 0x0003, "dfu" },
	{ 0x1d50, 0x6015, "dfu" },
	{ 0x1d50, 0x6177, "katapult" },
	{ 0x1d50, 0x614e, "klipper" },
	{ 0x2e8a, 0x000a, "pico-sdk" },
	{ 0x2e8a, 0x0009, "pico-sdk" },
};

struct identity {
	unsigned vendor, product, revision;
};

static struct identity identity_of(const struct hub_port *port)
{
	const uint8_t *bytes = port->descriptor;
	return (struct identity){
		.vendor = (unsigned)bytes[8] | (unsigned)bytes[9] << 8,
		.product = (unsigned)bytes[10] | (unsigned)bytes[11] << 8,
		.revision = (unsigned)bytes[12] | (unsigned)bytes[13] << 8,
	};
}

/* udev's way: no white space at the ends, one underscore for any within, one for whatever else it
 * does not like. */
static void clean(const char *value, char text[HUB_PORT_BYTES])
{
	static const char allowed[] = "#+-.:=@_", space[] = " \t\n\v\f\r";
	size_t at = 0;
	value += strspn(value, space);
	for (; *value && at + 1 < HUB_PORT_BYTES; value++) {
		bool good = (*value >= '0' && *value <= '9') || (*value >= 'A' && *value <= 'Z') ||
			    (*value >= 'a' && *value <= 'z') || strchr(allowed, *value);
		size_t run = strspn(value, space);
		if (run && !value[run])
			break;
		text[at++] = good ? *value : '_';
		value += run > 1 ? run - 1 : 0;
	}
	text[at] = '\0';
}

static void write_hex(FILE *text, const char *attribute, const void *bytes, size_t length)
{
	fprintf(text, "H: %s=", attribute);
	for (size_t index = 0; index < length; index++)
		fprintf(text, "%02X", ((const uint8_t *)bytes)[index]);
	fputc('\n', text);
}

/* As raw as the kernel shows it, control characters included. */
static void write_string(FILE *text, const char *attribute, char *value)
{
	size_t length = strlen(value);
	if (!length)
		return;
	value[length] = '\n';
	write_hex(text, attribute, value, length + 1);
	value[length] = '\0';
}

/* Each kind of interface once, as :ccsspp: triples. */
static void write_interfaces(FILE *text, const struct hub_port *port)
{
	enum { INTERFACE = 4, INTERFACE_BYTES = 9 };
	const uint8_t *bytes = port->configuration;
	size_t length = port->configuration_bytes;
	char seen[HUB_PORT_BYTES] = ":", triple[8];
	for (size_t at = 0; at + INTERFACE_BYTES <= length && bytes[at] >= 2; at += bytes[at]) {
		if (bytes[at + 1] != INTERFACE)
			continue;
		snprintf(triple, sizeof(triple), "%02x%02x%02x:", bytes[at + 5], bytes[at + 6],
			bytes[at + 7]);
		if (!strstr(seen, triple) && strlen(seen) + sizeof(triple) <= sizeof(seen))
			strcat(seen, triple);
	}
	fprintf(text, "E: ID_USB_INTERFACES=%s\n", seen);
}

/* A device without strings is called by its numbers. */
static void write_names(FILE *text, const struct hub_port *port, const struct identity *identity)
{
	char vendor[HUB_PORT_BYTES], model[HUB_PORT_BYTES], serial[HUB_PORT_BYTES];
	clean(port->manufacturer, vendor);
	clean(port->product, model);
	clean(port->serial, serial);
	if (!*vendor)
		snprintf(vendor, sizeof(vendor), "%04x", identity->vendor);
	if (!*model)
		snprintf(model, sizeof(model), "%04x", identity->product);
	fprintf(text, "E: ID_BUS=usb\nE: ID_VENDOR=%s\nE: ID_MODEL=%s\n", vendor, model);
	if (*serial)
		fprintf(text, "E: ID_SERIAL_SHORT=%s\n", serial);
	fprintf(text, "E: ID_SERIAL=%s_%s%s%s\n", vendor, model, *serial ? "_" : "", serial);
	fprintf(text, "E: ID_VENDOR_ID=%04x\nE: ID_MODEL_ID=%04x\nE: ID_REVISION=%04x\n",
		identity->vendor, identity->product, identity->revision);
}

static void write_properties(FILE *text, struct hub_port *port, const char *place)
{
	struct identity identity = identity_of(port);
	fprintf(text, "E: DEVTYPE=usb_device\nE: SUBSYSTEM=usb\nE: MAJOR=189\nE: MINOR=%u\n",
		port->device - 1);
	fprintf(text, "E: DEVNAME=/dev/bus/usb/%03u/%03u\nE: BUSNUM=%03u\nE: DEVNUM=%03u\n",
		UDEV_RECORD_BUS, port->device, UDEV_RECORD_BUS, port->device);
	fprintf(text, "E: PRODUCT=%x/%x/%x\nE: TYPE=%u/%u/%u\nE: DRIVER=usb\n", identity.vendor,
		identity.product, identity.revision, port->descriptor[4], port->descriptor[5],
		port->descriptor[6]);
	write_names(text, port, &identity);
	write_interfaces(text, port);
	fprintf(text, "E: ID_PATH=%s%s\n", UDEV_RECORD_ID_PATH, place);
	for (size_t index = 0; index < ELEMENTSOF(marks); index++)
		if (marks[index].vendor == identity.vendor &&
			marks[index].product == identity.product)
			fprintf(text, "E: ID_PLUGFLASH=%s\n", marks[index].mode);
}

static void write_attributes(FILE *text, struct hub_port *port, const char *place)
{
	struct identity identity = identity_of(port);
	const uint8_t *device = port->descriptor, *configuration = port->configuration;
	uint8_t descriptors[18 + HUB_PORT_BYTES];
	memcpy(descriptors, device, 18);
	memcpy(descriptors + 18, configuration, port->configuration_bytes);
	fprintf(text, "A: busnum=%u\\n\nA: devnum=%u\\n\nA: devpath=%s\\n\nA: speed=12\\n\n",
		UDEV_RECORD_BUS, port->device, place);
	fprintf(text, "A: idVendor=%04x\\n\nA: idProduct=%04x\\n\nA: bcdDevice=%04x\\n\n",
		identity.vendor, identity.product, identity.revision);
	fprintf(text, "A: bDeviceClass=%02x\\n\nA: bMaxPacketSize0=%u\\n\nA: version= %x.%02x\\n\n",
		device[4], device[7], device[3], device[2]);
	fprintf(text,
		"A: bConfigurationValue=%u\\n\nA: bmAttributes=%02x\\n\nA: bMaxPower=%umA\\n\n",
		configuration[5], configuration[7], configuration[8] * 2u);
	fprintf(text, "A: bNumInterfaces=%2u\\n\nA: bNumConfigurations=%u\\n\nA: maxchild=0\\n\n",
		configuration[4], device[17]);
	fprintf(text, "A: removable=removable\\n\nA: authorized=1\\n\n");
	write_string(text, "manufacturer", port->manufacturer);
	write_string(text, "product", port->product);
	write_string(text, "serial", port->serial);
	write_hex(text, "descriptors", descriptors, 18 + port->configuration_bytes);
}

char *udev_record(struct hub_port *port, const char *syspath, const char *place)
{
	char *string = NULL;
	size_t length;
	FILE *text = open_memstream(&string, &length);
	if (!text)
		abort();
	fprintf(text, "P: %s\nN: bus/usb/%03u/%03u=", syspath + strlen("/sys"), UDEV_RECORD_BUS,
		port->device);
	for (size_t index = 0; index < sizeof(port->descriptor); index++)
		fprintf(text, "%02X", port->descriptor[index]);
	for (size_t index = 0; index < port->configuration_bytes; index++)
		fprintf(text, "%02X", port->configuration[index]);
	fputc('\n', text);
	write_properties(text, port, place);
	write_attributes(text, port, place);
	fputc('\n', text);
	fclose(text);
	return string;
}

char *udev_record_hub(unsigned device, const char *syspath, const char *place)
{
	static const uint8_t descriptor[18] = { 18, 1, 0x00, 0x02, 9, 0, 1, 64, 0x6b, 0x1d, 0x01,
		0x00, 0x00, 0x01, 0, 0, 0, 1 };
	static const uint8_t configuration[25] = { 9, 2, 25, 0, 1, 1, 0, 0xe0, 50, 9, 4, 0, 0, 1, 9,
		0, 0, 0, 7, 5, 0x81, 3, 1, 0, 12 };
	struct hub_port port = { .device = device, .configuration_bytes = sizeof(configuration) };
	memcpy(port.descriptor, descriptor, sizeof(descriptor));
	memcpy(port.configuration, configuration, sizeof(configuration));
	return udev_record(&port, syspath, place);
}
