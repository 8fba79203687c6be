# SPDX-License-Identifier: BSD-3-Clause
"""The configuration of world.c, said again for the independent side, and its own SipHash-1-3."""
import ipaddress
import struct

PORT_MAC = ["02:00:00:00:00:a0", "02:00:00:00:00:a1", "02:00:00:00:00:a2"]
NEIGHBOR_MAC = ["02:00:00:00:0b:%02x" % i for i in range(7)]
CLIENT_MAC = "02:00:00:00:00:c1"
VIP4, VIP6 = "192.0.2.10", "2001:db8::10"
CLIENT4, CLIENT6 = "198.51.100.7", "2001:db8:c::7"
OUTER4 = {"src": "10.0.0.254", "dst": "10.0.0.1"}
OUTER6 = {"src": "2001:db8:b::fe", "dst": "2001:db8:b::1"}
HASH_KEY = bytes(range(16))
LENS_KEY = bytes(range(32, 48))
FLOW_KEY = bytes(range(16, 32))
MASK = (1 << 64) - 1


def siphash13(key, data):
    """SipHash with one compression round and three at the end, written from the paper."""
    k0, k1 = struct.unpack("<QQ", key)
    v = [k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573]

    def rotl(x, b):
        return ((x << b) | (x >> (64 - b))) & MASK

    def rounds(n):
        for _ in range(n):
            v[0] = (v[0] + v[1]) & MASK
            v[2] = (v[2] + v[3]) & MASK
            v[1] = rotl(v[1], 13) ^ v[0]
            v[3] = rotl(v[3], 16) ^ v[2]
            v[0] = rotl(v[0], 32)
            v[2] = (v[2] + v[1]) & MASK
            v[0] = (v[0] + v[3]) & MASK
            v[1] = rotl(v[1], 17) ^ v[2]
            v[3] = rotl(v[3], 21) ^ v[0]
            v[2] = rotl(v[2], 32)

    padded = data + b"\0" * (7 - len(data) % 8) + bytes([len(data) & 255])
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        rounds(1)
        v[0] ^= word
    v[2] ^= 0xff
    rounds(3)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def addr16(text):
    """The 16 bytes of an address, IPv4 mapped."""
    ip = ipaddress.ip_address(text)
    return b"\0" * 10 + b"\xff\xff" + ip.packed if ip.version == 4 else ip.packed


def flow_key(src, dst, proto, sport, dport):
    """The 40 bytes that identify a flow."""
    return addr16(src) + addr16(dst) + struct.pack("!HHB3x", sport, dport, proto)


def flow_hash(*flow):
    """What tunnels take their identification and flow label from."""
    return siphash13(FLOW_KEY, flow_key(*flow))


def row(data, rows=7):
    """The row of a hash input."""
    return ((siphash13(HASH_KEY, data) & 0xffffffff) * rows) >> 32


def lens_row(data, rows):
    """The row of a hash input through the lens."""
    return ((siphash13(LENS_KEY, data) & 0xffffffff) * rows) >> 32
