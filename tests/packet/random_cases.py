#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Random packets through the forwarding core: scapy builds each, and what must leave for it.

random_cases.py TEST_PACKET [COUNT [SEED]]; a failing run prints the seed that repeats it."""
import pathlib
import os
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from scapy.layers.inet import IPOption_NOP  # noqa: E402

import world  # noqa: E402
from frames import *  # noqa: E402,F403


def client4(rng):
    """A client's IPv4 address."""
    return "%d.%d.%d.%d" % (rng.randint(1, 126), rng.randint(0, 255), rng.randint(0, 255), rng.randint(0, 255))


def head(rng):
    """A random IP header with options or extension headers."""
    if rng.random() < 0.5:
        options = [IPOption_NOP()] * (4 * rng.choice([0, 0, 0, 1, 3, 10]))
        return ip4(src=client4(rng), ttl=rng.randint(0, 255), tos=rng.randint(0, 255), id=rng.randint(0, 65535),
                   flags=rng.choice([0, "DF", "evil", "evil+DF"]), options=options)
    packet = ip6(src="2001:db8:%x::%x" % (rng.randint(0, 65535), rng.randint(2, 65535)), hlim=rng.randint(0, 255),
                 tc=rng.randint(0, 255), fl=rng.randint(0, 0xfffff))
    if rng.random() < 0.2:
        packet /= IPv6ExtHdrHopByHop()
    for _ in range(rng.choice([0, 0, 0, 1, 2])):
        packet /= rng.choice([IPv6ExtHdrDestOpt(), IPv6ExtHdrFragment(id=rng.randint(0, 65535))])
    return packet


def link_header(rng):
    """Ethernet, tagged or not."""
    tag = rng.choice([None, None, 0x8100, 0x88a8])
    if tag is None:
        return eth()
    return eth(type=tag) / Dot1Q(vlan=rng.randint(0, 4095), prio=rng.randint(0, 7), id=rng.randint(0, 1))


def transport(rng, dport):
    """TCP or UDP with a payload."""
    body = Raw(rng.randbytes(rng.choice([0, 1, 7, 64, 501, 1200])))
    if rng.random() < 0.5:
        return UDP(sport=rng.randint(0, 65535), dport=dport) / body
    return TCP(sport=rng.randint(0, 65535), dport=dport, seq=rng.randint(0, 2**32 - 1), ack=rng.randint(0, 2**32 - 1),
               flags=rng.choice(["S", "A", "PA", "FA", "SA", "F", "SF", "PAU", "SEC"]),
               options=rng.choice([[], [("MSS", 1400)], [("NOP", None)] * 40])) / body


def reject(frame):
    """The answer to a packet of an empty pool."""
    tcp = frame.getlayer(TCP)
    if tcp is None:
        return unreachable(frame)
    if "A" in tcp.flags:
        return rst(frame, seq=tcp.ack, ack=0, flags="R")
    data = len(bytes(tcp)) - (bytes(tcp)[12] >> 4) * 4
    count = data + ("S" in tcp.flags) + ("F" in tcp.flags)
    return rst(frame, seq=0, ack=(tcp.seq + count) % 2**32, flags="RA")


def last(packet):
    """The innermost header of a chain without payload."""
    while packet.payload:
        packet = packet.payload
    return packet


def error(rng, number):
    """A router's error about a packet that a backend sent, quoted up to a random byte: what leaves follows its connection."""
    dport, v6 = rng.choice([(80, None), (81, False), (82, True)])
    router, quoted = head(rng), head(rng)
    while quoted.version != router.version:
        quoted = head(rng)
    client, quoted.src = quoted.src, quoted.dst
    quoted.dst = client
    need = len(bytes(quoted)) + 8
    port, proto = rng.randint(0, 65535), rng.choice([TCP, UDP])
    quoted = bytes(quoted / proto(sport=dport, dport=port) / Raw(rng.randbytes(1300)))
    room = 1280 - 8 - len(bytes(router))
    too_big = rng.random() < 0.5
    if router.version == 4:
        kind, code = (3, 4) if too_big else (rng.choice([3, 11, 12]), rng.choice([0, 1, 3, 13]))
        router.proto = 1
    else:
        kind, code = (2, rng.randint(0, 255)) if too_big else (rng.choice([1, 3, 4]), rng.randint(0, 255))
        last(router).nh = 58
    rest = rng.randint(1280, 1320) if too_big else rng.randint(0, 2**32 - 1)
    router = router / Raw(icmp_bytes(router, quoted[:rng.randint(need, room)], kind, code, rest))
    frame = link_header(rng) / router
    flow = world.flow_hash(client, world.VIP4 if router.version == 4 else world.VIP6, 6 if proto is TCP else 17, port, dport)
    out = l2(frame) if v6 is None else tunnel(frame, v6, flow=flow)
    return "name: error %d\nverdict: forward\nin: %s\nout: %s\n\n" % (number, bytes(frame).hex(), bytes(out).hex())


