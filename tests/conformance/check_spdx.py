#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every file says its license in its first lines; BPF objects say both, because the kernel asks for the GPL."""
import tree

LINES = 5
BINARY = {".png", ".pcap", ".pcapng", ".bin"}
# Files that cannot carry a comment, each with its reason.
EXEMPT = {"LICENSE": "is the license", "tests/fuzz/corpus/": "raw inputs, read byte by byte",
          "tests/conformance/config/": "configurations and what is said about them, compared byte by byte",
          "tests/conformance/equal/found/": "drawn by a program, as it wrote them"}


def finding(path):
    """What is wrong with a file's license line, or None."""
    head = "\n".join(tree.text(path).splitlines()[:LINES])
    if "SPDX-License-Identifier: " not in head:
        return "%s:1: no SPDX-License-Identifier in its first %d lines: add BSD-3-Clause" % (path, LINES)
    wanted = "BSD-3-Clause"
    if path.name.endswith(".bpf.c") and path.parts[0] == "bpf":
        wanted = "GPL-2.0"
    if wanted not in head:
        return "%s:1: the license line does not name %s" % (path, wanted)
    return None


def main():
    """Looks at every file of the tree."""
    paths = [p for p in tree.files() if p.suffix not in BINARY and not any(str(p).startswith(e) for e in EXEMPT)]
    found = [line for line in map(finding, paths) if line]
    tree.finish(found, "%d files say their license" % len(paths))


main()
