# SPDX-License-Identifier: BSD-3-Clause
"""The XDP datapath alone, without a sluice-dp: what sluiced sets up goes on forwarding whatever becomes of sluiced."""

import json
import os
import re
import signal
import time

from balancer import service_text
from clients import by_flow, errors
from failures import vip_is_held
from network import LB_PORT, address
from processes import wait_for
from scenario import scenario
from shares import shares_hold
from traffic import Traffic

EVERYWHERE = {"family": (4, 6), "mode": ("l2", "ipip"), "datapath": ("xdp",)}


@scenario(timeout=180, **EVERYWHERE)
def xdp_shares(test):
    """10,000 requests over 4 equal backends, then 1:2:3:4 after a reload: as sluice-sim says, all of them counted."""
    lab = test.lab()
    lab.balancer.start(family=test.family, mode=test.mode)
    lab.balancer.wait_all_up()
    shares_hold(test, lab, [1, 1, 1, 1], 20000)
    lab.balancer.configure(family=test.family, mode=test.mode, weights=[1, 2, 3, 4])
    lab.balancer.reload_and_wait()
    shares_hold(test, lab, [1, 2, 3, 4], 30000)
    shown = lab.balancer.ctl_json("show", "datapath")
    test.equal((shown["datapath"], shown["attached"], shown["tables"]), ("xdp", True, shown["data_tables"]), "show datapath")
    test.equal([(one["interface"], one["attached"]) for one in shown["xdp"]], [("up0", "native")], "interfaces")
    stats = lab.balancer.ctl_json("show", "stats")
    forwarded = lab.balancer.verdicts()["forward"]
    test.check(forwarded > 80000, f"only {forwarded} packets were forwarded")
    test.equal(sum(one["packets"] for one in stats["backends"]), stats["services"][0]["packets"], "packets of all backends")


@scenario(timeout=120, **EVERYWHERE)
def xdp_outlives_sluiced(test):
    """kill -9 of sluiced: requests go on to the same backends, the VIPs stay, and the next start changes nothing."""
    lab = test.lab()
    lab.balancer.start(family=test.family, mode=test.mode)
    lab.balancer.wait_all_up()
    before = by_flow(lab.clients.fetch(800, family=test.family))
    test.equal([host for host in before.values() if host.startswith("error:")], [], "failed requests")
    holder = lab.balancer.device_holder()
    lab.balancer.sluiced.kill(signal.SIGKILL)
    test.equal(by_flow(lab.clients.fetch(800, family=test.family)), before, "flows without a sluiced")
    test.check(vip_is_held(lab, test.family), "the VIP went with sluiced")
    lab.balancer.start_sluiced()
    lab.balancer.wait_all_up()
    test.equal(by_flow(lab.clients.fetch(800, family=test.family)), before, "flows by another sluiced")
    test.equal(lab.balancer.device_holder(), holder, "who holds the VIP device")
    running = lab.clients.start_fetch("client1", 6000, family=test.family, concurrent=8)
    echoes = Echoes(test, lab)
    for delay in (0.05, 0.2, 0.5, 1):
        lab.balancer.sluiced.kill(signal.SIGKILL)
        lab.balancer.start_sluiced()
        time.sleep(delay)
    test.equal(errors(lab.clients.finish("client1", running))[:3], [], "requests that failed meanwhile")
    lab.balancer.wait_all_up()
    echoes.end(at_most=5)


