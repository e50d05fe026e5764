"""`mlptrain report PATH…`: the comparison of runs as one page that works offline."""

from pathlib import Path
from typing import Annotated

import typer

from mlptrain.commands._options import folders
from mlptrain.errors import ConfigError, UsageError, printable

app = typer.Typer()


@app.command(help="Compare runs on one HTML page that works offline.")
def report(
    paths: Annotated[list[Path], folders("PATH", "Runs, sweeps or output roots.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="HTML file to write.")
    ] = Path("report.html"),
    data: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Also write the same figures as JSON."),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="KEY=VALUE,…", help="Settings of the configuration to compare the others with."
        ),
    ] = None,
) -> None:
    """Write the page, and with --json the same figures as JSON; print what was written."""
    from mlptrain.reports.page import render
    from mlptrain.reports.report import as_json, report_data
    from mlptrain.store.runs import find_runs

    places = [_place(path) for path in (output, data) if path is not None]
    if len(set(places)) < len(places):
        raise UsageError("two files for -o and --json", f"{output} for both", "name another file")
    figures = report_data(find_runs(paths), paths, baseline)
    if data is not None:
        _write(places[1], data, as_json(figures))
    _write(places[0], output, render(figures))


def _place(path: Path) -> Path:
    try:
        place = path.expanduser().resolve()
        if place.exists() and not place.is_file():
            raise _not_writable(path, "it is there and is not a file")
    except (OSError, RuntimeError, ValueError) as error:
        raise _not_writable(path, str(error)) from None
    return place


def _write(place: Path, shown: Path, content: str) -> None:
    from mlptrain.store.run_folder import RunFolder

    try:
        RunFolder(place.parent).write_text(place.name, content)
        size = place.stat().st_size
    except OSError as error:
        raise _not_writable(shown, error.strerror or str(error)) from None
    text = f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{max(1, round(size / 1e3))} kB"
    print(f"{printable(shown)}  {text}")


def _not_writable(path: Path, reason: str) -> ConfigError:
    return ConfigError(
        "a file that can be written",
        f"{printable(path)}: {printable(reason)}",
        "choose another place with -o FILE or --json FILE",
    )
