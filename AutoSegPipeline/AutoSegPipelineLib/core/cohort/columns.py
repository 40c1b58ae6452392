"""The columns of the table over all cases: CSV, Parquet, API, page and docs follow from this list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

TEXT, NUMBER, COUNT, FLAG = "text", "number", "count", "flag"
Cell = Union[str, float, int, bool, None]
# Iglewicz and Hoaglin (1993): a modified z-score beyond this is an outlier.
LIMIT = 3.5


@dataclass(frozen=True)
class Column:
    """``sql`` gives its value from ``cases`` c, ``structures`` s and ``norms`` n; ``help`` is Markdown."""

    name: str
    kind: str
    sql: str
    help: str


_VOLUME_Z = "(s.volume_ml - n.volume_median) / n.volume_scale"
_MEAN_Z = "(s.mean - n.mean_median) / n.mean_scale"
_OUTLIER = (
    f"CASE WHEN n.volume_scale IS NULL AND n.mean_scale IS NULL OR s.absent THEN NULL "
    f"ELSE ABS(COALESCE({_VOLUME_Z}, 0)) > {LIMIT} OR ABS(COALESCE({_MEAN_Z}, 0)) > {LIMIT} END"
)

COLUMNS: tuple[Column, ...] = (
    Column("case", TEXT, "c.name", "name of the case's files"),
    Column("label", TEXT, "c.label", "what the source called it"),
    Column("job", TEXT, "c.id", "id of the job"),
    Column("structure", TEXT, "s.structure", "name in the files"),
    Column("title", TEXT, "s.title", "name for people"),
    Column("group", TEXT, "s.grouped", "organs, bones ..."),
    Column("side", TEXT, "s.side", "`left`, `right` or empty, from the structure's name"),
    Column("engine", TEXT, "s.engine", "what found it"),
    Column("modality", TEXT, "c.modality", "CT, MR or empty"),
    Column("volume_ml", NUMBER, "s.volume_ml", "empty where the structure is absent"),
    Column("mean", NUMBER, "s.mean", "of the scan inside the structure; HU in CT"),
    Column("sd", NUMBER, "s.sd", "standard deviation of the same"),
    Column("median", NUMBER, "s.median", "median of the same"),
    Column("intensity_unit", TEXT, "s.unit", "`HU` or empty"),
    Column(
        "touches_border", FLAG, "s.touches_border", "the structure reaches the border of the scan: cut off"
    ),
    Column("absent", FLAG, "s.absent", "looked for and not found"),
    Column(
        "side_check", TEXT, "c.sides", "left and right of the case: `ok`, `swapped`, `unverified` or empty"
    ),
    Column("volume_z", NUMBER, _VOLUME_Z, "robust z-score of the volume among the cohort"),
    Column("mean_z", NUMBER, _MEAN_Z, "robust z-score of the mean, where it is in HU"),
    Column("outlier", FLAG, _OUTLIER, f"one of the two is beyond ±{LIMIT}; empty where none can be computed"),
    Column("cohort_n", COUNT, "n.volume_n", "cases of the same modality that have the structure"),
    Column("review", TEXT, "c.mark", "`good`, `bad` or empty"),
    Column("remark", TEXT, "c.remark", "of the review"),
    Column("reviewed_by", TEXT, "c.reviewed_by", "who reviewed"),
    Column("review_outdated", FLAG, "c.outdated", "the review is of an earlier segmentation"),
    Column("created", TEXT, "c.created", "when the results were written (RFC 3339, UTC)"),
)
BY_NAME: dict[str, Column] = {column.name: column for column in COLUMNS}
NAMES: tuple[str, ...] = tuple(BY_NAME)