@scenario(timeout=120, family=(4, 6), datapath=("xdp",), on_stop=("keep", "detach"))
def xdp_on_stop(test):
    """A clean stop leaves everything as it is, or nothing: no VIP, no program, no pin, no process."""
    lab = test.lab(backends=2)
    lab.balancer.start(family=test.family, extra=f"xdp: {{on-stop: {test.on_stop}}}\n")
    lab.balancer.wait_all_up()
    pins = f"/sys/fs/bpf/sluice/{lab.balancer.instance}"
    test.equal(lab.balancer.sluiced.kill(signal.SIGTERM), 0, "exit status")
    if test.on_stop == "keep":
        test.equal(errors(lab.clients.fetch(200, family=test.family)), [], "requests after the stop")
        test.check(vip_is_held(lab, test.family), "the VIP went")
    else:
        wait_for(lambda: not vip_is_held(lab, test.family), 5, "the VIP is gone", 0.1)
        wait_for(lambda: lab.balancer.device_holder() is None, 15, "sluice-device is gone", 0.2)
        test.check("xdp" not in lab.network.inside("lb", ["ip", "link", "show", "up0"]).stdout, "the program stayed")
        test.check(not os.path.exists(pins), "pins stayed")
    lab.balancer.start_sluiced()
    lab.balancer.wait_serving(family=test.family)


@scenario(timeout=120, family=(4, 6), datapath=("xdp",))
def xdp_program_goes(test):
    """Who takes the program off the interface takes the VIPs off the balancer, within a moment and without a sluiced."""
    lab = test.lab(backends=2)
    lab.balancer.start(family=test.family)
    lab.balancer.wait_all_up()
    lab.balancer.sluiced.kill(signal.SIGKILL)
    os.unlink(f"/sys/fs/bpf/sluice/{lab.balancer.instance}/up0/link")
    wait_for(lambda: "sluice0" not in lab.network.inside("lb", ["ip", "link"]).stdout, 2, "the VIP device is gone", 0.05)
    lab.balancer.start_sluiced()
    lab.balancer.wait_serving(family=test.family)
    wait_for(lambda: vip_is_held(lab, test.family), 5, "the VIP is back", 0.1)


class Echoes:
    """An echo request to the VIP every 2 ms: where requests are tried again, these are not."""

    LEAST_S = 3      # enough for 500 of them where a third of the time is somebody else's

    def __init__(self, test, lab):
        self.test = test
        self.begin = time.monotonic()
        self.process = lab.recorder.start(["ping", "-n", "-q", "-i", "0.002", lab.vip(test.family)], "echoes",
                                          lab.network.namespace("client2"))

    def end(self, at_most):
        """No more than that many were lost."""
        time.sleep(max(0.0, self.begin + self.LEAST_S - time.monotonic()))
        self.process.kill(signal.SIGINT)
        sent, answered = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", self.process.log_text()).groups())
        self.test.check(sent > 500 and sent - answered <= at_most, f"{sent - answered} of {sent} echo requests were lost")


@scenario(timeout=120, family=(4, 6), datapath=("xdp",))
def xdp_outgrows_its_maps(test):
    """200 more services, then twice the connections at a restart: bigger maps take over under requests, none fails."""
    lab = test.lab(backends=2)
    lab.balancer.start(family=test.family)
    lab.balancer.wait_all_up()
    services = [service_text(f"s{port}", "tcp", lab.vip(test.family), port) for port in range(1000, 1200)]
    services.append(service_text("www", "tcp", lab.vip(test.family), 80))
    before = by_flow(lab.clients.fetch(400, family=test.family))
    running = lab.clients.start_fetch("client1", 5000, family=test.family, concurrent=8, first_port=30000)
    echoes = Echoes(test, lab)
    lab.balancer.configure(family=test.family, services=services)
    lab.balancer.reload_and_wait()
    lab.balancer.configure(family=test.family, services=services, extra="limits: {flows: 2M}\n")
    lab.balancer.sluiced.kill(signal.SIGKILL)
    lab.balancer.start_sluiced()
    lab.balancer.wait_all_up()
    echoes.end(at_most=5)
    test.equal(errors(lab.clients.finish("client1", running))[:3], [], "requests that failed meanwhile")
    test.equal(by_flow(lab.clients.fetch(400, family=test.family)), before, "flows by the bigger maps")
    capacity = lab.balancer.ctl_json("show", "flows")["capacity"]
    test.check(capacity > 2 << 20, f"room for {capacity} connections")


