# SPDX-License-Identifier: BSD-3-Clause
"""Ethernet: tags, lengths, what is not IP, padding."""
from casebook import Casebook
from frames import *

CASES = c = Casebook()
frame = eth() / ip4() / syn()

c.forward("l2 sets both MAC addresses and changes nothing else", frame, l2(frame))
c.forward("l2 sends IPv6 the same way", eth() / ip6() / syn(), l2(eth() / ip6() / syn()))
c.forward("l2 leaves by the neighbor's port with that port's MAC", eth() / ip4() / syn(101),
          l2(eth() / ip4() / syn(101), 1, 1), out_port=1)
c.forward("a packet that came in by another port leaves by the neighbor's", eth(1) / ip4() / syn(),
          l2(eth(1) / ip4() / syn()), port=1)
tagged = eth() / Dot1Q(vlan=100, prio=5) / ip4() / syn()
c.forward("one 802.1Q tag stays where it is", tagged, l2(tagged))
tagged = eth(type=0x88a8) / Dot1Q(vlan=7, id=1) / ip6() / syn()
c.forward("one 802.1ad tag stays where it is", tagged, l2(tagged))
tagged = eth() / Dot1Q(vlan=0, prio=3) / ip4() / udp()
c.forward("a priority tag (VLAN 0) counts as one tag", tagged, l2(tagged))
c.add("two tags are the kernel's", eth() / Dot1Q(vlan=1) / Dot1Q(vlan=2) / ip4() / syn(), "to_kernel")
c.add("a 802.1ad tag around a 802.1Q tag is the kernel's", eth(type=0x88a8) / Dot1Q(vlan=1) / Dot1Q(vlan=2) / ip4() / syn(),
      "to_kernel")
c.add("ARP for a VIP is the kernel's", eth(dst="ff:ff:ff:ff:ff:ff") / ARP(pdst="192.0.2.10"), "to_kernel")
c.add("ARP on a port without a kernel path is dropped and named", eth(1) / ARP(pdst="192.0.2.10"),
      "drop_no_kernel_path", port=1)
c.add("a frame of an unknown port has no kernel path", eth() / ARP(pdst="192.0.2.10"), "drop_no_kernel_path", port=14)
c.add("an unknown EtherType is the kernel's", eth(type=0x88cc) / Raw(b"\0" * 46), "to_kernel")
c.add("an 802.3 length field is the kernel's", eth(type=0x0026) / Raw(b"\x42" * 46), "to_kernel")
c.add("a tagged unknown EtherType is the kernel's", eth() / Dot1Q(vlan=5, type=0x88cc) / Raw(b"\0" * 46), "to_kernel")
for length in (0, 1, 6, 13):
    c.add("a frame of %d bytes has no Ethernet header" % length, bytes(frame)[:length], "drop_eth_truncated")
for length in (14, 16, 17):
    c.add("a tagged frame of %d bytes has no VLAN header" % length, bytes(tagged)[:length], "drop_eth_truncated")
short = eth() / ip4() / UDP(sport=40000, dport=80) / Raw(b"x")
padded = bytes(short) + b"\x5a" * (60 - len(bytes(short)))
c.forward("l2 keeps the padding of a short frame", padded, l2(padded))
padded = bytes(frame) + b"\x5a" * 100
c.forward("l2 keeps any trailer behind the IP packet", padded, l2(padded))
padded = bytes(eth() / ip6() / udp(80, 1)) + b"\x77" * 7
c.forward("l2 keeps the trailer behind an IPv6 packet", padded, l2(padded))
