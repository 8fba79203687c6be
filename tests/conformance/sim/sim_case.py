# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of sluice-sim share: a configuration, flows, the reference's tables, and how it is run."""

import functools
import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest

SIM, ROOT = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))

import maglev_reference as reference  # noqa: E402

try:
    import logging
    logging.getLogger("scapy").setLevel(logging.ERROR)
    from scapy.layers.inet import ICMP, IP, TCP, UDP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.l2 import ARP, Ether
    from scapy.utils import PcapNgWriter, PcapReader
except ImportError as error:
    print(f"skipped: {error}; install python3-scapy")
    sys.exit(77)

START = 1700000000
CONFIG = """
interfaces: ["af_xdp:up0"]
checks:
  web: {type: http, path: /healthz}
pools:
  - name: web
    check: web
    backends:
      - {name: web1, address: 192.0.2.21}
      - {name: web2, address: 192.0.2.22}
      - {name: web3, address: 192.0.2.23, weight: 2}
services:
  - {name: www, listen: "tcp 192.0.2.10:80", pool: web, mode: l2}
  - name: six
    listen: "udp [2001:db8::10]:53"
    mode: ipip
    backends: ["10.0.0.5"]
"""
WEIGHTS = {"web1": 1, "web2": 1, "web3": 2}


def syn(i, **ip):
    """Packet i of a series of different flows to the VIP."""
    fields = {"src": f"198.51.100.{1 + i % 200}", "dst": "192.0.2.10", "ttl": 61, "id": i & 0xFFFF}
    fields.update(ip)
    return (Ether(src="02:aa:00:00:00:01", dst="02:ff:00:00:00:01") / IP(**fields) /
            TCP(sport=1024 + i // 200, dport=80, flags="S"))


def ack(i):
    """A later packet of that flow."""
    packet = syn(i)
    packet[TCP].flags = "A"
    return packet


@functools.lru_cache(None)
def frame(i):
    return bytes(syn(i))


@functools.lru_cache(None)
def table_of(*weights, key=reference.EXAMPLE_KEY):
    return reference.Table(dict(weights), key=key)


def table(weights=None, key=reference.EXAMPLE_KEY):
    """The reference's table; each is computed once."""
    return table_of(*sorted((weights or WEIGHTS).items()), key=key)


@functools.lru_cache(None)
def web_row(i):
    return reference.row_of(reference.EXAMPLE_KEY, 65537, f"198.51.100.{1 + i % 200}", "192.0.2.10", 6,
                            1024 + i // 200, 80)


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.write("c.yaml", CONFIG)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as out:
            out.write(text)
        return self.path(name)

    def capture(self, packets, name="in.pcap"):
        """Packets of scapy or their bytes, a millisecond apart."""
        if name.endswith("ng"):
            with PcapNgWriter(self.path(name)) as writer:
                for i, packet in enumerate(packets):
                    packet = Ether(packet)
                    packet.time = START + i / 1000
                    writer.write(packet)
            return
        with open(self.path(name), "wb") as file:
            file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))  # with nanoseconds
            for i, packet in enumerate(map(bytes, packets)):
                file.write(struct.pack("<IIII", START + i // 1000, i % 1000 * 1000000, len(packet), len(packet)) + packet)

    def sim(self, *more, scenario=None, status=0, source="in.pcap", config="c.yaml"):
        """Runs it; returns the verdicts and the packets that left. self.said is what it printed."""
        argv = [SIM, "--config", self.path(config), "--in", self.path(source), "--out", self.path("out.pcap"),
                "--verdicts", self.path("v.jsonl"), *more]
        if scenario is not None:
            argv += ["--scenario", self.write("s.yaml", scenario)]
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        self.said = done.stderr
        self.assertEqual(done.returncode, status, done.stderr)
        if not os.path.exists(self.path("v.jsonl")):
            return [], []
        with open(self.path("v.jsonl"), encoding="utf-8") as lines:
            verdicts = [json.loads(line) for line in lines]
        if status != 0:
            return verdicts, []
        with PcapReader(self.path("out.pcap")) as reader:
            return verdicts, [(packet.time, bytes(packet)) for packet in reader]
