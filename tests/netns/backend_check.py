# SPDX-License-Identifier: BSD-3-Clause
"""sluicectl backend-check against backends that are right, and wrong in each way that it names."""

import json
import signal

from network import PORT, address
from processes import wait_for
from scenario import scenario


def check(lab, *words):
    """{check: (holds, text)} of the only listener, the exit status beside it."""
    done = lab.balancer.ctl("--json", "backend-check", *words, check=False)
    if not done.stdout:
        return {"none": (False, done.stderr.strip())}
    answer = json.loads(done.stdout)
    rows = {row["check"]: (row["holds"], row["text"]) for row in answer["listeners"][0]["checks"]}
    if (done.returncode == 0) != all(holds for holds, _ in rows.values()):
        raise AssertionError(f"exit status {done.returncode} with {rows}")
    return rows


def fails(test, lab, words, what, said):
    """Exactly `what` does not hold, and its text names the remedy."""
    rows = check(lab, *words)
    failed = {name: text for name, (holds, text) in rows.items() if not holds}
    test.equal(list(failed), [what], f"checks that fail: {rows}")
    test.check(said in failed[what], f"{what}: {said!r} is not in {failed[what]!r}")


@scenario(family=(4, 6), outer=(4, 6), mode=("l2", "ipip"))
def backend_check_finds_nothing_wrong(test):
    """With both daemons running and sluiced asked for the backend: every check holds, while traffic flows."""
    lab = test.lab(backends=2)
    lab.balancer.start(family=test.family, outer=test.outer, mode=test.mode)
    lab.balancer.wait_all_up()
    for host in lab.hosts:
        rows = check(lab, host)
        test.equal({name: holds for name, (holds, _) in rows.items()},
                   {name: True for name in ("reached", "silent", "holds", "listens", "mtu")}, f"{host}: {rows}")
        test.check("1500 bytes on the way" in rows["mtu"][1], rows["mtu"][1])
    text = lab.balancer.ctl("backend-check", "be1").stdout
    test.check(text.endswith("all well\n") and "FAIL" not in text, text)
    done = lab.balancer.ctl("backend-check", "be9", check=False)
    test.check(done.returncode == 1 and "no service uses" in done.stderr, done.stderr)
    left = lab.network.inside("be1", ["ss", "-Hant", "state", "syn-recv"]).stdout
    test.equal(left, "", "half-open connections on the backend")


@scenario(family=(4, 6), mode=("l2", "ipip"))
def backend_check_names_what_is_wrong(test):
    """One thing at a time is broken on the backend; that check fails, and no other."""
    lab = test.lab(backends=1)
    vip, own = lab.vip(test.family), address("be1", test.family)
    listen = f"[{vip}]:80" if test.family == 6 else f"{vip}:80"
    words = ["--listen", f"tcp {listen}", "--mode", test.mode, "--address", own]
    test.check(all(holds for holds, _ in check(lab, *words).values()), f"{check(lab, *words)}")
    width = 128 if test.family == 6 else 32
    lab.network.ip("be1", f"addr add {vip}/{width} dev {PORT}" + (" nodad" if test.family == 6 else ""))
    lab.network.sysctl("be1", ipv4__conf__all__arp_ignore=0)
    fails(test, lab, words, "silent", "backend-setup")
    lab.network.ip("be1", f"addr del {vip}/{width} dev {PORT}")
    lab.network.sysctl("be1", ipv4__conf__all__arp_ignore=1)
    lab.network.ip("be1", f"link set {PORT} mtu 1400")
    fails(test, lab, words, "mtu", "raise the MTU")
    lab.network.ip("be1", f"link set {PORT} mtu 1500")
    if test.mode == "ipip":
        lab.backends.set_up("be1", lab.vips(), "ipip", "--from", "192.0.2.77,2001:db8:77::1")
        fails(test, lab, words, "holds", "refuses tunnel packets")
        lab.backends.set_up("be1", lab.vips(), "ipip")
    lab.backends.kill_nginx("be1")
    fails(test, lab, words, "listens", "start the server")
    lab.backends.start_nginx("be1")
    lab.network.ip("be1", f"addr del {vip}/{width} dev lo")
    fails(test, lab, words, "holds", "VIP is not on its lo")
    lab.network.ip("be1", f"link set {PORT} down")
    lab.network.ip("lb", "neigh flush all")
    fails(test, lab, words, "reached", "is it up")


@scenario()
def backend_check_of_udp_and_without_rights(test):
    """UDP: a closed port is seen, an open one does not refuse. Without CAP_NET_RAW it says what it needs."""
    lab = test.lab(backends=1)
    vip = lab.vip(4)
    words = ["--listen", f"udp {vip}:5353", "--mode", "l2", "--address", address("be1", 4)]
    fails(test, lab, words, "listens", "nobody listens at udp port 5353")
    server = lab.backends.start_udp("be1", vip, 5353)
    rows = check(lab, *words)
    test.check(all(holds for holds, _ in rows.values()), f"{rows}")
    server.kill(signal.SIGTERM)
    done = lab.network.inside("lb", ["setpriv", "--bounding-set", "-net_raw", "--inh-caps", "-net_raw",
                                     lab.program("sluicectl"), "backend-check", *words], check=False)
    test.check(done.returncode == 1 and "CAP_NET_RAW" in done.stderr, f"{done.returncode}: {done.stderr}")
    test.check(done.stderr.count("\n") == 1, done.stderr)


@scenario()
def backend_setup_and_check_know_the_configured_source(test):
    """Tunnels from the file's outer-source: sluiced tells it, so the backend admits it and the check sends from it."""
    lab = test.lab(backends=1)
    source = lab.vip(4, 9)
    lab.balancer.configure(mode="ipip", extra=f"outer-source: {source}\n")
    lab.balancer.start_sluiced()
    wait_for(lambda: lab.balancer.backend_states() == {"be1": "up"}, 15, "be1 is up")
    script = lab.balancer.ctl("backend-setup", "be1", "--device", PORT, "--tunnel", "xdp", "--object",
                              lab.program("decap.bpf.o"), "--state", f"{lab.folder}/from-sluiced").stdout
    lab.network.inside("be1", ["sh"], stdin=script)
    rows = check(lab, "be1")
    test.check(all(holds for holds, _ in rows.values()), f"{rows}")
    words = ["--listen", f"tcp {lab.vip(4)}:80", "--mode", "ipip", "--address", address("be1", 4)]
    fails(test, lab, words, "holds", "refuses tunnel packets")
    rows = check(lab, *words, "--from", source)
    test.check(all(holds for holds, _ in rows.values()), f"{rows}")
