#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""
sluice-sim from outside: captures made by scapy in, verdicts and bytes out. No root.
Usage: test_sim.py SLUICE_SIM SOURCE_ROOT [unittest options]
"""

import functools
import json
import os
import re
import resource
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


class Packets(Case):
    def test_every_packet_has_one_line_in_order_and_rows_and_backends_are_those_of_the_definition(self):
        self.capture([frame(i) for i in range(1000)])
        verdicts, out = self.sim()
        self.assertEqual([v["packet"] for v in verdicts], list(range(1, 1001)))
        self.assertEqual([v["row"] for v in verdicts], [web_row(i) for i in range(1000)])
        self.assertEqual([v["backend"] for v in verdicts], [table().backend(web_row(i)) for i in range(1000)])
        self.assertEqual({(v["verdict"], v["service"], v["pool"], v["tracked"], v["in"], v["out"]) for v in verdicts},
                         {("forward", "www", "web", False, "up0", "up0")})
        self.assertEqual(len(out), 1000)
        self.assertIn("no key file", self.said)

    def test_l2_changes_the_mac_addresses_and_nothing_else(self):
        packet = syn(7)
        self.capture([packet])
        verdicts, out = self.sim()
        mac = {"web1": "0200c0000215", "web2": "0200c0000216", "web3": "0200c0000217"}[verdicts[0]["backend"]]
        self.assertEqual(out[0][1], bytes.fromhex(mac + "02ff00000001") + bytes(packet)[12:])
        self.assertEqual(out[0][0], START)

    def test_a_tunnel_leaves_the_inner_packet_untouched_and_has_the_ports_address_as_source(self):
        packet = (Ether(src="02:aa:00:00:00:01", dst="02:ff:00:00:00:01") / IPv6(src="2001:db8::1", dst="2001:db8::10",
                  tc=0x28) / UDP(sport=5, dport=53) / b"question")
        self.capture([packet])
        verdicts, out = self.sim(scenario="ports: [{name: up0, mac: 02:00:00:00:00:99, addresses: 10.0.0.9/24}]\n"
                                          "neighbors: [{address: 10.0.0.5, mac: 02:00:00:00:00:55}]")
        inner = bytes(packet)[14:]
        outer = IP(src="10.0.0.9", dst="10.0.0.5", tos=0x28, flags="DF", id=0, ttl=64, proto=41) / inner
        self.assertEqual(out[0][1].hex(), (bytes.fromhex("020000000055" "020000000099" "0800") + bytes(outer)).hex())
        self.assertEqual(verdicts[0]["out_length"], verdicts[0]["length"] + 20)

    def test_what_is_not_for_a_service_is_named_and_does_not_leave(self):
        self.capture([Ether(src="02:aa:00:00:00:01", dst="02:ff:00:00:00:01") / ARP(),
                      syn(1, dst="192.0.2.99"), syn(2),
                      Ether(src="02:aa:00:00:00:01", dst="02:ff:00:00:00:01") / IP(src="198.51.100.1", dst="192.0.2.10") /
                      TCP(dport=81)])
        verdicts, out = self.sim()
        self.assertEqual([v["verdict"] for v in verdicts], ["to_kernel", "to_kernel", "forward", "drop_no_service"])
        self.assertEqual([v["out"] for v in verdicts], [None, None, "up0", None])
        self.assertEqual(len(out), 1)
        verdicts, _ = self.sim(scenario="ports: [{name: up0, kernel-path: false}]")
        self.assertEqual(verdicts[0]["verdict"], "drop_no_kernel_path")

    def test_an_echo_to_the_vip_is_answered(self):
        self.capture([Ether(src="02:aa:00:00:00:01", dst="02:ff:00:00:00:01") /
                      IP(src="198.51.100.1", dst="192.0.2.10") / ICMP(id=5, seq=6) / b"ping"])
        verdicts, out = self.sim()
        self.assertEqual(verdicts[0]["verdict"], "echo_reply")
        reply = Ether(out[0][1])
        self.assertEqual((reply.dst, reply[IP].src, reply[IP].dst, reply[ICMP].type, reply[ICMP].id),
                         ("02:aa:00:00:00:01", "192.0.2.10", "198.51.100.1", 0, 5))

    def test_pcapng_says_the_same_as_pcap(self):
        packets = [frame(i) for i in range(200)]
        self.capture(packets)
        plain = self.sim()
        self.capture(packets, "in.pcapng")
        self.assertEqual(self.sim(source="in.pcapng"), plain)

    def test_hash_source_looks_at_the_source_address_only(self):
        self.write("c.yaml", CONFIG.replace("pool: web, mode: l2", "pool: web, mode: l2, hash: source"))
        self.capture([frame(i) for i in range(400)])
        verdicts, _ = self.sim()
        self.assertEqual([v["row"] for v in verdicts],
                         [reference.row_of(reference.EXAMPLE_KEY, 65537, f"198.51.100.{1 + i % 200}", "192.0.2.10", 6, 0, 0,
                                           by_source=True) for i in range(400)])

    def test_streams_will_do_for_files(self):
        self.capture([frame(i) for i in range(50)])
        verdicts, _ = self.sim()
        with open(self.path("in.pcap"), "rb") as file:
            done = subprocess.run([SIM, "--config", self.path("c.yaml"), "--in", "-", "--verdicts", "-"], stdin=file,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
        self.assertEqual([json.loads(line) for line in done.stdout.splitlines()], verdicts)

    def test_another_key_is_another_table(self):
        self.capture([frame(i) for i in range(300)])
        before, _ = self.sim()
        key = self.write("hash.key", "00112233445566778899aabbccddeeff\n")
        os.chmod(key, 0o600)
        after, _ = self.sim("--key-file", key)
        other = table(key=struct.unpack("<QQ", bytes.fromhex("00112233445566778899aabbccddeeff")))
        self.assertEqual([v["backend"] for v in after], [other.backend(v["row"]) for v in after])
        self.assertNotEqual([v["row"] for v in before], [v["row"] for v in after])
        self.assertEqual(self.said, "")
        self.write("c2.yaml", CONFIG + f"hash-key-file: {key}\n")
        self.assertEqual(self.sim(config="c2.yaml")[0], after)
        os.chmod(key, 0o644)
        self.sim("--key-file", key, status=1)
        self.assertIn("others may read it", self.said)


class Changes(Case):
    def run_scenario(self, text, count=900):
        """Three hundred new connections, then as many others, and once more: what the tables of the time say."""
        self.capture([frame(i) for i in range(count)])
        verdicts, _ = self.sim(scenario=text)
        return [[v["backend"] for v in verdicts[at:at + 300]] for at in range(0, count, 300)]

    def test_a_failure_moves_the_dead_ones_rows_only_and_recovery_gives_them_back(self):
        before, during, after = self.run_scenario("events:\n  - {after: 300, down: web1}\n  - {after: 600, up: web1}")
        usual = [table().backend(web_row(i)) for i in range(900)]
        self.assertEqual(before + after, usual[:300] + usual[600:])
        self.assertEqual(during, [table().backend(web_row(i), down={"web1"}) for i in range(300, 600)])
        self.assertTrue(all(a == b for a, b in zip(usual[300:600], during) if a != "web1"))
        self.assertNotIn("web1", during)

    def test_drain_and_ready(self):
        before, during, after = self.run_scenario("events:\n  - {after: 300, drain: web/web2}\n"
                                                  "  - {after: 600, ready: web2}")
        self.assertEqual(before + after, [table().backend(web_row(i)) for i in [*range(300), *range(600, 900)]])
        self.assertNotIn("web2", during)

    def test_events_by_time_fall_between_the_packets_they_belong_to(self):
        _, during, after = self.run_scenario("events: [{at: 450ms, down: web1}]")  # a packet every millisecond
        self.assertIn("web1", during[:150])
        self.assertNotIn("web1", during[150:] + after)
        before, during, _ = self.run_scenario("time: 10ms\nevents: [{at: 1s, down: web1}]")
        self.assertIn("web1", before[:100])
        self.assertNotIn("web1", before[100:] + during)

    def test_weights_and_reloads_are_new_tables(self):
        smaller = CONFIG.replace("      - {name: web2, address: 192.0.2.22}\n", "")
        larger = CONFIG.replace("weight: 2}", "weight: 2}\n      - {name: web4, address: 192.0.2.24}")
        self.write("smaller.yaml", smaller)
        self.write("larger.yaml", larger)
        first, second, third = self.run_scenario("events:\n  - {after: 300, weight: {web1: 3, web2: 0}}\n"
                                                 "  - {after: 600, reload: smaller.yaml}")
        self.assertEqual(second, [table({"web1": 3, "web3": 2}).backend(web_row(i)) for i in range(300, 600)])
        self.assertEqual(third, [table({"web1": 1, "web3": 2}).backend(web_row(i)) for i in range(600, 900)])
        first, second, third = self.run_scenario("backends: {web1: down}\nevents:\n  - {after: 300, reload: larger.yaml}\n"
                                                 "  - {after: 600, reload: c.yaml}")
        grown = table({**WEIGHTS, "web4": 1})
        self.assertNotIn("web1", first + second + third)  # what the scenario said of it outlives a reload
        self.assertEqual(second, [grown.backend(web_row(i), down={"web1"}) for i in range(300, 600)])
        self.assertEqual(first + third, [table().backend(web_row(i), down={"web1"}) for i in [*range(300), *range(600, 900)]])

    def test_all_down_is_answered_as_the_pool_says(self):
        self.capture([syn(0), syn(1)])
        verdicts, out = self.sim(scenario="backends: {web1: down, web2: down}\nevents: [{after: 1, down: web3}]")
        self.assertEqual([v["verdict"] for v in verdicts], ["forward", "reject_empty"])
        self.assertEqual(Ether(out[1][1])[TCP].flags, "RA")
        self.assertEqual([v["generation"] for v in verdicts], sorted({v["generation"] for v in verdicts}))

    def test_next_hops_are_learnt_change_and_are_forgotten(self):
        self.capture([syn(0) for _ in range(4)])
        backend = table().backend(web_row(0))
        address = f"192.0.2.2{backend[-1]}"
        verdicts, out = self.sim(scenario=f"""
