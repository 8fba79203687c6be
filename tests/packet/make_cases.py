#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes tests/packet/cases/*.case from cases_*.py; with --check compares instead. Frames come from scapy, so the
expected bytes are not the forwarding core's own opinion."""
import importlib
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from casebook import render  # noqa: E402

GROUPS = ["link", "ipv4", "ipv6", "transport", "guards", "select", "remember", "tunnel", "icmp", "too_big", "echo", "reject", "buffers",
          "fragments"]


def main():
    """Writes or checks every group; the exit status says whether all files are up to date."""
    stale, names = [], set()
    for group in GROUPS:
        cases = importlib.import_module("cases_" + group).CASES
        for case in cases:
            if case["name"] in names:
                sys.exit("two cases are named %r" % case["name"])
            names.add(case["name"])
        text = "# SPDX-License-Identifier: BSD-3-Clause\n# Made by make_cases.py from cases_%s.py.\n\n" % group
        text += "\n".join(render(case) for case in cases)
        path = HERE / "cases" / (group + ".case")
        if "--check" not in sys.argv:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(path.name)
    print("%d cases in %d files" % (len(names), len(GROUPS)))
    if stale:
        sys.exit("%s: not what cases_*.py say: run tests/packet/make_cases.py" % ", ".join(stale))


main()
