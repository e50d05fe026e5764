"""Nothing heavy is imported before it is needed: one process does ever more, and is watched."""

import json

from crafted import write_run

STEPS = [
    ("import mlptrain", "tensorflow keras pandas numpy hydra pydantic rich typer"),
    ("from mlptrain.cli import run_command_line as run", "tensorflow keras pandas numpy hydra"),
    ("run(['--help'])", "tensorflow keras pandas numpy hydra sklearn matplotlib"),
    ("run(['runs', '--sort', 'val_accuracy'])",
     "tensorflow keras pandas numpy hydra sklearn matplotlib"),
    ("run(['diff', 'outputs/a', 'outputs/b'])", "tensorflow keras pandas hydra sklearn matplotlib"),
    ("run(['explain', 'outputs/a'])", "tensorflow keras pandas hydra sklearn matplotlib"),
    ("run(['trian']), run(['model.dropout=1.5']), run(['model=mixer', 'model.patch=5'])",
     "tensorflow keras pandas sklearn matplotlib"),
    ("run(['-m', 'activation=relu,foo'])", "tensorflow keras pandas sklearn matplotlib"),
    ("mlptrain.compose()", "tensorflow keras pandas sklearn matplotlib"),
    ("import mlptrain.store.run_record, mlptrain.sweeps.cells",
     "tensorflow keras pandas sklearn matplotlib"),
    ("run(['evaluate', 'outputs/a']), run(['resume', 'none']), run(['--like', 'none'])",
     "tensorflow keras"),
    ("import matplotlib; style = matplotlib.rcParams.copy()", ""),
    ("from mlptrain.figures import figure_png, learning_curves\n"
     "row = dict(epoch=1, loss=1, accuracy=0.5, learning_rate=0.1)\n"
     "figure_png(learning_curves([row], 1, 'run'))\n"
     "assert matplotlib.rcParams.copy() == style", "tensorflow keras matplotlib.pyplot"),
    ("run(['report', 'outputs', '-o', 'page.html'])", "tensorflow keras"),
]  # fmt: skip
PROGRAM = """
import contextlib, io, json, sys
too_early = {}
for step, heavy in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        exec(step)
    too_early[step] = sorted(set(heavy.split()) & set(sys.modules))
print(json.dumps(too_early))
"""


def test_no_command_imports_more_than_it_needs(elsewhere, real_mlptrain):
    write_run(elsewhere / "outputs" / "a", "optimizer=adam")
    write_run(elsewhere / "outputs" / "b", "optimizer=sgd")
    outcome = real_mlptrain(json.dumps(STEPS), python=("-c", PROGRAM))
    assert outcome.exit_code == 0, outcome.stderr
    assert json.loads(outcome.stdout) == {step: [] for step, _ in STEPS}
    assert (elsewhere / "page.html").is_file()
