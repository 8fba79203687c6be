# SPDX-License-Identifier: BSD-3-Clause
"""sluicectl backend-setup on a host: twice is once, --undo leaves what was before, others' programs stay."""

import os
import re

from network import PORT, address
from scenario import Skip, scenario

SETTINGS = [f"ipv4/conf/{where}/{name}" for where in ("all", PORT) for name in ("arp_ignore", "arp_announce", "rp_filter")]


def state_of(lab, host):
    """What backend-setup may change: settings, addresses of lo, what is on the leg, its MTU. No ids."""
    settings = lab.network.inside(host, ["sh", "-c", "cd /proc/sys/net && cat " + " ".join(SETTINGS)]).stdout
    shown = lab.network.inside(host, ["sh", "-c", f"ip -o addr show lo; ip -o link show {PORT}; ip route; "
                                                  f"tc filter show dev {PORT} ingress 2>/dev/null || true"]).stdout
    return settings + re.sub(r" id \d+", "", shown)


@scenario(tunnel=("xdp", "xdp-generic", "tc"))
def backend_setup_may_be_repeated_and_undone(test):
    """Settings, VIPs, program, MTU and MSS: a second run changes nothing, --undo restores what was there."""
    lab = test.lab(backends=1, nginx=False)
    lab.backends.set_up("be1", lab.vips(), "l2", "--undo")
    lab.network.ip("be1", f"route add default via {address('client1', 4)} metric 7")
    lab.network.sysctl("be1", ipv4__conf__all__arp_announce=1)
    before = state_of(lab, "be1")
    options = ("--tunnel", test.tunnel, "--mtu", "1540", "--mss", "1400")
    lab.backends.set_up("be1", lab.vips(), "ipip", *options)
    first = state_of(lab, "be1")
    test.check("mtu 1540" in first and "advmss 1400" in first and "sluice_decap" in first and lab.vip(6) in first, first)
    lab.backends.set_up("be1", lab.vips(), "ipip", *options)
    test.equal(state_of(lab, "be1"), first, "after a second run")
    lab.backends.set_up("be1", lab.vips(), "ipip", *options, "--undo")
    test.equal(state_of(lab, "be1"), before, "after the undo")
    lab.backends.set_up("be1", lab.vips(), "ipip", *options, "--undo")
    test.equal(state_of(lab, "be1"), before, "after a second undo")


@scenario()
def backend_setup_respects_other_programs(test):
    """Another XDP program on the interface is named and stays; where there is no interface or object, it says so."""
    lab = test.lab(backends=1, nginx=False)
    command = lab.backends.setup_command(
        lab.vips(), "ipip", "--address", address("be1", 4), "--from", "any", "--tunnel", "xdp", "--apply",
        "--state", f"{lab.folder}/other", "--object")
    program = lab.program("decap.bpf.o")
    pins = f"/sys/fs/bpf/{lab.name}-other"
    lab.network.inside("be1", ["bpftool", "prog", "load", lab.program("sluice.bpf.o"), pins])
    try:
        lab.network.inside("be1", ["bpftool", "net", "attach", "xdp", "pinned", pins, "dev", PORT])
        done = lab.network.inside("be1", [*command, program, "--device", PORT], check=False)
        test.check(done.returncode == 1 and "another XDP program" in done.stderr and "--tunnel tc" in done.stderr, done.stderr)
        shown = lab.network.inside("be1", ["ip", "link", "show", PORT]).stdout
        test.check("prog/xdp" in shown, "the other program is gone")
        lab.network.inside("be1", [*command, program, "--device", PORT, "--undo"], check=False)
        test.check("prog/xdp" in lab.network.inside("be1", ["ip", "link", "show", PORT]).stdout, "the undo removed it")
    finally:
        lab.network.inside("be1", ["rm", "-f", pins])
    for words, said in (([program, "--device", "eth9"], "eth9"), ([f"{lab.folder}/none", "--device", PORT], "copy it from")):
        done = lab.network.inside("be1", [*command, *words], check=False)
        test.check(done.returncode == 1 and said in done.stderr, f"{words}: {done.stderr}")


NETWORKD = "/lib/systemd/systemd-networkd"
# What a machine with systemd has: its folders, here in memory, and /sys without udev.
MACHINE = """mount -t sysfs -o ro sysfs /sys
mount -t tmpfs t /etc/systemd/network && mount -t tmpfs t /etc/sysctl.d && mount -t tmpfs t /run/systemd
mkdir -p /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp
chown -R systemd-network /run/systemd/netif
mkdir /run/systemd/bin && printf '#!/bin/sh\\necho "$@" >> /run/systemd/reloads' > /run/systemd/bin/networkctl
chmod +x /run/systemd/bin/networkctl
PATH=/run/systemd/bin:$PATH
echo "$1" | sh; echo "$1" | sh
timeout 3 {networkd} 2>&1
ip -o addr show lo; wc -l < /run/systemd/reloads
echo "$2" | sh; ls /etc/systemd/network /etc/sysctl.d"""


@scenario()
def backend_setup_as_files_of_networkd(test):
    """systemd-networkd puts the VIPs on lo from the files that are printed; written twice, they are read once."""
    if not os.path.exists(NETWORKD) or not os.path.isdir("/etc/systemd/network"):
        raise Skip("no systemd-networkd on this machine")
    lab = test.lab(backends=1, nginx=False)
    lab.backends.set_up("be1", lab.vips(), "l2", "--undo")
    command = lab.backends.setup_command(lab.vips(), "l2", "--device", PORT, "--as", "networkd")
    setup, undo = (lab.network.inside("be1", [*command, *more]).stdout for more in ([], ["--undo"]))
    said = lab.network.inside("be1", ["unshare", "--mount", "sh", "-c", MACHINE.format(networkd=NETWORKD), "sh", setup,
                                      undo]).stdout
    for vip in lab.vips():
        test.check(re.search(rf"inet6? {re.escape(vip)}/(32|128) scope global", said), f"{vip} is not on lo: {said}")
    test.check("127.0.0.1/8" in said and "::1/128" in said, f"lo lost its own addresses: {said}")
    test.check("\n1\n" in said, f"networkd was told more than once: {said}")
    test.check(said.endswith("/etc/sysctl.d:\n\n/etc/systemd/network:\n"), f"files are left: {said[-200:]}")
