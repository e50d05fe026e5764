from hydra._internal.core_plugins.basic_launcher import BasicLauncher


class Backwards(BasicLauncher):
    """Runs the last job first, in this process."""

    launched = ()

    def __init__(self, limit):
        super().__init__()

    def launch(self, job_overrides, initial_job_idx):
        jobs = list(job_overrides)[::-1]
        Backwards.launched = jobs
        return super().launch(jobs, initial_job_idx)