@scenario(timeout=60, datapath=("xdp",))
def xdp_foreign_program_is_named(test):
    """Another's program on the interface: sluiced names it, ends, leaves it there and nothing of its own."""
    lab = test.lab(backends=1)
    lab.network.let_transmit("lb", LB_PORT, lab.program("pass.bpf.o"))
    lab.balancer.configure(family=4)
    sluiced = lab.balancer.start_sluiced()
    test.equal(sluiced.wait(10), 3, "exit status")
    said = [line for line in sluiced.log_text().splitlines() if " error " in line]
    test.check(len(said) == 1 and '(\\"pass\\") is already attached' in said[0] and "xdp off" in said[0], f"said: {said}")
    test.check("xdp" in lab.network.inside("lb", ["ip", "link", "show", LB_PORT]).stdout, "the other program is gone")
    test.check(not os.path.exists(f"/sys/fs/bpf/sluice/{lab.balancer.instance}"), "pins stayed")


@scenario(timeout=90, family=(4, 6), datapath=("xdp",))
def xdp_interface_returns(test):
    """An interface that is deleted takes the VIPs along; made anew, it gets the program and the VIPs again."""
    lab = test.lab(backends=2)
    lab.balancer.start(family=test.family)
    lab.balancer.wait_all_up()
    lab.network.ip("switch", "link del to-lb")
    wait_for(lambda: not vip_is_held(lab, test.family), 2, "the VIP is gone", 0.05)
    test.check(lab.balancer.ctl("status").stdout.startswith("down: no interface carries the XDP program"), "status")
    lab.network.ip("switch", f"link add to-lb type veth peer name {LB_PORT} netns {lab.network.namespace('lb')}",
                   "link set to-lb master br0 up")
    lab.network.let_transmit("switch", "to-lb", lab.program("pass.bpf.o"))
    lab.network.ip("lb", f"link set {LB_PORT} address 02:00:00:00:00:01", f"link set {LB_PORT} up",
                   f"addr add {address('lb', 4)}/24 dev {LB_PORT}", f"addr add {address('lb', 6)}/64 dev {LB_PORT} nodad")
    lab.network.finish_checksums("lb", LB_PORT)
    lab.balancer.wait_serving(family=test.family)
    wait_for(lambda: vip_is_held(lab, test.family), 5, "the VIP is back", 0.1)


def forwarder(lab):
    shown = lab.balancer.ctl("--json", "show", "datapath", check=False)
    return json.loads(shown.stdout)["datapath"] if shown.returncode == 0 else None


@scenario(timeout=150, family=(4, 6), mode=("l2", "ipip"), datapath=("auto",))
def auto_falls_back_and_returns(test):
    """
    kill -9 of sluice-dp after a backend was added, under 2,000 connections: the XDP program takes over with what was
    remembered; half a minute after sluice-dp is back it forwards again. No connection breaks, the VIPs stay.
    """
    traffic = Traffic(test, test.lab(backends=4, nginx=False), hosts=["be1", "be2"])
    lab = traffic.lab
    traffic.start()
    test.equal(forwarder(lab), "dpdk", "who forwards")
    traffic.set_weights(be3=1)
    traffic.pause(0.3)
    traffic.note("kill -9 of sluice-dp")
    lab.balancer.dp.kill(signal.SIGKILL)
    wait_for(lambda: forwarder(lab) == "xdp", 10, "the XDP program forwards", 0.05)
    test.check(vip_is_held(lab, test.family), "the VIP went")
    traffic.pause(0.5)
    traffic.set_weights(be4=1)
    lab.balancer.start_dp()
    traffic.pause(0.5)
    test.equal(forwarder(lab), "xdp", "who forwards while sluice-dp is not steady yet")
    wait_for(lambda: forwarder(lab) == "dpdk", 45, "sluice-dp forwards again", 0.2)
    traffic.note("sluice-dp forwards again")
    traffic.set_weights(be2=2)
    traffic.pause(1)
    test.check(vip_is_held(lab, test.family), "the VIP went")
    traffic.end()


