# SPDX-License-Identifier: BSD-3-Clause
"""Whose packet is it: services, VIPs, loops and sources that no client has."""
import world
from casebook import Casebook
from frames import *

CASES = c = Casebook()

one = eth() / ip4(dst="192.0.2.13") / syn(1)
c.forward("a listener for all ports takes port 1", one, l2(one))
one = eth() / ip6(dst="2001:db8::13") / syn(65535)
c.forward("a listener for all ports takes port 65535", one, l2(one))
one = eth() / ip4(dst="192.0.2.13") / syn(0)
c.forward("a listener for all ports takes port 0", one, l2(one))
c.add("a TCP listener for all ports takes no UDP", eth() / ip4(dst="192.0.2.13") / udp(80), "drop_no_service")
c.add("a VIP's other ports are no service", eth() / ip4() / syn(22), "drop_no_service")
c.add("a VIP's other ports are no service over IPv6", eth() / ip6() / syn(22), "drop_no_service")
c.add("UDP to a VIP's other ports is no service", eth() / ip4() / udp(53), "drop_no_service")
c.add("port 0 of a VIP is no service", eth() / ip4() / syn(0), "drop_no_service")
c.add("a VIP set to kernel gives its other ports to the kernel", eth() / ip4(dst="192.0.2.12") / syn(22), "to_kernel")
c.add("a VIP set to kernel does so over IPv6", eth() / ip6(dst="2001:db8::12") / udp(53), "to_kernel")
c.add("a VIP set to kernel still has no way on a port without a kernel path", eth(1) / ip4(dst="192.0.2.12") / syn(22),
      "drop_no_kernel_path", port=1)
c.add("an address that is no VIP is the kernel's", eth() / ip4(dst="192.0.2.1") / syn(22), "to_kernel")
c.add("an address that is no VIP is the kernel's over IPv6", eth() / ip6(dst="2001:db8::1") / syn(22), "to_kernel")
c.add("an address that is no VIP is dropped where there is no kernel path", eth(1) / ip4(dst="192.0.2.1") / syn(22),
      "drop_no_kernel_path", port=1)
c.add("multicast is the kernel's", eth(dst="01:00:5e:00:00:12") / ip4(dst="224.0.0.18", proto=112) / Raw(b"\0" * 20), "to_kernel")
c.add("broadcast is the kernel's", eth(dst="ff:ff:ff:ff:ff:ff") / ip4(dst="255.255.255.255") / udp(68), "to_kernel")
c.add("a neighbour solicitation's multicast is the kernel's",
      eth() / ip6(dst="ff02::1:ff00:10", nh=58) / Raw(b"\x87\0\0\0" + b"\0" * 20), "to_kernel")

own = eth(src=world.PORT_MAC[0])
c.add("our own MAC as source of VIP traffic is a loop", own / ip4() / syn(), "drop_loop")
c.add("our own MAC as source is a loop over IPv6", own / ip6() / udp(), "drop_loop")
c.add("our own MAC as source is a loop without a service too", own / ip4() / syn(22), "drop_loop")
c.add("our own MAC as source of a broken segment is a loop", own / ip4(proto=6) / Raw(b"\0" * 4), "drop_loop")
c.add("our own MAC as source of a fragment is a loop", own / ip4(flags="MF") / udp(), "drop_loop")
c.add("our own MAC as source of an echo request is a loop", own / ip4() / ICMP(), "drop_loop")
c.add("our own MAC as source of a tagged frame is a loop", own / Dot1Q(vlan=1) / ip4() / syn(), "drop_loop")
c.add("our own MAC as source of other traffic is the kernel's to judge", own / ip4(dst="192.0.2.1") / syn(), "to_kernel")
c.add("the MAC of the port it would leave by is a loop", eth(src=world.PORT_MAC[1]) / ip4() / syn(101), "drop_loop")
one = eth(src=world.PORT_MAC[1]) / ip4() / syn()
c.forward("the MAC of a port it has nothing to do with is no loop", one, l2(one))
c.add("a tunnel packet from our outer source is a loop", eth() / ip4(src="10.0.0.254", dst="10.0.0.1") / IP() / UDP(), "drop_loop")
c.add("a tunnel packet from our outer source to a VIP is a loop", eth() / ip4(src="10.0.0.254") / IP() / UDP(), "drop_loop")
c.add("6-in-4 from our outer source is a loop", eth() / ip4(src="10.0.0.254", dst="10.0.0.1") / IPv6() / UDP(), "drop_loop")
c.add("4-in-6 from our outer source is a loop", eth() / ip6(src="2001:db8:b::fe", dst="2001:db8:b::1") / IP() / UDP(), "drop_loop")
c.add("6-in-6 from our outer source is a loop", eth() / ip6(src="2001:db8:b::fe", dst="2001:db8:b::1") / IPv6() / UDP(), "drop_loop")
c.add("a tunnel packet from elsewhere is the kernel's", eth() / ip4(src="10.9.9.9", dst="10.0.0.1") / IP() / UDP(), "to_kernel")
c.add("a tunnel packet to a VIP is no service", eth() / ip4(src="10.9.9.9") / IP() / UDP(), "drop_no_service")
c.add("what the backend's tunnel would carry back to its own source is a loop", eth() / ip4(src="10.0.0.254") / syn(81), "drop_loop")
c.add("the same over IPv6 is a loop", eth() / ip6(src="2001:db8:b::fe") / syn(82), "drop_loop")
one = eth() / ip4(src="10.0.0.254") / syn()
c.forward("our outer source as client of an l2 service is no loop", one, l2(one))

BAD4 = {"unspecified": "0.0.0.0", "in network 0": "0.1.2.3", "loopback": "127.0.0.1", "the end of loopback": "127.255.255.255",
        "multicast": "224.0.0.1", "the end of multicast": "239.255.255.255", "broadcast": "255.255.255.255",
        "the VIP": "192.0.2.10"}
for name, source in BAD4.items():
    c.add("an IPv4 source that is %s is refused" % name, eth() / ip4(src=source) / syn(), "drop_ip_source")
BAD6 = {"unspecified": "::", "loopback": "::1", "multicast": "ff02::1", "the VIP": "2001:db8::10", "mapped": "::ffff:198.51.100.7"}
for name, source in BAD6.items():
    c.add("an IPv6 source that is %s is refused" % name, eth() / ip6(src=source) / udp(), "drop_ip_source")
c.add("a refused source is not answered", eth() / ip4(src="224.0.0.1", dst="192.0.2.11") / syn(22), "drop_ip_source")
c.add("an echo request from the VIP itself is refused", eth() / ip4(src="192.0.2.10") / ICMP(), "drop_ip_source")
c.add("a fragment from a multicast source is refused as such", eth() / ip4(src="224.0.0.1", flags="MF") / udp(), "drop_ip_source")
c.add("an odd source of other traffic is the kernel's to judge", eth() / ip4(src="0.0.0.0", dst="192.0.2.1") / udp(67), "to_kernel")
for source in ("223.255.255.255", "240.0.0.1", "128.0.0.1", "169.254.1.1", "10.1.1.1"):
    one = eth() / ip4(src=source) / syn()
    c.forward("the source %s is a client's" % source, one, l2(one))
for source in ("fe80::1", "::2", "fd00::1", "::1:0:0:1"):
    one = eth() / ip6(src=source) / syn()
    c.forward("the source %s is a client's" % source, one, l2(one))