neighbors: [{{address: {address}, mac: none}}]
events:
  - {{after: 1, neighbor: {{address: {address}, mac: 02:00:00:00:00:01}}}}
  - {{after: 2, neighbor: {{address: {address}, mac: 02:00:00:00:00:02}}}}
  - {{after: 3, neighbor: {{address: {address}, mac: none}}}}
""")
        self.assertEqual([v["verdict"] for v in verdicts],
                         ["drop_no_neighbor", "forward", "forward", "drop_no_neighbor"])
        self.assertEqual([packet[:6].hex() for _, packet in out], ["020000000001", "020000000002"])

    def test_the_way_to_a_backend_follows_networks_and_gateways(self):
        self.write("c.yaml", CONFIG.replace('["af_xdp:up0"]', '["af_xdp:up0", "af_xdp:up1"]'))
        self.capture([Ether(src="02:aa:00:00:00:01", dst="02:ff:00:00:00:01") /
                      IPv6(src="2001:db8::1", dst="2001:db8::10") / UDP(dport=53) for _ in range(3)])
        verdicts, out = self.sim(scenario="""
ports:
  - {name: up0, addresses: [192.0.2.5/24]}
  - {name: up1, addresses: [172.16.0.5/16], gateway: 172.16.0.1}
neighbors: [{address: 172.16.0.1, mac: 02:00:00:00:00:77}]
events:
  - {after: 1, port: {name: up1, addresses: 172.16.0.6/16}}
  - {after: 2, port: {name: up1, gateway: []}}
