import pytest
import yaml

from mlptrain.config.command_line import CommandLine
from mlptrain.config.compose import compose
from mlptrain.config.identity import config_hash
from mlptrain.config.location import CONF, choices, contents
from mlptrain.errors import ConfigError
from mlptrain.sweeps.cells import plan_sweep
from mlptrain.sweeps.study import load_stages

STAGES = [
    "baseline", "wider", "activations", "initializers", "optimizers", "callbacks", "dropout",
    "batchnorm_l2", "augmentation",
]  # fmt: skip
WIDE = [512, 256, 128, 64]
STAGE = {"title": "A stage", "question": "What for?", "grids": [{"seed": 1}]}
ADAM = {("adam", 1e-3)}
RMSPROP = {("rmsprop", 1e-3)}
# STUDY.md's table and what it says the study leaves open.
EXPECTED = {
    #               cells hidden epochs dropout norm   l2    noise callbacks optimizers
    "baseline":     (1, [32], 5, 0.0, False, 0.0, 0.0, False, ADAM),
    "wider":        (1, WIDE, 5, 0.0, False, 0.0, 0.0, False, ADAM),
    "activations":  (3, WIDE, 10, 0.0, False, 0.0, 0.0, False, ADAM),
    "initializers": (6, WIDE, 10, 0.0, False, 0.0, 0.0, False, ADAM),
    "optimizers":   (6, WIDE, 30, 0.0, False, 0.0, 0.0, False, {
        ("adam", 1e-2), ("adam", 1e-3), ("adam", 5e-4), ("sgd", 1e-2), ("rmsprop", 1e-3),
        ("adamw", 1e-3)}),
    "callbacks":    (1, WIDE, 30, 0.0, False, 0.0, 0.0, True, RMSPROP),
    "dropout":      (1, WIDE, 30, 0.3, False, 0.0, 0.0, True, RMSPROP),
    "batchnorm_l2": (1, WIDE, 30, 0.3, True, 1e-4, 0.0, True, RMSPROP),
    "augmentation": (1, WIDE, 30, 0.3, True, 1e-4, 0.01, True, RMSPROP),
}  # fmt: skip


@pytest.fixture(scope="module")
def full():
    return plan_sweep([], "full")


@pytest.mark.parametrize("study", choices("study"))
def test_every_file_opens_with_what_it_is_and_its_command(study):
    lines = (CONF / "study" / f"{study}.yaml").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith(f"# {study}: ")
    assert lines[1] == f"# mlptrain study={study}"


def test_the_whole_study_lists_21_cells_of_which_18_are_distinct(full):
    assert [stage.name for stage, _ in full.stages] == STAGES
    assert (full.listed, len(full.cells), full.name) == (21, 18, "full")


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_has_the_settings_of_the_study(full, name):
    by_hash = {cell.config_hash: cell.config for cell in full.cells}
    hashes = next(hashes for stage, hashes in full.stages if stage.name == name)
    configs = [by_hash[digest] for digest in hashes]
    cells, hidden, epochs, dropout, norm, l2, noise, callbacks, optimizers = EXPECTED[name]
    assert len(configs) == cells
    assert {(c.optimizer.name, c.optimizer.learning_rate) for c in configs} == optimizers
    for config in configs:
        assert (config.model.hidden, config.train.epochs) == (hidden, epochs)
        assert (config.model.dropout, config.model.batch_norm) == (dropout, norm)
        assert (config.regularization.l2, config.augmentation.std) == (l2, noise)
        parts = config.callbacks.model_dump().values()
        assert [part["enabled"] for part in parts] == [callbacks] * 3
        assert (config.data.scaling, config.train.batch_size) == ("standardize", 64)
        assert config.schedule.name == "constant"


def test_activations_and_initializers_are_crossed_in_stages_3_and_4(full):
    by_hash = {cell.config_hash: cell.config for cell in full.cells}
    pairs = {
        stage.name: {
            (by_hash[d].activation.name, by_hash[d].initializer.name) for d in hashes
        }
        for stage, hashes in full.stages
    }  # fmt: skip
    all_three = ("relu", "tanh", "gelu")
    assert pairs["activations"] == {(a, "glorot_uniform") for a in all_three}
    both = ("he_normal", "glorot_uniform")
    assert pairs["initializers"] == {(a, i) for a in all_three for i in both}
    for later in STAGES[4:]:
        assert pairs[later] == {("relu", "he_normal")}


