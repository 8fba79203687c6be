# SPDX-License-Identifier: BSD-3-Clause
"""Frames that lie in several buffers: only the first is readable, the rest is there."""
from casebook import Casebook
from frames import *

CASES = c = Casebook()
big = eth() / ip4() / udp(80, 1400)
c.forward("l2 needs its headers in the first buffer, no more", big, l2(big), readable=42)
big = eth() / ip4() / udp(95, 4000)
c.forward("a tunnel needs its headers in the first buffer, no more", big, tunnel(big, False, 5, 2), readable=42, out_port=2)
big = eth() / ip6() / udp(102, 4000)
c.forward("an IPv6 tunnel needs its headers in the first buffer, no more", big, tunnel(big, True, 5, 2), readable=62, out_port=2)
big = eth() / ip4() / ICMP(id=1) / Raw(b"abc" * 400)
c.add("an echo reply needs its headers in the first buffer, no more", big, "echo_reply", echo_reply(big), readable=42)
c.add("ports that are not in the first buffer are truncated", eth() / ip4() / udp(80, 100), "drop_udp_truncated", readable=40)
c.add("an IP header that is not in the first buffer is truncated", eth() / ip4() / udp(80, 100), "drop_ip_truncated", readable=30)
big = eth() / ip4() / udp(83, 400)
c.add("an unreachable quotes what the first buffer holds", big, "reject_empty", unreachable(big, 100), readable=114)
c.add("an unreachable quotes an odd number of bytes", big, "reject_empty", unreachable(big, 101), readable=115)
big = eth() / ip4() / TCP(sport=4, dport=83, flags="F", seq=7) / Raw(b"z" * 900)
c.add("a RST counts the bytes of all buffers", big, "reject_empty", rst(big, seq=0, ack=908, flags="RA"), readable=54)
