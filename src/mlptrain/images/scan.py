"""What is in one folder: folders, images, files that should not be left out silently, others."""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from mlptrain.errors import reason_of

ENDINGS = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".dib")
"""Of the files that are read; upper case counts as lower case."""

_UNREAD_ENDINGS = (
    ".tif", ".tiff", ".gif", ".heic", ".heif", ".avif", ".jxl", ".jp2", ".ppm", ".pgm", ".pbm",
    ".svg", ".ico", ".tga", ".psd", ".dcm", ".dng", ".cr2", ".nef", ".arw", ".raw",
)  # fmt: skip
_DEEPEST, _MOST_SEARCHED = 5, 1_000
"""Levels, and folders in a level, that are searched: a path may be a home directory."""
_SYSTEM = ("__macosx", "lost+found", "$recycle.bin", "system volume information", "@eadir",
           "@recycle", "#recycle", "#snapshot")  # fmt: skip
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
_TABLES = (".csv", ".tsv", ".txt", ".json", ".xml", ".xlsx", ".mat", ".parquet")
_SIGNATURE = re.compile(
    rb"\xff\xd8\xff|\x89PNG|GIF8|RIFF....WEBP|II\*\0|MM\0\*|....ftyp(?:hei|hev|mif|avi)", re.DOTALL
)


@dataclass(frozen=True)
class FolderContent:
    """The visible entries of a folder, sorted by name.

    Attributes:
        folders: links to folders included, unless they lead back up.
        images: files whose names have one of `ENDINGS`.
        unread: path → why it is left out, of images in other formats or under other names.
        links: the same of links that are not followed.
        others: all other files.
        fault: why the folder cannot be read, if it cannot.
    """

    folders: list[Path] = field(default_factory=list)
    images: list[Path] = field(default_factory=list)
    unread: dict[Path, str] = field(default_factory=dict)
    links: dict[Path, str] = field(default_factory=dict)
    others: list[Path] = field(default_factory=list)
    fault: str = ""


Read = Callable[[Path], FolderContent]
"""`read_folder`, or one that remembers what it has read."""


def levels_below(read: Read, folder: Path) -> Iterator[list[Path]]:
    """Yield the folder, then the folders in it, then those in them."""
    level = [folder]
    for _ in range(_DEEPEST):
        yield level
        level = [below for place in level for below in read(place).folders][:_MOST_SEARCHED]


def images_below(read: Read, *folders: Path) -> list[Path]:
    """Return the images, of any format, in folders and below them, nearest first."""
    places = (p for folder in folders for level in levels_below(read, folder) for p in level)
    return [image for place in places for image in (*read(place).images, *read(place).unread)]


def read_folder(folder: Path) -> FolderContent:
    """Return what is in a folder; hidden entries and those of operating systems are skipped."""
    try:
        with os.scandir(folder) as entries:
            visible = [e for e in entries if e.name[0] != "." and e.name.casefold() not in _SYSTEM]
    except OSError as error:
        return FolderContent(fault=reason_of(error))
    content = FolderContent()
    for entry in sorted(visible, key=lambda entry: entry.name):
        path = Path(entry.path)
        if reason := _useless_link(entry):
            content.links[path] = reason
        elif entry.is_dir():
            content.folders.append(path)
        elif entry.is_file() and path.suffix.lower() in ENDINGS:
            content.images.append(path)
        elif entry.is_file() and path.suffix.lower() in _UNREAD_ENDINGS:
            content.unread[path] = "a format that is not read"
        elif entry.is_file() and _begins_like_an_image(path):
            content.unread[path] = "an image, but its name does not end like one's"
        elif entry.is_file():
            content.others.append(path)
    return content


def archive(files: Iterable[Path]) -> Path | None:
    """Return the first file that has to be unpacked."""
    return next((file for file in files if file.suffix.lower() in _ARCHIVES), None)


def table(files: Iterable[Path]) -> Path | None:
    """Return the first file that may hold the labels of images."""
    fitting = (file for file in files if file.suffix.lower() in _TABLES)
    return next((f for f in fitting if not re.search("readme|submission", f.name, re.I)), None)


def _begins_like_an_image(file: Path) -> bool:
    with suppress(OSError), file.open("rb") as stream:
        return _SIGNATURE.match(stream.read(16)) is not None
    return False


def _useless_link(entry: os.DirEntry[str]) -> str:
    """Return why an entry is a link that is not followed; "" for all other entries."""
    if not entry.is_symlink():
        return ""
    try:
        entry.stat()
    except OSError:
        return "a link that leads nowhere"
    above = Path(entry.path).parent.resolve()
    is_circle = entry.is_dir() and Path(entry.path).resolve() in (above, *above.parents)
    return "a link to a folder above it" if is_circle else ""
