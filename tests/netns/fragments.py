# SPDX-License-Identifier: BSD-3-Clause
"""Datagrams of 8 kB, fragments in any order, wrong ones, floods of them, and those that are not ours."""

import os

from network import address
from processes import LabError, wait_for
from scenario import BOTH, scenario

HELPER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support", "fragments.py")
PORT = 5300


def start(test, extra=""):
    """A lab whose backends echo UDP on the VIP, behind TCP for its probes."""
    lab = test.lab(backends=2)
    vip = lab.vip(test.family)
    listen = f"[{vip}]" if test.family == 6 else vip
    lab.balancer.start(family=test.family, mode=test.mode, extra=extra, services=[
        f'  - {{name: www, listen: "tcp {listen}:80", pool: web, mode: {test.mode}}}',
        f'  - {{name: big, listen: "udp {listen}:{PORT}", pool: web, mode: {test.mode}}}'])
    lab.balancer.wait_all_up()
    for host in lab.hosts:
        start_echo(lab, host, vip)
    return lab


def start_echo(lab, host, where, port=PORT):
    process = lab.recorder.start([HELPER, "echo", where, str(port), host], f"echo-{host}", lab.network.namespace(host))
    wait_for(lambda: "ready" in process.log_text() or not process.alive(), 10, f"UDP echo on {host}")
    if not process.alive():
        raise LabError(f"UDP echo on {host} ended: {process.log_text().strip()}")


def ask(test, lab, count, first=30000, to=None, port=PORT, size=8000, client="client1",
        tries=3):
    """{source port: backend} of datagrams that the client's kernel takes apart."""
    done = lab.network.inside(client, [HELPER, "ask", address(client, test.family), to or lab.vip(test.family), str(port),
                                       str(first), str(count), str(size), str(tries)])
    return dict(line.split() for line in done.stdout.splitlines())


def send(test, lab, kind, sport=40000):
    """The backend that answered fragments made by hand, or what went wrong."""
    return lab.network.inside("client1", [HELPER, "send", address("client1", test.family), lab.vip(test.family), str(PORT),
                                          str(sport), kind]).stdout.strip()


def flood(test, lab, source, kind, seconds):
    """
    A flood from client2, in the background. First fragments go to a port that nobody serves: they fill the
    balancer's table all the same, and not the memory of the backends' own reassembly.
    """
    return lab.recorder.start([HELPER, "flood", source, lab.vip(test.family), str(PORT + 1), str(seconds), kind],
                              f"flood-{kind}", lab.network.namespace("client2"))


@scenario(timeout=120, family=(4, 6), mode=("l2", "ipip"), queues=(1, 2), datapath=BOTH)
def large_datagrams_arrive(test):
    """8 kB in both directions, from 40 source ports, spread over both backends; each port stays with one."""
    lab = start(test)
    first = ask(test, lab, 40)
    test.equal([item for item in first.items() if item[1].startswith("error")], [], "datagrams without an answer")
    test.equal(set(first.values()), set(lab.hosts), "backends that answered")
    test.equal(ask(test, lab, 40), first, "the same ports again")
    test.equal({item for item in ask(test, lab, 10, 31000, size=100, client="client2").values()} - set(lab.hosts), set(),
               "small ones besides")
    test.equal(lab.balancer.verdicts().get("drop_fragment_early", 0), 0, "fragments that came too early")


@scenario(timeout=120, family=(4, 6), queues=(1, 2), datapath=BOTH)
def large_datagrams_at_a_vip_shared_with_the_kernel(test):
    """Where ports without a service are the kernel's, fragments of services are the backends', and others the kernel's."""
    vip = "2001:db8:1::10" if test.family == 6 else "198.51.100.10"
    lab = start(test, extra=f'vips: [{{address: "{vip}", no-service: kernel}}]\n')
    test.equal({item for item in ask(test, lab, 20).values()} - set(lab.hosts), set(), "answers of others than backends")
    start_echo(lab, "lb", vip, PORT + 1)
    test.equal(set(ask(test, lab, 5, port=PORT + 1).values()), {"lb"}, "answers of the balancer's own socket at the VIP")


