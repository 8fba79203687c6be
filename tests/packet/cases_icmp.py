# SPDX-License-Identifier: BSD-3-Clause
"""ICMP errors to a VIP reach the backend of the connection they quote; whatever else one may hold has its verdict."""
from scapy.layers.inet import IPOption_NOP
from scapy.layers.inet6 import PadN

import rules
import world
from casebook import Casebook
from frames import *
from rules import DOWN, DRAINING, GONE, LINGERING, NOBODY, OTHER_UP, UP

CASES = c = Casebook()
ALL = [(4, kind, word) for kind, word in ((3, "unreachable"), (11, "time exceeded"), (12, "parameter problem"))] + \
      [(6, kind, word) for kind, word in ((1, "unreachable"), (3, "time exceeded"), (4, "parameter problem"))]
TOO_BIG = {4: dict(kind=3, code=4), 6: dict(kind=2)}


def sent(version, sport=80, proto=TCP, size=1400, **fields):
    """A packet that a backend sent to a client, from the VIP."""
    head = IP(**{"src": world.VIP4, "dst": world.CLIENT4, "ttl": 60, "id": 99, "flags": "DF", **fields}) if version == 4 \
        else IPv6(**{"src": world.VIP6, "dst": world.CLIENT6, "hlim": 60, **fields})
    return head / proto(sport=sport, dport=40000) / Raw(bytes(i & 255 for i in range(size)))


def flow(version, dport, proto=6):
    """The hash of the connection that sent() belongs to, as its client's packets have it."""
    return world.flow_hash(world.CLIENT4 if version == 4 else world.CLIENT6, world.VIP4 if version == 4 else world.VIP6,
                           proto, 40000, dport)


def error(quoted, version, kind=3, code=0, rest=0, cut=548, link=None, **head):
    """A router's error as a frame; `cut` bytes are quoted."""
    return (link or eth()) / icmp_error(bytes(quoted)[:cut], kind, code, rest, version, **head)


def said(quoted, version, mtu, **more):
    """A router's too big."""
    return error(quoted, version, rest=mtu, **TOO_BIG[version], **more)


for version, kind, word in ALL:
    for code in (0, 1, 3, 255):
        if (version, kind, code) != (4, 3, 4):
            one = error(sent(version), version, kind, code)
            c.forward("ICMPv%d %s, code %d, follows its connection" % (version, word, code), one, l2(one))