""")
        self.assertEqual([(v["verdict"], v["out"]) for v in verdicts],
                         [("forward", "up1"), ("forward", "up1"), ("drop_no_neighbor", None)])
        self.assertEqual([Ether(p).dst for _, p in out], ["02:00:00:00:00:77"] * 2)
        self.assertEqual([Ether(p)[IP].src for _, p in out], ["172.16.0.5", "172.16.0.6"])

    def test_a_smaller_mtu_is_noticed(self):
        packet = syn(0, flags="DF") / (b"x" * 1400)
        self.capture([packet, packet])
        verdicts, _ = self.sim(scenario="events: [{after: 1, port: {name: up0, mtu: 1000}}]")
        self.assertEqual([v["verdict"] for v in verdicts], ["forward", "drop_too_big"])


class Remembered(Case):
    def said_of(self, packets, scenario=None, config="c.yaml"):
        """Of each packet: backend, whether a remembered connection answered, open, base, flow."""
        self.capture(packets)
        verdicts, _ = self.sim(scenario=scenario, config=config)
        return [(v["backend"], v["tracked"], v["open"], v["base"], v["flow"]) for v in verdicts]

    def test_a_service_that_always_tracks_remembers_from_the_first_packet_on(self):
        self.write("always.yaml", CONFIG.replace("mode: l2}", "mode: l2, tracking: always}"))
        first, again, more = self.said_of([syn(0), syn(0), ack(0)], config="always.yaml")
        backend = table().backend(web_row(0))
        self.assertEqual(first, (backend, False, False, None, ["stored_start"]))
        self.assertEqual(again, (backend, True, False, None, ["kept_start"]))
        self.assertEqual(more, (backend, True, False, None, ["found"]))

    def test_a_row_that_never_changed_asks_no_memory(self):
        self.assertEqual(self.said_of([syn(0)]), [(table().backend(web_row(0)), False, False, None, [])])
        self.assertEqual(self.said_of([syn(0, dst="192.0.2.99")]), [(None, False, None, None, [])])

    def test_a_probe_that_fails_for_a_moment_moves_starts_and_nothing_else(self):
        mine = [i for i in range(200) if table().backend(web_row(i)) == "web1"]
        old, silent, new = mine[:3]
        other = table().backend(web_row(new), down={"web1"})
        said = self.said_of([syn(old), syn(silent), ack(old), syn(new), ack(new), ack(silent), ack(old), ack(new)],
                            "events: [{after: 2, down: web1}, {after: 5, up: web1}]")
        self.assertEqual(said[0][:4], ("web1", False, False, None))
        self.assertEqual(said[2], ("web1", False, True, "web1", ["guess_base"]))  # lingers
        self.assertEqual(said[3], (other, False, True, "web1", ["stored_start"]))
        self.assertEqual(said[4], (other, True, True, "web1", ["found"]))
        self.assertEqual(said[5], ("web1", False, False, None, []))
        self.assertEqual(said[6], ("web1", True, False, None, ["found"]))
        self.assertEqual(said[7], (other, True, False, None, ["found"]))

    def test_an_added_backend_gets_starts_and_the_row_closes_after_its_window(self):
        self.write("larger.yaml", CONFIG.replace("weight: 2}", "weight: 2}\n      - {name: web4, address: 192.0.2.24}"))
        grown = table({**WEIGHTS, "web4": 1})
        moved = [i for i in range(300) if grown.backend(web_row(i)) == "web4"]
        old, silent, new, late = moved[:4]
        home = [table().backend(web_row(i)) for i in moved[:4]]
        said = self.said_of([syn(old), syn(silent), ack(old), syn(new), ack(old), ack(new), ack(silent), syn(late)],
                            "time: 20m\nevents: [{after: 2, reload: larger.yaml}]")
        self.assertEqual(said[2], (home[0], False, True, home[0], ["guess_base"]))
        self.assertEqual(said[3], ("web4", False, True, home[2], ["stored_start"]))
        self.assertEqual(said[4], (home[0], True, True, home[0], ["found"]))
        self.assertEqual(said[5], ("web4", True, False, None, ["found"]))  # an hour after the change
        self.assertEqual(said[6], ("web4", False, False, None, []))  # silent for longer than connection-idle: lost
        self.assertEqual(said[7], ("web4", False, False, None, []))

    def test_retire_and_removal_leave_old_connections_to_their_backend_as_long_as_it_is_there(self):
        mine = [i for i in range(200) if table().backend(web_row(i)) == "web2"]
        without = table({"web1": 1, "web3": 2})
        self.write("smaller.yaml", CONFIG.replace("      - {name: web2, address: 192.0.2.22}\n", ""))
        said = self.said_of([syn(mine[0]), ack(mine[0]), syn(mine[1]), ack(mine[0]), ack(mine[1])],
                            "events: [{after: 1, retire: web2}, {after: 3, reload: smaller.yaml}]")
        self.assertEqual(said[1][:4], ("web2", False, True, "web2"))
        self.assertEqual(said[2][:4], (without.backend(web_row(mine[1])), False, True, "web2"))
        self.assertEqual(said[3], (without.backend(web_row(mine[0])), False, False, None, ["lost"]))
        self.assertEqual(said[4][:2], (without.backend(web_row(mine[1])), True))

    def test_a_rotated_key_leaves_connections_where_they_are_for_a_window(self):
        os.chmod(self.write("next.key", "00112233445566778899aabbccddeeff\n"), 0o600)
        said = self.said_of([syn(i) for i in range(100)] + [ack(i) for i in range(100)],
                            "events: [{after: 100, key: next.key}]")
        for i in range(100):
            backend = table().backend(web_row(i))
            self.assertEqual(said[100 + i], (backend, False, True, backend, ["guess_base"]))

    def test_another_key_by_an_event(self):
        key = self.write("next.key", "00112233445566778899aabbccddeeff\n")
        os.chmod(key, 0o600)
        self.capture([frame(i) for i in range(600)])
        verdicts, _ = self.sim(scenario="events: [{after: 300, key: next.key}, {after: 400, reload: c.yaml}]")
        other = table(key=struct.unpack("<QQ", bytes.fromhex("00112233445566778899aabbccddeeff")))
        self.assertEqual([v["backend"] for v in verdicts[:300]], [table().backend(web_row(i)) for i in range(300)])
        self.assertEqual([v["backend"] for v in verdicts[300:]], [other.backend(v["row"]) for v in verdicts[300:]])
        self.assertNotEqual([v["row"] for v in verdicts[300:]], [web_row(i) for i in range(300, 600)])
        self.sim(scenario="events: [{after: 300, key: nowhere.key}]", status=1)
        self.assertIn("nowhere.key", self.said)


class Failures(Case):
    def test_a_truncated_capture_is_said_and_what_came_before_is_processed(self):
        self.capture([frame(i) for i in range(10)])
        for name in ("in.pcap", "in.pcapng"):
            self.capture([frame(i) for i in range(10)], name)
            with open(self.path(name), "rb") as file:
                whole = file.read()
            with open(self.path(name), "wb") as file:
                file.write(whole[:-20])
            verdicts, _ = self.sim(source=name, status=2)
            self.assertEqual(len(verdicts), 9)
            self.assertRegex(self.said, re.escape(name) + r": damaged after packet 9: .*; what came before was processed")

    def test_frames_captured_in_part_are_marked(self):
        whole = bytes(syn(0) / (b"x" * 500))
        with open(self.path("in.pcap"), "wb") as file:
            file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
            for keep in (len(whole), 96, 40):
                file.write(struct.pack("<IIII", START, 0, keep, len(whole)) + whole[:keep])
        verdicts, _ = self.sim()
        self.assertEqual([(v["verdict"], v["snapped"], v["length"]) for v in verdicts],
                         [("forward", False, len(whole)), ("forward", True, len(whole)),
                          ("drop_tcp_truncated", True, len(whole))])
        self.assertEqual(verdicts[0]["backend"], verdicts[1]["backend"])
        self.assertIn("2 packets were captured in part", self.said)
        with open(self.path("out.pcap"), "rb") as file:
            out = file.read()
        self.assertEqual(struct.unpack_from("<II", out, 24 + 16 + len(whole) + 8), (96, len(whole)))

    def test_what_is_no_ethernet_capture_is_refused(self):
        self.write("in.pcap", "hello")
        self.sim(status=2)
        self.assertRegex(self.said, "in.pcap: cannot be read as a capture: .*; needed: pcap or pcapng")
        with open(self.path("in.pcap"), "wb") as file:
            file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 96, 113))
        self.sim(status=2)
        self.assertIn("link type LINUX_SLL (113); needed: Ethernet", self.said)
        self.sim(status=2, source="missing.pcap")
        self.assertIn("No such file or directory", self.said)

    def test_wrong_names_in_events_are_refused_with_their_line(self):
        self.capture([syn(0), syn(1)])
        for text, said in (("events:\n - {after: 1, down: web9}", 'scenario:2: down: no pool has a backend "web9" now'),
                           ("events: [{after: 0, down: six/10.0.0.5}]", 'the backends of pool "six" are always up'),
                           ("events: [{after: 1, port: {name: up7}}]", 'port "up7" is not an interface'),
                           ("receive: up7", 'port "up7" is not an interface of the configuration; there are: up0'),
                           ("events: [{after: 1, reload: nowhere.yaml}]", "nowhere.yaml"),
                           ("evnts: []", 'did you mean "events"?')):
            self.sim(scenario=text, status=1)
            self.assertIn(said, self.said)
        self.write("c.yaml", CONFIG.replace("mode: l2", "mode: l3"))
        self.sim(status=1)
        self.assertRegex(self.said, r"c\.yaml:\d+:\d+: services.*mode")

    def test_events_that_never_came_are_said(self):
        self.capture([syn(0)])
        self.sim(scenario="events: [{after: 5, down: web1}, {at: 1h, up: web1}]")
        self.assertIn("2 events of the scenario were due after the last packet", self.said)

    def test_states_before_the_first_packet_need_no_packet(self):
        self.capture([])
        self.sim(scenario="backends: {web1: down, web2: drain}\nevents: [{after: 0, up: web3}]")
        self.assertNotIn("due after the last packet", self.said)
        self.sim(scenario="backends: {web1: down}\nevents: [{after: 1, up: web1}]")
        self.assertIn("1 event of the scenario was due after the last packet", self.said)
        self.sim(scenario="backends: {nobody: down}", status=1)
        self.assertIn('no pool has a backend "nobody"', self.said)

    def test_outputs_that_cannot_be_written_are_said(self):
        self.capture([frame(i) for i in range(300)])
        for option in ("--out", "--verdicts"):
            done = subprocess.run([SIM, "--config", self.path("c.yaml"), "--in", self.path("in.pcap"), option,
                                   "/dev/full"], stderr=subprocess.PIPE, text=True, check=False)
            self.assertEqual((done.returncode, "/dev/full: No space left on device" in done.stderr), (3, True), done.stderr)
        done = subprocess.run([SIM, "--config", self.path("c.yaml"), "--in", self.path("in.pcap"), "--out",
                               self.path("in.pcap")], stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("an output is the input file", done.stderr)
        done = subprocess.run([SIM, "--config", self.path("c.yaml"), "--in", self.path("in.pcap"), "--out", "-",
                               "--verdicts", "-"], stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("are the same file", done.stderr)

    def test_wrong_use_is_one_line(self):
        for argv, said in ((["--config", "x"], "--in is missing"), (["--in", "x"], "--config is missing"),
                           (["--frobnicate"], "unknown or ambiguous option"), (["--in"], "needs a file"),
                           (["--config", "x", "--in", "y", "z"], "no argument is expected")):
            done = subprocess.run([SIM, *argv], stderr=subprocess.PIPE, text=True, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(len(done.stderr.splitlines()), 1)
            self.assertIn(said, done.stderr)

    def test_help_and_manual_name_the_same_options(self):
        text = subprocess.run([SIM, "--help"], stdout=subprocess.PIPE, text=True, check=True).stdout
        with open(os.path.join(ROOT, "docs", "man", "sluice-sim.1"), encoding="utf-8") as file:
            manual = file.read().replace("\\", "")
        options = manual[manual.index(".SH OPTIONS"):manual.index(".SH VERDICTS")]
        self.assertEqual(re.findall(r"^  (--[a-z-]+)", text, re.M), re.findall(r"^\.BI? (--[a-z-]+)", options, re.M))


class Size(Case):
    def test_a_large_capture_is_streamed(self):
        frame = bytes(syn(0) / (b"x" * 1400))
        record = struct.pack("<IIII", START, 0, len(frame), len(frame)) + frame
        with open(self.path("in.pcap"), "wb") as file:
            file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
            for _ in range(64):
                file.write(record * 1000)
        done = subprocess.run([SIM, "--config", self.path("c.yaml"), "--in", self.path("in.pcap")], check=False,
                              stderr=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0)
        peak_kb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        self.assertGreater(os.path.getsize(self.path("in.pcap")), 90_000_000)
        self.assertLess(peak_kb, 64 * 1024)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
