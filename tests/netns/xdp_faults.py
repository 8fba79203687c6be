# SPDX-License-Identifier: BSD-3-Clause
"""
The XDP datapath where something is in the way: an ordinary user, missing capabilities, no bpffs, no memory, drivers
without XDP; several interfaces; and programs that take each other's place.
"""

import os
import re
import signal

from clients import errors
from network import LB_PORT, address
from processes import run, wait_for
from scenario import Skip, scenario
from traffic import Traffic

USER = 65534
CAPABILITIES = "+bpf,+net_admin,+perfmon"
MEMORY_GROUPS = "/sys/fs/cgroup/memory"


def said(sluiced, level):
    return [line for line in sluiced.log_text().splitlines() if f" {level} " in line]


def program_on(lab, port=LB_PORT):
    """The number of the program on an interface of the balancer, None without one."""
    found = re.search(r"prog/xdp id (\d+)", lab.network.inside("lb", ["ip", "link", "show", port]).stdout)
    return int(found[1]) if found else None


class Prepared:
    """A bpffs and directories that belong to an ordinary user; gone afterwards."""

    def __init__(self, lab):
        self.lab = lab
        self.bpffs, self.runtime, self.state = (os.path.join(lab.folder, name) for name in ("bpf", "run", "state"))

    def __enter__(self):
        for path in (self.bpffs, self.runtime, self.state):
            os.makedirs(path)
            os.chown(path, USER, USER)
        os.chown(self.lab.balancer.key_file(), USER, USER)
        os.chmod(self.lab.folder, 0o755)
        run(["mount", "-t", "bpf", "-o", f"uid={USER},gid={USER},mode=0700", "bpf", self.bpffs])
        os.chown(self.bpffs, USER, USER)     # kernels before 6.9 know no uid=
        return self

    def __exit__(self, *_):
        run(["umount", "-l", self.bpffs])

    def start(self, capabilities=CAPABILITIES, bpffs=None):
        """sluiced as that user with no more than these capabilities, also as far as it could get them."""
        argv = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", f"--inh-caps=-all,{capabilities}",
                f"--ambient-caps=-all,{capabilities}", f"--bounding-set=-all,{capabilities}",
                self.lab.program("sluiced"), "--config", self.lab.balancer.config_path, "--runtime-dir", self.runtime,
                "--state-dir", self.state, "--bpffs", bpffs or self.bpffs]
        self.lab.balancer.sluiced = self.lab.recorder.start(argv, "sluiced", self.lab.balancer.namespace)
        return self.lab.balancer.sluiced

    def pins(self):
        return [os.path.join(folder, name) for folder, _, files in os.walk(os.path.join(self.bpffs, "sluice"))
                for name in files]


@scenario(timeout=90, family=(4, 6), datapath=("xdp",))
def xdp_ordinary_user(test):
    """With CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON alone, in a bpffs prepared for it: it serves, restarts and leaves."""
    lab = test.lab(backends=2)
    with Prepared(lab) as prepared:
        lab.balancer.configure(family=test.family, extra="xdp: {on-stop: detach}\n")
        sluiced = prepared.start()
        lab.balancer.wait_serving(family=test.family)
        test.equal(said(sluiced, "error"), [], "errors")
        test.check(any("CAP_NET_RAW" in line for line in said(sluiced, "warning")), "nothing said of announcements")
        test.equal(errors(lab.clients.fetch(400, family=test.family)), [], "failed requests")
        before = program_on(lab)
        sluiced.kill(signal.SIGKILL)
        sluiced = prepared.start()
        wait_for(lambda: program_on(lab) not in (before, None), 10, "the next sluiced's program", 0.1)
        lab.balancer.wait_serving(family=test.family)
        test.equal(sluiced.kill(signal.SIGTERM), 0, "exit status")
        test.equal((program_on(lab), prepared.pins()), (None, []), "the program and the pins that stayed")


@scenario(timeout=60, lacks=("bpf", "net_admin", "perfmon", "bpffs", "folder"), datapath=("xdp",))
def xdp_not_permitted(test):
    """What is missing is named in one line with its remedy, and nothing stays behind."""
    lab = test.lab(backends=1)
    left = ",".join(one for one in CAPABILITIES.split(",") if one != f"+{test.lacks}")
    with Prepared(lab) as prepared:
        lab.balancer.configure()
        if test.lacks == "folder":
            os.chown(prepared.bpffs, 0, 0)
        sluiced = prepared.start(left, prepared.state if test.lacks == "bpffs" else None)
        test.equal(sluiced.wait(15), 3, "exit status")
        lines = said(sluiced, "error")
        wanted = {"bpffs": "mount -t bpf bpf ", "folder": "--bpffs"}.get(test.lacks, f"CAP_{test.lacks.upper()}")
        test.check(len(lines) == 1 and wanted in lines[0] and "Validating" not in lines[0], f"said: {lines}")
        test.equal((program_on(lab), prepared.pins()), (None, []), "the program and the pins that stayed")


