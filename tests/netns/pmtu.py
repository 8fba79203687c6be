# SPDX-License-Identifier: BSD-3-Clause
"""Transfers whose packets do not fit everywhere: only ICMP errors, relayed and answered, let them go on."""

import os

from network import address
from processes import LabError, run, wait_for
from scenario import BOTH, scenario

HELPER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support", "transfer.py")
PORT = 5201
SIZE = 1 << 30
WHERE = ("nowhere", "client", "backends")     # is the narrow link


def start(test, where, extra=""):
    """The lab, the servers behind the VIP, and the client to use."""
    # IPv6 needs 1280 bytes inside a tunnel: 1300 is enough with IPv4 outside, 1320 with IPv6.
    narrow = 1320 if where == "backends" and (test.family, test.outer) == (6, 6) else 1300
    lab = test.lab(backends=2, narrow=0 if where == "nowhere" else narrow, far_backends=where == "backends")
    vip = lab.vip(test.family)
    listen = f"[{vip}]" if test.family == 6 else vip
    lab.balancer.start(family=test.family, outer=test.outer, mode=test.mode, extra=extra, services=[
        f'  - {{name: www, listen: ["tcp {listen}:80", "tcp {listen}:{PORT}"], pool: web, mode: {test.mode}}}'])
    lab.balancer.wait_all_up()
    for host in lab.hosts:
        start_server(lab, host, vip)
    return lab, "client3" if where == "client" else "client1"


def start_server(lab, host, vip):
    process = lab.recorder.start([HELPER, "serve", vip, str(PORT)], f"transfer-{host}", lab.network.namespace(host))
    wait_for(lambda: "ready" in process.log_text() or not process.alive(), 10, f"transfer server on {host}")
    if not process.alive():
        raise LabError(f"transfer server on {host} ended: {process.log_text().strip()}")


def transfer(test, lab, client, what, size):
    """What transfer.py says of one transfer."""
    done = run(["nsenter", f"--net=/run/netns/{lab.network.namespace(client)}", HELPER, what, address(client, test.family),
                lab.vip(test.family), str(PORT), str(size)], timeout=200)
    return done.stdout.strip()


def complete(test, lab, client, size):
    """Both directions, every byte."""
    for what in ("upload", "download"):
        said = transfer(test, lab, client, what, size)
        test.equal(said.split()[0], str(size), f"bytes of the {what} ({said})")


@scenario(alone=True, timeout=300, family=(4, 6), outer=(4, 6), where=WHERE, mode=("ipip",), datapath=BOTH)
def a_gigabyte_each_way_through_a_tunnel(test):
    """MTU 1500 everywhere, or a link of 1300 bytes before the client or the backends: all of it arrives."""
    lab, client = start(test, test.where)
    complete(test, lab, client, SIZE)
    if test.where != "client":       # there a router before us says so
        lab.balancer.wait_counted("drop_too_big")
    if test.where == "backends":
        lab.balancer.wait_counted("relay_too_big")
    test.equal({name: count for name, count in lab.balancer.verdicts().items() if name.startswith("drop_icmp") and count}, {},
               "errors that were refused")


@scenario(timeout=120, family=(4, 6), queues=(1, 2), datapath=BOTH)
def errors_reach_backends_without_a_tunnel(test):
    """Mode l2: what a router before the client says reaches the backend that it is about, by whatever queue it comes."""
    test.variant["outer"] = test.family
    lab, client = start(test, "client")
    complete(test, lab, client, SIZE // 16)


@scenario(timeout=120, family=(4, 6), mode=("ipip",), outer=(4, 6), datapath=BOTH)
def without_errors_transfers_hang(test):
    """Each way that ICMP errors take is needed: without it the transfer stands, and with it, it goes on."""
    lab, client = start(test, "client")
    lab.far.silence("near", lab.vip(test.family))
    test.check("timed out" in transfer(test, lab, client, "download", 1 << 24), "a download without a router's errors")
    test.equal(transfer(test, lab, "client1", "download", 1 << 24).split()[0], str(1 << 24), "a download beside that link")
    lab.close()
    lab, client = start(test, "backends")
    lab.far.silence("near", address("lb", test.outer))
    test.check("timed out" in transfer(test, lab, client, "upload", 1 << 24), "an upload without errors about the tunnel")
    lab.close()
    lab, client = start(test, "nowhere", extra="limits: {reply-rate: 0}\n")
    test.check("timed out" in transfer(test, lab, client, "upload", 1 << 24), "an upload without answers of the VIP")
