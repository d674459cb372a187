# SPDX-License-Identifier: MIT
"""The bulk of a firmware image: C that is never run, but compiles to what real drivers look like.

    modules.source(prefix, seed, count)     `count` drivers: state, tables, functions that call each
                                            other through tables, strings
    modules.commands(formats)               a handler and a parser each, and the index of them all

Functions poke peripherals, walk tables, wait for bits, stop the machine with a sentence. The same seed
gives the same text.
"""
import random
import re

HEAD = """/* Made by tests/images/modules.py. */
#include "firmware.h"
"""

PERIPHERALS = [0x40004400, 0x40005400, 0x40010000, 0x40012400, 0x40013000, 0x40014000, 0x40020000,
               0x40021000, 0x48000000, 0x48000400, 0x50000000, 0x50000800]
WORDS = ("axis belt bed carriage chain clamp coil edge encoder fan filter gear heater hotend latch line "
         "motor nozzle pad phase probe pulley rail relay rod sensor servo shaft spool spring stage "
         "switch tool valve wheel winding").split()
FAULTS = ("did not answer", "is out of range", "came too late", "has no such channel", "was not set up",
          "lost a sample", "is in use", "needs a faster clock", "moved before it was told",
          "answered twice", "is too hot to go on", "runs against its end")
STATE = ["clock", "interval", "count", "flags", "value", "limit", "sum", "last"]
OPERATORS = ["+", "^", "-", "|", "&"]


class Driver:
    def __init__(self, prefix, number, dice):
        self.dice = dice
        self.name = f"{prefix}_{WORDS[number % len(WORDS)]}{number // len(WORDS) or ''}"
        self.steps = 4 + dice.randrange(4)
        self.table_bits = 4 + dice.randrange(3)

    def expression(self):
        dice = self.dice
        return dice.choice([
            f"s->{dice.choice(STATE)}", f"{dice.randrange(2, 4000)}u", f"(word >> {dice.randrange(1, 24)})",
            f"{self.name}_table[word & {2 ** self.table_bits - 1}]",
            f"s->{dice.choice(STATE)} * {dice.randrange(3, 99)}u",
            "s->samples[s->count & 7]"])

    def statement(self, callees):
        dice = self.dice
        field, operator, value = dice.choice(STATE), dice.choice(OPERATORS), self.expression()
        register = f"REGISTER({dice.choice(PERIPHERALS) + 4 * dice.randrange(24):#x})"
        bit = f"{1 << dice.randrange(31):#x}u"
        return dice.choice([
            lambda: f"s->{field} = (s->{field} {operator} {value}) + word;",
            lambda: f"word {operator}= {value};",
            lambda: f"if (word > {value}) {{\n\t\ts->{field} {operator}= word;\n"
                    f"\t\tword >>= {dice.randrange(1, 9)};\n\t}}",
            lambda: f"if (s->{field} == word + {value})\n"
                    f"\t\treturn word {operator} {dice.randrange(1, 250)};",
            lambda: f"for (uint32_t i = 0; i < {2 ** self.table_bits}; i++)\n"
                    f"\t\tword = word * {dice.randrange(3, 99)}u + {self.name}_table[i];",
            lambda: f"for (uint32_t i = 0; i < {dice.randrange(3, 8)}; i++)\n"
                    f"\t\ts->samples[i] {operator}= word + i;",
            lambda: f"{register} = word | {bit};\n\twhile (!({register} & {bit}))\n\t\tword++;",
            lambda: f"{register} {operator}= s->{field};",
            lambda: f"if (word & {bit})\n\t\tstop_machine(\"{self.title()} {dice.choice(FAULTS)}\");",
            lambda: f"word = {dice.choice(callees)}(s, word {operator} {value});",
            lambda: f"word {operator}= {dice.choice(callees)}(s, {value});",
            lambda: f"word = {self.name}_steps[word % {self.steps}u](s, {value});",
            lambda: self.switch(),
        ])()

    def title(self):
        return self.name.split("_")[-1].rstrip("0123456789").capitalize()

    def switch(self):
        cases = "".join(f"\tcase {n}:\n\t\ts->{self.dice.choice(STATE)} {self.dice.choice(OPERATORS)}= "
                        f"{self.expression()};\n\t\tbreak;\n" for n in range(self.dice.randrange(3, 7)))
        return f"switch (word & 7) {{\n{cases}\tdefault:\n\t\tword += 1;\n\t\tbreak;\n\t}}"

    def function(self, number, callees):
        body = "\n\t".join(self.statement(callees) for _ in range(self.dice.randrange(3, 8)))
        return (f"static uint32_t __attribute__((noinline)) "
                f"{self.name}_step{number}(struct driver *s, uint32_t word)\n{{\n\t{body}\n"
                f"\treturn word + s->{self.dice.choice(STATE)};\n}}\n")

    def source(self, others):
        names = [f"{self.name}_step{n}" for n in range(self.steps)]
        entries = ", ".join(f"{self.dice.randrange(65536)}" for _ in range(2 ** self.table_bits))
        text = (f"static const uint16_t {self.name}_table[{2 ** self.table_bits}] = {{{entries}}};\n"
                f"static const step_function {self.name}_steps[{self.steps}];\n"
                f"static struct driver {self.name}_state = {{.limit = {self.dice.randrange(9999)}}};\n")
        # ahead of its own steps a driver knows only those of the drivers before it
        for number in range(self.steps):
            text += self.function(number, names[:number] + others or [f"{self.name}_steps[0]"])
        steps = f"static const step_function {self.name}_steps[{self.steps}]"
        return text + (f"{steps} = {{{', '.join(names)}}};\n"
                       f"static const struct module {self.name} = {{\"{self.name}\", &{self.name}_state, "
                       f"{self.name}_steps, {self.steps}}};\n")


