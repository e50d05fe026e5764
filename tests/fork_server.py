"""Starts the command in copies of a process that has imported TensorFlow already.

A command of its own spends most of a test's time on imports. Here one process for each test process
imports everything once and forks for every command; as it never computes with TensorFlow, its
copies start as good as fresh. Tests of imports, start-up and environment need a real process.

A command's joblib workers are forked likewise, by a process that is still as fresh as the command
was at its start.
"""

import contextlib
import ctypes
import fcntl
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from functools import cache
from pathlib import Path

IMPORTS = (
    "tensorflow", "keras", "sklearn.metrics", "matplotlib.pyplot", "rich.console", "hydra",
    "mlptrain.cli", "mlptrain.figures", "mlptrain.sweeps.hydra_app", "mlptrain.training.run",
    "mlptrain.training.assemble", "mlptrain.training.loop", "mlptrain.training.results",
    "mlptrain.search.running",
)  # fmt: skip

_SET_NAME, _SET_CHILD_SUBREAPER = 15, 36  # of Linux's prctl


class ForkedCommand:
    """The part of subprocess.Popen's interface that tests use, for a process of the server."""

    def __init__(self, words, cwd, environment):
        self.returncode = None
        self._reader = None
        out, stdout = os.pipe()
        err, stderr = os.pipe()
        self._status, status = os.pipe()
        self.stdout, self.stderr = (os.fdopen(end, encoding="utf-8") for end in (out, err))
        request = {"words": words, "cwd": str(cwd), "environment": environment}
        sent = [stdout, stderr, status]
        _, requests = _server()
        socket.send_fds(requests, [json.dumps(request).encode()], sent)
        for descriptor in sent:
            os.close(descriptor)
        self.pid = self._read_number()

    def _read_number(self):
        line = b""
        while not line.endswith(b"\n"):
            byte = os.read(self._status, 1)
            assert byte, f"the fork server ended; `python {__file__} 0` shows why"
            line += byte
        return int(line)

    def _wait(self, timeout):
        """Return whether the process has ended within so many seconds; None waits for ever."""
        if self.returncode is None and select.select([self._status], [], [], timeout)[0]:
            self.returncode = os.waitstatus_to_exitcode(self._read_number())
            os.close(self._status)
        return self.returncode is not None

    def poll(self):
        self._wait(0)
        return self.returncode

    def wait(self, timeout=None):
        if not self._wait(timeout):
            raise subprocess.TimeoutExpired("mlptrain", timeout)
        return self.returncode

    def communicate(self, timeout=None):
        """Return everything on stdout and stderr; may be called again after a timeout."""
        end = None if timeout is None else time.monotonic() + timeout
        if self._reader is None:
            self._texts = {}
            self._reader = threading.Thread(target=self._read_all, daemon=True)
            self._reader.start()
        self._reader.join(timeout)
        if self._reader.is_alive():
            raise subprocess.TimeoutExpired("mlptrain", timeout)
        self.wait(None if end is None else max(0.0, end - time.monotonic()))
        return self._texts.get("stdout"), self._texts.get("stderr")

    def _read_all(self):
        def read(name):
            stream = getattr(self, name)
            if not stream.closed:
                with stream:
                    self._texts[name] = stream.read()

        errors = threading.Thread(target=read, args=["stderr"], daemon=True)
        errors.start()
        read("stdout")
        errors.join()

    def send_signal(self, number):
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it ended, and its end comes yet
                os.kill(self.pid, number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)


@cache
def _server():
    """Start this file as a process; returns it and the socket whose closing ends it."""
    import mlptrain

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(120)
    variables = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"}
    source = str(Path(mlptrain.__file__).parents[1])
    process = subprocess.Popen(
        [sys.executable, __file__, str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        env={**os.environ, **variables, "PYTHONPATH": source},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,  # what TensorFlow says when it is imported
        start_new_session=True,  # Ctrl-C at the tests' terminal is not its business
    )
    theirs.close()
    return process, ours


def _serve(requests):
    """Fork for each request; returns, in the new process, what it is to run."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, 1 << 20, 3)
        if not message:
            os._exit(0)
        if os.fork():
            for descriptor in descriptors:
                os.close(descriptor)
            continue
        # The process between the server and the command waits for its end and reports it.
        requests.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        *outputs, status = descriptors
        if child := os.fork():
            for descriptor in (1, 2, *outputs):
                os.close(descriptor)
            os.write(status, f"{child}\n".encode())
            code = os.waitpid(child, 0)[1]
            with contextlib.suppress(OSError):  # the test has ended
                os.write(status, f"{code}\n".encode())
            os._exit(0)
        os.close(status)
        for number, descriptor in enumerate(outputs, start=1):
            os.dup2(descriptor, number)
            os.close(descriptor)
        return json.loads(message)


def _become(request):
    """Take over what a fresh `python -m MODULE` would have of its own; returns the module."""
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["cwd"])
    sys.argv = ["mlptrain", *request["words"]]
    sys.path[0] = request["cwd"]
    if os.environ.get("PYTHONWARNINGS") == "ignore":
        warnings.simplefilter("ignore")
    for number, name in enumerate(("stdout", "stderr"), start=1):
        errors = "strict" if name == "stdout" else "backslashreplace"
        stream = os.fdopen(number, "w", encoding="utf-8", errors=errors, closefd=False)
        stream.reconfigure(line_buffering=name == "stderr")
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    return request.get("module", "mlptrain")


def _offer_workers():
    """Have loky's workers forked; returns, in a worker, what it is to run, and None at once.

    They must be fresh, and children of the command, which waits for them. So a second process forks
    them when the command asks; they are orphans then, and the command adopts orphans.
    """
    from joblib.externals.loky.backend import fork_exec

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if os.fork() == 0:
        ours.close()
        return _serve_workers(theirs)
    theirs.close()

    def fork_worker(command, keep_fds, env=None):
        request = {
            "module": command[2],
            "words": command[3:],
            "cwd": str(Path.cwd()),
            "environment": {**os.environ, **(env or {})},
            "descriptors": [0, 1, 2, *sorted(set(map(int, keep_fds)) - {0, 1, 2})],
        }
        socket.send_fds(ours, [json.dumps(request).encode()], request["descriptors"])
        return int(ours.recv(100))

    fork_exec.fork_exec = fork_worker
    return None


def _serve_workers(requests):
    """Fork for each request; returns, in the worker, what it is to run."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, 1 << 20, 50)
        if not message:
            os._exit(0)
        source, sink = os.pipe()
        if parent := os.fork():
            os.waitpid(parent, 0)  # until it has ended, the worker is no orphan
            requests.send(os.read(source, 100))
            for descriptor in (source, sink, *descriptors):
                os.close(descriptor)
            continue
        if child := os.fork():
            os.write(sink, str(child).encode())
            os._exit(0)
        requests.close()
        request = json.loads(message)
        copies = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 1000) for descriptor in descriptors]
        os.closerange(0, 1000)
        for copy, number in zip(copies, request["descriptors"], strict=True):
            os.dup2(copy, number)
            os.close(copy)
        name = request["words"][request["words"].index("--process-name") + 1]
        ctypes.CDLL(None).prctl(_SET_NAME, name.encode(), 0, 0, 0)
        return request


def main():
    for name in IMPORTS:
        with contextlib.suppress(ImportError):  # Optuna is not installed, say
            __import__(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies
    gc.collect()
    gc.freeze()
    module = _become(_serve(socket.socket(fileno=int(sys.argv[1]))))
    if worker := _offer_workers():
        module = _become(worker)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
