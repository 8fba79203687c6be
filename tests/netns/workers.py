# SPDX-License-Identifier: BSD-3-Clause
"""Several workers and several kinds of traffic; what is counted, and who may do what."""

import os
import signal
import sys
import time

from balancer import service_text
from clients import errors, shares
from network import LB_PORT
from processes import wait_for
from scenario import BOTH, scenario


@scenario(timeout=120, family=(4, 6), mode=("l2", "ipip"), datapath=BOTH)
def two_workers_two_queues(test):
    """TCP and UDP on two queues, by both workers; the VIP answers echo; the balancer's own port 22 is not behind it."""
    test.queues = 2
    lab = test.lab()
    vip, own = lab.vip(test.family), lab.vip(test.family, 1)
    for host in lab.hosts:
        lab.backends.start_udp(host, vip, 53)
    lab.recorder.start([sys.executable, "-m", "http.server", "22", "--bind", "0.0.0.0" if test.family == 4 else "::",
                        "--directory", lab.folder], "port-22", lab.balancer.namespace)
    lab.balancer.start(family=test.family, mode=test.mode, services=[
        service_text("www", "tcp", vip, 80, test.mode), service_text("dns", "udp", vip, 53, test.mode)])
    lab.balancer.wait_all_up()
    answers = lab.clients.fetch(4000, family=test.family)
    test.equal(errors(answers)[:3], [], "failed requests")
    datagrams = lab.clients.udp(400, 53, family=test.family)
    test.equal([answer for answer in datagrams.values() if answer.startswith("error:")], [], "UDP without an answer")
    test.equal(sorted(set(datagrams.values())), lab.hosts, "backends that answered UDP")
    test.check(lab.clients.ping(vip, count=20), "the VIP does not answer echo requests")
    url = "http://[{}]:22/" if test.family == 6 else "http://{}:22/"
    test.equal(lab.clients.curl_exit("client1", url.format(own)), 0, "curl to the balancer's own port 22")
    test.equal(lab.clients.curl_exit("client1", url.format(vip)), 28, "curl to port 22 of the VIP (28: silence)")
    if test.datapath == "xdp":                # which CPU takes a queue is the kernel's choice
        return
    workers = lab.balancer.ctl_json("show", "workers")["workers"]
    test.equal(len(workers), 2, "workers")
    for worker in workers:
        test.check(worker["tx_packets"] > 4000, f"a worker sent little: {worker}")


def settled(lab):
    """No packet to a VIP was counted for half a second: five copies by the manager. XDP sees the kernel's, too."""
    def counted():
        return {verdict: packets for verdict, packets in lab.balancer.verdicts().items() if verdict != "to_kernel"}
    before = counted()
    time.sleep(0.5)
    return counted() == before


@scenario(family=(4, 6), queues=(1, 2), datapath=BOTH)
def counters_balance(test):
    """Packets in = sum of verdicts, once traffic has stopped; hostile frames included."""
    lab = test.lab()
    lab.balancer.start(family=test.family)
    lab.clients.fetch(2000, family=test.family)
    lab.clients.ping(lab.vip(test.family), count=20)
    lab.clients.curl_exit("client1", f"http://[{lab.vip(6)}]:81/" if test.family == 6 else f"http://{lab.vip(4)}:81/", 1)
    lab.network.inside("client1", ["/usr/bin/python3", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..",
                                   "support", "hostile_frames.py"), lab.vip(test.family), "02:00:00:00:00:01"])
    for verdict, at_least in (("forward", 2000 * 4), ("drop_no_service", 1), ("echo_reply", 20)):
        lab.balancer.wait_counted(verdict, at_least)
    wait_for(lambda: settled(lab), 10, "the counters come to rest", 0.3)
    total = lab.balancer.ctl_json("show", "stats")["total"]
    test.equal(total["verdicts"], total["rx_packets"], "sum of all verdicts")
    for worker in lab.balancer.ctl_json("show", "workers")["workers"]:
        test.equal(sum(worker["verdicts"].values()), worker["rx_packets"], f"verdicts of worker {worker['worker']}")
    verdicts = lab.balancer.verdicts()
    hostile = {name for name, packets in verdicts.items() if packets and name.startswith("drop_tcp")}
    test.check(hostile, f"hostile frames are not among the verdicts: {verdicts}")


