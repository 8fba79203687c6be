# SPDX-License-Identifier: BSD-3-Clause
"""Daemons that are killed, started twice, or find something wrong."""

import os
import signal
import statistics
import time

from clients import by_flow, errors
from processes import wait_for
from scenario import BOTH, scenario

SLOW_MS = 900       # a request whose SYN had to be repeated takes a second; a busy machine is not that slow


@scenario(alone=True, timeout=120, family=(4, 6), mode=("l2", "ipip"), queues=(1, 2), datapath=BOTH)
def sluiced_killed(test):
    """kill -9 of sluiced: nothing is lost; restarted, it adopts generation and health and moves nothing."""
    lab = test.lab()
    lab.backends.kill_nginx("be4")
    lab.balancer.start(family=test.family, mode=test.mode)
    lab.balancer.wait_state("be4", "down")
    for host in ("be1", "be2", "be3"):
        lab.balancer.wait_state(host, "up")
    lab.balancer.wait_applied()
    generation = lab.balancer.generation()
    before = by_flow(lab.clients.fetch(2000, family=test.family))
    held = lab.clients.hold(50, family=test.family)
    running = lab.clients.start_fetch("client2", 1600, first_port=50000, family=test.family, rate=200, concurrent=512)
    lab.balancer.sluiced.kill(signal.SIGKILL)
    test.equal(by_flow(lab.clients.fetch(2000, family=test.family)), before, "flows while sluiced is dead")
    test.equal(held.ask(), held.first, "open connections while sluiced is dead")
    lab.balancer.start_sluiced()
    wait_for(lambda: lab.balancer.backend_states(), 10, "sluiced answers again")
    states = lab.balancer.backend_states()
    test.equal(states, {"be1": "up", "be2": "up", "be3": "up", "be4": "down"}, "health right after the restart")
    lab.balancer.wait_applied()
    test.check(lab.balancer.generation() >= generation, f"generation fell below {generation}")
    test.equal(by_flow(lab.clients.fetch(2000, family=test.family)), before, "flows after the restart")
    test.equal(held.ask(), held.first, "open connections after the restart")
    answers = lab.clients.finish("client2", running)
    late = [answer for answer in answers if answer.latency_ms > SLOW_MS]
    test.equal((errors(answers)[:3], late[:3]), ([], []), "failed and late requests under 200 a second meanwhile")


def kill_and_restart_dp(test, lab, first_port):
    """Seconds after its start until every new request is answered at once; demands that none is reset."""
    running = lab.clients.start_fetch("client1", 900, first_port=first_port, family=test.family, rate=300,
                                      concurrent=512, timeout_ms=8000)
    time.sleep(0.6)
    lab.balancer.dp.kill(signal.SIGKILL)
    time.sleep(0.3)
    started_ms = time.monotonic() * 1000
    lab.balancer.start_dp()
    answers = lab.clients.finish("client1", running)
    test.equal(errors(answers)[:3], [], "requests that failed instead of waiting")
    late = [answer.start_ms for answer in answers if answer.latency_ms > SLOW_MS]
    test.check(late, "no request noticed the restart")
    test.check(max(late) < started_ms + 1900, "still not complete at the end of the measurement")
    return max(0.0, (max(late) - started_ms) / 1000)


@scenario(alone=True, timeout=180, family=(4, 6), mode=("l2", "ipip"), queues=(1, 2), dpdk_only="sluice-dp is killed")
def sluice_dp_killed(test):
    """kill -9 of sluice-dp, five times: dropped, never reset; complete within a second of its start (median)."""
    lab = test.lab()
    lab.balancer.start(family=test.family, mode=test.mode)
    lab.balancer.wait_all_up()
    before = by_flow(lab.clients.fetch(2000, family=test.family))
    held = lab.clients.hold(50, family=test.family)
    vip = lab.vip(test.family)
    resets = lab.backends.capture("client1", f"src host {vip} and tcp", "from-vip")
    times = [kill_and_restart_dp(test, lab, 50000 + 1000 * turn) for turn in range(5)]   # no port is used twice
    test.check(statistics.median(times) < 1.0, f"complete after {times} s")
    seen = [line for line in resets.packets(lab.network, "client1") if "Flags [R" in line]
    test.equal(seen[:3], [], "resets from the VIP")
    test.equal(by_flow(lab.clients.fetch(2000, family=test.family)), before, "flows after five restarts")
    test.equal(held.ask(), held.first, "open connections after five restarts")


