# SPDX-License-Identifier: BSD-3-Clause
"""
Changes that a person makes, under 2,000 connections of every kind: no connection whose backend lives breaks.
Windows are seconds instead of an hour. With `killed`, sluiced is killed with kill -9 at random moments of it.
"""

import os
import time

from processes import wait_for
from scenario import BOTH, scenario
from traffic import WINDOW_S, Killer, Traffic, now_ms

EVERYWHERE = {"family": (4, 6), "mode": ("l2", "ipip"), "killed": (False, True), "datapath": BOTH}


@scenario(timeout=60, family=(4, 6), mode=("l2", "ipip"), datapath=BOTH)
def nothing_changes(test):
    """2,000 connections of every kind live through three windows in which sluiced is killed again and again."""
    traffic = Traffic(test, test.lab(nginx=False))
    traffic.start()
    with Killer(traffic):
        traffic.pause(3)
    begun = traffic.end()
    test.check(begun > 2000, f"only {begun} connections were begun")
    shares = traffic.by_backend()
    test.check(all(shares[host] > 300 for host in traffic.weights), f"unequal shares: {dict(shares)}")


@scenario(timeout=120, **EVERYWHERE)
def backends_are_added(test):
    """
    One is added, then five in a row; downloads last three windows meanwhile. Once the rows are closed, ports
    that begin anew are where the new table says, whatever was remembered of them.
    """
    traffic = Traffic(test, test.lab(backends=8, nginx=False), hosts=["be1", "be2"])
    traffic.start()
    with Killer(traffic, test.killed):
        traffic.set_weights(be3=1)
        traffic.pause(0.6)
        for host in ("be4", "be5", "be6", "be7", "be8"):
            traffic.set_weights(**{host: 1})
        traffic.pause(1.6)
    shares = traffic.by_backend()
    test.check(all(shares[host] > 20 for host in traffic.weights), f"an added backend has too little: {dict(shares)}")
    since = now_ms()
    traffic.leave()
    traffic.pause(1)
    traffic.end()
    traffic.demand_homes(since)


@scenario(timeout=120, **EVERYWHERE)
def weights_and_ramps(test):
    """Weights go up and down, and a backend is added that ramps up over a window: nothing breaks."""
    traffic = Traffic(test, test.lab(backends=5, nginx=False), hosts=["be1", "be2", "be3", "be4"])
    traffic.start()
    with Killer(traffic, test.killed):
        traffic.set_weights(be1=3)
        traffic.pause(0.4)
        traffic.set_weights(be1=1, be2=4)
        traffic.pause(0.4)
        traffic.pool["slow-start"] = f"{WINDOW_S}s"
        begin = now_ms()
        traffic.set_weights(be5=4)
        if not test.killed:
            early = sum(began > begin and backend == "be5" for _, backend, began in traffic.list().values())
        traffic.pause(1.5)
    traffic.end()
    late = traffic.by_backend()["be5"]
    test.check(late > 60, f"be5 has only {late} connections after its ramp")
    if not test.killed:
        test.check(early < 20, f"be5 got {early} connections at once, in spite of slow-start")


def read_generation(traffic):
    shown = traffic.lab.balancer.ctl_json("show", "datapath")
    return shown["generation"]


def demand_silence(test, traffic):
    """Nothing is published by six reloads of the same file, nor by one of a remark."""
    generation = read_generation(traffic)
    for _ in range(5):
        traffic.reload("nothing changed")
    said = traffic.lab.balancer.sluiced.log_text().count("reloaded")
    traffic.lab.balancer.reload()
    wait_for(lambda: traffic.lab.balancer.sluiced.log_text().count("reloaded") > said, 10, "sluiced reloads at SIGHUP")
    time.sleep(0.5)                       # for what should not follow
    test.equal(read_generation(traffic), generation, "the generation after six reloads with nothing changed")
    path = traffic.lab.balancer.config_path
    with open(path, "a", encoding="utf-8") as config:
        config.write("\n# a remark, and nothing else\n")
    traffic.ctl("reload")
    time.sleep(0.5)
    test.equal(read_generation(traffic), generation, "the generation after a remark was added to the file")
    return generation


@scenario(timeout=120, **EVERYWHERE)
def reloads(test):
    """A reload with nothing changed moves and publishes nothing; one of an edited file breaks nothing."""
    traffic = Traffic(test, test.lab(nginx=False))
    traffic.start()
    generation = None if test.killed else demand_silence(test, traffic)
    with Killer(traffic, test.killed):
        for _ in range(3 * test.killed):         # each start states all of it anew, so no generation stays
            traffic.reload("nothing changed")
        traffic.extra = "limits: {mass-removal: 60%}\n"
        traffic.pool["linger"] = "20s"
        traffic.set_weights(be4=2)
        if not test.killed:
            test.check(read_generation(traffic) != generation, "an edited file publishes nothing")
        traffic.pause(1.2)
    traffic.end()


def new_key(lab, text):
    with open(lab.balancer.key_file() + ".new", "w", encoding="ascii") as out:
        out.write(text + "\n")
    os.chmod(lab.balancer.key_file() + ".new", 0o600)
    os.rename(lab.balancer.key_file() + ".new", lab.balancer.key_file())


@scenario(timeout=120, **EVERYWHERE)
def key_and_table_size_change(test):
    """Another key, another table size while the first lens is still there, another key again: nothing breaks."""
    traffic = Traffic(test, test.lab(nginx=False))
    traffic.start()
    with Killer(traffic, test.killed):
        new_key(traffic.lab, "ff" * 16)
        traffic.reload("another key")
        traffic.pause(0.5)
        traffic.pool["table-size"] = 8209
        traffic.reload("another table size")
        traffic.pause(1.8)
        new_key(traffic.lab, "0123456789abcdef" * 2)
        traffic.reload("yet another key")
        traffic.pause(1.3)
    since = now_ms()
    traffic.leave()
    traffic.pause(1)
    traffic.end()
    traffic.demand_homes(since)


@scenario(timeout=120, family=(4, 6), mode=("l2", "ipip"), datapath=BOTH)
def sluiced_dies_during_changes(test):
    """Adds, weights, drains, a failure, a retirement: with kill -9 of sluiced at random moments of all of it."""
    traffic = Traffic(test, test.lab(backends=6, nginx=False), hosts=["be1", "be2", "be3", "be4"])
    traffic.start()
    with Killer(traffic) as killer:
        traffic.set_weights(be5=1)
        traffic.ctl("drain", "be1")
        traffic.pause(0.5)
        traffic.set_weights(be2=3, be6=1)
        traffic.ctl("ready", "be1")
        traffic.kill_server("be3")
        traffic.wait_state("be3", "down")
        traffic.ctl("drain", "be4")
        traffic.start_server("be3")
        traffic.wait_state("be3", "up")
        traffic.ctl("undrain", "be4")
        traffic.pause(1.3)
    test.check(killer.kills > 3, f"sluiced was killed {killer.kills} times only")
    traffic.end()


