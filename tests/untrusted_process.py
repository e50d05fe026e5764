"""Run command lines one after another in this process, bounded in time and memory.

Called as `python untrusted_process.py JOBS RESULTS MEMORY_MIB`: JOBS is JSON, a list of
[key, words]; RESULTS receives a list of [key, exit code, stdout, stderr, MiB taken at most].
"""

import contextlib
import io
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

from real_command import environment

SECRET = "SECRET7f3a"
SECRET_FIGURE = 0.777123
ESCAPES = "\x1b]0;title\x07\x1b[31mred\r\x08\x9b2J\u202eevil\n  to do:    rm"
FORMS = ("table", "csv", "json", "markdown")
BLOCK = re.compile(r"\A\w[\w ]+\n  expected: .+\n  received: .+\n  to do:    .+\n\Z")
SECONDS = 10
"""Of computing: a busy machine may take longer, and a process that only waits takes none."""
WAITED = 60
TOO_SLOW = 97


class TooSlowError(BaseException):
    """Not an Exception, so that no code under test catches it."""


def in_process(cwd, jobs, mebibytes):
    """Return key → (exit code, stdout, stderr, MiB) of command lines in one bounded process."""
    (cwd / "jobs.json").write_text(json.dumps(jobs))
    done = subprocess.run(
        [sys.executable, __file__, "jobs.json", "results.json", str(mebibytes)],
        cwd=cwd,
        env={
            **environment(),
            "SECRET_OF_THE_USER": SECRET,
            "HOME": f"/{SECRET}",
            "COLUMNS": "200",
            "OPENBLAS_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {
        key: tuple(outcome)
        for key, *outcome in json.loads((cwd / "results.json").read_text(encoding="utf-8"))
    }


def assert_harmless(outcome, also=""):
    code, out, err, _ = outcome
    assert code in (0, 2), outcome
    assert "Unexpected error" not in err
    assert "Traceback" not in out + err
    assert SECRET not in out + err
    assert str(SECRET_FIGURE) not in out + err
    assert "77.71" not in out + err
    odd = {c for c in out + err if not c.isprintable()} - {"\n", *also}
    assert not odd, f"control codes reach the terminal: {odd}"
    if code == 2:
        assert out == ""
        assert BLOCK.match(err), err
        assert len(err) < 3_000


def memory(key):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) // 1024
    raise KeyError(key)


def stop(*_):
    raise TooSlowError


def call(words):
    from mlptrain import cli

    # Like a terminal: what UTF-8 cannot encode is an error on stdout and spelled out on stderr.
    out = io.TextIOWrapper(io.BytesIO(), "utf-8", "strict")
    err = io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace")
    sys.argv = ["mlptrain", *words]
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.alarm(WAITED)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.run_command_line(words)
    except TooSlowError:
        code = TOO_SLOW
    finally:
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())
    return code, *texts


def main(jobs, results, mebibytes):
    import resource

    signal.signal(signal.SIGALRM, stop)
    signal.signal(signal.SIGPROF, stop)
    limit = int(mebibytes) << 20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    done = []
    for key, words in json.loads(Path(jobs).read_text()):
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        before = memory("VmRSS")
        code, out, err = call(words)
        done.append([key, code, out, err, memory("VmHWM") - before])
    Path(results).write_text(json.dumps(done))


if __name__ == "__main__":
    main(*sys.argv[1:])