@scenario(timeout=90, family=(4, 6), dpdk_only="sluice-dp is killed")
def sluice_dp_restarts_without_sluiced(test):
    """Both killed, only sluice-dp started again: it forwards from its image."""
    lab = test.lab()
    lab.balancer.start(family=test.family)
    lab.balancer.wait_all_up()
    before = by_flow(lab.clients.fetch(1000, family=test.family))
    lab.balancer.sluiced.kill(signal.SIGKILL)
    lab.balancer.dp.kill(signal.SIGKILL)
    # The device that held the IPv4 VIP went with sluice-dp; clients still know the balancer's MAC address.
    for client in ("client1", "client2"):
        lab.network.ip(client, f"neigh replace {lab.vip(test.family)} lladdr 02:00:00:00:00:01 dev net0")
    lab.balancer.start_dp()
    wait_for(lambda: lab.clients.one(family=test.family), 5, "an answer from sluice-dp alone")
    test.equal(by_flow(lab.clients.fetch(1000, family=test.family)), before, "flows without sluiced")


@scenario(dpdk_only="two of sluice-dp")
def second_instance_is_refused(test):
    """A second sluiced and a second sluice-dp of the same instance exit 2 and name the first."""
    lab = test.lab(backends=2)
    lab.balancer.start()
    first = {"sluiced": lab.balancer.sluiced, "sluice-dp": lab.balancer.dp}
    second = {"sluiced": lab.balancer.start_sluiced(), "sluice-dp": lab.balancer.start_dp()}
    for name, process in second.items():
        test.equal(process.wait(10), 2, f"exit code of a second {name}")
        test.check(str(first[name].pid) in process.log_text(),
                   f"the second {name} does not name pid {first[name].pid}: {process.log_text()}")
        test.check(first[name].alive(), f"the first {name} ended")
    test.equal(errors(lab.clients.fetch(400)), [], "failed requests afterwards")


