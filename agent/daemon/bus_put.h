/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Values of the model as dictionaries on the bus. Each function returns 0 or a negative errno.
 */
#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "daemon/judge.h"
#include "daemon/queue.h"

int bus_put_string(sd_bus_message *message, const char *key, const char *value);
int bus_put_number(sd_bus_message *message, const char *key, uint64_t value);
int bus_put_bool(sd_bus_message *message, const char *key, bool value);

/* Opens key → variant of this type. */
int bus_open_entry(sd_bus_message *message, const char *key, const char *type);
int bus_close_entry(sd_bus_message *message);

/* key → as: the sentences of the reasons. */
int bus_put_sentences(sd_bus_message *message, const char *key, const struct reasons *reasons);

/* Into an open dictionary. */
int bus_put_facts(sd_bus_message *message, const struct board_facts *facts);

/* Each a whole a{sv}. */
int bus_put_device(sd_bus_message *message, const struct device *device);
int bus_put_firmware(sd_bus_message *message, const struct store_entry *entry);
int bus_put_job(sd_bus_message *message, const struct job *job);
/* `facts` NULL: nobody has looked. */
int bus_put_explanation(sd_bus_message *message, const struct policy *policy,
	const struct device *device, const struct board_facts *facts,
	const struct judgement *judgement);
