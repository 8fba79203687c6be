#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""check_abi.py must be able to fail: each change below is made in a copy of the headers and has to be noticed."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]

# What was changed, in which header, from what to what.
CHANGES = [
    ("a field that grows", "tables.h", "__u8 zero[3];\n};\n\n/*\n * One pool", "__u8 zero[8];\n};\n\n/*\n * One pool"),
    ("a field of another meaning and the same size", "tables.h", "__u32 neighbor;           /*", "__u32 gateway;            /*"),
    ("a value that moves", "verdict.h", "SL_VERDICT_DROP_LOOP,", "SL_VERDICT_DROP_EARLY,\n\tSL_VERDICT_DROP_LOOP,"),
    ("two fields that change places", "abi.h", "__u64 position;  ", "__u64 length_;   "),
    ("a limit that is raised", "limits.h", "SL_PORTS_MAX = 16,", "SL_PORTS_MAX = 32,"),
    ("a file of another name", "abi.h", '"dataplane.shm"', '"sluice.shm"'),
]


def check(copy, *args):
    """Runs the check on the copy: (exit status, output)."""
    done = subprocess.run([HERE / "check_abi.py", "--source", copy, *args], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def must(condition, what, output=""):
    """Ends the test with what did not hold."""
    if not condition:
        sys.exit("not so: %s\n%s" % (what, output))


def replace(path, old, new):
    """Replaces text that has to be there."""
    text = path.read_text()
    must(old in text, "%s contains %r" % (path.name, old))
    path.write_text(text.replace(old, new, 1))


def main():
    """Every change alone, then with the version raised, then with the description updated."""
    status, output = check(ROOT)
    if status == 77:
        print(output)
        sys.exit(77)
    for name, header, old, new in CHANGES:
        with tempfile.TemporaryDirectory() as folder:
            copy = pathlib.Path(folder)
            shutil.copytree(ROOT / "include", copy / "include")
            shutil.copytree(ROOT / "tests/abi", copy / "tests/abi")
            must(check(copy, "--update")[0] == 0, name + ": the copy is described")
            must(check(copy)[0] == 0, name + ": the copy is unchanged")
            changed = copy / "include/sluice" / header
            replace(changed, old, new)
            for path in changed.parent.glob("*.h"):  # the sizes that the headers assert themselves move along
                path.write_text("\n".join(line for line in path.read_text().split("\n")
                                          if not line.startswith("_Static_assert")))
            status, output = check(copy)
            must(status == 1 and "raise SL_ABI_MINOR" in output and "raise SL_ABI_MAJOR" in output, name + " is noticed", output)
            replace(copy / "include/sluice/abi.h", "SL_ABI_MAJOR = 2", "SL_ABI_MAJOR = 3")
            status, output = check(copy)
            must(status == 1 and "the version is new" in output, name + " asks for a new description", output)
            must(check(copy, "--update")[0] == 0 and check(copy)[0] == 0, name + " is accepted with both")
            print("noticed: " + name)


main()
