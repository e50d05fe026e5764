"""Python files in the working directory are the user's own: no command runs them."""

import pytest
from real_command import MINI, finish, start_fresh

pytestmark = pytest.mark.slow

NAMES = ["random", "json", "numpy", "keras", "yaml", "queue", "hydra", "cloudpickle", "secrets"]


def test_no_file_of_the_working_directory_is_imported(tmp_path):
    for name in NAMES:
        file = tmp_path / f"{name}.py"
        file.write_text(f"open({str(tmp_path / 'executed')!r}, 'a').write('{name} ')\n1 / 0\n")
    grid = [MINI, "train.epochs=1", "data.limit=200", "model.hidden=[8]", "seed=1,2"]
    for words in [["plan", *grid], ["-m", "artifacts=minimal", "logger=none", *grid]]:
        done = finish(start_fresh(tmp_path, *words), tmp_path)
        assert done.code == 0, done.err
        assert not (tmp_path / "executed").exists()
