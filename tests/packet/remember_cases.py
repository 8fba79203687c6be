#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every combination of packet, memory, row and pressure through the forwarding core, against rules.py.

remember_cases.py TEST_PACKET"""
import itertools
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import rules  # noqa: E402
from casebook import render  # noqa: E402
from rules import DOWN, DRAINING, GONE, INITIAL, LINGERING, NOBODY, OTHER_UP, SHORT, UP, quic, tcp  # noqa: E402

PACKETS = [("tcp", lambda v, p: tcp(v, p, "S"), {"starts": True}), ("tcp", lambda v, p: tcp(v, p, "A"), {}),
           ("tcp", lambda v, p: tcp(v, p, "A", b"x"), {"data": True}), ("tcp", lambda v, p: tcp(v, p, "FA"), {"end": True}),
           ("quic", lambda v, p: quic(v, p, INITIAL), {"starts": True}), ("quic", lambda v, p: quic(v, p, SHORT), {}),
           ("udp", lambda v, p: quic(v, p, b"hello"), {})]
SLOTS = [UP, DRAINING, LINGERING, DOWN, OTHER_UP, GONE]
FLAGS = [set(), {"closing"}, {"unconfirmed"}, {"closing", "unconfirmed"}]
ENTRIES = [None] + [(slot, flags, age) for slot in SLOTS for flags in FLAGS for age in (0, 10)]
BASES = [None] + SLOTS + [NOBODY]
PORTS = {("tcp", False): 91, ("udp", False): 91, ("quic", False): 107, ("tcp", True): 109, ("udp", True): 109,
         ("quic", True): 110}


def main():
    """Makes files of cases and has them replayed."""
    rows = [(base, None, UP) for base in BASES] + [(None, lens, UP) for lens in SLOTS + [NOBODY]]
    rows += [(base, None, NOBODY) for base in SLOTS]
    rows += [(base, lens, UP) for base in SLOTS[1:] for lens in (DOWN, GONE, NOBODY)]
    count, number, files = 0, 0, []
    with tempfile.TemporaryDirectory() as folder:
        for (kind, make, what), always in itertools.product(PACKETS, (False, True)):
            path = pathlib.Path(folder, "%d.case" % number)
            number += 1
            frames = {version: rules.Sent(make(version, PORTS[kind, always])) for version in (4, 6)}
            cases = []
            for entry, (base, lens, current), (pressure, full) in itertools.product(
                    ENTRIES, rows, ((False, False), (True, False), (False, True), (True, True))):
                frame = frames[4 + count % 2 * 2]
                verdict, out, keys = rules.case(frame, kind, entry=entry, base=base, lens=lens, current=current,
                                                pressure=pressure, full=full, always=always, **what)
                name = "%s %s always %s entry %s base %s lens %s current %s pressure %s full %s" % (
                    kind, what, always, entry, base, lens, current, pressure, full)
                cases.append(render({"name": name, "frame": frame.bytes, "verdict": verdict, "out": out, "extra": keys}))
                count += 1
            path.write_text("\n".join(cases))
            files.append(path)
        for path in files:
            done = subprocess.run([sys.argv[1], path], capture_output=True, text=True)
            if done.returncode == 77:
                print(done.stderr.strip())
                sys.exit(77)
            if done.returncode:
                lines = (done.stdout + done.stderr).splitlines()
                print("\n".join([line for line in lines if "OK ]" not in line and "RUN " not in line][:60]))
                sys.exit("what was chosen is not what rules.py says")
    print("%d combinations are as rules.py says" % count)


main()
