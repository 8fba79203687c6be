# SPDX-License-Identifier: BSD-3-Clause
"""Backends that die, come back, or were never there."""

import time

from clients import by_flow, errors, shares
from network import LB_PORT
from processes import wait_for
from scenario import BOTH, scenario


@scenario(timeout=120, family=(4, 6), mode=("l2", "ipip"), queues=(1, 2), datapath=BOTH)
def backend_dies_and_returns(test):
    """Its share moves and nothing else; on recovery every flow is back where it was."""
    lab = test.lab()
    lab.balancer.start(family=test.family, mode=test.mode)
    lab.balancer.wait_all_up()
    before = by_flow(lab.clients.fetch(4000, family=test.family))
    lab.backends.kill_nginx("be3")
    lab.balancer.wait_state("be3", "down")
    lab.balancer.wait_applied()
    answers = lab.clients.fetch(4000, family=test.family)
    test.equal(errors(answers)[:3], [], "failed requests while be3 is down")
    during = by_flow(answers)
    test.equal([flow for flow, host in before.items() if host != "be3" and during[flow] != host][:3], [],
               "flows of other backends that moved")
    share = shares(answers)
    for host in ("be1", "be2", "be4"):
        test.check(abs(share[host] / 4000 - 1 / 3) < 0.03, f"be3's share is not spread evenly: {dict(share)}")
    lab.backends.start_nginx("be3")
    lab.balancer.wait_state("be3", "up")
    lab.balancer.wait_applied()
    after = by_flow(lab.clients.fetch(4000, family=test.family))
    test.equal([flow for flow, host in before.items() if after[flow] != host][:3], [], "flows that did not come back")


@scenario(family=(4, 6), mode=("l2", "ipip"), on_down=("reset", "linger"), datapath=BOTH)
def all_down_reject(test):
    """
    No backend left: RST for TCP, port unreachable for UDP; counted; said once in the log. To a backend that
    lingers a sticky datagram still goes, since its flow may be old: there, the UDP is questions.
    """
    lab = test.lab()
    vip = lab.vip(test.family)
    listen = f'["tcp [{vip}]:80", "udp [{vip}]:80"]' if test.family == 6 else f'["tcp {vip}:80", "udp {vip}:80"]'
    questions = ", udp-flows: none" if test.on_down == "linger" else ""
    lab.balancer.start(family=test.family, mode=test.mode, pool={"on-down": test.on_down}, services=[
        f"  - {{name: www, listen: {listen}, pool: web, mode: {test.mode}{questions}}}"])
    for host in lab.hosts:
        lab.backends.kill_nginx(host)
    for host in lab.hosts:
        lab.balancer.wait_state(host, "down")
    lab.balancer.wait_applied()
    url = f"http://[{vip}]/" if test.family == 6 else f"http://{vip}/"
    begin = time.monotonic()
    test.equal(lab.clients.curl_exit("client1", url), 7, "curl (7: connection refused)")
    test.check(time.monotonic() - begin < 1, "the refusal took a second: that was no RST")
    answers = set(lab.clients.udp(5, 80, family=test.family).values())
    test.equal(answers, {"error:ConnectionRefusedError"}, "UDP to a pool without backends (refused: port unreachable)")
    lab.balancer.wait_counted("reject_empty", 6)
    said = [line for line in lab.balancer.sluiced.log_text().splitlines() if "no backend" in line]
    test.equal(len(said), 1, "log lines about the empty pool")
    lab.backends.start_nginx("be1")
    lab.balancer.wait_state("be1", "up")
    wait_for(lambda: lab.clients.one(family=test.family) == "be1", 5, "be1 answers after its recovery")


@scenario(family=(4, 6), datapath=BOTH)
def all_down_drop(test):
    """when-empty: drop is silence, and counted."""
    lab = test.lab(backends=2)
    lab.balancer.start(family=test.family, when_empty="drop")
    for host in lab.hosts:
        lab.backends.kill_nginx(host)
    for host in lab.hosts:
        lab.balancer.wait_state(host, "down")
    lab.balancer.wait_applied()
    vip = lab.vip(test.family)
    url = f"http://[{vip}]/" if test.family == 6 else f"http://{vip}/"
    test.equal(lab.clients.curl_exit("client1", url, timeout_s=2), 28, "curl (28: timeout)")
    lab.balancer.wait_counted("drop_no_backend", 2)


