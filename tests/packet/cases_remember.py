# SPDX-License-Identifier: BSD-3-Clause
"""Rows with LOOK: what is remembered, open rows, lenses, a full memory. Each line of the rules once;
remember_cases.py runs their whole product."""
import rules
from casebook import Casebook
from frames import *
from rules import DOWN, DRAINING, GONE, INITIAL, LINGERING, NOBODY, OTHER_UP, SHORT, UP, quic, tcp

CASES = c = Casebook()
LOOK, ALWAYS, QUIC, QUIC_ALWAYS = 91, 109, 107, 110


def add(name, frame, kind, **situation):
    """A case whose outcome rules.py knows."""
    verdict, out, keys = rules.case(rules.Sent(frame), kind, **situation)
    c.add(name, frame, verdict, out, **keys)


def both(name, make, kind, **situation):
    """The same over both families."""
    for version in (4, 6):
        add("%s, over IPv%d" % (name, version), make(version), kind, **situation)


def syn_(version):
    """A SYN."""
    return tcp(version, LOOK, "S")


def ack_(version):
    """An ACK without data."""
    return tcp(version, LOOK, "A")


def initial(version):
    """A QUIC Initial."""
    return quic(version, QUIC, INITIAL)


def short(version):
    """A QUIC packet of a connection that exists."""
    return quic(version, QUIC, SHORT)


def datagram(version):
    """Unmarked UDP."""
    return quic(version, LOOK, b"hello")


# A row that is home.
both("a SYN in a row that is home stores nothing", syn_, "tcp", starts=True)
both("an ACK in a row that is home stores nothing", ack_, "tcp")
both("an Initial in a row that is home stores nothing", initial, "quic", starts=True)
both("a datagram in a row that is home stores nothing", datagram, "udp")

# A start in an open row.
for kind, make, what in (("tcp", syn_, "SYN"), ("quic", initial, "Initial")):
    both("a %s in an open row goes to current and is remembered" % what, make, kind, starts=True, base=OTHER_UP)
    both("a %s under pressure goes to a base that is up, and nothing is stored" % what, make, kind, starts=True,
         base=OTHER_UP, pressure=True)
    both("a %s under pressure goes to a base that drains" % what, make, kind, starts=True, base=DRAINING, pressure=True)
    for base in (LINGERING, DOWN, GONE):
        add("a %s under pressure is remembered at current where base is %s" % (what, rules.WORD[base]), make(4), kind,
            starts=True, base=base, pressure=True)
        add("a %s that finds no room goes to current where base is %s" % (what, rules.WORD[base]), make(6), kind,
            starts=True, base=base, full=True)
    add("a %s that finds no room goes to base" % what, make(4), kind, starts=True, base=OTHER_UP, full=True)
    add("a %s in a row without current stores nothing" % what, make(4), kind, starts=True, base=DRAINING, current=NOBODY)
    add("a %s in a row without current goes nowhere under pressure too" % what, make(6), kind, starts=True,
        base=DRAINING, current=NOBODY, pressure=True)
    add("a %s of a row that had nobody is remembered at current" % what, make(4), kind, starts=True, base=NOBODY)
    for base in (None, OTHER_UP):
        row = "open row" if base else "row that is home"
        both("a %s again, in an %s, stays with a backend that is up" % (what, row), make, kind, starts=True, base=base,
             entry=(OTHER_UP, {"unconfirmed"}, 3))
        add("a %s on a confirmed connection, %s, leaves it confirmed" % (what, row), make(4), kind, starts=True,
            base=base, entry=(OTHER_UP, set(), 1000))
        add("a %s again within 10 s, %s, stays with a backend that drains" % (what, row), make(6), kind, starts=True,
            base=base, entry=(DRAINING, {"unconfirmed"}, 9))
        add("a %s 10 s later, %s, does not go to a backend that drains" % (what, row), make(4), kind, starts=True,
            base=base, entry=(DRAINING, set(), 10))
        add("a %s on a connection that closes, %s, is a new one" % (what, row), make(6), kind, starts=True, base=base,
            entry=(OTHER_UP, {"closing"}, 1))
        for state in (LINGERING, DOWN, GONE):
            add("a %s does not go to a remembered backend that is %s, %s" % (what, rules.WORD[state], row), make(4), kind,
                starts=True, base=base, entry=(state, set(), 2))
    add("a %s that replaces, under pressure, goes to base and leaves nothing" % what, make(4), kind, starts=True,
        base=OTHER_UP, entry=(DOWN, set(), 2), pressure=True)