@scenario(timeout=120, family=(4, 6), mode=("l2", "ipip"), queues=(1, 2), datapath=BOTH)
def fragments_come_in_any_order(test):
    """
    The last one first, shuffled, and with a copy of each: the datagram arrives; without its first it does not. An
    XDP program cannot keep a packet: what comes before its first is dropped there, as early.
    """
    lab = start(test)
    for kind in ("in-order", "copies"):
        test.check(send(test, lab, kind) in lab.hosts, f"a datagram whose fragments come {kind} did not arrive")
    for kind in ("last-first", "shuffled"):
        arrives = send(test, lab, kind) in lab.hosts
        test.equal(arrives, test.datapath == "dpdk", f"a datagram whose fragments come {kind} arrives")
    early = lab.balancer.verdicts().get("drop_fragment_early", 0)
    test.check(early == 0 if test.datapath == "dpdk" else early > 6, f"{early} fragments came too early")
    lab.balancer.wait_counted("drop_fragment_overlap", 7)          # the copies
    test.equal(send(test, lab, "no-first"), "error:TimeoutError", "a datagram without its first fragment")
    lab.balancer.wait_counted("drop_fragment_early", early + 6)


@scenario(timeout=120, family=(4, 6), mode=("l2", "ipip"), datapath=BOTH)
def wrong_fragments_are_named(test):
    """An overlap spoils its datagram, a fragment at byte 8 is dropped alone; others are not concerned."""
    lab = start(test)
    test.equal(send(test, lab, "overlap"), "error:TimeoutError", "a datagram with an overlap")
    lab.balancer.wait_counted("drop_fragment_overlap", 7)
    test.check(send(test, lab, "tiny") in lab.hosts, "a tiny fragment spoilt its datagram")
    lab.balancer.wait_counted("drop_fragment_tiny", 1)
    test.check(send(test, lab, "in-order") in lab.hosts, "the next datagram did not arrive")


@scenario(alone=True, timeout=240, family=(4, 6), source=("one", "random"), kind=("firsts", "laters"), datapath=BOTH)
def a_flood_of_fragments_is_its_senders_own(test):
    """While one client sends fragments that belong to nothing, the other's datagrams arrive."""
    lab = start(test)
    test.check(all(host in lab.hosts for host in ask(test, lab, 4).values()), "no answers before the flood")
    process = flood(test, lab, "random" if test.source == "random" else address("client2", test.family), test.kind, 90)
    wait_for(lambda: "sending" in process.log_text(), 20, "the flood begins")
    wait_for(lambda: sum(lab.balancer.verdicts().values()) > 5000, 10, "the flood arrives")
    # A second try for a machine that is busy with other things: what a table without room loses, it loses each time.
    lost = [item for item in ask(test, lab, 20, 32000, tries=2).items() if item[1].startswith("error")]
    test.check(process.alive(), "the flood ended before its victims")
    test.equal(lost, [], "datagrams that did not arrive during the flood")
    if test.source == "one" and test.datapath == "dpdk":      # where they can wait
        test.check(any(send(test, lab, "last-first") in lab.hosts for _ in range(5)),
                   "reordered fragments lost to another source's flood")
    process.kill()


@scenario(timeout=120, family=(4, 6), queues=(1, 2), datapath=BOTH)
def own_fragments_are_the_kernels(test):
    """Large pings and datagrams to the balancer's own address reach its kernel and are answered."""
    lab = start(test)
    own = address("lb", test.family)
    start_echo(lab, "lb", own)
    test.equal(ask(test, lab, 5, to=own), {str(port): "lb" for port in range(30000, 30005)}, "datagrams to the balancer itself")
    done = lab.network.inside("client1", ["ping", "-q", "-n", "-i", "0.05", "-W", "1", "-c", "5", "-s", "8000", own], check=False)
    test.equal(done.returncode, 0, f"a ping of 8000 bytes: {done.stdout.strip()}")
    moved = {verdict: packets for verdict, packets in lab.balancer.verdicts().items() if "fragment" in verdict and packets}
    test.equal(moved, {}, "verdicts about fragments that were not for a VIP")
