# SPDX-License-Identifier: BSD-3-Clause
"""Daemons that die, stop or hang at awkward moments, in every order; what an operator then sees."""

import ctypes
import json
import os
import signal
import time

from clients import by_flow, errors
from failures import vip_is_held
from processes import run, wait_for
from scenario import BOTH, scenario

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
SHOWS = ("services", "backends", "stats", "verdicts", "workers", "datapath", "flows")


@scenario(timeout=150, family=(4, 6), first=("sluiced", "sluice-dp"), back=("sluiced", "sluice-dp"),
          dpdk_only="sluice-dp is killed")
def both_killed_in_every_order(test):
    """kill -9 of both, one after the other, and back in either order: the same flows, the same health."""
    lab = test.lab()
    lab.balancer.start(family=test.family)
    lab.balancer.wait_all_up()
    before = by_flow(lab.clients.fetch(800, family=test.family))
    daemons = {"sluiced": (lambda: lab.balancer.sluiced, lab.balancer.start_sluiced),
               "sluice-dp": (lambda: lab.balancer.dp, lab.balancer.start_dp)}
    order = sorted(daemons, key=lambda name: name != test.first)
    for name in order:
        daemons[name][0]().kill(signal.SIGKILL)
    for name in sorted(daemons, key=lambda name: name != test.back):
        daemons[name][1]()
        time.sleep(0.2)
    lab.balancer.wait_serving(family=test.family)
    lab.balancer.wait_all_up()
    test.equal(by_flow(lab.clients.fetch(800, family=test.family)), before, "flows after both came back")
    test.equal(lab.balancer.ctl("status").stdout.splitlines()[0].split()[0].rstrip(":"), "ok", "status")


@scenario(timeout=120, family=(4, 6), dpdk_only="sluice-dp is killed")
def starts_that_are_cut_short(test):
    """Either daemon killed at growing delays after its start: the next start always serves, nothing is refused."""
    lab = test.lab(backends=3)
    lab.balancer.start(family=test.family)
    lab.balancer.wait_all_up()
    before = by_flow(lab.clients.fetch(400, family=test.family))
    for delay_ms in (0, 5, 20, 60, 150, 400):
        lab.balancer.sluiced.kill(signal.SIGKILL)
        lab.balancer.start_sluiced()
        time.sleep(delay_ms / 1000)
    for delay_ms in (0, 5, 20, 60, 150, 400):
        lab.balancer.dp.kill(signal.SIGKILL)
        lab.balancer.start_dp()
        time.sleep(delay_ms / 1000)
    lab.balancer.wait_serving(family=test.family)
    lab.balancer.wait_all_up()
    test.equal(by_flow(lab.clients.fetch(400, family=test.family)), before, "flows after twelve short lives")


@scenario(timeout=120, family=(4, 6), datapath=BOTH)
def backend_dies_while_sluiced_restarts(test):
    """A backend that dies while nobody looks: out after `fall` probes of the new sluiced, its share alone moves."""
    lab = test.lab()
    lab.balancer.start(family=test.family)
    lab.balancer.wait_all_up()
    before = by_flow(lab.clients.fetch(800, family=test.family))
    lab.balancer.sluiced.kill(signal.SIGKILL)
    lab.backends.kill_nginx("be2")
    lab.balancer.start_sluiced()
    lab.balancer.wait_state("be2", "down")
    lab.balancer.wait_applied()
    after = by_flow(lab.clients.fetch(800, family=test.family))
    test.check("be2" not in after.values(), "the dead backend still gets requests")
    moved = [flow for flow, host in before.items() if host != "be2" and after.get(flow) != host]
    test.equal(moved, [], "flows of living backends that moved")
    lab.backends.start_nginx("be2")
    lab.balancer.wait_all_up()
    test.equal(by_flow(lab.clients.fetch(800, family=test.family)), before, "flows after the recovery")