# A packet of a connection that exists.
for kind, make, what in (("tcp", ack_, "an ACK"), ("quic", short, "a short header"), ("udp", datagram, "a datagram")):
    for base in (OTHER_UP, DRAINING, LINGERING, DOWN, GONE):
        both("%s that nobody remembers, with base %s" % (what, rules.WORD[base]), make, kind, base=base)
        add("%s that nobody remembers, under pressure, with base %s" % (what, rules.WORD[base]), make(4), kind, base=base,
            pressure=True)
        add("%s that finds no room, with base %s" % (what, rules.WORD[base]), make(6), kind, base=base, full=True)
        add("%s that nobody remembers, without current, with base %s" % (what, rules.WORD[base]), make(4), kind, base=base,
            current=NOBODY)
    for state in (OTHER_UP, DRAINING, LINGERING, DOWN, GONE):
        add("%s of a connection remembered at %s, in an open row" % (what, rules.WORD[state]), make(6), kind,
            base=DRAINING, entry=(state, set(), 100))
        add("%s of a connection remembered at %s, in a row that is home" % (what, rules.WORD[state]), make(4), kind,
            entry=(state, set(), 100))
    add("%s whose backend died is placed anew under pressure too" % what, make(6), kind, base=OTHER_UP,
        entry=(DOWN, {"closing"} if kind == "tcp" else set(), 30), pressure=True)
    add("%s confirms a connection" % what, make(4), kind, base=DRAINING, entry=(UP, {"unconfirmed"}, 1))
    add("%s of a remembered connection does without room" % what, make(6), kind, base=DRAINING, entry=(UP, set(), 1),
        pressure=True, full=True)

add("a datagram in a row without current forgets nothing", datagram(4), "udp", current=NOBODY, entry=(DOWN, set(), 5))

# Ends of TCP connections.
for flags in ("FA", "R", "RA", "FPA"):
    both("TCP with %s ends a remembered connection" % flags, lambda v, f=flags: tcp(v, LOOK, f), "tcp", end=True,
         base=DRAINING, entry=(OTHER_UP, {"unconfirmed"}, 1))
    add("TCP with %s that nobody remembers is remembered as closing" % flags, tcp(4, LOOK, flags), "tcp", end=True,
        base=OTHER_UP)
add("an ACK leaves a closing connection closing", ack_(4), "tcp", base=DRAINING, entry=(UP, {"closing"}, 1))
both("data after FIN keeps a connection", lambda v: tcp(v, LOOK, "PA", b"x"), "tcp", data=True, base=DRAINING,
     entry=(UP, {"closing"}, 1))
add("data with FIN closes", tcp(4, LOOK, "FPA", b"x"), "tcp", end=True, data=True, base=DRAINING, entry=(UP, set(), 1))
add("SYN with ACK starts nothing", tcp(6, LOOK, "SA"), "tcp", base=OTHER_UP)
add("an Ethernet frame's padding is no data", tcp(4, LOOK, "A"), "tcp", base=DRAINING, entry=(UP, {"closing"}, 1))