for version in (4, 6):
    over = " in ICMPv%d" % version
    least = 28 if version == 4 else 48
    tcp, tagged = sent(version), eth() / Dot1Q(vlan=7, prio=2)
    for mtu in (1300, 1280, 1439) + ((0, 68, 576) if version == 4 else ()):
        one = said(tcp, version, mtu)
        c.forward("too big with MTU %d follows its connection" % mtu + over, one, l2(one))
    for mtu in ((1, 67, 65535) if version == 4 else (0, 68, 1279, 65536 + 1300, 0xffffffff)) + (1440 if version == 4 else 1460,):
        c.add("too big with MTU %d is absurd" % mtu + over, said(tcp, version, mtu), "drop_icmp_mtu")
    small = sent(version, size=0)
    c.add("too big about a packet that fits every link is absurd" + over, said(small, version, 1280), "drop_icmp_mtu")
    one = error(sent(version, proto=UDP), version, 3)
    c.forward("UDP is quoted" + over, one, l2(one))
    one = error(tcp, version, 3, cut=least)
    c.forward("eight bytes of the transport header are enough" + over, one, l2(one))
    for cut in sorted({least - 1, least - 4, least - 8, 20, 3, 0}):
        c.add("%d bytes of the packet are too few" % cut + over, error(tcp, version, 3, cut=cut), "drop_icmp_quote")
    one = error(tcp, version, 3, link=tagged)
    c.forward("a VLAN tag is no matter" + over, one, l2(one))
    for dport, v6 in ((81, False), (82, True)):
        for proto in (TCP, UDP):
            one = said(sent(version, dport, proto), version, 1300)
            c.forward("a %s connection's error goes through its tunnel to IPv%d" % (proto.__name__, 6 if v6 else 4) + over, one,
                      tunnel(one, v6, flow=flow(version, dport, 6 if proto is TCP else 17)))
    one = error(tcp, version, 3, code=1) if version == 6 else error(tcp, version, 11)
    raw = bytes(one)
    at = 34 if version == 4 else 54
    c.forward("padding behind it is no matter" + over, raw + b"\x5a" * 9, l2(raw + b"\x5a" * 9))
    for bit in (at + 2, at + 4, at + 8, len(raw) - 1):
        c.add("a wrong bit at byte %d is a wrong checksum" % (bit - at) + over, patch(raw, bit, [raw[bit] ^ 1]), "drop_icmp_checksum")
    c.add("what is not all in the first buffer has no right checksum" + over, raw, "drop_icmp_checksum", readable=len(raw) - 1)
    odd = error(tcp, version, 3, cut=least + 33)
    c.forward("an odd length has a right checksum" + over, odd, l2(odd))
    longest = error(sent(version, size=2000), version, 3, cut=1280 - (28 if version == 4 else 48))
    c.forward("1280 bytes are quoted at most" + over, longest, l2(longest))
    c.add("1281 bytes are no error of a router" + over, error(sent(version, size=2000), version, 3, cut=1281 - least), "drop_icmp_quote")
    other = {4: "192.0.2.11", 6: "2001:db8::11"}[version]
    c.add("a quoted packet that the VIP did not send is no connection" + over, error(sent(version, src=other), version, 3), "drop_icmp_error")
    all_ports = {4: "192.0.2.13", 6: "2001:db8::13"}[version]
    c.add("a quoted packet that another VIP with that port sent is no connection" + over, error(sent(version, src=all_ports), version, 3),
          "drop_icmp_error")
    c.add("what lies behind the packet is not quoted" + over, bytes(error(tcp, version, 3, cut=least - 4)) + bytes(tcp)[least - 4:],
          "drop_icmp_quote")
    c.add("a quoted port that no service has is no connection" + over, error(sent(version, 7), version, 3), "drop_icmp_error")
    kernel = {4: "192.0.2.12", 6: "2001:db8::12"}[version]
    c.add("at a VIP set to kernel it is the kernel's own connection" + over, error(sent(version, src=kernel), version, 3, dst=kernel), "to_kernel")
    icmp = ICMP(type=3) if version == 4 else ICMPv6DestUnreach()
    head = sent(version).copy()
    head.remove_payload()
    c.add("a quoted ICMP error is answered by nobody" + over, error(head / icmp / Raw(bytes(60)), version, 3), "drop_icmp_error")
    echo = ICMP(type=0) if version == 4 else ICMPv6EchoReply()
    c.add("a quoted echo reply is nobody's" + over, error(head / echo, version, 3), "drop_icmp_error")
    c.add("a quoted tunnel of the VIP is nobody's" + over, error(type(head)(**{**head.fields, "proto" if version == 4 else "nh": 4}) / bytes(40), version, 3),
          "drop_icmp_error")
    c.add("an empty pool has no backend for it" + over, error(sent(version, 83), version, 3), "drop_no_backend")
    c.add("an unknown next hop is named" + over, error(sent(version, 85), version, 3), "drop_no_neighbor")
    c.add("a source no router can have is named" + over, error(tcp, version, 3, src=world.VIP4 if version == 4 else world.VIP6),
          "drop_ip_source")
    raw = bytes(sent(version))
    c.add("another version in the quote cannot be read" + over, error(patch(raw, 0, [raw[0] ^ 0x20]), version, 3), "drop_icmp_quote")
    one = error(sent(version, 94), version, 3, cut=1200)
    c.forward("an error that fits leaves whole" + over, one, l2(one, 4))

for kind, word in ((4, "source quench"), (5, "redirect")):
    c.add("ICMP %s is of no use" % word, error(sent(4), 4, kind), "drop_icmp_error")
for kind in (0, 5, 100, 101, 127):
    c.add("ICMPv6 type %d is of no use" % kind, error(sent(6), 6, kind), "drop_icmp_error")

# IPv4 headers in the quote.
for words in (1, 5, 10):
    one = said(sent(4, options=[IPOption_NOP()] * (4 * words)), 4, 1300)
    c.forward("%d bytes of quoted options are walked over" % (4 * words), one, l2(one))
raw = bytes(sent(4))
c.add("a quoted header of 16 bytes cannot be read", error(patch(raw, 0, b"\x44"), 4), "drop_icmp_quote")
c.add("a quoted header that ends behind the quote cannot be read", error(patch(raw, 0, b"\x4f"), 4, cut=60), "drop_icmp_quote")
c.add("a quoted length below its header cannot be read", error(patch(raw, 2, b"\0\x13"), 4), "drop_icmp_quote")
c.add("a quoted length without eight bytes of transport cannot be read", error(patch(raw, 2, b"\0\x1b"), 4), "drop_icmp_quote")
one = error(patch(raw, 10, b"\xbe\xef"), 4)
c.forward("a quoted header's checksum is not judged: routers change the TTL", one, l2(one))
one = error(sent(4, flags="MF"), 4)
c.forward("a quoted first fragment has ports", one, l2(one))
c.add("a quoted later fragment has none", error(sent(4, flags="MF", frag=100), 4), "drop_icmp_fragment")
c.add("a quoted last fragment has none", error(sent(4, flags=0, frag=100), 4), "drop_icmp_fragment")

