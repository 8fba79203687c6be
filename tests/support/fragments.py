#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""
Large datagrams and fragments for scenarios. Each prints one line a datagram or at its end.

use: fragments.py echo ADDRESS PORT NAME               answers every datagram with NAME, a space and the datagram
     fragments.py ask FROM TO PORT FIRST COUNT SIZE TRIES   the kernel's fragments: `<source port> <NAME or error>`
     fragments.py send FROM TO PORT SOURCE-PORT KIND   fragments made by hand, see KINDS: `<NAME or error>`
     fragments.py flood FROM TO PORT SECONDS KIND      `<frames sent>`; KIND: firsts, laters; FROM: an address, or
                                                       `random` for another source in every frame; RATE frames a second
"""

import os
import random
import socket
import sys
import time

INTERFACE, PIECE, SIZE = "net0", 1208, 8000
RATE = 20000    # frames of a flood a second: what the lab carries beside its victims
TARGET_MAC = "02:00:00:00:00:01"
KINDS = ("in-order", "last-first", "shuffled", "copies", "overlap", "tiny", "no-first")


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def bound(source, port):
    one = socket.socket(family_of(source), socket.SOCK_DGRAM)
    one.bind((source, port))
    return one


def answer(one, data, seconds):
    """The name in front of `data` coming back whole, or what went wrong."""
    one.settimeout(seconds)
    try:
        got = one.recv(65535)
    except OSError as error:
        return "error:" + type(error).__name__
    name, _, rest = got.partition(b" ")
    return name.decode() if rest == data else f"error:{len(rest)}-other-bytes"


def echo(address, port, name):
    with bound(address, int(port)) as server:
        print("ready", flush=True)
        while True:
            data, peer = server.recvfrom(65535)
            try:
                server.sendto(name.encode() + b" " + data, peer)
            except OSError as error:     # too big was heard: the next one fits
                print("answer:", error, flush=True)


def ask(source, target, port, first, count, size, tries):
    """Several tries each: a first datagram may be what teaches the path's MTU."""
    for number in range(int(first), int(first) + int(count)):
        data = random.Random(number).randbytes(int(size))
        with bound(source, number) as one:
            for _ in range(int(tries)):
                one.sendto(data, (target, int(port)))
                result = answer(one, data, 1)
                if not result.startswith("error"):
                    break
        print(number, result, flush=True)


def own_mac():
    """Of nobody else: the lab's switch would send the answers of whom it belongs to here."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((INTERFACE, 0))
        return raw.getsockname()[4].hex(":")


def pieces(source, target, port, sport, data, ident):
    """The fragments of one datagram in order, each as (first byte, frame)."""
    from scapy.all import Ether, IP, IPv6, IPv6ExtHdrFragment, Raw, UDP
    link = Ether(src=own_mac(), dst=TARGET_MAC)
    six = ":" in source
    whole = (IPv6 if six else IP)(bytes((IPv6(src=source, dst=target) if six else IP(src=source, dst=target)) /
                                        UDP(sport=sport, dport=port) / Raw(data)))
    body = bytes(whole[UDP])

    def fragment(at, chunk, more):
        if six:
            return bytes(link / IPv6(src=source, dst=target) /
                         IPv6ExtHdrFragment(nh=17, id=ident, offset=at // 8, m=int(more)) / Raw(chunk))
        return bytes(link / IP(src=source, dst=target, id=ident & 0xffff, proto=17, frag=at // 8, flags="MF" if more else 0) /
                     Raw(chunk))

    made = [(at, fragment(at, body[at:at + PIECE], at + PIECE < len(body))) for at in range(0, len(body), PIECE)]
    return made, fragment


def send(source, target, port, sport, kind):
    ident = random.getrandbits(32)
    data = os.urandom(SIZE)
    made, fragment = pieces(source, target, int(port), int(sport), data, ident)
    frames = [frame for _, frame in made]
    if kind == "last-first":
        frames.reverse()
    elif kind == "shuffled":
        first = frames[0]
        while frames[0] is first:      # or they would come as well as in order to whoever needs only that one
            random.shuffle(frames)
    elif kind == "copies":
        frames = [frame for one in frames for frame in (one, one)]
    elif kind == "overlap":
        frames.insert(1, fragment(PIECE - 8, bytes(PIECE), True))
    elif kind == "tiny":
        frames.insert(1, fragment(8, bytes(8), True))
    elif kind == "no-first":
        frames = frames[1:]
    with bound(source, int(sport)) as one, socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((INTERFACE, 0))
        for frame in frames:
            raw.send(frame)
        print(answer(one, data, 1), flush=True)


def address_of_anybody(six, number):
    return f"2001:db8:{number + 16:x}::7" if six else f"203.{number >> 8}.{number & 255}.7"


def altered(frame, six, source, number):
    """The frame with another identification, and from another source if wanted."""
    frame = bytearray(frame)
    anybody = socket.inet_pton(socket.AF_INET6 if six else socket.AF_INET, address_of_anybody(six, number))
    if six:
        frame[58:62] = (0x10000 + number).to_bytes(4, "big")
        frame[22:38] = anybody if source else frame[22:38]
        return bytes(frame)
    frame[18:20] = (number + 1).to_bytes(2, "big")
    frame[26:30] = anybody if source else frame[26:30]
    frame[24:26] = b"\0\0"
    total = sum(int.from_bytes(frame[at:at + 2], "big") for at in range(14, 34, 2))
    total = (total & 0xffff) + (total >> 16)
    frame[24:26] = (~((total & 0xffff) + (total >> 16)) & 0xffff).to_bytes(2, "big")
    return bytes(frame)


def flood(source, target, port, seconds, kind):
    """Frames made before, sent as fast as one process can."""
    six = ":" in target
    made, _ = pieces(address_of_anybody(six, 0) if source == "random" else source, target, int(port), 1000,
                     bytes(PIECE * 2), 0x10000)
    frames = [altered(made[0 if kind == "firsts" else 1][1], six, source == "random", number) for number in range(4096)]
    print("sending", flush=True)
    sent, begin = 0, time.monotonic()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((INTERFACE, 0))
        while time.monotonic() < begin + float(seconds):
            for frame in frames[sent % 4096:sent % 4096 + 64]:
                try:
                    raw.send(frame)
                except OSError:          # the leg is full
                    pass
            sent += 64
            time.sleep(max(0, begin + sent / RATE - time.monotonic()))
    print(sent)


if __name__ == "__main__":
    {"echo": echo, "ask": ask, "send": send, "flood": flood}[sys.argv[1]](*sys.argv[2:])
