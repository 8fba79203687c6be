# SPDX-License-Identifier: BSD-3-Clause
"""
Commands and long-running processes of a lab. Every process started here is recorded in the lab's
folder (pid and start time), so that it can be ended by exactly that record: never by name, and
never a stranger that got the same pid later.
"""

import os
import signal
import subprocess
import time


class LabError(Exception):
    """Something the lab needs did not work; the text says what, and what to do."""


def run(argv, stdin=None, check=True, timeout=60):
    """Runs a short command and returns the CompletedProcess; a failure says what it printed."""
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=timeout)
    except FileNotFoundError:
        raise LabError(f"{argv[0]} is not installed: run tools/lab/packages install demo test") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"{' '.join(argv)} did not end within {timeout} s") from None
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(argv)} exited {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return done


def wait_for(true_when, timeout, what, step=0.05):
    """Polls until true_when() returns something true, and returns that; LabError after `timeout` s."""
    end = time.monotonic() + timeout
    while True:
        value = true_when()
        if value:
            return value
        if time.monotonic() > end:
            raise LabError(f"waited {timeout} s in vain: {what}")
        time.sleep(step)


def start_time(pid):
    """The kernel's start time of a process in clock ticks, or None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


class Process:
    """One long-running program in one namespace; its output goes to a log file of its own."""

    def __init__(self, popen, name, log):
        self.popen = popen
        self.pid = popen.pid
        self.name = name
        self.log = log

    def alive(self):
        return self.popen.poll() is None

    def log_text(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def kill(self, with_signal=signal.SIGKILL, wait=10):
        """Signals the process itself and waits until it is gone; returns its exit code."""
        if self.alive():
            self.popen.send_signal(with_signal)
        try:
            return self.popen.wait(wait)
        except subprocess.TimeoutExpired:
            raise LabError(f"{self.name} (pid {self.pid}) did not end within {wait} s of signal "
                           f"{int(with_signal)}; its log: {self.log}") from None

    def wait(self, timeout):
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise LabError(f"{self.name} did not end within {timeout} s; its log: {self.log}") from None


class Recorder:
    """Starts processes and keeps `pids` in the lab's folder: one line `pid start-time name` each."""

    def __init__(self, folder):
        self.folder = folder
        self.path = os.path.join(folder, "pids")
        self.processes = []
        self.logs = {}

    def start(self, argv, name, namespace=None, stdin=subprocess.DEVNULL, stdout=None, env=None):
        """Starts `argv`, inside a network namespace when one is named. nsenter execs: the pid is the program's."""
        if namespace:
            argv = ["nsenter", f"--net=/run/netns/{namespace}", *argv]
        count = self.logs[name] = self.logs.get(name, 0) + 1
        log_path = os.path.join(self.folder, f"{name}.log" if count == 1 else f"{name}.{count}.log")
        with open(log_path, "wb") as log:
            popen = subprocess.Popen(argv, stdin=stdin, stdout=stdout or log, stderr=log,
                                     start_new_session=True, env=env)
        process = Process(popen, name, log_path)
        self.processes.append(process)
        with open(self.path, "a", encoding="ascii") as pids:
            pids.write(f"{popen.pid} {start_time(popen.pid) or 0} {name}\n")
        return process

    def stop_all(self):
        """Ends what is still running, the newest first, with its process group (each has its own)."""
        for process in reversed(self.processes):
            if process.alive():
                signal_group(process.pid, signal.SIGTERM)
        end = time.monotonic() + 3
        for process in reversed(self.processes):
            try:
                process.popen.wait(max(0.05, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                signal_group(process.pid, signal.SIGKILL)
                process.popen.wait(5)
            signal_group(process.pid, signal.SIGKILL)   # children that outlived their parent (UML's, nginx's)


def signal_group(pid, number):
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def end_recorded(path):
    """Ends the processes of a `pids` file that still are the ones recorded there. Returns how many."""
    ended = []
    try:
        with open(path, encoding="ascii") as pids:
            lines = [line.split() for line in pids if line.strip()]
    except OSError:
        return 0
    for pid, started, *_ in reversed(lines):
        if started != "0" and start_time(int(pid)) == started:
            signal_group(int(pid), signal.SIGKILL)
            ended.append(int(pid))
    wait_for(lambda: not any(start_time(pid) for pid in ended), 10, f"the end of {ended}")
    return len(ended)