@scenario(timeout=90, datapath=BOTH)
def sluiced_hangs(test):
    """SIGSTOP of sluiced: traffic goes on, a second one is refused, sluicectl says so; SIGCONT: health as it was."""
    lab = test.lab()
    lab.balancer.start()
    lab.balancer.wait_all_up()
    before = by_flow(lab.clients.fetch(800))
    sluiced = lab.balancer.sluiced
    os.kill(sluiced.pid, signal.SIGSTOP)
    try:
        test.equal(by_flow(lab.clients.fetch(800)), before, "flows while sluiced hangs")
        second = lab.balancer.start_sluiced()
        test.equal(second.wait(10), 2, f"exit code of a second sluiced: {second.log_text()}")
        lab.balancer.sluiced = sluiced
        began = time.monotonic()
        asked = lab.balancer.ctl("status", check=False)
        test.equal(asked.returncode, 2, f"sluicectl to a sluiced that hangs: {asked.stdout}{asked.stderr}")
        test.check(time.monotonic() - began < 30, "sluicectl waits for ever")
    finally:
        os.kill(sluiced.pid, signal.SIGCONT)
    time.sleep(1)
    test.equal(set(lab.balancer.backend_states().values()), {"up"}, "health after the pause")
    test.equal(by_flow(lab.clients.fetch(800)), before, "flows after the pause")
    test.check(" down" not in sluiced.log_text(), f"a backend went down by the pause: {sluiced.log_text()[-600:]}")


