"""A sweep on a batch system whose command continues when the terminal is closed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from mlptrain.config.command_line import CommandLine
from mlptrain.config.compose import compose_hydra
from mlptrain.errors import ConfigError, reason_of
from mlptrain.formatting import shown_path
from mlptrain.store.run_folder import not_writable
from mlptrain.sweeps.cells import plan_sweep
from mlptrain.sweeps.launchers import read_launcher

_JOBS = ".submitit"
_LOG = "detached.log"


def detach(line: CommandLine, arguments: Sequence[str]) -> int:
    """Run a sweep's command in a session of its own; wait only until it has submitted jobs.

    Args:
        line: the command line of a sweep.
        arguments: what was typed after `mlptrain`, without `--detach`.

    Returns:
        The exit code of the command if it ended without jobs; else 0.

    Raises:
        ConfigError: it is no sweep, its jobs would end with the command, or a cell is not valid.
    """
    if not line.is_sweep or not read_launcher(compose_hydra(line)).separate:
        raise ConfigError(
            "a sweep whose jobs a batch system runs, for --detach",
            "jobs that would end with the command",
            "add -m hydra/launcher=submitit_slurm; on this machine, use nohup or tmux instead",
        )
    plan = plan_sweep(line.overrides, line.study, line.base)
    root = Path(plan.cells[0].config.output_root).expanduser().resolve() / plan.name
    process = start_detached([sys.executable, "-P", "-m", "mlptrain", *arguments], root / _JOBS)
    log = shown_path(root / _JOBS / _LOG)
    if (code := process.poll()) is not None:
        return code
    print(f"Jobs are submitted. Process {process.pid} waits for them; its output is in {log}.")
    print(f"next: mlptrain status {shown_path(root)}")
    return 0


def start_detached(command: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own; wait until it submits jobs or ends.

    What a command that has ended printed is printed here, too.

    Args:
        command: the program and its arguments.
        folder: where jobs have their folders; the command's output is appended to a file in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        output = (folder / _LOG).open("ab")
    except OSError as error:
        raise not_writable(folder, reason_of(error)) from None
    with output:
        begin, before = output.tell(), _submitted(folder)
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        while process.poll() is None and _submitted(folder) == before:
            time.sleep(0.2)
    except BaseException:  # Ctrl-C
        process.terminate()
        raise
    if process.poll() is not None:
        text = (folder / _LOG).read_bytes()[begin:].decode(errors="replace")
        print(text, end="", file=sys.stderr if process.returncode else sys.stdout)
    return process


def _submitted(folder: Path) -> set[Path]:
    """Return the files that submitit writes once the batch system has accepted a job."""
    return set(folder.glob("*/*_submitted.pkl"))
