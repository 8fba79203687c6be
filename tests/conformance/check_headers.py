#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Each header compiles alone: contracts and core with gcc, clang and clang -target bpf, the others with both."""
import concurrent.futures
import re
import shutil
import subprocess

import tree

WARNINGS = ["-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wshadow", "-Wpointer-arith", "-Wstrict-prototypes",
            "-Wno-unused-function", "-fsyntax-only", "-x", "c", "-"]
PACKAGES = {"dataplane": ["libdpdk"], "controlplane": ["libuv", "jansson", "libcurl", "libmicrohttpd", "libnl-3.0",
                                                       "libnl-route-3.0"]}


def flags_of(folder):
    """Compiler flags of the libraries that the folder may use, as far as they are installed."""
    flags = []
    for package in PACKAGES.get(folder, []):
        asked = subprocess.run(["pkg-config", "--cflags", package], capture_output=True, text=True)
        flags += asked.stdout.split() if asked.returncode == 0 else []
    return [flag for flag in flags if not flag.startswith("-std")]


def compile_alone(job):
    """One header with one compiler; the finding, or None."""
    path, compiler, flags = job
    done = subprocess.run([*compiler, "-Iinclude", "-I.", *flags, *WARNINGS], cwd=tree.SOURCE, text=True, capture_output=True,
                          input='#include "%s"\n' % path)
    # gcc has no name for this warning: the functions of env.h are the home's to define
    errors = [line for line in done.stderr.splitlines() if re.search(r"(error|warning): ", line)
              and "used but never defined" not in line]
    if not errors:
        return None
    return "%s does not compile alone with %s:\n%s" % (path, " ".join(compiler[:3]), done.stderr.strip())


def jobs():
    """Every (header, compiler, flags)."""
    machine = subprocess.run(["gcc", "-print-multiarch"], capture_output=True, text=True).stdout.strip()
    bpf = ["clang", "-target", "bpf", "-O2", "-I/usr/include/" + machine]
    for path in tree.files(".h"):
        folder = path.parts[0]
        if folder in ("tools", "tests"):
            continue
        flags = flags_of(folder)
        host = path.parts[:3] == ("include", "sluice", "host")  # what daemons do with libc; never part of the core
        if folder in ("include", "bpf") and not host:
            bpf_flags = ["-Wno-undefined-internal"]  # the seam's functions are the home's to define
            yield path, bpf, bpf_flags if folder == "include" else bpf_flags + ["-include", "linux/bpf.h", "-include", "bpf/bpf_helpers.h"]
        if folder != "bpf":
            yield path, ["gcc"], flags
            yield path, ["clang"], flags + ["-Wno-undefined-internal"]


def main():
    """Compiles everything, a few at a time."""
    missing = [tool for tool in ("gcc", "clang") if not shutil.which(tool)]
    if missing:
        tree.skip("not installed: " + ", ".join(missing))
    todo = list(jobs())
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        found = [line for line in pool.map(compile_alone, todo) if line]
    tree.finish(found, "%d compilations of single headers" % len(todo))


main()
