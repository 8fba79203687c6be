# SPDX-License-Identifier: BSD-3-Clause
"""Random changes in random order, under 2,000 connections; with `killed`, sluiced is killed again and again, too."""

import signal
import time

from changes import new_key
from restarts import unfinished
from scenario import BOTH, scenario
from traffic import Killer, Traffic, now_ms

SPARE = ("be6", "be7", "be8")


class Churn:
    """One random change after another; knows what would take the last backend away."""

    def __init__(self, traffic):
        self.traffic = traffic
        self.random = traffic.random
        self.dead, self.silent, self.drained = set(), {}, set()      # silent: since when
        self.unheard = set()      # probes are answered again, and sluiced has not said so yet
        self.kills = []

    def hosts(self):
        return list(self.traffic.weights)

    def whole(self):
        return [host for host in self.hosts() if host not in self.dead | self.silent.keys() | self.drained]

    def choose(self, hosts, keep=2):
        """One of them, unless too few whole backends would stay."""
        hosts = sorted(hosts)
        return self.random.choice(hosts) if hosts and len(self.whole()) > keep else None

    def step(self):
        """A backend whose probes fail for longer than `linger` has failed: none does."""
        late = [host for host, since in self.silent.items() if time.monotonic() - since > 20]
        if late:
            self.unmute(late[0])
            return
        change = self.random.choices(
            [self.weigh, self.drain, self.ready, self.fail, self.recover, self.mute, self.unmute, self.add, self.remove,
             self.reload_nothing, self.rekey, self.resize, self.kill_dp],
            [6, 6, 6, 3, 4, 3, 4, 3, 2, 2, 1, 1, 1 if self.traffic.lab.balancer.dp else 0])[0]
        change()

    def weigh(self):
        host = self.random.choice(self.hosts())
        self.traffic.set_weights(**{host: self.random.randint(1, 5)})

    def drain(self):
        host = self.choose(self.whole())
        if host:
            self.traffic.ctl("drain", host)
            self.drained.add(host)

    def ready(self):
        if self.drained:
            host = self.random.choice(sorted(self.drained))
            self.traffic.ctl("ready", host)
            self.drained.discard(host)

    def fail(self):
        host = self.choose(self.whole())
        if host:
            self.traffic.kill_server(host)
            self.dead.add(host)

    def recover(self):
        if self.dead:
            host = self.random.choice(sorted(self.dead))
            self.traffic.start_server(host)
            self.dead.discard(host)

    def mute(self):
        """Not one whose probes failed until now for all that sluiced knows: that would be one failure, and longer."""
        if self.unheard:
            states = self.traffic.lab.balancer.backend_states()
            self.unheard = {host for host in self.unheard if states.get(host) != "up"}
        host = self.choose(set(self.whole()) - self.unheard)
        if host:
            self.traffic.probes(host, False)
            self.silent[host] = time.monotonic()

    def unmute(self, host=None):
        if self.silent:
            host = host or self.random.choice(sorted(self.silent))
            self.traffic.probes(host, True)
            del self.silent[host]
            self.unheard.add(host)

    def add(self):
        spare = sorted(set(SPARE) - set(self.traffic.weights))
        if spare:
            host = self.random.choice(spare)
            self.traffic.set_weights(**{host: self.random.randint(1, 3)})

    def remove(self):
        """Only a dead one: what a living one still has would be lost, and rightly so."""
        host = self.choose(self.dead & set(SPARE))
        if host:
            self.traffic.set_weights(**{host: None})
            self.traffic.start_server(host)
            self.dead.discard(host)

    def reload_nothing(self):
        self.traffic.reload("nothing changed")

    def rekey(self):
        new_key(self.traffic.lab, f"{self.random.getrandbits(128):032x}")
        self.traffic.reload("another key")

    def resize(self):
        self.traffic.pool["table-size"] = self.random.choice([2053, 4099, 8209])
        self.traffic.reload("another table size")

    def kill_dp(self):
        self.traffic.note("kill -9 of sluice-dp")
        self.kills.append(now_ms())
        self.traffic.lab.balancer.dp.kill(signal.SIGKILL)
        self.traffic.lab.balancer.start_dp()
        self.traffic.applied()

    def excuse(self, one):
        """Handshakes that sluice-dp did not live to see."""
        return any(unfinished(killed)(one) for killed in self.kills)

    def settle(self):
        """Everybody is well again; what had to be reset has been reset."""
        for host in sorted(self.dead):
            self.traffic.start_server(host)
        for host in sorted(self.silent):
            self.traffic.probes(host, True)
        for host in sorted(self.drained):
            self.traffic.ctl("ready", host)
        for host in self.hosts():
            self.traffic.wait_state(host, "up")


def run_churn(test, changes, between_s):
    traffic = Traffic(test, test.lab(backends=8, nginx=False), hosts=["be1", "be2", "be3", "be4", "be5"])
    print(f"     {changes} random changes, seed {traffic.seed}", flush=True)
    churn = Churn(traffic)
    traffic.start()
    begin = time.monotonic()
    with Killer(traffic, test.killed):
        for number in range(changes):
            churn.step()
            traffic.demand(churn.excuse)
            time.sleep(max(0.0, begin + (number + 1) * between_s - time.monotonic()))
        churn.settle()
        traffic.pause(1.3)
    traffic.end(churn.excuse)


@scenario(timeout=180, family=(4, 6), mode=("l2", "ipip"), killed=(False, True), datapath=BOTH)
def random_changes(test):
    """Sixty random changes in forty seconds: nobody but the failed backends' own connections is lost."""
    run_churn(test, 60, 0.6)


@scenario(timeout=900, long=True, family=(4, 6), mode=("l2", "ipip"), killed=(False, True), datapath=BOTH)
def a_thousand_random_changes(test):
    """A thousand random changes in ten minutes: nobody but the failed backends' own connections is lost."""
    run_churn(test, 1000, 0.58)