def source(prefix, seed, count):
    dice = random.Random(f"modules {seed}")
    text, known, drivers = HEAD, [], []
    for number in range(count):
        driver = Driver(prefix, number, dice)
        text += driver.source(dice.sample(known, min(3, len(known))))
        known += [f"{driver.name}_step{n}" for n in range(driver.steps)]
        drivers.append(driver.name)
    pointers = ", ".join(f"&{name}" for name in drivers)
    return text + (f"const struct module *const modules[] = {{{pointers}}};\n"
                   f"const uint32_t module_count = {len(drivers)};\n")


KINDS = {"%u": 0, "%i": 1, "%hu": 2, "%hi": 3, "%c": 4, "%*s": 5, "%.*s": 6}


def parser(text):
    """One command: what its arguments are, and the function that takes them."""
    name, *parameters = text.split()
    kinds = [KINDS[re.search(r"=(%.*)$", word).group(1)] for word in parameters]
    table = f"static const uint8_t kinds_{name}[] = {{{', '.join(map(str, kinds))}}};\n" if kinds else ""
    record = f"{{{len(kinds)}, {1 if name.startswith(('get', 'debug', 'identify')) else 0}, " \
             f"{f'kinds_{name}' if kinds else '0'}, command_{name}}}"
    return name, table, f"static const struct parser parser_{name} = {record};\n", len(kinds)


def handler(name, count, dice):
    if name == "identify":
        return ""
    lines = ["struct object *object = object_find(arguments[0]);"] if count else [
        f"struct object *object = object_find({dice.randrange(16)});"]
    for number in range(1, count):
        lines.append(dice.choice([
            f"object->words[{number}] = arguments[{number}];",
            f"if (arguments[{number}] > {dice.randrange(9, 9999)}u)\n"
            f"\t\tstop_machine(\"{name.split('_')[-1].capitalize()} {dice.choice(FAULTS)}\");\n"
            f"\tobject->words[{number}] = arguments[{number}] << {dice.randrange(1, 9)};",
            f"object->words[{number}] += timer_from_us(arguments[{number}]);"]))
    lines.append(dice.choice([
        f"object->kind = {dice.randrange(1, 99)};", "timer_add(object, object->words[1]);",
        "respond(object->kind, object->words, 2);",
        f"REGISTER({dice.choice(PERIPHERALS):#x}) = object->words[{dice.randrange(4)}];"]))
    body = "\n\t".join(lines)
    return f"static void command_{name}(uint32_t *arguments)\n{{\n\t(void)arguments;\n\t{body}\n}}\n"


def commands(formats, sentences):
    dice = random.Random("commands")
    text, names = HEAD, []
    for line in formats:
        name = line.split()[0]
        names.append(name)
        _, table, record, count = parser(line)
        text += handler(name, count, dice) + table + record
    index = ", ".join(f"&parser_{name}" for name in names)
    quoted = ", ".join(f'"{sentence}"' for sentence in sentences)
    return text + (f"const struct parser *const command_index[] = {{0, {index}}};\n"
                   f"const uint32_t command_count = {len(names) + 1};\n"
                   f"const char *const task_names[] = {{{quoted}}};\n")
