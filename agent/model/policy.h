/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What may be written to which board: boards, rules, and the pure decision. The first rule that
 * matches wins; no rule, no write. A rule that may or may not match stops the search: what stands
 * behind it must not be guessed at.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/name_index.h"
#include "model/board.h"
#include "model/can.h"
#include "model/device.h"
#include "model/terms.h"

struct policy_origin {
	char *file;
	unsigned line;
};

/* A printer, by the API socket of its Klipper host. */
struct policy_printer {
	char *name;
	char *socket; /* an absolute path that fits into an address */
	struct policy_origin origin;
};

/* A CAN bus, by its interface. */
struct policy_bus {
	char *interface; /* "can0" */
	struct can_setting setting;
	struct policy_origin origin;
};

struct policy_board {
	char *name;
	char *printer; /* the one that it is a part of, by name; NULL: of none */
	enum chip chip; /* CHIP_UNKNOWN: any */
	char *serial; /* NULL: not stated */
	char *can_uuid; /* NULL: not stated */
	char *tty; /* the serial line that it is reached by; NULL: it is on USB */
	unsigned baud; /* of the line */
	char *bus; /* the interface of the bus that it is on, with its can_uuid; NULL: any */
	uint64_t flash_size_bytes; /* 0: not stated */
	bool has_application_start;
	uint32_t application_start;
	struct policy_origin origin;
};

enum expectation {
	EXPECT_ANY, /* some USB device must appear on the place */
	EXPECT_NONE, /* the application may be silent on USB */
	EXPECT_ID, /* exactly this VID:PID */
};

/* May a running application be asked for its boot loader? */
enum enter {
	ENTER_NO,
	ENTER_YES, /* where Katapult or the ROM of an RP2 will answer */
	ENTER_ALSO_DFU, /* also where an STM32's ROM will: no heater of the board goes on in it */
};

struct policy_rule {
	char *name;
	struct policy_origin origin;

	/* What it matches; an empty match matches every board. */
	enum board_mode mode; /* MODE_NONE: any */
	enum chip chip; /* CHIP_UNKNOWN: any */
	bool has_id;
	uint16_t vid;
	uint16_t pid;
	char *path; /* glob on the place or, with a warning, on the port; NULL: any */
	char *board; /* name of a board; NULL: any */
	enum provenance provenance; /* how well it must be known which one it is; NONE: unstated */

	/* Found by policy_index(). */
	const struct policy_board *declared; /* `board`; NULL: none such, or not looked for */
	size_t path_head; /* how many bytes of `path` mean themselves, */
	size_t path_tail; /* and how many at its end */

	/* What it does: ignore, or flash with all that follows. */
	bool ignore;
	char *image; /* name or glob below a firmware directory, an absolute path, or "auto" */
	struct terms terms; /* what it says about the image beyond that */
	bool states_expectation; /* else it follows from the rest */
	enum expectation expectation;
	uint16_t expected_vid;
	uint16_t expected_pid;
	bool flash_present; /* also boards that were there before the service */
	bool force;
	enum enter enter;
	bool on_update; /* also when there is a new image, and nobody has plugged anything in */
	bool leave_on_refusal; /* a board that is not written shall not stay in its boot mode */
	enum chip stated_chip; /* of the boards that this rule means; CHIP_UNKNOWN: not stated */
	uint64_t flash_size_bytes; /* of the boards that this rule means; 0: not stated */
	bool has_application_start; /* of those boards */
	uint32_t application_start;
	unsigned limit; /* boards that it may write within `within_usec`; 0: any number */
	uint64_t within_usec;
};

/* What a policy sets bounds to; 0: the default of whoever applies it. */
struct policy_limits {
	unsigned jobs; /* at once */
	unsigned jobs_per_hub; /* at once, of boards on one hub */
	unsigned attempts; /* begun and not ended well, of one image at one place, in a row */
	unsigned returns; /* of one board to its boot mode at once after a good end, in a row */
	unsigned history_days;
	unsigned history_jobs;
};

struct policy {
	struct policy_board *boards;
	size_t board_count;
	struct policy_printer *printers;
	size_t printer_count;
	struct policy_bus *buses;
	size_t bus_count;
	struct policy_rule *rules;
	size_t rule_count;
	struct policy_limits limits;
	char **directories; /* of firmware, beside the one that is always looked into */
	size_t directory_count;
	struct name_index boards_by_name; /* empty before policy_index() */
};

struct policy *policy_new(void);
struct policy *policy_free(struct policy *policy);
DEFINE_CLEANUP(struct policy *, policy_free)

/* A new, empty board, printer or rule at the end of the policy; NULL when memory is short. */
struct policy_board *policy_add_board(struct policy *policy);
struct policy_printer *policy_add_printer(struct policy *policy);
struct policy_rule *policy_add_rule(struct policy *policy);
struct policy_bus *policy_add_bus(struct policy *policy);

/* One more directory of firmware, without the slashes at the end of `path`. 0 or -ENOMEM. */
int policy_add_directory(struct policy *policy, const char *path) _must_check_;

/* Once all is added: looks boards up and paths over, so that a decision need not. 0 or -ENOMEM.
 * What is decided is the same without it. */
int policy_index(struct policy *policy) _must_check_;

const struct policy_board *policy_board(const struct policy *policy, const char *name);

/* By which name it is called on a CAN bus: the uuid that it states, or that follows from the serial
 * that it states; lower case. False: neither is stated. */
bool policy_board_uuid(const struct policy_board *board, char ret[CAN_UUID_TEXT]);

/* What is said of the bus with this interface, or NULL. */
const struct policy_bus *policy_bus(const struct policy *policy, const char *interface);

/* The first printer of this name, or NULL. */
const struct policy_printer *policy_printer(const struct policy *policy, const char *name);

/* The printer that the board of this name is a part of, or NULL. `board` may be NULL. */
const struct policy_printer *policy_printer_of(const struct policy *policy, const char *board);

/* True for a serial that many boards show: constants of boot ROMs and of careless firmware. */
bool policy_serial_is_shared(const char *serial);

enum match {
	MATCH_NO,
	MATCH_MAYBE, /* depends on something that nobody knows (yet) */
	MATCH_YES,
};

/* Does the rule match? `facts` may be NULL: nobody has looked yet. `ret_why` is the first thing
 * that spoke against it, a constant sentence, or NULL. */
enum match policy_match(const struct policy *policy, const struct policy_rule *rule,
	const struct device *device, const struct board_facts *facts, const char **ret_why);

enum verdict {
	VERDICT_NO_RULE,
	VERDICT_IGNORE,
	VERDICT_PRESENT, /* a rule would write, but the board was there before us */
	VERDICT_PROBE, /* a rule could write: look first */
	VERDICT_UNKNOWN, /* looked, and still nobody can tell whether the rule means this board */
	VERDICT_FLASH, /* write what the rule says, if it fits */
	VERDICT_QUARANTINE, /* a rule could write, but the place's budget is spent; never said by
			     * policy_decide(), which knows no past */
};

/* Pure. `ret_rule` is the rule that decided, NULL for VERDICT_NO_RULE. */
enum verdict policy_decide(const struct policy *policy, const struct device *device,
	const struct board_facts *facts, const struct policy_rule **ret_rule);
