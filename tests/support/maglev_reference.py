# SPDX-License-Identifier: BSD-3-Clause
"""
Rows and backends once more, in the plainest Python: SipHash-1-3, the Maglev fill with the credit rule, the
overlay. Written from design.md, not from the C: whoever agrees with it agrees with the definition.
"""

import ipaddress
import struct

MASK = (1 << 64) - 1
EXAMPLE_KEY = (0x0706050403020100, 0x0F0E0D0C0B0A0908)  # bytes 00 01 02 … 0f


def _rotate(x, bits):
    return ((x << bits) | (x >> (64 - bits))) & MASK


def siphash13(key, data):
    v = [key[0] ^ 0x736F6D6570736575, key[1] ^ 0x646F72616E646F6D,
         key[0] ^ 0x6C7967656E657261, key[1] ^ 0x7465646279746573]

    def sip_round():
        v[0] = (v[0] + v[1]) & MASK
        v[1] = _rotate(v[1], 13) ^ v[0]
        v[0] = _rotate(v[0], 32)
        v[2] = (v[2] + v[3]) & MASK
        v[3] = _rotate(v[3], 16) ^ v[2]
        v[0] = (v[0] + v[3]) & MASK
        v[3] = _rotate(v[3], 21) ^ v[0]
        v[2] = (v[2] + v[1]) & MASK
        v[1] = _rotate(v[1], 17) ^ v[2]
        v[2] = _rotate(v[2], 32)

    whole = len(data) // 8 * 8
    words = [word for (word,) in struct.iter_unpack("<Q", data[:whole])]
    words.append((len(data) & 0xFF) << 56 | int.from_bytes(data[whole:], "little"))
    for word in words:
        v[3] ^= word
        sip_round()
        v[0] ^= word
    v[2] ^= 0xFF
    for _ in range(3):
        sip_round()
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def mapped(address):
    address = ipaddress.ip_address(address)
    return address.packed if address.version == 6 else bytes(10) + b"\xff\xff" + address.packed


def row_of(key, rows, src, dst, proto, sport, dport, by_source=False):
    flow = mapped(src) + mapped(dst) + struct.pack("!HHB3x", sport, dport, proto)
    return (siphash13(key, flow[:16] if by_source else flow) & 0xFFFFFFFF) * rows >> 32


def fill(members, rows):
    """members: (offset, skip, weight) in canonical order; the index of each row's owner."""
    owner, credit, at = [None] * rows, [0] * len(members), [m[0] for m in members]
    heaviest, left = max(m[2] for m in members), rows
    while True:
        for i, (_, skip, weight) in enumerate(members):
            credit[i] += weight
            if credit[i] < heaviest:
                continue
            credit[i] -= heaviest
            while owner[at[i]] is not None:
                at[i] = (at[i] + skip) % rows
            owner[at[i]] = i
            left -= 1
            if left == 0:
                return owner


class Table:
    """Weights by name; `down` are the names that are not live. At least one must be live."""

    def __init__(self, weights, rows=65537, key=EXAMPLE_KEY):
        self.rows, self.key = rows, key
        order = sorted((siphash13(key, name.encode()), name) for name in weights)
        self.names = [name for _, name in order]
        self.owner = fill([((h & 0xFFFFFFFF) * rows >> 32, ((h >> 32) * (rows - 1) >> 32) + 1, weights[name])
                           for h, name in order], rows)

    def backend(self, row, down=()):
        if self.names[self.owner[row]] not in down:
            return self.names[self.owner[row]]
        for k in range(1, 33):
            again = (siphash13(self.key, struct.pack("<QQ", row, k)) & 0xFFFFFFFF) * self.rows >> 32
            if self.names[self.owner[again]] not in down:
                return self.names[self.owner[again]]
        while self.names[self.owner[row]] in down:
            row = (row + 1) % self.rows
        return self.names[self.owner[row]]