# IPv6 extension headers in the quote.
whole = sent(6)
body = whole.payload


def extended(*headers):
    """The quoted packet with extension headers."""
    packet = IPv6(src=world.VIP6, dst=world.CLIENT6, hlim=60)
    for header in headers:
        packet /= header
    return packet / body


for name, headers in (("destination options", [IPv6ExtHdrDestOpt()]), ("hop-by-hop options", [IPv6ExtHdrHopByHop()]),
                      ("eight headers", [IPv6ExtHdrDestOpt()] * 8), ("a routing header that ends there", [IPv6ExtHdrRouting(segleft=0)]),
                      ("an atomic fragment", [IPv6ExtHdrFragment(id=1)]), ("a first fragment", [IPv6ExtHdrFragment(id=1, m=1)]),
                      ("options in a first fragment", [IPv6ExtHdrFragment(id=1, m=1), IPv6ExtHdrDestOpt()])):
    one = said(extended(*headers), 6, 1300)
    c.forward("quoted %s are walked over" % name, one, l2(one))
for name, headers in (("nine headers", [IPv6ExtHdrDestOpt()] * 9), ("late hop-by-hop options", [IPv6ExtHdrDestOpt(), IPv6ExtHdrHopByHop()]),
                      ("a routing header on its way", [IPv6ExtHdrRouting(segleft=1, addresses=["2001:db8::9"])])):
    c.add("quoted %s cannot be read" % name, said(extended(*headers), 6, 1300), "drop_icmp_quote")
far = IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(220)), PadN(optdata=bytes(224))])
c.add("quoted headers beyond byte 512 cannot be read", error(extended(far), 6, 3, cut=1200), "drop_icmp_quote")
c.add("a quoted later IPv6 fragment has no ports", said(extended(IPv6ExtHdrFragment(id=1, offset=100, m=1)), 6, 1300), "drop_icmp_fragment")
c.add("a quoted header that ends behind the quote cannot be read, IPv6",
      error(patch(bytes(extended(IPv6ExtHdrDestOpt())), 41, b"\x20"), 6, 3, cut=120), "drop_icmp_quote")
c.add("quoted IPv4 addresses in IPv6 are nobody's", error(sent(6, dst="::ffff:198.51.100.7"), 6, 3), "drop_icmp_quote")
one = error(sent(6), 6, 3)
dest = eth() / IPv6(src="2001:db8:f::1", dst=world.VIP6) / IPv6ExtHdrDestOpt() / Raw(bytes(one[2]))
dest[IPv6ExtHdrDestOpt].nh = 58
c.forward("an ICMPv6 error behind destination options follows its connection", dest, l2(dest))

# Which row: by the connection's own key, the router's address is nothing.
for version in (4, 6):
    for sport in range(12):
        client = {4: "198.51.100.%d", 6: "2001:db8:c::%x"}[version] % (20 + sport)
        for service, by_source in ((97, True), (98, False)):
            key = world.flow_key(client, world.VIP4 if version == 4 else world.VIP6, 6, 40000, service)
            slot = (0, 1, 2, 3, 2, 1, 0)[world.row(key[:16] if by_source else key)]
            one = error(sent(version, service, dst=client), version, 3)
            neighbor, port = ((0, 0), (1, 1), (4, 0), (6, 1))[slot]
            c.forward("an error about %s's connection to port %d goes where that went" % (client, service), one,
                      l2(one, neighbor, port), slot=slot, out_port=port)

# What is remembered: an error reads, and changes nothing.
for version in (4, 6):
    for base in (None, OTHER_UP, DRAINING, LINGERING, DOWN, GONE, NOBODY):
        for entry in (None, (OTHER_UP, (), 20), (DRAINING, ("unconfirmed",), 20), (DOWN, (), 20), (UP, ("closing",), 5)):
            of = rules.tcp(version, 91, "A")
            verdict, out, keys = rules.case(rules.Sent(error(sent(version, 91), version, 3), of), "tcp", entry=entry, base=base)
            c.add("an error in ICMPv%d, base %s, remembered %s, stores nothing" % (version, base, entry),
                  error(sent(version, 91), version, 3), verdict, out, **keys)
