#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes seeds for fuzz_forward from the packet cases: four bytes of situation, then the frame."""
import hashlib
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
LONGEST = 220
ERRORS, LONGEST_ERROR = ("icmp", "too_big"), 700  # an ICMP error quotes a packet


def main():
    """Every fourth short case of each file, fewer of the long ones; names are their hashes, as libFuzzer has them."""
    out = HERE / "corpus/forward"
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted((HERE.parent / "packet/cases").glob("*.case")):
        frames = [line[4:] for line in path.read_text().splitlines() if line.startswith("in: ")]
        for frame in frames[::12 if path.stem in ERRORS else 4]:
            data = b"\0\x40\0\0" + bytes.fromhex(frame)
            if len(data) <= (LONGEST_ERROR if path.stem in ERRORS else LONGEST):
                (out / hashlib.sha1(data).hexdigest()[:16]).write_bytes(data)


main()
