#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""
The comparison finds what is planted, makes it small, and writes what sluice-sim replays; and it prints one seed's
packets as often as one likes. Usage: test_equal.py EQUAL SLUICE_SIM [unittest options]
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

EQUAL, SIM = sys.argv[1:3]


class Equal(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.keep = os.path.join(self.folder.name, "difference")

    def equal(self, *more):
        done = subprocess.run([EQUAL, "--keep", self.keep, *more], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False)
        return done.returncode, done.stdout

    def find(self, plant, home="worker"):
        """What is planted is found; returns packets and changes of the smallest sequence."""
        code, said = self.equal("--seed", "7", "--packets", "50000", "--plant", plant, "--home", home)
        self.assertEqual(code, 1, said)
        small = re.search(r"smallest sequence that still shows it: (\d+) packets, (\d+) changes", said)
        self.assertIsNotNone(small, said)
        code, said = self.equal("--plant", plant, "--home", home, self.keep)
        self.assertEqual(code, 1, "its files show the difference again: " + said)
        self.assertIn("NOT equal", said)
        code, said = self.equal(self.keep)
        self.assertEqual(code, 0, "without the mistake there is none: " + said)
        done = subprocess.run([SIM, "--config", self.keep + "/sluice.yaml", "--scenario", self.keep + "/scenario.yaml",
                               "--in", self.keep + "/in.pcap", "--verdicts", "-"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len([json.loads(line) for line in done.stdout.splitlines()]), int(small[1]))
        return int(small[1]), int(small[2])

    def test_a_wrong_byte_is_found_with_one_packet(self):
        self.assertEqual(self.find("byte"), (1, 0))

    def test_a_connection_forgotten_at_a_change_is_found_with_two_packets_around_it(self):
        packets, changes = self.find("memory")
        self.assertLessEqual(packets, 3)
        self.assertTrue(1 <= changes <= 3, changes)

    @unittest.skipIf(os.geteuid() != 0, "XDP needs root")
    def test_mistakes_of_xdp_are_found(self):
        for plant in ("byte", "memory", "count"):
            packets, changes = self.find(plant, "xdp")
            self.assertLessEqual(packets, 3)
            self.assertLessEqual(changes, 3)

    def test_a_wrong_counter_is_found(self):
        packets, changes = self.find("count")
        self.assertLessEqual(packets, 3)
        self.assertLessEqual(changes, 1)

    def test_a_seed_is_always_the_same_packets(self):
        first, again, other = (self.equal("--packets", "5000", "--seed", seed)[1] for seed in ("5", "5", "6"))
        self.assertEqual(first, again)
        self.assertNotEqual(first.split("\n", 1)[1], other.split("\n", 1)[1])

    def test_without_a_seed_one_is_printed_that_repeats_the_run(self):
        code, said = self.equal("--packets", "3000")
        self.assertEqual(code, 0, said)
        seed = re.search(r"^seed (\d+)\n", said, re.M)[1]
        self.assertEqual(self.equal("--packets", "3000", "--seed", seed)[1], said)

    def test_wrong_use_is_told(self):
        for argv in (["--packets", "many"], ["--plant", "nothing"], ["--colour"]):
            self.assertEqual(self.equal(*argv)[0], 2, argv)
        self.assertEqual(self.equal("--home", "sweet")[0], 3)
        code, said = self.equal(self.folder.name + "/nowhere")
        self.assertEqual(code, 3)
        self.assertIn("nowhere", said)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
