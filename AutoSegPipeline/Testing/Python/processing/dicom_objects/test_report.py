"""The measurement report: each structure with volume and mean, referring to its segment."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pydicom
import pytest
from support import dicom_objects as made
from support.dicom_objects import Result, errors_of, only, result_of
from support.programs import package, program

package("highdicom")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return result_of(made.even(tmp_path_factory.mktemp("made") / "in", FrameOfReferenceUID="1.2.3.99"))


def rows_of(result: Result) -> dict[str, dict[str, Any]]:
    document = json.loads((result.folder / "a.statistics.json").read_text(encoding="utf-8"))
    return {row["name"]: row for row in document["structures"]}


def test_highdicom_finds_each_structure_with_its_measurements(result) -> None:
    import highdicom

    built = result.build("seg", "report", encoding="binary")
    seg, report = (only(built, kind) for kind in ("seg", "report"))
    read = highdicom.sr.srread(next(one.path for one in built.files if one.kind == "report"))
    groups = read.content.get_volumetric_roi_measurement_groups()
    rows = rows_of(result)
    assert [group.tracking_identifier for group in groups] == ["Liver", "Left kidney"]
    for number, (group, name, code) in enumerate(
        zip(groups, ("liver", "kidney_left"), (made.LIVER, made.KIDNEY)), 1
    ):
        assert group.finding_type.value == code.value
        assert group.reference_type.value == "121191"
        segment = group.referenced_segment
        assert segment.referenced_sop_instance_uid == seg.SOPInstanceUID
        assert segment[0].referenced_segment_numbers == [number]
        found = {
            (one.name.value, one.derivation.value if one.derivation else ""): (one.value, one.unit.value)
            for one in group.get_measurements()
        }
        row = rows[name]
        assert found["118565006", ""] == (pytest.approx(row["volume_ml"], rel=1e-5), "cm3")
        assert found["112031", "373098007"] == (pytest.approx(row["intensity"]["mean"], rel=1e-5), "[hnsf'U]")
        assert found["112031", "386136009"][0] == pytest.approx(row["intensity"]["sd"], rel=1e-5)
        assert group.tracking_uid == seg.SegmentSequence[number - 1].TrackingUID
    assert groups[1].finding_sites[0].laterality.value == made.LEFT.value
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    assert {one.SeriesInstanceUID for one in evidence} == {
        seg.SeriesInstanceUID,
        result.slices[0].SeriesInstanceUID,
    }


def test_slicers_reader_takes_it(result, tmp_path: Path) -> None:
    reader = program("tid1500reader", "pip install dcmqi")
    (path,) = [one.path for one in result.build("report", encoding="binary").files]
    subprocess.run(
        [reader, "--inputDICOM", path, "--outputMetadata", str(tmp_path / "m.json")],
        check=True,
        capture_output=True,
    )
    read = json.loads((tmp_path / "m.json").read_text(encoding="utf-8"))
    values = [float(one["measurementItems"][0]["value"]) for one in read["Measurements"]]
    rows = rows_of(result)
    assert values == pytest.approx([rows["liver"]["volume_ml"], rows["kidney_left"]["volume_ml"]], rel=1e-5)


def test_without_intensities_there_are_volumes_only(result) -> None:
    order = result.order("report", encoding="binary")
    document = json.loads(Path(order.statistics).read_text(encoding="utf-8"))
    for row in document["structures"]:
        row["intensity"] = None
    path = Path(order.out) / "statistics.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    from dataclasses import replace

    from AutoSegPipelineLib.processing.dicom_objects.build import Builder

    report = only(Builder(replace(order, statistics=str(path))).build(), "report")
    assert "Attenuation" not in str(report) and "Volume" in str(report)


def test_of_an_mr_scan_it_says_signal_and_no_hounsfield_units(tmp_path: Path) -> None:
    program("dciodvfy")
    series = made.even(tmp_path / "in", SOPClassUID="1.2.840.10008.5.1.4.1.1.4", Modality="MR")
    result = result_of(series)
    path = result.folder / "a.statistics.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"HU"', '""'), encoding="utf-8")
    (file,) = result.build("report", encoding="binary").files
    report = str(pydicom.dcmread(file.path))
    assert "MR signal intensity" in report and "Hounsfield" not in report
    assert errors_of(file) == []
