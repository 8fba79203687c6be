#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""sluiced --check says of every case exactly what the library says: config_sluiced.py SLUICED DIR.

Runs in an empty network namespace, so that this machine's networks do not matter; cases that stand for
another machine ("# host:") are left to config_cases.
"""
import os
import pathlib
import subprocess
import sys

SKIPPED = 77


def wrong(sluiced, case):
    """What is wrong with one case, or None."""
    path = case.with_suffix(".expected")
    expected = path.read_text() if path.exists() else ""
    errors = any(line.startswith(case.name + ":") and ": warning: " not in line for line in expected.splitlines())
    done = subprocess.run([sluiced, "--check", case.name], cwd=case.parent, capture_output=True, timeout=60)
    said = done.stderr.decode()
    if done.returncode != int(errors):
        return "exit status %d, expected %d\n%s" % (done.returncode, errors, said)
    if said != expected:
        return "expected:\n%sbut was:\n%s" % (expected, said)
    return None


def main():
    """Enters an empty network namespace once, then runs every case."""
    if "CONFIG_SLUICED_INSIDE" not in os.environ:
        flags = "-n" if os.geteuid() == 0 else "-rn"
        if subprocess.run(["unshare", flags, "true"], stderr=subprocess.DEVNULL).returncode != 0:
            print("no network namespace may be made here (unshare %s)" % flags)
            sys.exit(SKIPPED)
        os.environ["CONFIG_SLUICED_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", flags, sys.executable] + sys.argv)
    sluiced, folder = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2])
    cases = [case for case in sorted(folder.glob("*.yaml")) if b"# host:" not in case.read_bytes()]
    failed = 0
    for case in cases:
        problem = wrong(sluiced, case)
        if problem:
            print("%s: %s" % (case.name, problem))
            failed += 1
    print("%d cases, %d failed" % (len(cases), failed))
    sys.exit(failed > 0 or len(cases) < 60)


main()
