"""Values are quoted so that Hydra reads the same text again."""

from hypothesis import example, given
from hypothesis import strategies as st

from mlptrain.config.compose import compose
from mlptrain.config.overrides import parse_overrides
from mlptrain.config.spelling import hydra_value, quoted

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])).filter(
    lambda text: "${" not in text  # kept for OmegaConf, which reads it as text
)


@given(TEXT)
@example("back\\slash")
@example("at the end\\")
@example("before\\'a quote")
@example("it's = a, b {c} [d] #e")
def test_a_quoted_text_is_read_as_it_was(text):
    (override,) = parse_overrides([f"name={quoted(text)}"])
    assert override.value() == text


def test_what_looks_like_an_interpolation_stays_text():
    assert compose([f"name={quoted('cost ${seed}')}"]).config.name == "cost ${seed}"


def test_plain_data_is_spelled_in_hydras_grammar():
    value = {"classes": ["a,b", "it's"], "train": 3, "rate": 0.5, "none": None, "on": True}
    (override,) = parse_overrides([f"name={hydra_value(value)}"])
    assert override.value() == value
