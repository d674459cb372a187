/* SPDX-License-Identifier: MIT */
/*
 * A USB device as kernel and udev would describe it, in the text format of umockdev: path, node,
 * properties, attributes. Strings of the device come through unharmed where the kernel would let
 * them through, and cleaned where udev would have cleaned them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/udev_record.h"

static void write_plain(FILE *text, const char *key, const char *value)
{
	static const char allowed[] = "#+-.:=@_";
	fprintf(text, "E: %s=", key);
	for (; *value; value++) {
		bool good = (*value >= '0' && *value <= '9') || (*value >= 'A' && *value <= 'Z') ||
			    (*value >= 'a' && *value <= 'z') || strchr(allowed, *value);
		fputc(good ? *value : '_', text);
	}
	fputc('\n', text);
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

static void write_properties(
	FILE *text, struct hub_port *port, const char *place, unsigned vendor, unsigned product)
{
	char model[HUB_PORT_BYTES + 64];
	fprintf(text, "E: DEVTYPE=usb_device\nE: SUBSYSTEM=usb\nE: MAJOR=189\nE: MINOR=%u\n",
		port->device - 1);
	fprintf(text, "E: DEVNAME=/dev/bus/usb/%03u/%03u\nE: BUSNUM=%03u\nE: DEVNUM=%03u\n",
		UDEV_RECORD_BUS, port->device, UDEV_RECORD_BUS, port->device);
	fprintf(text, "E: PRODUCT=%x/%x/100\nE: TYPE=%u/%u/%u\nE: DRIVER=usb\n", vendor, product,
		port->descriptor[4], port->descriptor[5], port->descriptor[6]);
	fprintf(text, "E: ID_BUS=usb\nE: ID_VENDOR_ID=%04x\nE: ID_MODEL_ID=%04x\n", vendor,
		product);
	write_plain(text, "ID_VENDOR", port->manufacturer);
	write_plain(text, "ID_MODEL", port->product);
	write_plain(text, "ID_SERIAL_SHORT", port->serial);
	snprintf(model, sizeof(model), "%.60s_%.60s_%.250s", port->manufacturer, port->product,
		port->serial);
	write_plain(text, "ID_SERIAL", model);
	fprintf(text, "E: ID_PATH=%s%s\n", UDEV_RECORD_ID_PATH, place);
	if (vendor == 0x2e8a && product == 0x0003)
		fprintf(text, "E: ID_PLUGFLASH=rp2040-boot\n");
	else if (vendor == 0x2e8a && product == 0x000f)
		fprintf(text, "E: ID_PLUGFLASH=rp2350-boot\n");
}

static void write_attributes(
	FILE *text, struct hub_port *port, const char *place, unsigned vendor, unsigned product)
{
	uint8_t descriptors[18 + HUB_PORT_BYTES];
	memcpy(descriptors, port->descriptor, 18);
	memcpy(descriptors + 18, port->configuration, port->configuration_bytes);
	fprintf(text, "A: busnum=%u\\n\nA: devnum=%u\\n\nA: devpath=%s\\n\nA: speed=12\\n\n",
		UDEV_RECORD_BUS, port->device, place);
	fprintf(text, "A: idVendor=%04x\\n\nA: idProduct=%04x\\n\nA: bcdDevice=%02x%02x\\n\n",
		vendor, product, port->descriptor[13], port->descriptor[12]);
	fprintf(text,
		"A: bDeviceClass=%02x\\n\nA: bConfigurationValue=1\\n\nA: version= %x.%02x\\n\n",
		port->descriptor[4], port->descriptor[3], port->descriptor[2]);
	fprintf(text, "A: bNumInterfaces=%2u\\n\nA: bNumConfigurations=1\\n\nA: maxchild=0\\n\n",
		port->configuration[4]);
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
	unsigned vendor = (unsigned)port->descriptor[8] | (unsigned)port->descriptor[9] << 8;
	unsigned product = (unsigned)port->descriptor[10] | (unsigned)port->descriptor[11] << 8;
	if (!text)
		abort();
	fprintf(text, "P: %s\nN: bus/usb/%03u/%03u=", syspath + strlen("/sys"), UDEV_RECORD_BUS,
		port->device);
	for (size_t index = 0; index < sizeof(port->descriptor); index++)
		fprintf(text, "%02X", port->descriptor[index]);
	for (size_t index = 0; index < port->configuration_bytes; index++)
		fprintf(text, "%02X", port->configuration[index]);
	fputc('\n', text);
	write_properties(text, port, place, vendor, product);
	write_attributes(text, port, place, vendor, product);
	fputc('\n', text);
	fclose(text);
	return string;
}
