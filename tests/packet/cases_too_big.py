# SPDX-License-Identifier: BSD-3-Clause
"""What does not fit: the client is told so from the VIP, whether we see it or a router behind us does."""
from scapy.layers.inet6 import PadN

import world
from casebook import Casebook
from frames import *

CASES = c = Casebook()

for version, head in ((4, ip4), (6, ip6)):
    over = " over IPv%d" % version
    for dport, v6, mtu in ((81, False, 1480), (82, True, 1460)):
        one = eth() / head() / syn(dport) / Raw(b"x" * 1460)
        c.add("TCP too big for a tunnel of IPv%d is told" % (6 if v6 else 4) + over, one, "drop_too_big", too_big(one, mtu))
    one = eth() / Dot1Q(vlan=5, prio=1) / head() / udp(81, 1470)
    c.add("the answer to what is too big keeps the VLAN tag" + over, one, "drop_too_big", too_big(one, 1480))
    one = eth() / head() / udp(81, 1470)
    c.add("no rate, no answer to what is too big" + over, one, "drop_too_big", replies=0)
    for word, group in (("a group", "01:00:5e:00:00:01"), ("the broadcast", "ff:ff:ff:ff:ff:ff")):
        c.add("nothing too big to %s MAC address is answered" % word + over, eth(dst=group) / head() / udp(81, 1470), "drop_too_big")
    c.add("nothing too big from a group MAC address is answered" + over, eth(src="01:00:5e:00:00:01") / head() / udp(81, 1470), "drop_too_big")
    c.add("an answer without headroom has a name" + over, one, "drop_no_room", headroom=27 if version == 4 else 47)
    c.add("padding is not quoted in it" + over, bytes(one) + b"\x5a" * 20, "drop_too_big", too_big(one, 1480))
    c.add("what the first buffer holds is quoted" + over, one, "drop_too_big", too_big(one, 1480, quote=101), readable=115)
    one = eth(1) / head() / udp(96, 1370)
    c.add("it leaves by the port the packet came in by" + over, one, "drop_too_big", too_big(one, 1380), port=1, out_port=1)
    quoted = (IP if version == 4 else IPv6)(src=world.VIP4 if version == 4 else world.VIP6,
                                            dst=world.CLIENT4 if version == 4 else world.CLIENT6) / TCP(sport=112, dport=40000) / bytes(2000)
    one = eth() / icmp_error(bytes(quoted)[:1200], 3, version=version, **({"flags": "DF"} if version == 4 else {}))
    c.add("an ICMP error that does not fit is not answered with another" + over, one, "drop_too_big")
    whole = bytes(udp(80, 3000, len=3008, chksum=0))
    if version == 4:
        first, later = (eth() / ip4(flags=flags, frag=at // 8, proto=17) / Raw(whole[at:end]) for flags, at, end in (("MF+DF", 0, 800), ("DF", 800, 2400)))
    else:
        first, later = (eth() / ip6() / IPv6ExtHdrFragment(id=7, offset=at // 8, m=more, nh=17) / Raw(whole[at:end])
                        for more, at, end in ((1, 0, 800), (0, 800, 2400)))
    c.add("a later fragment that does not fit is not answered" + over, later, "drop_too_big", before=[first])
c.add("without DF nobody asked", eth() / ip4(flags=0) / udp(80, 1473), "drop_too_big")
one = eth() / ip4() / udp(112, 1000)
c.add("a next hop of 60 bytes is told as 68", one, "drop_too_big", too_big(one, 68))
one = eth() / ip6() / udp(112, 1240)
c.add("a next hop of 60 bytes is told as 1280 to an IPv6 client", one, "drop_too_big", too_big(one, 1280))
c.add("an IPv6 packet of 1280 bytes that does not fit has no answer that helps", eth() / ip6() / udp(112, 1232), "drop_too_big")
c.add("an IPv4 packet of 68 bytes that does not fit has no answer that helps", eth() / ip4() / udp(112, 40), "drop_too_big")

# A router between us and the backend: it tells our outer source.
OUTER = {4: world.OUTER4, 6: world.OUTER6}


def inner_of(version, dport, size=1300, proto=TCP, **fields):
    """A client's packet, which we sent through a tunnel."""
    head = ip4(**fields) if version == 4 else ip6(**fields)
    return head / proto(sport=40000, dport=dport) / Raw(b"y" * size)


def outer_of(inner, version, **fields):
    """Our tunnel's packet around it."""
    proto = 4 if inner.version == 4 else 41
    if version == 4:
        return IP(**{**OUTER[4], "ttl": 60, "flags": "DF", "id": 0, "proto": proto, **fields}) / Raw(bytes(inner))
    return IPv6(**{**OUTER[6], "hlim": 60, "nh": proto, **fields}) / Raw(bytes(inner))


def narrow(outer, mtu, cut=548, link=None, kind=None, code=None, **head):
    """A router's error to our outer source."""
    version = outer.version
    kind = kind if kind is not None else 3 if version == 4 else 2
    code = code if code is not None else 4 if version == 4 else 0
    return (link or eth()) / icmp_error(bytes(outer)[:cut], kind, code, mtu, version, **{"dst": OUTER[version]["src"], **head})


def quoted_inner(inner, version, cut=548):
    """What of the inner packet the error holds, as a scapy packet with its own lengths."""
    return bytes(inner)[:cut - (20 if version == 4 else 40)]


def told(frame, inner, version, mtu, cut=548):
    """The answer to the client."""
    return too_big(frame, mtu, inner, quote=len(quoted_inner(inner, version, cut)))


for outer in (4, 6):
    grow = 20 if outer == 4 else 40
    for inner in (4, 6):
        name = ", %d in %d" % (inner, outer)
        least = 28 if inner == 4 else 48
        packet = inner_of(inner, 81 if outer == 4 else 82)
        wrapped = outer_of(packet, outer)
        for mtu in (1320, 1340):
            one = narrow(wrapped, mtu)
            c.add("a router's MTU of %d is told without our header" % mtu + name, one, "relay_too_big", told(one, packet, outer, mtu - grow))
        one = narrow(wrapped, 1320, link=eth() / Dot1Q(vlan=9, prio=3))
        c.add("a relayed too big keeps the VLAN tag" + name, one, "relay_too_big", told(one, packet, outer, 1320 - grow))
        one = narrow(wrapped, 1320, cut=grow + least)
        c.add("a relayed too big needs eight bytes of transport" + name, one, "relay_too_big",
              told(one, packet, outer, 1320 - grow, grow + least), headroom=0 if (inner, outer) != (6, 4) else 128)
        c.add("seven bytes of transport are not enough" + name, narrow(wrapped, 1320, cut=grow + least - 1), "drop_icmp_quote")
        c.add("the outer header alone is not enough" + name, narrow(wrapped, 1320, cut=grow), "drop_icmp_quote")
        udp_ = inner_of(inner, 81, proto=UDP)
        one = narrow(outer_of(udp_, outer), 1320)
        c.add("a datagram's sender is told" + name, one, "relay_too_big", told(one, udp_, outer, 1320 - grow))
        c.add("no rate, nothing is relayed" + name, narrow(wrapped, 1320), "drop_reply_limited", replies=0)
        c.add("nothing is relayed to a group MAC address" + name, narrow(wrapped, 1320, link=eth(dst="01:00:5e:00:00:01")), "drop_tunnel_error")
        c.add("an MTU that the packet fits is absurd" + name, narrow(wrapped, len(wrapped)), "drop_icmp_mtu")
        c.add("an MTU below every link's is absurd" + name, narrow(wrapped, 67 if outer == 4 else 1279), "drop_icmp_mtu")
        c.add("a port that no service has is nobody's" + name, narrow(outer_of(inner_of(inner, 7), outer), 1320), "drop_tunnel_error")
        c.add("an address that is no VIP is nobody's" + name,
              narrow(outer_of(inner_of(inner, 81, dst="192.0.2.99" if inner == 4 else "2001:db8::99"), outer), 1320), "drop_tunnel_error")
        c.add("a client that cannot be is named" + name,
              narrow(outer_of(inner_of(inner, 81, src="127.0.0.1" if inner == 4 else "ff02::1"), outer), 1320), "drop_ip_source")
        raw = bytes(narrow(wrapped, 1320))
        c.add("a wrong checksum is relayed to nobody" + name, patch(raw, len(raw) - 1, [raw[-1] ^ 1]), "drop_icmp_checksum")
        error = (ip4() / ICMP(type=3) if inner == 4 else ip6() / ICMPv6DestUnreach()) / Raw(bytes(1300))
        c.add("about an ICMP error that we forwarded nobody is told" + name, narrow(outer_of(error, outer), 1320), "drop_tunnel_error")
        later = inner_of(4, 81, flags=0, frag=20) if inner == 4 else ip6() / IPv6ExtHdrFragment(id=1, offset=20, m=1, nh=17) / Raw(bytes(1400))
        c.add("about a later fragment nobody is told" + name, narrow(outer_of(later, outer), 1320), "drop_icmp_fragment")
        for kind, code, word in ((3, 1, "unreachable"), (11, 0, "time exceeded"), (12, 0, "parameter problem"), (5, 0, "redirect")) if outer == 4 else \
                ((1, 0, "unreachable"), (3, 0, "time exceeded"), (4, 0, "parameter problem"), (100, 0, "private error")):
            c.add("%s about a tunnel is not the client's business" % word + name, narrow(wrapped, 0, kind=kind, code=code), "drop_tunnel_error")
        c.add("an error about another address's tunnel is the kernel's" + name,
              narrow(outer_of(packet, outer, src="10.0.0.200" if outer == 4 else "2001:db8:b::200"), 1320), "to_kernel")
        c.add("an error to another address of ours is the kernel's" + name,
              narrow(outer_of(packet, outer, src="10.0.0.200" if outer == 4 else "2001:db8:b::200"), 1320,
                     dst="10.0.0.200" if outer == 4 else "2001:db8:b::200"), "to_kernel")
    own = (IP if outer == 4 else IPv6)(**OUTER[outer]) / TCP(sport=22, dport=5000) / Raw(bytes(1300))
    c.add("an error about the balancer's own connection is the kernel's, IPv%d" % outer, narrow(own, 1320), "to_kernel")
    c.add("a port without a kernel path has none for it, IPv%d" % outer, narrow(own, 1320, link=eth(1)), "drop_no_kernel_path", port=1)
    raw = bytes(narrow(outer_of(inner_of(4, 81), outer), 1320))
    c.add("our own frame with a router's error is a loop, IPv%d" % outer, patch(raw, 6, bytes.fromhex("0200000000a0")), "drop_loop")

packet = inner_of(4, 81)
one = narrow(outer_of(packet, 4), 0)
c.add("a router that knows no MTU is relayed as one", one, "relay_too_big", told(one, packet, 4, 0))
packet = inner_of(6, 81)
one = narrow(outer_of(packet, 4), 0)
c.add("a router that knows no MTU means 1280 to an IPv6 client", one, "relay_too_big", told(one, packet, 4, 1280))
one = narrow(outer_of(packet, 4), 576)
c.add("a tunnel narrower than IPv6 needs is told as 1280", one, "relay_too_big", told(one, packet, 4, 1280))
c.add("an IPv6 packet of 1280 bytes cannot be smaller", narrow(outer_of(inner_of(6, 81, 1220), 4), 1280), "drop_tunnel_error")
packet = inner_of(4, 81)
one = narrow(outer_of(packet, 4), 70)
c.add("a tunnel narrower than IPv4 needs is told as 68", one, "relay_too_big", told(one, packet, 4, 68))
packet = inner_of(4, 81, flags=0)
one = narrow(outer_of(packet, 6), 1320)
c.add("without DF the sender is told too: its kernel remembers", one, "relay_too_big", told(one, packet, 6, 1280))

# What only one place can hold.
packet = inner_of(4, 81, 100)
one = eth() / icmp_error(bytes(outer_of(packet, 4)) + b"\x20\0\x77\x77" * 5, 3, 4, 120, 4, dst=world.OUTER4["src"])
c.add("what a router adds behind the quoted packet is not told (RFC 4884)", one, "relay_too_big", too_big(one, 100, packet))
raw = bytes(outer_of(packet, 4))
c.add("an outer length below its header cannot be read", narrow(IP(patch(raw, 2, b"\0\x13")), 0), "drop_icmp_quote")
packet = inner_of(6, 82)
options = IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(180))])
head = IPv6(src="2001:db8:f::1", dst=world.OUTER6["src"], hlim=61) / options
head[IPv6ExtHdrDestOpt].nh = 58
one = eth() / head / Raw(icmp_bytes(head, bytes(outer_of(packet, 6))[:548], 2, 0, 1320))
c.add("an inner packet beyond byte 256 cannot be read", one, "drop_icmp_quote")
