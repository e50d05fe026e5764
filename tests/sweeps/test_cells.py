import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlptrain.config.compose import compose
from mlptrain.errors import ConfigError
from mlptrain.sweeps import cells as cells_module
from mlptrain.sweeps.cells import plan_sweep, slug, sweep_name

DEFAULT = compose([]).config


def slugs(*words):
    return [cell.slug for cell in plan_sweep(words).cells]


def test_a_grid_is_the_product_of_its_values():
    assert slugs("activation=relu,tanh", "init=he_normal,zeros") == [
        "activation=relu,initializer=he_normal",
        "activation=relu,initializer=zeros",
        "activation=tanh,initializer=he_normal",
        "activation=tanh,initializer=zeros",
    ]


def test_every_cell_has_the_fixed_overrides_and_its_combination():
    cells = plan_sweep(["train.epochs=3", "activation=relu,tanh"]).cells
    assert [cell.config.train.epochs for cell in cells] == [3, 3]
    assert [cell.config.activation.name for cell in cells] == ["relu", "tanh"]
    assert cells[1].overrides == ("train.epochs=3", "activation=tanh")


def test_without_swept_overrides_there_is_one_cell():
    assert slugs("train.epochs=3") == ["cell"]


@pytest.mark.parametrize(
    ("word", "seeds"),
    [
        ("seed=1,2,3", [1, 2, 3]),
        ("seed=range(1,4)", [1, 2, 3]),
        ("seed=choice(5,6)", [5, 6]),
        ("seed=sort(6,5)", [5, 6]),
    ],
)
def test_values_are_swept_in_every_spelling_of_hydra(word, seeds):
    assert [cell.config.seed for cell in plan_sweep([word]).cells] == seeds


def test_a_pattern_selects_choices():
    names = [cell.config.initializer.name for cell in plan_sweep(["init=glob(he_*)"]).cells]
    assert names == ["he_normal", "he_uniform"]


@pytest.mark.parametrize(
    "word", ["model.dropout=0,0.0,0.3", "seed=1,1,2", "optimizer.learning_rate=1e-2,0.01,0.1"]
)
def test_cells_with_equal_configs_are_merged(word):
    cells = plan_sweep([word]).cells
    assert len(cells) == 2
    assert len({cell.config_hash for cell in cells}) == 2


def test_cells_that_differ_only_in_keys_without_effect_are_merged():
    assert len(plan_sweep(["artifacts=full,minimal"]).cells) == 1


def test_a_list_is_swept_as_one_value():
    cells = plan_sweep(["model.hidden=[32],[64,32]"]).cells
    assert [cell.config.model.hidden for cell in cells] == [[32], [64, 32]]


def test_a_wrong_value_is_named_with_its_cell():
    with pytest.raises(ConfigError) as caught:
        plan_sweep(["activation=relu,tanh", "model.dropout=0.1,1.5"])
    assert "model.dropout=1.5" in caught.value.received
    assert "cell activation=relu model.dropout=1.5" in caught.value.received


def test_an_error_in_a_combination_names_its_cell():
    with pytest.raises(ConfigError, match=r"cell data=cifar10_mini train.batch_size=2000"):
        plan_sweep(["data=cifar10,cifar10_mini", "train.batch_size=64,2000"])


def test_a_wrong_fixed_override_is_named():
    with pytest.raises(ConfigError, match=r"model.dropout=7"):
        plan_sweep(["model.dropout=7", "seed=1,2"])


def test_a_grid_beyond_the_limit_is_refused_without_listing_it(monkeypatch):
    with pytest.raises(ConfigError, match="at most 10,000 cells"):
        plan_sweep(["seed=range(0,2000000000)"])
    monkeypatch.setattr(cells_module, "MOST_CELLS", 5)
    assert len(plan_sweep(["seed=1,2,3,4,5"]).cells) == 5
    with pytest.raises(ConfigError, match=r"seed by model.dropout"):
        plan_sweep(["seed=1,2,3", "model.dropout=0.1,0.2"])


def test_the_folder_of_a_cell_is_its_slug_and_hash():
    (cell,) = plan_sweep(["seed=7"]).cells
    assert cell.folder_name == f"cell-{cell.config_hash[:8]}"


def test_the_slug_shortens_keys_to_their_last_part():
    assert slug(["model.dropout=0.3", "+train.epochs=1"]) == "dropout=0.3,epochs=1"


@given(st.lists(st.text(max_size=30), max_size=8))
def test_a_slug_is_safe_as_a_file_name(words):
    text = slug(words)
    assert re.fullmatch(r"[A-Za-z0-9_.=,+-]{1,80}", text)


def test_cells_with_the_same_slug_have_different_folders():
    cells = plan_sweep(["model.hidden=[" + ",".join(["64"] * 30) + ",32],[" +
                        ",".join(["64"] * 30) + ",16]"]).cells  # fmt: skip
    assert cells[0].slug == cells[1].slug
    assert cells[0].folder_name != cells[1].folder_name


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["activation=relu,tanh"], "activation"),
        (["activation=relu"], "single"),
        (["init=he_normal,zeros", "activation=relu,tanh"], "initializer_activation"),
        (["model.dropout=0.1,0.2"], "model.dropout"),
        (["a/b=1,2"], "a_b"),
        (["experiment=flip_shift_cosine", "seed=1,2"], "flip_shift_cosine"),
        (["+experiment=flip_shift_cosine"], "flip_shift_cosine"),
    ],
)
def test_a_sweep_is_named_after_its_experiment_or_its_keys(words, name):
    assert sweep_name(words, DEFAULT) == name


def test_a_sweep_with_one_more_value_has_the_same_folder():
    assert sweep_name(["seed=1,2"], DEFAULT) == sweep_name(["seed=1,2,3"], DEFAULT)


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("mine", "mine"),
        ("two words", "two_words"),
        ("../../etc", "etc"),
        ("a/b", "a_b"),
        ("..", "sweep"),
        (".hidden", "hidden"),
        ("latest", "latest_sweep"),
        ("größe", "größe"),
        ("x" * 300, "x" * 80),
    ],
)
def test_name_overrides_the_sweeps_name_and_stays_below_the_output_root(name, folder):
    config = DEFAULT.model_copy(update={"name": name})
    assert sweep_name(["experiment=flip_shift_cosine", "seed=1,2"], config) == folder
