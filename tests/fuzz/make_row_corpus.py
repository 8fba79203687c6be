#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes seeds for fuzz_row_file: rows files packed by hand, so that the layout is held by a second hand too."""
import hashlib
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent
HEADER = "<QIIQQIIIIQQQQqIIIIIIIiQ16s64s32x"


def slots(rows):
    """Slots as the file has them, padded to four bytes."""
    return struct.pack("<%dH" % len(rows), *rows) + b"\0\0" * (len(rows) % 2)


def names(pairs):
    """Names with a number each."""
    return b"".join(struct.pack("<64sI", name.encode(), number) for name, number in pairs)


def rows_file(rows, used=0, quiet=(), opened=((), (), ()), lens=(), lens_kinds=0, stale=0):
    """One file; the checksum is left to whoever reads it."""
    body = names([("web1", 0), ("web2", 1), ("web3", 4)]) + names([("www", 0), ("dns", 0x101)]) + slots(rows)
    body += b"".join(struct.pack("<Ii", *entry) for entry in quiet)
    body += b"".join(struct.pack("<IIi", *entry) for kind in opened for entry in kind)
    body += b"".join(slots(lens) for kind in range(3) if lens_kinds >> kind & 1)
    size = struct.calcsize(HEADER) + len(body) + 8
    header = struct.pack(HEADER, int.from_bytes(b"SLUCROWS", "little"), 1, struct.calcsize(HEADER), size, 77, 3, 3, 2,
                         len(rows), 1, 2, 3, 4, 4000, len(lens), lens_kinds, used, len(quiet),
                         *(len(kind) for kind in opened), stale, 5000, bytes(range(16)), b"web")
    return header + body + bytes(8)


def main():
    """A settled pool, an empty one, open rows, closed ones that LOOK, a lens of every kind, and no file at all."""
    rows = [0, 1, 4, 0, 1, 4, 0x7fff]
    seeds = [
        b"", rows_file(rows)[:240], rows_file(rows), rows_file([0x7fff] * 7, used=7),
        rows_file(rows, used=1, opened=(((0, 1, 3), (6, 0, -9)), (), ())),
        rows_file(rows * 3, used=7, quiet=((1, 4), (20, -5)), opened=(((0, 4, 2),), ((3, 1, 5), (4, 0, 1)), ((5, 1, 0),))),
        rows_file(rows, used=5, lens=[1, 4, 0x7fff, 0, 0, 1, 1, 1, 1, 4, 4], lens_kinds=5, stale=9),
    ]
    out = HERE / "corpus/row_file"
    out.mkdir(parents=True, exist_ok=True)
    for data in seeds:
        (out / hashlib.sha1(data).hexdigest()[:16]).write_bytes(data)


main()
