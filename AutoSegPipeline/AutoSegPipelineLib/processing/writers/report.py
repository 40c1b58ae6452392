"""``NAME.report.html``: picture, volumes, warnings and facts on one page for a person.

Everything that came from outside is escaped; the page holds its picture and
asks for nothing else. No template library as in web/pages: it is written in
Slicer with nothing installed.
"""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from ... import __version__
from ...core.messages.reader import plain
from ...core.progress import Report
from . import DISCLAIMER
from .manifest import all_warnings, versions
from .report_page import PAGE, POLICY, STYLE
from .unsound import unsound

if TYPE_CHECKING:
    from ...core.segmentation import Segment
    from ..engine_facts import EngineFacts
    from ..export_data import ExportData
    from ..measure import Measured

_SIDES = {
    "ok": "agree with the anatomy that was found",
    "swapped": "look swapped",
    "unverified": "not verified: no structure tells",
}
_GROUPS = {
    "organs": "Organs", "airways": "Airways", "bones": "Bones", "vessels": "Vessels", "muscles": "Muscles",
    "tissue": "Tissue", "other": "Other",
}  # fmt: skip


def write(path: Path, data: ExportData, report: Report) -> None:
    """Write the page. Raises OSError."""
    path.write_bytes(page_of(data).encode("utf-8"))


def verify(path: Path, data: ExportData) -> None:
    """The page is complete and names each structure that was measured."""
    text = path.read_text(encoding="utf-8")
    if not text.rstrip().endswith("</html>"):
        raise unsound(path, "ends early")
    for one in data.measured:
        if escape(one.title) not in text:
            raise unsound(path, f"does not name {one.title}")


def page_of(data: ExportData) -> str:
    """The complete page."""
    case, found = data.case, data.found
    return PAGE.substitute(
        policy=POLICY,
        style=STYLE,
        title=escape(case.label),
        subtitle=_subtitle(data),
        disclaimer=escape(DISCLAIMER),
        warnings=_warnings(data),
        picture=_picture(data),
        table=_table(data),
        table_note=_table_note(data),
        facts=_facts(data),
        files=_files(data),
        made_by=escape(f"AutoSegPipeline {__version__}, {found.engine or 'existing segmentation'}"),
    )


def _subtitle(data: ExportData) -> str:
    found = data.found
    count = len(data.measured)
    parts = [f"{count} structure{'s' if count != 1 else ''}"]
    if found.modality:
        parts.insert(0, f"{found.modality} scan")
    parts.append(f"found by the engine “{found.engine}”" if found.engine else "from an existing segmentation")
    return escape(", ".join(parts))


def _warnings(data: ExportData) -> str:
    rows = [f"<li>{escape(str(w.get('message', w.get('code', ''))))}</li>" for w in all_warnings(data)]
    if not rows:
        return ""
    return (
        '<section class="warnings" aria-labelledby="warnings"><h2 id="warnings">Please note</h2>'
        f"<ul>{''.join(rows)}</ul></section>"
    )


def _picture(data: ExportData) -> str:
    if data.picture is None:
        return '<p class="soft">This machine could not draw a picture.</p>'
    png = base64.b64encode(data.picture.read_bytes()).decode("ascii")
    titles = [one.title for one in data.measured]
    named = ", ".join(titles[:12]) + (f" and {len(titles) - 12} more" if len(titles) > 12 else "")
    window = data.sections.window if data.sections is not None else ""
    slices = f"the scan ({window}) with the structures' outlines" if window else "the structures"
    alt = (
        "3D surfaces from the front and from the patient's left side, and axial, coronal and sagittal slices "
        f"of {slices}: {named}"
    )
    return (
        f'<figure><img src="data:image/png;base64,{png}" alt="{escape(alt)}">'
        "<figcaption>Surfaces from the front (the patient's right is on the left of the picture) and from "
        f"the patient's left; axial (seen from the feet), coronal and sagittal slices of {escape(slices)}. "
        "All have one scale. R right, L left, A front, P back, S head, I feet.</figcaption></figure>"
    )


def _table(data: ExportData) -> str:
    scan = data.found.has_scan
    unit = data.found.unit or "intensity"
    head = '<th scope="col">Structure</th><th scope="col" class="number">Volume (ml)</th>'
    if scan:
        head += f'<th scope="col" class="number">Mean ± SD ({unit})</th>'
        head += f'<th scope="col" class="number">Median ({unit})</th>'
    head += '<th scope="col">At the scan\'s edge</th>'
    segments = {segment.name: segment for segment in data.found.segmentation.segments}
    groups = list(dict.fromkeys(one.group for one in data.measured))
    groups.sort(key=lambda group: list(_GROUPS).index(group) if group in _GROUPS else len(_GROUPS))
    body = ""
    columns = 5 if scan else 3
    for group in groups:
        title = escape(_GROUPS.get(group, group.capitalize()))
        rows = "".join(_row(one, segments[one.name], scan) for one in data.measured if one.group == group)
        above = f'<tr class="group"><th colspan="{columns}" scope="rowgroup">{title}</th></tr>'
        body += f"<tbody>{above}{rows}</tbody>"
    caption = "Volume and intensity of each structure"
    return f'<table aria-label="{caption}"><thead><tr>{head}</tr></thead>{body}</table>'


