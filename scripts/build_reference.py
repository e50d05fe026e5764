"""Writes the site's reference from the schema, the registries, `conf/` and the command itself.

docs/conf.py calls it at every build of the site; git ignores what it writes there.

Nothing is written by hand twice: types and ranges are the schema's, what a key does is its
description there or the comment beside it in `conf/`, and the commands are asked for their help.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer.main
from pydantic import BaseModel, TypeAdapter

from mlptrain import cli
from mlptrain.config.compose import compose
from mlptrain.config.location import (
    CONF,
    SEARCH,
    STUDY,
    choices,
    contents,
    defaults,
    description,
    groups,
)
from mlptrain.config.registry import REGISTRIES, Choice
from mlptrain.config.schema import Config, NamedNode, Node
from mlptrain.config.spelling import spelled
from mlptrain.families import FAMILIES, Family
from mlptrain.formatting import markdown_table
from mlptrain.loggers import LOGGERS, LoggerSettings

BOUNDS = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
TYPES = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "null": "null",
}
NOTE = "Made from the source when the site is built.\n\n"


def kind(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    """The type and range of one key in words, from its JSON schema."""
    if "$ref" in schema:
        return kind(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        return " or ".join(kind(part, definitions) for part in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        allowed = schema.get("enum", [schema.get("const")])
        return ", ".join(f"`{spelled(value)}`" for value in allowed)
    if schema.get("type") == "array":
        return f"list of {kind(schema['items'], definitions)}"
    ranged = [f"{sign} {schema[key]}" for key, sign in BOUNDS.items() if key in schema]
    return " ".join(filter(None, [TYPES[schema["type"]], ", ".join(ranged)]))


def _table(head: list[str], rows: list[list[str]]) -> str:
    cells = [[cell.replace("<", "&lt;").replace("\n", " ") for cell in row] for row in rows]
    return "\n".join(markdown_table(head, cells)) + "\n\n"


def comments(path: Path) -> dict[str, str]:
    """Dotted key → the comment behind it in a YAML file."""
    by_key, above = {}, list[tuple[int, str]]()
    for line in path.read_text(encoding="utf-8").splitlines():
        if match := re.match(r"( *)([a-z]\w*):(?: [^#]*?)?(?: +# (.*))?$", line):
            indent, key, comment = len(match[1]), match[2], match[3]
            above = [*[entry for entry in above if entry[0] < indent], (indent, key)]
            if comment:
                by_key[".".join(name for _, name in above)] = comment.strip()
    return by_key


def _explanations() -> dict[str, str]:
    """What keys do: the comments of config.yaml and of each group's files."""
    explanations: dict[str, str] = {}
    for group in groups():
        for choice in sorted(choices(group), key=lambda name: name != defaults().get(group)):
            for key, comment in comments(CONF / group / f"{choice}.yaml").items():
                explanations.setdefault(f"{group}.{key}", comment)
    return explanations | comments(CONF / "config.yaml")


def _models(annotation: Any, value: Any = None) -> list[type[BaseModel]]:
    """The models that a field may hold: one, those of a union, or none.

    Where all that is registered makes one model, it is that of the field's value.
    """
    if annotation is Node:
        return [Node if value is None else type(value)]
    if annotation is Family:
        return list(FAMILIES.values())
    if annotation is LoggerSettings:
        return list(LOGGERS.values())
    parts = [annotation, *getattr(annotation, "__args__", ())]
    return [part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)]


def _rows(model: type[BaseModel], prefix: str, default: Any, explanations: dict[str, str]
          ) -> Iterator[list[str]]:  # fmt: skip
    schema = model.model_json_schema()
    for name, field in model.model_fields.items():
        inner, key = _models(field.annotation), f"{prefix}{name}"
        if inner and issubclass(inner[0], NamedNode):
            continue
        if inner:
            for part in inner:
                yield from _rows(part, f"{key}.", (default or {}).get(name), explanations)
        else:
            known = isinstance(default, dict) and name in default
            value = f"`{spelled(default[name])}`" if known else ""
            words = kind(schema["properties"][name], schema.get("$defs", {}))
            yield [f"`{key}`", words, value, explanations.get(key, field.description or "")]


def config_page() -> str:
    """Every key of the config with its type, range and default."""
    config, explanations = compose([]).config, _explanations()
    plain = config.model_dump(mode="json")
    head = ["key", "type and range", "default", "what it does"]
    page = f"# The config\n\n{NOTE}Defaults are the study's final recipe. `mlptrain --cfg job` "
    page += "prints the whole config; a wrong key, type or value is refused before training.\n\n"
    plainly = [(name, _models(field.annotation, getattr(config, name)))
               for name, field in Config.model_fields.items()]  # fmt: skip
    page += "## Top level\n\n"
    top = [row for row in _rows(Config, "", plain, explanations) if "." not in row[0]]
    page += _table(head, top)
    for name, models in plainly:
        if not models:
            continue
        page += f"## {name}\n\n"
        if issubclass(models[0], NamedNode):
            page += _registry(name, explanations)
            continue
        for model in models:
            heading = model.__doc__ or ""
            page += f"{heading.splitlines()[0]}\n\n"
            node, about = plain[name], explanations
            if len(models) > 1:
                choice = _first(name, model)
                node = contents(name, choice)
                page += f"`{name}={choice}`, for one:\n\n"
                about = {f"{name}.{key}": comment for key, comment
                         in comments(CONF / name / f"{choice}.yaml").items()}  # fmt: skip
            page += _table(head, list(_rows(model, f"{name}.", node, about)))
    return page


