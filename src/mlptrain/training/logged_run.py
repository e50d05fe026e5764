"""The logger of a run, with access to the run's folder."""

from pathlib import Path

from mlptrain.config.nesting import dotted
from mlptrain.config.recipe import recipe_line
from mlptrain.config.schema import Config
from mlptrain.loggers import LoggedRun, RunLogger
from mlptrain.store import names
from mlptrain.store.run_record import RunRecord
from mlptrain.store.runs import read_history

_NOT_SENT = (names.RUN, names.PREDICTIONS)
"""Files that a logger's parameters and metrics stand for, or that are large."""


def make_logger(config: Config, record: RunRecord) -> RunLogger | None:
    """Return the logger that the config asks for, without importing its library yet."""
    folder, plain = record.folder, config.model_dump()
    parent = folder.path.parent
    root = Path(config.output_root).expanduser().resolve()
    # A run that is resumed from another directory is not below its relative output root.
    root = root if root in folder.path.parents else parent
    run = LoggedRun(
        folder=folder.path,
        root=root,
        sweep=parent.name if parent != root else None,
        config=plain,
        parameters=dotted(plain),
        recipe=recipe_line(config),
        facts=lambda: folder.read_json(names.RUN),
        remember=folder.update_run,
        history=lambda: read_history(folder.path),
        results=lambda: folder.read_json(names.METRICS) if folder.status() == "finished" else {},
        files=lambda: [
            file
            for name, _ in folder.contents()
            if (file := folder.file(name)).is_file() and name not in _NOT_SENT
        ],
        log=record.log,
    )
    return config.logger.make(run)