def wrong_files(path):
    """{what is wrong: function that makes it so on a copy of the shared memory at `path`}."""
    def patch(offset, data):
        def apply(copy):
            with open(copy, "r+b") as shm:
                shm.seek(offset)
                shm.write(data)
        return apply
    size = os.path.getsize(path)
    return {
        "abi major": patch(8, b"\x63\x00"),
        "magic": patch(0, b"X"),
        "header byte": patch(200, b"\xa5\x5a\xa5"),
        "total size": patch(16, (size * 4).to_bytes(8, "little")),
        "truncated": lambda copy: os.truncate(copy, size // 2),
        "cut in the header": lambda copy: os.truncate(copy, 100),
        "empty": lambda copy: os.truncate(copy, 0),
        "owner": lambda copy: os.chown(copy, 65534, 65534),
    }


@scenario(timeout=120, dpdk_only="dataplane.shm, which XDP has not")
def wrong_shared_memory_is_refused(test):
    """Another ABI, truncated, corrupt, someone else's: exit 4 with the reason; a running sluice-dp goes on."""
    lab = test.lab(backends=2)
    lab.balancer.start()
    lab.balancer.wait_all_up()
    before = by_flow(lab.clients.fetch(400))
    lab.balancer.sluiced.kill(signal.SIGKILL)
    path = os.path.join(lab.balancer.runtime_dir(), "dataplane.shm")
    with open(path, "rb") as shm:
        right = shm.read()

    def place(spoil):
        copy = path + ".wrong"
        with open(copy, "wb") as out:
            out.write(right)
        os.chmod(copy, 0o660)
        spoil(copy)
        os.rename(copy, path)
    for what, spoil in wrong_files(path).items():
        place(spoil)
        time.sleep(0.4)
        test.equal(by_flow(lab.clients.fetch(400)), before, f"flows with a wrong new file ({what}) beside a running one")
    lab.balancer.dp.kill(signal.SIGTERM)
    for what, spoil in wrong_files(path).items():
        place(spoil)
        process = lab.balancer.start_dp("--wait", "1")
        test.equal(process.wait(15), 4, f"exit code with a wrong file ({what}): {process.log_text()}")
        test.check("dataplane.shm" in process.log_text(), f"no reason for {what}: {process.log_text()}")
    os.unlink(path)
    os.symlink("/etc/hostname", path)
    test.equal(lab.balancer.start_dp("--wait", "1").wait(15), 4, "exit code for a symbolic link")
    os.unlink(path)
    place(lambda copy: None)
    lab.balancer.start_dp()
    lab.balancer.start_sluiced()
    wait_for(lambda: lab.clients.one(), 20, "an answer with a right file again")


NO_NET = ["setpriv", "--bounding-set=-net_admin,-net_raw,-sys_admin,-bpf", "--inh-caps=-all"]


@scenario(timeout=120, dpdk_only="dataplane.shm, which XDP has not")
def shared_memory_truncated_while_running(test):
    """Somebody truncates the file under both daemons: traffic goes on, sluiced makes a new one, both meet there."""
    lab = test.lab()
    lab.balancer.start()
    lab.balancer.wait_all_up()
    before = by_flow(lab.clients.fetch(1000))
    os.truncate(os.path.join(lab.balancer.runtime_dir(), "dataplane.shm"), 8192)
    test.equal(by_flow(lab.clients.fetch(1000)), before, "flows right after it")
    wait_for(lambda: "making a new file" in lab.balancer.sluiced.log_text(), 10, "sluiced notices")
    lab.balancer.wait_applied()
    lab.backends.kill_nginx("be1")
    lab.balancer.wait_state("be1", "down")
    lab.balancer.wait_applied()
    after = by_flow(lab.clients.fetch(1000))
    moved = {flow for flow in before if before[flow] != after[flow]}
    test.equal(moved, {flow for flow in before if before[flow] == "be1"}, "flows that moved afterwards")


@scenario(timeout=120, dpdk_only="what sluice-dp needs")
def environment_that_lacks_something(test):
    """No hugepages, no such interface, too few queues, no capability: exit 3 and one line with the remedy."""
    lab = test.lab(backends=1)

    def dp_ends(what, words, prefix=(), **config):
        lab.balancer.configure(**config)
        control = lab.balancer.start_sluiced()
        wait_for(lambda: "sluiced runs" in control.log_text(), 5, f"sluiced runs: {control.log_text()}")
        process = lab.balancer.start_dp("--wait", "5", prefix=prefix)
        test.equal(process.wait(20), 3, f"exit code of sluice-dp: {what}: {process.log_text()}")
        test.check(any(word in process.log_text() for word in words), f"{what}, no remedy: {process.log_text()}")
        control.kill(signal.SIGTERM)
    dp_ends("too few queues", ["queue"], dpdk_workers=[0, 1])
    dp_ends("missing capability", ["capabilit", "cap_net"], prefix=NO_NET)
    if all(open(f"/sys/kernel/mm/hugepages/{size}/nr_hugepages", encoding="ascii").read().strip() == "0"
           for size in os.listdir("/sys/kernel/mm/hugepages")):
        lab.balancer.hugepages = True
        dp_ends("no hugepages", ["hugepages"])
        lab.balancer.hugepages = False
    lab.balancer.configure(port="af_xdp:nosuch0")
    control = lab.balancer.start_sluiced()
    test.equal(control.wait(10), 3, f"exit code of sluiced: unknown interface: {control.log_text()}")
    test.check("nosuch0" in control.log_text(), f"sluiced does not name the interface: {control.log_text()}")
    process = lab.balancer.start_dp("--wait", "3")
    test.equal(process.wait(20), 3, f"exit code of sluice-dp: unknown interface: {process.log_text()}")
    test.check("nosuch0" in process.log_text(), f"sluice-dp does not name the interface: {process.log_text()}")


@scenario(datapath=BOTH)
def log_as_json(test):
    """--log json: every line of both daemons is one JSON object that begins with time, level and event."""
    import json
    lab = test.lab(backends=2)
    lab.balancer.configure()
    lab.balancer.start_sluiced("--log", "json")
    lab.balancer.start_forwarder("--log", "json")
    lab.balancer.wait_serving()
    lab.backends.kill_nginx("be1")
    lab.balancer.wait_state("be1", "down")
    for process in filter(None, (lab.balancer.sluiced, lab.balancer.dp)):
        for line in process.log_text().splitlines():
            try:
                keys = list(json.loads(line))
            except ValueError:
                keys = []
            test.equal(keys[:3], ["time", "level", "event"], f"{process.name}: first keys of {line}")
