# SPDX-License-Identifier: BSD-3-Clause
"""sluicectl backend-setup on a host: twice is once, --undo leaves what was before, others' programs stay."""

import re

from network import PORT, address
from scenario import scenario

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
