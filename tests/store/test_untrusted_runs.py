"""Untrusted run folders: broken, enormous or made to do harm.

Whatever a folder contains, `runs`, `diff`, `--like` and `resume` end in seconds within 1 GB, say in
one line what is wrong, and read the good run beside it. They show nothing from outside the folder
and execute nothing in it.
"""

import json
import os
import pickle
import socket
import sys
from pathlib import Path

import pytest
from crafted import change_run, facts, metrics, write_run
from untrusted_process import ESCAPES, FORMS, SECRET, SECRET_FIGURE, assert_harmless, in_process

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not sys.platform.startswith("linux"), reason="pipes, links and limits as on Linux"
    ),
]

LISTED = None
EITHER = "either"
"""Nested so deeply that the version of Python decides whether its JSON can be read."""
CASES = {}


def case(reason, name=None):
    """Register a folder; `reason` is why `runs` skips it, or LISTED if `runs` shows it."""

    def register(build):
        CASES[name or build.__name__] = (build, reason)
        return build

    return register


def written(content, reason, name):
    """Register a content of run.json."""

    @case(reason, name)
    def build(folder, outside):
        data = content if isinstance(content, bytes) else content.encode()
        (folder / "run.json").write_bytes(data)


def changed(reason, name, /, **changes):
    """Register a good run.json with changes."""

    @case(reason, name)
    def build(folder, outside):
        (folder / "run.json").write_text(json.dumps(facts(**changes)))


def configured(reason, name, config):
    """Register a good run.json with other keys in its config."""

    @case(reason, name)
    def build(folder, outside):
        content = facts()
        content["config"] = {**config, **content["config"], **config}  # its keys first
        (folder / "run.json").write_text(json.dumps(content))


def nested(depth, key="a"):
    return f'{{"{key}":' * depth + "1" + "}" * depth


def with_text(placeholder, text, name, reason, /, **changes):
    """Register a run.json with text that `json.dumps` cannot write."""
    written(json.dumps(facts(**changes)).replace(f'"{placeholder}"', text), reason, name)


# run.json is damaged, too large or not a file.

written("", "run.json: not JSON", "run.json empty")
written('{"schema_version": 1, "run_id": "x', "run.json: not JSON", "run.json truncated")
written("[]", "run.json: not a JSON object", "run.json a list")
written("null", "run.json: not a JSON object", "run.json null")
written("1e400", "run.json: not a JSON object", "run.json infinite")
written("{}", "run.json: schema_version: Field required", "run.json without keys")
written(b"\xff\xfe" + "{}".encode("utf-16-le"), "run.json: not UTF-8 text", "run.json UTF-16")
written(b'{"run_id": "\xc3\x28"}', "run.json: not UTF-8 text", "run.json invalid UTF-8")
written(pickle.dumps({"status": "finished"}), "run.json: not UTF-8 text", "run.json a pickle")
written("[" * 100_000, "run.json: not JSON", "run.json 100,000 brackets")
written(nested(100_000), "run.json: not JSON", "run.json 100,000 objects")
written('{"seed": ' + "9" * 5_000 + "}", "run.json: not JSON", "run.json number of 5,000 digits")


def replaced(file, make, reason, name):
    """Register a run with something else in the place of a file; `make` creates it."""

    @case(reason, name)
    def build(folder, outside):
        (folder / file).unlink()
        make(folder / file)


def make_socket(path):
    before = Path.cwd()
    os.chdir(path.parent)  # the path of a socket must be short
    try:
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind(path.name)
    finally:
        os.chdir(before)


replaced("run.json", Path.mkdir, "run.json: not a regular file", "run.json a directory")
replaced("run.json", os.mkfifo, "run.json: not a regular file", "run.json a named pipe")
replaced("run.json", make_socket, "run.json: No such device or address", "run.json a socket")
replaced("metrics.json", os.mkfifo, LISTED, "metrics.json a named pipe")
replaced("metrics.json", lambda path: None, LISTED, "metrics.json missing")


def linked(file, target, reason, name):
    @case(reason, name)
    def build(folder, outside):
        (folder / file).unlink()
        (folder / file).symlink_to(outside / target)


linked("run.json", "run.json", "run.json: Too many levels", "run.json a link to elsewhere")
linked("run.json", "nothing", "run.json: Too many levels", "run.json a dangling link")
linked("run.json", "/dev/zero", "run.json: Too many levels", "run.json a link to a device")
linked("run.json", "../run.json/run.json", "run.json: Too many levels", "run.json a link through")


