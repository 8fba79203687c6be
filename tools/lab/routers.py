# SPDX-License-Identifier: BSD-3-Clause
"""
The far side of a lab: hosts behind two routers, with a narrow link between these.

    switch ── near ══ narrow ══ distant ─┬─ client3   203.0.113.103   2001:db8:2::103
              198.51.100.3               ├─ far1      203.0.113.21    2001:db8:2::21
              2001:db8:1::3              └─ far2

Hosts have an MTU of 1500 and know nothing of the link: only ICMP errors of the routers tell.
"""

from network import FAR4, FAR6, FAR_HOSTS, PORT, address

LINK4, LINK6 = "192.0.2.", "2001:db8:3::"     # between the routers: near is 1, distant 2
ROUTER = 1                                    # distant on the far side
THIN = "thin0"


class FarSide:
    """Draws it in a network that has its switch. Hosts are added one by one; near() tells the others the way."""

    def __init__(self, network, mtu):
        self.network = network
        network.add_leg("near")
        network.add_namespace("distant")
        for router in ("near", "distant"):
            network.sysctl(router, ipv4__ip_forward=1, ipv6__conf__all__forwarding=1, ipv4__conf__all__send_redirects=0,
                           ipv4__conf__default__send_redirects=0)
        network.ip("near", f"link add {THIN} type veth peer name {THIN} netns {network.namespace('distant')}",
                   f"addr add {LINK4}1/30 dev {THIN}", f"addr add {LINK6}1/64 dev {THIN} nodad",
                   f"link set {THIN} mtu {mtu} up")
        network.ip("distant", "link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0", "link set br0 up",
                   f"addr add {LINK4}2/30 dev {THIN}", f"addr add {LINK6}2/64 dev {THIN} nodad",
                   f"link set {THIN} mtu {mtu} up", f"addr add {FAR4}{ROUTER}/24 dev br0",
                   f"addr add {FAR6}{ROUTER}/64 dev br0 nodad",
                   f"route add default via {LINK4}1", f"route add default via {LINK6}1")
        network.ip("near", f"route add {FAR4}0/24 via {LINK4}2", f"route add {FAR6}/64 via {LINK6}2")
        for router in ("near", "distant"):
            network.finish_checksums(router, THIN)

    def add_host(self, host):
        """A host of FAR_HOSTS on the far side: its namespace, its leg, its addresses and its way out."""
        network = self.network
        network.add_namespace(host)
        network.ip("distant", f"link add to-{host} type veth peer name {PORT} netns {network.namespace(host)}",
                   f"link set to-{host} master br0 up")
        network.ip(host, f"link set {PORT} address 02:00:00:00:01:{FAR_HOSTS[host]:02x}", f"link set {PORT} up",
                   f"addr add {address(host, 4)}/24 dev {PORT}", f"addr add {address(host, 6)}/64 dev {PORT} nodad",
                   f"route add default via {FAR4}{ROUTER}", f"route add default via {FAR6}{ROUTER}")
        network.finish_checksums(host, PORT)

    def lead(self, hosts):
        """Hosts on the switch get the way to the far side."""
        for host in hosts:
            self.network.ip(host, f"route add {FAR4}0/24 via {address('near', 4)}",
                            f"route add {FAR6}/64 via {address('near', 6)}")

    def silence(self, router, target):
        """The router's own packets to `target`, ICMP errors, are lost from now on; what it forwards is not."""
        family = "-6" if ":" in target else "-4"
        bits = 128 if ":" in target else 32
        self.network.inside(router, ["ip", family, "rule", "add", "iif", "lo", "to", f"{target}/{bits}", "blackhole"])
