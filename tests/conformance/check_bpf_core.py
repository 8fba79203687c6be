#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The forwarding core compiles for BPF, within its stack, and the verifier of the running kernel accepts it."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import tree

LOAD = "mount -t bpf bpf {0} && exec {1} prog load {2} {0}/core"


def main():
    """Compiles core.bpf.c; as root loads it under a name that ends with this process."""
    bpftool = shutil.which("bpftool") or shutil.which("bpftool", path="/usr/sbin")
    if not shutil.which("clang"):
        tree.skip("not installed: clang")
    machine = subprocess.run(["gcc", "-print-multiarch"], capture_output=True, text=True).stdout.strip()
    with tempfile.TemporaryDirectory() as folder:
        built = pathlib.Path(folder) / "core.bpf.o"
        done = subprocess.run(["clang", "-target", "bpf", "-mcpu=v3", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-Iinclude",
                               "-I/usr/include/" + machine, "-c", "tests/conformance/core.bpf.c", "-o", built],
                              cwd=tree.SOURCE, capture_output=True, text=True)
        if done.returncode:
            sys.exit("the core does not compile for BPF:\n" + done.stderr)
        print("compiles for BPF")
        if os.geteuid() or not bpftool:
            print("not loaded: that needs root and bpftool")
            return
        pins = pathlib.Path(folder) / "pins"
        pins.mkdir()
        done = subprocess.run(["unshare", "--mount", "sh", "-c", LOAD.format(pins, bpftool, built)], capture_output=True,
                              text=True)
        if done.returncode:
            sys.exit("the verifier refuses the core:\n" + "\n".join((done.stdout + done.stderr).splitlines()[-25:]))
        print("accepted by the verifier")


main()
