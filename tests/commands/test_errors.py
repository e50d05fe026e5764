"""The mistakes of a tired user: each ends in one block that says what to type instead."""

import json
import os

import pytest
from crafted import TINY, change_run, write_run

from mlptrain.errors import ConfigError

# command line → a part of `received`, a part of `to do`
MISTAKES = {
    # keys
    "model.dropuot=0.2": ("model.dropuot", "did you mean model.dropout?"),
    "modle.dropout=0.2": ("modle.dropout", "did you mean model.dropout?"),
    "dropout=0.2": ("dropout", "did you mean model.dropout?"),
    "lr=0.1": ("lr", "did you mean optimizer.learning_rate?"),
    "epochs=3": ("epochs", "did you mean train.epochs?"),
    "optimizer.lr=0.1": ("optimizer.lr", "did you mean optimizer.learning_rate?"),
    "optimizer.momentun=0.1": ("optimizer.momentun", "did you mean optimizer.momentum?"),
    "optimizer.beta_1=0.3": ("optimizer.beta_1", "choose optimizer=adam"),
    "init.stddev=0.1": ("initializer.stddev", "choose initializer=random_normal"),
    "a.b=1": ("a.b", "mlptrain --cfg job"),
    "+a.b=1": ("a=", "remove a"),
    "+model.foo=1": ("model.foo=1", "remove model.foo"),
    "++model.dropuot=0.2": ("model.dropuot=0.2", "did you mean model.dropout?"),
    "+model.dropout=0.2": ("+model.dropout=0.2", "did you mean model.dropout=0.2?"),
    "+_target_=os.system": ("_target_=os.system", "remove _target_"),
    "~model.dropout": ("no model.dropout", "model"),
    "~init": ("no initializer", "mlptrain options initializer"),
    "~foo": ("foo", "mlptrain --cfg job"),
    # choices
    "optimizer=sdg": ("optimizer=sdg", "did you mean optimizer=sgd?"),
    "optimizer=adma": ("optimizer=adma", "did you mean optimizer=adam?"),
    "optimizer=nadma": ("optimizer=nadma", "did you mean optimizer=nadam?"),
    "optimizer=adaw": ("optimizer=adaw", "did you mean optimizer=adamw?"),
    "activation=rleu": ("activation=rleu", "did you mean activation=relu?"),
    "train.epcohs=3": ("train.epcohs", "did you mean train.epochs?"),
    "optimizer=SGD": ("optimizer=SGD", "did you mean optimizer=sgd?"),
    "optimizer=": ("optimizer=", "mlptrain options optimizer"),
    "optimizer=null": ("optimizer=null", "mlptrain options optimizer"),
    "optimizer.name=adam": ("optimizer.name=adam, but no", "choose it with optimizer=adam"),
    "init=xavier": ("initializer=xavier", "did you mean initializer=glorot_uniform?"),
    "activation=swish": ("activation=swish", "did you mean activation=silu?"),
    "data=imagenet": ("data=imagenet", "mlptrain options data"),
    "debug=smok": ("debug=smok", "did you mean debug=smoke?"),
    "schedule=one-cycle": ("schedule=one-cycle", "did you mean schedule=one_cycle?"),
    "-m seed=1 hydra/launcher=jobllib": ("jobllib", "did you mean hydra/launcher=joblib?"),
    "artifacts=minimum": ("artifacts=minimum", "did you mean artifacts=minimal?"),
    "callbacks.early_stopping.monitor=val_acc": ("val_acc", "monitor=val_accuracy?"),
    # types
    "model.dropout=abc": ("model.dropout=abc", "--package model"),
    "model.dropout=true": ("model.dropout=true", "--package model"),
    "model.dropout=null": ("model.dropout=null", "--package model"),
    "model.hidden=512": ("model.hidden=512", "did you mean model.hidden=[512]?"),
    "model.hidden=[512,2.5]": ("model.hidden.1=2.5", "--package model"),
    "train.epochs=1.5": ("train.epochs=1.5", "--package train"),
    "train.epochs=ten": ("train.epochs=ten", "--package train"),
    "name=3": ("name=3", "'name=\"3\"'"),
    "tags=a": ("tags=a", "did you mean tags=[a]?"),
    "callbacks.early_stopping=maybe": ("maybe", "callbacks.early_stopping.enabled"),
    "model={}": ("model={}", "mlptrain options model"),
    # ranges
    "model.dropout=1.5": ("model.dropout=1.5", "--package model"),
    "model.dropout=nan": ("model.dropout=nan", "--package model"),
    "model.hidden=[]": ("model.hidden=[]", "--package model"),
    "model.hidden=[512,0]": ("model.hidden.1=0", "--package model"),
    "optimizer.learning_rate=-1": ("optimizer.learning_rate=-1", "--package optimizer"),
    "optimizer.learning_rate=inf": ("optimizer.learning_rate=inf", "--package optimizer"),
    "optimizer=muon optimizer.ns_steps=0": ("optimizer.ns_steps=0", "--package optimizer"),
    "optimizer=schedule_free_adamw optimizer.beta_1=0": ("optimizer.beta_1=0", "--package"),
    "optimizer=adafactor optimizer.epsilon_1=1e-30": ("optimizer.epsilon_1=1e-30", "--package"),
    "train.epochs=0": ("train.epochs=0", "--package train"),
    "train.batch_size=0": ("train.batch_size=0", "--package train"),
    "seed=-1": ("seed=-1", "mlptrain --cfg job"),
    "runtime.threads=0": ("runtime.threads=0", "--package runtime"),
    "output_root=" + "x" * 300: ("File name too long", "output_root=PATH"),
    "output_root=": ('output_root=""', "mlptrain --cfg job"),
    "data.validation_fraction=1": ("data.validation_fraction=1", "--package data"),
    # combinations
    "data.validation_fraction=0": ("no validation images", "callbacks=none"),
    "callbacks=checkpoint callbacks.checkpoint.monitor=val_macro_f1 data.validation_fraction=0": (
        "no validation images", "callbacks.checkpoint.monitor=loss"),
    "train.batch_size=50000": ("train.batch_size=50000", "train.batch_size=45000"),
    "data=cifar10_mini data.limit=20": ("train.batch_size=64", "train.batch_size=18"),
    "data.path=/no/such/place": ("which does not exist", "mlptrain data fetch"),
    "data=cifar10_mini data.path=.": ("data=cifar10_mini", "leave out one"),
    "callbacks.checkpoint.monitor=val_accuracy": ("val_accuracy", "monitor=val_loss"),
    "init=random_uniform init.minval=1 init.maxval=0": ("minval=1.0", "swap the two"),
    # grammar
    "model.dropout": ("'model.dropout'", "write model.dropout=VALUE"),
    "model.dropout 0.2": ("'model.dropout'", "write model.dropout=VALUE"),
    "model.dropout==0.2": ("model.dropout==0.2", "write model.dropout=0.2"),
    "=0.2": ("'=0.2'", "write model.dropout=0.2"),
    "optimizer:sgd": ("'optimizer:sgd'", "write optimizer=sgd"),
    "optimizer sgd": ("'optimizer'", "write optimizer=NAME"),
    "relu": ("'relu'", "did you mean activation=relu?"),
    "tags=[a,b": ("'tags=[a,b'", "write tags=[a,b]"),
    "tags=[a,b,]": ("'[a,b,]' is not a value", "write tags=[a,b]"),
    "model.hidden=(512,256)": ("'(' needs quotes there", "write model.hidden=[512,256]"),
    "model.hidden=512,256": ("model.hidden=512,256", "did you mean model.hidden=[512,256]?"),
    "augmentation=flip,shift": ("flip,shift", "did you mean augmentation=[flip,shift]? For a grid"),
    "logger=[none,mlflow]": ("logger=[none,mlflow]", "mlptrain options logger"),
    "data=folder": ("data.path=null", "write mlptrain data=folder data.path=PATH"),
    "data=npz data.path=no.npz": ("no.npz, which is missing", "correct the path"),
    "data.path=~/cifar": ("data.path=~/cifar", "'data.path=\"~/cifar\"'"),
    "name=größe,zwei": ("name=größe,zwei", "'name=\"größe,zwei\"'"),
    "name=a=b": ("('=' needs quotes there)", "'name=\"a=b\"'"),
    "model.hidden=[1000000,1000000]": ("model.hidden=[1000000,1000000] model.", "a smaller net"),
    "dropöut=1": ("dropöut=1", "quote special characters"),
    "name=${nobody}": ("nobody", "${…}"),
    "model.dropout=???": ("dropout", "???"),
    "hydra=1": ("hydra=1", "mlptrain --cfg hydra"),
    "hydra.run.dir=x": ("hydra.run.dir=x", "output_root=PATH"),
    "hydra.output_subdir=null": ("hydra.output_subdir=null", ".hydra/"),
    "hydra.job.chdir=true": ("hydra.job.chdir=true", "working directory"),
    "-m seed=1,2 hydra.job.chdir=true": ("hydra.job.chdir=true", "working directory"),
    "-m seed=1,2 +hydra.job.env_set.A=1": ("+hydra.job.env_set.A=1", "set the variables"),
    "hydra.verbose=true": ("hydra.verbose=true", "MLPTRAIN_DEBUG=1"),
    "hydra.mode=MULTIRUN seed=1,2": ("hydra.mode=MULTIRUN", "-m trains a grid"),
    "-m seed=1,2 hydra.searchpath=[x]": ("hydra.searchpath=[x]", "--config-dir"),
    "hydra.job.name=x": ("hydra.job.name=x", "leave it out"),
    "hydra/job_logging=default": ("hydra/job_logging=default", "leave it out"),
    "hydra/launcher=submitit_slurm": ("hydra/launcher=submitit_slurm", "also where nothing is"),
    "hydra.launcher.n_jobs=2": ("for one run", "add -m"),
    "-m seed=1,2 hydra.launcher.n_jobs=a": ("n_jobs=a", "--cfg hydra --package hydra.launcher"),
    "-m seed=1,2 hydra.launcher.njobs=1": ("hydra.launcher.njobs", "--package hydra.launcher"),
    "-m seed=1,2 hydra.launcher=3": ("hydra.launcher=3", "leave it out"),
    # verbs and options
    "trian": ("'trian'", "did you mean `mlptrain train`?"),
    "Resume": ("'Resume'", "did you mean `mlptrain resume`?"),
    "train train": ("'train'", "comes first, and once"),
    "--epochs 3": ("--epochs 3", "write train.epochs=3, without dashes"),
    "--epochs=3 seed=1": ("--epochs=3", "write train.epochs=3, without dashes"),
    "--lr 0.1": ("--lr 0.1", "write optimizer.learning_rate=0.1, without dashes"),
    "--batch-size 32": ("--batch-size 32", "write train.batch_size=32, without dashes"),
    "--train.batch_size": ("--train.batch_size", "write train.batch_size=VALUE, without dashes"),
    "--optimizer seed=1": ("--optimizer", "write optimizer=VALUE, without dashes"),
    "plan --seed 1": ("--seed 1", "write seed=1, without dashes"),
    "my.yaml": ("'my.yaml'", "`mlptrain --like my.yaml` trains the config"),
    "plan configs/my.yml": ("'configs/my.yml'", "`mlptrain search configs/my.yml` searches"),
    "outputs/latest": ("'outputs/latest'", "name of a command before a path"),
    "--multirn activation=relu,tanh": ("--multirn", "did you mean --multirun?"),
    "--cfg jobb": ("--cfg jobb", "did you mean --cfg job?"),
    "--cfg": ("--cfg alone", "--cfg job"),
    "--cfg job model.dropuot=1": ("model.dropuot", "did you mean model.dropout?"),
    "--cfg job --package modle": ("modle", "mlptrain --cfg job"),
    "--package model": ("--package", "--cfg job --package model"),
    "--info plugin": ("--info plugin", "did you mean --info plugins?"),
    "--config-dir=": ("an empty text", "name its folders after groups"),
    "--cfg=": ("--cfg with an empty value", "--cfg job"),
    "-m -m seed=1,2": ("--multirun --multirun", "leave one out"),
    "--config-dir .": ("., which is an empty folder", "name its folders after groups"),
    "--config-dir mine": ("mine, which is missing", "name its folders after groups"),
    "--config-dir": ("--config-dir alone", "--config-dir DIR"),
    "--config-dir a --config-dir b": ("two of them", "one folder"),
    "--config-path mine": ("--config-path", "--config-dir DIR"),
    "plan --cfg job": ("--cfg", "leave it out"),
    "race --info activation=relu,tanh": ("--info", "leave it out"),
    "study=./none.yaml": ("study=./none.yaml, which is missing", "options study"),
    "options --copy experiment/fats": ("fats", "did you mean --copy experiment/fast?"),
    "--run": ("--run", "leave it out"),
    "--cfg job --info": ("--cfg --info", "leave one out"),
    "-m --cfg job seed=1,2": ("--multirun --cfg", "mlptrain plan"),
    "study=full --info": ("--multirun --info", "mlptrain plan"),
    "--shell-completion": ("--shell-completion", "--install-completion"),
    "-m seed=1,2 hydra/sweeper=basic": ("hydra/sweeper=basic", "hydra/launcher"),
    "-m seed=1,2 ++hydra.sweep.dir=x": ("++hydra.sweep.dir=x", "output_root=PATH"),
    "options foo": ("foo", "mlptrain options"),
    "options optimizr": ("optimizr", "did you mean mlptrain options optimizer?"),
    "options a b": ("options a b", "mlptrain options --help"),
    "resume": ("RUN is missing", "mlptrain resume --help"),
    "resume a b": ("(unexpected: b)", "mlptrain resume --help"),
    "resume a train.epochs=9": ("(unexpected: train.epochs=9)", "--like RUN KEY=VALUE"),
    "evaluate a --best x": ("(--best has to be a whole number)", "mlptrain evaluate --help"),
    "plan --margin x": ("(--margin has to be a number)", "mlptrain plan --help"),
    "runs --last 0": ("(--last has to be at least 1)", "mlptrain runs --help"),
    "rate --formt": ("there is no option --formt", "did you mean --format?"),
    "predict a --top": ("--top has no value", "mlptrain predict --help"),
    "plan --foo": ("--foo", "mlptrain plan --help"),
    "explain a b c": ("3 runs", "mlptrain report"),
    "remove nowhere": ("nowhere, which is missing", "mlptrain runs PATH"),
    "resume nowhere": ("nowhere", "mlptrain runs PATH"),
    "--like": ("--like", "--help"),
    "--like . train.epochs=1": ("., which is an empty folder", "mlptrain runs PATH"),
    "--like nowhere": ("nowhere", "mlptrain runs PATH"),
    "-m --like nowhere seed=1,2": ("nowhere", "mlptrain runs PATH"),
    "--like nowhere.yaml": ("nowhere.yaml", "mlptrain --cfg job > my.yaml"),
    "--version=x": ("--version", "--help"),
    "data": ("the command is missing", "mlptrain data --help"),
    "data fetchh": ("Did you mean 'fetch'?", "mlptrain data --help"),
    "data show study=full": ("study=full", "mlptrain study=full"),
    "data show data=mini": ("data=mini", "did you mean data=cifar10_mini?"),
    "data show data=cifar10_mini -o no/such/place.png": ("place.png", "such as picture.png"),
    # studies
    "study=ful": ("study=ful", "did you mean study=full?"),
    "study=": ("study=", "choose one of them"),
    "study": ("study", "choose one of them"),
    "study:full": ("'study:full'", "write study=full"),
    "full": ("'full'", "did you mean study=full?"),
    "study=full,dropout": ("study=full,dropout", "one after another"),
    "study=wider study=dropout": ("study=wider study=dropout", "one after another"),
    "study=full model.dropuot=1": ("model.dropuot", "did you mean model.dropout?"),
    "study=optimizers optimizer.momentum=0.5": ("cell optimizer.learning_rate", "optimizer="),
    "-m study=ful": ("study=ful", "did you mean study=full?"),
    "--cfg job study=full": ("study=full", "mlptrain plan study=full"),
    "plan --like nowhere seed=1,2": ("nowhere", "mlptrain runs PATH"),
    "plan study=ful": ("study=ful", "did you mean study=full?"),
    "plan model.dropout=0.1,1.5": ("cell model.dropout=1.5", ""),
    "plan activation=glob(x*)": ("activation=glob(x*)", "activation=A,B"),
    "status": ("SWEEP is missing", "mlptrain status --help"),
    "status nowhere": ("nowhere, which is missing", "mlptrain status"),
    "sweep.retry_failed=true": ("for one run", "add -m"),
    "-m seed=1,2 sweep.retry_failed=maybe": ("sweep.retry_failed=maybe", "=true"),
    "-m seed=1,2 sweep.retry_faild=true": ("retry_faild", "did you mean sweep.retry_failed?"),
    # grids
    "activation=relu,tanh": ("activation=relu,tanh", "mlptrain -m activation=relu,tanh"),
    "seed=range(1,4)": ("seed=range(1,4)", "mlptrain -m seed=range(1,4)"),
    "seed=1,2": ("seed=1,2", "train the grid with -m: mlptrain -m seed=1,2"),
    "model.dropout=0,2": ("model.dropout=0,2", "did you mean model.dropout=0.2?"),
    "-m activation=": ("activation=", "mlptrain options activation"),
    "-m activation=relu,": ("activation=relu,", "write activation=relu"),
    "-m activation=relu,tanhh": ("activation=tanhh", "did you mean activation=tanh?"),
    "-m trian": ("'trian'", "did you mean `mlptrain train`?"),
    "-m activation=relu,tanh model.dropout=0.1,1.5": ("cell activation=relu model.dropout=1.5", ""),
    "-m optimizer=adam,sgd optimizer.beta_1=0.5,0.6": ("cell optimizer=sgd", "optimizer=adam"),
    "-m hydra/launcher=foo seed=1,2": ("hydra/launcher=foo", "choose one of them"),
    "-m seed=interval(0,1)": ("seed=interval(0,1)", "seed=A,B"),
    "-m seed=range(1,100000000000)": ("seed", "fewer values"),
    "-m activation=glob(x*)": ("activation=glob(x*)", "activation=A,B"),
}  # fmt: skip


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_gets_one_block_that_helps(line, mlptrain, assert_refused):
    outcome = mlptrain(*line.split())
    assert_refused(outcome)
    received, hint = MISTAKES[line]
    assert received in outcome.received
    assert hint in outcome.hint