def to_dpdk(lab, timeout=20):
    """`sluicectl datapath dpdk` as soon as it is not refused, and sluice-dp forwards."""
    wait_for(lambda: lab.balancer.ctl("datapath", "dpdk", check=False).returncode == 0, timeout, "sluice-dp may forward", 0.1)
    wait_for(lambda: forwarder(lab) == "dpdk", 5, "sluice-dp forwards as it was told to", 0.05)


@scenario(timeout=90, family=(4, 6), datapath=("auto",))
def auto_waits_as_configured_and_obeys(test):
    """A start waits as long as the file says for a sluice-dp; it gets the packets on command, which is refused before."""
    lab = test.lab(backends=2)
    lab.balancer.configure(family=test.family, dpdk=", attach-timeout: 4s")
    begun = time.monotonic()
    lab.balancer.start_sluiced()
    wait_for(lambda: forwarder(lab) == "xdp", 15, "the XDP program forwards", 0.05)
    waited = time.monotonic() - begun
    test.check(3.9 < waited < 8, f"XDP forwards after {waited:.1f} s, the file says 4")
    lab.balancer.wait_serving(family=test.family)
    refused = lab.balancer.ctl("datapath", "dpdk", check=False)
    test.equal(refused.returncode, 1, "exit status while there is no sluice-dp")
    test.check("no sluice-dp lives that could forward: start it" in refused.stderr, f"said: {refused.stderr}")
    before = by_flow(lab.clients.fetch(400, family=test.family))
    running = lab.clients.start_fetch("client1", 4000, family=test.family, concurrent=8, first_port=30000)
    lab.balancer.start_dp()
    to_dpdk(lab)
    test.equal(errors(lab.clients.finish("client1", running))[:3], [], "requests that failed meanwhile")
    test.equal(by_flow(lab.clients.fetch(400, family=test.family)), before, "flows by sluice-dp")
    test.equal(lab.balancer.ctl("datapath", "dpdk").stdout, "sluice-dp forwards\n", "said when it does")


def kill_sluiced(traffic, delay):
    time.sleep(delay)
    traffic.note("kill -9 of sluiced")
    traffic.lab.balancer.sluiced.kill(signal.SIGKILL)
    traffic.lab.balancer.start_sluiced()


@scenario(timeout=150, family=(4, 6), mode=("l2", "ipip"), killed=(False, True), datapath=("auto",))
def auto_switches_under_load(test):
    """
    Three times there and back under 2,000 connections while rows change, on command; sluiced killed -9 within the
    switch and started again, or left alone. No connection breaks.
    """
    traffic = Traffic(test, test.lab(backends=4, nginx=False), hosts=["be1", "be2"])
    lab = traffic.lab
    traffic.dpdk = ", attach-timeout: 1s"     # of a sluiced that starts without one, well within the test's connection-idle
    traffic.start()
    for number, host in enumerate(("be3", "be4", "be3")):
        traffic.set_weights(**{host: number + 1})
        traffic.note("kill -9 of sluice-dp")
        lab.balancer.dp.kill(signal.SIGKILL)
        if test.killed:
            kill_sluiced(traffic, test.random.uniform(0, 0.1))
        wait_for(lambda: forwarder(lab) == "xdp", 15, "the XDP program forwards", 0.05)
        traffic.pause(0.3)
        lab.balancer.start_dp()
        if test.killed:
            wait_for(lambda: lab.balancer.ctl("datapath", "dpdk", check=False).returncode == 0, 20, "sluice-dp may forward", 0.05)
            kill_sluiced(traffic, test.random.uniform(0, 0.05))
        to_dpdk(lab)
        traffic.note("sluice-dp forwards again")
        test.check(vip_is_held(lab, test.family), "the VIP went")
        traffic.pause(0.3)
    traffic.end()
