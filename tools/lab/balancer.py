# SPDX-License-Identifier: BSD-3-Clause
"""
The balancer of a lab: its configuration file, sluiced, sluice-dp and sluicectl in the namespace lb.
The instance has the lab's name, so that many labs can run side by side.
"""

import json
import os
import signal

from network import LB_PORT, address
from processes import LabError, run, wait_for


class Balancer:
    """One balancer; the second one of a lab is `lb2`, an instance of its own with the same fleet key."""

    def __init__(self, lab, queues, host="lb"):
        self.lab = lab
        self.host = host
        self.queues = queues
        self.instance = lab.name if host == "lb" else f"{lab.name}-{host}"
        self.suffix = "" if host == "lb" else f"-{host}"
        self.config_path = os.path.join(lab.folder, f"sluice{self.suffix}.yaml")
        self.sluiced = None
        self.dp = None
        self.hugepages = False

    @property
    def namespace(self):
        return self.lab.network.namespace(self.host)

    def configure(self, family=4, mode="l2", weights=None, hosts=None, check="http", when_empty="reject",
                  services=None, outer=None, port=None, dpdk="", dpdk_workers=None, extra="", pool=None):
        """
        Writes the configuration: one pool of the lab's backends behind VIP port 80. `services` replaces
        the list of services, `port` the interface, `outer` is the backends' family where it is another one, `dpdk` and `pool` add to these maps, `extra` adds top-level text.
        """
        hosts = hosts or self.lab.hosts
        weights = weights or [1] * len(hosts)
        cpus = os.cpu_count()
        workers = dpdk_workers or [(self.lab.first_cpu + queue) % cpus for queue in range(self.queues)]
        lines = [
            f"datapath: {self.lab.datapath}",
            f'interfaces: ["{port or "af_xdp:" + LB_PORT}"]',
            f"dpdk: {{workers: {workers}, hugepages: {'true' if self.hugepages else 'false'}, poll: adaptive{dpdk}}}",
            f"hash-key-file: {self.key_file()}",
            "checks:",
            f"  web: {check_text(check)}",
            "pools:",
            "  - name: web",
            "    check: web" if check else None,
            f"    when-empty: {when_empty}",
            *(f"    {key}: {value}" for key, value in (pool or {}).items()),
            "    backends:",
            *(f'      - {{name: {host}, address: "{address(host, outer or family)}", weight: {weight}}}'
              for host, weight in zip(hosts, weights)),
            "services:",
            *(services or [service_text("www", "tcp", self.lab.vip(family), 80, mode)]),
        ]
        if not check:
            lines = [line for line in lines if line is not None and not line.startswith(("checks:", "  web:"))]
        with open(self.config_path + ".new", "w", encoding="utf-8") as out:
            out.write("\n".join(line for line in lines if line is not None) + "\n" + extra)
        os.rename(self.config_path + ".new", self.config_path)    # sluiced may be starting: it reads all or nothing

    def key_file(self):
        """A fixed key: shares can be predicted, and are the same in every run."""
        path = os.path.join(self.lab.folder, "hash.key")
        if not os.path.exists(path):
            with open(path, "w", encoding="ascii") as out:
                out.write("000102030405060708090a0b0c0d0e0f\n")
            os.chmod(path, 0o600)
        return path

    def start_sluiced(self, *more):
        self.sluiced = self.lab.recorder.start(
            [self.lab.program("sluiced"), "--config", self.config_path, "--instance", self.instance, *more],
            "sluiced" + self.suffix, self.namespace)
        return self.sluiced

    def start_dp(self, *more, prefix=()):
        """`prefix` runs it through another program, such as setpriv."""
        self.dp = self.lab.recorder.start(
            [*prefix, self.lab.program("sluice-dp"), "--instance", self.instance,
             *([] if self.hugepages else ["--no-huge"]), *more],
            "sluice-dp" + self.suffix, self.namespace)
        return self.dp

    def start_forwarder(self, *more):
        """What sluiced does not start by itself: sluice-dp, unless the datapath has none."""
        if self.lab.datapath != "xdp":
            self.start_dp(*more)

    def device_holder(self):
        """The pid of sluice-device, which holds the VIP device of the XDP datapath; None while there is none."""
        for entry in os.listdir("/proc"):
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as cmdline:
                    argv = cmdline.read().split(b"\0")
            except OSError:
                continue
            if argv[0].endswith(b"sluice-device") and argv[1:2] == [(self.runtime_dir() or "-").encode()]:
                return int(entry)
        return None

    def runtime_dir(self):
        """Where this instance's shared memory and sockets are, once sluiced has made it."""
        return next((path for path in (f"/run/sluice/{self.instance}", f"/dev/shm/sluice/{self.instance}")
                     if os.path.isdir(path)), None)

    def start(self, **config):
        """Configuration, the daemons of the lab's datapath, and the first answer through the VIP."""
        self.configure(**config)
        self.start_sluiced()
        self.start_forwarder()
        self.wait_serving(family=config.get("family", 4))

    def wait_serving(self, timeout=30, family=4):
        def answers():
            for process in (self.sluiced, self.dp):
                if process and not process.alive():
                    raise LabError(f"{process.name} ended with {process.popen.returncode}: "
                                   f"{process.log_text().strip()[-800:]}")
            return self.lab.clients.one(family=family, timeout_ms=500)
        return wait_for(answers, timeout, f"no answer from {self.lab.vip(family)}; logs in {self.lab.folder}")

    def reload(self):
        self.sluiced.popen.send_signal(signal.SIGHUP)

    def ctl(self, *argv, check=True):
        """sluicectl as a person calls it; returns the CompletedProcess."""
        return run(["nsenter", f"--net=/run/netns/{self.namespace}", self.lab.program("sluicectl"),
                    "--instance", self.instance, *argv], check=check)

    def ctl_json(self, *argv):
        return json.loads(self.ctl("--json", *argv).stdout)

    def backend_states(self):
        """{backend: effective state} as sluicectl shows it; empty while it does not answer."""
        done = self.ctl("--json", "show", "backends", check=False)
        rows = json.loads(done.stdout)["backends"] if done.returncode == 0 else []
        return {row["name"]: row["state"] for row in rows}

    def verdicts(self):
        return {row["verdict"]: row["packets"] for row in self.ctl_json("show", "verdicts")["verdicts"]}

    def wait_counted(self, verdict, at_least=1, timeout=10):
        """Until the counter is there: the manager copies counters every tenth of a second."""
        wait_for(lambda: self.verdicts().get(verdict, 0) >= at_least, timeout, f"{verdict} counts {at_least}")

    def generation(self):
        """The generation that every worker forwards by."""
        return self.ctl_json("show", "datapath")["applied"]

    def wait_applied(self, timeout=10):
        """Until the data plane forwards by what sluiced published last."""
        def applied():
            done = self.ctl("--json", "show", "datapath", check=False)
            if done.returncode != 0:
                return False
            shown = json.loads(done.stdout)
            return shown["generation"] and shown["generation"] == shown["applied"]
        wait_for(applied, timeout, "sluice-dp applies the last generation", 0.1)

    def reload_and_wait(self):
        """`sluicectl reload`, until the data plane forwards by it."""
        self.ctl("reload")
        self.wait_applied()

    def wait_all_up(self, count=None, timeout=15):
        """Every backend is up, and the data plane knows it."""
        count = count or len(self.lab.hosts)
        wait_for(lambda: list(self.backend_states().values()) == ["up"] * count, timeout, "all backends are up", 0.1)
        self.wait_applied()

    def wait_state(self, host, state, timeout=15):
        """`down` is also what still lingers: nothing new goes there either way."""
        wanted = ("down", "lingering") if state == "down" else (state,)
        wait_for(lambda: self.backend_states().get(host) in wanted, timeout, f"{host} becomes {state}", 0.1)


def check_text(kind):
    if kind == "http":
        return "{type: http, port: 80, path: /healthz, interval: 300ms, timeout: 200ms, rise: 2, fall: 2}"
    if kind == "tcp":
        return "{type: tcp, port: 80, interval: 300ms, timeout: 200ms, rise: 2, fall: 2}"
    return kind


def service_text(name, proto, vip, port, mode="l2", pool="web"):
    """One entry of `services:`."""
    listen = f'"{proto} [{vip}]:{port}"' if ":" in vip else f'"{proto} {vip}:{port}"'
    return f"  - {{name: {name}, listen: {listen}, pool: {pool}, mode: {mode}}}"