# What starts a QUIC connection.
LONG = [("an Initial of version 1", 0xc3, 1, True), ("0-RTT of version 1", 0xd0, 1, True),
        ("a Handshake packet of version 1", 0xe0, 1, False), ("a Retry of version 1", 0xf0, 1, False),
        ("an Initial of version 2", 0xd3, 0x6b3343cf, True), ("0-RTT of version 2", 0xe0, 0x6b3343cf, True),
        ("a Handshake packet of version 2", 0xf0, 0x6b3343cf, False), ("a Retry of version 2", 0xc0, 0x6b3343cf, False),
        ("a long header of an unknown version", 0xe0, 0x1a2a3a4a, True), ("a version negotiation", 0xc0, 0, False)]
for name, first, number, starts in LONG:
    payload = bytes([first]) + number.to_bytes(4, "big") + bytes(30)
    both("%s %s" % (name, "starts a connection" if starts else "starts nothing"), lambda v, p=payload: quic(v, QUIC, p),
         "quic", starts=starts, base=OTHER_UP)
for size in (0, 1, 4):
    add("%d bytes of a long header start nothing" % size, quic(4, QUIC, INITIAL[:size]), "quic", base=OTHER_UP)
add("five bytes of a long header are enough", quic(6, QUIC, INITIAL[:5]), "quic", starts=True, base=OTHER_UP)
add("a long header behind the datagram's length is none", quic(4, QUIC, INITIAL, len=12), "quic", base=OTHER_UP)
one = quic(4, QUIC, INITIAL)
verdict, out, keys = rules.case(rules.Sent(one), "quic", base=OTHER_UP)
c.add("a long header that the first buffer cuts off starts nothing", one, verdict, out, readable=46, **keys)
add("what looks like an Initial is none where the service has no QUIC", quic(4, LOOK, INITIAL), "udp", base=OTHER_UP)
add("TCP of a QUIC service starts with SYN", tcp(4, QUIC, "S"), "tcp", starts=True, base=OTHER_UP)

# Each kind of traffic has its own base and lens.
KINDS = (("tcp", ack_), ("quic", short), ("udp", datagram))
for kind, make in KINDS:
    for other in ("tcp", "quic", "udp"):
        if other != kind:
            verdict, out, keys = rules.case(rules.Sent(make(4)), kind)
            c.add("%s does not see the base of %s" % (kind, other), make(4), verdict, out, **keys, **{"base-" + other: 4})
            c.add("%s does not see the lens of %s" % (kind, other), make(4), verdict, out, **keys, **{"lens-" + other: 4})
    both("%s is seen through the lens before the row" % kind, make, kind, base=DRAINING, lens=OTHER_UP)
    both("%s through a lens that shows current is in an open row" % kind, make, kind, lens=UP)
    for lens in (LINGERING, DOWN, GONE, NOBODY):
        add("%s through a lens that shows %s" % (kind, rules.WORD[lens]), make(4), kind, lens=lens, base=OTHER_UP)
    add("%s through a lens, under pressure" % kind, make(6), kind, lens=OTHER_UP, pressure=True)
for kind, make, what in (("tcp", syn_, "SYN"), ("quic", initial, "Initial")):
    add("a %s through a lens is remembered, even where it shows current" % what, make(4), kind, starts=True, lens=UP)
    add("a %s through a lens, under pressure, goes where it shows" % what, make(6), kind, starts=True, lens=OTHER_UP,
        pressure=True)
    add("a %s through a lens that shows nobody goes to current" % what, make(4), kind, starts=True, lens=GONE,
        pressure=True)

