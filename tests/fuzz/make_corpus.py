#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes seeds for fuzz_forward from the packet cases: four bytes of situation, then the frame."""
import hashlib
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
LONGEST = 220


def main():
    """Every fourth short case of each file; names are their hashes, as libFuzzer has them."""
    out = HERE / "corpus/forward"
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted((HERE.parent / "packet/cases").glob("*.case")):
        frames = [line[4:] for line in path.read_text().splitlines() if line.startswith("in: ")]
        for frame in frames[::4]:
            data = b"\0\x40\0\0" + bytes.fromhex(frame)
            if len(data) <= LONGEST:
                (out / hashlib.sha1(data).hexdigest()[:16]).write_bytes(data)


main()