def vip_is_held(lab, family):
    """True when any interface of the balancer has the VIP."""
    shown = lab.network.inside("lb", ["ip", "-o", "addr", "show"]).stdout
    return f" {lab.vip(family)}/" in shown


@scenario(timeout=120, family=(4, 6), mode=("l2", "ipip"), datapath=BOTH)
def boot_with_dead_backends(test):
    """
    The VIP appears only after the first results, and dead backends get no packet to the VIP at all: be3
    refuses connections, be4 is cut off, so that its first result takes the whole timeout of 2 s.
    """
    lab = test.lab()
    lab.backends.kill_nginx("be3")
    kind = "ip6" if test.family == 6 else "ip"
    inner = f"{kind} dst host {lab.vip(test.family)}" if test.mode == "l2" else "ip proto 4 or ip6 proto 41"
    captures = {host: lab.backends.capture(host, inner, f"dead-{host}") for host in ("be3",)}
    lab.network.ip("switch", "link set to-be4 down")
    check = "{type: http, port: 80, path: /healthz, interval: 4s, timeout: 2s, rise: 2, fall: 2}"
    lab.balancer.configure(family=test.family, mode=test.mode, check=check)
    lab.balancer.start_forwarder()
    lab.balancer.start_sluiced()
    begin = time.monotonic()
    early = []
    while time.monotonic() - begin < 1.5:
        early.append(vip_is_held(lab, test.family))
        time.sleep(0.1)
    test.check(not any(early), "the balancer holds the VIP before the first results are in")
    lab.balancer.wait_serving(family=test.family)
    test.check(time.monotonic() - begin > 1.9, "the VIP answers before be4's first result can be in")
    answers = lab.clients.fetch(2000, family=test.family)
    test.equal(errors(answers)[:3], [], "failed requests")
    test.equal(set(shares(answers)), {"be1", "be2"}, "backends that answered")
    for host, capture in captures.items():
        test.equal(capture.packets(lab.network, host)[:3], [], f"packets of clients at the dead backend {host}")


@scenario(family=(4, 6), datapath=BOTH)
def reload_with_errors_keeps_running(test):
    """SIGHUP with a wrong file: said, refused as a whole, traffic and tables as before; then a right one works."""
    lab = test.lab()
    lab.balancer.start(family=test.family)
    lab.balancer.wait_all_up()
    before = by_flow(lab.clients.fetch(1000, family=test.family))
    right = open(lab.balancer.config_path, encoding="utf-8").read()
    with open(lab.balancer.config_path, "a", encoding="utf-8") as config:
        config.write("services-extra: [1]\n")
    lab.balancer.reload()
    wait_for(lambda: "services-extra" in lab.balancer.sluiced.log_text(), 5, "the log names the unknown key")
    test.equal(lab.balancer.ctl("reload", check=False).returncode, 1, "exit code of `sluicectl reload`")
    test.equal(by_flow(lab.clients.fetch(1000, family=test.family)), before, "flows after the refused reload")
    test.check(lab.balancer.sluiced.alive(), "sluiced ended")
    with open(lab.balancer.config_path, "w", encoding="utf-8") as config:
        config.write(right.replace("name: be4,", "name: be4-renamed,"))
    lab.balancer.ctl("reload")
    wait_for(lambda: "be4-renamed" in lab.balancer.backend_states(), 10, "the right configuration is taken up")
    lab.balancer.wait_applied()
    test.equal(errors(lab.clients.fetch(1000, family=test.family)), [], "failed requests after the reload")


@scenario(datapath=BOTH)
def neighbor_changes_its_mac(test):
    """A backend that comes back with another MAC address is found again; the others do not notice."""
    lab = test.lab(backends=2)
    lab.network.sysctl("lb", **{f"ipv4__neigh__{LB_PORT}__base_reachable_time_ms": 1000})   # asks again every second
    lab.balancer.start()
    lab.balancer.wait_all_up()
    before = by_flow(lab.clients.fetch(400))
    lab.network.ip("be2", "link set net0 down", "link set net0 address 02:00:00:00:0f:22", "link set net0 up")

    wait_for(lambda: by_flow(lab.clients.fetch(400, timeout_ms=1500)) == before, 30,
             "all flows are back after be2's MAC address changed", 0.5)