@pytest.mark.parametrize("command", ["plan", "train"])
def test_an_unknown_option_is_one_of_the_command_that_was_typed(command, mlptrain):
    outcome = mlptrain(command, "--foo")
    assert outcome.expected == f"an option of `mlptrain {command}`"
    assert outcome.hint == f"`mlptrain {command} --help` lists the options"


def test_the_path_of_a_run_leads_to_like(mlptrain, elsewhere):
    write_run(elsewhere / "outputs" / "mine", *TINY)
    for word in ("outputs/mine", "outputs/mine/config.yaml"):
        assert "mlptrain --like outputs/mine KEY=VALUE" in mlptrain(word).hint


@pytest.mark.parametrize(
    ("line", "choice"),
    [("optimizer=sdg", "adagrad"), ("optimizer=foo", "adagrad"), ("options foo", "activation")],
)
def test_the_choices_are_listed_once(line, choice, mlptrain):
    assert mlptrain(*line.split()).stderr.count(choice) == 1


def test_a_wrong_parameter_lists_those_of_its_choice(mlptrain):
    outcome = mlptrain("optimizer.beta_1=0.3")
    assert outcome.expected == (
        "a key of optimizer=rmsprop: learning_rate, rho, momentum, epsilon, centered"
    )


def test_all_problems_are_named_at_once(mlptrain, assert_refused):
    problems = ("model.dropout=2", "train.epochs=0", "seed=-1")
    outcome = mlptrain(*problems)
    assert_refused(outcome)
    assert all(problem in outcome.received for problem in problems)


