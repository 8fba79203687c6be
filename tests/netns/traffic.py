# SPDX-License-Identifier: BSD-3-Clause
"""
Thousands of connections through a lab's balancer while something is done to it: starts traffic-server and
traffic-client (see traffic.h), keeps a diary of what was done, and says of every break whose it was.
"""

import collections
import json
import random
import signal
import subprocess
import threading
import time

from balancer import service_text
from clients import CLIENTS
from network import address
from processes import LabError, wait_for
from scenario import Failure
from simulate import verdicts

PORT = 8000           # of the VIP, TCP
PROBE_PORT = 8001     # of the backends' own addresses
UDP_PORT = 5300
WINDOW_S = 6          # connection-idle, in place of an hour
CHECK = f"{{type: http, port: {PROBE_PORT}, path: /, interval: 400ms, timeout: 390ms, rise: 2, fall: 2}}"
AT_ONCE = 2000        # connections, at least
MIX = {"steady": 450, "silent": 300, "download": 125, "upload": 75, "short": 125, "turn": 150}   # of each client


def now_ms():
    """The clock of the programs' lines."""
    return time.monotonic_ns() // 1000000


class Talker:
    """A program of the traffic: commands go to its stdin, JSON lines come from its stdout."""

    def __init__(self, lab, name, host, argv):
        self.host = host
        self.process = lab.recorder.start(argv, name, lab.network.namespace(host), stdin=subprocess.PIPE)
        self.read_to = 0
        self.lines = []

    def say(self, command):
        self.process.popen.stdin.write(command.encode() + b"\n")
        self.process.popen.stdin.flush()

    def read(self):
        """All JSON lines so far."""
        with open(self.process.log, "rb") as log:
            log.seek(self.read_to)
            text = log.read()
        end = text.rfind(b"\n") + 1
        self.read_to += end
        for line in text[:end].decode().splitlines():
            if not line.startswith("{"):
                raise LabError(f"{self.process.name}: {line}")
            self.lines.append(json.loads(line))
        return self.lines

    def ask(self, command, timeout=10):
        """The answer to `command`."""
        seen = len(self.read())
        self.say(command)

        def answer():
            if not self.process.alive():
                raise LabError(f"{self.process.name} ended with {self.process.popen.returncode}: "
                               f"{self.process.log_text()[-300:]}")
            return next((line for line in self.read()[seen:] if line.get("answer") == command), None)
        return wait_for(answer, timeout, f"{self.process.name} answers {command!r}", 0.02)


