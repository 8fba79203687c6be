#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""
use: hold.py FROM TO PORT FIRST COUNT – opens COUNT connections and keeps them. For every line on
stdin it sends a request on each and prints one line of JSON: {"<source-port>": "<name or error:WHAT>"}.
The first line is printed once all are open. A connection that failed stays failed.
"""

import json
import socket
import sys

source, target, port, first, count = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
family = socket.AF_INET6 if ":" in target else socket.AF_INET
connections, failed = {}, {}


def ask(connection):
    connection.sendall(b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n")
    answer = b""
    while b"\r\n\r\n" not in answer or not answer.endswith(b"\n"):
        more = connection.recv(2048)
        if not more:
            raise ConnectionAbortedError
        answer += more
    return answer.rpartition(b"\r\n\r\n")[2].decode().strip()


def ask_all():
    names = dict(failed)
    for number, connection in list(connections.items()):
        try:
            names[number] = ask(connection)
        except OSError as error:
            names[number] = failed[number] = "error:" + type(error).__name__
            connections.pop(number).close()
    print(json.dumps(names), flush=True)


for number in range(first, first + count):
    one = socket.socket(family, socket.SOCK_STREAM)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.settimeout(5)
    one.bind((source, number))
    try:
        one.connect((target, port))
        connections[number] = one
    except OSError as error:
        failed[number] = "error:" + type(error).__name__
ask_all()
for _ in sys.stdin:
    ask_all()
