#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""
Installs what the tests need, builds, and runs the tests. Prints what it does, what is skipped and why,
and closes with `N passed, N failed, N skipped`. Exit status 0 when nothing failed.
"""

import argparse
import concurrent.futures
import glob
import json
import os
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILDS = os.path.join(ROOT, "build-check")
NO_EAL = ["-Ddpdk=disabled"]             # the sanitizers do not get along with the EAL's memory


class Tally:
    """What passed, failed and was skipped, with the time since the start in front of every line."""

    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], []
        self.begin = time.monotonic()

    def say(self, text):
        minutes, seconds = divmod(int(time.monotonic() - self.begin), 60)
        print(f"[{minutes:2d}:{seconds:02d}] {text}", flush=True)

    def ok(self, text):
        self.passed += 1
        self.say(f"ok    {text}")

    def fail(self, text, output=""):
        self.failed.append(text)
        self.say(f"FAIL  {text}")
        if output:
            print("        " + "\n        ".join(output.strip().splitlines()[-40:]), flush=True)

    def skip(self, text, reason):
        self.skipped.append(text)
        self.say(f"skip  {text}: {reason}")

    def close(self):
        for name in self.failed:
            print(f"failed: {name}")
        print(f"{self.passed} passed, {len(self.failed)} failed, {len(self.skipped)} skipped")
        return 1 if self.failed or not self.passed else 0


def run(argv, **kwargs):
    return subprocess.run(argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False, **kwargs)


def build(tally, name, settings, compiler=None, ninja=("ninja",)):
    """Configures and compiles one build folder and returns it; None when that fails (which is counted)."""
    folder = os.path.join(BUILDS, name)
    environment = dict(os.environ, CC=compiler) if compiler else None
    again = ["--wipe"] if os.path.isdir(os.path.join(folder, "meson-info")) and not configured(folder) else []
    if not configured(folder):
        done = run(["meson", "setup", *again, folder, "-Dwerror=true", *settings], env=environment)
        if done.returncode != 0:
            tally.fail(f"build {name}: meson setup", done.stdout)
            return None
    done = run([*ninja, "-C", folder])
    if done.returncode != 0:
        tally.fail(f"build {name}", done.stdout)
        return None
    tally.ok(f"build {name}: no warning")
    return folder


def configured(folder):
    return os.path.exists(os.path.join(folder, "build.ninja"))


def meson_tests(tally, name, folder, *select):
    """Runs meson's tests of one build folder and counts them one by one."""
    log = os.path.join(folder, "meson-logs", "testlog.json")
    if os.path.exists(log):
        os.remove(log)
    done = run(["meson", "test", "-C", folder, "--no-rebuild", "--print-errorlogs", *select])
    if not os.path.exists(log):
        if "No suitable tests" in done.stdout or "No tests defined" in done.stdout:
            return
        tally.fail(f"{name}: meson test", done.stdout)
        return
    passed = 0
    with open(log, encoding="utf-8") as lines:
        for line in lines:
            one = json.loads(line)
            title = f"{name}: {one['name']}"
            if one["result"] in ("OK", "EXPECTEDFAIL"):
                passed += 1
            elif one["result"] == "SKIP":
                said = (one.get("stdout") or one.get("stderr") or "no reason given").strip().splitlines()
                tally.skip(title, said[-1])
            else:
                tally.fail(f"{title}: {one['result']}", (one.get("stdout") or "") + (one.get("stderr") or ""))
    tally.passed += passed
    tally.say(f"ok    {name}: {passed} test programs")


def fuzz(tally, folder, seconds):
    """
    Each fuzz target for a short while, from its corpus, as many at a time as there are processors; what they find
    new stays in the build folder.
    """
    targets = sorted(path for path in glob.glob(os.path.join(folder, "tests", "fuzz", "fuzz_*"))
                     if os.access(path, os.X_OK) and os.path.isfile(path))

    def run_target(target):
        name = os.path.basename(target)
        found = os.path.join(folder, "found-" + name)
        os.makedirs(found, exist_ok=True)
        corpus = os.path.join(ROOT, "tests", "fuzz", "corpus", name.removeprefix("fuzz_"))
        return run([target, found, *([corpus] if os.path.isdir(corpus) else []), f"-max_total_time={seconds}",
                    "-print_final_stats=1", f"-artifact_prefix={found}/"])
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as side_by_side:
        results = [(target, side_by_side.submit(run_target, target)) for target in targets]
    for target, result in results:
        name, done = os.path.basename(target), result.result()
        if done.returncode != 0:
            tally.fail(f"{name}: found something; see {os.path.join(folder, 'found-' + name)}", done.stdout)
        else:
            runs = [line.split()[-1] for line in done.stdout.splitlines() if "number_of_executed_units" in line]
            tally.ok(f"{name}: {seconds} s, {runs[0] if runs else '?'} inputs")
    if not targets:
        tally.skip("fuzz targets", "the build made none")


