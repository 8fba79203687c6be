#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The layout of what two programs share, against abi.expected: sizes, offsets, types and values, as the compiler's
debug information has them. A difference without a new version number fails and says what to do.

check_abi.py [--update [--unreleased]] [--source DIR]; --unreleased keeps the version, for a layout that no release has."""
import argparse
import difflib
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
HEADERS = ["types.h", "limits.h", "verdict.h", "flow_counter.h", "tables.h", "abi.h", "flows.h",
           "steering.h", "xdp.h"]
REMEDY = """the layout of include/sluice changed, its version did not (%s).
  Readers of the old layout still work (a new field in zeroed space, a new value at the end): raise SL_ABI_MINOR.
  They would misread it (anything moved, resized or given another meaning): raise SL_ABI_MAJOR, SL_ABI_MINOR = 0.
  Then say so in docs/abi.md and run tests/abi/check_abi.py --update."""


def names(source, kind):
    """Names of all structs or unions that the headers define."""
    found = []
    for header in HEADERS:
        found += re.findall(r"^%s (sl_\w+) \{" % kind, (source / "include/sluice" / header).read_text(), re.M)
    return found


def probe(structs, unions):
    """A C file that uses every type, so that debug information describes it."""
    lines = ['#include "sluice/%s"' % header for header in HEADERS]
    lines += ["struct %s s_%s;" % (name, name) for name in structs]
    lines += ["union %s u_%s;" % (name, name) for name in unions]
    return "\n".join(lines) + "\n"


def values(source, compiler_flags):
    """`name = value` of every enumerator and every macro of the headers."""
    enumerators, macros = [], []
    for header in HEADERS:
        text = (source / "include/sluice" / header).read_text()
        for body in re.findall(r"^enum \w* ?\{(.*?)\}", text, re.M | re.S):
            body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
            enumerators += re.findall(r"\b(SL_\w+)\b(?=\s*(?:=|,|$|\s))", re.sub(r"=[^,]*", "", body))
        macros += re.findall(r"^#define (SL_(?:SHM|LOCK|API|DATAPLANE|RUNTIME)\w*) ", text, re.M)
    lines = ["#include <stdio.h>"] + ['#include "sluice/%s"' % header for header in HEADERS]
    lines += ["int main(void)", "{"]
    lines += ['\tprintf("%s = %%lld\\n", (long long)%s);' % (name, name) for name in enumerators]
    lines += ['\tprintf("%s = %%s\\n", %s);' % (name, name) for name in macros if name != "SL_SHM_MAGIC"]
    lines += ['\tprintf("SL_SHM_MAGIC = %#llx\\n", (unsigned long long)SL_SHM_MAGIC);', "\treturn 0;", "}"]
    code = "\n".join(lines) + "\n"
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        (path / "values.c").write_text(code)
        subprocess.run([*compiler_flags, "-o", path / "values", path / "values.c"], check=True)
        return subprocess.run([path / "values"], check=True, capture_output=True, text=True).stdout


def layout(source):
    """The whole description as text."""
    flags = ["gcc", "-std=gnu17", "-g", "-O0", "-I", str(source / "include")]
    structs, unions = names(source, "struct"), names(source, "union")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        (path / "probe.c").write_text(probe(structs, unions))
        subprocess.run([*flags, "-c", "-o", path / "probe.o", path / "probe.c"], check=True)
        described = ""
        for name in structs + unions:
            done = subprocess.run(["pahole", "-M", "-C", name, path / "probe.o"], check=True, capture_output=True, text=True)
            described += re.sub(r"[ \t]+\n", "\n", done.stdout.strip()) + "\n"
    return described + values(source, flags)


def version(text, source):
    """The version, from the headers or from a description."""
    if source:
        text = (source / "include/sluice/abi.h").read_text()
    return ".".join(re.search(r"SL_ABI_%s = (\d+)" % part, text).group(1) for part in ("MAJOR", "MINOR"))


def main():
    """Compares, or writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--unreleased", action="store_true")
    parser.add_argument("--source", type=pathlib.Path, default=HERE.parents[1])
    args = parser.parse_args()
    missing = [tool for tool in ("pahole", "gcc") if not shutil.which(tool)]
    if missing:
        print("skipped: not installed: %s (Debian: dwarves, gcc)" % ", ".join(missing))
        sys.exit(77)
    expected = args.source / "tests/abi/abi.expected"
    current = "# SPDX-License-Identifier: BSD-3-Clause\n" + layout(args.source)
    known = expected.read_text() if expected.exists() else ""
    if args.update and (not known or args.unreleased or version(known, None) != version("", args.source)):
        expected.write_text(current)
        return
    if known == current:
        print("the layout is that of version " + version(known, None))
        return
    for line in difference(known, current):
        print(line)
    if version(known, None) == version("", args.source):
        sys.exit(REMEDY % version(known, None))
    sys.exit("the version is new (%s): say what changed in docs/abi.md and run tests/abi/check_abi.py --update" %
             version("", args.source))


def difference(known, current):
    """The lines that differ, as diff has them."""
    return list(difflib.unified_diff(known.splitlines(), current.splitlines(), "abi.expected", "the headers", lineterm="", n=2))


main()
