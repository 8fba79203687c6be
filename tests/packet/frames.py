# SPDX-License-Identifier: BSD-3-Clause
"""Frames for packet cases, built by scapy: what clients send, and what must leave for it."""
import struct

from scapy.config import conf
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6PacketTooBig, IPv6,
                                IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting)
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Raw

import world

conf.verb = 0
__all__ = ["ARP", "Dot1AD", "Dot1Q", "Ether", "ICMP", "ICMPv6DestUnreach", "ICMPv6EchoReply", "ICMPv6EchoRequest",
           "ICMPv6PacketTooBig", "IP", "IPv6", "IPv6ExtHdrDestOpt", "IPv6ExtHdrFragment", "IPv6ExtHdrHopByHop", "IPv6ExtHdrRouting", "Raw", "TCP",
           "UDP", "echo_reply", "eth", "ip4", "ip6", "l2", "patch", "reply_eth", "rst", "syn", "tunnel", "udp",
           "unreachable"]


def eth(port=0, **fields):
    """The Ethernet header of a client's frame."""
    return Ether(**{"src": world.CLIENT_MAC, "dst": world.PORT_MAC[port], **fields})


def ip4(**fields):
    """A client's IPv4 header towards the VIP."""
    return IP(**{"src": world.CLIENT4, "dst": world.VIP4, "ttl": 63, "id": 0x1234, "flags": "DF", **fields})


def ip6(**fields):
    """A client's IPv6 header towards the VIP."""
    return IPv6(**{"src": world.CLIENT6, "dst": world.VIP6, "hlim": 63, **fields})


def syn(dport=80, **fields):
    """A client's SYN."""
    return TCP(**{"sport": 40000, "dport": dport, "flags": "S", "seq": 1000, "options": [("MSS", 1460)], **fields})


def udp(dport=80, size=20, **fields):
    """A client's datagram of `size` bytes."""
    return UDP(sport=40000, dport=dport, **fields) / Raw(bytes(i & 255 for i in range(size)))


def patch(frame, at, new):
    """The frame's bytes with `new` at `at`."""
    frame = bytes(frame)
    return frame[:at] + bytes(new) + frame[at + len(new):]


def mac(text):
    """Six bytes."""
    return bytes.fromhex(text.replace(":", ""))


def l2(frame, neighbor=0, port=0):
    """What mode l2 sends."""
    return patch(frame, 0, mac(world.NEIGHBOR_MAC[neighbor]) + mac(world.PORT_MAC[port]))


def link(frame, dst, src):
    """A new Ethernet header with the frame's tag."""
    tag = frame.getlayer(Dot1Q) or frame.getlayer(Dot1AD)
    header = Ether(dst=dst, src=src)
    if tag is None:
        return header
    header.type = frame[Ether].type
    return header / Dot1Q(vlan=tag.vlan, prio=tag.prio, id=tag.id)


def flow_of(packet):
    """The flow's hash of a scapy IP packet."""
    ports = packet.getlayer(TCP) or packet.getlayer(UDP)
    proto = 6 if isinstance(ports, TCP) else 17
    return world.flow_hash(packet.src, packet.dst, proto, ports.sport, ports.dport)


def tunnel(frame, v6=False, neighbor=0, port=0, flow=None):
    """What mode ipip sends for a scapy frame without padding, with an outer header of either family; `flow` is its
    flow's hash where its own ports do not say."""
    inner = frame.getlayer(IP) or frame.getlayer(IPv6)
    payload = Raw(bytes(inner))
    link_header = link(frame, world.NEIGHBOR_MAC[neighbor], world.PORT_MAC[port])
    tos = inner.tos if inner.version == 4 else inner.tc
    proto = 4 if inner.version == 4 else 41
    if v6:
        label = (flow or flow_of(inner)) >> 16 & 0xfffff
        return link_header / IPv6(hlim=64, tc=tos, fl=label, nh=proto, **world.OUTER6) / payload
    whole = inner.version == 6 or "DF" in inner.flags
    ident = 0 if whole else inner.id ^ ((flow or flow_of(inner)) & 0xffff)
    return link_header / IP(ttl=64, tos=tos, id=ident, flags="DF" if whole else 0, proto=proto, **world.OUTER4) / payload


def reply_eth(frame):
    """The Ethernet header of an answer."""
    return link(frame, frame[Ether].src, frame[Ether].dst)


