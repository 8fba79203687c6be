# SPDX-License-Identifier: BSD-3-Clause
"""The files of the project, and how a check reports: one line a finding, exit status 0, 1, or 77 for skipped."""
import pathlib
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
SKIP = 77
CODE_FOLDERS = ("include", "bpf", "dataplane", "controlplane", "tools", "tests")


def files(*suffixes):
    """Paths below SOURCE that the project keeps, relative, with one of the suffixes (none: all)."""
    git = subprocess.run(["git", "-C", SOURCE, "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True)
    if git.returncode == 0:
        names = git.stdout.splitlines()
    else:
        found = (p.relative_to(SOURCE) for p in SOURCE.rglob("*") if p.is_file())
        names = [str(p) for p in found if not p.parts[0].startswith((".git", "build"))]
    paths = sorted({pathlib.Path(name) for name in names})
    return [p for p in paths if (SOURCE / p).is_file() and (not suffixes or p.suffix in suffixes)]


def text(path):
    """A file's text."""
    return (SOURCE / path).read_text(errors="replace")


def finish(findings, good):
    """Prints what was found, or what holds, and ends the check."""
    for line in findings:
        print(line)
    if not findings:
        print(good)
    sys.exit(1 if findings else 0)


def skip(reason):
    """Ends the check as skipped."""
    print("skipped: " + reason)
    sys.exit(SKIP)
