import pytest
import yaml

from mlptrain.config.compose import compose
from mlptrain.config.location import CONF, choices, description, groups
from mlptrain.config.registry import REGISTRIES
from mlptrain.datasets import DATASETS
from mlptrain.datasets.own_images import OwnImages
from mlptrain.errors import ConfigError

FILES = [(group, choice) for group in groups() for choice in choices(group)]
ENTRIES = [(group, name) for group, entries in REGISTRIES.items() for name in entries]
INVENTORY = {
    "classes": ["cat", "dog"],
    "train": 100,
    "validation": 0,
    "test": 0,
    "skipped": 0,
    "checksum": "0" * 64,
}


def comments(group, choice):
    lines = (CONF / group / f"{choice}.yaml").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith("#") and "@package" not in line]


def content(group, choice):
    return yaml.safe_load((CONF / group / f"{choice}.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("group", "choice"), FILES)
def test_every_file_starts_with_a_description_and_a_command(group, choice):
    what, command, *_ = comments(group, choice)
    assert what.startswith(f"# {choice}: ")
    assert command.startswith("# mlptrain ")
    assert f"{group}=" in command or f"{group}." in command


def test_the_top_file_starts_with_a_description_and_a_command():
    what, command, *_ = (CONF / "config.yaml").read_text(encoding="utf-8").splitlines()
    assert what.startswith("# The study's final recipe")
    assert command == "# mlptrain"


@pytest.mark.parametrize(("group", "choice"), FILES)
def test_every_file_and_its_command_compose_to_a_valid_config(group, choice, monkeypatch):
    # Own images need not be there for this; tests/images/test_inventory.py has real ones.
    monkeypatch.setattr(OwnImages, "existing", lambda path: path)
    for dataset in (DATASETS["folder"], DATASETS["npz"]):
        monkeypatch.setattr(dataset, "take_inventory", lambda path, node: INVENTORY)
    command = comments(group, choice)[1].removeprefix("# mlptrain ").partition(";")[0]
    for words in {command, f"{group}={choice}"}:
        compose(words.split())


@pytest.mark.parametrize(("group", "name"), ENTRIES)
def test_every_registry_entry_has_its_file_with_a_description(group, name):
    assert name in choices(group)
    assert len(description(group, name)) > 10


@pytest.mark.parametrize(("group", "name"), ENTRIES)
def test_every_file_has_exactly_the_keys_of_its_registry_entry(group, name):
    node = content(group, name)
    assert node.pop("name") == name
    assert set(node) == set(REGISTRIES[group][name].parameters)


@pytest.mark.parametrize("group", REGISTRIES)
def test_every_file_of_a_registered_group_has_its_entry(group):
    assert set(choices(group)) == set(REGISTRIES[group])


@pytest.mark.parametrize(
    ("group", "names"),
    [
        ("activation", "elu gelu hard_sigmoid hard_silu leaky_relu linear mish relu relu6 selu "
                       "sigmoid silu softplus softsign tanh"),
        ("initializer", "glorot_normal glorot_uniform he_normal he_uniform lecun_normal "
                        "lecun_uniform orthogonal random_normal random_uniform truncated_normal "
                        "zeros"),
        ("optimizer", "adadelta adafactor adagrad adam adamax adamw lamb lion muon nadam rmsprop "
                      "schedule_free_adamw sgd"),
        ("schedule", "constant cosine exponential inverse_sqrt linear one_cycle step"),
        ("model", "baseline deep mlp residual shallow wide"),
    ],
)  # fmt: skip
def test_no_choice_is_lost(group, names):
    assert set(names.split()) <= set(choices(group))


def test_noise_has_both_modes():
    modes = {compose([f"augmentation={name}"]).config.augmentation.when for name in
             ("noise", "noise_every_epoch")}  # fmt: skip
    assert modes == {"once", "every_epoch"}


def test_configs_hold_names_and_numbers_only():
    for path in CONF.rglob("*.yaml"):
        assert "_target_" not in path.read_text(encoding="utf-8")


def test_the_default_is_the_final_recipe_of_the_study():
    config = compose([]).config
    assert config.data.name == "cifar10"
    assert config.model.hidden == [512, 256, 128, 64]
    assert (config.model.dropout, config.model.batch_norm) == (0.3, True)
    assert (config.activation.name, config.initializer.name) == ("relu", "he_normal")
    assert (config.optimizer.name, config.optimizer.learning_rate) == ("rmsprop", 1e-3)
    assert config.regularization.l2 == 1e-4
    assert (config.augmentation.std, config.augmentation.when) == (0.01, "once")
    assert (config.train.epochs, config.train.batch_size, config.seed) == (30, 64, 42)


def test_the_augmentations_of_a_list_are_combined():
    both = compose(["augmentation=[flip,shift,cutmix]"]).config.augmentation
    assert (both.flip, both.shift, both.cutmix, both.std) == (True, 4, 1.0, 0.0)
    last = compose(["augmentation=[flip,flip_alternating]"]).config.augmentation
    assert last.flip == "alternating"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["augmentation=[flip,shfit]"], "augmentation=shift"),
        (["optimizer=[adam,sgd]"], "optimizer to be one of"),
        (["augmentation.flip=sometimes"], "false, true or 'alternating'"),
        (["model=residual", "model.hidden=[64]"], "width"),
        (["model.name=residual"], "model=residual"),
        (["model.name=cone"], "pyramid, residual"),
        (["model=residual", "model.width=0"], "model.width: at least 1"),
        (["model=residual", "model.blocks=50"], "at most 100 hidden layers 101 layers"),
        (["model.hidden=[" + ",".join(["8"] * 101) + "]"], "shorten model.hidden"),
    ],
)
def test_a_refusal_says_what_is_right(words, hint):
    with pytest.raises(ConfigError) as refused:
        compose(words)
    error = refused.value
    assert hint in f"{error.expected} {error.received} {error.action}"
    assert "Model" not in error.expected
