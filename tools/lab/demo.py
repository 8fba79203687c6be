#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""
Shows Sluice at work: builds it, lays out a lab of network namespaces, runs sluiced and sluice-dp on
DPDK, sends real requests and breaks things. One line a step; exit status 1 when a step does not hold.
"""

import argparse
import collections
import os
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, "build-demo")
sys.path.insert(0, os.path.join(ROOT, "tools", "lab"))
sys.dont_write_bytecode = True

from clients import by_flow, errors, shares          # noqa: E402
from lab import Lab                                  # noqa: E402
from processes import LabError, wait_for             # noqa: E402

TOLERANCE = 3.0       # percent points a share may be off its weight
REQUESTS = 4000
SLOW_MS = 900         # a request that waited for a repeated SYN took a second
COLOR = sys.stdout.isatty()


class StepFailed(Exception):
    pass


def paint(text, code):
    return f"\033[{code}m{text}\033[0m" if COLOR else text


class Script:
    """Numbers the steps and prints one line each: what happens, then whether it held."""

    def __init__(self):
        self.number = 0
        self.text = ""

    def step(self, text):
        self.number += 1
        self.text = text
        print(f"{self.number:2d}  {text} ", end="", flush=True)

    def progress(self, text):
        if COLOR:
            print(f"\r\033[K{self.number:2d}  {self.text} {text}", end="", flush=True)

    def held(self, text=""):
        self.progress("")
        print(paint("✓", 32), text, flush=True)

    @staticmethod
    def note(text):
        print(f"      {text}", flush=True)

    @staticmethod
    def demand(holds, text):
        if not holds:
            raise StepFailed(text)


def command(script, argv, progress=False):
    """Runs a build command; on a terminal its last line is shown while it runs."""
    lines = collections.deque(maxlen=30)
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace") as running:
        for line in running.stdout:
            lines.append(line.rstrip())
            if progress:
                script.progress(line.strip()[:60])
    script.demand(running.returncode == 0, "\n".join([" ".join(argv), *lines]))
    return list(lines)


def prepare(script):
    script.step("packages from Debian:")
    lines = command(script, ["tools/lab/packages", "install", "build", "demo"], progress=True)
    script.held(" ".join(lines) or "nothing missing")
    script.step("build:")
    begin = time.monotonic()
    if not os.path.exists(os.path.join(BUILD, "build.ninja")):
        command(script, ["meson", "setup", BUILD, "--buildtype=release", "-Dtests=disabled"], progress=True)
    command(script, ["ninja", "-C", BUILD], progress=True)
    script.held(f"{time.monotonic() - begin:.0f} s, in {os.path.basename(BUILD)}/")


def show_shares(script, lab, answers, weights):
    """Prints a bar for each backend and demands that the shares are near the weights."""
    counts = shares(answers)
    far = []
    for host, weight in zip(lab.hosts, weights):
        share = 100 * counts[host] / len(answers)
        wanted = 100 * weight / sum(weights)
        script.note(f"{host}  {share:5.1f} %  {paint('█' * round(share / 2), 36)}")
        if abs(share - wanted) > TOLERANCE:
            far.append(f"{host} got {share:.1f} % instead of {wanted:.1f} %")
    script.demand(not far, "; ".join(far))


def all_answered(script, answers):
    failed = errors(answers)
    script.demand(not failed, f"{len(failed)} of {len(answers)} requests failed, the first: {failed[:1]}")
    return by_flow(answers)


def first_light(script, lab):
    script.step(f"lab {lab.name}: 2 clients, a switch, the balancer, 4 backends with nginx")
    for family in (4, 6):
        silent = [host for host in lab.hosts if not lab.backends.reach_directly(host, family=family)]
        script.demand(not silent, f"not reached directly: {silent}")
    script.held("all reached directly")
    script.step(f"sluiced probes the backends, sluice-dp (DPDK) forwards; VIP {lab.vip()}:")
    begin = time.monotonic()
    lab.balancer.start()
    wait_for(lambda: set(lab.balancer.backend_states().values()) == {"up"}, 15, "all backends are up")
    script.held(f"answers after {time.monotonic() - begin:.1f} s")
    script.step(f"{REQUESTS} requests through the VIP:")
    answers = lab.clients.fetch(REQUESTS)
    flows = all_answered(script, answers)
    script.held("all answered, four equal shares")
    show_shares(script, lab, answers, [1, 1, 1, 1])
    return flows


def backend_fails(script, lab, before):
    script.step("be2 is killed; the same connections again:")
    begin = time.monotonic()
    lab.backends.kill_nginx("be2")
    lab.balancer.wait_state("be2", "down")
    noticed = time.monotonic() - begin
    answers = lab.clients.fetch(REQUESTS)
    during = all_answered(script, answers)
    bystanders = [flow for flow, host in before.items() if host not in ("be2", during[flow])]
    script.demand(not bystanders, f"{len(bystanders)} connections of other backends moved")
    moved = sum(1 for host in before.values() if host == "be2")
    script.held(f"out after {noticed:.1f} s; its {moved} connections moved, no other one")
    show_shares(script, lab, answers, [1, 0, 1, 1])
    script.step("be2 comes back; the same connections again:")
    begin = time.monotonic()
    lab.backends.start_nginx("be2")
    lab.balancer.wait_state("be2", "up")
    noticed = time.monotonic() - begin
    after = all_answered(script, lab.clients.fetch(REQUESTS))
    script.demand(after == before, "not every connection is back where it was")
    script.held(f"in after {noticed:.1f} s; every connection where it was at first")


def backend_drains(script, lab, before):
    script.step("be3 is drained under 50 open connections, and taken back:")
    held = lab.clients.hold(50, first_port=45000)
    lab.balancer.ctl("drain", "be3")
    lab.balancer.wait_state("be3", "draining")
    script.demand("be3" not in all_answered(script, lab.clients.fetch(REQUESTS)).values(), "be3 got new connections")
    script.demand(held.ask() == held.first, "open connections broke")
    lab.balancer.ctl("ready", "be3")
    lab.balancer.wait_state("be3", "up")
    script.demand(held.ask() == held.first, "open connections broke")
    script.demand(all_answered(script, lab.clients.fetch(REQUESTS)) == before, "not every connection is back where it was")
    script.held("no new connection to it meanwhile, none of the open ones broke")


def control_plane_dies(script, lab, before):
    script.step("sluiced is killed with kill -9; traffic goes on:")
    held = lab.clients.hold(50)
    lab.balancer.sluiced.kill(signal.SIGKILL)
    script.demand(all_answered(script, lab.clients.fetch(REQUESTS)) == before, "connections moved")
    script.demand(held.ask() == held.first, "open connections broke")
    script.held(f"{REQUESTS} new requests and 50 open connections, nothing lost, nothing moved")
    script.step("sluiced is started again:")
    begin = time.monotonic()
    lab.balancer.start_sluiced()
    wait_for(lambda: lab.balancer.ctl("status", check=False).returncode == 0, 15, "sluicectl status")
    back = time.monotonic() - begin
    script.demand(all_answered(script, lab.clients.fetch(REQUESTS)) == before, "connections moved")
    script.demand(held.ask() == held.first, "open connections broke")
    script.held(f"back after {back:.1f} s, nothing moved")
    return held


def data_plane_dies(script, lab, before, held):
    script.step("sluice-dp is killed with kill -9 under 200 requests a second, and started again:")
    running = lab.clients.start_fetch("client1", 1000, first_port=50000, rate=200, concurrent=512, timeout_ms=8000)
    time.sleep(1.0)
    lab.balancer.dp.kill(signal.SIGKILL)
    time.sleep(0.5)
    started_ms = time.monotonic() * 1000
    lab.balancer.start_dp()
    answers = lab.clients.finish("client1", running)
    all_answered(script, answers)
    late = [answer.start_ms for answer in answers if answer.latency_ms > SLOW_MS]
    script.demand(late, "no request noticed that sluice-dp was dead: the demo proves nothing")
    complete = (max(late) - started_ms) / 1000
    script.demand(complete < 1.0, f"complete only {complete:.2f} s after its start")
    script.demand(all_answered(script, lab.clients.fetch(REQUESTS)) == before, "connections moved")
    script.demand(held.ask() == held.first, "open connections broke")
    script.held(f"complete {max(complete, 0):.2f} s after its start")
    script.note(f"{len(late)} requests waited for a repeated SYN, none was reset; open connections live on")


def status(script, lab):
    script.step("sluicectl status:")
    done = lab.balancer.ctl("status", check=False)
    script.demand(done.returncode == 0, done.stderr or done.stdout)
    script.held()
    for line in done.stdout.splitlines()[:8]:
        script.note(line)


def keep(lab):
    lab.keep_running()
    inside = f"nsenter --net=/run/netns/{lab.name}"
    print(f"""
