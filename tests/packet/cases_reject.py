# SPDX-License-Identifier: BSD-3-Clause
"""Answers to what has no backend or no service: RST by RFC 9293, port unreachable, and when there is none."""
from casebook import Casebook
from frames import *

CASES = c = Casebook()
EMPTY, REJECT4, REJECT6 = 83, "192.0.2.11", "2001:db8::11"


def tcp(flags, **fields):
    """A segment to the empty pool."""
    return TCP(sport=40000, dport=EMPTY, flags=flags, seq=0xfffffff0, ack=0x01020304, **fields)


for version, head in ((4, ip4), (6, ip6)):
    over = " over IPv%d" % version
    one = eth() / head() / tcp("S")
    c.add("a SYN is answered with RST and ACK of its sequence plus one" + over, one, "reject_empty",
          rst(one, seq=0, ack=0xfffffff1, flags="RA"))
    one = eth() / head() / tcp("S", options=[("MSS", 1460), ("WScale", 7)])
    c.add("a SYN's options do not count as data" + over, one, "reject_empty", rst(one, seq=0, ack=0xfffffff1, flags="RA"))
    one = eth() / head() / tcp("S") / Raw(b"early")
    c.add("data on a SYN is counted" + over, one, "reject_empty", rst(one, seq=0, ack=0xfffffff6, flags="RA"))
    one = eth() / head() / tcp("A")
    c.add("an ACK is answered with RST at the sequence it acknowledges" + over, one, "reject_empty",
          rst(one, seq=0x01020304, ack=0, flags="R"))
    one = eth() / head() / tcp("PA") / Raw(b"GET / HTTP/1.0\r\n\r\n")
    c.add("data with ACK is answered the same way" + over, one, "reject_empty", rst(one, seq=0x01020304, ack=0, flags="R"))
    one = eth() / head() / tcp("SA")
    c.add("a SYN with ACK is answered with RST only" + over, one, "reject_empty", rst(one, seq=0x01020304, ack=0, flags="R"))
    one = eth() / head() / tcp("FA")
    c.add("a FIN with ACK is answered with RST only" + over, one, "reject_empty", rst(one, seq=0x01020304, ack=0, flags="R"))
    one = eth() / head() / tcp("F") / Raw(b"bye")
    c.add("a FIN counts one, and its data" + over, one, "reject_empty", rst(one, seq=0, ack=0xfffffff4, flags="RA"))
    one = eth() / head() / tcp("SF")
    c.add("SYN and FIN count two" + over, one, "reject_empty", rst(one, seq=0, ack=0xfffffff2, flags="RA"))
    one = eth() / head() / tcp("") / Raw(b"0123456789abcdef!")
    c.add("the acknowledged sequence wraps around" + over, one, "reject_empty", rst(one, seq=0, ack=1, flags="RA"))
    one = eth() / head() / tcp("")
    c.add("a segment without flags is answered" + over, one, "reject_empty", rst(one, seq=0, ack=0xfffffff0, flags="RA"))
    for flags in ("R", "RA", "RS"):
        c.add("a segment with flags %s is never answered%s" % (flags, over), eth() / head() / tcp(flags), "drop_no_backend")
    c.add("a RST to a VIP set to reject is never answered" + over,
          eth() / head(dst=REJECT4 if version == 4 else REJECT6) / tcp("R"), "drop_no_service")
    one = eth() / head(dst=REJECT4 if version == 4 else REJECT6) / tcp("S")
    c.add("a VIP set to reject answers with RST" + over, one, "reject_no_service", rst(one, seq=0, ack=0xfffffff1, flags="RA"))
    one = eth() / Dot1Q(vlan=77, prio=7) / head() / tcp("S")
    c.add("a RST keeps the VLAN tag" + over, one, "reject_empty", rst(one, seq=0, ack=0xfffffff1, flags="RA"))
    one = eth() / head(**{"tos" if version == 4 else "tc": 0xbb}) / tcp("S")
    c.add("a RST keeps the DSCP and leaves the ECN bits out" + over, one, "reject_empty",
          rst(one, seq=0, ack=0xfffffff1, flags="RA"))
    one = eth() / head() / tcp("A") / Raw(b"x" * 1000)
    c.add("a RST is cut to its own length" + over, one, "reject_empty", rst(one, seq=0x01020304, ack=0, flags="R"))
    one = eth() / head() / tcp("A")
    c.add("padding is no data" + over, bytes(one) + b"\0" * 6, "reject_empty", rst(one, seq=0x01020304, ack=0, flags="R"))
    one = eth() / head() / tcp("F")
    c.add("padding does not count in the sequence" + over, bytes(one) + b"\0" * 6, "reject_empty",
          rst(one, seq=0, ack=0xfffffff1, flags="RA"))
    c.add("an answer over the rate is named" + over, eth() / head() / tcp("S"), "drop_reply_limited", replies=0)
    c.add("a datagram's answer over the rate is named" + over, eth() / head() / udp(EMPTY), "drop_reply_limited", replies=0)
    c.add("a RST takes nothing from the rate" + over, eth() / head() / tcp("R", window=1), "drop_no_backend", replies=0)
    c.add("a SYN to a group MAC address is answered from the port's own" + over,
          eth(dst="01:00:5e:00:00:01") / head() / tcp("S"), "reject_empty",
          rst(eth() / head() / tcp("S"), seq=0, ack=0xfffffff1, flags="RA"))
    c.add("a datagram to a group MAC address is not answered" + over, eth(dst="01:00:5e:00:00:01") / head() / udp(EMPTY),
          "drop_no_backend")
    c.add("a datagram from a group MAC address is not answered" + over, eth(src="01:00:5e:00:00:01") / head() / udp(EMPTY),
          "drop_no_backend")
    one = eth(1) / head() / tcp("S")
    c.add("a RST leaves by the port the segment came in by" + over, one, "reject_empty",
          rst(one, seq=0, ack=0xfffffff1, flags="RA"), port=1, out_port=1)
    one = eth() / head() / TCP(sport=40000, dport=89, flags="S", seq=5)
    c.add("a row whose backend drains has none for a start" + over, one, "reject_empty", rst(one, seq=0, ack=6, flags="RA"))
    one = eth() / head() / TCP(sport=40000, dport=103, flags="S", seq=5)
    c.add("a row whose backend is down has none" + over, one, "reject_empty", rst(one, seq=0, ack=6, flags="RA"))

    whole = 576 - 56 if version == 4 else 1280 - 96
    for size in (0, 1, 2, 33, whole - 1, whole, whole + 1, 1400):
        one = eth() / head() / udp(EMPTY, size)
        c.add("a datagram of %d bytes is answered with port unreachable%s" % (size, over), one, "reject_empty", unreachable(one))
    one = eth() / Dot1Q(vlan=77) / head(dst=REJECT4 if version == 4 else REJECT6) / udp(53, 40)
    c.add("a VIP set to reject answers a tagged datagram" + over, one, "reject_no_service", unreachable(one))
    one = eth() / head() / udp(EMPTY, 3)
    c.add("padding is not quoted" + over, bytes(one) + b"\x5a" * 9, "reject_empty", unreachable(one))
    c.add("an unreachable without headroom ends with a name" + over, eth() / head() / udp(EMPTY), "drop_no_room",
          headroom=27)
    one = eth() / head(dst=REJECT4 if version == 4 else REJECT6, **{"proto" if version == 4 else "nh": 132}) / Raw(b"\0" * 12)
    c.add("another protocol to a VIP set to reject is answered with port unreachable" + over, one, "reject_no_service",
          unreachable(one))
one = eth() / ip6() / IPv6ExtHdrDestOpt() / udp(EMPTY, 5)
c.add("extension headers are quoted", one, "reject_empty", unreachable(one))
one = eth() / ip6() / IPv6ExtHdrDestOpt() / tcp("S")
c.add("a RST has no extension headers", one, "reject_empty", rst(one, seq=0, ack=0xfffffff1, flags="RA"))
