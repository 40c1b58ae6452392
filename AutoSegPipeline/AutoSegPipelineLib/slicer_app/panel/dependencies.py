"""What is here, what is missing and how to get it; the button that installs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from ...core.engines import BACK_END_PACKAGE, ENGINES, EngineRow
from ...runtime import qt
from .. import downloads, package_install
from ..session import Session
from . import ui
from .part import Part
from .texts import _

PART, STATE, ADVICE = range(3)
OWN = "own"  # packages of our own, in the home
_MANAGER = "View > Extension Manager"


@dataclass(frozen=True)
class Dependency:
    """One row: ``install`` says what the button does about it: :data:`OWN`, an engine's name, a package or
    nothing.
    """

    name: str
    state: str
    advice: str = ""
    install: str = ""


def look(session: Session, engines: list[dict[str, object]]) -> list[Dependency]:
    """Everything that is of use and not part of Slicer."""
    host = session.host
    own = package_install.packages_state(session.home)
    words = {"installed": _("installed"), "missing": _("not installed"), "outdated": _("outdated")}
    offer = "" if own == "installed" else OWN
    place = str(package_install.packages_folder(session.home))
    about = _("Packages of both; they go into {folder}.").format(folder=place)
    rows = [Dependency(_("Full web server and PACS"), words[own], about, offer)]
    for row in ENGINES:
        if row.package:
            described = next((one for one in engines if one.get("name") == row.name), None)
            rows.append(_engine(row, described, not row.module or host.extension(row.module)))
    rows += _back_end(engines)
    for name, module in {row.extension: row.module for row in ENGINES if row.extension}.items():
        rows.append(_extension(name, host.extension(module), _users(name)))
    there = host.extension("OpenAnatomyExport")
    rows.append(_extension("OpenAnatomy Export", there, _('the exporter "openanatomy"')))
    if there and not host.extension("Decimation"):
        rows.append(
            _extension("SurfaceToolbox", False, _("OpenAnatomy Export, which reduces surfaces with it"))
        )
    return rows


def _engine(row: EngineRow, described: dict[str, object] | None, ready: bool) -> Dependency:
    """An engine that needs a package; ``described`` is what a worker said of it.

    ``ready``: the extension that it needs is there.
    """
    name = _("{engine} for the worker").format(engine=row.shown)
    if described is not None and described.get("ok"):
        return Dependency(name, _("installed"), str(described.get("note") or ""))
    state = _("not known yet") if described is None else _("not installed")
    if not ready:
        advice = _("Install the extension {name} first ({where}).").format(name=row.extension, where=_MANAGER)
    elif row.added and row.extension:
        text = _("Install... adds {packages}, after the extension {name} has installed its part.")
        advice = text.format(packages=", ".join(row.added), name=row.extension)
    elif row.added:
        advice = _("Install... adds {packages}.").format(packages=", ".join(row.added))
    elif row.brings:
        text = _("The extension {name} installs it, with {what}.")
        advice = text.format(name=row.extension, what=row.brings)
    else:
        advice = _("The extension {name} installs it.").format(name=row.extension)
    return Dependency(name, state, advice, row.name if ready and described is not None else "")


def _back_end(engines: list[dict[str, object]]) -> list[Dependency]:
    """What computes networks faster on the CPU, where an engine with networks works."""
    works = {one.get("name") for one in engines if one.get("ok")}
    if not any(row.name in works and "torch" in row.pip for row in ENGINES):
        return []
    name = _("OpenVINO for the worker")
    if downloads.is_installed(BACK_END_PACKAGE):
        return [Dependency(name, _("installed"))]
    text = _("Install... adds {packages}, which computes networks faster on the CPU.")
    advice = text.format(packages=BACK_END_PACKAGE)
    return [Dependency(name, _("not installed"), advice, BACK_END_PACKAGE)]


def _users(extension: str) -> str:
    """What needs this extension."""
    rows = [row for row in ENGINES if row.extension == extension]
    for_what = [_('the engine "{name}"').format(name=row.name) for row in rows if not row.engine]
    if any(row.weights for row in rows):
        for_what.append(_("the installation of models"))
    elif any(row.package for row in rows):
        for_what.append(_("the installation of packages"))
    return _(" and ").join(for_what)


def _extension(name: str, there: bool, what_for: str) -> Dependency:
    title = _("Extension {name}").format(name=name)
    if there:
        return Dependency(title, _("installed"))
    advice = _("For {what}: install {name} in {where}.").format(what=what_for, name=name, where=_MANAGER)
    return Dependency(title, _("not installed"), advice)


class DependenciesPart(Part):
    """Shows :func:`look` and runs an :class:`~..package_install.Installation`."""

    def __init__(self, session: Session, widgets: ui.Widgets, say: Callable[[str], None]) -> None:
        super().__init__(session, widgets, say)
        self._engines: list[dict[str, object]] = []
        self._rows: list[Dependency] = []
        self._installation: package_install.Installation | None = None
        table = widgets.dependenciesTable
        table.setColumnCount(3)
        table.setHorizontalHeaderLabels([_("What"), _("State"), _("How to get it")])
        table.verticalHeader().hide()
        to_contents = qt.enumerator(qt.everything().QHeaderView, "ResizeMode", "ResizeToContents")
        table.verticalHeader().setSectionResizeMode(to_contents)
        table.horizontalHeader().setStretchLastSection(True)
        table.setColumnWidth(PART, 190)
        widgets.installProgress.hide()
        widgets.installLog.hide()
        self.on_click(widgets.installButton, self._install)
        self.on_click(widgets.installCancelButton, self._cancel)
        self.on_click(widgets.checkButton, self.refresh)
        self.on_click(widgets.removeDownloadsButton, self._remove)
        self.refresh()

    def describe(self, engines: list[dict[str, object]]) -> None:
        """What the workers said they can do."""
        if engines != self._engines:
            self._engines = engines
            self.refresh()

    def refresh(self) -> None:
        """Look again."""
        rows = look(self.session, self._engines)
        if rows != self._rows:
            self._rows = rows
            self._show()
        busy = self._installation is not None
        missing = any(row.install for row in rows)
        ui.set_enabled(self.ui.installButton, missing and not busy and not self.read_only)
        ui.set_enabled(self.ui.installCancelButton, busy)
        ui.set_enabled(self.ui.removeDownloadsButton, not busy and not self.read_only)

    def _show(self) -> None:
        table, item = self.ui.dependenciesTable, qt.everything().QTableWidgetItem
        table.setRowCount(len(self._rows))
        for number, row in enumerate(self._rows):
            for column, text in enumerate((row.name, row.state, row.advice)):
                cell = item(text)
                cell.setToolTip(text)
                table.setItem(number, column, cell)

    def _install(self) -> None:
        missing = [row for row in self._rows if row.install]
        names = "\n".join(f"- {row.name}" for row in missing)
        text = _("Install these from the internet?\n\n{names}\n\nSlicer's own packages are not changed.")
        text = text.format(names=names)
        if any(row.install not in ("", OWN) for row in missing):
            text += "\n\n" + _("Extensions install their own part; Slicer does not respond meanwhile.")
        if not missing or not self.session.host.confirm(text):
            return
        self.ui.installLog.clear()
        self.ui.installLog.show()
        if any(row.install == OWN for row in missing):
            self._begin([])
        else:
            self._install_engines()

    def _remove(self) -> None:
        """Have the user choose among what was downloaded, and remove that."""
        session = self.session
        found = downloads.look(session.home)
        if not found:
            self.say(_("Nothing was downloaded for this module."))
            return
        title = _("Remove what was downloaded")
        chosen = [found[number] for number in session.host.choose_of(title, [one.text for one in found])]
        names = "\n".join(f"- {one.text}" for one in chosen)
        if not chosen or not session.host.confirm(_("Remove these?\n\n{names}").format(names=names)):
            return
        self.ui.installLog.clear()
        self.ui.installLog.show()
        packages = list(dict.fromkeys(name for one in chosen for name in one.packages))  # engines share some
        if packages:
            session.host.uninstall(packages)
            text = _("Removed {names}. Restart Slicer.").format(names=", ".join(packages))
            self.ui.installLog.appendPlainText(text)
        folders = [one.folder for one in chosen if one.folder is not None]
        if package_install.packages_folder(session.home) in folders:  # its users go first
            if session.server_kind == "full":
                session.stop_server()
            session.change(dicom=None)
        if folders:
            self._begin(folders)
        self.refresh()

    def _begin(self, remove: list[Path]) -> None:
        session = self.session
        self._installation = package_install.Installation(
            session.home,
            session.host.python(),
            self.ui.installLog.appendPlainText,
            self._removed if remove else self._installed,
            remove,
        )
        self.ui.installProgress.show()
        self._installation.start()
        self.refresh()

    def _installed(self, worked: bool) -> None:
        self._removed(worked)
        if worked and any(row.install not in ("", OWN) for row in self._rows):
            self.doing(self._install_engines)()

    def _removed(self, worked: bool) -> None:
        self._installation = None
        self.ui.installProgress.hide()
        if not worked:
            self.say(_("That did not work; see the log under Installed and downloaded."))
        self.refresh()

    def _install_engines(self) -> None:
        """Have each extension install its own part, and pip what an engine needs besides."""
        host, say = self.session.host, self.ui.installLog.appendPlainText
        wanted = [row for row in ENGINES if row.name in [one.install for one in self._rows]]
        for name, module in {row.extension: row.module for row in wanted if row.module}.items():
            say(_("The extension {name} installs what it needs.").format(name=name))
            host.set_up_extension(module)
        packages = list(dict.fromkeys(package for row in wanted for package in row.added))
        if any(one.install == BACK_END_PACKAGE for one in self._rows):
            packages.append(BACK_END_PACKAGE)
        if packages:
            say(_("Installing {packages} ...").format(packages=", ".join(packages)))
            host.install(packages)
        say(_("Restart the pipeline to use it."))
        self.refresh()

    def _cancel(self) -> None:
        if self._installation is not None:
            self._installation.cancel()

    def close(self) -> None:
        """The panel goes; what is being installed is given up."""
        if self._installation is not None:
            self._installation.cancel()