def test_the_last_stage_is_the_default_recipe():
    assert plan_sweep([], "augmentation").cells[0].config_hash == config_hash(compose([]).config)


def test_optimizers_of_today_differ_from_the_final_recipe_in_optimizer_and_schedule_alone():
    cells = plan_sweep([], "optimizers_today").cells
    final = compose(["callbacks=none"]).config.model_dump()
    rates = {}
    for config in (cell.config for cell in cells):
        rates.setdefault(config.optimizer.name, []).append(config.optimizer.learning_rate)
        others = config.model_dump().items()
        assert {key for key, value in others if value != final[key]} <= {"optimizer", "schedule"}
        needs_no_decay = config.optimizer.name == "schedule_free_adamw"
        assert config.schedule.name == ("constant" if needs_no_decay else "cosine")
    assert len(rates) == 7
    for name, tried in rates.items():
        assert min(tried) <= float(contents("optimizer", name)["learning_rate"]) < max(tried)


def test_the_ablation_goes_from_the_final_recipe_to_the_flat_one_a_step_at_a_time():
    plan = plan_sweep([], "ablation")
    assert [hashes for _, hashes in plan.stages] == [[cell.config_hash] for cell in plan.cells]
    assert [cell.slug for cell in plan.cells] == [stage.name for stage, _ in plan.stages]
    assert plan.cells[0].config_hash == config_hash(compose([]).config)
    flat = compose(["experiment=flat", "train.epochs=100"]).config
    assert plan.cells[-1].config_hash == config_hash(flat)


def test_an_override_fixes_a_key_and_a_swept_one_multiplies_the_cells():
    plan = plan_sweep(["train.epochs=1", "seed=1,2"], "optimizers")
    assert {cell.config.train.epochs for cell in plan.cells} == {1}
    assert len(plan.cells) == 12


def test_a_key_that_the_study_sweeps_can_be_fixed():
    plan = plan_sweep(["activation=gelu"], "activations")
    assert [cell.config.activation.name for cell in plan.cells] == ["gelu"]


@pytest.mark.parametrize("word", ["study=full", "study=null"])
def test_the_study_is_not_one_of_the_overrides(word):
    line = CommandLine.parse([word, "seed=1"])
    assert line.study == (None if word.endswith("null") else "full")
    assert [override.input_line for override in line.overrides] == ["seed=1"]


@pytest.mark.parametrize("words", [["study=ful"], ["study=full", "study=wider"]])
def test_an_unknown_study_or_two_of_them_are_refused(words):
    with pytest.raises(ConfigError):
        CommandLine.parse(words)


@pytest.fixture
def write_study(tmp_path, monkeypatch):
    """(name, content) → such a file among the studies, which are no others."""
    (tmp_path / "study").mkdir()
    monkeypatch.setattr(
        "mlptrain.sweeps.study.file_of", lambda group, name: tmp_path / group / f"{name}.yaml"
    )

    def write(name, content):
        (tmp_path / "study" / f"{name}.yaml").write_text(yaml.safe_dump(content))

    return write


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"title": "no grids"}, "without question, grids"),
        ({"stages": [{"title": "no grids"}]}, "without question, grids"),
        ({**STAGE, "grids": 3}, "with other grids"),
        ({**STAGE, "grids": ["seed=1"]}, "with other grids"),
        ({"stages": 3}, "with 3 among its stages"),
        ({"stages": [None]}, "among its stages"),
        ({"stages": ["odd"]}, "with 'odd' among its stages"),
    ],
)
def test_a_file_that_is_not_a_study_is_refused(write_study, content, message):
    write_study("odd", content)
    with pytest.raises(ConfigError, match=message):
        load_stages("odd")


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([STAGE, STAGE], "named twice"),  # both like the file
        ([{**STAGE, "name": "depth"}, {**STAGE, "name": "depth"}], "named depth"),
        (["one", "one"], "named one"),
        (["one", {**STAGE, "name": "one"}], "named one"),
    ],
)
def test_two_stages_with_the_same_name_are_refused(write_study, stages, message):
    write_study("one", STAGE)
    write_study("twice", {"stages": stages})
    with pytest.raises(ConfigError, match=message):
        load_stages("twice")


def test_stages_with_a_name_can_follow_studies(write_study):
    write_study("one", STAGE)
    write_study("both", {"stages": ["one", {**STAGE, "name": "two"}, STAGE]})
    assert [stage.name for stage in load_stages("both")] == ["one", "two", "both"]