@scenario(timeout=60, datapath=("xdp",))
def xdp_no_memory_for_maps(test):
    """Maps that a memory limit does not allow: one line that says so, and nothing of it stays."""
    group = os.path.join(MEMORY_GROUPS, f"sluice-{os.getpid()}")
    if not os.path.exists(os.path.join(MEMORY_GROUPS, "memory.limit_in_bytes")):
        raise Skip("no memory controller of cgroup v1")
    lab = test.lab(backends=1)
    lab.balancer.configure(extra="limits: {flows: 64M}\n")
    os.mkdir(group)
    try:
        with open(os.path.join(group, "memory.limit_in_bytes"), "w", encoding="ascii") as limit:
            limit.write("256M")
        argv = ["sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "sh", lab.program("sluiced"), "--config",
                lab.balancer.config_path, "--instance", lab.balancer.instance]
        sluiced = lab.recorder.start(argv, "sluiced", lab.balancer.namespace)
        sluiced.wait(20)
        lines = said(sluiced, "error")
        test.check(len(lines) == 1 and "limits: flows" in lines[0], f"said: {lines}")
        test.equal(program_on(lab), None, "the program")
        test.check(not os.path.exists(f"/sys/fs/bpf/sluice/{lab.balancer.instance}"), "pins stayed")
    finally:
        wait_for(lambda: not open(os.path.join(group, "cgroup.procs"), encoding="ascii").read(), 5, "the group is empty")
        os.rmdir(group)


@scenario(timeout=60, datapath=("xdp",))
def xdp_generic_is_said(test):
    """A driver without XDP: said, shown, said once over reloads; refused with native-only, whose remedy is named."""
    lab = test.lab(backends=2)
    lab.network.ip("lb", "link add slow0 type bridge", "link set slow0 up")
    both = '"xdp:up0", "xdp:slow0'
    lab.balancer.configure(port=f'{both[1:]}"]\n#["')
    lab.balancer.start_sluiced()
    lab.balancer.wait_serving()
    warned = [line for line in said(lab.balancer.sluiced, "warning") if "slowly" in line]
    test.check(len(warned) == 1 and "interface=slow0" in warned[0] and "native-only" in warned[0], f"said: {warned}")
    shown = lab.balancer.ctl_json("show", "datapath")["xdp"]
    test.equal([(one["interface"], one["attached"]) for one in shown], [("up0", "native"), ("slow0", "generic")], "shown")
    test.check("generic" in lab.balancer.ctl("show", "datapath").stdout, "the table does not say generic")
    lab.balancer.reload_and_wait()
    for mtu in (1490, 1480, 1500):
        lab.network.ip("lb", f"link set {LB_PORT} mtu {mtu}")
    lab.balancer.reload_and_wait()
    warnings = said(lab.balancer.sluiced, "warning")
    test.equal(len(warnings), len({line.split(" ", 1)[1] for line in warnings}), f"warnings repeated: {warnings}")
    lab.balancer.sluiced.kill(signal.SIGTERM)
    for interface in ("up0", "slow0"):
        os.unlink(f"/sys/fs/bpf/sluice/{lab.balancer.instance}/{interface}/link")
    lab.balancer.configure(port=f'{both[1:]}"]\n#["', extra="xdp: {attach: native-only}\n")
    sluiced = lab.balancer.start_sluiced()
    test.equal(sluiced.wait(10), 3, "exit status")
    lines = said(sluiced, "error")
    test.check(len(lines) == 1 and "slow0" in lines[0] and "attach: auto" in lines[0], f"said: {lines}")
    test.equal((program_on(lab), program_on(lab, "slow0")), (None, None), "programs")


