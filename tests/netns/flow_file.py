# SPDX-License-Identifier: BSD-3-Clause
"""What remembers connections and numbers is lost or spoiled: what is said, and that nothing at rest breaks."""

import os
import signal
import struct

from clients import by_flow, errors
from processes import wait_for
from scenario import BOTH, scenario

STATE = "/var/lib/sluice"


def at(path, offset, data):
    """Writes into a file, and changes nothing else of it."""
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def other_layout(path):
    """Another major version; that the checksum is then wrong too is not even looked at."""
    at(path, 8, struct.pack("<H", 99))


SPOILED = {
    "a symbolic link": lambda path: (os.unlink(path), os.symlink("/etc/hostname", path)),
    "of another layout": other_layout,
    "wrong checksum": lambda path: at(path, 40, b"\xff"),
    "another size": lambda path: os.truncate(path, os.path.getsize(path) - 4096),
    "no header": lambda path: os.truncate(path, 0),
    "everybody may read or write it": lambda path: os.chmod(path, 0o666),
    "there was none": os.unlink,
}


@scenario(timeout=120, dpdk_only="flows.shm, which XDP has not")
def wrong_flow_file_is_made_anew(test):
    """Each kind of bad flows.shm: sluiced says why it makes another, and connections at rest go on."""
    lab = test.lab(backends=2)
    lab.balancer.start()
    lab.balancer.wait_all_up()
    before = by_flow(lab.clients.fetch(400))
    path = os.path.join(lab.balancer.runtime_dir(), "flows.shm")
    for says, spoil in SPOILED.items():
        lab.balancer.sluiced.kill(signal.SIGKILL)
        lab.balancer.dp.kill(signal.SIGKILL)
        spoil(path)
        lab.balancer.start_sluiced()
        lab.balancer.start_dp()
        lab.balancer.wait_serving()
        lab.balancer.wait_all_up()
        log = lab.balancer.sluiced.log_text()
        test.check("made a" in log and says in log, f"'{says}' is not said: {log}")
        test.equal(by_flow(lab.clients.fetch(400)), before, f"flows after a file that is {says}")
    lab.balancer.sluiced.kill(signal.SIGKILL)
    lab.balancer.start_sluiced()
    wait_for(lambda: "kept the file" in lab.balancer.sluiced.log_text(), 10, "a sound file is kept")


@scenario(timeout=90, datapath=BOTH)
def state_file_lost(test):
    """kill -9 of sluiced, state.json removed or damaged: names get their numbers back, nothing moves or breaks."""
    lab = test.lab()
    lab.balancer.start()
    lab.balancer.wait_all_up()
    lab.balancer.wait_applied()
    before = by_flow(lab.clients.fetch(400))
    path = os.path.join(STATE, lab.balancer.instance, "state.json")
    for spoil in (os.unlink, lambda path: at(path, 0, b"no JSON")):
        running = lab.clients.start_fetch("client2", 400, first_port=50000, rate=200, concurrent=512)
        lab.balancer.sluiced.kill(signal.SIGKILL)
        spoil(path)
        lab.balancer.start_sluiced()
        wait_for(lab.balancer.backend_states, 10, "sluiced answers")
        lab.balancer.wait_all_up()
        lab.balancer.wait_applied()
        log = lab.balancer.sluiced.log_text()
        test.check("names and numbers are taken back from the rows files" in log, f"the loss is not said: {log}")
        kept = "kept the file" if test.datapath == "dpdk" else "the XDP program goes on"
        test.check(kept in log and "maps" not in log, f"what remembers connections was not kept: {log}")
        test.equal(errors(lab.clients.finish("client2", running)), [], "failed requests meanwhile")
        test.equal(by_flow(lab.clients.fetch(400)), before, "flows with numbers taken back")
