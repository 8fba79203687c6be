# SPDX-License-Identifier: BSD-3-Clause
"""
The lab's backends: nginx answering its name, a UDP echo, and one backend with a kernel of its own
(user-mode-linux) that has real tunnel devices. What a backend needs is what `sluicectl backend-setup` says.
"""

import os
import signal

from network import HOSTS, PORT, PREFIX4, PREFIX6, address
from processes import LabError, run, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
NGINX = """daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
    access_log {folder}/access.log;
    default_type text/plain;
    client_body_temp_path {folder}/tmp; proxy_temp_path {folder}/tmp; fastcgi_temp_path {folder}/tmp;
    uwsgi_temp_path {folder}/tmp; scgi_temp_path {folder}/tmp;
    keepalive_timeout 300s; keepalive_requests 100000;
    server {{
        listen 80 backlog=4096; listen [::]:80 backlog=4096; listen 8080; listen [::]:8080;
        location = / {{ return 200 "{name}\\n"; }}
        location = /healthz {{ return 200 "{name} ok\\n"; }}
    }}
}}
"""


class Backends:
    """Starts and kills what runs in the backends' namespaces."""

    def __init__(self, network, recorder, folder, program):
        self.network = network
        self.program = program
        self.recorder = recorder
        self.folder = folder
        self.nginx = {}

    def start_nginx(self, host):
        """nginx with files of its own, one process: a kill -9 takes all of it."""
        folder = os.path.join(self.folder, host)
        os.makedirs(os.path.join(folder, "tmp"), exist_ok=True)
        os.chmod(folder, 0o777)
        config = os.path.join(folder, "nginx.conf")
        with open(config, "w", encoding="utf-8") as out:
            out.write(NGINX.format(folder=folder, name=host))
        self.nginx[host] = self.recorder.start(
            ["nginx", "-c", config, "-p", folder, "-e", f"{folder}/error.log"], f"nginx-{host}",
            self.network.namespace(host))
        self.wait_answers(host)

    def wait_answers(self, host):
        namespace = self.network.namespace(host)
        wait_for(lambda: self.network.inside(host, ["curl", "-sf", "-m", "1", "http://127.0.0.1/healthz"],
                                             check=False).returncode == 0,
                 10, f"nginx in {namespace} does not answer; see {self.folder}/{host}/error.log")

    def kill_nginx(self, host):
        self.nginx[host].kill(signal.SIGKILL)

    def requests_of(self, host):
        """How many requests this backend's nginx has logged, probes included."""
        with open(os.path.join(self.folder, host, "access.log"), encoding="ascii", errors="replace") as log:
            return sum(1 for _ in log)

    def setup_command(self, vips, mode, *more):
        """sluicectl as a person calls it."""
        return [self.program("sluicectl"), "backend-setup", "--vip", ",".join(vips), "--mode", mode, *more]

    def set_up(self, host, vips, mode="l2", *more):
        """What a backend needs in order to receive the packets of a mode; for ipip the host kernel need not know it."""
        if mode == "ipip":
            more = ("--address", f"{address(host, 4)},{address(host, 6)}", "--from", f"{PREFIX4}0/24,{PREFIX6}/64",
                    "--object", self.program("decap.bpf.o"), "--tunnel", "xdp", *more)
        self.network.inside(host, self.setup_command(vips, mode, "--device", PORT, "--state",
                                                     os.path.join(self.folder, f"setup-{host}"), "--apply", *more))

    def start_udp(self, host, vip, port):
        """A UDP service on the VIP that answers every datagram with the backend's name."""
        process = self.recorder.start([os.path.join(HERE, "inside", "udp_server.py"), vip, str(port), host],
                                      f"udp-{host}", self.network.namespace(host))
        wait_for(lambda: "ready" in process.log_text() or not process.alive(), 10, f"UDP server on {host}")
        if not process.alive():
            raise LabError(f"UDP server on {host} ended: {process.log_text().strip()}")
        return process

    def start_uml(self, vips, memory="96M"):
        """
        A guest kernel as backend `uml`: real tunnel devices, nginx from the host's files through hostfs. Its TAP
        is on the lab's switch; it boots in a few seconds as an ordinary process.
        """
        tap, host = "tap-uml", "uml"
        self.network.add_tap(tap)
        folder = os.path.join(self.folder, host)
        os.makedirs(folder)
        config = os.path.join(folder, "nginx.conf")
        with open(config, "w", encoding="utf-8") as out:
            out.write(NGINX.format(folder="/run/nginx", name=host))
        setup = os.path.join(folder, "setup.sh")
        senders = [address(sender, family) for sender in ("lb", "lb2", "client1") for family in (4, 6)]
        with open(setup, "w", encoding="utf-8") as out:
            out.write(run(self.setup_command(vips, "ipip", "--address", f"{address(host, 4)},{address(host, 6)}",
                                             "--from", ",".join(senders))).stdout)
        process = self.recorder.start(
            ["linux.uml", f"mem={memory}", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "quiet",
             f"init={os.path.join(HERE, 'inside', 'uml_init')}",
             f"vec0:transport=tap,ifname={tap},depth=128,gro=0", "con=null", "con0=null,fd:1", "con1=null",
             f"lab_addresses={address(host, 4)}/24,{address(host, 6)}/64", f"lab_setup={setup}",
             f"lab_nginx={config}", f"lab_mac=02:00:00:00:00:{HOSTS[host]:02x}"],
            "uml", self.network.namespace("switch"),
            env={"PATH": os.environ["PATH"], "HOME": folder, "TMPDIR": "/dev/shm",
                 "LD_PRELOAD": self.program("liblab-uml-xstate.so")})
        try:
            wait_for(lambda: "lab: ready" in process.log_text() or not process.alive(), 60, "the guest kernel boots")
        except LabError as error:
            raise LabError(f"{error}: {process.log_text()[-600:]}") from None
        if not process.alive():
            raise LabError(f"the guest kernel ended: {process.log_text()[-600:]}")
        self.nginx[host] = process
        return process

    def reach_directly(self, host, from_host="client1", family=4):
        """True when a client gets the backend's name from its own address, without any balancer."""
        target = address(host, family)
        url = f"http://[{target}]/" if family == 6 else f"http://{target}/"
        done = self.network.inside(from_host, ["curl", "-s", "-m", "3", "-g", url], check=False)
        return done.stdout.strip() == host

    def capture(self, host, expression, name):
        """Starts tcpdump on a host's leg; stop it and read its text with packets()."""
        path = os.path.join(self.folder, f"{name}.pcap")
        process = self.recorder.start(["tcpdump", "-i", PORT, "--immediate-mode", "-U", "-w", path, expression], f"tcpdump-{name}",
                                      self.network.namespace(host))
        wait_for(lambda: "listening" in process.log_text() or not process.alive(), 10, f"tcpdump on {host}")
        return Capture(process, path)


class Capture:
    def __init__(self, process, path):
        self.process = process
        self.path = path

    def packets(self, network, host):
        """Ends the capture and returns one line of text a packet."""
        self.process.kill(signal.SIGINT)
        return self.so_far(network, host, True)

    def so_far(self, network, host, whole=False):
        """The lines of what was captured until now; unless `whole`, the file may end in the middle of a packet."""
        return network.inside(host, ["tcpdump", "-nn", "-e", "-r", self.path], check=whole).stdout.splitlines()
