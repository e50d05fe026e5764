"""The config that `--like` starts from: that of a run, or a YAML file with a whole config."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlptrain.errors import RunFolderError, reason_of
from mlptrain.store import names
from mlptrain.store.run_folder import RunFolder

_LARGEST = 1 << 20


def read_base(path: Path) -> Mapping[str, Any]:
    """Return the config of a run's folder, or of a file that ends in `.yaml`; it is not checked.

    Raises:
        RunFolderError: there is neither, or the file cannot be read.
    """
    if path.suffix not in (".yaml", ".yml"):
        config = RunFolder.open(path).read_json(names.RUN).get("config")
        return config if isinstance(config, dict) else {}
    try:
        with path.expanduser().open(encoding="utf-8") as stream:
            text = stream.read(_LARGEST + 1)
        return _read_yaml(text)
    except (OSError, RuntimeError, ValueError) as error:
        reason = reason_of(error)
    raise RunFolderError(
        f"a run's folder, or a YAML file with a whole config, such as its {names.CONFIG}",
        f"{path}: {reason}",
        "`mlptrain --cfg job > my.yaml` writes one",
    )


def _read_yaml(text: str) -> dict[str, Any]:
    """Read plain YAML; numbers such as 1e-3 are read as in the files of `conf/`."""
    import yaml
    from omegaconf._utils import get_yaml_loader

    if len(text) > _LARGEST:
        raise ValueError(f"more than {_LARGEST:,} characters")
    try:
        # A short text of references to references would become an endless config.
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise ValueError("a YAML file with references (*name)")
        content = yaml.load(text, Loader=get_yaml_loader())
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"not YAML: {reason_of(error)}") from None
    if not isinstance(content, dict):
        raise ValueError("not a mapping of keys and values")
    return content
