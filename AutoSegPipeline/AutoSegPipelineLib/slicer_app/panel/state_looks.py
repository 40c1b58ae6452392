"""How the state of a job looks in the table: a word, a colour for light and dark, an icon of the host."""

from __future__ import annotations

from dataclasses import dataclass

from ...core import states
from ...runtime import qt
from .texts import _


@dataclass(frozen=True)
class Look:
    """``icon`` is a standard icon of Qt's styles; colours are for a light and for a dark background."""

    word: str
    icon: str
    on_light: str
    on_dark: str


_GREY, _BLUE = ("#5f6368", "#b0b4b9"), ("#0b57a4", "#7cb7f5")
LOOKS: dict[str, Look] = {
    states.RECEIVING: Look("Receiving", "SP_ArrowDown", *_GREY),
    states.INSPECTING: Look("Checking", "SP_FileDialogContentsView", *_GREY),
    states.QUEUED: Look("Queued", "SP_FileDialogListView", *_GREY),
    states.PREPARING: Look("Reading", "SP_BrowserReload", *_BLUE),
    states.SEGMENTING: Look("Segmenting", "SP_BrowserReload", *_BLUE),
    states.EXPORTING: Look("Writing", "SP_BrowserReload", *_BLUE),
    states.PUBLISHING: Look("Publishing", "SP_BrowserReload", *_BLUE),
    states.DONE: Look("Done", "SP_DialogApplyButton", "#1e6b30", "#7bd88f"),
    states.REFUSED: Look("Refused", "SP_MessageBoxWarning", "#8a5300", "#f2b661"),
    states.FAILED: Look("Failed", "SP_MessageBoxCritical", "#b3261e", "#ff8a80"),
    states.CANCELLED: Look("Cancelled", "SP_DialogCancelButton", *_GREY),
}


def word(state: str) -> str:
    """What people read for a state."""
    return _(LOOKS[state].word)


def dress(item: qt.QtObject, table: qt.QtObject, state: str) -> None:
    """Give a cell of ``table`` the look of ``state``; its text is set by whoever fills the table."""
    look, everything = LOOKS[state], qt.everything()
    picture = qt.enumerator(everything.QStyle, "StandardPixmap", look.icon)
    item.setIcon(table.style().standardIcon(picture))
    # The colour of text says what the background is in either host, also in a theme of the user's own.
    dark = _lightness(item_colour(table, everything)) > 127
    item.setForeground(everything.QBrush(everything.QColor(look.on_dark if dark else look.on_light)))


def item_colour(table: qt.QtObject, everything: qt.QtObject) -> qt.QtObject:
    """The colour in which ``table`` writes by itself."""
    role = qt.enumerator(everything.QPalette, "ColorRole", "Text")
    palette = table.palette
    return (palette() if callable(palette) else palette).color(role)


def _lightness(colour: qt.QtObject) -> int:
    return int(colour.lightness())