def scenarios(tally, folder, seed, everything):
    """The scenarios with real processes; their lines are passed on as they come."""
    argv = [os.path.join(ROOT, "tests", "netns", "run"), "--build", folder, "--seed", str(seed),
            *(["--all"] if everything else [])]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace") as running:
        closed = False
        for line in running.stdout:
            word, _, rest = line.rstrip().partition(" ")
            rest = " ".join(rest.split())
            if word == "ok":
                tally.ok(rest)
            elif word == "FAIL":
                tally.fail(rest)
            elif word == "skip":
                tally.skip(rest, "see the next line")
            elif " passed, " in line:
                closed = True
            else:
                print("        " + line.rstrip(), flush=True)
    if not closed:
        tally.fail(f"tests/netns/run ended with {running.returncode} before it was through")


def demo(tally):
    """What the README promises first."""
    done = run([os.path.join(ROOT, "tools", "demo")])
    if done.returncode == 0:
        tally.ok("tools/demo: " + done.stdout.strip().splitlines()[-1])
    else:
        tally.fail("tools/demo", done.stdout)


def options():
    parser = argparse.ArgumentParser(prog="tools/check", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="without the scenarios that need root, and without slow tests")
    parser.add_argument("--long", action="store_true", help="every variant of everything")
    parser.add_argument("--seed", type=int, help="draws the scenarios' variants (default: by the clock, printed)")
    asked = parser.parse_args()
    if asked.quick and asked.long:
        parser.error("--quick or --long, not both")
    if asked.long:
        os.environ["SLUICE_TEST_LONG"] = "1"  # tests that can do more of the same
    if asked.quick:
        os.environ["SLUICE_TEST_QUICK"] = "1"  # or less
    return asked


def main():
    asked = options()
    tally = Tally()
    seed = asked.seed if asked.seed is not None else int(time.time()) % 100000
    os.environ["SLUICE_TEST_SEED"] = str(seed)  # of tests that draw
    tally.say(f"seed {seed} (the same choices again: tools/check --seed {seed})")
    installed = run([os.path.join(ROOT, "tools", "lab", "packages"), "install", "build", "test", "demo"])
    if installed.returncode != 0:
        tally.fail("packages", installed.stdout)
        return tally.close()
    hurry = ["--no-suite", "slow"] if asked.quick else []            # what takes more than ten seconds
    gcc = build(tally, "gcc", [])
    with concurrent.futures.ThreadPoolExecutor(1) as meanwhile:      # compilers take what the tests leave
        clang = meanwhile.submit(build, tally, "clang-asan-ubsan", [
            *NO_EAL, "-Db_sanitize=address,undefined", "-Db_lundef=false", "-Dfuzz=enabled",
            "--buildtype=debugoptimized"], "clang", ("nice", "-n", "15", "ninja"))
        if gcc:
            meson_tests(tally, "gcc", gcc, "--no-suite", "netns", "--no-suite", "scenarios", *hurry)
    clang = clang.result()
    if clang:
        # what reads headers, documents or the clock learns nothing from a sanitizer
        meson_tests(tally, "clang with ASan and UBSan", clang, "--suite", "unit", "--suite", "packet", "--suite", "fuzz", *hurry)
        if not asked.quick:
            meson_tests(tally, "clang with ASan and UBSan", clang, "config cases", "ring_flip", "ring_kill", "sim",
                        "maglev_twin", "packet_random")
        fuzz(tally, clang, 2 if asked.quick else 300 if asked.long else 20)
    if asked.quick:
        tally.say("--quick: without the root scenarios and the suite `slow`")
    elif os.geteuid() != 0:
        tally.skip("root scenarios", "network namespaces need root")
    elif gcc:
        meson_tests(tally, "root", gcc, "--suite", "netns")
        scenarios(tally, gcc, seed, asked.long)
        demo(tally)
    return tally.close()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