def stop_thread(tid):
    """Stops one thread, and lets it go on when the returned function is called."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    if libc.ptrace(PTRACE_SEIZE, tid, None, None) or libc.ptrace(PTRACE_INTERRUPT, tid, None, None):
        raise OSError(ctypes.get_errno(), f"ptrace of thread {tid}")
    os.waitpid(tid, 0x40000000)          # __WALL
    return lambda: libc.ptrace(PTRACE_DETACH, tid, None, None)


def worker_threads(pid):
    """{thread id: name} of the workers of one sluice-dp."""
    threads = {}
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/comm", encoding="ascii", errors="replace") as comm:
            threads[int(tid)] = comm.read().strip()
    return {tid: name for tid, name in threads.items() if name.startswith("rte-worker")}


@scenario(timeout=90, family=(4,), queues=(1, 2), dpdk_only="a worker hangs")
def worker_hangs(test):
    """A worker that makes no progress: the VIP goes within two seconds, and comes back when it goes on."""
    lab = test.lab()
    lab.balancer.start(family=test.family)
    lab.balancer.wait_all_up()
    wait_for(lambda: vip_is_held(lab, test.family), 5, "the VIP is there")
    threads = worker_threads(lab.balancer.dp.pid)
    test.equal(len(threads), test.queues, f"worker threads {threads}")
    go_on = stop_thread(max(threads))
    try:
        wait_for(lambda: not vip_is_held(lab, test.family), 3, "the VIP goes")
        verdict = lab.balancer.ctl("status").stdout.splitlines()[0]
        test.check(not verdict.startswith("ok"), f"status is {verdict!r} although a worker hangs")
    finally:
        go_on()
    wait_for(lambda: vip_is_held(lab, test.family), 10, "the VIP comes back")
    wait_for(lambda: not errors(lab.clients.fetch(50)), 10, "requests are answered again")


@scenario(timeout=90, datapath=BOTH)
def sluicectl_answers_and_refuses(test):
    """Exit codes of sluicectl, and every --json is JSON; drains survive kill -9 and say who and why."""
    lab = test.lab()
    lab.balancer.start()
    lab.balancer.wait_all_up()
    ctl = lab.balancer.ctl
    for what in SHOWS:
        test.check(ctl("show", what).stdout.strip(), f"show {what} says nothing")
        test.check(isinstance(json.loads(ctl("--json", "show", what).stdout), dict), f"show {what} --json")
    test.check(isinstance(json.loads(ctl("--json", "status").stdout), dict), "status --json")
    for wrong in (["drain", "nobody"], ["ready", "nobody"], ["drain"], ["show", "nothing"], ["drain", "be1", "--pool", "x"],
                  ["bogus"], [], ["--json", "drain", "nobody"]):
        done = ctl(*wrong, check=False)
        test.equal(done.returncode, 1, f"exit code of sluicectl {wrong}: {done.stdout}{done.stderr}")
    for elsewhere in (["--instance", "nowhere"], ["--runtime-dir", "/nowhere"]):
        program = lab.program("sluicectl")
        test.equal(run([program, *elsewhere, "status"], check=False).returncode, 2, f"exit code of sluicectl {elsewhere}")
    ctl("drain", "be1", "--why", 'a "new" disk; $(reboot) ü')
    ctl("drain", "be1")
    lab.balancer.wait_state("be1", "draining")
    lab.balancer.sluiced.kill(signal.SIGKILL)
    test.equal(ctl("status", check=False).returncode, 2, "exit code without sluiced")
    lab.balancer.start_sluiced()
    wait_for(lab.balancer.backend_states, 10, "sluiced answers")
    test.equal(lab.balancer.backend_states()["be1"], "draining", "state of be1 after kill -9")
    ctl("undrain", "be1")
    lab.balancer.wait_state("be1", "up")
    key = os.path.join(lab.folder, "new.key")
    ctl("key", "new", key)
    test.equal((os.stat(key).st_mode & 0o777, ctl("key", "new", key, check=False).returncode), (0o600, 1), "key new")
    with open(key, encoding="ascii") as text:
        test.equal(len(bytes.fromhex(text.read().strip())), 16, "bytes of a key")


@scenario(timeout=60, datapath=BOTH)
def new_key_by_reload(test):
    """Another key by reload: all flows are hashed anew as sluice-sim says, and no request fails."""
    lab = test.lab()
    lab.balancer.start()
    lab.balancer.wait_all_up()
    before = by_flow(lab.clients.fetch(400))
    with open(lab.balancer.key_file(), "w", encoding="ascii") as out:
        out.write("ff" * 16 + "\n")
    lab.balancer.reload_and_wait()
    answers = lab.clients.fetch(400)
    test.equal(errors(answers), [], "failed requests")
    test.check(by_flow(answers) != before, "the new key changed nothing")


@scenario(timeout=90, datapath=BOTH)
def sluiced_killed_right_after_a_change(test):
    """kill -9 the moment a backend changed: the next sluiced starts with what the last one had published."""
    lab = test.lab()
    lab.balancer.start()
    lab.balancer.wait_all_up()
    for change, state in ((lab.backends.kill_nginx, "down"), (lab.backends.start_nginx, "up")) * 2:
        change("be2")
        lab.balancer.wait_state("be2", state)
        lab.balancer.sluiced.kill(signal.SIGKILL)
        lab.balancer.start_sluiced()
        wait_for(lab.balancer.backend_states, 10, "sluiced answers again", 0.02)
        now = lab.balancer.backend_states()["be2"].replace("lingering", "down")
        test.equal(now, state, "be2 right after the restart")
        lab.balancer.wait_applied()


@scenario(timeout=60, family=(4, 6), dpdk_only="sluice-dp hangs")
def sluice_dp_hangs(test):
    """SIGSTOP of sluice-dp: status says so within seconds and the VIP goes; SIGCONT: as before, nothing restarted."""
    lab = test.lab()
    lab.balancer.start(family=test.family)
    lab.balancer.wait_all_up()
    before = by_flow(lab.clients.fetch(400, family=test.family))
    os.kill(lab.balancer.dp.pid, signal.SIGSTOP)
    try:
        wait_for(lambda: "hangs" in lab.balancer.ctl("status").stdout.splitlines()[0], 8, "status names the hang")
        wait_for(lambda: not vip_is_held(lab, test.family), 8, "the VIP goes")
    finally:
        os.kill(lab.balancer.dp.pid, signal.SIGCONT)
    wait_for(lambda: lab.balancer.ctl("status").stdout.startswith("ok"), 8, "status is ok again")
    wait_for(lambda: vip_is_held(lab, test.family), 8, "the VIP is back")
    test.equal(by_flow(lab.clients.fetch(400, family=test.family)), before, "flows afterwards")


@scenario(timeout=60, datapath=BOTH)
def reload_says_the_first_error(test):
    """sluicectl reload of a wrong or missing file: exit 1, the first error with its place; traffic as before."""
    lab = test.lab(backends=2)
    lab.balancer.start()
    lab.balancer.wait_all_up()
    with open(lab.balancer.config_path, encoding="utf-8") as file:
        good = file.read()
    with open(lab.balancer.config_path, "w", encoding="utf-8") as out:
        out.write(good.replace("pools:", "pols:"))
    done = lab.balancer.ctl("reload", check=False)
    test.equal(done.returncode, 1, "exit code of a refused reload")
    place = f"{lab.balancer.config_path}:{good.splitlines().index('pools:') + 1}:1: pols:"
    test.check('did you mean "pools"?' in done.stderr and place in done.stderr,
               f"the error is not shown: {done.stderr}")
    os.unlink(lab.balancer.config_path)
    done = lab.balancer.ctl("reload", check=False)
    test.check(done.returncode == 1 and "No such file" in done.stderr, f"missing file: {done.returncode} {done.stderr}")
    test.equal(errors(lab.clients.fetch(100)), [], "failed requests")
