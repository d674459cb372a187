# SPDX-License-Identifier: MIT
"""The names of agent/base/names.h, so that stories need not repeat them: names.MESSAGE_JOB_FLASHED,
names.FIELD_JOB and so on (`NAME_` is left off)."""
import pathlib
import re

_header = pathlib.Path(__file__).resolve().parents[2] / "agent/base/names.h"

for _name, _value in re.findall(r'^#define (\w+)[\s\\]+"([^"]*)"', _header.read_text(), re.MULTILINE):
    globals()[_name.removeprefix("NAME_")] = _value
