#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""
sluice-sim from outside: fragments follow their first one, and what outgrows a tunnel leaves in parts.
Usage: test_sim_fragments.py SLUICE_SIM SOURCE_ROOT [unittest options]
"""

import sys
import unittest

from sim_case import Case, Ether, IP, UDP

CONFIG = """
interfaces: ["af_xdp:up0"]
pools:
  - name: web
    backends:
      - {name: web1, address: 192.0.2.21}
      - {name: web2, address: 192.0.2.22}
services:
  - {name: here, listen: "udp 192.0.2.10:53", pool: web, mode: l2}
  - {name: far, listen: "udp 192.0.2.10:54", pool: web, mode: ipip}
"""
MTU = """
ports: [{name: up0, mac: 02:00:00:00:00:99, mtu: 1500, addresses: 192.0.2.1/24}]
neighbors: [{address: 192.0.2.21, mac: 02:00:00:00:00:21}, {address: 192.0.2.22, mac: 02:00:00:00:00:22}]
"""


def pieces(sport, dport=53, size=8000, ident=1):
    """The fragments of one datagram, as a sender with an MTU of 1500 makes them."""
    body = bytes(UDP(sport=sport, dport=dport, len=size + 8, chksum=0) / bytes(i & 255 for i in range(size)))
    return [Ether(src="02:aa:00:00:00:01", dst="02:00:00:00:00:99") /
            IP(src="198.51.100.1", dst="192.0.2.10", proto=17, id=ident, frag=at // 8,
               flags="MF" if at + 1480 < len(body) else 0) / body[at:at + 1480] for at in range(0, len(body), 1480)]


class Fragments(Case):
    def setUp(self):
        super().setUp()
        self.write("c.yaml", CONFIG)

    def test_each_datagram_stays_together(self):
        self.capture([frame for sport in range(1, 60) for frame in pieces(sport, ident=sport)])
        verdicts, _ = self.sim(scenario=MTU)
        self.assertEqual({v["verdict"] for v in verdicts}, {"forward"})
        chosen = [{v["backend"] for v in verdicts[at:at + 6]} for at in range(0, len(verdicts), 6)]
        self.assertTrue(all(len(backends) == 1 for backends in chosen))
        self.assertEqual(set().union(*chosen), {"web1", "web2"})

    def test_a_later_fragment_does_not_wait_here(self):
        frames = pieces(1)
        self.capture(frames[1:] + frames[:1])
        verdicts, _ = self.sim(scenario=MTU)
        self.assertEqual([v["verdict"] for v in verdicts], ["drop_fragment_early"] * 5 + ["forward"])

    def test_a_later_fragment_waits_where_the_scenario_says_so(self):
        frames = pieces(1)
        self.capture(frames[1:] + frames[:1])
        verdicts, out = self.sim(scenario=MTU + "early-fragments: wait\n")
        self.assertEqual([v["packet"] for v in verdicts], [6, 1, 2, 3, 4, 5])  # each when its verdict is known
        self.assertEqual({v["verdict"] for v in verdicts}, {"forward"})
        self.assertEqual([Ether(data)[IP].frag * 8 // 1480 for _, data in out], [0, 1, 2, 3, 4, 5])
        self.assertEqual([round(time * 1000) % 1000 for time, _ in out], [5, 0, 1, 2, 3, 4])

    def test_what_waited_in_vain_is_dropped_when_its_time_is_over(self):
        early, others = pieces(1)[1], [frame for sport in range(2, 250) for frame in pieces(sport, size=100, ident=sport)]
        self.capture([early] + others)
        verdicts, _ = self.sim(scenario=MTU + "early-fragments: wait\n")
        self.assertEqual([v["packet"] for v in verdicts[:199]], list(range(2, 201)))
        self.assertEqual((verdicts[199]["packet"], verdicts[199]["verdict"]), (1, "drop_fragment_early"))

    def test_what_waits_at_the_end_is_dropped(self):
        self.capture(pieces(1)[1:])
        verdicts, _ = self.sim(scenario=MTU + "early-fragments: wait\n")
        self.assertEqual([v["verdict"] for v in verdicts], ["drop_fragment_early"] * 5)

    def test_early_fragments_neither_wait_nor_drop_is_refused(self):
        self.capture(pieces(1))
        self.sim(scenario=MTU + "early-fragments: hold\n", status=1)
        self.assertIn("allowed: drop or wait", self.said)

    def test_parts_of_a_datagram_that_outgrows_its_tunnel_make_the_datagram_again(self):
        frames = pieces(1, 54)
        self.capture(frames)
        verdicts, out = self.sim(scenario=MTU)
        self.assertEqual([v["out_frames"] for v in verdicts], [2] * 5 + [1])
        self.assertEqual(sum(v["out_length"] for v in verdicts), sum(len(data) for _, data in out))
        body = bytearray(8008)
        for _, data in out:
            self.assertLessEqual(len(data), 1514)
            inner = Ether(data)[IP].payload
            body[inner.frag * 8:inner.frag * 8 + inner.len - 20] = bytes(inner.payload)
        self.assertEqual(bytes(body), b"".join(bytes(frame[IP].payload) for frame in frames))

    def test_what_outgrows_its_tunnel_is_dropped_where_nothing_may_be_split(self):
        self.capture(pieces(1, 54))
        verdicts, out = self.sim(scenario=MTU + "split: false\n")
        self.assertEqual([v["verdict"] for v in verdicts], ["drop_too_big"] * 6)
        self.assertEqual(out, [])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