@scenario(timeout=60, datapath=("xdp",))
def xdp_nothing_is_half_attached(test):
    """
    The second interface carries another's program: a first start leaves the first one as it was; a start after another
    leaves the program there that was found, and traffic with it. The other's program stays in both cases.
    """
    lab = test.lab(backends=2)
    lab.network.ip("lb", "link add up1 type veth peer name far1", "link set up1 up", "link set far1 up")
    lab.network.let_transmit("lb", "up1", lab.program("pass.bpf.o"))
    foreign = program_on(lab, "up1")
    lab.balancer.configure(port='xdp:up0", "xdp:up1')
    sluiced = lab.balancer.start_sluiced()
    test.equal(sluiced.wait(10), 3, "exit status")
    lines = said(sluiced, "error")
    test.check(len(lines) == 1 and "up1" in lines[0] and "already attached" in lines[0], f"said: {lines}")
    test.equal((program_on(lab), program_on(lab, "up1")), (None, foreign), "programs")
    test.check(not os.path.exists(f"/sys/fs/bpf/sluice/{lab.balancer.instance}"), "pins stayed")
    lab.balancer.start()
    lab.balancer.wait_all_up()
    lab.balancer.sluiced.kill(signal.SIGKILL)
    lab.balancer.configure(port='xdp:up0", "xdp:up1')
    test.equal(lab.balancer.start_sluiced().wait(10), 3, "exit status")
    test.equal((program_on(lab) is not None, program_on(lab, "up1")), (True, foreign), "programs after a restart")
    test.equal(errors(lab.clients.fetch(200))[:3], [], "requests that failed afterwards")


@scenario(timeout=90, mode=("l2", "ipip"), datapath=("xdp",))
def xdp_several_interfaces(test):
    """Clients behind a second interface are served from the backends behind the first, and each one's loss is its own."""
    lab = test.lab(backends=2)
    net = lab.network
    net.add_namespace("client3")
    net.ip("lb", f"link add up1 type veth peer name far0 netns {net.namespace('client3')}", "link set up1 up",
           "addr add 203.0.113.1/24 dev up1")
    net.ip("client3", "link set far0 up", f"addr add {address('client3', 4)}/24 dev far0",
           "route add default via 203.0.113.1")
    net.finish_checksums("client3", "far0")
    net.finish_checksums("lb", "up1")
    net.let_transmit("client3", "far0", lab.program("pass.bpf.o"))
    # answers go from the backends to the client by the balancer's kernel, with the VIP as their source
    net.sysctl("lb", ipv4__ip_forward=1, ipv4__conf__all__accept_local=1)
    for host in lab.hosts:
        net.ip(host, f"route add 203.0.113.0/24 via {address('lb', 4)}")
    lab.balancer.configure(mode=test.mode, port='xdp:up0", "xdp:up1')
    lab.balancer.start_sluiced()
    lab.balancer.wait_serving()
    lab.balancer.wait_all_up()
    shown = lab.balancer.ctl_json("show", "datapath")["xdp"]
    test.equal([(one["interface"], one["attached"]) for one in shown], [("up0", "native"), ("up1", "native")], "shown")
    test.check(len({one["program"] for one in shown}) == 2, f"one program: {shown}")
    answers = lab.clients.fetch(1200, clients=("client1", "client3"))
    test.equal(errors(answers)[:3], [], "failed requests")
    net.ip("lb", "link del up1")
    wait_for(lambda: lab.balancer.ctl_json("show", "datapath")["xdp"][1]["attached"] == "no", 5, "up1 is shown as gone", 0.1)
    test.equal(errors(lab.clients.fetch(400, clients=("client1",)))[:3], [], "requests by the other interface")


@scenario(timeout=120, family=(4, 6), mode=("l2", "ipip"), datapath=("xdp",))
def xdp_program_is_replaced(test):
    """
    Restarts put other programs in the place of the one before, under 2,000 connections of which many are remembered:
    the link and the maps stay, the program is another each time, and none breaks.
    """
    traffic = Traffic(test, test.lab(backends=4, nginx=False), hosts=["be1", "be2"])
    lab = traffic.lab
    traffic.start()
    traffic.set_weights(be3=1, be4=1)
    programs = {program_on(lab)}
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
        traffic.note(f"restart by {number.name}")
        lab.balancer.sluiced.kill(number)
        lab.balancer.start_sluiced()
        wait_for(lambda: program_on(lab) not in programs, 10, "another program", 0.02)
        test.check(program_on(lab) is not None, "there was a moment without a program")
        programs.add(program_on(lab))
        traffic.pause(0.4)
    test.check(lab.balancer.ctl_json("show", "flows")["used"] > 0, "nothing is remembered")
    traffic.end()
