# SPDX-License-Identifier: BSD-3-Clause
"""Backends that are taken out on purpose, under 2,000 connections: drained, brought back, retired, removed, replaced."""

import threading

from scenario import BOTH, scenario
from traffic import Killer, Traffic, now_ms

EVERYWHERE = {"family": (4, 6), "mode": ("l2", "ipip"), "killed": (False, True), "datapath": BOTH}
LEAVING = {"steady": 550, "silent": 350, "short": 150, "turn": 250}     # users who leave within a window


def begun_on(traffic, host, since):
    return [flow for flow, (_kind, backend, began) in traffic.list().items() if backend == host and began > since]


@scenario(timeout=120, **EVERYWHERE)
def drained_and_undrained(test):
    """Drains of more than a window and of a moment: no new connection, no old one lost, and all rows come back."""
    traffic = Traffic(test, test.lab(nginx=False))
    traffic.start()
    with Killer(traffic, test.killed):
        traffic.ctl("drain", "be2")
        traffic.wait_state("be2", "draining")
        traffic.applied()
        since = now_ms() + 50
        traffic.pause(1.4)
        test.equal(begun_on(traffic, "be2", since)[:3], [], "connections begun on a draining backend")
        test.check(traffic.by_backend()["be2"] > 150, "be2 lost its old connections")
        traffic.ctl("ready", "be2")
        for _ in range(3):
            traffic.ctl("drain", "be3")
            traffic.ctl("undrain", "be3")
        traffic.pause(1.3)
    since = now_ms()
    traffic.leave()
    traffic.pause(1)
    traffic.end()
    traffic.demand_homes(since)


@scenario(timeout=120, **EVERYWHERE)
def retired_and_removed(test):
    """
    Retired; its users leave; `drain --wait` returns when no packet came for a while and shows what is left
    until then; removed, which moves nothing; another takes its place at once. Killed during --wait, sluiced begins
    its count anew: it is killed there once.
    """
    traffic = Traffic(test, test.lab(backends=6, nginx=False), hosts=["be1", "be2", "be3", "be4"])
    traffic.start(dict(LEAVING, download=60))
    with Killer(traffic, test.killed):
        traffic.ctl("retire", "be2")
        traffic.pause(0.5)
    traffic.wait_state("be2", "retired")
    refused = traffic.lab.balancer.ctl("retire", "be2", "--wait", "--timeout", "1s", check=False)
    test.equal(refused.returncode, 1, f"exit code of --wait while connections are left: {refused.stdout}{refused.stderr}")
    traffic.leave("be2")
    if test.killed:
        threading.Timer(2, Killer(traffic).kill).start()
    waited = traffic.lab.balancer.ctl("retire", "be2", "--wait", "--timeout", "40s", check=False)
    test.equal(waited.returncode, 0, f"exit code of retire --wait: {waited.stdout}{waited.stderr}")
    traffic.note(f"retire --wait returns: {waited.stdout.strip().splitlines()[-1:]}")
    test.equal(traffic.by_backend()["be2"], 0, "connections left when --wait returned")
    before = dict(traffic.list())
    with Killer(traffic, test.killed):
        traffic.set_weights(be2=None)
        after = traffic.list()
        test.equal([flow for flow, (_, host, began) in before.items()
                    if flow in after and after[flow][2] == began and after[flow][1] != host], [], "connections that moved")
        traffic.set_weights(be5=1)
        traffic.pause(1.2)
    traffic.end()


@scenario(timeout=120, **EVERYWHERE)
def removed_while_remembered(test):
    """Removed the moment its last connection ends, another added in the same breath: nobody gets its index."""
    traffic = Traffic(test, test.lab(backends=6, nginx=False), hosts=["be1", "be2", "be3"])
    traffic.start(LEAVING)
    with Killer(traffic, test.killed):
        traffic.set_weights(be4=1)                 # open rows: connections are remembered
        for leaver, successor in (("be2", "be5"), ("be3", "be6")):
            traffic.ctl("retire", leaver)
            traffic.wait_state(leaver, "retired")
            traffic.applied()
            traffic.leave(leaver)
            while traffic.by_backend()[leaver]:
                traffic.pause(0.1)
            traffic.set_weights(**{leaver: None, successor: 1})
            traffic.pause(0.3)
        traffic.pause(1.2)
    traffic.end()
