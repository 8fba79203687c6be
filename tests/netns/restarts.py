# SPDX-License-Identifier: BSD-3-Clause
"""Connections outlive sluice-dp, also another number of workers, and move to a second balancer, under 2,000 of them."""

import signal
import time

from scenario import BOTH, Failure, scenario
from traffic import MIX, Traffic, now_ms

WITH_BURST = dict(MIX, burst=150)


def set_workers(traffic, count):
    """
    So many workers when sluice-dp starts next, and the switch sends to so many queues. The leg itself keeps
    both: a veth's queue that is switched on later runs no XDP program, and the kernel resets what comes there.
    """
    traffic.lab.network.inside("switch", ["ethtool", "-L", "to-lb", "tx", str(count)], check=False)
    traffic.dpdk_workers = list(range(count))


def unfinished(killed_ms):
    """True of a break whose handshake was under way when sluice-dp was killed, or ended less than 100 ms before."""
    def excuse(one):
        connected = [t for t, what, _ in one["history"] if what == "connected"]
        connect = [t for t, what, _ in one["history"] if what == "connect"]
        return bool(connect) and connect[-1] < killed_ms + 50 and one["t"] >= killed_ms and (
            not connected or connected[-1] < connect[-1] or killed_ms - 100 < connected[-1] < killed_ms + 3000)
    return excuse


@scenario(timeout=120, family=(4, 6), mode=("l2", "ipip"), workers=("1 then 1", "1 then 2", "2 then 1", "2 then 2"),
          dpdk_only="sluice-dp is killed")
def sluice_dp_dies_after_an_add(test):
    """kill -9 of sluice-dp a second after an add, and started again: connections begun since the add live on."""
    before, after = int(test.workers[0]), int(test.workers[-1])
    traffic = Traffic(test, test.lab(backends=5, nginx=False, queues=2), hosts=["be1", "be2", "be3"])
    set_workers(traffic, before)
    traffic.start(WITH_BURST)
    traffic.set_weights(be4=1, be5=1)
    traffic.clients[0].ask("leave ")       # many ports begin anew, some right behind their own RST
    time.sleep(0.85)
    for client in traffic.clients:
        client.ask("burst")
    time.sleep(0.17)
    killed = now_ms()
    traffic.note("kill -9 of sluice-dp")
    traffic.lab.balancer.dp.kill(signal.SIGKILL)
    if before != after:
        set_workers(traffic, after)
        traffic.configure()
        traffic.lab.balancer.ctl("reload")
    traffic.lab.balancer.start_dp()
    traffic.applied()
    traffic.note("sluice-dp is back")
    traffic.verify()
    burst = [began for kind, _, began in traffic.list().values() if kind == "burst"]
    test.check(sum(began < killed for began in burst) > 250, f"only {len(burst)} of 300 late connections are left")
    traffic.pause(1.5)
    workers = traffic.lab.balancer.ctl_json("show", "workers")["workers"]
    test.equal([worker["rx_packets"] > 500 for worker in workers], [True] * after, "workers that got packets")
    traffic.end(unfinished(killed))


@scenario(timeout=120, family=(4, 6), mode=("l2", "ipip"), datapath=BOTH)
def flows_move_to_another_balancer(test):
    """
    All flows to a second balancer: nothing breaks while no change is in progress; within a window after an
    add, only connections begun since, in rows that moved, and no more than the guesses that were counted.
    """
    traffic = Traffic(test, test.lab(backends=5, nginx=False, balancers=2), hosts=["be1", "be2", "be3", "be4"])
    vip = traffic.lab.vip(traffic.family)
    traffic.lab.network.send_vip(vip, "lb")
    traffic.start()
    first, second = (balancer.ctl_json("show", "datapath") for balancer in traffic.balancers())
    test.equal(first["tables"], second["tables"], "fingerprints of the tables of both balancers")
    traffic.note("all flows move to lb2")
    traffic.lab.network.send_vip(vip, "lb2")
    traffic.pause(1)
    traffic.verify()
    traffic.demand()
    added = now_ms()
    traffic.set_weights(be5=1)
    traffic.pause(0.5)
    guesses = sum(traffic.guesses(traffic.lab.balancer).values())
    traffic.note("all flows move to lb")
    traffic.lab.network.send_vip(vip, "lb")
    traffic.pause(1)
    traffic.verify()
    moved = [one for one in traffic.breaks() if one["t"] >= added]
    old = [one for one in moved if one["t"] - one["age_ms"] < added]
    if old:
        raise Failure("broke although the rules keep them together: " + traffic.describe(old))
    guessed = sum(traffic.guesses(traffic.lab.balancer).values()) - guesses
    test.check(guessed >= len(moved), f"{len(moved)} connections broke, and {guessed} guesses were counted")
    traffic.pause(1)
    traffic.end(lambda one: one in moved)