def test_a_real_process_refuses_in_the_same_way(real_mlptrain, assert_refused):
    assert_refused(real_mlptrain("-m", "activation=relu,tanh", "model.dropout=0.1,1.5"))
    # Also where the terminal knows ASCII only.
    ascii_only = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    assert_refused(real_mlptrain("name=größe,日本", **ascii_only))


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.write_text("x")])
def test_a_place_without_cifar10_is_refused_before_a_run_is_made(
    mlptrain, assert_refused, elsewhere, tmp_path, make
):
    make(tmp_path / "place")
    path = f"data.path={tmp_path / 'place'}"
    outcome = mlptrain(path)
    assert_refused(outcome)
    assert f"{tmp_path / 'place'}: it " in outcome.received
    assert "correct data.path" in outcome.hint
    sweep = mlptrain("-m", path, "seed=1,2")
    assert (sweep.exit_code, sweep.received) == (2, outcome.received)
    assert not list(elsewhere.rglob("run.json"))


@pytest.mark.parametrize("below", ["", "deeper"])
def test_an_output_root_that_is_a_file_is_refused(below, mlptrain, tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    outcome = mlptrain(f"output_root={file / below}")
    assert outcome.exit_code == 2
    assert "output_root=PATH" in outcome.hint
    assert file.read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_root_without_permission_is_refused(mlptrain, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    assert "Permission denied" in mlptrain(f"output_root={tmp_path / 'locked'}").received


@pytest.fixture
def finished(tmp_path):
    return write_run(tmp_path / "run", *TINY)


def test_a_finished_run_is_not_resumed(finished, mlptrain, assert_refused):
    outcome = mlptrain("resume", str(finished))
    assert_refused(outcome)
    assert "--like" in outcome.hint


@pytest.mark.parametrize("config", [None, [], "x", {"seed": 1}, {"name": "${oc.env:HOME}"}])
def test_a_damaged_run_cannot_be_the_base(config, finished, mlptrain, assert_refused):
    change_run(finished, lambda content: content.update(config=config))
    assert_refused(mlptrain("--like", str(finished), "train.epochs=1"))


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "\x00"])
@pytest.mark.parametrize("option", ["resume", "--like"])
def test_an_unreadable_run_is_refused(option, content, finished, mlptrain, assert_refused):
    (finished / "run.json").write_text(content)
    assert_refused(mlptrain(option, str(finished)))