# Which row, and which row of the lens.
for i in range(8):
    for dport, by_source in ((91, False), (111, True)):
        for version in (4, 6):
            one = eth() / (ip4(src="198.51.100.%d" % (i * 29 + 2)) if version == 4 else ip6(src="2001:db8:c::%x" % (i * 71 + 2)))
            one /= TCP(sport=41000 + i, dport=dport, flags="A")
            key = rules.world.flow_key(one[1].src, one[1].dst, 6, 41000 + i, dport)
            rows = [4, 1, 2, 4, 1, 2, 4]
            at = rules.world.row(key[:16] if by_source else key)
            verdict, out, keys = rules.case(rules.Sent(one), "tcp", base=rows[at])
            keys["base-tcp"] = ",".join(map(str, rows))
            c.add("base is the row's, client %d, port %d, IPv%d" % (i, dport, version), one, verdict, out, **keys)
            rows = [1, 4, 2, 1, 4]
            at = rules.world.lens_row(key[:16] if not by_source else key, 5)
            verdict, out, keys = rules.case(rules.Sent(one), "tcp", lens=rows[at])
            keys["lens-tcp"] = ",".join(map(str, rows))
            if not by_source:
                keys["lens_hash"] = "source"
            c.add("the lens has its own key, size and hash, client %d, port %d, IPv%d" % (i, dport, version), one, verdict,
                  out, **keys)

# How much a service remembers.
both("tracking always remembers what starts in a row that is home", lambda v: tcp(v, ALWAYS, "S"), "tcp", starts=True,
     always=True)
both("tracking always remembers what it sees in a row that is home", lambda v: tcp(v, ALWAYS, "A"), "tcp", always=True)
both("tracking always goes to base in an open row", lambda v: tcp(v, ALWAYS, "A"), "tcp", always=True, base=OTHER_UP)
add("tracking always goes to current where base is down", tcp(4, ALWAYS, "A"), "tcp", always=True, base=DOWN)
add("tracking always stores no start under pressure", tcp(4, ALWAYS, "S"), "tcp", always=True, starts=True, pressure=True)
add("tracking always stores nothing in a row that is home under pressure", tcp(6, ALWAYS, "A"), "tcp", always=True,
    pressure=True)
add("tracking always does without room", tcp(4, ALWAYS, "A"), "tcp", always=True, full=True)
add("tracking always does without room for a start", tcp(6, ALWAYS, "S"), "tcp", always=True, starts=True, full=True)
add("tracking always stores nothing where there is no current", tcp(4, ALWAYS, "A"), "tcp", always=True, current=NOBODY)
add("tracking always remembers a backend anew when it lost the old one", tcp(4, ALWAYS, "A"), "tcp", always=True,
    entry=(DOWN, set(), 5))
both("tracking always remembers unmarked UDP", lambda v: quic(v, ALWAYS, b"x"), "udp", always=True)
both("tracking always remembers a QUIC start", lambda v: quic(v, QUIC_ALWAYS, INITIAL), "quic", always=True, starts=True)
both("tracking always remembers a QUIC connection", lambda v: quic(v, QUIC_ALWAYS, SHORT), "quic", always=True)
for dport, name, make in ((92, "tracking never", tcp), (92, "tracking never, UDP,", None), (108, "udp-flows none", None)):
    for version in (4, 6):
        one = tcp(version, dport, "A") if make else quic(version, dport, INITIAL)
        c.forward("%s asks nothing in an open row, over IPv%d" % (name, version), one, l2(one), remembered=4, slot=0,
                  **{"base-tcp": 4, "base-udp": 4, "base-quic": 4, "lens-udp": 4})
one = tcp(4, 108, "A")
verdict, out, keys = rules.case(rules.Sent(one), "tcp", base=OTHER_UP)
c.add("udp-flows none is about UDP only", one, verdict, out, **keys)

# Without LOOK.
ack = tcp(4, 90, "A")
verdict, out, keys = rules.case(rules.Sent(ack), "tcp", always=True)
c.add("tracking always needs no LOOK", ack, verdict, out, **keys)
for version in (4, 6):
    one = tcp(version, 105, "A")
    c.forward("a row without LOOK asks nothing, over IPv%d" % version, one, l2(one), remembered=1, slot=0)
one = tcp(4, LOOK, "A")
verdict, out, keys = rules.case(rules.Sent(one), "tcp", entry=(77, set(), 5))
c.add("a remembered slot that does not exist is no memory", one, verdict, out, **keys)
