#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A file has at most 500 lines, a function at most 70; exceptions stand in size_exceptions.txt with their reason."""
import re

import tree

FILE_LINES, FUNCTION_LINES = 500, 70
SUFFIXES = (".c", ".h", ".py", ".sh")
DATA = ("tests/packet/cases_",)


def exceptions():
    """The names that may be larger: `path` or `path:function`."""
    lines = tree.text("tests/conformance/size_exceptions.txt").splitlines()
    return {line.split(None, 1)[0]: line for line in lines if line and not line.startswith("#")}


def functions(lines):
    """(name, first line, length) of each C function whose braces stand in the first column."""
    start = name = None
    for number, line in enumerate(lines, 1):
        head = re.match(r"^[A-Za-z_][^;=#]*?(\w+)\(", line)
        if head and not line.rstrip().endswith(";"):
            start, name = number, head.group(1)
        elif line.startswith("}") and start:
            yield name, start, number - start + 1
            start = None


def main():
    """Looks at every source file."""
    allowed, used, found = exceptions(), set(), []

    def too_large(key, message):
        if key in allowed:
            used.add(key)
        else:
            found.append(message)

    for path in tree.files(*SUFFIXES):
        lines = tree.text(path).splitlines()
        if len(lines) > FILE_LINES and not str(path).startswith(DATA):
            too_large(str(path), "%s: %d lines; %d are allowed: split it by what it owns" % (path, len(lines), FILE_LINES))
        if path.suffix not in (".c", ".h"):
            continue
        for name, start, length in functions(lines):
            if length > FUNCTION_LINES:
                too_large("%s:%s" % (path, name), "%s:%d: %s has %d lines; %d are allowed" %
                          (path, start, name, length, FUNCTION_LINES))
    found += ["tests/conformance/size_exceptions.txt: %s is not needed" % key for key in allowed if key not in used]
    tree.finish(found, "files and functions are within their sizes")


main()
