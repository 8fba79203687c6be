#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The worker's object calls nothing that allocates, prints, locks or waits. Arguments: the object files' names (their
ends) and, first, the build folder."""
import pathlib
import re
import subprocess
import sys

import tree

FORBIDDEN = re.compile(r"^(malloc|calloc|realloc|free|aligned_alloc|posix_memalign|v?[sf]?n?printf|__.*printf_chk|puts|putchar|"
                       r"fputs|fwrite|syslog|perror|rte_log|rte_vlog|rte_malloc.*|rte_zmalloc.*|rte_free|rte_panic|__rte_panic|"
                       r"pthread_mutex_.*|pthread_cond_.*|read|write|ioctl|recvmsg|sendmsg|open|close)$")


def main():
    """Looks at each hot object below the build folder."""
    build, names = pathlib.Path(sys.argv[1]), sys.argv[2:]
    objects = [path for path in sorted(build.rglob("*.o")) if path.name in names and "tests" not in path.parts]
    if not objects:
        tree.skip("not built here: " + ", ".join(names))
    found = []
    for path in objects:
        listing = subprocess.run(["nm", "-u", path], capture_output=True, text=True, check=True)
        symbols = [line.split()[-1].split("@")[0] for line in listing.stdout.splitlines() if line.strip()]
        found += ["%s: calls %s: not on a worker's way of a packet" % (path.relative_to(build), symbol)
                  for symbol in symbols if FORBIDDEN.match(symbol)]
    tree.finish(found, "%d hot objects call nothing that waits or allocates" % len(objects))


main()
