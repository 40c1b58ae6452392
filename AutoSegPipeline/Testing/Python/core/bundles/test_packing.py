"""Bundles: everything that an order names comes along, and other bytes are noticed on either way."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from AutoSegPipelineLib.core.bundles import packing as packing_module
from AutoSegPipelineLib.core.bundles.layout import (
    KEPT,
    Bundle,
    BundleEntry,
    CaseFolder,
    Outcome,
    bare_name,
    inner_path,
)
from AutoSegPipelineLib.core.bundles.packing import Packing, checked_inputs, facts_of, fetch_result
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.files import read_json, write_json
from support.bundles import make_bundle, order
from support.pipeline import write_scan


def first(bundle: Bundle) -> CaseFolder:
    return bundle.folder(bundle.read().cases[0])


def test_a_bundle_is_complete_only_once_it_is_published(tmp_path: Path) -> None:
    packing = Packing(tmp_path / "one", "home-1")
    packing.add("a" * 32, 3, order(write_scan(tmp_path / "ct.nii"), "ct"))
    assert not packing.bundle.is_complete
    with pytest.raises(PipelineError, match=r"bundle\.json"):
        packing.bundle.read()
    bundle = packing.publish()
    found = bundle.read()
    assert bundle.is_complete
    assert (found.id, found.pipeline, found.cases) == (
        "one", "home-1", [BundleEntry("a" * 32, 3, "a" * 32 + "-3")],
    )  # fmt: skip


def test_each_folder_of_a_series_is_durable_before_the_list_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "series" / "a").mkdir(parents=True)
    (tmp_path / "series" / "a" / "1.dcm").touch()
    packing = Packing(tmp_path / "one")
    packing.add("a" * 32, 3, order(tmp_path / "series", "ct"))
    durable: list[str] = []
    monkeypatch.setattr(packing_module, "sync_paths", durable.extend)
    folder = first(packing.publish()).path
    made = [folder, *folder.rglob("*")]
    assert {str(path) for path in made} <= set(durable)


def test_an_order_comes_back_with_paths_of_the_machine_that_reads_it(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path, "ct", affine=[[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    moved = tmp_path / "mounted elsewhere"
    bundle.path.rename(moved)
    folder = first(Bundle(moved))
    case = folder.read()
    found = folder.order(case, tmp_path / "out", tmp_path / "work")
    assert Path(found.path).read_bytes() == (tmp_path / "scans" / "ct.nii").read_bytes()
    assert moved in Path(found.path).parents
    assert (found.out, found.work, found.keep) == (str(tmp_path / "out"), str(tmp_path / "work"), None)
    assert (found.stem, found.options["engine"], found.modality) == ("ct", "tissue", "CT")
    assert found.affine is not None
    assert str(tmp_path) not in (folder.path / "case.json").read_text()


def test_data_files_channels_tables_and_label_maps_come_along(tmp_path: Path) -> None:
    staged = tmp_path / "incoming" / "input"
    staged.mkdir(parents=True)
    header = staged / "t1.nhdr"
    header.write_text("NRRD0004\ndimension: 3\ndata file: t1.raw\n", encoding="ascii")
    for name in ("t1.raw", "names.csv", "more/t2.nii"):
        (staged / name).parent.mkdir(exist_ok=True)
        (staged / name).write_bytes(name.encode())
    labels = tmp_path / "elsewhere" / "names.csv"
    labels.parent.mkdir()
    labels.write_bytes(b"other names")
    kept = tmp_path / "cache" / "k.seg.nrrd"
    kept.parent.mkdir()
    kept.write_bytes(b"kept")
    wanted = order(
        header, "t1", labels=str(labels), table=str(staged / "names.csv"), reuse=str(kept),
        channels=[str(staged / "more" / "t2.nii")], given={"glb": str(kept)}, keep=str(tmp_path / "keep"),
    )  # fmt: skip
    packing = Packing(tmp_path / "b")
    packing.add("j", 1, wanted)
    folder = first(packing.publish())
    found = folder.order(folder.read(), tmp_path / "out", tmp_path / "work")
    assert Path(found.path).with_name("t1.raw").read_bytes() == b"t1.raw"
    assert Path(str(found.labels)).read_bytes() == b"other names"
    assert Path(str(found.table)).read_bytes() == b"names.csv"
    assert Path(str(found.table)).parent == Path(found.path).parent
    assert Path(str(found.reuse)).read_bytes() == b"kept"
    assert found.given == {"glb": found.reuse}
    assert Path(found.channels[0]).relative_to(Path(found.path).parent) == Path("more/t2.nii")
    assert found.keep == str(tmp_path / "out" / KEPT)
    list(checked_inputs(folder, folder.read()))


def test_a_folder_of_masks_comes_along(tmp_path: Path) -> None:
    for name in ("liver.nii.gz", "below/spleen.nii.gz"):
        (tmp_path / "masks" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "masks" / name).write_bytes(name.encode())
    packing = Packing(tmp_path / "b")
    packing.add("j", 1, replace(order(tmp_path / "masks", "masks"), kind="segmentation"))
    folder = first(packing.publish())
    found = Path(folder.order(folder.read(), tmp_path, tmp_path).path)
    assert (found / "below" / "spleen.nii.gz").read_bytes() == b"below/spleen.nii.gz"
    assert len(folder.read().inputs) == 2


@pytest.mark.parametrize("change", ["cut", "other", "gone"])
def test_inputs_that_are_not_what_was_packed_are_noticed(tmp_path: Path, change: str) -> None:
    bundle = make_bundle(tmp_path, "ct")
    folder = first(bundle)
    list(checked_inputs(folder, folder.read()))
    path = folder.path / next(iter(folder.read().inputs))
    data = path.read_bytes()
    if change == "gone":
        path.unlink()
    else:
        path.write_bytes(data[:-1] + (b"" if change == "cut" else b"?"))
    with pytest.raises(PipelineError, match=path.name) as caught:
        list(checked_inputs(folder, folder.read()))
    assert caught.value.code == "environment.bundle_damaged"


def finished(bundle: Bundle, name: str = "ct.gltf") -> tuple[CaseFolder, Outcome]:
    folder = first(bundle)
    folder.result.mkdir()
    (folder.result / "ct.gltf").write_bytes(b"a result")
    facts = facts_of(folder.result / "ct.gltf")
    return folder, Outcome(ok=True, files={name: facts})


def test_a_result_is_copied_and_checked(tmp_path: Path) -> None:
    folder, outcome = finished(make_bundle(tmp_path, "ct"))
    target = tmp_path / "target"
    target.mkdir()
    fetch_result(folder, outcome, target)
    assert (target / "ct.gltf").read_bytes() == b"a result"
    (folder.result / "ct.gltf").write_bytes(b"a resulT")
    with pytest.raises(PipelineError, match="other bytes"):
        fetch_result(folder, outcome, target)
    assert not (target / "ct.gltf").exists()


@pytest.mark.parametrize("name", ["../ct.gltf", "/etc/passwd", "below/ct.gltf", "C:ct.gltf", "a\\b", "", "."])
def test_a_result_cannot_name_a_file_outside_its_folder(tmp_path: Path, name: str) -> None:
    folder, outcome = finished(make_bundle(tmp_path, "ct"), name)
    (tmp_path / "target").mkdir()
    with pytest.raises(PipelineError) as caught:
        fetch_result(folder, outcome, tmp_path / "target")
    assert caught.value.code == "environment.bundle_damaged"


@pytest.mark.skipif(os.name == "nt", reason="Windows lets only some users make symbolic links")
def test_a_result_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    folder, outcome = finished(make_bundle(tmp_path, "ct"))
    secret = tmp_path / "secret"
    secret.write_bytes(b"a result")
    (folder.result / "ct.gltf").unlink()
    (folder.result / "ct.gltf").symlink_to(secret)
    (tmp_path / "target").mkdir()
    with pytest.raises(PipelineError, match="missing"):
        fetch_result(folder, outcome, tmp_path / "target")


def test_an_input_cannot_lie_outside_its_case(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path, "ct")
    folder = first(bundle)
    written = read_json(folder.path / "case.json")
    written["order"]["path"] = "../../secret"
    write_json(folder.path / "case.json", written)
    with pytest.raises(PipelineError, match="no path in a bundle"):
        folder.order(folder.read(), tmp_path, tmp_path)


def test_a_later_version_and_a_broken_list_say_so(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path, "ct")
    written = read_json(bundle.path / "bundle.json")
    write_json(bundle.path / "bundle.json", {**written, "version": 2})
    with pytest.raises(PipelineError, match="version 2"):
        bundle.read()
    (bundle.path / "bundle.json").write_bytes(b'{"version": 1, "id')
    with pytest.raises(PipelineError) as caught:
        bundle.read()
    assert caught.value.code == "environment.bundle_damaged"
    write_json(bundle.path / "bundle.json", {**written, "cases": [{"job": "x"}]})
    with pytest.raises(PipelineError, match=r"cases\[0\]"):
        bundle.read()


def test_what_is_being_written_reads_as_nothing(tmp_path: Path) -> None:
    folder = first(make_bundle(tmp_path, "ct"))
    assert (folder.progress(), folder.outcome(), folder.claim_number()) == (None, None, 0)
    (folder.path / "progress.json").write_bytes(b'{"count": 1, "st')
    assert folder.progress() is None


def test_names_and_paths_of_a_bundle() -> None:
    assert bare_name("a-1") == "a-1"
    assert str(inner_path("input/a b.nii")) == "input/a b.nii"
    for wrong in ("../a", "a/../../b", "/a"):
        with pytest.raises(PipelineError):
            inner_path(wrong)
