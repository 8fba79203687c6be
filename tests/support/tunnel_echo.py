#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""use: tunnel_echo.py FROM VIP OUTER-FROM BACKEND – one echo request to VIP inside a tunnel packet to BACKEND."""

import sys

from scapy.all import ICMP, IP, ICMPv6EchoRequest, IPv6, conf, send

source, vip, outer_source, backend = sys.argv[1:5]
conf.verb = 0
outer = (IPv6 if ":" in backend else IP)(src=outer_source, dst=backend)
if ":" in vip:
    send(outer / IPv6(src=source, dst=vip) / ICMPv6EchoRequest(data=b"lab"))
else:
    send(outer / IP(src=source, dst=vip) / ICMP())
