# SPDX-License-Identifier: BSD-3-Clause
"""IPv4: header fields that decide, options, lengths, checksums, fragments."""
from scapy.layers.inet import IPOption_LSRR, IPOption_NOP, IPOption_RR, IPOption_Timestamp

from casebook import Casebook
from frames import *

CASES = c = Casebook()
frame = eth() / ip4() / syn()
raw = bytes(frame)
fixed = checksum_ipv4

for count in (1, 4, 10):
    options = eth() / ip4(options=[IPOption_NOP()] * (4 * count)) / syn()
    c.forward("%d bytes of IPv4 options are walked over" % (4 * count), options, l2(options))
options = eth() / ip4(options=[IPOption_RR(routers=["0.0.0.0"] * 3)]) / udp()
c.forward("a record route option stays as it is", options, l2(options))
options = eth() / ip4(options=[IPOption_LSRR(routers=["192.0.2.99"])]) / udp()
c.forward("a source route option stays as it is", options, l2(options))
options = eth() / Dot1Q(vlan=9) / ip4(options=[IPOption_Timestamp()]) / syn()
c.forward("options behind a VLAN tag are walked over", options, l2(options))
wrong = patch(eth() / ip4(options=[IPOption_NOP()] * 40) / syn(), 14 + 59, b"\xff")
c.add("the last byte of the options is covered by the checksum", wrong, "drop_ip_checksum")

for length in (14, 15, 33):
    c.add("an IPv4 frame of %d bytes has no IP header" % length, raw[:length], "drop_ip_truncated")
c.add("a tagged IPv4 frame of 37 bytes has no IP header", bytes(eth() / Dot1Q(vlan=1) / ip4() / syn())[:37],
      "drop_ip_truncated")
c.add("version 6 behind the IPv4 EtherType is refused", patch(raw, 14, b"\x65"), "drop_ip_version")
c.add("version 0 behind the IPv4 EtherType is refused", patch(raw, 14, b"\x05"), "drop_ip_version")
c.add("a header of 16 bytes is too short", fixed(patch(raw, 14, b"\x44")), "drop_ip_header_length")
c.add("a header of no bytes is too short", fixed(patch(raw, 14, b"\x40")), "drop_ip_header_length")
c.add("a header of 60 bytes in a frame of 40 is too long", fixed(patch(raw, 14, b"\x4f"))[:54], "drop_ip_header_length")
c.add("a total length below the header is refused", fixed(patch(raw, 16, b"\x00\x13")), "drop_ip_length")
c.add("a total length of zero is refused", fixed(patch(raw, 16, b"\x00\x00")), "drop_ip_length")
c.add("a total length past the frame is refused", fixed(patch(raw, 16, b"\x00\x2d")), "drop_ip_length")
c.add("a total length of 65535 in a small frame is refused", fixed(patch(raw, 16, b"\xff\xff")), "drop_ip_length")
c.add("a total length that ends in the header's options is refused",
      fixed(patch(eth() / ip4(options=[IPOption_NOP()] * 8) / syn(), 16, b"\x00\x18")), "drop_ip_length")
c.add("a wrong header checksum is refused", patch(raw, 24, b"\0\0"), "drop_ip_checksum")
c.add("a header with one flipped bit is refused", patch(raw, 22, bytes([raw[22] ^ 1])), "drop_ip_checksum")
c.forward("a checksum that the port verified is not verified again", patch(raw, 24, b"\0\0"), l2(patch(raw, 24, b"\0\0")),
          flags="csum-ok")
zero = eth() / ip4(id=0) / udp()
zero[IP].id = checksum_field(zero)
c.forward("a checksum field of zero can be right", zero, l2(zero))
c.forward("a reserved flag is no fragment", eth() / ip4(flags="evil") / syn(), l2(eth() / ip4(flags="evil") / syn()))
c.forward("TTL 0 is not the balancer's to judge", eth() / ip4(ttl=0) / syn(), l2(eth() / ip4(ttl=0) / syn()))
c.forward("TTL 1 goes through, l2 does not decrement", eth() / ip4(ttl=1) / syn(), l2(eth() / ip4(ttl=1) / syn()))

c.add("a fragment that is not for a VIP is the kernel's", eth() / ip4(flags="MF", dst="192.0.2.200") / udp(), "to_kernel")
c.add("a later fragment that is not for a VIP is the kernel's",
      eth() / ip4(flags=0, frag=100, dst="192.0.2.200", proto=17) / Raw(b"abc"), "to_kernel")
