# SPDX-License-Identifier: BSD-3-Clause
"""
Asks sluice-sim where flows would go: writes their SYNs as a capture and what the live balancer has
learnt (port, MAC addresses, backend states) as a scenario file, and reads the verdicts.
"""

import json
import os
import socket
import struct

from network import HOSTS, LB_PORT, address
from processes import LabError, run

PCAP_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
MAC = "02:00:00:00:00:{:02x}"


def checksum(data):
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def syn(source, source_port, vip, vip_port, family):
    """An Ethernet frame with the SYN of one flow."""
    kind = socket.AF_INET if family == 4 else socket.AF_INET6
    addresses = socket.inet_pton(kind, source) + socket.inet_pton(kind, vip)
    tcp = struct.pack("!HHIIBBHHH", source_port, vip_port, 1, 0, 5 << 4, 2, 64240, 0, 0)
    pseudo = addresses + (struct.pack("!BBH", 0, 6, 20) if family == 4 else struct.pack("!II", 20, 6))
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    if family == 4:
        header = struct.pack("!BBHHHBBH", 0x45, 0, 40, 1, 0x4000, 64, 6, 0) + addresses
        header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    else:
        header = struct.pack("!IHBB", 6 << 28, 20, 6, 64) + addresses
    ether = bytes.fromhex("020000000001" "020000000065") + (b"\x08\x00" if family == 4 else b"\x86\xdd")
    return ether + header + tcp


def write_capture(path, frames):
    with open(path, "wb") as out:
        out.write(PCAP_HEADER)
        for number, frame in enumerate(frames):
            out.write(struct.pack("<IIII", 1, number, len(frame), len(frame)) + frame)


def write_scenario(path, states):
    lines = ["ports:", f"  - name: {LB_PORT}", f'    mac: "{MAC.format(HOSTS["lb"])}"',
             f'    addresses: ["{address("lb", 4)}/24", "{address("lb", 6)}/64"]', "neighbors:"]
    for host, number in HOSTS.items():
        if host.startswith("be") or host == "uml":
            lines += [f'  - {{address: "{address(host, family)}", mac: "{MAC.format(number)}"}}' for family in (4, 6)]
    if states:
        lines += ["backends:", *(f"  {host}: {state}" for host, state in states.items())]
    with open(path, "w", encoding="ascii") as out:
        out.write("\n".join(lines) + "\n")


def simulate(lab, config_path, flows, family, states):
    """{flow: backend} for flows (client, source port) to the VIP's TCP port 80."""
    return {flow: verdict.get("backend") for flow, verdict in verdicts(lab, config_path, flows, family, states).items()}


def verdicts(lab, config_path, flows, family, states, vip_port=80):
    """{flow: sluice-sim's verdict on its SYN} for flows (client, source port) to the VIP."""
    base = os.path.join(lab.folder, "predict")
    write_capture(base + ".pcap", [syn(address(client, family), port, lab.vip(family), vip_port, family)
                                   for client, port in flows])
    write_scenario(base + ".yaml", states)
    run([lab.program("sluice-sim"), "--config", config_path, "--scenario", base + ".yaml", "--in", base + ".pcap",
         "--out", base + "-out.pcap", "--verdicts", base + ".jsonl"])
    with open(base + ".jsonl", encoding="ascii") as lines:
        said = [json.loads(line) for line in lines]
    if len(said) != len(flows):
        raise LabError(f"sluice-sim gave {len(said)} verdicts for {len(flows)} packets; see {base}.*")
    return dict(zip(flows, said))