The lab stays. Play with it (as root):
  {inside}-client1 curl -s http://{lab.vip()}/
  {lab.program("sluicectl")} --instance {lab.name} show backends
  {lab.program("sluicectl")} --instance {lab.name} drain be1
  logs and configuration: {lab.folder}
Remove it: {ROOT}/tools/lab/clean {lab.name}""")


def main():
    parser = argparse.ArgumentParser(prog="tools/demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the lab running and say how to play with it")
    asked = parser.parse_args()
    script = Script()
    print("Sluice: real clients, real servers, a VIP, DPDK without a network card. Ctrl-C cleans up.\n")
    begin = time.monotonic()
    try:
        prepare(script)
        with Lab(BUILD) as lab:
            try:
                before = first_light(script, lab)
                backend_fails(script, lab, before)
                backend_drains(script, lab, before)
                held = control_plane_dies(script, lab, before)
                data_plane_dies(script, lab, before, held)
                status(script, lab)
            except (StepFailed, LabError):
                lab.keep_logs(os.path.join(BUILD, "demo-logs"))
                raise
            print(f"\n{paint('Every step held', 32)}, {time.monotonic() - begin:.0f} s.")
            if asked.keep:
                keep(lab)
        return 0
    except (StepFailed, LabError) as problem:
        print(f"{paint('✗', 31)} does not hold: {problem}\n      logs: {os.path.join(BUILD, 'demo-logs')}",
              flush=True)
        return 1
    except SystemExit as left:               # a signal while there was a lab
        print(f"\nstopped by {signal.Signals(left.code - 128).name}; the lab is removed, {BUILD} stays", flush=True)
        raise
    except KeyboardInterrupt:                # before there is a lab, which has its own way out
        print("\nstopped", flush=True)
        return 130
    except SystemExit:                       # the lab's: it has removed everything
        print("\nstopped, everything removed", flush=True)
        raise


if __name__ == "__main__":
    sys.exit(main())
