"""`mlptrain rate KEY=VALUE…`: a learning-rate range test, with the rate that it suggests."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlptrain.commands._options import Like, form_among, overrides
from mlptrain.crash import reported_crashes
from mlptrain.errors import printable

if TYPE_CHECKING:
    from mlptrain.config.command_line import CommandLine
    from mlptrain.config.schema import Config
    from mlptrain.training.rate_rule import Suggestion
    from mlptrain.training.rate_test import RateTest

app = typer.Typer()
_FOLDER = "rate_tests"
"""Below the output root."""


@app.command(
    help="Suggest a learning rate from a range test: the rate rises from step to step over a part "
    "of an epoch, until the loss diverges."
)
@reported_crashes()
def rate(
    arguments: Annotated[
        list[str] | None, overrides("Overrides as for training, such as optimizer=sgd.")
    ] = None,
    like: Like = None,
    form: Annotated[str, form_among("text", "json")] = "text",
) -> None:
    """Run the test, write its course and picture, and print the suggested rate with its reason."""
    from mlptrain.config.command_line import CommandLine
    from mlptrain.config.compose import compose_one
    from mlptrain.config.identity import config_hash
    from mlptrain.store.base import read_base
    from mlptrain.store.run_folder import RunFolder

    base = None if like is None else read_base(like)
    line = CommandLine.parse(arguments or [], command="rate", base=base)
    config = compose_one(line).config
    say = partial(print, file=sys.stderr)
    # What is wrong with own images or the output root is said before TensorFlow is imported.
    dataset = config.data.load(say) if config.data.belongs_to_user else None
    folder = RunFolder.create(Path(config.output_root) / _FOLDER, config_hash(config))
    try:
        from mlptrain.training.assemble import assemble
        from mlptrain.training.rate_rule import suggest_rate
        from mlptrain.training.rate_test import run_rate_test

        test = run_rate_test(assemble(config, say, dataset), say)
    except BaseException:
        folder.path.rmdir()  # nothing is in it yet
        raise
    suggestion = suggest_rate(
        test.rates, test.losses, diverged=test.diverged, guessing=test.guessing
    )
    content = _record(config, line, like, test, suggestion)
    _write(folder, config, test, suggestion, content)
    if form == "json":
        print(json.dumps({**content, "folder": str(folder.path)}, indent=2))
    else:
        print(printable(_text(config, content, folder.path), keep="\n"))


def _record(
    config: Config, line: CommandLine, like: Path | None, test: RateTest, suggestion: Suggestion
) -> dict[str, Any]:
    """Return the result as JSON content; the same config and seed give the same."""
    from mlptrain.config.sizes import steps_per_epoch
    from mlptrain.store.run_folder import finite

    rate = suggestion.rate
    return finite(
        {
            "optimizer": config.optimizer.name,
            "configured_rate": config.optimizer.learning_rate,
            "suggested_rate": rate,
            "reason": suggestion.reason,
            "command": None if rate is None else shlex.join(_command(line, like, rate)),
            "diverged_at": float(test.rates[-1]) if test.diverged else None,
            "first_loss": suggestion.first_loss,
            "lowest_loss": suggestion.lowest_loss,
            "lowest_at": suggestion.lowest_at,
            "steps": len(test.rates),
            "steps_per_epoch": steps_per_epoch(config),
            "rates": [float(str(value)) for value in test.rates],
            "losses": test.losses.tolist(),
            "smoothed_losses": suggestion.smoothed.tolist(),
        }
    )


def _command(line: CommandLine, like: Path | None, suggested: float) -> Sequence[str]:
    """Return the command that trains with the suggested rate."""
    from mlptrain.config.overrides import text_of

    overrides = [
        text_of(override)
        for override in (*line.hydra, *line.overrides)
        if override.key_or_group != "optimizer.learning_rate"
    ]
    base = [] if like is None else ["--like", str(like)]
    return ["mlptrain", *base, *overrides, f"optimizer.learning_rate={suggested:g}"]


def _write(
    folder: Any, config: Config, test: RateTest, suggestion: Suggestion, content: dict[str, Any]
) -> None:
    """Write the course as CSV, the result as JSON, and the picture."""
    from mlptrain.config.recipe import recipe_line
    from mlptrain.figures.rate import rate_figure
    from mlptrain.figures.style import figure_png
    from mlptrain.formatting import csv_text
    from mlptrain.store import names

    columns = zip(content["rates"], content["losses"], content["smoothed_losses"], strict=True)
    head = ("learning_rate", "loss", "smoothed_loss")
    folder.write_text(names.RATE_COURSE, csv_text([head, *columns]))
    folder.write_json(names.RATE_RESULT, content)
    figure = rate_figure(
        test.rates, test.losses, suggestion.smoothed,
        suggestion.rate, config.optimizer.learning_rate, recipe_line(config),
    )  # fmt: skip
    folder.write_bytes(names.RATE_PICTURE, figure_png(figure))


def _text(config: Config, content: dict[str, Any], folder: Path) -> str:
    """Return the result as lines for people."""
    import textwrap

    from mlptrain.config.recipe import recipe_line
    from mlptrain.formatting import rate_text, shown_path
    from mlptrain.store import names

    suggested, configured = content["suggested_rate"], content["configured_rate"]
    lines = [
        recipe_line(config),
        f"suggested rate: {'none' if suggested is None else rate_text(suggested)} "
        f"(the config has {rate_text(configured)})",
        *textwrap.wrap(content["reason"], 96, initial_indent="  ", subsequent_indent="  "),
    ]
    if suggested is not None:
        lines.append(f"to use it: {content['command']}")
    lines.append(f"picture: {shown_path(folder / names.RATE_PICTURE)}")
    return "\n".join(lines)
