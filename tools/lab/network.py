# SPDX-License-Identifier: BSD-3-Clause
"""
The wires of the lab: network namespaces, a bridge as the switch, one veth leg for everybody.

    client1 ─┐
    client2 ─┤            ┌─ be1   198.51.100.21   2001:db8:1::21
             ├─ switch ───┼─ …
         lb ─┘            └─ be4        (a lab can have a second balancer, lb2, and up to be8)
    198.51.100.1, 2001:db8:1::1

A lab may have a far side, behind a narrow link between two routers (routers.py).

Everything lives in namespaces of its own; the machine's own interfaces are never touched.
"""

import json
import os

from processes import LabError, run, wait_for

PREFIX4 = "198.51.100."
PREFIX6 = "2001:db8:1::"
HOSTS = {"lb": 1, "lb2": 2, "client1": 101, "client2": 102, "be1": 21, "be2": 22, "be3": 23, "be4": 24, "uml": 25,
         "be5": 26, "be6": 27, "be7": 28, "be8": 29, "near": 3}
VIP = 10
VIP_SECOND = 11
PORT = "net0"        # the one interface in everybody's namespace
LB_PORT = "up0"      # the balancer's


FAR4, FAR6 = "203.0.113.", "2001:db8:2::"
FAR_HOSTS = {"client3": 103, "far1": 21, "far2": 22}


def address(host, family):
    """The address of a host by name or number: address("be1", 6) is 2001:db8:1::21."""
    if host in FAR_HOSTS:
        return f"{FAR4 if family == 4 else FAR6}{FAR_HOSTS[host]}"
    number = HOSTS.get(host, host)
    return f"{PREFIX4}{number}" if family == 4 else f"{PREFIX6}{number}"


class Network:
    """Namespaces `<lab>-<host>`; made by create(), removed by remove()."""

    def __init__(self, lab):
        self.lab = lab
        self.hosts = []
        self.legs = 0        # on the switch

    def namespace(self, host):
        return f"{self.lab}-{host}"

    def ip(self, host, *commands):
        """Runs several `ip` commands in one go inside a host's namespace."""
        run(["ip", "-n", self.namespace(host), "-batch", "-"], stdin="\n".join(commands) + "\n")

    def inside(self, host, argv, **kwargs):
        """Runs a short command in a host's namespace (not `ip netns exec`: that hides bpffs)."""
        return run(["nsenter", f"--net=/run/netns/{self.namespace(host)}", *argv], **kwargs)

    def sysctl(self, host, **settings):
        """Sets per-namespace settings; `__` in a name stands for a dot."""
        self.inside(host, ["sysctl", "-q", "-w", *(f"net.{name.replace('__', '.')}={value}"
                                                   for name, value in settings.items())])

    def add_namespace(self, host):
        run(["ip", "netns", "add", self.namespace(host)])
        self.hosts.append(host)
        self.sysctl(host, ipv6__conf__all__accept_dad=0, ipv6__conf__default__accept_dad=0,
                    ipv6__conf__default__accept_ra=0, ipv4__conf__all__rp_filter=0,
                    ipv4__conf__default__rp_filter=0, ipv4__icmp_ratelimit=0,
                    ipv4__ip_local_port_range="61000 65535")  # below: fixed source ports, nobody else's
        self.ip(host, "link set lo up")

    def add_switch(self):
        self.add_namespace("switch")
        self.ip("switch", "link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
                "link set br0 up")

    def add_leg(self, host, queues=1, checksum_offload=False):
        """A host on the switch: its namespace, its veth leg and its two addresses."""
        self.add_namespace(host)
        self.legs += 1
        port = LB_PORT if host.startswith("lb") else PORT
        many = f"numrxqueues {queues} numtxqueues {queues}"
        self.ip("switch",
                f"link add to-{host} {many} type veth peer name {port} {many} netns {self.namespace(host)}",
                f"link set to-{host} master br0 up")
        self.ip(host, f"link set {port} address 02:00:00:00:00:{HOSTS[host]:02x}", f"link set {port} up",
                f"addr add {address(host, 4)}/24 dev {port}", f"addr add {address(host, 6)}/64 dev {port} nodad")
        if not checksum_offload:
            self.finish_checksums(host, port)

    def finish_checksums(self, host, port):
        """
        A veth leaves checksums unfinished: the receiving stack knows and does not mind, but a balancer
        that rewrites the frame in between sends them on as they are, and the backend drops them.
        """
        self.inside(host, ["ethtool", "-K", port, "tx", "off"])

    def let_transmit(self, host, port, program):
        """
        What an XDP program sends back out of a veth is lost unless the other end, `port`, has one too: `program` passes
        everything.
        """
        self.inside(host, ["ip", "link", "set", "dev", port, "xdpdrv", "object", program, "section", "xdp"])

    def wait_wired(self):
        """Until every leg forwards: the kernel reports a new link's carrier late when many are made at once."""
        def all_up():
            shown = json.loads(run(["ip", "-n", self.namespace("switch"), "-j", "-d", "link", "show",
                                    "master", "br0"]).stdout)
            return len(shown) >= self.legs and all(
                leg["operstate"] == "UP" and leg["linkinfo"]["info_slave_data"]["state"] == "forwarding"
                for leg in shown)
        wait_for(all_up, 15, "every leg of the switch forwards")

    def add_tap(self, name):
        """A TAP on the switch for a guest kernel; the guest's program opens it inside that namespace."""
        self.ip("switch", f"tuntap add {name} mode tap", f"link set {name} master br0 up")
        self.finish_checksums("switch", name)

    def send_vip(self, vip, host):
        """Both clients send the VIP's packets to this host from now on, whoever answers ARP and ND for it."""
        for client in ("client1", "client2"):
            self.ip(client, f"neigh replace {vip} lladdr 02:00:00:00:00:{HOSTS[host]:02x} dev {PORT} nud permanent")

    def remove(self):
        remove_namespaces(self.lab)


def remove_namespaces(lab):
    """Removes every namespace of one lab; interfaces go with them. Returns how many."""
    names = [name for name in sorted(os.listdir("/run/netns")) if name.startswith(f"{lab}-")] \
        if os.path.isdir("/run/netns") else []
    for name in names:
        run(["ip", "netns", "delete", name], check=False)
    return len(names)


def require_root():
    if os.geteuid() != 0:
        raise LabError("network namespaces need root: run this as root (sudo)")