def _row(one: Measured, segment: Segment, scan: bool) -> str:
    red, green, blue = (round(channel * 255) for channel in segment.colour)
    swatch = f'<span class="swatch" style="background:rgb({red},{green},{blue})" aria-hidden="true"></span>'
    cells = f'<th scope="row">{swatch}{escape(one.title)}</th><td class="number">{_ml(one.volume_ml)}</td>'
    if scan:
        value = one.intensity
        cells += '<td class="number"></td>' * 2 if value is None else (
            f'<td class="number">{_plain(value.mean)} ± {value.sd:.0f}</td>'
            f'<td class="number">{_plain(value.median)}</td>'
        )  # fmt: skip
    cells += f"<td>{'cut off' if one.touches_border else ''}</td>"
    return f"<tr>{cells}</tr>"


def _ml(volume: float) -> str:
    digits = 0 if volume >= 100 else 1 if volume >= 10 else 2
    return f"{volume:,.{digits}f}".replace(",", "\u202f")


def _plain(number: float) -> str:
    return f"{number:.0f}".replace("-", "\u2212")


def _table_note(data: ExportData) -> str:
    notes = []
    if any(one.touches_border for one in data.measured):
        notes.append(
            "“Cut off” means that the structure reaches the edge of the scan, so its volume is a part."
        )
    if data.flat.overlaps:
        notes.append(
            "Structures may lie inside one another (lungs within the body); their volumes do not add up."
        )
    return escape(" ".join(notes))


def _facts(data: ExportData) -> str:
    case, found, source = data.case, data.found, data.case.source
    grid = found.segmentation.grid
    shape = " × ".join(str(n) for n in grid.shape)
    spacing = " × ".join(f"{n:.3g}" for n in grid.spacing)
    options, timings = case.options.items(), data.result.timings.items()
    rows: list[tuple[str, str]] = [("Engine", found.engine or "none (existing segmentation)")]
    if len(found.engines) > 1:
        rows = [("Engines", "; ".join(_engine(one) for one in found.engines))]
    if found.cached:
        rows.append(("Reused", "the label map of an earlier, identical case"))
    for key, value in plain(source).items():
        if key not in ("warnings", "cached_from") and isinstance(value, (str, int, float)) and value != "":
            rows.append(
                (
                    "SHA-256 of the input" if key == "sha256" else key.replace("_", " ").capitalize(),
                    str(value),
                )
            )
    rows += [
        ("Voxels", f"{shape} of {spacing} mm"),
        ("Orientation", f"{orientation(grid.affine)} (where the voxel index grows to along i, j, k)"),
        ("Surfaces", data.budget.summary()),
        ("Left and right", _SIDES.get(found.sides, "")),
        ("Options", ", ".join(f"{key} {_option(value)}" for key, value in options if _option(value))),
        ("Time", ", ".join(f"{what} {seconds:.1f} s" for what, seconds in timings if seconds >= 0.05)),
        ("Versions", ", ".join(f"{name} {version}" for name, version in versions().items())),
    ]  # fmt: skip
    return "<dl>" + "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in rows if v) + "</dl>"


def _engine(one: EngineFacts) -> str:
    task = f", task {one['task']}" if one["task"] else ""
    return f"{one['name']} {one['version']}{task}: {len(one['structures'])} structures"


def _option(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return " ".join(str(one) for one in value) if isinstance(value, (list, tuple)) else str(value)


def orientation(affine: tuple[tuple[float, ...], ...]) -> str:
    """Three letters: the patient's side that each index axis mostly points to, for example ``LPS``."""
    letters = ""
    for axis in range(3):
        column = [affine[row][axis] for row in range(3)]
        row = max(range(3), key=lambda n: abs(column[n]))
        letters += ("LPS" if column[row] > 0 else "RAI")[row]
    return letters


def _files(data: ExportData) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(o.name)}</th><td class="number">{_size(o.size)}</td>'
        f"<td><code>{o.sha256}</code></td></tr>"
        for o in data.result.outputs
    )
    return (
        '<div class="scroll" role="region" aria-label="Files" tabindex="0">'
        '<table aria-label="Files of this case"><thead><tr><th scope="col">File</th>'
        '<th scope="col" class="number">Size</th><th scope="col">SHA-256</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{max(size / 1e3, 0.1):.1f} kB"