@case("run.json: more than 1,048,576 bytes")
def run_json_of_10_gb(folder, outside):
    with (folder / "run.json").open("r+b") as stream:
        stream.truncate(10 << 30)


@case("run.json: more than 1,048,576 bytes")
def run_json_of_good_content_and_many_spaces(folder, outside):
    with (folder / "run.json").open("a") as stream:
        stream.write(" " * (1 << 20))


# Keys of the wrong type or range.

changed("schema_version 2 of a later mlptrain", "a later schema", schema_version=2)
changed("schema_version 9999", "a much later schema", schema_version=10**30 - 1)
changed("run.json: schema_version", "a schema of text", schema_version="one")
changed("run.json: status: Input should be", "a status unknown", status="won")
changed("run.json: status: Input should be", "a status a list", status=["finished"])
changed("run.json: config_hash", "a hash too short", config_hash="ab")
changed("run.json: config_hash", "a hash with a line break", config_hash="a" * 63 + "\n")
changed("run.json: recipe_hash", "a hash a number", recipe_hash=7)
changed("run.json: config: Input should be", "a config a list", config=[1, 2])
changed("run.json: config: Input should be", "a config null", config=None)
changed("run.json: seed: Input should be", "a seed of text", seed="many")
changed("run.json: seed: Input should be", "a seed a fraction", seed=0.5)
changed("run.json: run_id: String should have at most", "a name of 900 KB", run_id="x" * 900_000)
changed("run.json: versions", "versions a list", versions=["2.19"])
changed("run.json: data: Input should be", "data a list", data=[1])
changed("run.json: command", "a command of numbers", command=[1, 2])
with_text("~", "NaN", "a seed that is no number", "run.json: seed", seed="~")
with_text("~", "1e400", "a seed that is infinite", "run.json: seed", seed="~")
with_text("~", "9" * 4_000, "a seed of 4,000 digits", LISTED, seed="~")

# Settings of any kind are data and are shown as such.

with_text("~", "9" * 400, "a setting of 400 digits", LISTED, config={"val_accuracy": "~", "a": 1})
with_text("~", "NaN", "a setting that is no number", LISTED, config={"model": {"dropout": "~"}})
with_text("~", "-Infinity", "a setting that is infinite", LISTED, config={"a": "~"})
with_text("~", nested(900), "a config 900 deep", EITHER, config="~")
with_text("~", nested(250), "a config 250 deep", LISTED, config="~")
with_text("~", nested(60), "a config 60 deep", LISTED, config="~")
with_text("~", "[" * 900 + "]" * 900, "a list 900 deep", EITHER, config={"a": "~"})
with_text("~", nested(900), "data 900 deep", EITHER, data="~")
with_text("~", nested(900), "machine 900 deep", EITHER, machine="~")
with_text("~", nested(900), "git 900 deep", EITHER, git="~")
changed("more than 1,000 settings", "3,000 settings", config={f"k{n}": n for n in range(3_000)})
changed(LISTED, "no settings", config={})
changed(LISTED, "no data, versions, machine", data=None, versions={}, machine=None, git=None)
changed(LISTED, "unknown keys", color="red", pickle="gASVCAAAAA==")
configured(LISTED, "a setting of 900 KB", {"name": "x" * 900_000})
configured(LISTED, "a lone surrogate", {"name": "\ud800", "\udfff": 1})
configured(LISTED, "settings of other types", {"model": 7, "optimizer": ["adam"], "seed": None})
configured(
    LISTED,
    "settings that look like facts of the run",
    {"path": "nowhere", "run": "another", "status": 3, "config_hash": None, "val_accuracy": "1"},
)

# Nothing is resolved, instantiated or interpreted.

configured(LISTED, "an interpolation of the environment", {"name": "${oc.env:SECRET_OF_THE_USER}"})
configured(LISTED, "an interpolation in a list", {"tags": ["${oc.env:SECRET_OF_THE_USER}"]})
configured(LISTED, "an interpolation in a key", {"${oc.env:SECRET_OF_THE_USER}": 1})
configured(LISTED, "an interpolation of a file", {"name": "${oc.decode:${oc.env:HOME}}"})
configured(LISTED, "a resolver of Hydra", {"name": "${hydra:runtime.cwd}"})
configured(LISTED, "a value declared missing", {"name": "???"})
configured(LISTED, "a target", {"_target_": "os.system", "_args_": ["touch pwned"]})
configured(
    LISTED,
    "a target in a group",
    {"optimizer": {"_target_": "os.system", "_args_": ["touch pwned"]}},
)
configured(LISTED, "dunder keys", {"__class__": "x", "__reduce__": ["os.system", "touch pwned"]})

