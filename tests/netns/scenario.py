# SPDX-License-Identifier: BSD-3-Clause
"""
What a scenario is: a function that draws a lab, does something bad to it and says what must hold.
Registered with @scenario and the choices it can run with; `run` beside this file runs them.
"""

import itertools
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "lab"))

from lab import Lab                  # noqa: E402  (the path is set above)
from processes import LabError       # noqa: E402

SCENARIOS = {}
BOTH = ("dpdk", "xdp")     # datapaths: the same is demanded of each


class Failure(Exception):
    """Something that must hold does not; the text says what was seen."""


class Skip(Exception):
    """This machine cannot run the scenario; the text says why."""


class Scenario:
    def __init__(self, function, choices, timeout, long, alone, dpdk_only):
        self.function = function
        self.name = function.__name__
        self.choices = choices
        self.timeout = timeout
        self.long = long
        self.alone = alone
        self.dpdk_only = dpdk_only

    def variants(self):
        """Every combination of the choices, each a dict."""
        names = sorted(self.choices)
        return [dict(zip(names, values)) for values in itertools.product(*(self.choices[name] for name in names))]


def scenario(timeout=120, long=False, alone=False, dpdk_only=None, **choices):
    """
    Registers a scenario. Each keyword is a choice: family=(4, 6), mode=("l2", "ipip"), queues=(1, 2), …
    A default run draws one combination by the seed, a long run takes them all. `long` keeps the scenario
    out of default runs altogether; `alone` lets no other one run beside it, since it keeps all processors busy
    or holds Sluice to a time. Where packets are forwarded, datapath=BOTH; what is about something that XDP has not
    says so with `dpdk_only`.
    """
    def register(function):
        if function.__name__ in SCENARIOS or ("datapath" in choices and dpdk_only):
            raise SyntaxError(f"scenario {function.__name__}: twice, or for both datapaths and for one")
        SCENARIOS[function.__name__] = Scenario(function, choices, timeout, long, alone, dpdk_only)
        return function
    return register


class Test:
    """Handed to a scenario: its variant as attributes, the lab, and check()."""

    def __init__(self, build, variant, seed="", slot=0):
        self.build = build
        self.slot = slot                      # among the scenarios that run at this time
        self.random = random.Random(seed)     # what a scenario draws itself, the same in a run with the same seed
        self.variant = variant
        self.family = variant.get("family", 4)
        self.mode = variant.get("mode", "l2")
        self.queues = variant.get("queues", 1)
        self.datapath = variant.get("datapath", "dpdk")
        self.labs = []

    def __getattr__(self, name):
        try:
            return self.__dict__["variant"][name]
        except KeyError:
            raise AttributeError(name) from None

    def lab(self, **options):
        """Draws a lab of the variant's queues and datapath; for ipip, every backend gets a tunnel's end."""
        options.setdefault("queues", self.queues)
        options.setdefault("first_cpu", self.slot)
        options.setdefault("datapath", self.datapath)
        lab = Lab(self.build, **options)
        self.labs.append(lab)
        lab.__enter__()
        if self.mode == "ipip":
            for host in lab.hosts:
                lab.backends.set_up(host, lab.vips(), "ipip")
        return lab

    @staticmethod
    def check(holds, text):
        if not holds:
            raise Failure(text)

    def equal(self, seen, wanted, what):
        self.check(seen == wanted, f"{what}: wanted {wanted}, saw {seen}")

    def close(self, logs=None):
        for lab in self.labs:
            try:
                if logs:
                    lab.keep_logs(os.path.join(logs, lab.name))
            finally:
                lab.close()


__all__ = ["BOTH", "SCENARIOS", "Failure", "LabError", "Skip", "Test", "scenario"]
