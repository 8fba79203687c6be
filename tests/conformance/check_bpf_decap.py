#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""decap.bpf.o through BPF_PROG_TEST_RUN: what it unwraps, leaves and drops, in XDP and in tc, and what it costs."""
import ipaddress
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

import tree

# Instructions of the loaded program, and instructions that the verifier walked: a change that needs more says so here.
LIMITS = {"sluice_decap": (900, 16000), "sluice_decap_tc": (1500, 12000)}
XDP = {"program": "sluice_decap", "leave": 2, "drop": 1}
TC = {"program": "sluice_decap_tc", "leave": 0xffffffff, "drop": 2, "again": 7}
COUNTERS = ["unwrapped", "other_source", "other_vip", "fragment", "malformed", "congested", "no_room"]
BALANCER = {4: "198.51.100.1", 6: "2001:db8:1::1"}
OWN = {4: "198.51.100.21", 6: "2001:db8:1::21"}
VIP = {4: "192.0.2.10", 6: "2001:db8::10"}
CLIENT = {4: "203.0.113.9", 6: "2001:db8:9::9"}


def mapped(address):
    """16 bytes, IPv4 as ::ffff:a.b.c.d."""
    address = ipaddress.ip_address(address)
    return b"\0" * 10 + b"\xff\xff" + address.packed if address.version == 4 else address.packed


class Program:
    """The object, loaded, with filled maps, in a file system that goes with this process."""

    def __init__(self, bpftool, folder, built):
        self.bpftool, self.folder, self.pins = bpftool, folder, pathlib.Path(folder) / "bpf" / "pins"
        self.pins.parent.mkdir()
        subprocess.run(["mount", "-t", "bpf", "bpf", self.pins.parent], check=True)
        done = self.tool("-d", "prog", "loadall", built, self.pins, "pinmaps", self.pins, check=False)
        if done.returncode:
            sys.exit("the verifier refuses decap.bpf.o:\n" + "\n".join((done.stdout + done.stderr).splitlines()[-25:]))
        self.walked = [int(count) for count in re.findall(r"processed (\d+) insns", done.stdout + done.stderr)]
        for family in (4, 6):
            self.put("decap_own", mapped(OWN[family]))
            self.put("decap_vips", mapped(VIP[family]))
        self.put("decap_sources", struct.pack("<I", 96 + 24) + mapped("198.51.100.0"))
        self.put("decap_sources", struct.pack("<I", 128) + mapped(BALANCER[6]))

    def tool(self, *words, check=True):
        return subprocess.run([self.bpftool, *map(str, words)], capture_output=True, text=True, check=check)

    def put(self, name, key):
        self.tool("map", "update", "pinned", self.pins / name, "key", "hex", *(f"{byte:02x}" for byte in key),
                  "value", "hex", "1", "0", "0", "0")

    def counters(self):
        """{counter: sum over all CPUs}"""
        dumped = self.tool("-j", "map", "dump", "pinned", self.pins / "decap_counters").stdout
        rows = json.loads(dumped)
        return {name: sum(value["value"] for value in row["formatted"]["values"]) for name, row in zip(COUNTERS, rows)}

    def run(self, home, frame):
        """What it returns for a frame, and the frame afterwards."""
        source, target = pathlib.Path(self.folder) / "in", pathlib.Path(self.folder) / "out"
        source.write_bytes(bytes(frame))
        done = self.tool("-j", "prog", "run", "pinned", self.pins / home["program"], "data_in", source, "data_out", target)
        return json.loads(done.stdout)["retval"], target.read_bytes()

    def size(self, name):
        shown = json.loads(self.tool("-j", "prog", "show", "pinned", self.pins / name).stdout)
        return shown["bytes_xlated"] // 8


def demand(holds, text):
    if not holds:
        sys.exit(text)


