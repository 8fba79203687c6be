#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""
use: udp_client.py FROM TO PORT FIRST COUNT – one datagram from each of COUNT source ports; prints
`<source-port> <answer>` a line, `error:WHAT` where none came within a second.
"""

import select
import socket
import sys

source, target, port, first, count = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
family = socket.AF_INET6 if ":" in target else socket.AF_INET
answers = {}
poll = select.poll()
sockets = {}
for number in range(first, first + count):
    one = socket.socket(family, socket.SOCK_DGRAM)
    one.bind((source, number))
    one.connect((target, port))
    sockets[one.fileno()] = (number, one)
    poll.register(one, select.POLLIN)
    one.send(b"who is there?")
while len(answers) < count:
    events = poll.poll(1000)
    if not events:
        break
    for fd, _ in events:
        number, one = sockets[fd]
        try:
            answers[number] = one.recv(2048).decode()
        except OSError as error:
            answers[number] = "error:" + type(error).__name__
        poll.unregister(fd)
for number in range(first, first + count):
    print(number, answers.get(number, "error:ETIMEDOUT"))
