/* SPDX-License-Identifier: MIT */
/* Boards that run their application; see judge_application.h. */
#include "base/text.h"
#include "daemon/judge_application.h"
#include "model/entry.h"

static int refuse_entry(const struct policy_rule *rule, enum reason_code code, const char *why,
	const char *remedy, struct reasons *reasons)
{
	return reasons_add(reasons, code,
		"rule \"%s\" would have it enter its boot loader, and %s; %s", rule->name, why,
		remedy);
}

/* Only where it is known beforehand which boot loader answers, that it can be reached from here,
 * and that nothing gets hot. */
static int judge_loader(
	const struct policy_rule *rule, const struct entry *entry, struct reasons *reasons)
{
	static const char by_hand[] = "bring it into its boot loader by hand";
	switch (entry->loader) {
	case ENTRY_KATAPULT:
	case ENTRY_ROM_BOOTSEL:
		return 0;
	case ENTRY_ROM_DFU:
		if (rule->enter == ENTER_ALSO_DFU)
			return 0;
		return refuse_entry(rule, REASON_LOADER_UNSAFE, entry->sentence,
			"if this board does not, say enter_bootloader = \"dfu\" in the rule",
			reasons);
	case ENTRY_OTHER:
	case ENTRY_NOTHING:
		return refuse_entry(rule, REASON_NO_LOADER, entry->sentence, by_hand, reasons);
	case ENTRY_VANISHES:
		return reasons_add(reasons, REASON_LOADER_UNREACHABLE, "%s", entry->sentence);
	case ENTRY_UNKNOWN:
	case _ENTRY_MAX:
		break;
	}
	return refuse_entry(rule, REASON_LOADER_UNKNOWN, entry->sentence, by_hand, reasons);
}

/* What will show itself on the place, as far as it can be known now. */
static struct device loader_after(
	const struct device *device, const struct entry *entry, enum chip chip)
{
	static const struct {
		enum board_mode mode;
		uint16_t vid, pid;
	} loaders[] = {
		[ENTRY_KATAPULT] = { MODE_KATAPULT, 0x1d50, 0x6177 },
		[ENTRY_ROM_DFU] = { MODE_DFU, 0x0483, 0xdf11 },
		[ENTRY_ROM_BOOTSEL] = { MODE_RP2040_BOOT, 0x2e8a, 0x0003 },
	};
	struct device loader = *device;
	loader.mode = loaders[entry->loader].mode;
	loader.vid = loaders[entry->loader].vid;
	loader.pid = loaders[entry->loader].pid;
	loader.was_present = false;
	if (entry->loader != ENTRY_KATAPULT)
		loader.serial = (char *)"";
	if (entry->loader == ENTRY_ROM_BOOTSEL && chip == CHIP_RP2350) {
		loader.mode = MODE_RP2350_BOOT;
		loader.pid = 0x000f;
	}
	return loader;
}

/*
 * Would it be flashed there? Of a program of the Pico SDK all is known that its ROM will tell, and
 * it must be the same image: it would never be what its own rule says else, and be asked for ever.
 */
static bool is_flashed_as(const struct application *application, const struct device *loader)
{
	const struct policy_rule *rule;
	bool is_program = application->device->mode == MODE_PICO_SDK;
	enum verdict verdict = policy_decide(
		application->policy, loader, is_program ? application->known : NULL, &rule);
	if (!is_program)
		return verdict == VERDICT_PROBE;
	return verdict == VERDICT_FLASH && text_equal(rule->image, application->rule->image);
}

/* A board that was sent there and is not meant by any rule would stay there. */
static int judge_what_follows(
	const struct application *application, const struct entry *entry, struct reasons *reasons)
{
	struct device loader = loader_after(application->device, entry, application->known->chip);
	if (is_flashed_as(application, &loader))
		return 0;
	return reasons_add(reasons, REASON_NO_RULE,
		"rule \"%s\" would have it enter its boot loader, and no rule would flash what comes "
		"up then, in the mode %s%s: let one rule mean both, by match = { board = \"…\"; } or by "
		"its path",
		application->rule->name, mode_name(loader.mode),
		application->device->mode == MODE_PICO_SDK ? ", with the same image" : "");
}

int application_judge_entry(const struct application *application, struct reasons *reasons)
{
	struct entry entry = entry_foretell(application->known);
	size_t before = reasons->count;
	int r = judge_loader(application->rule, &entry, reasons);
	if (r < 0 || reasons->count > before)
		return r;
	return judge_what_follows(application, &entry, reasons);
}

bool application_is_right(const struct application *application)
{
	const struct image_facts *says = application->says;
	bool tells = application->device->mode == MODE_KLIPPER;
	if (application->rule->force || !tells || !says->has_klipper)
		return false;
	struct running wanted = klipper_running(&says->klipper);
	return running_is_same(&application->known->running, &wanted);
}