class Traffic:
    """Servers on every host of the lab, a configuration for them, clients, and the diary."""

    def __init__(self, test, lab, hosts=None, window_s=WINDOW_S, seed=None):
        self.test = test
        self.lab = lab
        self.family, self.mode = test.family, test.mode
        self.window_s = window_s
        self.seed = test.random.randrange(1 << 15) if seed is None else seed
        self.random = random.Random(self.seed)
        self.weights = {host: 1 for host in hosts or lab.hosts}
        self.pool = {"connection-idle": f"{{tcp: {window_s}s, quic: {window_s}s, udp: {window_s}s}}",
                     "linger": "30s", "table-size": 4099}
        self.dpdk_workers = None
        self.dpdk = ""                # more of that map
        self.check = CHECK
        self.diary = []
        self.outages = []             # [host, from ms, until ms or None while it lasts]
        self.services = [("www", "tcp", PORT, ""), ("udp", "udp", UDP_PORT, "")]   # the last: more keys
        self.extra = ""               # top-level text of the configuration
        self.servers, self.clients, self.udp = {}, [], []
        for host in lab.hosts:
            self.start_server(host)

    # ---- who takes part -------------------------------------------------------------------------------

    def start_server(self, host):
        """The backend's server; also after kill_server."""
        argv = [self.lab.program("traffic-server"), "--name", host]
        for family in (4, 6):
            argv += ["--vip", self.lab.vip(family), "--tcp", str(PORT)]
            for port in range(UDP_PORT, UDP_PORT + 3):
                argv += ["--udp", str(port)]
        server = Talker(self.lab, f"server-{host}", host, argv + ["--probe", str(PROBE_PORT)])
        wait_for(server.read, 10, f"traffic-server on {host}: {server.process.log}")
        self.servers[host] = server
        self.note(f"{host} serves")
        for outage in self.outages:
            if outage[0] == host and outage[2] is None:
                outage[2] = now_ms()

    def kill_server(self, host):
        """The process dies: its kernel resets what it has, and refuses what comes until it is known to be down."""
        self.note(f"{host} is killed")
        self.outages.append([host, now_ms(), None])
        self.servers[host].process.kill(signal.SIGKILL)

    def probes(self, host, answered):
        self.note(f"{host}: probes {'are' if answered else 'are not'} answered")
        self.servers[host].say("probes on" if answered else "probes off")

    def cable(self, host, plugged):
        """Takes a backend's cable out, or puts it in: packets are lost, and nobody says so."""
        self.note(f"{host}: cable {'in' if plugged else 'out'}")
        self.lab.network.ip("switch", f"link set to-{host} {'up' if plugged else 'down'}")

    def guesses(self, balancer=None):
        """The counters of guesses: {name: count}."""
        counters = self.flow_counters(balancer).get("counters", {})
        return {name: count for name, count in counters.items() if name.startswith("guess_") or name == "start_base"}

    def start_clients(self, mix=None, rate=600, timeout_s=12):
        """The mix from both clients; returns once all are connected."""
        mix = mix or MIX
        for number, client in enumerate(CLIENTS):
            self.clients.append(Talker(self.lab, f"traffic-{client}", client, [
                self.lab.program("traffic-client"), "--from", address(client, self.family), "--to",
                self.lab.vip(self.family), "--port", str(PORT), "--window-ms", str(self.window_s * 1000),
                "--timeout-ms", str(timeout_s * 1000), "--rate", str(rate), "--seed", str(self.seed * 2 + number + 1),
                "--mix", ",".join(f"{kind}={count}" for kind, count in mix.items())]))
        wanted = min(AT_ONCE, len(CLIENTS) * sum(count for kind, count in mix.items() if kind != "burst") * 9 // 10)
        wait_for(lambda: self.open() >= wanted, 20, f"{wanted} connections are open", 0.2)
        self.note(f"{self.open()} connections are open")

    def start_udp(self, kind, port=UDP_PORT, count=4000, rate=2000):
        first_port = {"dns": 20000, "sticky": 30000, "quic": 40000}[kind]
        for number, client in enumerate(CLIENTS):
            self.udp.append(Talker(self.lab, f"udp-{kind}-{client}", client, [
                self.lab.program("traffic-udp"), "--kind", kind, "--from", address(client, self.family), "--to",
                self.lab.vip(self.family), "--port", str(port), "--count", str(count), "--rate", str(rate),
                "--first-port", str(first_port), "--window-ms", str(self.window_s * 1000),
                "--seed", str(self.seed * 2 + number + 1)]))

    # ---- the balancer ---------------------------------------------------------------------------------

    def balancers(self):
        return [balancer for balancer in (self.lab.balancer, self.lab.second) if balancer]

    def configure(self):
        """Writes the configuration of what this object says now."""
        services = [service_text(name, proto, self.lab.vip(self.family), port, self.mode)[:-1] + more + "}"
                    for name, proto, port, more in self.services]
        for balancer in self.balancers():
            balancer.configure(family=self.family, mode=self.mode, hosts=list(self.weights),
                               weights=list(self.weights.values()), check=self.check, services=services,
                               pool=self.pool, dpdk_workers=self.dpdk_workers, dpdk=self.dpdk, extra=self.extra)

    def start(self, mix=None, **options):
        """Everything, until the mix is connected (no TCP at all with mix={})."""
        self.configure()
        for balancer in self.balancers():
            balancer.start_sluiced()
            balancer.start_forwarder()
        for balancer in self.balancers():
            wait_for(lambda one=balancer: list(one.backend_states().values()) == ["up"] * len(self.weights), 20,
                     "all backends are up", 0.1)
            balancer.wait_applied()
        wait_for(lambda: self.lab.clients.ping(self.lab.vip(self.family), count=1), 20, "the VIP answers echo", 0.1)
        if mix != {}:
            self.start_clients(mix, **options)

    def note(self, text):
        self.diary.append((now_ms(), text))

    def ctl(self, *argv, balancer=None):
        """A command that must succeed, however often sluiced is killed meanwhile."""
        self.note("sluicectl " + " ".join(argv))

        def done():
            result = (balancer or self.lab.balancer).ctl(*argv, check=False)
            if result.returncode == 1:
                raise LabError(f"sluicectl {' '.join(argv)} is refused: {result.stderr.strip()}")
            return result if result.returncode == 0 else None
        return wait_for(done, 20, f"sluicectl {' '.join(argv)} reaches sluiced", 0.05)

    def reload(self, what="the file"):
        """Writes the configuration and has it read, until the data plane forwards by it."""
        self.note(f"reload: {what}")
        self.configure()
        for balancer in self.balancers():
            self.ctl("reload", balancer=balancer)
        self.applied()

    def applied(self):
        for balancer in self.balancers():
            balancer.wait_applied(20)

    def set_weights(self, **weights):
        """set_weights(be5=1, be2=None): adds or changes be5, removes be2."""
        for host, weight in weights.items():
            if weight is None:
                self.weights.pop(host, None)
            else:
                self.weights[host] = weight
        self.reload("weights " + " ".join(f"{host}={weight}" for host, weight in weights.items()))

    def wait_state(self, host, state, timeout=20):
        self.lab.balancer.wait_state(host, state, timeout)
        self.note(f"{host} is {state}")

    def pause(self, windows):
        """So many windows go by."""
        time.sleep(windows * self.window_s)

    # ---- what became of it ----------------------------------------------------------------------------

    def reports(self):
        return [client.ask("report") for client in self.clients]

    def open(self):
        """How many connections are open at this moment."""
        return sum(report["open"] for report in self.reports())

    def by_backend(self):
        """How many open connections each backend has."""
        counts = collections.Counter()
        for report in self.reports():
            counts.update(report["backends"])
        return counts

    def breaks(self):
        """All breaks so far, each with its client's name."""
        seen = [dict(line, client=talker.host) for talker in (*self.clients, *self.udp) for line in talker.read()
                if "break" in line]
        seen += [dict(line, backend=host, kind="server", phase="open", port=0, **{"break": line["wrong"]})
                 for host, server in self.servers.items() for line in server.read() if "wrong" in line]
        return seen

    def verify(self, timeout=20):
        """Every open connection proves that it works, now."""
        for client in self.clients:
            client.ask("verify")
        wait_for(lambda: all(report["verified"] >= report["open"] for report in self.reports()), timeout,
                 "every open connection gets an answer", 0.25)

    def list(self):
        """{(client, port): (kind, backend, began)} of every open connection."""
        return {(client.host, port): tuple(more) for client in self.clients
                for port, *more in client.ask("list")["connections"]}

    def leave(self, host=""):
        """The connections of one backend, or all, end as their users please: each after its next answer."""
        self.note(f"the users of {host or 'every backend'} leave")
        for client in self.clients:
            client.ask(f"leave {host}")

    def own(self, one):
        """
        True when a break is an outage's: the dead backend's connection, or one that was sent to it and never
        heard of it, whose handshake may have begun a little before.
        """
        begun = one["t"] - one.get("age_ms", 0)
        return any(began - 50 <= one["t"] <= (until or one["t"]) + 1000 if one["backend"] == host else
                   one["backend"] == "" and began - 3000 <= begun <= (until or begun) + 1000 and one["t"] >= began - 50
                   for host, began, until in self.outages)

    def strangers(self, excuse=None):
        """Breaks that no outage explains, nor `excuse`, a function of a break."""
        return [one for one in self.breaks() if not self.own(one) and not (excuse and excuse(one))]

    def demand(self, excuse=None):
        strangers = self.strangers(excuse)
        if strangers:
            raise Failure(self.describe(strangers))

    def end(self, excuse=None, timeout=20):
        """Every connection proves that it works, and nothing broke but the own ones of backends that failed."""
        self.demand(excuse)
        self.verify(timeout)
        self.demand(excuse)
        return sum(report["begun"] for report in self.reports())

    def demand_own(self, host, at_least):
        """The outage was one: so many connections of the backend broke."""
        own = [one for one in self.breaks() if one["backend"] == host]
        self.test.check(len(own) >= at_least, f"{host} failed, and only {len(own)} of its connections noticed")

    def demand_homes(self, since):
        """Connections begun after `since` are where sluice-sim puts them, with every backend up."""
        seen = {flow: backend for flow, (_kind, backend, began) in self.list().items() if began > since}
        said = verdicts(self.lab, self.lab.balancer.config_path, list(seen), self.family, {}, PORT)
        wrong = [(flow, backend, said[flow]["backend"]) for flow, backend in seen.items()
                 if said[flow]["backend"] != backend]
        self.test.check(len(seen) > 100 and not wrong, f"{len(wrong)} of {len(seen)} connections begun in closed rows "
                        f"are elsewhere than sluice-sim says; (flow, seen, predicted): {wrong[:3]}")

    def describe(self, breaks):
        """Counts, then the first breaks with flow, row, history, and the diary around them."""
        counts = collections.Counter((one["break"], one["kind"], one["backend"]) for one in breaks)
        lines = [f"{len(breaks)} connections broke (seed {self.seed}): " +
                 ", ".join(f"{count} x {' '.join(map(str, what))}" for what, count in counts.most_common(8))]
        first = sorted(breaks, key=lambda one: one["t"])[:4]
        flows = [(one["client"], one["port"]) for one in first if "client" in one]
        try:
            rows = verdicts(self.lab, self.lab.balancer.config_path, flows, self.family, {}, PORT)
        except LabError:                  # a configuration that just changed: the report matters more
            rows = {}
        for one in first:
            said = rows.get((one.get("client"), one["port"]), {})
            lines.append(f"at {one['t']}: {one.get('client')}:{one['port']} ({one['kind']}, {one['phase']}) of "
                         f"{one['backend'] or 'nobody yet'}: {one['break']}; row {said.get('row')}, of which "
                         f"{said.get('backend')} is home with all up; idle {one.get('idle_ms')} ms; "
                         f"{[(t - one['t'], what, name) for t, what, name in one.get('history', [])]}")
        lines.append("diary: " + "; ".join(f"{t} {text}" for t, text in self.diary[-24:]))
        counters = self.flow_counters()
        if counters:
            lines.append(f"memory of connections: {counters}")
        return "\n".join(lines)

    def flow_counters(self, balancer=None):
        """What `show flows` counts, {} while it does not answer."""
        done = (balancer or self.lab.balancer).ctl("--json", "show", "flows", check=False)
        return json.loads(done.stdout) if done.returncode == 0 else {}


class Killer:
    """kill -9 of sluiced at random moments, started again at once, until the block ends."""

    def __init__(self, traffic, wanted=True, between_s=(0.3, 2.5)):
        self.traffic = traffic
        self.between_s = between_s
        self.random = random.Random(traffic.seed + 1)
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True) if wanted else None
        self.kills = 0

    def __enter__(self):
        if self.thread:
            self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        if self.thread:
            self.thread.join()

    def kill(self):
        self.traffic.note("kill -9 of sluiced")
        self.traffic.lab.balancer.sluiced.kill(signal.SIGKILL)
        self.traffic.lab.balancer.start_sluiced()
        self.kills += 1

    def work(self):
        while not self.over.wait(self.random.uniform(*self.between_s)):
            self.kill()
