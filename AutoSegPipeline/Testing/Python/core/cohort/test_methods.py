"""The methods paragraph: what the manifests say, counted, and its citations."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from AutoSegPipelineLib.core.cohort import citations
from AutoSegPipelineLib.core.cohort.methods import methods_of
from AutoSegPipelineLib.core.engines import ENGINES
from AutoSegPipelineLib.core.errors import PipelineError
from support.cohort import structure, write_case

SHA = "ab" * 32


def case(
    folder: Path, stem: str, engine: str = "totalsegmentator", task: str = "total", **about: object
) -> Path:
    used = {"name": engine, "version": "2.15.0", "task": task, "weights": {task: SHA} if task else {}}
    return write_case(folder, stem, [structure("liver", 1.0, None)], **{"engines": [used], **about})


def test_one_way_is_one_sentence_with_versions_weights_and_keys(tmp_path: Path) -> None:
    found = methods_of([case(tmp_path, name) for name in "abc"])
    assert found.paragraph == (
        "3 CT scans were processed with AutoSegPipeline 0.1.0 [autosegpipeline] on Python 3.12.4. "
        "All cases were segmented by TotalSegmentator 2.15.0, task total, quality normal "
        "[wasserthal2023totalsegmentator, isensee2021nnunet]. The weights, by the first 12 digits of their "
        "SHA-256, were total (abababababab). Volumes, intensities and surfaces were computed with NumPy "
        "2.4.6 [harris2020numpy] and VTK 9.7.2 [schroeder2006vtk]."
    )
    assert found.weights == {"total": SHA}


def test_cases_that_were_made_in_different_ways_are_counted_apart(tmp_path: Path) -> None:
    versions = {"autosegpipeline": "0.2.0", "python": "3.12.4"}
    paths = [
        case(tmp_path, "a"),
        case(tmp_path, "b", task="total_mr", input={"modality": "MR"}, versions=versions),
        case(tmp_path, "c", "tissue", "", warnings=[{"code": "x", "message": "y"}]),
        case(tmp_path, "d", kind="segmentation", engines=[]),
    ]
    text = methods_of(paths).paragraph
    assert (
        "3 CT and 1 MR scans were processed with AutoSegPipeline 0.1.0 (3 cases) and 0.2.0 (1 case)" in text
    )
    assert "1 case was segmented by TotalSegmentator 2.15.0, task total, quality" in text
    assert (
        "task total_mr, quality normal [wasserthal2023totalsegmentator, dantonoli2025totalsegmentatormri"
        in text
    )
    assert "by the engine tissue (no trained model)" in text
    assert "1 case existing segmentation" not in text and "1 existing segmentation was measured" in text
    assert text.endswith("The program raised warnings in 1 case.")


def test_every_key_of_the_paragraph_has_one_entry(tmp_path: Path) -> None:
    found = methods_of(
        [case(tmp_path, "a"), case(tmp_path, "b", "nnunet", "Dataset001"), case(tmp_path, "c", "slicer")]
    )
    keys = re.findall(r"^@\w+\{([^,]+),$", found.bibtex, re.M)
    named = {key for part in re.findall(r"\[([^\]]+)\]", found.paragraph) for key in part.split(", ")}
    assert named == set(keys) and len(keys) == len(set(keys))
    assert found.bibtex.count("{") == found.bibtex.count("}")


def test_every_engine_cites_works_that_are_there() -> None:
    keys = {key for row in ENGINES for key in (*row.cites, *row.cites_mr)}
    assert keys and keys <= set(citations.WORKS)


def test_every_article_has_what_bibtex_needs() -> None:
    every = [one for one in vars(citations).values() if isinstance(one, citations.Citation)]
    assert len(every) >= 8
    for one in every:
        fields = dict(one.fields)
        assert {"author", "title", "year"} <= set(fields), one.key
        if one.kind == "article":
            assert re.fullmatch(r"10\.\d{4,9}/\S+", fields["doi"]) and fields["journal"], one.key


def test_no_case_and_a_damaged_one_are_errors(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="no finished case"):
        methods_of([])
    (tmp_path / "a.manifest.json").write_text("{}")
    with pytest.raises(PipelineError, match=r"a\.manifest\.json cannot be used"):
        methods_of([tmp_path / "a.manifest.json"])
