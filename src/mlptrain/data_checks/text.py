"""Findings about a data set as lines for people, and the data set as JSON content."""

import textwrap
from collections.abc import Sequence
from typing import Any

from mlptrain.data_checks.image_list import ImageList
from mlptrain.data_checks.labels import HeldOut
from mlptrain.datasets import DataSettings
from mlptrain.finding import Finding
from mlptrain.formatting import quantity

_MOST_LINES = 5
"""Images, or groups of equal images, that are shown of each finding."""
_WIDTH = 100


def data_record(data: DataSettings, images: ImageList) -> dict[str, Any]:
    """Return what was checked, as JSON content."""
    return {
        "name": data.name,
        "path": data.path,
        "checksum": data.checksum(),
        "image_size": images.side,
        "classes": list(images.class_names),
        "splits": {split: int(counts.sum()) for split, counts in images.counts().items()},
    }


def findings_text(
    data: DataSettings, images: ImageList, held_out: HeldOut, findings: Sequence[Finding]
) -> str:
    """Return the findings with a few of the images of each."""
    sizes = ", ".join(f"{split} {int(c.sum()):,}" for split, c in images.counts().items())
    place = data.name if data.path is None else f"{data.name} {data.path}"
    lines = [
        f"{place}: {len(images.used):,} images of {len(images.class_names)} classes ({sizes}), "
        f"checked at {images.side} x {images.side} pixels",
        f"labels judged: {len(held_out.positions):,}, by "
        f"{quantity(held_out.runs, 'finished run')} that did not train on them"
        if held_out.runs
        else "labels judged: none, as no finished run on these images is below the output root",
    ]
    if not findings:
        return "\n".join([*lines, "Nothing unusual."])
    for finding in findings:
        lines += ["", f"{finding.name} ({finding.severity})"]
        lines += textwrap.wrap(finding.summary, _WIDTH, initial_indent="  ", subsequent_indent="  ")
        lines += [f"    {line}" for line in _examples(finding.evidence)]
        lines += [f"  to try: {command}" for command in finding.commands]
    return "\n".join(lines)


def _examples(evidence: dict[str, Any]) -> list[str]:
    groups = evidence.get("groups") or [[image] for image in evidence.get("images", [])]
    lines = [" = ".join(map(_image, group[:_MOST_LINES])) for group in groups[:_MOST_LINES]]
    rest = max(len(groups) - _MOST_LINES, 0)
    rest += evidence.get("groups_not_listed", 0) + evidence.get("images_not_listed", 0)
    return [*lines, f"and {rest:,} more; --format json names them"] if rest else lines


def _image(image: dict[str, Any]) -> str:
    place = image["file"] if "file" in image else f"{image['array']}[{image['index']}]"
    details = [str(image[key]) for key in ("split", "class", "reason") if key in image]
    if "rows" in image:
        details.append(f"{image['rows']} x {image['columns']} pixels")
    if "predicted" in image:
        details.append(f"predicted {image['predicted']} {100 * image['confidence']:.1f} %")
    return f"{place} ({', '.join(details)})"
