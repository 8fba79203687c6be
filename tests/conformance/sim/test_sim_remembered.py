#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""
sluice-sim while rows change: where old and new connections go, and what the verdict lines say of it.
Usage: test_sim_remembered.py SLUICE_SIM SOURCE_ROOT [unittest options]
"""

import os
import struct
import sys
import unittest

from sim_case import ack, Case, CONFIG, frame, syn, table, web_row, WEIGHTS


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


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
