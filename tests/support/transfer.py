#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""
A stream of many bytes in one TCP connection, each of them checked where it arrives.

use: transfer.py serve ADDRESS PORT                     until it is killed; says `ready`
     transfer.py download|upload FROM TO PORT BYTES     prints `<bytes> <MiB/s>`, or `error: …`, also after PATIENCE_S
                                                        seconds without a byte
"""

import random
import socket
import sys
import threading
import time

CHUNK, SHIFTS = 1 << 20, 4093      # chunk n of a stream begins at byte n % SHIFTS of the pattern: none is mistaken for its neighbour
PATIENCE_S = 5
PATTERN = memoryview(random.Random(1).randbytes(CHUNK + SHIFTS))


def chunks(total):
    """The stream, piece by piece."""
    for number in range((total + CHUNK - 1) // CHUNK):
        start = number % SHIFTS
        yield PATTERN[start:start + min(CHUNK, total - number * CHUNK)]


def send(peer, total):
    """Sends the stream and waits until the other end says what it got."""
    for chunk in chunks(total):
        peer.sendall(chunk)


def receive(peer, total):
    """Receives the stream; ValueError where it is another one."""
    buffer = memoryview(bytearray(CHUNK))
    for number, chunk in enumerate(chunks(total)):
        got = 0
        while got < len(chunk):
            some = peer.recv_into(buffer[got:len(chunk)])
            if not some:
                raise ValueError(f"ended after {number * CHUNK + got} bytes")
            got += some
        if buffer[:got] != chunk:
            raise ValueError(f"other bytes within {CHUNK} of {number * CHUNK}")


def read_line(peer):
    """A short line, byte by byte."""
    line = b""
    while not line.endswith(b"\n") and len(line) < 80:
        byte = peer.recv(1)
        if not byte:
            raise ValueError("ended before its answer")
        line += byte
    return line.decode().strip()


def answer(peer):
    """One connection of the server."""
    with peer:
        try:
            what, total = read_line(peer).split()
            (send if what == "download" else receive)(peer, int(total))
            peer.sendall(b"whole\n")
            peer.shutdown(socket.SHUT_WR)
            peer.recv(1)
        except (OSError, ValueError) as problem:
            print(problem, flush=True)


def serve(address, port):
    """Every connection in a thread of its own."""
    listener = socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
    print("ready", flush=True)
    while True:
        threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()


def ask(what, source, target, port, total):
    """One transfer; its bytes, and MiB a second."""
    begin = time.monotonic()
    with socket.create_connection((target, port), PATIENCE_S, (source, 0)) as peer:
        peer.sendall(f"{what} {total}\n".encode())
        (receive if what == "download" else send)(peer, total)
        said = read_line(peer)
        if said != "whole":
            raise ValueError(f"the other end says {said}")
    return f"{total} {total / (time.monotonic() - begin) / (1 << 20):.0f}"


def main():
    """Serves or asks."""
    if sys.argv[1:2] == ["serve"] and len(sys.argv) == 4:
        serve(sys.argv[2], int(sys.argv[3]))
    if sys.argv[1:2] not in (["download"], ["upload"]) or len(sys.argv) != 6:
        sys.exit(__doc__)
    try:
        print(ask(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])))
    except (OSError, ValueError) as problem:
        print(f"error: {problem}")


main()
