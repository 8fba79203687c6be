#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Who includes what (docs/architecture.md): the text of every file, and what the compiler really read for each
object when a build folder is given."""
import re
import subprocess
import sys

import tree

KERNEL_LIBRARIES = r"netlink/|libnl|uv\.h|curl/|microhttpd|jansson|yaml|bpf/|xdp/"
LIBC_IN_CORE = r"(std(io|lib|def|int|bool|arg)|string|assert|errno|unistd|time|sys/.*|arpa/.*|netinet/.*)\.h|sys/|arpa/|netinet/"
# folder: (what it may not include, why)
DENY = {
    "include": [(r"rte_|" + KERNEL_LIBRARIES, "contracts and core know no library"),
                (LIBC_IN_CORE, "the core is compiled for BPF, which has no libc"),
                (r"^(\.\./)*(dataplane|controlplane|bpf|tools|tests)/", "contracts depend on nobody")],
    "bpf": [(r"rte_|netlink/|uv\.h|curl/|microhttpd|jansson|yaml", "BPF knows its helpers only"),
            (r"(dataplane|controlplane|tools|tests)/", "BPF sees include/ only")],
    "dataplane": [(r"controlplane/", "the data plane meets the control plane in include/sluice/abi.h"),
                  (KERNEL_LIBRARIES, "the data plane does not configure the kernel"),
                  (r"(tools|tests)/", "nothing includes tools/ or tests/")],
    "controlplane": [(r"rte_", "the control plane knows no DPDK"),
                     (r"dataplane/", "the control plane meets the data plane in include/sluice/abi.h"),
                     (r"(tools|tests)/", "nothing includes tools/ or tests/")],
    "tools": [(r"tests/", "nothing includes tests/")],
}


# include/sluice/host: inline headers with what both daemons do with the operating system; the core sees none of it.
DENY_HOST = [row for row in DENY["include"] if row[0] is not LIBC_IN_CORE]
DENY["include"].append((r"(^|/)host/", "the core is compiled for BPF, and host/ uses libc"))


# Exceptions, each with its reason.
ALLOW = {("dataplane/eal.c", "xdp/libxdp.h")}   # tells the libxdp inside DPDK's driver where to log, nothing else


def denied(path, header):
    """Why the file may not include that header, or None."""
    if (str(path), header) in ALLOW:
        return None
    rows = DENY_HOST if path.parts[:3] == ("include", "sluice", "host") else DENY.get(path.parts[0], [])
    return next((why for pattern, why in rows if re.search(pattern, header)), None)


def from_text():
    """Findings from #include lines."""
    for path in tree.files(".c", ".h"):
        for number, line in enumerate(tree.text(path).splitlines(), 1):
            include = re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)
            why = include and denied(path, include.group(1))
            if why:
                yield "%s:%d: includes %s: %s" % (path, number, include.group(1), why)


# What an object of a folder may not have read, however deep it was included.
READ_DENY = {
    "dataplane": r"(^|/)controlplane/|/netlink/|/uv\.h$|/curl/|microhttpd\.h|jansson\.h|yaml\.h",
    "controlplane": r"/rte_\w+\.h|(^|\.\./)dataplane/",
    "bpf": r"/rte_\w+\.h|(^|\.\./)(dataplane|controlplane)/",
}


def from_build(build):
    """Findings from what the compiler read."""
    listing = subprocess.run(["ninja", "-C", build, "-t", "deps"], capture_output=True, text=True)
    folder = target = None
    for line in listing.stdout.splitlines():
        if line and not line.startswith((" ", "\t")):
            target = line.split(":")[0]
            folder = target.split("/")[0]
        elif folder in READ_DENY and re.search(READ_DENY[folder], line.strip()):
            yield "%s: was built from %s, which %s/ may not see" % (target, line.strip(), folder)


def main():
    """Both ways; the build folder is the optional argument."""
    found = list(from_text())
    if len(sys.argv) > 1:
        found += list(from_build(sys.argv[1]))
    tree.finish(found, "includes keep to the layers")


main()
