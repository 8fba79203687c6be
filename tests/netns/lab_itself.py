# SPDX-License-Identifier: BSD-3-Clause
"""The lab without Sluice: what all other scenarios stand on."""

import glob
import os
import signal
import subprocess
import sys

from clients import errors, shares
from lab import LABS
from network import address
from processes import start_time, wait_for
from scenario import scenario

PAIRS = [(4, 4), (6, 6), (4, 6), (6, 4)]    # inner, outer
HERE = os.path.dirname(os.path.abspath(__file__))


@scenario(family=(4, 6), queues=(1, 2))
def lab_connects_everybody(test):
    """Clients reach each backend directly, and the balancer's own address; nobody answers for the VIP."""
    lab = test.lab()
    for host in lab.hosts:
        test.check(lab.backends.reach_directly(host, family=test.family), f"client1 does not reach {host}")
        answers = lab.clients.fetch(500, family=test.family, to=lab.vip(test.family, int(host[2]) + 20))
        test.equal(dict(shares(answers)), {host: 500}, f"500 requests to {host}")
        test.equal(errors(answers), [], "failed requests")
    test.check(lab.clients.ping(lab.vip(test.family, 1)), "client1 does not reach the balancer")
    test.check(not lab.clients.ping(lab.vip(test.family), count=2), "a backend answers ARP or ND for the VIP")


def echo_through_tunnel(test, lab, family, outer, backend):
    """client1 wraps an echo request for the VIP itself; the answer comes from the VIP, unwrapped."""
    capture = lab.backends.capture("client1", "icmp or icmp6", f"echo{family}{outer}")
    lab.network.inside("client1", ["/usr/bin/python3", os.path.join(HERE, "..", "support", "tunnel_echo.py"),
                                   lab.vip(family, 101), lab.vip(family), lab.vip(outer, 101), address(backend, outer)])
    wait_for(lambda: any("echo reply" in line and f"{lab.vip(family)} > {lab.vip(family, 101)}" in line
                         for line in capture.so_far(lab.network, "client1")),
             5, f"an echo reply from {lab.vip(family)} in IPv{outer} to {backend}")
    capture.packets(lab.network, "client1")


@scenario()
def lab_boots_a_guest_kernel(test):
    """The backend with its own kernel is reached directly and unwraps all four pairs with its own tunnel devices."""
    lab = test.lab(backends=1)
    guest = lab.backends.start_uml([lab.vip(4), lab.vip(6)])
    test.check("lab: set up" in guest.log_text(), f"backend-setup failed in the guest: {guest.log_text()[-300:]}")
    for family in (4, 6):
        test.check(lab.backends.reach_directly("uml", family=family), f"the guest does not answer over IPv{family}")
    for family, outer in PAIRS:
        echo_through_tunnel(test, lab, family, outer, "uml")


@scenario(tunnel=("xdp", "xdp-generic", "tc"))
def lab_takes_tunnels_apart(test):
    """A hand-made request in a tunnel of each pair of families gets its answer straight from the backend's VIP."""
    lab = test.lab(backends=1)
    lab.backends.set_up("be1", lab.vips(), "ipip", "--tunnel", test.tunnel)
    for family, outer in PAIRS:
        echo_through_tunnel(test, lab, family, outer, "be1")


@scenario(alone=True)
def lab_cleans_up_after_signals(test):
    """SIGTERM, SIGINT and SIGHUP leave nothing behind; after SIGKILL, tools/lab/clean does."""
    test.lab(backends=1)                   # another lab, which must survive all of it
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL):
        child = subprocess.Popen([sys.executable, "-c", CHILD, os.path.join(HERE, "..", "..", "tools", "lab"),
                                  test.build], start_new_session=True, stdout=subprocess.PIPE, text=True)
        name = child.stdout.readline().strip()       # said once the lab is drawn
        with open(os.path.join(LABS, name, "pids"), encoding="ascii") as pids:
            recorded = [int(line.split()[0]) for line in pids]
        child.send_signal(number)
        child.wait(20)
        if number == signal.SIGKILL:
            test.check(os.path.exists(os.path.join(LABS, name)), "SIGKILL left nothing: nothing to clean")
            subprocess.run([os.path.join(HERE, "..", "..", "tools", "lab", "clean")], check=True,
                           stdout=subprocess.DEVNULL)
        left = [path for path in glob.glob(f"/run/netns/{name}-*") + [os.path.join(LABS, name)]
                if os.path.exists(path)]
        test.equal(left, [], f"left behind after signal {int(number)}")
        test.equal([pid for pid in recorded if start_time(pid)], [], "processes left behind")
    test.check(os.path.exists(os.path.join(LABS, test.labs[0].name)), "cleaning removed a lab that is in use")


CHILD = """
import sys, time
sys.path.insert(0, sys.argv[1])
from lab import Lab
with Lab(sys.argv[2], backends=1) as lab:
    print(lab.name, flush=True)
    time.sleep(60)
"""
