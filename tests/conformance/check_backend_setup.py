#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""sluicectl backend-setup from outside: what it prints in each form, from lists and from a file, and what it refuses."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

CTL = sys.argv[1]
TUNNEL = ["--vip", "192.0.2.10,2001:db8::10", "--mode", "ipip", "--address", "198.51.100.21,2001:db8:1::21",
          "--from", "198.51.100.1,2001:db8:1::1", "--device", "eth1"]
CONFIG = """interfaces: ["af_xdp:lo"]
outer-source: 198.51.100.7
services:
  - {name: www, listen: ["tcp 192.0.2.10:80", "udp 192.0.2.10:443"], pool: web, mode: l2}
  - {name: far, listen: "tcp 192.0.2.11:80", pool: web, mode: ipip}
  - {name: other, listen: "tcp 192.0.2.12:80", pool: rest, mode: l2}
pools:
  - {name: web, backends: [{name: web1, address: 198.51.100.21}]}
  - {name: rest, backends: [{name: web2, address: 198.51.100.22}]}
"""
REFUSED = [
    (["--vip", "192.0.2.10"], "--mode is missing"),
    (["--mode", "l2"], "no backend is named"),
    (["--vip", "192.0.2.300", "--mode", "l2"], "is no IP address"),
    (["--vip", "192.0.2.10", "--mode", "gre"], "allowed: l2, ipip"),
    (["--vip", "192.0.2.10", "--mode", "ipip"], "--address is missing"),
    (["--vip", "192.0.2.10", "--mode", "ipip", "--address", "198.51.100.21"], "--from is missing"),
    (["--vip", "192.0.2.10", "--mode", "ipip", "--address", "198.51.100.21", "--from", "10.0.0.0/33"], "no such prefix length"),
    (["--vip", "192.0.2.10", "--mode", "ipip", "--address", "198.51.100.21", "--from", "10.0.0.0/8"], "take --tunnel xdp"),
    (["--vip", "192.0.2.10", "--mode", "ipip", "--address", "198.51.100.21", "--from", "any", "--tunnel", "xdp"],
     "--device is missing"),
    (["--vip", "192.0.2.10", "--mode", "l2", "--device", "eth 1"], "--device eth 1"),
    (["--vip", "192.0.2.10", "--mode", "l2", "--mtu", "9000"], "--mtu needs --device"),
    (["--vip", "192.0.2.10", "--mode", "l2", "--mtu", "12", "--device", "eth1"], "1280 to 65535"),
    (["--vip", "192.0.2.10", "--mode", "l2", "--as", "perl"], "shell, networkd, ansible"),
    (["--vip", "192.0.2.10", "--mode", "l2", "--as", "ansible", "--apply"], "leave --as away"),
    (["--vip", "192.0.2.10", "--mode", "l2", "--state", "/tmp/$(id)"], "letters, digits"),
    (["web1", "--vip", "192.0.2.10", "--mode", "l2"], "leave one away"),
]


def setup(*words, good=True):
    done = subprocess.run([CTL, "backend-setup", *words], capture_output=True, text=True, timeout=20)
    demand((done.returncode == 0) == good, f"{words}: exit status {done.returncode}: {done.stderr.strip()}")
    return done.stdout if good else done.stderr


def demand(holds, text):
    if not holds:
        sys.exit(text)


def has(text, *parts):
    for part in parts:
        demand(part in text, f"{part!r} is not in:\n{text}")


def shells():
    """Every form, in both directions, is something that its reader understands."""
    for form in ("shell", "networkd", "ansible"):
        for tunnel in ("kernel", "xdp", "xdp-generic", "tc"):
            for undo in ([], ["--undo"]):
                text = setup(*TUNNEL, "--tunnel", tunnel, "--mtu", "1540", "--mss", "1400", "--as", form, *undo)
                demand(setup(*TUNNEL, "--tunnel", tunnel, "--mtu", "1540", "--mss", "1400", "--as", form, *undo) == text,
                       "not the same text twice")
                if form == "ansible":
                    ansible(text)
                else:
                    shell(text)


