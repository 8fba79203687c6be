# SPDX-License-Identifier: BSD-3-Clause
"""The rules of open rows said again, for the independent side: one packet, what is remembered, and the row. The
pools of services 90, 91 and 107 to 111 have one backend in each state; a slot is its state."""
import struct

import world
from frames import *

UP, DRAINING, LINGERING, DOWN, OTHER_UP, GONE, NOBODY = 0, 1, 2, 3, 4, 5, 32767
WORD = {UP: "current", DRAINING: "draining", LINGERING: "lingering", DOWN: "down", OTHER_UP: "up", GONE: "gone",
        NOBODY: "nobody"}
HANDSHAKE_S = 10
INITIAL = bytes([0xc3, 0, 0, 0, 1]) + bytes(20)
SHORT = bytes([0x43]) + bytes(24)


def alive(slot):
    """Up or draining."""
    return slot in (UP, OTHER_UP, DRAINING)


def may_stay(slot):
    """Connections that are there already go on."""
    return alive(slot) or slot == LINGERING


def flags_of(flags):
    """A set of flags as case.h has it."""
    return " ".join(sorted(flags)) or "plain"


class Memory:
    """What is remembered, and the keys of case.h that say what happened to it."""

    def __init__(self, entry, pressure, full):
        self.entry, self.pressure, self.full, self.keys, self.counts = entry, pressure, full, {}, []

    def store(self, slot, *flags):
        """True when there was room."""
        if self.full:
            return False
        self.keys["stored"] = slot
        if flags:
            self.keys["stored_flags"] = flags_of(flags)
        return True

    def touch(self, flags):
        """The connection was seen."""
        self.keys["touched"] = flags_of(flags)

    def count(self, name):
        """One more of a flow counter."""
        self.counts.append(name)


def start(memory, always, current, base, is_open):
    """A packet that starts a connection: the slot it goes to."""
    if memory.entry:
        slot, flags, age = memory.entry
        if "closing" not in flags and alive(slot) and (slot != DRAINING or age < HANDSHAKE_S):
            memory.touch(flags)
            memory.count("kept_start")
            return slot, True
        memory.keys["deleted"] = "yes"
        memory.count("replaced")
    if current == NOBODY or not is_open and not always:
        return current, False
    if memory.pressure and alive(base):
        if is_open:
            memory.count("start_base")
        return base, False
    if memory.store(current, "unconfirmed"):
        memory.count("stored_start")
    elif is_open and alive(base):
        memory.count("start_base")
        return base, False
    return current, False


def more(memory, kind, always, current, base, is_open, end, data):
    """A packet of a connection that exists: the slot it goes to."""
    new = ["closing"] if end else []
    if memory.entry:
        slot, flags, _ = memory.entry
        if may_stay(slot):
            flags = set(flags) - {"unconfirmed"}
            if end:
                flags |= {"closing"}
            elif data:
                flags -= {"closing"}
            memory.touch(flags)
            memory.count("found")
            return slot, True
        memory.count("lost")
    if not is_open:
        if always and current != NOBODY and (memory.entry or not memory.pressure):
            memory.store(current, *new)
        elif not always and current != NOBODY and memory.entry and kind == "udp":
            memory.keys["deleted"] = "yes"
        return current, False
    if may_stay(base):
        stored = (memory.entry or not memory.pressure) and memory.store(base, *new)
        memory.count("guess_base" if stored else "guess_base_full")
        return base, False
    if kind == "udp" and current != NOBODY:
        memory.store(current, *new)
    memory.count("guess_current")
    return current, False


def quoted(memory, current, base, is_open):
    """An ICMP error about a connection: nothing is stored or touched. The slot it goes to."""
    if memory.entry:
        if may_stay(memory.entry[0]):
            memory.count("found")
            return memory.entry[0], True
        memory.count("lost")
    if not is_open:
        return current, False
    memory.count("guess_icmp")
    return (base if may_stay(base) else current), False


class Sent:
    """A frame, what mode l2 makes of it for slot 0 and for every other one, and its connection's tag."""

    def __init__(self, frame, of=None):
        """`of`: a frame of the connection, where `frame` is an ICMP error about it."""
        self.bytes, self.first, self.other, self.tag = bytes(frame), l2(frame), l2(frame, 1, 1), tag(of or frame)
        self.is_error = of is not None


def case(sent, kind, starts=False, entry=None, base=None, lens=None, current=UP, pressure=False, full=False,
         always=False, end=False, data=False):
    """The verdict, the frame that leaves, and the keys of case.h for a Sent in a row with LOOK."""
    memory = Memory(entry, pressure, full)
    seen = lens not in (None, GONE, NOBODY)
    home = lens if seen else base if base is not None else current
    is_open = seen or home != current
    if sent.is_error:
        slot, tracked = quoted(memory, current, home, is_open)
    elif starts:
        slot, tracked = start(memory, always, current, home, is_open)
    else:
        slot, tracked = more(memory, kind, always, current, home, is_open, end, data)
    keys = {"looks": 1, "tag": sent.tag, **memory.keys}
    if entry:
        keys.update(remembered=entry[0], age=entry[2])
        if entry[1]:
            keys["remembered_flags"] = flags_of(entry[1])
    for key, value in (("base-" + kind, base), ("lens-" + kind, lens)):
        if value is not None:
            keys[key] = "none" if value == NOBODY else value
    if current != UP:
        keys["current"] = "none" if current == NOBODY else current
    for key, value in (("pressure", pressure), ("full", full), ("tracked", tracked)):
        if value:
            keys[key] = "yes"
    if is_open:
        keys["open"] = home
    if memory.counts:
        keys["counts"] = " ".join(memory.counts)
    if slot == NOBODY or slot == current and not tracked and current not in (UP, OTHER_UP):
        return "drop_no_backend", None, keys
    keys["slot"] = slot
    if slot == UP:
        return "forward", sent.first, keys
    return "forward", sent.other, {**keys, "out_port": 1}


def tag(frame):
    """The number that a connection is remembered by."""
    packet = frame[1]
    ports = packet.getlayer(TCP) or packet.getlayer(UDP)
    key = world.flow_key(packet.src, packet.dst, 6 if isinstance(ports, TCP) else 17, ports.sport, ports.dport)
    return "%016x" % world.siphash13(world.FLOW_KEY, key + struct.pack("<II", ports.dport - 80, 0))


def tcp(version, dport, flags, data=b""):
    """A client's TCP segment."""
    frame = eth() / (ip4() if version == 4 else ip6()) / TCP(sport=40000, dport=dport, flags=flags, seq=5, ack=9)
    return frame / Raw(data) if data else frame


def quic(version, dport, payload, **fields):
    """A client's QUIC packet, whole datagram given."""
    return eth() / (ip4() if version == 4 else ip6()) / UDP(sport=40000, dport=dport, **fields) / Raw(payload)