def echo_reply(frame):
    """The answer to an echo request, whose scapy frame has no padding: the same, backwards."""
    reply = frame.copy()
    reply[Ether].src, reply[Ether].dst = frame[Ether].dst, frame[Ether].src
    if IP in frame:
        reply[IP].src, reply[IP].dst, reply[IP].ttl = frame[IP].dst, frame[IP].src, 64
        reply[ICMP].type = 0
        del reply[IP].chksum, reply[ICMP].chksum
        return reply
    reply[IPv6].src, reply[IPv6].dst, reply[IPv6].hlim = frame[IPv6].dst, frame[IPv6].src, 64
    raw = bytearray(bytes(frame))
    length = len(bytes(frame[ICMPv6EchoRequest]))
    body = bytearray(raw[-length:])
    head = bytearray(bytes(reply)[:len(raw) - length])
    body[0] = 129
    body[2:4] = b"\0\0"
    pseudo = bytes(reply[IPv6])[8:40] + struct.pack("!IxxxB", length, 58)
    body[2:4] = struct.pack("!H", checksum(pseudo + bytes(body)))
    return bytes(head + body)


def checksum(data):
    """RFC 1071 over bytes, the plain way."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def rst(frame, **tcp):
    """The RST that answers a scapy frame; `tcp` says seq, ack and flags."""
    packet = frame.getlayer(IP) or frame.getlayer(IPv6)
    answer = TCP(sport=packet[TCP].dport, dport=packet[TCP].sport, window=0, **tcp)
    if packet.version == 4:
        head = IP(src=packet.dst, dst=packet.src, ttl=64, id=0, flags="DF", tos=packet.tos & 0xfc)
    else:
        head = IPv6(src=packet.dst, dst=packet.src, hlim=64, tc=packet.tc & 0xfc)
    return reply_eth(frame) / head / answer


def unreachable(frame, quote=None):
    """The port unreachable that answers a scapy frame, `quote` bytes quoted."""
    packet = frame.getlayer(IP) or frame.getlayer(IPv6)
    most = 576 - 28 if packet.version == 4 else 1280 - 48
    body = Raw(bytes(packet)[:min(most, quote or most)])
    if packet.version == 4:
        head = IP(src=packet.dst, dst=packet.src, ttl=64, id=0, flags="DF", tos=0xc0)
        return reply_eth(frame) / head / ICMP(type=3, code=3) / body
    head = IPv6(src=packet.dst, dst=packet.src, hlim=64, nh=58)
    return reply_eth(frame) / head / ICMPv6DestUnreach(code=4) / body


def checksum_ipv4(data, at=14):
    """Bytes whose IPv4 header at `at` has a right checksum, as far as its length field allows."""
    data = bytes(data)
    size = min(max((data[at] & 15) * 4, 20), len(data) - at)
    header = data[at:at + 10] + b"\0\0" + data[at + 12:at + size]
    return data[:at + 10] + struct.pack("!H", checksum(header)) + data[at + 12:]


def checksum_field(frame, at=14):
    """The IPv4 header checksum of a frame."""
    return struct.unpack("!H", bytes(frame)[at + 10:at + 12])[0]


__all__ += ["checksum", "checksum_ipv4", "checksum_field", "link"]


def too_big(frame, mtu, inner=None, quote=None):
    """What a VIP tells the client whose packet, `inner` or that of `frame`, does not fit."""
    inner = inner or frame.getlayer(IP) or frame.getlayer(IPv6)
    most = 576 - 28 if inner.version == 4 else 1280 - 48
    body = Raw(bytes(inner)[:min(most, quote or most)])
    if inner.version == 4:
        head = IP(src=inner.dst, dst=inner.src, ttl=64, id=0, flags="DF", tos=0xc0)
        return reply_eth(frame) / head / ICMP(type=3, code=4, nexthopmtu=mtu) / body
    head = IPv6(src=inner.dst, dst=inner.src, hlim=64, nh=58)
    return reply_eth(frame) / head / ICMPv6PacketTooBig(mtu=mtu) / body


def icmp_error(quoted, kind, code=0, rest=0, version=4, **head):
    """A router's ICMP error to the sender of `quoted`, a scapy packet or bytes."""
    if version == 4:
        packet = IP(**{"src": "203.0.113.1", "dst": world.VIP4, "ttl": 61, "id": 7, "proto": 1, **head})
    else:
        packet = IPv6(**{"src": "2001:db8:f::1", "dst": world.VIP6, "hlim": 61, "nh": 58, **head})
    return packet / Raw(icmp_bytes(packet, quoted, kind, code, rest))


def icmp_bytes(packet, quoted, kind, code, rest):
    """An ICMP error behind the IP header `packet`, with its checksum."""
    data = struct.pack("!BBHI", kind, code, 0, rest) + bytes(quoted)
    pseudo = b""
    if packet.version == 6:
        pseudo = world.addr16(packet.src) + world.addr16(packet.dst) + struct.pack("!IxxxB", len(data), 58)
    return data[:2] + struct.pack("!H", checksum(pseudo + data)) + data[4:]


__all__ += ["icmp_bytes", "icmp_error", "too_big"]
