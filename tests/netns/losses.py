# SPDX-License-Identifier: BSD-3-Clause
"""Backends that fail under 2,000 connections: their own connections are lost, and nobody else's."""

import time

from scenario import BOTH, scenario
from traffic import Killer, Traffic

EVERYWHERE = {"family": (4, 6), "mode": ("l2", "ipip"), "killed": (False, True), "datapath": BOTH}
QUICK = "interval: 200ms, timeout: 190ms, rise: 1, fall: 2"


def fail_and_recover(traffic, host, between_s=0.0):
    traffic.kill_server(host)
    traffic.wait_state(host, "down")
    time.sleep(between_s)
    traffic.start_server(host)
    traffic.wait_state(host, "up")


@scenario(timeout=120, **EVERYWHERE)
def a_backend_fails(test):
    """It fails and comes back after more than a window: its own connections. Its cable is out for 3 s: none at all."""
    traffic = Traffic(test, test.lab(nginx=False))
    traffic.start()
    with Killer(traffic, test.killed):
        fail_and_recover(traffic, "be2", traffic.window_s * 1.3)
        traffic.pause(0.4)
        traffic.cable("be3", False)
        traffic.wait_state("be3", "down")
        time.sleep(2)
        traffic.cable("be3", True)
        traffic.wait_state("be3", "up")
        traffic.pause(1.3)
    traffic.end()
    traffic.demand_own("be2", 300)


@scenario(timeout=120, **EVERYWHERE)
def a_backend_flaps(test):
    """Down and up ten times within two windows: what was placed elsewhere meanwhile stays there."""
    traffic = Traffic(test, test.lab(nginx=False))
    traffic.check = traffic.check.replace(traffic.check.split("path: /, ")[1], QUICK + "}")
    traffic.start()
    with Killer(traffic, test.killed):
        for _ in range(10):
            fail_and_recover(traffic, "be2", 0.2)
        traffic.pause(1.3)
    traffic.end()
    traffic.demand_own("be2", 300)


@scenario(timeout=120, **EVERYWHERE)
def rows_move_twice(test):
    """A to B to C, and A to B to A, within a window; first by drains, then by probes that fail: nothing breaks."""
    traffic = Traffic(test, test.lab(nginx=False))
    traffic.start()
    with Killer(traffic, test.killed):
        traffic.ctl("drain", "be1")
        traffic.pause(0.3)
        traffic.ctl("drain", "be2")
        traffic.pause(0.3)
        traffic.ctl("ready", "be1")
        traffic.pause(0.3)
        traffic.ctl("ready", "be2")
        traffic.pause(0.3)
        for host in ("be1", "be2"):
            traffic.probes(host, False)
            traffic.wait_state(host, "down")
            traffic.pause(0.2)
        for host in ("be2", "be1"):
            traffic.probes(host, True)
            traffic.wait_state(host, "up")
        traffic.pause(1.3)
    traffic.end()


@scenario(timeout=120, **EVERYWHERE)
def probes_fail(test):
    """Probes of a backend that works fail for 20 s: with a linger of 30 s none of its connections notices."""
    traffic = Traffic(test, test.lab(nginx=False))
    traffic.start()
    with Killer(traffic, test.killed):
        traffic.probes("be2", False)
        traffic.wait_state("be2", "down")
        time.sleep(20)
        traffic.probes("be2", True)
        traffic.wait_state("be2", "up")
        traffic.pause(0.5)
    traffic.end()
    test.check(traffic.by_backend()["be2"] > 150, "be2 has lost its connections")