def relay(rng, number):
    """A router's too big about a tunnel: the client's packet, quoted up to a random byte, comes back from the VIP."""
    outer, mtu = rng.choice([4, 6]), rng.randint(1320, 1340)
    inner = head(rng)
    need = len(bytes(inner)) + 8
    inner = inner / rng.choice([TCP, UDP])(sport=rng.randint(0, 65535), dport=81) / Raw(rng.randbytes(1400))
    fields = world.OUTER4 if outer == 4 else world.OUTER6
    raw = bytes(inner)
    proto = 4 if inner.version == 4 else 41
    wrapped = (IP(proto=proto, **fields) if outer == 4 else IPv6(nh=proto, **fields)) / Raw(raw)
    grow = 20 if outer == 4 else 40
    room = 1280 - 8 - grow - grow
    keep = rng.randint(need, min(len(raw), room))
    frame = link_header(rng) / icmp_error(bytes(wrapped)[:grow + keep], 3 if outer == 4 else 2, 4 if outer == 4 else 0,
                                          mtu, outer, dst=fields["src"])
    out = too_big(frame, mtu - grow, inner, quote=keep)
    return "name: relay %d\nverdict: relay_too_big\nin: %s\nout: %s\n\n" % (number, bytes(frame).hex(), bytes(out).hex())


def one_case(rng, number):
    """A case as text."""
    kind = rng.choice(["l2", "ipip4", "ipip6", "reject", "echo", "error", "relay"])
    if kind in ("error", "relay"):
        return error(rng, number) if kind == "error" else relay(rng, number)
    if kind == "echo":
        packet = head(rng)
        data = rng.randbytes(rng.randint(0, 300))
        ident, seq = rng.randint(0, 65535), rng.randint(0, 65535)
        frame = link_header(rng) / packet / (ICMP(id=ident, seq=seq) / Raw(data) if packet.version == 4
                                             else ICMPv6EchoRequest(id=ident, seq=seq, data=data))
    else:
        frame = link_header(rng) / head(rng) / transport(rng, {"l2": 80, "ipip4": 81, "ipip6": 82, "reject": 83}[kind])
    padding = rng.choice([b"", b"", rng.randbytes(rng.randint(1, 40))])
    verdict, out = "forward", None
    if kind == "l2":
        out = l2(frame) + padding
    elif kind == "echo":
        verdict, out = "echo_reply", bytes(echo_reply(frame)) + padding
    elif kind == "reject":
        verdict, out = "reject_empty", bytes(reject(frame))
    else:
        out = bytes(tunnel(frame, kind == "ipip6"))
    return "name: %s %d\nverdict: %s\nin: %s\nout: %s\n\n" % (kind, number, verdict, (bytes(frame) + padding).hex(),
                                                            bytes(out).hex())


def main():
    """Makes a file of cases and has it replayed."""
    runner = sys.argv[1]
    usual = 600 if os.environ.get("SLUICE_TEST_QUICK") else 3000
    count = int(sys.argv[2]) if len(sys.argv) > 2 else usual
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().randint(0, 2**32)
    rng = random.Random(seed)
    with tempfile.NamedTemporaryFile("w", suffix=".case") as file:
        for number in range(count):
            file.write(one_case(rng, number))
        file.flush()
        done = subprocess.run([runner, file.name], capture_output=True, text=True)
    if done.returncode == 77:
        print(done.stderr.strip())
        sys.exit(77)
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if "OK ]" not in line and "RUN " not in line]
        print("\n".join(lines[:60]))
        sys.exit("random packets differ; repeat with: random_cases.py %s %d %d" % (runner, count, seed))
    print("%d random packets left as scapy says, seed %d" % (count, seed))


main()
