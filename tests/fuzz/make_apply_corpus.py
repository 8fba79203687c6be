#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes seeds for fuzz_apply: whole small states as it reads them, with changes, restarts and scribbles."""
import hashlib
import pathlib
import struct

OUT = pathlib.Path(__file__).resolve().parent / "corpus/apply"
RESET, SETTINGS, NEIGHBOR, POOL, BACKEND, TABLE, SERVICE, LISTENER, VIP, COMMIT = range(1, 11)
ADDR = bytes(10) + b"\xff\xff\xc0\x00\x02\x0a"


def record(kind, payload=b"", op=0, tail=b""):
    """One sealed record: its type, its operation, 88 bytes, and a table's rows."""
    return bytes([kind, op]) + payload.ljust(88, b"\0") + tail


def table(slots, kind=0):
    """A table of pool 0; the target takes 7 rows and as many more as `rows` says."""
    rows = b"".join(struct.pack("<H", slot) for slot in slots)
    return record(TABLE, struct.pack("<IIIIQQQQ", 0, kind, len(slots) - 7, 0, 0, 0, 0, 0), tail=rows.ljust(128, b"\0"))


def pool(lens_rows=0):
    """Pool 0 of 7 rows and 2 slots, with a lens of that many rows."""
    return struct.pack("<IIHBBHHHHIQQ", 0, 7, 2, 1, 0, 60, 60, 60, 0, lens_rows, 5, 6)


STATE = (record(RESET) + record(SETTINGS, bytes(range(36))) + record(NEIGHBOR, struct.pack("<IHH6sBB", 1, 0, 1500, b"\2abcde", 1, 0))
         + record(BACKEND, struct.pack("<IHBBII16s16s", 0, 1, 1, 0, 3, 1, ADDR, ADDR))
         + record(POOL, pool()) + table([1, 1, 0x7fff, 1, 0x8001, 1, 1])
         + record(SERVICE, struct.pack("<IIBBBB", 2, 0, 1, 0, 0, 0)) + record(LISTENER, struct.pack("<16sHBBI", ADDR, 80, 6, 0, 2))
         + record(VIP, struct.pack("<16sB", ADDR, 1)) + record(COMMIT))
CHANGE = record(BACKEND, struct.pack("<IHBBII16s16s", 0, 0, 3, 0, 4, 1, ADDR, bytes(16))) + table([0, 1, 0, 1, 0, 1, 0]) + record(COMMIT)
REMOVE = (record(VIP, struct.pack("<16sB", ADDR, 1), 1) + record(LISTENER, struct.pack("<16sHBBI", ADDR, 80, 6, 0, 2), 1)
          + record(SERVICE, struct.pack("<II", 2, 0), 1) + record(POOL, pool(), 1)
          + record(BACKEND, struct.pack("<IHBBII", 0, 1, 1, 0, 3, 1), 1) + record(COMMIT))
BASES = table([1] * 7, 1) + table([1, 0x7fff] * 3 + [1], 3) + record(COMMIT)
LENS = record(POOL, pool(11)) + table([1] * 11, 4) + table([0x7fff] * 10 + [1], 5) + record(COMMIT)
NO_BASES = record(TABLE, struct.pack("<II", 0, 1), 1) + record(TABLE, struct.pack("<II", 0, 3), 1) + record(COMMIT)
NO_LENS = record(TABLE, struct.pack("<II", 0, 4), 1) + record(POOL, pool()) + record(COMMIT)
SEEDS = [STATE, STATE + CHANGE, STATE + REMOVE, STATE + CHANGE + b"\xff" + CHANGE, CHANGE + STATE,
         STATE + bytes([0xd0, 1, 0, 0, 9]) + CHANGE, STATE + table([5] * 7) + record(COMMIT), STATE + STATE + CHANGE,
         STATE + record(COMMIT, struct.pack("<QQ", 5, 5), 0xf1), STATE + BASES + NO_BASES, STATE + LENS + NO_LENS,
         STATE + BASES + LENS + b"\xff" + CHANGE + NO_LENS + NO_BASES, STATE + LENS + REMOVE,
         STATE + LENS + record(POOL, pool(13)) + record(COMMIT), STATE + table([1] * 11, 4) + record(COMMIT)]


def main():
    """Names are hashes, as libFuzzer has them."""
    OUT.mkdir(parents=True, exist_ok=True)
    for seed in SEEDS:
        (OUT / hashlib.sha1(seed).hexdigest()[:16]).write_bytes(seed)


main()
