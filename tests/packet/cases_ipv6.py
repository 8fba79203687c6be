# SPDX-License-Identifier: BSD-3-Clause
"""IPv6: lengths, extension headers within their bounds, fragments, mapped addresses."""
from scapy.layers.inet6 import PadN, RouterAlert

from casebook import Casebook
from frames import *

CASES = c = Casebook()
frame = eth() / ip6() / syn()
raw = bytes(frame)


def chain(first, body, then=b"", **fields):
    """An IPv6 frame whose payload is bytes: `first` names what they begin with."""
    return eth() / ip6(nh=first, **fields) / Raw(body + then)


tcp = bytes(eth() / ip6() / syn())[54:]
OPTS8 = b"\x01\x04\0\0\0\0"  # PadN that fills eight bytes

for name, header in (("hop-by-hop options", IPv6ExtHdrHopByHop(options=[RouterAlert(), PadN(optdata=b"")])),
                     ("destination options", IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 10)]))):
    walked = eth() / ip6() / header / syn()
    c.forward(name + " are walked over", walked, l2(walked))
walked = eth() / ip6() / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / IPv6ExtHdrRouting(segleft=0, addresses=["::5"]) / udp()
c.forward("hop-by-hop, destination and spent routing headers are walked over", walked, l2(walked))
walked = eth() / Dot1Q(vlan=3) / ip6() / IPv6ExtHdrDestOpt() / syn()
c.forward("extension headers behind a tag are walked over", walked, l2(walked))
walked = chain(51, b"\x06\x04" + b"\0" * 22, tcp)
c.forward("an authentication header is walked over in its own unit", walked, l2(walked))
walked = chain(60, (b"\x3c\x00" + OPTS8) * 7 + b"\x06\x00" + OPTS8, tcp)
c.forward("eight extension headers are walked over", walked, l2(walked))
c.add("nine extension headers are too many", chain(60, (b"\x3c\x00" + OPTS8) * 8 + b"\x06\x00" + OPTS8, tcp),
      "drop_ip6_extensions")
walked = chain(60, b"\x06\x18" + b"\x01\xc4" + b"\0" * 196, tcp)
c.forward("200 bytes of destination options are walked over", walked, l2(walked))
c.add("a transport header past byte 256 is too far", chain(60, b"\x06\x19" + b"\x01\xcc" + b"\0" * 204, tcp),
      "drop_ip6_extensions")
c.add("hop-by-hop options that are not the first header are refused",
      chain(60, b"\x00\x00" + OPTS8 + b"\x06\x00" + OPTS8, tcp), "drop_ip6_extensions")
c.add("an extension header longer than the packet is refused", chain(60, b"\x06\x0a" + OPTS8, b"\0" * 16), "drop_ip6_extensions")
c.add("an extension header cut off after 4 bytes is refused", chain(0, b"\x06\x00\x01\x02"), "drop_ip6_extensions")
c.add("an announced extension header that is missing is refused", chain(60, b""), "drop_ip6_extensions")
c.add("padding behind the packet is not read as an extension header",
      bytes(chain(60, b"")) + b"\x06\x00" + OPTS8 + tcp, "drop_ip6_extensions")
c.add("padding behind the packet is not read as a fragment header",
      bytes(chain(44, b"")) + b"\x06\0\0\x01\0\0\0\1" + tcp, "drop_ip6_extensions")
c.add("padding behind the packet is not read as a routing header",
      bytes(chain(43, b"")) + b"\x06\0\0\x01\0\0\0\1" + tcp, "drop_ip6_extensions")
c.add("a chain that ends inside the last header is refused", chain(60, b"\x3c\x00" + OPTS8), "drop_ip6_extensions")
c.add("a routing header with segments left is refused",
      eth() / ip6() / IPv6ExtHdrRouting(segleft=1, addresses=["2001:db8::99"]) / syn(), "drop_ip6_routing")
c.add("a routing header with segments left, not for a VIP, is the kernel's",
      eth() / ip6(dst="2001:db8::99") / IPv6ExtHdrRouting(segleft=1, addresses=["2001:db8::99"]) / syn(), "to_kernel")
c.add("broken extension headers that are not for a VIP are the kernel's", chain(60, b"", dst="2001:db8::99"), "to_kernel")

for length in (14, 30, 53):
    c.add("an IPv6 frame of %d bytes has no IP header" % length, raw[:length], "drop_ip_truncated")
c.add("version 4 behind the IPv6 EtherType is refused", patch(raw, 14, b"\x45"), "drop_ip_version")
c.add("a payload length past the frame is refused", patch(raw, 18, b"\x00\x19"), "drop_ip_length")
c.add("a payload length of 65535 is refused", patch(raw, 18, b"\xff\xff"), "drop_ip_length")
c.add("a jumbogram is refused", chain(0, b"\x06\x00\xc2\x04\x00\x01\x00\x00", tcp, plen=0), "drop_ip_length")
c.add("a payload length of zero leaves no TCP header", patch(raw, 18, b"\0\0"), "drop_tcp_truncated")
c.add("no next header to a VIP is no service", chain(59, b"\0" * 8), "drop_no_service")
walked = eth() / ip6(tc=0xb8, fl=0xabcde) / syn()
c.forward("traffic class and flow label stay as they are", walked, l2(walked))
c.forward("hop limit 0 is not the balancer's to judge", eth() / ip6(hlim=0) / syn(), l2(eth() / ip6(hlim=0) / syn()))

atomic = eth() / ip6() / IPv6ExtHdrFragment(id=7, m=0, offset=0) / syn()
c.forward("an atomic fragment is whole", atomic, l2(atomic))
reserved = patch(atomic, 14 + 40 + 3, b"\x06")
c.forward("reserved bits of a fragment header mean nothing", reserved, l2(reserved))
c.add("an IPv6 fragment that is not for a VIP is the kernel's",
      eth() / ip6(dst="2001:db8::99") / IPv6ExtHdrFragment(m=1) / udp(80, 64), "to_kernel")
c.add("a fragment header cut off is refused", chain(44, b"\x06\0\0\x01"), "drop_ip6_extensions")
c.add("an IPv6 packet to a mapped address is not for the IPv4 VIP", eth() / ip6(dst="::ffff:192.0.2.10") / syn(), "to_kernel")
