#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""use: tunnel_echo.py FROM VIP BACKEND – one echo request to VIP inside a tunnel packet to BACKEND."""

import sys

from scapy.all import ICMP, IP, ICMPv6EchoRequest, IPv6, conf, send

source, vip, backend = sys.argv[1:4]
conf.verb = 0
if ":" in vip:
    send(IPv6(src=source, dst=backend) / IPv6(src=source, dst=vip) / ICMPv6EchoRequest(data=b"lab"))
else:
    send(IP(src=source, dst=backend) / IP(src=source, dst=vip) / ICMP())
