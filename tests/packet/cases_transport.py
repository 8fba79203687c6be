# SPDX-License-Identifier: BSD-3-Clause
"""TCP, UDP and ICMP headers: what is sound, what is not, and that only a VIP makes it a drop."""
from casebook import Casebook
from frames import *

CASES = c = Casebook()


def segment(body, proto, **fields):
    """An IPv4 frame to the VIP with these bytes behind its header."""
    return eth() / ip4(proto=proto, **fields) / Raw(body)


tcp = bytes(eth() / ip4() / TCP(sport=1, dport=80, flags="A"))[34:]
for flags in ("S", "A", "PA", "FA", "R", "SA", "F", "", "SEC"):
    one = eth() / ip4() / TCP(sport=40000, dport=80, flags=flags)
    c.forward("TCP with flags %s is forwarded" % (flags or "none"), one, l2(one))
    one = eth() / ip6() / TCP(sport=40000, dport=80, flags=flags)
    c.forward("TCP over IPv6 with flags %s is forwarded" % (flags or "none"), one, l2(one))
one = segment(tcp + b"\0" * 1440, 6)
c.forward("a full segment is forwarded", one, l2(one))
one = eth() / ip4() / TCP(sport=0, dport=80, flags="S")
c.forward("source port 0 is a port", one, l2(one))
one = eth() / ip4() / TCP(sport=1, dport=80, dataofs=15, options=[("NOP", 0)] * 40)
c.forward("40 bytes of TCP options are sound", one, l2(one))
one = eth() / ip4() / TCP(sport=1, dport=80, chksum=0xdead)
c.forward("a TCP checksum is the backend's to verify", one, l2(one))

for length in (0, 1, 4, 19):
    c.add("TCP of %d bytes is truncated" % length, segment(tcp[:length], 6), "drop_tcp_truncated")
c.add("TCP that is truncated by the IP length is truncated, whatever pads it",
      bytes(segment(tcp[:12], 6)) + tcp[12:], "drop_tcp_truncated")
c.add("a TCP data offset of 4 is refused", segment(tcp[:12] + b"\x40" + tcp[13:], 6), "drop_tcp_header_length")
c.add("a TCP data offset of 0 is refused", segment(tcp[:12] + b"\x00" + tcp[13:], 6), "drop_tcp_header_length")
c.add("a TCP data offset past the packet is refused", segment(tcp[:12] + b"\x60" + tcp[13:], 6), "drop_tcp_header_length")
c.add("a TCP data offset into the padding is refused", bytes(segment(tcp[:12] + b"\x60" + tcp[13:], 6)) + b"\0" * 8,
      "drop_tcp_header_length")
c.add("truncated TCP over IPv6 is named the same", eth() / ip6(nh=6) / Raw(tcp[:8]), "drop_tcp_truncated")
c.add("truncated TCP that is not for a VIP is the kernel's", segment(tcp[:8], 6, dst="192.0.2.200"), "to_kernel")
c.add("truncated TCP to a VIP that rejects is not answered", segment(tcp[:8], 6, dst="192.0.2.11"), "drop_tcp_truncated")

for size in (0, 1, 1400):
    one = eth() / ip4() / udp(80, size)
    c.forward("UDP with %d bytes is forwarded" % size, one, l2(one))
one = eth() / ip4() / udp(80, 20, len=18)
c.forward("a UDP length below the IP payload is sound", one, l2(one))
one = eth() / ip4() / udp(80, 20, chksum=0)
c.forward("UDP without a checksum is forwarded", one, l2(one))
for length in (0, 3, 7):
    c.add("UDP of %d bytes is truncated" % length, segment(b"\0\x01\0\x50\0\x08\0"[:length], 17), "drop_udp_truncated")
c.add("a UDP length of 7 is refused", eth() / ip4() / udp(80, 20, len=7), "drop_udp_length")
c.add("a UDP length of 0 is refused", eth() / ip4() / udp(80, 20, len=0), "drop_udp_length")
c.add("a UDP length past the packet is refused", eth() / ip4() / udp(80, 20, len=29), "drop_udp_length")
c.add("a UDP length of 0 over IPv6 is refused", eth() / ip6() / udp(80, 20, len=0), "drop_udp_length")
c.add("a broken UDP length that is not for a VIP is the kernel's", eth() / ip4(dst="192.0.2.200") / udp(80, 20, len=0),
      "to_kernel")

c.add("ICMP of 7 bytes is truncated", segment(b"\x08\0\0\0\0\0\0", 1), "drop_icmp_truncated")
c.add("ICMP of no bytes is truncated", segment(b"", 1), "drop_icmp_truncated")
c.add("ICMPv6 of 4 bytes is truncated", eth() / ip6(nh=58) / Raw(b"\x80\0\0\0"), "drop_icmp_truncated")
c.add("truncated ICMP that is not for a VIP is the kernel's", segment(b"\x08", 1, dst="192.0.2.200"), "to_kernel")
c.add("GRE to a VIP is no service", segment(b"\0" * 8, 47), "drop_no_service")
c.add("SCTP to a VIP is no service, whatever its ports", segment(b"\x9c\x40\x00\x50" + b"\0" * 8, 132), "drop_no_service")
c.add("ICMPv6 over IPv4 is no ICMP", segment(b"\x80\0\0\0\0\0\0\0", 58), "drop_no_service")
c.add("ICMP over IPv6 is no ICMP", eth() / ip6(nh=1) / Raw(b"\x08\0\xf7\xff\0\0\0\0"), "drop_no_service")
c.add("ESP to a VIP is no service", eth() / ip6(nh=50) / Raw(b"\0" * 20), "drop_no_service")
