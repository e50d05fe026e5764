import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from threading import Timer

import pytest

from mlptrain.locks import FRESH_SECONDS
from mlptrain.store.sweep_file import CellName
from mlptrain.sweeps.ledger import await_silence, read_ledger, unrequested_runs

CELL = CellName("ab" * 32, "cell", ())


def dead_process():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def write_run(folder, status="finished", digest=CELL.config_hash, reason=None, metrics=True):
    folder.mkdir(parents=True)
    facts = {"status": status, "config_hash": digest, "reason": reason}
    (folder / "run.json").write_text(json.dumps(facts))
    if metrics and status == "finished":
        (folder / "metrics.json").write_text(json.dumps({"val_accuracy": 0.5}))


def write_heartbeat(folder, process, host=None, seconds_ago=1):
    beat = {
        "process": process,
        "host": host or platform.node(),
        "time": (datetime.now(UTC) - timedelta(seconds=seconds_ago)).isoformat(),
    }
    (folder / "heartbeat.json").write_text(json.dumps(beat))


@pytest.fixture
def root(tmp_path):
    return tmp_path / "outputs" / "sweep"


def entry(root):
    (result,) = read_ledger(root, root.parent, [CELL])
    return result


def test_without_a_folder_a_cell_is_not_started(root):
    assert entry(root).status == "not started"


def test_a_finished_run_is_done_with_its_metrics(root):
    write_run(root / CELL.folder_name)
    assert (entry(root).status, entry(root).metrics) == ("done", {"val_accuracy": 0.5})


@pytest.mark.parametrize(("resumed", "seconds"), [([], 90), (["2026-01-01T12:01:00+00:00"], None)])
def test_the_time_of_a_run_is_known_unless_it_was_resumed(root, resumed, seconds):
    write_run(root / CELL.folder_name)
    path = root / CELL.folder_name / "run.json"
    times = {"started": "2026-01-01T12:00:00+00:00", "finished": "2026-01-01T12:01:30+00:00"}
    path.write_text(json.dumps(json.loads(path.read_text()) | times | {"resumed": resumed}))
    assert entry(root).seconds == seconds


@pytest.mark.parametrize("status", ["failed", "interrupted"])
def test_a_failed_or_interrupted_run_has_its_reason(root, status):
    write_run(root / CELL.folder_name, status, reason="because")
    assert (entry(root).status, entry(root).reason) == (status, "because")


def test_a_run_with_a_living_process_is_running(root):
    write_run(root / CELL.folder_name, "running")
    write_heartbeat(root / CELL.folder_name, os.getpid())
    assert entry(root).status == "running"


def test_a_run_whose_process_is_gone_is_stale_at_once(root):
    write_run(root / CELL.folder_name, "running")
    write_heartbeat(root / CELL.folder_name, dead_process())
    assert entry(root).status == "stale"


@pytest.mark.parametrize(("seconds_ago", "status"), [(60, "running"), (180, "stale")])
def test_on_another_host_the_heartbeat_decides(root, seconds_ago, status):
    write_run(root / CELL.folder_name, "running")
    write_heartbeat(root / CELL.folder_name, 1, "another-host", seconds_ago)
    assert entry(root).status == status


def test_the_wait_for_a_lost_process_of_another_host_ends_when_it_is_stale(root):
    write_run(root / CELL.folder_name, "running")
    write_heartbeat(root / CELL.folder_name, 1, "another-host", FRESH_SECONDS - 1)
    await_silence([entry(root)])
    assert entry(root).status == "stale"


def test_the_wait_for_a_process_of_another_host_ends_at_its_next_heartbeat(root):
    write_run(root / CELL.folder_name, "running")
    write_heartbeat(root / CELL.folder_name, 1, "another-host", 60)
    next_beat = Timer(0.1, write_heartbeat, [root / CELL.folder_name, 1, "another-host", 0])
    next_beat.start()
    await_silence([entry(root)])
    next_beat.join()
    assert entry(root).status == "running"


@pytest.mark.parametrize("process", [0, -1, 10**30, float("inf")])
def test_an_impossible_process_id_is_stale(root, process):
    write_run(root / CELL.folder_name, "running")
    write_heartbeat(root / CELL.folder_name, process)
    assert entry(root).status == "stale"


@pytest.mark.parametrize("beat", ["", "[]", '{"process": "x"}', '{"time": "never"}'])
def test_a_damaged_heartbeat_is_stale(root, beat):
    write_run(root / CELL.folder_name, "running")
    (root / CELL.folder_name / "heartbeat.json").write_text(beat)
    assert entry(root).status == "stale"


@pytest.mark.parametrize("content", ["", "[]", "{", '{"status": 3}'])
def test_a_damaged_run_counts_as_not_started(root, content):
    (root / CELL.folder_name).mkdir(parents=True)
    (root / CELL.folder_name / "run.json").write_text(content)
    assert entry(root).status == "not started"


@pytest.mark.parametrize("place", ["2026-run", "other_sweep/a-cell"])
def test_a_run_finished_elsewhere_below_the_output_root_is_done(root, place):
    write_run(root.parent / place)
    assert (entry(root).status, entry(root).folder) == ("done", root.parent / place)


@pytest.mark.parametrize("content", ["[" * 100_000, '{"status": "finished", "config_hash": []}'])
@pytest.mark.parametrize("place", ["2026-run", "other_sweep/a-cell"])
def test_an_untrusted_run_elsewhere_is_ignored(root, place, content):
    (root.parent / place).mkdir(parents=True)
    (root.parent / place / "run.json").write_text(content)
    assert entry(root).status == "not started"


def test_an_unfinished_run_elsewhere_is_ignored(root):
    write_run(root.parent / "2026-run", "failed")
    assert entry(root).status == "not started"


def test_folders_without_a_cell_are_listed(root):
    write_run(root / CELL.folder_name)
    write_run(root / "older-12345678", digest="cd" * 32)
    write_run(root / "odd-12345678", digest=[])
    assert unrequested_runs(root, [CELL]) == [root / "odd-12345678", root / "older-12345678"]


def test_the_folder_of_a_cell_is_not_listed_under_any_name(root):
    write_run(root / f"other-{CELL.config_hash[:8]}")
    assert unrequested_runs(root, [CELL]) == []