def _first(group: str, model: type[BaseModel]) -> str:
    """A choice of the group that is of this kind, the one taken by default if it is."""
    name = model.model_json_schema()["properties"]["name"]
    kinds = name.get("enum", [name.get("const")])
    known = sorted(choices(group), key=lambda name: name != defaults().get(group))
    return next(choice for choice in known if contents(group, choice).get("name") in kinds)


def _registry(group: str, explanations: dict[str, str]) -> str:
    """The parameters of each entry of a registry; those without any in one line."""
    rows, bare = [], []
    for name, choice in REGISTRIES[group].items():
        values = contents(group, name)
        for key, annotation in choice.parameters.items():
            words = kind(TypeAdapter(annotation).json_schema(), {})
            value = f"`{spelled(values[key])}`"
            rows.append([f"`{group}={name}`", f"`{group}.{key}`", words, value,
                         explanations.get(f"{group}.{key}", "")])  # fmt: skip
        if not choice.parameters:
            bare.append(f"`{name}`")
    page = f"`{group}=NAME` chooses; [the groups](groups.md#{group}) describe each. "
    of_keras = any(isinstance(choice, Choice) for choice in REGISTRIES[group].values())
    page += "Keys are named as Keras's arguments, where it has them.\n\n" if of_keras else "\n\n"
    head = ["choice", "key", "type and range", "default", "what it does"]
    empty = [i for i, _ in enumerate(head) if all(not row[i] for row in rows)]
    full = [i for i, _ in enumerate(head) if i not in empty]
    page += _table([head[i] for i in full], [[row[i] for i in full] for row in rows]) * bool(rows)
    return page + (f"Without keys of their own: {', '.join(bare)}.\n\n" if bare else "")


def groups_page() -> str:
    """Every group and every choice in it."""
    page = f"# The groups\n\n{NOTE}`GROUP=CHOICE` on the command line takes a file of "
    page += "`conf/GROUP/`. `mlptrain options` prints the same lists. A star marks what is taken "
    page += "unless another is chosen.\n\n"
    for group in [*groups(), STUDY, SEARCH]:
        page += f"## {group}\n\n"
        rows = []
        for choice in choices(group):
            mark = " \\*" if defaults().get(group) == choice else ""
            rows.append(
                [f"`{choice}`{mark}", description(group, choice), f"`{_typed(group, choice)}`"]
            )
        page += _table(["choice", "what it is", "the command"], rows)
    return page


def _typed(group: str, choice: str) -> str:
    """The command that a choice's file opens with."""
    lines = (CONF / group / f"{choice}.yaml").read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith("# mlptrain"))[2:].partition(";")[0]


def command_page() -> str:
    """Return every command with its arguments and options, as its own help explains them."""
    command = typer.main.get_command(cli.app)
    page = f"# The command\n\n{NOTE}"
    page += "`mlptrain KEY=VALUE…` trains; a first word that names a command runs that command. "
    page += "`--help` after any of them prints the same text.\n\n"
    page += "Exit codes: 0 done, 1 training failed, 2 wrong usage or config, 130 interrupted. "
    page += "`MLPTRAIN_DEBUG=1` shows the traceback of an error, `MLPTRAIN_CACHE` moves the cache, "
    page += "`NO_COLOR=1` turns colors off.\n\n"
    return page + "".join(_commands(command, None, "mlptrain"))


def _commands(command: Any, parent: Any, path: str) -> Iterator[str]:
    context = typer.Context(command, info_name=path.rpartition(" ")[2], parent=parent)
    if parent is not None:
        yield f"## {path}\n\n" + _plain(command.help or "") + "\n\n"
    if not getattr(command, "commands", None):
        yield f"```text\n{_usage(command, path)}\n```\n\n"
    rows = [[_spelling(entry), _plain(getattr(entry, "help", "") or "")]
            for entry in command.params if entry.name != "help"]  # fmt: skip
    if rows:
        yield _table(["word" if parent else "option", "what it does"], rows)
    for name, below in getattr(command, "commands", {}).items():
        if not below.hidden:
            yield from _commands(below, context, f"{path} {name}")


def _usage(command: Any, path: str) -> str:
    words = [path]
    for entry in command.params:
        if entry.param_type_name == "argument":
            word = _argument(entry)
            words.append(word if entry.required else f"[{word}]")
    return " ".join([*words, "[OPTIONS]"])


def _argument(entry: Any) -> str:
    """Such as `RUN`, or `IMAGE…` where there may be several."""
    name: str = entry.metavar or entry.name.upper()
    return f"{name}…" if entry.nargs == -1 else name


def _spelling(entry: Any) -> str:
    if entry.param_type_name == "argument":
        return f"`{_argument(entry)}`"
    value = "" if entry.is_flag else f" {entry.metavar or 'VALUE'}"
    return ", ".join(f"`{word}{value}`" for word in [*entry.opts, *entry.secondary_opts])


def _plain(text: str) -> str:
    """Without rich's markup."""
    return re.sub(r"\[/?[a-z ]*\]", "", text)


PAGES = {"command.md": command_page, "config.md": config_page, "groups.md": groups_page}


def write_reference(folder: Path) -> None:
    """Write the pages; one that is the same already keeps its date, so that nothing is rebuilt."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        file, text = folder / name, page()
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            part = file.with_suffix(f".{os.getpid()}.part")  # two builds at once find it whole
            part.write_text(text, encoding="utf-8")
            part.replace(file)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the pages into the folder that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="made if it is missing")
    write_reference(parser.parse_args(arguments).folder)


if __name__ == "__main__":
    main()