@pytest.mark.parametrize(
    ("override", "hint"),
    [
        ("experiment=fast", "`mlptrain options --copy experiment/fast` shows"),
        ("study=optimizers", "`mlptrain --like RUN -m KEY=A,B`"),
        ("~optimizer", ""),
    ],
)
@pytest.mark.parametrize("command", [[], ["-m"], ["plan"]])
def test_like_accepts_no_other_whole_config_nor_a_group_without_a_choice(
    command, override, hint, finished, mlptrain, assert_refused
):
    outcome = mlptrain(*command, "--like", str(finished), override)
    assert_refused(outcome)
    assert hint in outcome.hint


def test_an_unexpected_error_is_one_block_too(mlptrain, monkeypatch):
    monkeypatch.setattr("mlptrain.config.location.listed_groups", lambda: json.loads("{"))
    outcome = mlptrain("options")
    assert outcome.exit_code == 1
    assert "This is a bug in mlptrain." in outcome.expected
    assert "JSONDecodeError" in outcome.received
    assert "MLPTRAIN_DEBUG=1" in outcome.hint


def test_debug_shows_the_traceback(mlptrain, monkeypatch):
    monkeypatch.setenv("MLPTRAIN_DEBUG", "1")
    with pytest.raises(ConfigError, match=r"model\.dropout"):
        mlptrain("model.dropout=1.5")


@pytest.mark.parametrize("verb", ["options", "data"])
def test_ctrl_c_ends_with_130(verb, mlptrain, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("mlptrain.config.location.listed_groups", interrupted)
    monkeypatch.setattr("mlptrain.data.cifar10.damaged_records", interrupted)
    outcome = mlptrain(*(["options"] if verb == "options" else ["data", "verify"]))
    assert outcome.exit_code == 130
    assert outcome.stderr.startswith("Interrupted")


def test_ctrl_c_after_the_last_line_changes_nothing(real_mlptrain):
    late = (
        "import atexit, os, signal; from mlptrain.cli import main; "
        "atexit.register(os.kill, os.getpid(), signal.SIGINT); main(['options', 'activation'])"
    )
    done = real_mlptrain(python=("-c", late))
    assert (done.exit_code, done.stderr) == (0, "")
    assert "gelu" in done.stdout