configured(LISTED, "control codes in values", {"name": ESCAPES, "tags": [ESCAPES]})
configured(LISTED, "control codes in keys", {ESCAPES: 1, "model": {ESCAPES: ESCAPES}})
configured(LISTED, "control codes in a choice", {"optimizer": {"name": ESCAPES}})
changed(LISTED, "control codes in the reason", run_id=ESCAPES, reason=ESCAPES, started=ESCAPES)
changed("run.json: status", "control codes in the status", status=ESCAPES)
changed("run.json: versions", "control codes in a wrong key", versions={ESCAPES: 7})
changed(LISTED, "control codes in versions", versions={ESCAPES: ESCAPES}, git={ESCAPES: ESCAPES})
configured(LISTED, "script tags", {"name": "<script>alert(1)</script>", "<img src=x>": 1})
configured(LISTED, "markup", {"name": "[red]x[/blue][/]", "[bold]": "[link=https://x.invalid]\\"})
configured(LISTED, "format strings", {"name": "{0.__class__} %s %(x)s", "{}": "{}"})

# metrics.json: the run is listed, without metrics if they cannot be read.


def measured(content, name):
    @case(LISTED, name)
    def build(folder, outside):
        (folder / "metrics.json").write_text(content)


linked("metrics.json", "metrics.json", LISTED, "metrics.json a link to elsewhere")
linked("metrics.json", "/dev/zero", LISTED, "metrics.json a link to a device")
measured("", "metrics.json empty")
measured('{"val_accuracy": 0.5', "metrics.json truncated")
measured("[0.5]", "metrics.json a list")
measured("[" * 60_000, "metrics.json 60,000 brackets")
measured('{"val_accuracy": NaN, "test_accuracy": 1e400}', "metrics.json not finite")
measured('{"val_accuracy": ' + "9" * 400 + "}", "metrics.json of 400 digits")
measured('{"val_accuracy": ' + "9" * 5_000 + "}", "metrics.json of 5,000 digits")
measured('{"val_accuracy": 1e308, "test_accuracy": -3}', "metrics.json out of range")
measured('{"val_accuracy": "0.9", "test_accuracy": [1], "x": null}', "metrics.json of other types")
measured(json.dumps({ESCAPES: 0.5, "run": 7, "path": 0.5}), "metrics.json with other keys")
measured(" " * 70_000, "metrics.json too large")


# Files that no reader opens.


class Payload:
    def __reduce__(self):
        return os.system, ("touch pwned",)


BILLION_LAUGHS = "a: &a [lol]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 10)}]\n" for n in range(12)
)


def beside(file, content, name):
    @case(LISTED, name)
    def build(folder, outside):
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_bytes(content if isinstance(content, bytes) else content.encode())


PYTHON_YAML = "!!python/object/apply:os.system ['touch pwned']"
beside("config.yaml", PYTHON_YAML, "config.yaml that runs a command")
beside("config.yaml", BILLION_LAUGHS, "config.yaml of a billion laughs")
beside("config.yaml", "name: ${oc.env:SECRET_OF_THE_USER}", "config.yaml with a resolver")
beside(".hydra/config.yaml", PYTHON_YAML, ".hydra that runs a command")
beside("predictions.npz", pickle.dumps(Payload()), "predictions.npz a pickle")
beside("checkpoint/epoch-00001.npz", pickle.dumps(Payload()), "a checkpoint a pickle")
beside("history.csv", "epoch,loss,accuracy\n" + "x" * 200_000, "history.csv a long field")
beside("sitecustomize.py", "open('pwned', 'w')", "Python beside the run")
beside("heartbeat.json", "[" * 100_000, "heartbeat.json 100,000 brackets")


# All folders.


def make_folders(base):
    """Make the folders of all cases beside a good run; return the root and name → folder."""
    outside, root = base / "outside", base / "outputs"
    write_run(outside, run_id=SECRET, figures=metrics(SECRET_FIGURE, SECRET_FIGURE))

    def reveal(content):
        content["config"]["name"] = content["reason"] = SECRET

    change_run(outside, reveal)
    write_run(root / "good", "optimizer=nadam", val=0.4321)
    folders = {}
    for number, (name, (build, _)) in enumerate(CASES.items()):
        folders[name] = write_run(root / f"case-{number:03d}", val=0.5)
        build(folders[name], outside)
    (root / "elsewhere").symlink_to(outside, target_is_directory=True)
    (root / "loop").symlink_to("loop")
    return root, folders


BESIDE = ("table", "json")
"""Forms of one case beside the good run; all forms show all cases together."""


