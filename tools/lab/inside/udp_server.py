#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""use: udp_server.py ADDRESS PORT NAME – answers every datagram with NAME; prints "ready" first."""

import socket
import sys

address, port, name = sys.argv[1], int(sys.argv[2]), sys.argv[3]
with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as server:
    server.bind((address, port))
    print("ready", flush=True)
    while True:
        _, peer = server.recvfrom(2048)
        server.sendto(name.encode(), peer)
