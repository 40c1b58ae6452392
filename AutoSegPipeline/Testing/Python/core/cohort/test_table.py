"""The table over all cases: rows, flags, what is usual, filters, and what is read again."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any, Iterator

import pytest
from AutoSegPipelineLib.core.cohort.columns import NAMES
from AutoSegPipelineLib.core.cohort.fill import fill_from_folder
from AutoSegPipelineLib.core.cohort.norms import norm_of
from AutoSegPipelineLib.core.cohort.table import Cohort, Query, as_document
from AutoSegPipelineLib.core.cohort.write_csv import csv_pieces
from AutoSegPipelineLib.core.errors import PipelineError
from support.cohort import structure, write_case


@pytest.fixture
def cohort(tmp_path: Path) -> Iterator[Cohort]:
    made = Cohort(tmp_path / "table.sqlite")
    yield made
    made.close()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Twelve livers near 1500 ml and 60 HU, one of 300 ml, one of -40 HU; one case without a spleen."""
    folder = tmp_path / "out"
    folder.mkdir()
    for number in range(12):
        volume, mean = 1500.0 + 7 * number, 60.0 + number / 2
        if number == 3:
            volume = 300.0
        if number == 5:
            mean = -40.0
        found = [structure("liver", volume, mean, border=number == 2)]
        if number != 7:
            found.append(structure("kidney_left", 150.0 + number, 40.0 + number))
        absent = ("kidney_left",) if number == 7 else ()
        write_case(folder, f"c{number:02d}", found, absent, sides="swapped" if number == 9 else "ok")
    return folder


def rows(cohort: Cohort, **query: Any) -> list[dict[str, Any]]:
    return [dict(as_document(row)) for row in cohort.rows(Query(**query))]


def test_each_case_and_structure_is_a_row_with_its_flags(cohort: Cohort, out: Path) -> None:
    assert fill_from_folder(cohort, out).read == 12
    found = {(row["case"], row["structure"]): row for row in rows(cohort)}
    assert len(found) == 24 and cohort.count(Query()) == 24
    liver, kidney = found["c02", "liver"], found["c07", "kidney_left"]
    assert (liver["volume_ml"], liver["mean"], liver["touches_border"], liver["absent"]) == (
        1514,
        61,
        True,
        False,
    )
    assert (kidney["volume_ml"], kidney["mean"], kidney["absent"], kidney["side"]) == (
        None,
        None,
        True,
        "left",
    )
    assert found["c09", "liver"]["side_check"] == "swapped"
    assert found["c02", "kidney_left"]["cohort_n"] == 11, "an absent structure says nothing of what is usual"


def test_outliers_are_those_of_the_modified_z_score(cohort: Cohort, out: Path) -> None:
    fill_from_folder(cohort, out)
    assert [(row["case"], row["structure"]) for row in rows(cohort, flag="outlier")] == [
        ("c03", "liver"), ("c05", "liver"),
    ]  # fmt: skip
    volumes = sorted([1500.0 + 7 * n for n in range(12) if n != 3] + [300.0])
    median = (volumes[5] + volumes[6]) / 2
    away = sorted(abs(value - median) for value in volumes)
    wanted = (300.0 - median) / (1.482602 * (away[5] + away[6]) / 2)
    (row,) = [one for one in rows(cohort, structure="liver") if one["case"] == "c03"]
    assert row["volume_z"] == pytest.approx(wanted) and row["outlier"] is True


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([5.0] * 9, None),  # too few
        ([5.0] * 10, None),  # all equal
        ([5.0] * 9 + [15.0], 1.253314 * 1.0),  # more than half are equal: the mean takes the place
        ([float(n) for n in range(11)], 1.482602 * 3),
    ],
)
def test_a_spread_that_says_nothing_is_none(values: list[float], scale: float | None) -> None:
    found = norm_of(values).scale
    assert found == (scale if scale is None else pytest.approx(scale))


