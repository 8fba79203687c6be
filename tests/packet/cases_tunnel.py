# SPDX-License-Identifier: BSD-3-Clause
"""Mode ipip, all four combinations, every byte of the outer header."""
from scapy.layers.inet import IPOption_NOP

from casebook import Casebook
from frames import *

CASES = c = Casebook()

for name, dport, v6 in (("IPv4", 81, False), ("IPv6", 82, True)):
    for inner, head in (("IPv4", ip4), ("IPv6", ip6)):
        pair = "%s in %s" % (inner, name)
        one = eth() / head() / syn(dport)
        c.forward(pair + ": the packet is untouched behind an outer header", one, tunnel(one, v6))
        one = eth() / head() / udp(dport, 33)
        c.forward(pair + ": UDP with an odd length", one, tunnel(one, v6))
        one = eth() / Dot1Q(vlan=42, prio=2) / head() / syn(dport)
        c.forward(pair + ": the VLAN tag stays in front", one, tunnel(one, v6))
        one = eth(type=0x88a8) / Dot1Q(vlan=43, id=1) / head() / syn(dport)
        c.forward(pair + ": a 802.1ad tag stays in front", one, tunnel(one, v6))
        for tos in (0x03, 0xb8, 0xff):
            one = eth() / head(**{"tos" if inner == "IPv4" else "tc": tos}) / syn(dport)
            c.forward(pair + ": TOS 0x%02x is copied with its ECN bits" % tos, one, tunnel(one, v6))
        one = eth() / head(**{"ttl" if inner == "IPv4" else "hlim": 1}) / syn(dport)
        c.forward(pair + ": an inner TTL of 1 stays 1, the outer one is 64", one, tunnel(one, v6))
        one = eth() / head() / udp(dport, 1)
        c.forward(pair + ": padding behind the packet is cut off", bytes(one) + b"\x5a" * 17, tunnel(one, v6))
        for sport in (1, 2, 65535):
            one = eth() / head(**({"flags": 0} if inner == "IPv4" else {})) / UDP(sport=sport, dport=dport) / Raw(b"hello")
            c.forward(pair + ": the outer header varies with the flow of port %d" % sport, one, tunnel(one, v6))
        room = 1500 - (20 if name == "IPv4" else 40) - (28 if inner == "IPv4" else 48)
        one = eth() / head() / udp(dport, room)
        c.forward(pair + ": what fills the MTU exactly fits", one, tunnel(one, v6))
        one = eth() / head() / udp(dport, room + 1)
        c.add(pair + ": one byte more is too big", one, "drop_too_big", too_big(one, 1480 if name == "IPv4" else 1460))
        c.add(pair + ": without headroom it ends with a name", eth() / head() / syn(dport), "drop_no_room", headroom=19)
        exact = 20 if name == "IPv4" else 40
        one = eth() / head() / syn(dport)
        c.forward(pair + ": headroom of exactly the header is enough", one, tunnel(one, v6), headroom=exact)
        one = eth(1) / head() / syn(dport)
        c.forward(pair + ": arrived by another port", one, tunnel(one, v6), port=1)

for flags, ident in ((0, 0), (0, 0x1234), (0, 0xffff), ("DF", 0x1234), ("DF", 0), ("evil", 0x1234)):
    one = eth() / ip4(flags=flags, id=ident) / syn(81)
    c.forward("DF is copied from flags %s and identification %#06x" % (flags or "0", ident), one, tunnel(one))
one = eth() / ip4(options=[IPOption_NOP()] * 8) / syn(81)
c.forward("inner options travel inside, the outer header has none", one, tunnel(one))
one = eth() / ip6() / IPv6ExtHdrDestOpt() / syn(82)
c.forward("inner extension headers travel inside", one, tunnel(one, True))
one = eth() / ip6() / IPv6ExtHdrFragment(id=9) / syn(81)
c.forward("an atomic fragment travels inside", one, tunnel(one))
one = eth() / ip6(fl=0x54321) / syn(82)
c.forward("the inner flow label stays inside", one, tunnel(one, True))
one = eth() / ip4() / udp(96, 1352)
c.forward("a next hop with MTU 1400 takes 1400 bytes", one, tunnel(one, False, 6, 1), out_port=1)
one = eth() / ip4() / udp(96, 1353)
c.add("a next hop with MTU 1400 does not take 1401", one, "drop_too_big", too_big(one, 1380))
one = eth() / ip4() / udp(95, 8000)
c.forward("without any MTU a jumbo packet fits", one, tunnel(one, False, 5, 2), out_port=2)
one = eth() / ip4() / udp(95, 65535 - 48)
c.forward("65535 bytes with the outer header fit an IPv4 packet", one, tunnel(one, False, 5, 2), out_port=2)
one = eth() / ip4() / udp(95, 65535 - 47)
c.add("65536 bytes do not", one, "drop_too_big", too_big(one, 65515))
one = eth() / ip6() / udp(102, 65535 - 40 - 48)
c.forward("65535 bytes with the outer header fit an IPv6 packet", one, tunnel(one, True, 5, 2), out_port=2)
one = eth() / ip6() / udp(102, 65535 - 40 - 47)
c.add("65536 bytes do not fit an IPv6 packet", one, "drop_too_big", too_big(one, 65495))
c.add("a tunnel without its own address is not known yet", eth() / ip4() / syn(87), "drop_no_neighbor")
c.add("a tunnel whose own address is of the other family is not known", eth() / ip4() / syn(88), "drop_no_neighbor")
c.add("an IPv6 tunnel with an IPv4 source is not known", eth() / ip6() / syn(106), "drop_no_neighbor")
