#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""use: hostile_frames.py VIP MAC – sends one frame of several malformed kinds to a VIP's port 80."""

import sys

from scapy.all import IP, TCP, UDP, Ether, IPv6, Raw, conf, sendp

vip, mac = sys.argv[1:3]
conf.verb = 0
ether = Ether(dst=mac)
if ":" in vip:
    network = IPv6(src="2001:db8:1::101", dst=vip)
    frames = [ether / network / Raw(b"\0" * 8), ether / IPv6(src="::1", dst=vip) / TCP(dport=80),
              ether / IPv6(src="2001:db8:1::101", dst=vip, nh=6) / Raw(b"\x12\x34\0\x50"),
              ether / network / TCP(dport=80, dataofs=15), ether / network / TCP(dport=80, dataofs=1),
              ether / network / UDP(dport=80, len=4)]
else:
    network = IP(src="198.51.100.101", dst=vip)
    frames = [ether / IP(src="198.51.100.101", dst=vip, ihl=15) / TCP(dport=80),
              ether / IP(src="198.51.100.101", dst=vip, chksum=1) / TCP(dport=80),
              ether / IP(src="127.0.0.1", dst=vip) / TCP(dport=80),
              ether / IP(src="198.51.100.101", dst=vip, proto=6) / Raw(b"\x12\x34\0\x50"),
              ether / network / TCP(dport=80, dataofs=15), ether / network / TCP(dport=80, dataofs=1),
              ether / network / UDP(dport=80, len=4)]
sendp(frames, iface="net0")
