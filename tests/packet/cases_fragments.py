# SPDX-License-Identifier: BSD-3-Clause
"""Fragments to a VIP: the first is balanced, the later ones follow it, and what is wrong with them has a name."""
import world
from casebook import Casebook
from frames import *

CASES = c = Casebook()


def part4(data, at, more, proto=17, ident=0x77, **fields):
    """Bytes `at` (a multiple of eight) of an IPv4 datagram."""
    return eth() / ip4(id=ident, flags="MF" if more else 0, frag=at // 8, proto=proto, **fields) / Raw(data)


def part6(data, at, more, proto=17, ident=0x77, **fields):
    """The same of an IPv6 datagram."""
    return eth() / ip6(**fields) / IPv6ExtHdrFragment(id=ident, offset=at // 8, m=int(more), nh=proto) / Raw(data)


PARTS = (("IPv4", part4), ("IPv6", part6))


def datagram(dport, size=1600):
    """The bytes of a whole UDP datagram behind its IP header."""
    return bytes(udp(dport, size, len=size + 8, chksum=0))


def outside(frame, dport, v6=False):
    """What mode ipip sends for a fragment: its outer header spreads by the ports of the first one."""
    inner = frame.getlayer(IP) or frame.getlayer(IPv6)
    flow = world.flow_hash(inner.src, inner.dst, 17, 40000, dport)
    head = link(frame, world.NEIGHBOR_MAC[0], world.PORT_MAC[0])
    if v6:
        return head / IPv6(hlim=64, fl=flow >> 16 & 0xfffff, nh=4 if inner.version == 4 else 41, **world.OUTER6) / Raw(bytes(inner))
    whole = inner.version == 6
    return head / IP(ttl=64, id=0 if whole else inner.id ^ (flow & 0xffff), flags="DF" if whole else 0,
                     proto=41 if whole else 4, **world.OUTER4) / Raw(bytes(inner))


for family, part in PARTS:
    body = datagram(80)
    first, middle, last = part(body[:800], 0, True), part(body[800:1200], 800, True), part(body[1200:], 1200, False)
    c.forward("a first %s fragment is balanced by its ports" % family, first, l2(first))
    c.forward("a later %s fragment follows its first" % family, last, l2(last), before=[first])
    c.forward("a middle %s fragment follows its first" % family, middle, l2(middle), before=[first, last])
    c.forward("the last %s fragment closes the gap" % family, last, l2(last), before=[first, middle])
    c.add("a later %s fragment without its first is early" % family, last, "drop_fragment_early")
    for name, other in (("identification", dict(ident=0x78)), ("source", dict(src="198.51.100.8" if family == "IPv4" else "2001:db8:c::8"))):
        c.add("a later %s fragment of another %s is early" % (family, name), part(body[1200:], 1200, False, **other),
              "drop_fragment_early", before=[first])
    follows = part(body[1200:], 1200, False, proto=6)
    if family == "IPv4":
        c.add("a later IPv4 fragment of another protocol is early", follows, "drop_fragment_early", before=[first])
    else:
        c.forward("a later IPv6 fragment is of its first's protocol, whatever it says", follows, l2(follows), before=[first])
    tcp = bytes(TCP(sport=40000, dport=80, flags="A") / Raw(b"x" * 1200))
    one, two = part(tcp[:800], 0, True, 6), part(tcp[800:], 800, False, 6)
    c.forward("a first %s fragment of TCP is balanced" % family, one, l2(one))
    c.forward("a later %s fragment of TCP follows" % family, two, l2(two), before=[one])
    short = part(body[:8], 0, True)
    c.forward("a first %s fragment of a UDP header alone has its ports" % family, short, l2(short))

    # wherever it goes, the others go
    body = datagram(98)
    first, last = part(body[:800], 0, True), part(body[800:], 800, False)
    slot = [0, 1, 2, 3, 2, 1, 0][world.row(world.flow_key(first[1].src, first[1].dst, 17, 40000, 98))]
    c.forward("a later %s fragment goes to the row of its first's ports" % family, last, l2(last, [0, 1, 4, 6][slot], [0, 1, 0, 1][slot]),
              slot=slot, out_port=[0, 1, 0, 1][slot], before=[first])
    for dport, v6 in ((81, False), (82, True)):
        body = datagram(dport)
        first, last = part(body[:800], 0, True), part(body[800:], 800, False)
        c.forward("a first %s fragment travels inside IPv%d" % (family, 6 if v6 else 4), first, outside(first, dport, v6))
        c.forward("a later %s fragment travels inside IPv%d with its first's flow" % (family, 6 if v6 else 4), last,
                  outside(last, dport, v6), before=[first])
    body = datagram(91)
    first, last = part(body[:800], 0, True), part(body[800:], 800, False)
    c.forward("a later %s fragment asks no memory of connections" % family, last, l2(last, 1, 1), out_port=1, slot=4,
              before=[first], remembered=4)

    # its first was not forwarded
    for dport, verdict in ((83, "drop_no_backend"), (84, "drop_no_backend"), (85, "drop_no_neighbor"), (70, "drop_no_service")):
        body = datagram(dport)
        first, last = part(body[:800], 0, True), part(body[800:], 800, False)
        c.add("a later %s fragment to port %d ends as its first did, unanswered" % (family, dport), last, verdict,
              before=[first])
    other = {"IPv4": "192.0.2.%d", "IPv6": "2001:db8::%d"}[family]
    body = datagram(70)
    for vip, verdict in ((11, "drop_no_service"), (12, "to_kernel")):
        first, last = part(body[:800], 0, True, dst=other % vip), part(body[800:], 800, False, dst=other % vip)
        c.add("a later %s fragment without a service at VIP %d ends as its first" % (family, vip), last, verdict, before=[first])
    first = part(body[:800], 0, True, dst=other % 12)
    c.add("a first %s fragment without a service is the kernel's where the VIP says so" % family, first, "to_kernel")
    first = part(body[:400], 0, True, dst=other % 11)
    c.add("a first %s fragment to a closed port is answered" % family, first, "reject_no_service", unreachable(first))
    empty = part(datagram(83)[:400], 0, True)
    c.add("a first %s fragment to an empty pool is answered" % family, empty, "reject_empty", unreachable(empty))

    # overlaps
    body = datagram(80)
    first, middle, last = part(body[:800], 0, True), part(body[800:1200], 800, True), part(body[1200:], 1200, False)
    into, over = part(body[792:1200], 792, True), part(body[1192:], 1192, False)
    c.add("a %s fragment that reaches into its first is an overlap" % family, into, "drop_fragment_overlap", before=[first])
    c.add("after an overlap nothing of a %s datagram is forwarded" % family, last, "drop_fragment_overlap", before=[first, into])
    c.add("a %s fragment that reaches into a later one is an overlap" % family, over, "drop_fragment_overlap", before=[first, middle])
    c.add("a %s fragment around a later one is an overlap" % family, part(body[800:], 800, False), "drop_fragment_overlap",
          before=[first, part(body[1200:1208], 1200, True)])
    c.add("a copy of a %s fragment is dropped" % family, middle, "drop_fragment_overlap", before=[first, middle])
    c.forward("and spoils nothing of a %s datagram" % family, last, l2(last), before=[first, middle, middle])
    c.add("a copy of an older %s fragment is an overlap" % family, middle, "drop_fragment_overlap", before=[first, middle, last])
    c.add("a copy of a first %s fragment is dropped" % family, first, "drop_fragment_overlap", before=[first])
    c.forward("and spoils nothing of its %s datagram" % family, last, l2(last), before=[first, first])
    c.add("a second, longer first %s fragment is an overlap" % family, part(body[:808], 0, True), "drop_fragment_overlap", before=[first])
    c.add("and nothing follows two different first %s fragments" % family, last, "drop_fragment_overlap",
          before=[first, part(body[:808], 0, True)])
    c.forward("a first %s fragment after a whole datagram begins another" % family, first, l2(first), before=[first, middle, last])
    c.add("a %s fragment behind the last one is an overlap" % family, part(body[:80], 1608, True), "drop_fragment_overlap",
          before=[first, last])
    c.add("a second end of a %s datagram is an overlap" % family, part(body[:80], 2400, False), "drop_fragment_overlap", before=[first, last])
    c.add("a %s datagram does not end before what was seen" % family, part(body[:80], 800, False), "drop_fragment_overlap",
          before=[first, part(body[:80], 2400, True)])
    apart = [part(body[:8], 1000 + 16 * i, True) for i in range(7)]
    c.add("one stretch of a %s datagram too many waits" % family, apart[6], "drop_fragment_early", before=[first] + apart[:5])
    c.forward("a %s fragment that joins two stretches has room" % family, part(body[:8], 1008, True), l2(part(body[:8], 1008, True)),
              before=[first] + apart[:5])

    # tiny and malformed
    c.add("a first %s fragment of seven UDP bytes is malformed: more would follow" % family, part(body[:7], 0, True), "drop_fragment_malformed")
    c.add("a first %s fragment of eight TCP bytes is tiny" % family, part(tcp[:8], 0, True, 6), "drop_fragment_tiny")
    c.add("a first %s fragment of sixteen TCP bytes is tiny" % family, part(tcp[:16], 0, True, 6), "drop_fragment_tiny")
    options = bytes(TCP(sport=40000, dport=80, flags="A", options=[("NOP", 0)] * 40) / Raw(b"x" * 100))
    c.add("a first %s fragment without all its TCP options is tiny" % family, part(options[:56], 0, True, 6), "drop_fragment_tiny")
    whole = part(options[:64], 0, True, 6)
    c.forward("a first %s fragment with all its TCP options is sound" % family, whole, l2(whole))
    c.add("a %s fragment at byte 8 is tiny" % family, part(tcp[8:], 8, False, 6), "drop_fragment_tiny", before=[one])
    c.add("a %s fragment at byte 8 of UDP is tiny" % family, part(body[8:], 8, False), "drop_fragment_tiny", before=[short])
    c.add("a middle %s fragment of twelve bytes is malformed" % family, part(body[:12], 800, True), "drop_fragment_malformed", before=[first])
    c.add("a %s fragment of no bytes is malformed" % family, part(b"", 800, False), "drop_fragment_malformed", before=[first])
    most = 65535 - (20 if family == "IPv4" else 0)
    edge = part(body[:most % 8], most - most % 8, False)
    c.forward("a %s datagram of 65535 bytes is none too long" % family, edge, l2(edge), before=[first])
    c.add("a %s datagram of 65536 bytes is too long" % family, part(body[:most % 8 + 1], most - most % 8, False), "drop_fragment_malformed",
          before=[first])
    c.add("a UDP length below eight in a first %s fragment is refused" % family, part(patch(body[:800], 4, b"\0\7"), 0, True),
          "drop_udp_length")

    # what is not judged, or not balanced
    nobody = {"IPv4": dict(dst="192.0.2.200"), "IPv6": dict(dst="2001:db8::99")}[family]
    for name, frame in (("first", part(body[:800], 0, True, **nobody)), ("later", part(body[800:], 800, False, **nobody)),
                        ("tiny", part(tcp[:8], 0, True, 6, **nobody)), ("malformed", part(body[:12], 800, True, **nobody))):
        c.add("a %s %s fragment that is not for a VIP is the kernel's" % (name, family), frame, "to_kernel")
    ping = 1 if family == "IPv4" else 58
    c.add("a first %s fragment of an echo request is a fragment" % family, part(b"\x08\0\0\0\0\1\0\1" + bytes(64), 0, True, ping), "drop_fragment")
    if family == "IPv4":
        c.add("a later fragment of an echo request is a fragment", part(bytes(64), 800, False, ping), "drop_fragment")
    c.add("a first %s fragment of GRE is a fragment" % family, part(bytes(64), 0, True, 47), "drop_fragment")
    own = part(body[:800], 0, True)
    own[Ether].src = world.PORT_MAC[0]
    c.add("a first %s fragment from our own MAC address is a loop" % family, own, "drop_loop")

c.add("a later fragment's bytes are not read as ports", part4(bytes(syn(80)), 16, False, 6, dst="192.0.2.11"), "drop_fragment_early")
c.add("a later IPv6 fragment's bytes are not read as extension headers", part6(b"\xff" * 8, 80, False, 0), "drop_fragment_early")
dont = eth() / ip4(flags="DF+MF") / udp(80, 64)
c.forward("a fragment with DF set is one all the same", dont, l2(dont))
behind = eth() / ip6() / IPv6ExtHdrDestOpt() / IPv6ExtHdrFragment(m=1) / udp(80, 64, len=500)
c.forward("a first fragment behind destination options is balanced", behind, l2(behind))
inside = eth() / ip6() / IPv6ExtHdrFragment(m=1, id=5) / IPv6ExtHdrDestOpt() / udp(80, 64, len=500)
c.forward("a first fragment with destination options inside is balanced", inside, l2(inside))
later = part6(b"x" * 40, 80, False, 60, 5)
c.forward("and its later ones say destination options too", later, l2(later), before=[inside])
cut = eth() / ip6() / IPv6ExtHdrFragment(m=1, id=5, nh=60) / Raw(b"\x11\x05" + bytes(22))
c.add("a first fragment that ends within destination options is tiny", cut, "drop_fragment_tiny")
nested = eth() / ip6() / IPv6ExtHdrFragment(m=1, id=5, nh=44) / IPv6ExtHdrFragment(m=1, id=6) / udp(80, 64)
c.add("a fragment in a fragment is refused", nested, "drop_ip6_extensions")
jumbo = eth() / ip6() / IPv6ExtHdrDestOpt() / IPv6ExtHdrFragment(offset=8190, id=5, nh=17) / Raw(bytes(8))
c.add("options in front of the fragment header count for the reassembled length", jumbo, "drop_fragment_malformed")


def split(frame, mtu, dport, v6=False):
    """The tunnel frames of an IPv4 packet that outgrows the next hop's MTU, one behind the other, and how many."""
    inner = bytes(frame[IP])
    header = (inner[0] & 15) * 4
    payload, flags = inner[header:frame[IP].len or len(inner)], int.from_bytes(inner[6:8], "big")
    kept, options = b"", inner[20:header]
    while options and options[0]:
        size = 1 if options[0] == 1 else options[1]
        kept += options[:size] if options[0] & 0x80 else b""
        options = options[size:]
    kept += bytes(-len(kept) % 4)
    size, parts = (mtu - (40 if v6 else 20) - header) // 8 * 8, []
    for at in range(0, len(payload), size):
        head = bytearray(inner[:header] if at == 0 else inner[:20] + kept)
        data = payload[at:at + size]
        head[0] = 0x40 | len(head) // 4
        head[2:4] = (len(head) + len(data)).to_bytes(2, "big")
        more = 0x2000 if at + size < len(payload) else 0
        head[6:8] = (flags + at // 8 | more).to_bytes(2, "big")
        head[10:12] = bytes(2)
        head[10:12] = checksum(bytes(head)).to_bytes(2, "big")
        tag = b"" if Dot1Q not in frame else bytes(frame)[12:16]
        one = bytes(outside(eth() / IP(bytes(head) + data), dport, v6))
        parts.append(one[:12] + tag + one[12:])
    return {"out": b"".join(parts), "splits": len(parts)}


def splits(name, frame, mtu, dport, v6=False, **extra):
    """A case of a packet that is split."""
    frames = split(frame, mtu, dport, v6)
    c.add(name, frame, "forward", frames["out"], splits=frames["splits"], **extra)


for dport, v6 in ((81, False), (82, True)):
    grow = 40 if v6 else 20
    name = "behind IPv%d" % (6 if v6 else 4)
    whole = eth() / ip4(flags=0) / udp(dport, 1500 - 28)
    splits("a packet without DF that outgrows the tunnel is split " + name, whole, 1500, dport, v6)
    one = eth() / ip4(flags=0) / udp(dport, 1500 - grow - 28)
    c.forward("what just fits is not split " + name, one, outside(one, dport, v6))
    splits("one byte more is split " + name, eth() / ip4(flags=0) / udp(dport, 1501 - grow - 28), 1500, dport, v6)
    body = datagram(dport, 8000)
    first, middle, last = part4(body[:1480], 0, True), part4(body[1480:2960], 1480, True), part4(body[7400:], 7400, False)
    shorter = part4(body[:1200], 0, True)
    splits("a first fragment is split " + name, first, 1500, dport, v6)
    splits("a middle fragment is split and keeps its place " + name, middle, 1500, dport, v6, before=[first])
    c.forward("a short last fragment is not split " + name, last, outside(last, dport, v6), before=[shorter])
    end = part4(body[1480:2960], 1480, False)
    splits("only the last part of a last fragment ends the datagram " + name, end, 1500, dport, v6, before=[first])
    tagged = Ether(src=world.CLIENT_MAC, dst=world.PORT_MAC[0]) / Dot1Q(vlan=7) / ip4(flags=0) / udp(dport, 1472)
    splits("every part keeps the VLAN tag " + name, tagged, 1500, dport, v6)
    padded = bytes(whole) + b"padding"
    frames = split(whole, 1500, dport, v6)
    c.add("padding is no part of the split packet " + name, padded, "forward", frames["out"], splits=frames["splits"])
    options = b"\x94\x04\0\0" + b"\x07\x07\x04\0\0\0\0" + b"\x01" + b"\x88\x04\x12\x34" + b"\x01"
    opts = IP(bytes(checksum_ipv4(b"\0" * 14 + b"\x4a" + bytes(ip4(flags=0, proto=17))[1:20] + options + bytes(20 - len(options)))[14:]) +
              bytes(udp(dport, 1440, chksum=0)))
    del opts.len, opts.chksum
    opts = eth() / IP(bytes(opts))
    splits("options with the copy bit go into every part " + name, opts, 1500, dport, v6)
    one, two, room = eth() / ip4() / udp(dport, 1472), eth() / ip6() / udp(dport, 1452), 1460 if v6 else 1480
    c.add("DF forbids it " + name, one, "drop_too_big", too_big(one, room), splits=1)
    c.add("IPv6 packets are not split " + name, two, "drop_too_big", too_big(two, room), splits=1)
c.add("what outgrows the backend's link without a tunnel is not split", eth() / ip4(flags=0) / udp(94, 1473), "drop_too_big", splits=1)

big = part6(datagram(81)[:1440], 0, True)
c.add("the first of two IPv6 fragments that outgrow the tunnel is too big", big, "drop_too_big", too_big(big, 1480))
c.add("a later fragment of one that was too big ends the same, unanswered", part6(datagram(81)[1440:1600], 1440, False), "drop_too_big",
      before=[big])