@pytest.fixture(scope="module")
def outcomes(once):
    return once("untrusted_runs", read_folders)


def read_folders(base):
    """Return job → (exit code, stdout, stderr, MiB)."""
    root, folders = make_folders(base)
    cwd, good = base / "cwd", str(root / "good")
    cwd.mkdir()
    jobs = [["all", ["runs", str(root), "--columns", "run,val_accuracy", "--format", "json"]]]
    jobs += [[f"all {form}", ["runs", str(root), "--format", form]] for form in FORMS]
    conditions = ["--where", "model.dropout<2", "--sort", "name"]
    jobs.append(["where", ["runs", str(root), *conditions]])
    jobs.append(["unknown", ["runs", str(root), "--where", "no_such_key=1"]])
    for name, folder in folders.items():
        path = str(folder)
        if CASES[name][1] in (LISTED, EITHER):
            jobs += [[f"{f} {name}", ["runs", path, good, "--format", f]] for f in BESIDE]
        else:  # skipped before any form or condition comes into play
            jobs.append([f"table {name}", ["runs", path, good]])
        jobs += [
            [f"diff {name}", ["diff", good, path]],
            [f"explain {name}", ["explain", good, path]],
            # Always refused, because zero epochs are not allowed: nothing is trained.
            [f"like {name}", ["--like", path, "train.epochs=0"]],
            [f"resume {name}", ["resume", path]],
        ]
    results = in_process(cwd, jobs, mebibytes=1024)
    assert not list(cwd.rglob("pwned"))
    return results


LEGIBLE = [name for name, (_, reason) in CASES.items() if reason in (LISTED, EITHER)]
SHOWN = [(name, form) for name in CASES for form in (BESIDE if name in LEGIBLE else FORMS[:1])]


@pytest.mark.parametrize(("name", "form"), SHOWN)
def test_runs_shows_or_skips_it_and_reads_the_good_run_beside_it(outcomes, name, form):
    reason = CASES[name][1]
    code, out, err, _ = outcome = outcomes[f"{form} {name}"]
    assert_harmless(outcome)
    assert code == 0
    assert "good" in out
    if reason is LISTED or (reason is EITHER and not err):
        assert err == ""
        if form == "json":
            assert len(json.loads(out, parse_constant=pytest.fail)) == 2
    else:
        (line,) = err.splitlines()
        assert line.startswith("skipped ")
        assert reason is EITHER or reason in line
        assert len(line) < 500


def test_all_of_them_are_shown_filtered_and_sorted_in_one_root(outcomes):
    listed = sum(reason is LISTED for _, reason in CASES.values())
    for form in FORMS:
        # CSV is for programs, which need the values as they are.
        code, out, err, _ = outcomes[f"all {form}"]
        also = {c for c in ESCAPES if form == "csv"}
        assert_harmless((code, out, err, 0), also)
        assert (code, "good" in out) == (0, True)
        assert form == "table" or len(out.splitlines()) > listed
    code, out, _, _ = outcome = outcomes["where"]
    assert_harmless(outcome)
    assert (code, "good" in out) == (0, True)
    # An unknown key is refused without printing the folders' keys raw.
    code, out, err, _ = outcomes["unknown"]
    assert_harmless((code, out, err[err.index("Usage error") :], 0))
    assert code == 2


@pytest.mark.parametrize("name", CASES)
def test_diff_compares_or_refuses_it_and_nothing_is_trained_from_it(outcomes, name):
    reason = CASES[name][1]
    codes = {}
    for command in ("diff", "explain", "like", "resume"):
        assert_harmless(outcomes[f"{command} {name}"])
        codes[command] = outcomes[f"{command} {name}"][0]
    assert (codes["like"], codes["resume"]) == (2, 2)
    if reason is not EITHER:
        assert codes["diff"] == codes["explain"] == (0 if reason is LISTED else 2)


def test_the_good_run_is_read_with_all_of_them_in_one_root(outcomes):
    code, out, err, _ = outcomes["all"]
    assert code == 0
    assert [row for row in json.loads(out) if row["run"] == "good"] == [
        {"run": "good", "val_accuracy": 0.4321}
    ]
    skipped = [line for line in err.splitlines() if line.startswith("skipped ")]
    reasons = [reason for _, reason in CASES.values()]
    certain = sum(reason not in (LISTED, EITHER) for reason in reasons)
    assert certain <= len(skipped) <= certain + reasons.count(EITHER)
    assert SECRET not in out + err
    assert "elsewhere" not in out  # a link below the root is not followed
