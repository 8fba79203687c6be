#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""
One lab: clients, switch, balancer and backends in network namespaces, and what runs in them. Used by
tools/demo and by the scenarios of tests/netns, as a context manager that cleans up on every way out.
As a program it removes what killed runs left behind (see clean()).
"""

import glob
import os
import secrets
import shutil
import signal
import sys

from backends import Backends
from balancer import Balancer
from clients import Clients
from network import FAR_HOSTS, HOSTS, VIP, VIP_SECOND, Network, address, remove_namespaces, require_root
from processes import LabError, Recorder, end_recorded, start_time
from routers import FarSide

LABS = "/run/sluice-lab"     # one folder a lab: its pids, configuration and logs
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Lab:
    """
    with Lab(...) as lab: … – everything is gone afterwards, also after an error or a signal. With two
    balancers, lab.second is the other one, and network.send_vip says which of them clients use.
    """

    def __init__(self, build, backends=4, queues=1, checksum_offload=False, balancers=1, nginx=True, narrow=0,
                 far_backends=False, first_cpu=0, datapath="dpdk"):
        """
        `narrow` is the MTU of the link to a far side with client3; there are the backends with `far_backends`.
        `first_cpu` is the first worker's. `datapath` is what the balancers are configured to; with xdp there is no
        sluice-dp.
        """
        require_root()
        self.name = f"lab-{secrets.token_hex(3)}"
        self.folder = os.path.join(LABS, self.name)
        self.build = build
        self.datapath = datapath
        self.kept = False
        self.hosts = [f"{'far' if far_backends else 'be'}{number}" for number in range(1, backends + 1)]
        os.makedirs(self.folder)
        with open(os.path.join(self.folder, "owner"), "w", encoding="ascii") as owner:
            owner.write(f"{os.getpid()} {start_time(os.getpid())}\n")
        self.recorder = Recorder(self.folder)
        self.network = Network(self.name)
        self.backends = Backends(self.network, self.recorder, self.folder, self.program)
        self.balancer = Balancer(self, queues)
        self.second = Balancer(self, queues, "lb2") if balancers == 2 else None
        self.nginx = nginx
        self.narrow = narrow
        self.far = None
        self.clients = Clients(self)
        self.queues = queues
        self.first_cpu = first_cpu
        self.checksum_offload = checksum_offload

    def __enter__(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _leave)
        try:
            self.draw()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        if not self.kept:
            self.close()

    def keep_running(self):
        """Leaves everything as it is when this program ends; tools/lab/clean removes it by name."""
        self.kept = True
        with open(os.path.join(self.folder, "kept"), "w", encoding="ascii"):
            pass

    def draw(self):
        """Namespaces, legs and nginx; no Sluice yet."""
        offload = self.checksum_offload
        self.network.add_switch()
        self.network.add_leg("client1", checksum_offload=offload)
        self.network.add_leg("client2", checksum_offload=offload)
        self.network.add_leg("lb", self.queues, checksum_offload=offload)
        if self.second:
            self.network.add_leg("lb2", self.queues, checksum_offload=offload)
        for leg in ("to-lb", "to-lb2")[:2 if self.second else 1]:
            if self.datapath != "dpdk":
                self.network.let_transmit("switch", leg, self.program("pass.bpf.o"))
        if self.narrow:
            self.draw_far_side()
        for host in self.hosts:
            if host in FAR_HOSTS:
                self.far.add_host(host)
            else:
                self.network.add_leg(host, checksum_offload=offload)
            self.backends.set_up(host, self.vips())
            if self.nginx:
                self.backends.start_nginx(host)
        self.network.wait_wired()
        if self.far:
            self.far.lead([host for host in self.network.hosts if host in HOSTS and host != "near"])

    def draw_far_side(self):
        """Routers, the link between them and client3."""
        self.far = FarSide(self.network, self.narrow)
        self.far.add_host("client3")

    @staticmethod
    def vip(family=4, number=VIP):
        return address(number, family)

    def vips(self):
        """All of them, as every backend holds them."""
        return [self.vip(family, number) for family in (4, 6) for number in (VIP, VIP_SECOND)]

    def program(self, name):
        """Path of a program of this build, or of an object that is loaded into the kernel."""
        found = glob.glob(os.path.join(self.build, "**", name), recursive=True)
        found = [path for path in found if os.path.isfile(path) and (os.access(path, os.X_OK) or name.endswith(".bpf.o"))]
        if not found:
            raise LabError(f"{name} is not in {self.build}: ninja -C {self.build}")
        return found[0]

    def close(self):
        """Ends every process of this lab and removes its namespaces and files. Twice is fine."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self.recorder.stop_all()
        remove_leftovers(self.name)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _leave)

    def keep_logs(self, target):
        """Copies this lab's logs and configuration to `target`, for a scenario that failed."""
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.folder, target,
                        ignore=lambda _folder, names: [name for name in names if name == "tmp" or name[0] == "."])


def _leave(number, _frame):
    raise SystemExit(128 + number)


def remove_leftovers(lab):
    """Namespaces, pins, runtime, state and folder of one lab whose processes are gone."""
    remove_namespaces(lab)
    for instance in (lab, f"{lab}-lb2"):
        for above in ("/sys/fs/bpf/sluice", "/run/sluice", "/dev/shm/sluice", "/var/lib/sluice"):
            shutil.rmtree(os.path.join(above, instance), ignore_errors=True)
    shutil.rmtree(os.path.join(LABS, lab), ignore_errors=True)


def clean(everything):
    """
    Removes labs whose owner is gone (killed runs); with `everything` also those kept with --keep and
    those still in use. Only recorded processes are ended, and only while they are the recorded ones.
    """
    require_root()
    removed = 0
    for folder in sorted(glob.glob(os.path.join(LABS, "lab-*"))):
        lab = os.path.basename(folder)
        try:
            with open(os.path.join(folder, "owner"), encoding="ascii") as owner:
                pid, started = owner.read().split()
        except (OSError, ValueError):
            pid, started = "0", ""
        if not everything and start_time(int(pid)) == started:
            continue
        if not everything and os.path.exists(os.path.join(folder, "kept")):
            print(f"{lab}: kept with --keep; remove it with tools/lab/clean {lab}")
            continue
        remove_one(lab)
        removed += 1
    print(f"{removed} lab(s) removed")


def remove_one(lab):
    ended = end_recorded(os.path.join(LABS, lab, "pids"))
    remove_leftovers(lab)
    print(f"{lab}: removed ({ended} processes ended)")


def main(argv):
    names = [name for name in argv if not name.startswith("-")]
    if any(name.startswith("-") and name != "--all" for name in argv):
        print("use: tools/lab/clean [--all | LAB…]", file=sys.stderr)
        return 1
    require_root()
    for lab in names:
        if not lab.startswith("lab-") or "/" in lab:
            raise LabError(f"{lab}: labs are called lab-…")
        remove_one(lab)
    if not names:
        clean("--all" in argv)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except LabError as problem:
        sys.exit(f"tools/lab/clean: {problem}")
