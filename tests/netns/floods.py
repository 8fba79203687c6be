# SPDX-License-Identifier: BSD-3-Clause
"""Floods, as fast as the machine sends beside 2,000 connections: those lose nothing, and the table stays theirs."""

from network import HOSTS, PORT
from processes import wait_for
from scenario import BOTH, scenario
from traffic import PORT as VIP_PORT, Traffic

FLOWS = "4K"          # entries of the table, in place of a million
PATIENCE_S = 40       # a flood takes packets of everybody, and TCP waits longer after each


class Flood:
    """lab-flood on client2's leg; its packets come from addresses nobody has."""

    def __init__(self, traffic, kind, seconds, rate=0):
        lab = traffic.lab
        traffic.note(f"a flood of {kind} begins")
        self.traffic = traffic
        self.process = lab.recorder.start(
            [lab.program("lab-flood"), "--interface", PORT, "--mac", f"02:00:00:00:00:{HOSTS['lb']:02x}", "--to",
             lab.vip(traffic.family), "--port", str(VIP_PORT), "--seconds", str(seconds), "--rate", str(rate),
             "--seed", str(traffic.seed), *(["--ack"] if kind == "ACKs" else [])],
            "flood", lab.network.namespace("client2"))

    def end(self):
        """How many packets it sent."""
        self.process.wait(60)
        sent = int(self.process.log_text())
        self.traffic.note(f"the flood ends: {sent} packets")
        return sent


def table(traffic):
    """The shared table as `show flows` tells it."""
    return traffic.lab.balancer.ctl_json("show", "flows")


@scenario(alone=True, timeout=120, family=(4, 6), mode=("l2", "ipip"), datapath=BOTH)
def syn_flood(test):
    """In closed rows it finds no table to fill; in open rows it pushes nobody out; connections do not notice."""
    traffic = Traffic(test, test.lab(backends=5, nginx=False), hosts=["be1", "be2", "be3", "be4"])
    traffic.extra = f"limits: {{flows: {FLOWS}}}\n"
    traffic.start(timeout_s=PATIENCE_S)
    before = table(traffic)["used"]
    forwarded = traffic.lab.balancer.verdicts()["forward"]
    sent = Flood(traffic, "SYNs", 3).end()
    test.equal((table(traffic)["used"], before), (0, 0), "connections remembered although no row is open")
    arrived = traffic.lab.balancer.verdicts()["forward"] - forwarded
    test.check(arrived > 20000, f"of {sent} SYNs {arrived} were forwarded: that is no flood")
    traffic.set_weights(be5=1)
    Flood(traffic, "SYNs", 4).end()
    shown = table(traffic)
    test.check(shown["used"] < 2500, f"the flood is remembered as connections: {shown}")
    traffic.pause(1)
    traffic.end(timeout=PATIENCE_S)


@scenario(alone=True, timeout=120, family=(4, 6), mode=("l2", "ipip"), datapath=BOTH)
def ack_flood(test):
    """
    Acknowledgements from random tuples while rows are open fill the table: its pressure keeps the rows open
    and connections whose backend lives lose nothing; once it ends the rows close.
    """
    traffic = Traffic(test, test.lab(backends=5, nginx=False), hosts=["be1", "be2", "be3", "be4"])
    traffic.extra = f"limits: {{flows: {FLOWS}}}\n"
    traffic.start(timeout_s=PATIENCE_S)
    traffic.set_weights(be5=1)
    flood = Flood(traffic, "ACKs", traffic.window_s + 1)
    wait_for(lambda: table(traffic)["pressure"], 8, "the flood drives the table to pressure", 0.2)
    flood.end()
    test.check(open_rows(traffic) > 0, "rows were closed while the table was full")
    traffic.demand()
    wait_for(lambda: not table(traffic)["pressure"], 30, "the pressure ends after the flood", 0.5)
    wait_for(lambda: open_rows(traffic) == 0, 30, "the rows close after the flood", 0.5)
    traffic.end(timeout=PATIENCE_S)


def open_rows(traffic):
    return sum(pool["open_rows"]["tcp"] for pool in table(traffic)["pools"])
