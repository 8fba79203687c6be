#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""
sluice-sim from outside: captures made by scapy in, verdicts and bytes out. No root.
Usage: test_sim.py SLUICE_SIM SOURCE_ROOT [unittest options]
"""

import json
import os
import re
import resource
import struct
import subprocess
import sys
import unittest

from sim_case import (ARP, Case, CONFIG, Ether, frame, ICMP, IP, IPv6, reference,
                      ROOT, SIM, START, syn, table, TCP, UDP, web_row, WEIGHTS)


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
