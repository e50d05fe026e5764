import pytest
from markdown_blocks import Block, blocks, commands, not_shown, shortened, trains


def test_blocks_carry_the_comment_above_them(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "Text\n\n<!-- not run: installs -->\n```bash\npip install x\n```\n\n```\na\n```\n"
    )
    first, second = blocks(page)
    assert (first.language, first.not_run, first.line) == ("bash", "installs", 4)
    assert (second.language, second.not_run) == ("bash", None)


def test_commands_of_a_console_have_their_output():
    (one, two) = commands(Block("console", "$ mlptrain a=1 \\\n    b=2  # why\nseen\n$ x\n", "", 1))
    assert one.words == ["mlptrain", "a=1", "b=2"]
    assert one.shown == ["seen"]
    assert two.words == ["x"]


@pytest.mark.parametrize(
    ("words", "short"),
    [
        ("train.epochs=30", "train.epochs=1 data=cifar10_mini"),
        ("data=cifar10_mini train.epochs=2", "data=cifar10_mini train.epochs=2"),
        ("debug=smoke", "debug=smoke"),
        ("status NAME", "status demo"),
        ("--like RUN train.epochs=5", "--like outputs/latest train.epochs=1"),
        ("data show", "data show data=cifar10_mini"),
        ("--cfg job", "--cfg job"),
    ],
)
def test_commands_are_shortened(words, short):
    assert shortened(words.split(), first=True) == short.split()


def test_a_study_keeps_its_name_and_one_seed():
    words = shortened(["study=full", "seed=42,1,2"])
    assert {"study=activations", "name=full", "seed=42", "train.epochs=1"} <= set(words)


def test_a_grid_keeps_two_values_of_two_keys():
    words = shortened(["-m", "a=1,2,[3,4]", "init=x,y", "seed=1,2,3", "b=[5,6]"])
    assert words[:5] == ["-m", "a=1,[3,4]", "init=x,y", "seed=1", "b=[5,6]"]


def test_reading_is_not_training():
    assert trains([])
    assert trains(["-m", "seed=1,2"])
    assert not trains(["runs", "outputs"])
    assert not trains(["--cfg", "job"])


def test_output_may_differ_in_figures_but_not_in_words():
    output = "epoch 1/1  loss 2.5\n done   relu\n"
    assert not_shown(["epoch 3/3 loss 1.25", "…", "done …"], output) == []
    assert not_shown(["finished", "loss 2.5"], output) == ["finished", "loss 2.5"]
