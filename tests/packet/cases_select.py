# SPDX-License-Identifier: BSD-3-Clause
"""Rows, backends, states, next hops."""
import world
from casebook import Casebook
from frames import *

CASES = c = Casebook()
FOUR = [0, 1, 2, 3, 2, 1, 0]
NEIGHBOR, PORT = [0, 1, 4, 6], [0, 1, 0, 1]


def chosen(packet, by_source):
    """The slot that service 97 or 98 chooses, by the independent hash."""
    ports = packet.getlayer(TCP) or packet.getlayer(UDP)
    proto = 6 if isinstance(ports, TCP) else 17
    key = world.flow_key(packet.src, packet.dst, proto, ports.sport, ports.dport)
    return FOUR[world.row(key[:16] if by_source else key)]


for by_source, dport in ((True, 97), (False, 98)):
    word = "source" if by_source else "5-tuple"
    for i in range(6):
        for head in (ip4(src="198.51.100.%d" % (i * 37 + 1)), ip6(src="2001:db8:c::%x" % (i * 91 + 1))):
            for body in (TCP(sport=40000 + i, dport=dport, flags="S"), udp(dport, 4)):
                one = eth() / head / body
                slot = chosen(one[1], by_source)
                c.forward("%s of client %d over IPv%d with protocol %d chooses the row of its hash" %
                          (word, i, one[1].version, 6 if TCP in one else 17), one,
                          l2(one, NEIGHBOR[slot], PORT[slot]), out_port=PORT[slot], slot=slot)
for sport in (1, 2, 3):
    one = eth() / ip4() / TCP(sport=sport, dport=97, flags="S")
    slot = chosen(one[1], True)
    c.forward("by source, port %d makes no difference" % sport, one, l2(one, NEIGHBOR[slot], PORT[slot]), out_port=PORT[slot],
              slot=slot)

c.add("a service whose pool is unknown has no backend", eth() / ip4() / syn(93), "drop_no_backend")
c.add("a pool without rows has no backend", eth() / ip4() / syn(100), "drop_no_backend")
c.add("a row that names an unknown slot has no backend", eth() / ip4() / syn(99), "drop_no_backend")
c.add("an empty pool set to drop has no backend", eth() / ip4() / syn(84), "drop_no_backend")
c.add("an empty pool set to drop has none for UDP over IPv6", eth() / ip6() / udp(84), "drop_no_backend")
c.add("a row's backend that lingers gets no packet that nobody remembers", eth() / ip4() / syn(104), "drop_no_backend")
c.add("an unknown next hop is named", eth() / ip4() / syn(85), "drop_no_neighbor")
c.add("a next hop on an unknown port is named", eth() / ip4() / syn(86), "drop_no_neighbor")

for version, head, limit in ((4, ip4(), 1500), (6, ip6(), 1500)):
    room = limit - (28 if version == 4 else 48)
    one = eth() / head / udp(80, room)
    c.forward("an IPv%d packet as long as the next hop's MTU fits" % version, one, l2(one))
    one = eth() / head / udp(80, room + 1)
    c.add("an IPv%d packet one byte longer does not" % version, one, "drop_too_big", too_big(one, 1500))
one = eth() / ip4() / udp(94, 1472)
c.forward("without an MTU of the next hop the port's holds", one, l2(one, 4))
one = eth() / ip4() / udp(94, 1473)
c.add("one byte above the port's MTU is too big", one, "drop_too_big", too_big(one, 1500))
one = bytes(eth() / ip4() / udp(80, 1472)) + b"\0" * 4
c.forward("padding does not count towards the MTU", one, l2(one))
one = eth() / Dot1Q(vlan=2) / ip4() / udp(80, 1472)
c.forward("a tag does not count towards the MTU", one, l2(one))
c.add("too big without DF is not fragmented", eth() / ip4(flags=0) / udp(80, 1473), "drop_too_big")
