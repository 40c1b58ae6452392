"""Installed and downloaded: what is missing is installed beside Slicer's own packages or not at all."""

from __future__ import annotations

import re
import socket
import sys
import zipfile
from pathlib import Path
from typing import Iterator

import pytest
import support.skeleton as support
from AutoSegPipelineLib.core.engines import EngineRow
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.store import Store
from AutoSegPipelineLib.slicer_app import downloads, install_packages, package_install
from AutoSegPipelineLib.slicer_app.panel import dependencies
from support.panel import Place, places, text
from support.qt import run_for

PINS = re.compile(r"^([A-Za-z0-9_.-]+)==([^;\s#]+)\s*(;[^#\n]*)?", re.M)
MODULES = {
    "python-multipart": "multipart",
    "argon2-cffi": "argon2",
    "Authlib": "authlib",
    "Jinja2": "jinja2",
    "zipstream-ng": "zipstream",
    "dicom-anonymizer": "dicomanonymizer",
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    for name in ("XDG_DATA_HOME", "LOCALAPPDATA", "HOME"):  # converted networks of this machine's user
        monkeypatch.setenv(name, str(tmp_path / "user"))
    (tmp_path / "wheels").mkdir()
    yield from places(tmp_path)


def pins(path: Path) -> set[tuple[str, str, str]]:
    """(name, version, marker) of each line."""
    found = PINS.findall(path.read_text(encoding="utf-8"))
    return {(name, version, re.sub(r"\s", "", marker)) for name, version, marker in found}


def make_wheels(folder: Path, broken: str = "") -> None:
    """An empty package for each pin of this Python's list."""
    for name, version, _ in pins(install_packages.requirements()):
        module = MODULES.get(name, name.replace("-", "_"))
        stem = f"{name.replace('-', '_')}-{version}"
        with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{module}/__init__.py", "raise ImportError" if name == broken else "")
            wheel.writestr(
                f"{stem}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            )
            wheel.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nTag: py3-none-any\n")
            wheel.writestr(f"{stem}.dist-info/RECORD", "")


def state(place: Place) -> str:
    return str(place.ui.dependenciesTable.item(0, 1).text())


def log(place: Place) -> str:
    return str(place.ui.installLog.toPlainText())


def left(place: Place) -> list[str]:
    return sorted(path.name for path in place.session.home.state.glob("packages*"))


def finished(place: Place) -> bool:
    return not place.ui.installCancelButton.isEnabled()


def test_the_packages_go_into_the_home_after_asking(place: Place) -> None:
    make_wheels(place.folder / "wheels")
    before = install_packages.own_packages()
    place.host.yes = False
    place.ui.installButton.click()
    assert [kind for kind, _ in place.host.asked] == ["confirm"] and finished(place)
    place.host.yes = True
    place.ui.installButton.click()
    assert place.ui.installProgress.isVisibleTo(place.panel.widget) and not finished(place)
    place.until(lambda: finished(place))
    assert state(place) == "installed", log(place)
    assert left(place) == ["packages"]
    assert (place.session.home.state / "packages" / "fastapi" / "__init__.py").is_file()
    assert install_packages.own_packages() == before
    assert not place.ui.installButton.isEnabled()
    (place.session.home.state / "packages" / install_packages.MARK).write_text("{}", encoding="utf-8")
    place.ui.checkButton.click()
    assert state(place) == "outdated" and place.ui.installButton.isEnabled()


@pytest.mark.parametrize(("broken", "word"), [("fastapi", "do not work"), ("none", "pip has failed")])
def test_an_installation_that_fails_leaves_nothing_and_says_why(place: Place, broken: str, word: str) -> None:
    if broken != "none":
        make_wheels(place.folder / "wheels", broken)
    place.ui.installButton.click()
    place.until(lambda: finished(place))
    assert word in log(place) and left(place) == [] and state(place) == "not installed"
    assert "did not work" in text(place.ui.noticeLabel)


def test_a_folder_that_cannot_be_written_is_named(place: Place) -> None:
    place.session.home.create()
    (place.session.home.state / "packages.part").write_bytes(b"in the way")
    place.ui.installButton.click()
    place.until(lambda: finished(place))
    assert f"{place.session.home.state / 'packages.part'} cannot be written" in log(place)


def test_an_installation_can_be_cancelled_and_leaves_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as silent:  # a server that takes connections and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen(5)
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/simple")
        place.ui.installButton.click()
        place.until(lambda: left(place) == ["packages.part"])
        run_for(1.0)
        place.ui.installCancelButton.click()
        place.until(lambda: finished(place), 60)
    assert left(place) == [] and "cancelled" in log(place)


def test_the_extension_installs_its_own_packages_itself(place: Place) -> None:
    make_wheels(place.folder / "wheels")
    place.host.extensions = {"TotalSegmentator", "OpenAnatomyExport"}
    place.session.home.create()
    store = Store(place.session.home.store)
    store.meta.set("describe", {"engines": [{"name": "totalsegmentator", "ok": False, "missing": ["torch"]}]})
    store.close()
    place.panel.tick()
    table = place.ui.dependenciesTable
    rows = {table.item(row, 0).text(): table.item(row, 1).text() for row in range(table.rowCount())}
    assert rows["Extension TotalSegmentator"] == rows["Extension OpenAnatomy Export"] == "installed"
    assert rows["Extension SurfaceToolbox"] == "not installed"
    place.ui.installButton.click()
    place.until(lambda: ("set up", "TotalSegmentator") in place.host.asked)
    assert state(place) == "installed"
    assert not any("torch" in line for line in log(place).splitlines())


def shown(place: Place) -> dict[str, tuple[str, str]]:
    """State and advice of each row."""
    table = place.ui.dependenciesTable
    return {
        table.item(row, 0).text(): (table.item(row, 1).text(), table.item(row, 2).text())
        for row in range(table.rowCount())
    }


def test_the_texts_about_the_engine_with_an_extension(place: Place) -> None:
    name = "TotalSegmentator for the worker"
    assert shown(place)[name] == (
        "not known yet",
        "Install the extension TotalSegmentator first (View > Extension Manager).",
    )
    assert shown(place)["Extension TotalSegmentator"][1] == (
        'For the engine "slicer" and the installation of models: install TotalSegmentator in '
        "View > Extension Manager."
    )
    place.host.extensions = {"TotalSegmentator"}
    place.panel.dependencies.describe([{"name": "totalsegmentator", "ok": False}])
    assert shown(place)[name] == (
        "not installed",
        "The extension TotalSegmentator installs it, with PyTorch and nnU-Net.",
    )


def test_nnunet_is_added_by_pip_after_the_extension_pytorch(place: Place) -> None:
    make_wheels(place.folder / "wheels")
    name = "nnU-Net (own models) for the worker"
    assert shown(place)[name][1] == "Install the extension PyTorch first (View > Extension Manager)."
    assert shown(place)["Extension PyTorch"][0] == "not installed"
    place.host.extensions = {"PyTorchUtils"}
    place.panel.dependencies.describe([{"name": "nnunet", "ok": False}])
    assert shown(place)["Extension PyTorch"][0] == "installed"
    assert shown(place)[name] == (
        "not installed",
        "Install... adds nnunetv2>=2.3.1, after the extension PyTorch has installed its part.",
    )
    place.ui.installButton.click()
    place.until(lambda: finished(place))
    assert place.host.asked[1:] == [("set up", "PyTorchUtils"), ("install", "nnunetv2>=2.3.1")]


def test_openvino_is_offered_where_networks_work_and_can_be_removed(place: Place, monkeypatch) -> None:
    make_wheels(place.folder / "wheels")
    name, converted = "OpenVINO for the worker", place.folder / "converted"
    place.panel.dependencies.describe([{"name": "tissue", "ok": True}, {"name": "nnunet", "ok": False}])
    assert name not in shown(place)
    place.panel.dependencies.describe([{"name": "nnunet", "ok": True}])
    assert shown(place)[name][0] == "not installed" and "adds openvino" in shown(place)[name][1]
    place.ui.installButton.click()
    place.until(lambda: finished(place))
    assert ("install", "openvino") in place.host.asked
    monkeypatch.setattr(downloads, "is_installed", lambda package: package == "openvino")
    monkeypatch.setattr(downloads.kept, "folder", lambda: converted)
    (converted / "a").mkdir(parents=True)
    place.ui.checkButton.click()
    assert shown(place)[name][0] == "installed"
    found = [one for one in downloads.look(place.session.home) if "OpenVINO" in one.title]
    assert [one.packages or one.folder for one in found] == [("openvino",), converted]


def test_what_pip_could_not_install_is_said_also_after_the_homes_own_packages(place: Place) -> None:
    make_wheels(place.folder / "wheels")
    place.host.extensions = {"PyTorchUtils"}
    place.panel.dependencies.describe([{"name": "nnunet", "ok": False}])

    def fails(packages: list[str]) -> None:
        raise PipelineError("install.failed", "pip could not install nnunetv2")

    place.host.install = fails  # type: ignore[method-assign]
    place.ui.installButton.click()
    place.until(lambda: finished(place))
    assert "pip could not install nnunetv2" in text(place.ui.noticeLabel)


def test_an_engine_more_is_shown_by_its_row(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (
        EngineRow("bone", "bone.Bone", title="Bone Finder", package="bone", pip=("bone-finder", "torch")),
        EngineRow("heart", "heart.Heart", package="heart", extension="Hearts"),
        EngineRow("plain", "plain.Plain"),
    )
    monkeypatch.setattr(dependencies, "ENGINES", rows)
    place.host.extensions = {"Hearts"}
    place.panel.dependencies.describe([{"name": "bone", "ok": False}, {"name": "heart", "ok": False}])
    assert shown(place)["Bone Finder for the worker"] == (
        "not installed",
        "Install... adds bone-finder, torch.",
    )
    assert shown(place)["heart for the worker"] == ("not installed", "The extension Hearts installs it.")
    assert "Extension Hearts" in shown(place) and "Extension TotalSegmentator" not in shown(place)
    assert not any("plain" in name for name in shown(place)), "it needs nothing"
    place.panel.dependencies._install_engines()
    assert place.host.asked == [("set up", "Hearts"), ("install", "bone-finder", "torch")]
    place.panel.dependencies.describe([{"name": "bone", "ok": True, "note": "well"}])
    assert shown(place)["Bone Finder for the worker"] == ("installed", "well")


def test_what_is_missing_says_how_to_get_it(place: Place) -> None:
    table = place.ui.dependenciesTable
    rows = {table.item(row, 0).text(): table.item(row, 2).text() for row in range(table.rowCount())}
    assert str(place.session.home.state / "packages") in rows["Full web server and PACS"]
    assert "Extension Manager" in rows["Extension OpenAnatomy Export"]
    assert "Extension Manager" in rows["Extension TotalSegmentator"]


def test_the_lists_in_the_library_are_those_of_the_requirements() -> None:
    folder = Path(install_packages.__file__).parent / "packages"
    old, new = pins(folder / "py39.txt"), pins(folder / "py310.txt")
    assert len(old) > 15 and len(new) > 15
    listed = support.ROOT / "requirements" / "slicer-packages-py39.txt"
    if listed.exists():
        assert old == pins(listed)
    base = pins(support.ROOT / "requirements" / "base.txt")
    if any(name == "fastapi" for name, _, _ in base):
        assert new - base == set()


def test_an_installation_whose_program_is_not_there_says_so(place: Place) -> None:
    lines: list[str] = []
    ended: list[bool] = []
    missing = str(place.folder / "nowhere" / "python")
    one = package_install.Installation(place.session.home, missing, lines.append, ended.append)
    one.start()
    place.until(lambda: ended == [False])
    assert missing in lines[0] and sys.executable not in lines[0]


# --- removing -----------------------------------------------------------------------------------------


@pytest.fixture
def downloaded(place: Place, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Packages in the home and models of TotalSegmentator; the folder of the models."""
    weights = place.folder / "models"
    own = place.session.home.state / "packages" / "fastapi" / "__init__.py"
    for path in (own, weights / "Dataset297" / "a.pth"):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x" * 3_000_000)
    monkeypatch.setenv("TOTALSEG_WEIGHTS_PATH", str(weights))
    rows = (
        EngineRow(
            "totalsegmentator",
            title="TotalSegmentator",
            pip=("pytest", "no-such-package"),
            weights_folder="totalsegmentator.weights.folder",
        ),
    )
    monkeypatch.setattr(downloads, "ENGINES", rows)
    return weights


def test_everything_that_was_downloaded_can_be_removed(place: Place, downloaded: Path) -> None:
    place.session.change(dicom=True)
    place.host.ticked = ("Trained models", "Packages of the full")
    place.ui.removeDownloadsButton.click()
    place.until(lambda: finished(place))
    kind, own, models, packages = place.host.asked[0]
    assert kind == "choose" and own.endswith("packages, 2 MB)") and str(downloaded) in models
    assert packages == "Python packages of TotalSegmentator in Slicer (pytest)"
    assert place.host.asked[1][0] == "confirm"
    assert not downloaded.exists() and left(place) == [] and list(place.folder.glob("models*")) == []
    assert "dicom" not in place.written(), "the process that used the packages is not wanted any more"
    assert f"removed {downloaded}" in log(place) and text(place.ui.noticeLabel) == ""


def test_packages_of_slicers_python_are_uninstalled_by_slicer(place: Place, downloaded: Path) -> None:
    place.host.ticked = ("Python packages",)
    place.ui.removeDownloadsButton.click()
    assert place.host.asked[-1] == ("uninstall", "pytest")
    assert downloaded.is_dir() and left(place) == ["packages"]


def test_nothing_goes_without_a_yes(place: Place, downloaded: Path) -> None:
    place.ui.removeDownloadsButton.click()
    assert [kind for kind, *_ in place.host.asked] == ["choose"], "nothing was ticked"
    place.host.ticked, place.host.yes = ("Trained", "Packages", "Python"), False
    place.ui.removeDownloadsButton.click()
    assert [kind for kind, *_ in place.host.asked] == ["choose", "choose", "confirm"]
    assert downloaded.is_dir() and left(place) == ["packages"] and finished(place)


def test_where_nothing_was_downloaded_that_is_said(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOTALSEG_WEIGHTS_PATH", str(place.folder / "nowhere"))
    monkeypatch.setattr(downloads, "ENGINES", ())
    place.ui.removeDownloadsButton.click()
    assert text(place.ui.noticeLabel) == "Nothing was downloaded for this module."
    assert place.host.asked == []


def test_removing_sets_no_extension_up_again(place: Place, downloaded: Path) -> None:
    place.host.extensions = {"TotalSegmentator"}
    place.panel.dependencies.describe([{"name": "totalsegmentator", "ok": False}])
    place.host.ticked = ("Trained models",)
    place.ui.removeDownloadsButton.click()
    place.until(lambda: finished(place))
    assert not downloaded.exists()
    assert [kind for kind, *_ in place.host.asked] == ["choose", "confirm"]