def test_the_mean_of_what_is_no_hounsfield_is_never_an_outlier(cohort: Cohort, tmp_path: Path) -> None:
    (tmp_path / "mr").mkdir()
    for number in range(11):
        path = write_case(
            tmp_path / "mr", f"m{number}", [structure("liver", 1500, 10.0 if number else 9999.0)]
        )
        statistics = path.with_name(f"m{number}.statistics.json")
        statistics.write_text(statistics.read_text().replace('"HU"', '""'))
    fill_from_folder(cohort, tmp_path / "mr")
    assert {row["mean_z"] for row in rows(cohort)} == {None} and rows(cohort, flag="outlier") == []


def test_filters_orders_and_pages(cohort: Cohort, out: Path) -> None:
    fill_from_folder(cohort, out)
    assert [row["case"] for row in rows(cohort, flag="border")] == ["c02"]
    assert [row["case"] for row in rows(cohort, flag="absent")] == ["c07"]
    assert {row["case"] for row in rows(cohort, flag="side")} == {"c09"}
    assert [row["structure"] for row in rows(cohort, search="C03.nii")] == ["liver", "kidney_left"]
    assert len(rows(cohort, review="none")) == 24 and rows(cohort, review="bad") == []
    volumes = [row["volume_ml"] for row in rows(cohort, sort="volume_ml", descending=True)]
    assert volumes[-1] is None and volumes[:-1] == sorted(volumes[:-1], reverse=True), "empty cells come last"
    assert [row["volume_ml"] for row in rows(cohort, sort="volume_ml")][-1] is None
    every = list(cohort.rows(Query(sort="mean")))
    paged = [
        row for start in range(0, 24, 7) for row in cohort.rows(Query(sort="mean"), limit=7, offset=start)
    ]
    assert paged == every
    with pytest.raises(PipelineError, match="'volume_ml'"):
        Query(sort="volume_m")
    with pytest.raises(PipelineError, match="no flag"):
        Query(flag="1; DROP TABLE cases")


def test_only_what_changed_is_read_again(cohort: Cohort, out: Path) -> None:
    assert [fill_from_folder(cohort, out).read for _ in range(2)] == [12, 0]
    write_case(out, "c00", [structure("liver", 9.0, None)])
    (out / "c01.manifest.json").unlink()
    (out / "c02.manifest.json").write_text("{")
    filled = fill_from_folder(cohort, out)
    assert filled.read == 1 and [text[:18] for text in filled.unreadable] == ["c02.manifest.json "]
    assert {row["case"] for row in rows(cohort)} == {"c00"} | {f"c{n:02d}" for n in range(3, 12)}
    (changed,) = rows(cohort, search="c00")
    assert (changed["volume_ml"], changed["mean"], changed["median"]) == (9.0, None, None)
    fill_from_folder(cohort, out, {"c00"})
    assert rows(cohort, search="c00") == []


def test_without_statistics_the_manifest_has_the_volumes(cohort: Cohort, out: Path) -> None:
    path = write_case(out, "c00", [structure("liver", 12.5, 3.0)], outputs=[])
    assert path.with_name("c00.statistics.json").exists(), (
        "a file that the manifest does not list is not read"
    )
    fill_from_folder(cohort, out)
    (row,) = rows(cohort, search="c00")
    assert (row["volume_ml"], row["mean"], row["touches_border"]) == (12.5, None, None)


def test_csv_has_every_row_and_no_formula(cohort: Cohort, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write_case(tmp_path / "out", "a", [structure("=HYPERLINK(1)", 5.0, None, True)], label='-1+1, "x"\nü')
    fill_from_folder(cohort, tmp_path / "out")
    text = b"".join(csv_pieces(cohort.rows(Query()))).decode()
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert tuple(row) == NAMES
    assert row["structure"] == "'=HYPERLINK(1)" and row["label"] == '\'-1+1, "x"\nü'
    assert (row["touches_border"], row["absent"], row["outlier"], row["mean"]) == ("yes", "no", "", "")
