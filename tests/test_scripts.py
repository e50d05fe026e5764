"""Benchmarks and scripts: every name that they import exists, and pages have their figures."""

import ast
import re
from importlib import import_module
from pathlib import Path

import build_reference
import page_figures
import pytest
from build_results import results_page

ROOT = Path(__file__).parents[1]
FILES = sorted([*ROOT.glob("benchmarks/*.py"), *ROOT.glob("scripts/*.py")])


def test_there_are_benchmarks_and_scripts():
    assert {file.parent.name for file in FILES} == {"benchmarks", "scripts"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_every_import_works_also_those_inside_functions(file):
    import_module(file.stem)  # pyproject.toml has both folders on pytest's path
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            module = import_module(node.module)
            for name in node.names:
                if not hasattr(module, name.name):
                    import_module(f"{node.module}.{name.name}")
        elif isinstance(node, ast.Import):
            for name in node.names:
                import_module(name.name)


def test_help_of_the_reference_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        build_reference.main(["--help"])
    assert end.value.code == 0
    assert "FOLDER" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def figures():
    return page_figures.Figures()


@pytest.mark.parametrize("page", page_figures.SENTENCES)
def test_figures_in_pages_are_those_of_the_results(page, figures):
    """`python scripts/page_figures.py` writes them."""
    text = (ROOT / page).read_text(encoding="utf-8")
    assert page_figures.filled(text, page_figures.SENTENCES[page], figures) == text


@pytest.mark.parametrize("page", ["index", "results_study", "results_ablation", "why"])
def test_pages_about_the_results_have_no_other_figures(page):
    """A new one stands in a sentence of scripts/page_figures.yaml, too."""
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    patterns = map(page_figures.pattern, page_figures.SENTENCES[f"docs/{page}.md"])
    places = [match.span() for each in patterns for match in re.finditer(each, text)]
    other = [
        text[max(0, figure.start() - 40) : figure.end()]
        for figure in re.finditer(r"\d\.\d+", text)
        if not any(start <= figure.start() < end for start, end in places)
    ]
    assert not other


def test_the_page_of_results_is_what_its_script_builds():
    """`python scripts/build_results.py` writes it."""
    assert (ROOT / "docs" / "results.md").read_text(encoding="utf-8") == results_page()


def test_other_figures_in_a_page_are_replaced(figures):
    sentence = "first {test of wider}; {test of wider - baseline} ({interval}), n = {n of wider}"
    (mean, sd), (difference,) = map(figures.values, ("test of wider", "test of wider - baseline"))
    (low, high), (n,) = map(figures.values, ("interval", "n of wider"))
    page = "Above 1.\nthe first\n99.9 ± 99.9; -99.99 (-99.9 to +99), n = 9\nBelow 1."
    right = (
        f"Above 1.\nthe first\n{mean:.1f} ± {sd:.1f}; {difference:+.2f} ({low:+.1f} to "
        f"{high:+.0f}), n = {n}\nBelow 1."
    )
    assert page_figures.filled(page, [sentence], figures) == right
    for elsewhere in ("the second 50.0", f"{page} {page}"):
        with pytest.raises(ValueError, match="places with the sentence"):
            page_figures.filled(elsewhere, [sentence], figures)