def cases(packets):
    """(name, frame, what becomes of it: a frame, "leave" or "drop", the counter that moves)"""
    Ether, IP, IPv6, Dot1Q, TCP, UDP, Raw, Fragment = packets
    head = Ether(dst="02:00:00:00:00:15", src="02:00:00:00:00:01")

    def outer(family, **more):
        if family == 4:
            return IP(src=more.pop("src", BALANCER[4]), dst=more.pop("dst", OWN[4]), flags="DF", **more)
        return IPv6(src=more.pop("src", BALANCER[6]), dst=more.pop("dst", OWN[6]), **more)

    def inner(family, **more):
        ip = IP(src=CLIENT[4], dst=more.pop("dst", VIP[4]), **more) if family == 4 \
            else IPv6(src=CLIENT[6], dst=more.pop("dst", VIP[6]), **more)
        return ip / TCP(sport=4711, dport=80) / Raw(b"x" * 100)

    for out in (4, 6):
        for ins in (4, 6):
            yield f"{ins}-in-{out}", head / outer(out) / inner(ins), head / inner(ins), "unwrapped"
            yield f"{ins}-in-{out}, tagged", head / Dot1Q(vlan=7) / outer(out) / inner(ins), \
                head / Dot1Q(vlan=7) / inner(ins), "unwrapped"
    tiny = IP(src=CLIENT[4], dst=VIP[4]) / UDP(sport=1, dport=2)
    yield "4-in-6, smaller than an IPv6 header", head / outer(6) / tiny, head / tiny, "unwrapped"
    yield "an inner fragment", head / outer(4) / inner(4, flags="MF"), head / inner(4, flags="MF"), "unwrapped"
    yield "another source in the network", head / outer(4, src="198.51.100.9") / inner(4), head / inner(4), "unwrapped"
    yield "a stranger's tunnel", head / outer(4, src="203.0.113.66") / inner(4), "leave", "other_source"
    yield "a stranger's tunnel, IPv6", head / outer(6, src="2001:db8:1::2") / inner(6), "leave", "other_source"
    yield "a tunnel to somebody else", head / outer(4, dst="198.51.100.22") / inner(4), "leave", None
    yield "an inner destination that is no VIP", head / outer(4) / inner(4, dst="198.51.100.21"), "leave", "other_vip"
    yield "an inner destination on the host", head / outer(4) / inner(4, dst="127.0.0.1"), "leave", "other_vip"
    yield "no tunnel", head / IP(src=CLIENT[4], dst=OWN[4]) / TCP(), "leave", None
    yield "no IP", Ether(dst="ff:ff:ff:ff:ff:ff", type=0x0806) / Raw(b"y" * 46), "leave", None
    broken = bytearray(bytes(head / outer(4) / inner(4)))
    broken[24] ^= 1
    yield "a wrong outer checksum", broken, "leave", None
    parts = IP(src=BALANCER[4], dst=OWN[4], id=9, flags="MF", proto=4)
    yield "a part of a tunnel packet", head / parts / Raw(bytes(inner(4))[:64]), "leave", "fragment"
    yield "a part of an IPv6 tunnel packet", head / outer(6) / Fragment(m=1, nh=41) / Raw(bytes(inner(6))[:64]), \
        "leave", "fragment"
    yield "an inner packet cut short", head / outer(4, proto=4) / Raw(bytes(inner(4))[:-1]), "drop", "malformed"
    yield "the other family inside", head / outer(4, proto=4) / Raw(bytes(inner(6))), "drop", "malformed"
    yield "nothing inside", head / outer(4, proto=4) / Raw(b"E" * 4), "drop", "malformed"
    yield "marked on the way", head / outer(4, tos=0x2b) / inner(4, tos=0x2a), head / inner(4, tos=0x2b), "unwrapped"
    yield "marked on the way, IPv6", head / outer(6, tc=0x2b) / inner(6, tc=0x29), head / inner(6, tc=0x2b), "unwrapped"
    yield "marked on the way, sender knows no marks", head / outer(4, tos=3) / inner(4), "drop", "congested"
    yield "marked on the way, sender knows no marks, IPv6", head / outer(4, tos=3) / inner(6), "drop", "congested"


def verify(program, home, packets):
    count = 0
    for name, frame, wanted, counter in cases(packets):
        if home is TC and "tagged" in name: # a tag is beside the frame there
            continue
        before = program.counters()
        action, after = program.run(home, frame)
        moved = {key: value - before[key] for key, value in program.counters().items() if value != before[key]}
        where = f"{home['program']}: {name}"
        demand(moved == ({counter: 1} if counter else {}), f"{where}: counted {moved}, not {counter}")
        if wanted in ("leave", "drop"):
            demand(action == home[wanted], f"{where}: returned {action} instead of {home[wanted]}")
            demand(wanted == "drop" or after == bytes(frame), f"{where}: the frame was changed")
        else:
            again = home is TC and bytes(frame)[12:14] != bytes(wanted)[12:14]
            demand(action == home["again" if again else "leave"], f"{where}: returned {action}")
            if home is TC and len(bytes(wanted)) < 54:    # lengthened, see AFTER_MIN
                after = after[:len(bytes(wanted))]
            demand(after == bytes(wanted), f"{where}: other bytes: {after.hex()}")
        count += 1
    print(f"{home['program']}: {count} packets")


def main():
    bpftool = shutil.which("bpftool") or shutil.which("bpftool", path="/usr/sbin")
    if os.geteuid() or not bpftool:
        tree.skip("needs root and bpftool")
    try:
        from scapy.all import IP, TCP, UDP, Dot1Q, Ether, IPv6, IPv6ExtHdrFragment, Raw
    except ImportError:
        tree.skip("not installed: python3-scapy")
    if len(sys.argv) == 2: # the mount below is this process's alone
        os.execvp("unshare", ["unshare", "--mount", sys.executable, *sys.argv, "inside"])
    with tempfile.TemporaryDirectory() as folder:
        program = Program(bpftool, folder, sys.argv[1])
        try:
            for (name, (most, most_walked)), walked in zip(LIMITS.items(), program.walked):
                size = program.size(name)
                print(f"{name}: {size} instructions, the verifier walked {walked}")
                demand(size <= most and walked <= most_walked, f"{name}: the limits are {most} and {most_walked}")
            for home in (XDP, TC):
                verify(program, home, (Ether, IP, IPv6, Dot1Q, TCP, UDP, Raw, IPv6ExtHdrFragment))
        finally:
            subprocess.run(["umount", program.pins.parent], check=True)


main()