def shell(text):
    demand(subprocess.run(["sh", "-n"], input=text, text=True).returncode == 0, f"no shell script:\n{text}")
    if shutil.which("shellcheck"):
        done = subprocess.run(["shellcheck", "-"], input=text, capture_output=True, text=True)
        demand(done.returncode == 0, done.stdout)


def ansible(text):
    """Its scripts must not look like templates, which Ansible would fill in."""
    for block in re.findall(r"content: \|\n((?: {10}.*\n|\n)+)", text):
        demand(not re.search(r"\{\{|\{%|\{#", block), "a script that Ansible takes for a template")
        if "#!/bin/sh" in block:
            shell("\n".join(line[10:] for line in block.splitlines()))
    try:
        import yaml
    except ImportError:
        return
    tasks = yaml.safe_load(text)[0]["tasks"]
    demand(all(len([key for key in task if key.startswith("ansible.builtin.")]) == 1 for task in tasks), "a task of no module")


def what_is_said():
    text = setup("--vip", "192.0.2.10,192.0.2.10,2001:db8::10", "--mode", "l2")
    has(text, "arp_ignore 1", "arp_announce 2", "addr replace 192.0.2.10/32 dev lo\naddr replace 2001:db8::10/128 dev lo nodad\n")
    demand(text.index("arp_announce") < text.index("addr replace"), "the VIP is there before the rules are")
    demand(text.count("192.0.2.10/32") == 1, "a VIP twice")
    demand("tunnel" not in text and "bpftool" not in text, "a tunnel for l2")
    text = setup(*TUNNEL)
    has(text, "ipip ipip 198.51.100.21 198.51.100.1", "sit ip6ip 198.51.100.21 198.51.100.1",
        "ip6tnl any 2001:db8:1::21 2001:db8:1::1", "ipv4 conf all rp_filter 0")
    names = re.findall(r"^tunnel (\S+)", text, re.M)
    swapped = setup(*TUNNEL[:6], "--from", "2001:db8:1::1,198.51.100.9,198.51.100.1")
    demand(len(names) == 3 and set(names) < set(re.findall(r"^tunnel (\S+)", swapped, re.M)), "names depend on the order of a list")
    text = setup(*TUNNEL, "--tunnel", "xdp")
    has(text, "decap_own key hex 00 00 00 00 00 00 00 00 00 00 ff ff c6 33 64 15", "decap_vips key hex 20 01 0d b8",
        "decap_sources key hex 80 00 00 00 20 01 0d b8", "setting ipv4 conf eth1 rp_filter 2")
    has(setup(*TUNNEL[:6], "--from", "10.1.2.3/8", "--device", "eth1", "--tunnel", "tc"),
        "decap_sources key hex 68 00 00 00 00 00 00 00 00 00 00 00 00 00 ff ff 0a 00 00 00", "ingress pref 4041")
    has(setup(*TUNNEL, "--as", "networkd"), "Address=2001:db8::10/128\nDuplicateAddressDetection=none", "Kind=ip6tnl",
        "Independent=yes\nLocal=198.51.100.21\nRemote=198.51.100.1")


def of_a_file(folder):
    path = os.path.join(folder, "sluice.yaml")
    with open(path, "w", encoding="utf-8") as out:
        out.write(CONFIG)
    text = setup("web1", "--config", path)
    has(text, "192.0.2.10/32", "192.0.2.11/32", "ipip ipip 198.51.100.21 198.51.100.7")
    demand("192.0.2.12" not in text, "a VIP of another pool")
    has(setup("web9", "--config", path, good=False), "no service uses a backend called web9")
    has(setup("web1", "--config", path, "--pool", "rest", good=False), "no service uses")
    has(setup("web1", "--config", os.path.join(folder, "none"), good=False), "sluiced --check")


def main():
    shells()
    what_is_said()
    for words, part in REFUSED:
        text = setup(*words, good=False)
        has(text, part)
        demand(text.count("\n") == 1 and text.startswith("sluicectl: "), f"not one line: {text}")
    with tempfile.TemporaryDirectory() as folder:
        of_a_file(folder)
    print("what it prints holds; shellcheck: " + ("asked" if shutil.which("shellcheck") else "not installed, sh -n asked"))


main()
