"""What is in one folder: folders, images, files that should not be left out silently, others."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

ENDINGS = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".dib")
"""Of the files that are read; upper case counts as lower case."""

UNREAD_ENDINGS = (
    ".tif", ".tiff", ".gif", ".heic", ".heif", ".avif", ".jxl", ".jp2", ".ppm", ".pgm", ".pbm",
    ".svg", ".ico", ".tga", ".psd", ".dcm", ".dng", ".cr2", ".nef", ".arw", ".raw",
)  # fmt: skip
"""Of files with images that are not read, which the notes name."""

DEEPEST = 5
MOST_SEARCHED = 1_000
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
        unread: path → why it is left out, of images in formats that are not read.
        links: the same of links that are not followed.
        others: all other files.
    """

    folders: list[Path] = field(default_factory=list)
    images: list[Path] = field(default_factory=list)
    unread: dict[Path, str] = field(default_factory=dict)
    links: dict[Path, str] = field(default_factory=dict)
    others: list[Path] = field(default_factory=list)


Scan = Callable[[Path], FolderContent]
"""`scan_folder`, or one that remembers what it has read."""


def scan_folder(folder: Path) -> FolderContent:
    """Return what is in a folder.

    Raises:
        OSError: it cannot be read.
    """
    content = FolderContent()
    with os.scandir(folder) as entries:
        visible = sorted((e for e in entries if _is_visible(e.name)), key=lambda e: e.name)
    for entry in visible:
        path = Path(entry.path)
        ending = path.suffix.lower()
        if reason := _useless_link(entry):
            content.links[path] = reason
        elif entry.is_dir():
            content.folders.append(path)
        elif entry.is_file() and ending in ENDINGS:
            content.images.append(path)
        elif entry.is_file() and ending in UNREAD_ENDINGS:
            content.unread[path] = "a format that is not read"
        elif entry.is_file():
            content.others.append(path)
    return content


def image_below(folder: Path, scan: Scan) -> Path | None:
    """Return an image, of any format, at or a few levels below a folder, if there is one."""
    level = [folder]
    for _ in range(DEEPEST):
        contents = [content_of(path, scan) for path in level]
        for content in contents:
            if images := [*content.images, *content.unread]:
                return images[0]
        level = [below for content in contents for below in content.folders][:MOST_SEARCHED]
    return None


def content_of(folder: Path, scan: Scan) -> FolderContent:
    """Return what is in a folder; of one that cannot be read, nothing."""
    try:
        return scan(folder)
    except OSError:
        return FolderContent()


def disguised_images(files: Iterable[Path]) -> dict[Path, str]:
    """Return the files that begin like an image though their names do not end like one's."""
    images = {}
    for file in files:
        try:
            with file.open("rb") as stream:
                begin = stream.read(16)
        except OSError:
            continue
        if _SIGNATURE.match(begin):
            images[file] = f"an image, but its name does not end in {', '.join(ENDINGS[:3])} or so"
    return images


def archive(files: Iterable[Path]) -> Path | None:
    """Return the first file that has to be unpacked."""
    return next((file for file in files if file.suffix.lower() in _ARCHIVES), None)


def table(files: Iterable[Path]) -> Path | None:
    """Return the first file that may hold the labels of images."""
    fitting = (file for file in files if file.suffix.lower() in _TABLES)
    return next((f for f in fitting if not re.search("readme|submission", f.name, re.I)), None)


def _is_visible(name: str) -> bool:
    """Return whether an entry is the user's, not hidden or put there by a system."""
    return not name.startswith(".") and name.casefold() not in _SYSTEM


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
