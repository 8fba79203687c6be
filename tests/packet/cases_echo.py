# SPDX-License-Identifier: BSD-3-Clause
"""ICMP to a VIP: echo is answered, neighbour discovery is the kernel's."""
from scapy.layers.inet import IPOption_NOP, IPOption_RR

from casebook import Casebook
from frames import *

CASES = c = Casebook()
ping4 = eth() / ip4() / ICMP(id=77, seq=3) / Raw(b"abcdefgh" * 7)
ping6 = eth() / ip6() / ICMPv6EchoRequest(id=77, seq=3, data=b"abcdefgh" * 7)

c.add("an echo request to a VIP is answered", ping4, "echo_reply", echo_reply(ping4))
c.add("an IPv6 echo request to a VIP is answered", ping6, "echo_reply", echo_reply(ping6))
for dst4, dst6, word in (("192.0.2.11", "2001:db8::11", "reject"), ("192.0.2.12", "2001:db8::12", "kernel")):
    one = eth() / ip4(dst=dst4) / ICMP(id=1) / Raw(b"x")
    c.add("a VIP set to %s answers echo requests" % word, one, "echo_reply", echo_reply(one))
    one = eth() / ip6(dst=dst6) / ICMPv6EchoRequest(id=1, data=b"x")
    c.add("a VIP set to %s answers IPv6 echo requests" % word, one, "echo_reply", echo_reply(one))
for size in (0, 1, 1472):
    one = eth() / ip4() / ICMP(id=5, seq=size) / Raw(bytes(i & 255 for i in range(size)))
    c.add("an echo request with %d bytes is answered" % size, one, "echo_reply", echo_reply(one))
one = eth(1) / ip4() / ICMP(id=1)
c.add("an echo reply leaves by the port the request came in by", one, "echo_reply", echo_reply(one), port=1, out_port=1)
one = eth() / Dot1Q(vlan=12, prio=1) / ip4() / ICMP(id=1) / Raw(b"data")
c.add("an echo reply keeps the VLAN tag", one, "echo_reply", echo_reply(one))
one = eth() / Dot1Q(vlan=12) / ip6() / ICMPv6EchoRequest(data=b"data")
c.add("an IPv6 echo reply keeps the VLAN tag", one, "echo_reply", echo_reply(one))
for option in ([IPOption_NOP()] * 4, [IPOption_RR(routers=["0.0.0.0"] * 2)], [IPOption_NOP()] * 40):
    one = eth() / ip4(options=option) / ICMP(id=1) / Raw(b"data")
    c.add("an echo reply keeps %d bytes of options" % (len(bytes(one)) - 46), one, "echo_reply", echo_reply(one))
for ttl in (1, 64, 255):
    one = eth() / ip4(ttl=ttl) / ICMP(id=1)
    c.add("an echo reply to TTL %d has TTL 64" % ttl, one, "echo_reply", echo_reply(one))
    one = eth() / ip6(hlim=ttl) / ICMPv6EchoRequest(id=1)
    c.add("an echo reply to hop limit %d has hop limit 64" % ttl, one, "echo_reply", echo_reply(one))
for size in range(20):
    one = eth() / ip4(id=size * 3000) / ICMP(id=size * 3001, seq=size * 777) / Raw(b"\xf7\xff" * size)
    c.add("checksums stay right whatever their value, case %d" % size, one, "echo_reply", echo_reply(one))
one = eth() / ip4(tos=0xb8, flags=0, id=0) / ICMP(id=1)
c.add("an echo reply keeps TOS, flags and identification", one, "echo_reply", echo_reply(one))
one = eth() / ip6(tc=0xb8, fl=0x12345) / ICMPv6EchoRequest(id=1)
c.add("an echo reply keeps traffic class and flow label", one, "echo_reply", echo_reply(one))
one = eth() / ip6() / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / ICMPv6EchoRequest(id=1, data=b"12345")
c.add("an echo reply keeps hop-by-hop and destination options", one, "echo_reply", echo_reply(one))
one = eth() / ip6() / IPv6ExtHdrFragment(id=3) / ICMPv6EchoRequest(id=1, data=b"12345")
c.add("an echo request in an atomic fragment is answered", one, "echo_reply", echo_reply(one))
c.add("an echo request behind a routing header is not answered",
      eth() / ip6() / IPv6ExtHdrRouting(segleft=0, addresses=["::5"]) / ICMPv6EchoRequest(), "drop_no_service")
c.add("an echo request behind an authentication header is not answered",
      eth() / ip6(nh=51) / Raw(b"\x3a\x04" + b"\0" * 22 + bytes(ICMPv6EchoRequest(cksum=0))), "drop_no_service")
padded = bytes(eth() / ip4() / ICMP(id=1)) + b"\x5a" * 18
c.add("an echo reply keeps the frame's padding", padded, "echo_reply",
      bytes(echo_reply(eth() / ip4() / ICMP(id=1))) + b"\x5a" * 18)
c.add("an echo reply needs no rate", ping4, "echo_reply", echo_reply(ping4), replies=0)
c.add("an echo reply needs no headroom", ping4, "echo_reply", echo_reply(ping4), headroom=0)
for word, group in (("a group", "01:00:5e:00:00:01"), ("the broadcast", "ff:ff:ff:ff:ff:ff")):
    c.add("an echo request to %s MAC address is answered from the port's own" % word,
          eth(dst=group) / ip4() / ICMP(id=1), "echo_reply", echo_reply(eth() / ip4() / ICMP(id=1)))
c.add("an echo request that is not for a VIP is the kernel's", eth() / ip4(dst="192.0.2.1") / ICMP(), "to_kernel")

for kind in (0, 13, 17, 30, 42):
    c.add("ICMP type %d to a VIP is no service" % kind, eth() / ip4(proto=1) / Raw(bytes([kind]) + b"\0" * 19), "drop_no_service")
for kind in (130, 131, 132, 133, 134, 135, 136, 137, 143):
    c.add("ICMPv6 type %d to a VIP is the kernel's" % kind, eth() / ip6(nh=58) / Raw(bytes([kind]) + b"\0" * 23), "to_kernel")
for kind in (129, 138, 142, 144, 255):
    c.add("ICMPv6 type %d to a VIP is no service" % kind, eth() / ip6(nh=58) / Raw(bytes([kind]) + b"\0" * 7), "drop_no_service")
c.add("other ICMP to a VIP set to kernel is the kernel's", eth() / ip4(dst="192.0.2.12", proto=1) / Raw(b"\x0d" + b"\0" * 19), "to_kernel")
c.add("other ICMP to a VIP set to reject is not answered", eth() / ip4(dst="192.0.2.11", proto=1) / Raw(b"\x0d" + b"\0" * 19),
      "drop_no_service")
c.add("a neighbour solicitation to a VIP on a port without a kernel path is named",
      eth(1) / ip6(nh=58) / Raw(b"\x87" + b"\0" * 23), "drop_no_kernel_path", port=1)