@scenario(dpdk_only="the account of sluice-dp")
def privileges_dropped(test):
    """With `user:` sluice-dp runs as that account, with few capabilities, and still takes up a new sluiced."""
    lab = test.lab()
    lab.balancer.start(dpdk=", user: nobody")
    status = dict(line.split(":", 1) for line in open(f"/proc/{lab.balancer.dp.pid}/status", encoding="ascii"))
    test.equal(set(status["Uid"].split()), {"65534"}, "user ids of sluice-dp")
    test.equal(status["NoNewPrivs"].strip(), "1", "NoNewPrivs of sluice-dp")
    allowed = (1 << 12) | (1 << 13) | (1 << 21)      # net_admin, net_raw, sys_admin: what af_xdp ports need
    test.equal(int(status["CapEff"], 16) & ~allowed, 0, "other effective capabilities of sluice-dp")
    lab.balancer.sluiced.kill(signal.SIGKILL)
    lab.balancer.start_sluiced()
    lab.balancer.wait_applied()
    test.equal(errors(lab.clients.fetch(1000)), [], "failed requests after sluiced was replaced")


@scenario(family=(4, 6), datapath=BOTH)
def checksums_must_be_finished(test):
    """With checksum offload left on at the clients nothing gets through; `tx off` there is what is needed."""
    lab = test.lab(checksum_offload=True)
    lab.balancer.configure(family=test.family)
    lab.balancer.start_sluiced()
    lab.balancer.start_forwarder()
    lab.balancer.wait_all_up()
    wait_for(lambda: lab.clients.ping(lab.vip(test.family)), 15, "the VIP answers echo requests")
    test.equal(lab.clients.one(family=test.family), None, "an answer although checksums are unfinished")
    for client in ("client1", "client2"):
        lab.network.finish_checksums(client, "net0")
    test.equal(errors(lab.clients.fetch(400, family=test.family)), [], "failed requests with finished checksums")


@scenario(datapath=BOTH)
def drain_and_ready(test):
    """drain: no new connection to that backend, no other moves; ready: all are back where they were."""
    lab = test.lab()
    lab.balancer.start()
    lab.balancer.wait_all_up()
    before = {answer.source_port: answer.result for answer in lab.clients.fetch(2000)}
    lab.balancer.ctl("drain", "be1")
    wait_for(lambda: not shares(lab.clients.fetch(200, first_port=40000))["be1"], 10, "no request goes to be1")
    during = {answer.source_port: answer.result for answer in lab.clients.fetch(2000)}
    test.equal([port for port, host in before.items() if host != "be1" and during[port] != host], [],
               "connections of other backends that moved")
    test.check("be1" not in during.values(), "be1 still gets new connections")
    lab.balancer.ctl("ready", "be1")
    wait_for(lambda: {answer.source_port: answer.result for answer in lab.clients.fetch(2000)} == before, 10,
             "all connections are back")
    refused = lab.balancer.ctl("drain", "nobody-knows-it", check=False)
    test.equal(refused.returncode, 1, "exit code of a refused command")
    lab.balancer.sluiced.kill(signal.SIGTERM)
    test.equal(lab.balancer.ctl("status", check=False).returncode, 2, "exit code when sluiced is not there")


@scenario()
def check_says_what_is_wrong(test):
    """`sluiced --check` in the lab: right configuration 0, wrong one 1, with a suggestion and a caret."""
    lab = test.lab(backends=1)
    argv = [lab.program("sluiced"), "--check", lab.balancer.config_path]
    lab.balancer.configure()
    test.equal(lab.network.inside("lb", argv, check=False).returncode, 0, "exit code for a right configuration")
    lab.balancer.configure(extra=f"intervaces: [{LB_PORT}]\n")
    wrong = lab.network.inside("lb", argv, check=False)
    test.equal(wrong.returncode, 1, "exit code for an unknown key")
    text = wrong.stdout + wrong.stderr
    test.check("interfaces" in text and "^" in text, f"no suggestion or caret: {text}")
