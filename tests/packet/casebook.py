# SPDX-License-Identifier: BSD-3-Clause
"""A list of cases that a cases_*.py fills."""


def render(case):
    """One case as the lines that case.c reads."""
    lines = ["name: " + case["name"], "verdict: " + case["verdict"]]
    extra = dict(case["extra"])
    lines += ["before: " + bytes(frame).hex() for frame in extra.pop("before", [])]
    lines += ["%s: %s" % (key.replace("_", "-"), value) for key, value in sorted(extra.items())]
    lines.append("in: " + bytes(case["frame"]).hex())
    if case["out"] is not None:
        lines.append("out: " + bytes(case["out"]).hex())
    return "\n".join(lines) + "\n"


class Casebook(list):
    """Cases in the order of the file."""

    def add(self, name, frame, verdict, out=None, **extra):
        """`name` is a sentence; `out` the frame that leaves; `extra` the other keys of case.h."""
        self.append({"name": name, "frame": frame, "verdict": verdict, "out": out, "extra": extra})

    def forward(self, name, frame, out, **extra):
        """A packet that a backend gets."""
        self.add(name, frame, "forward", out, **extra)
