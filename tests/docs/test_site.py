"""The documentation site builds without warnings or network and agrees with the source."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from build_reference import command_page, config_page, groups_page

from mlptrain.config.location import choices, groups, subcommands
from mlptrain.config.registry import REGISTRIES

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"


@pytest.fixture(scope="module")
def site(once):
    """The built site; a warning, such as a link that leads nowhere, is an error."""
    for package in ("sphinx", "furo", "myst_parser", "sphinx_copybutton"):
        pytest.importorskip(package)
    return Path(once("site", build_site))


def build_site(folder):
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-E",
         "-d", str(folder / "doctrees"), str(DOCS), str(folder / "html")],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return str(folder / "html")


@pytest.mark.slow
def test_site_builds_without_a_warning(site):
    assert (site / "index.html").is_file()
    assert (site / "reference" / "config.html").is_file()


@pytest.mark.slow
def test_site_loads_nothing_from_other_hosts(site):
    """Links may lead out; what a browser fetches by itself may not."""
    fetched = re.compile(r"""<(?:script|img|iframe|link)[^>]+(?:src|href)=["'](?:https?:)?//""")
    imported = re.compile(r"""(?:@import\s*|url\(\s*)["']?(?:https?:)?//""")
    for file in [*site.rglob("*.html"), *site.rglob("*.css")]:
        text = file.read_text(encoding="utf-8")
        assert not fetched.search(text), file
        assert not imported.search(text), file


@pytest.mark.slow
def test_every_page_is_in_the_navigation(site):
    start = (site / "index.html").read_text(encoding="utf-8")
    for page in site.rglob("*.html"):
        name = page.relative_to(site).as_posix()
        if name not in ("index.html", "genindex.html", "search.html"):
            assert f'href="{name}"' in start, name


def test_reference_names_every_choice():
    page = groups_page()
    for group in groups():
        assert f"## {group}\n" in page
        for choice in choices(group):
            assert f"`{choice}`" in page, (group, choice)


def test_reference_gives_types_and_ranges():
    page = config_page()
    assert "| `model.dropout` | number ≥ 0, &lt; 1 | `0.3` | after every hidden layer |" in page
    assert "| `train.epochs` | whole number ≥ 1 | `30` |" in page
    for group, entries in REGISTRIES.items():
        for name, choice in entries.items():
            for key in choice.parameters:
                assert re.search(rf"`{group}={name}` \| `{group}\.{key}` \| \S", page), key


def test_reference_explains_every_subcommand():
    page = command_page()
    for verb in subcommands():
        assert f"## mlptrain {verb}\n\n" in page
    assert (
        "| `--like RUN` | Start from the config of an earlier run, or from a config.yaml, instead "
        "of the defaults. |" in page
    )


def test_figures_of_the_start_page_are_those_of_the_results():
    results = (DOCS / "results.md").read_text(encoding="utf-8")
    figures = set(re.findall(r"\d+\.\d ± \d+\.\d", (DOCS / "index.md").read_text("utf-8")))
    assert len(figures) > 10
    assert {figure for figure in figures if figure not in results} == set()


def test_every_picture_of_a_stage_is_on_the_start_page():
    start = (DOCS / "index.md").read_text(encoding="utf-8")
    for picture in (DOCS / "assets").glob("stage_*.png"):
        assert f"(assets/{picture.name})" in start
