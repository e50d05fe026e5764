"""Runs command lines and Python snippets in one process, so that TensorFlow is imported once.

Reads JSON lines: `{"cwd": …, "words": […]}`, with `"interrupt": true` for a Ctrl-C after the first
epoch, or `{"cwd": …, "python": …, "page": …}`. Answers each with `{"code": …, "output": …}`.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path


class WarmProcess:
    """The caller's end."""

    def __init__(self, source, cache):
        environment = {k: v for k, v in os.environ.items() if k != "MLPTRAIN_DEBUG"}
        path = os.pathsep.join(filter(None, [str(source), environment.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env={**environment, "PYTHONPATH": path, "COLUMNS": "100", "NO_COLOR": "1", **cache},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def __call__(self, cwd, **job):
        """Run one job; returns exit code and output."""
        self._process.stdin.write(json.dumps({"cwd": str(cwd), **job}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"the process died at {job}"
        return tuple(json.loads(answer).values())

    def close(self):
        """End it."""
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


def _interrupt_after_an_epoch(before):
    latest = Path("outputs/latest")
    for _ in range(1200):
        time.sleep(0.05)
        if latest.exists() and latest.resolve() != before:
            history = latest / "history.csv"
            if history.exists() and len(history.read_text().splitlines()) > 1:
                os.kill(os.getpid(), signal.SIGINT)
                return


def _call(words, interrupt):
    from mlptrain import cli

    sys.argv = ["mlptrain", *words]
    if interrupt:
        before = Path("outputs/latest").resolve()
        threading.Thread(target=_interrupt_after_an_epoch, args=(before,), daemon=True).start()
    return cli.run_command_line(words)


def _python(source, namespace):
    try:
        exec(compile(source, "block", "exec"), namespace)
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def main():
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    namespaces = {}
    for line in sys.stdin:
        job = json.loads(line)
        os.chdir(job["cwd"])
        with tempfile.TemporaryFile() as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            if "python" in job:
                code = _python(job["python"], namespaces.setdefault(job["cwd"], {}))
            else:
                code = _call(job["words"], job.get("interrupt", False))
            sys.stdout.flush()
            sys.stderr.flush()
            output.seek(0)
            text = output.read().decode("utf-8", "replace")
        answers.write(json.dumps({"code": code, "output": text}) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
