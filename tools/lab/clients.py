# SPDX-License-Identifier: BSD-3-Clause
"""
What the lab's two clients do: HTTP requests from fixed source ports, connections that stay open,
UDP, ping; and what they count.
"""

import collections
import json
import os
import subprocess

from network import address
from processes import LabError, run

HERE = os.path.dirname(os.path.abspath(__file__))
CLIENTS = ("client1", "client2")
Answer = collections.namedtuple("Answer", "client source_port start_ms latency_ms result")


class Clients:
    def __init__(self, lab):
        self.lab = lab

    def command(self, client, count, first_port=20000, family=4, to=None, **options):
        argv = [self.lab.program("lab-fetch"), "--from", address(client, family),
                "--to", to or self.lab.vip(family), "--first-port", str(first_port), "--count", str(count)]
        for name, value in options.items():
            argv += ["--" + name.replace("_", "-"), str(value)]
        return argv

    def fetch(self, count, clients=CLIENTS, timeout=120, **options):
        """`count` requests shared by the clients, at the same time; returns a list of Answer."""
        share = count // len(clients)
        running = [(client, self.start_fetch(client, share, **options)) for client in clients]
        return [answer for client, process in running for answer in self.finish(client, process, timeout)]

    def start_fetch(self, client, count, **options):
        """Starts requests in the background; finish() returns the answers."""
        return self.lab.recorder.start(self.command(client, count, **options), f"fetch-{client}",
                                       self.lab.network.namespace(client))

    @staticmethod
    def finish(client, process, timeout=120):
        process.wait(timeout)
        answers = []
        for line in process.log_text().splitlines():
            fields = line.split()
            if len(fields) != 4:
                raise LabError(f"lab-fetch on {client}: {line}")
            answers.append(Answer(client, int(fields[0]), int(fields[1]), int(fields[2]), fields[3]))
        return answers

    def one(self, client="client1", family=4, to=None, timeout_ms=1000, port=80):
        """One curl to the VIP: the backend's name, or None."""
        target = to or self.lab.vip(family)
        url = f"http://[{target}]:{port}/" if ":" in target else f"http://{target}:{port}/"
        done = self.lab.network.inside(client, ["curl", "-s", "-g", "-m", str(timeout_ms / 1000), url], check=False)
        return done.stdout.strip() if done.returncode == 0 else None

    def curl_exit(self, client, url, timeout_s=2):
        """curl's exit code: 7 is refused (RST), 28 a timeout."""
        return self.lab.network.inside(client, ["curl", "-s", "-g", "-o", "/dev/null", "-m", str(timeout_s), url],
                                       check=False).returncode

    def hold(self, count, client="client1", first_port=40000, family=4):
        return Held(self.lab, client, count, first_port, family)

    def udp(self, count, port, client="client1", first_port=30000, family=4):
        """One datagram from each of `count` source ports; returns {source port: answer}."""
        done = self.lab.network.inside(client, [os.path.join(HERE, "inside", "udp_client.py"),
                                                address(client, family), self.lab.vip(family), str(port),
                                                str(first_port), str(count)])
        return {int(line.split()[0]): line.split()[1] for line in done.stdout.splitlines()}

    def ping(self, target, client="client1", count=3):
        return self.lab.network.inside(client, ["ping", "-q", "-n", "-i", "0.05", "-W", "1", "-c", str(count),
                                                target], check=False).returncode == 0


class Held:
    """Connections that stay open; ask() sends a request on each of them."""

    def __init__(self, lab, client, count, first_port, family):
        argv = [os.path.join(HERE, "inside", "hold.py"), address(client, family), lab.vip(family), "80",
                str(first_port), str(count)]
        self.process = lab.recorder.start(argv, f"hold-{client}", lab.network.namespace(client),
                                          stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.first = self.read()

    def read(self):
        line = self.process.popen.stdout.readline()
        if not line:
            raise LabError(f"hold.py ended: {self.process.log_text()}")
        return {int(port): result for port, result in json.loads(line).items()}

    def ask(self):
        self.process.popen.stdin.write(b"\n")
        self.process.popen.stdin.flush()
        return self.read()


def by_flow(answers):
    """{(client, source port): backend or error} of a list of Answer."""
    return {(answer.client, answer.source_port): answer.result for answer in answers}


def shares(answers):
    """How many answers each backend gave, errors included, as a Counter."""
    return collections.Counter(answer.result for answer in answers)


def errors(answers):
    return [answer for answer in answers if answer.result.startswith("error:")]


def predicted(lab, config_path, flows, family=4, states=None):
    """What sluice-sim says for these TCP flows to the VIP's port 80: {(client, source port): backend}."""
    from simulate import simulate      # only where a simulator is built
    return simulate(lab, config_path, flows, family, states or {})
