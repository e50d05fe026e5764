"""`mlptrain resume RUN`: resume an interrupted run."""

import shlex

import typer

from mlptrain.commands._options import DataPath, Run

app = typer.Typer()


@app.command(help="Resume an interrupted run; it ends as if it had never stopped.")
def resume(run: Run, data_path: DataPath = None) -> None:
    """Train on from the last checkpoint."""
    from filelock import Timeout

    from mlptrain.errors import ConfigError, DataError, RunFolderError, UsageError, printable
    from mlptrain.model.process import check_machine
    from mlptrain.store.heartbeat import being_trained, claim
    from mlptrain.training.new_run import load_first
    from mlptrain.training.run import finish_run, open_for_resume
    from mlptrain.training.views import make_view

    folder, config = open_for_resume(run)
    if data_path is not None:
        if not config.data.takes_path:
            raise UsageError(
                "--data-path only for a run on own images",
                f"--data-path {data_path}, for a run on data={config.data.name}",
                "leave out --data-path",
            )
        data = config.data.model_copy(update={"path": data_path})
        config = config.model_copy(update={"data": data})
    view = make_view(config.runtime.progress)
    try:
        dataset = load_first(config.data, view)
    except (ConfigError, DataError) as error:
        raise RunFolderError(
            "the images that the run was trained on",
            error.received,
            "restore them, or say where they are: "
            f"mlptrain resume {shlex.quote(printable(run))} --data-path PATH",
        ) from None
    view.message("importing TensorFlow")
    check_machine([config.runtime])
    try:
        with claim(folder.path, timeout=0):
            open_for_resume(run)  # again: another process may have finished it meanwhile
            finish_run(config, folder, view, dataset=dataset, resume=True)
    except Timeout:
        raise being_trained(run, "another process") from None
