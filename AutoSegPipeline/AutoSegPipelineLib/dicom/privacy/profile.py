"""The Basic Application Level Confidentiality Profile (PS3.15, annex E) for what this program sends.

Tables and actions are those of dicom-anonymizer. It applies them to the outermost data set alone and
draws random UIDs; here each nested data set is treated as the standard says, and UIDs and pseudonyms come
from the table that leads back.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Callable, Dict, Tuple

from ...core.errors import PipelineError

if TYPE_CHECKING:
    from pydicom import DataElement, Dataset

# Of PS3.15 2026c; a Python 3.9 gets a release of the library that has older ones only.
TABLES = ("dicomfields_2026c", "dicomfields_2024b", "dicomfields_2023")
_CONTENT_SEQUENCE = (0x0040, 0xA730)
_DOCUMENT = (0x0042, 0x0011)
_PATIENT_NAME = (0x0010, 0x0010)
_PATIENT_ID = (0x0010, 0x0020)
_DATES = {"DA": "19000101", "DT": "19000101000000", "TM": "000000"}  # what stands for one
# What DeidentificationMethodCodeSequence says (PS3.16, CID 7050).
BASIC_PROFILE = ("113100", "Basic Application Confidentiality Profile")
CLEAN_CONTENT = ("113104", "Clean Structured Content Option")

_Tag = Tuple[int, int]
_Group = Tuple[int, int, int, int]  # group, element and which of their bits count: overlays 60xx and curves
Action = Callable[["Dataset", _Tag], None]


class Profile:
    """What becomes of each element; ``replaced`` collects the UIDs, from replacement to original.

    ``own``: the object was written by this program, so that a report's texts and a model's bytes are known
    to say nothing of the patient.
    """

    def __init__(self, pseudonym: str, uid: Callable[[str], str], own: bool) -> None:
        self.replaced: dict[str, str] = {}
        self._pseudonym = pseudonym
        self._uid = uid
        self._own = own
        self._actions, self._groups = self._all_actions()

    def apply(self, data: Dataset) -> None:
        """Change ``data`` and every data set in it. Raises ``dicom.cannot_deidentify``."""
        for element in list(data):
            tag = (element.tag.group, element.tag.element)
            action = self._action_of(tag)
            if element.tag.is_private:
                del data[element.tag]
            elif action is not None:
                self._act(action, data, element, tag)
            elif element.VR == "SQ":
                self._items(element)

    def _action_of(self, tag: _Tag) -> Action | None:
        found = self._actions.get(tag)
        if found is None:
            for (group, number, group_bits, number_bits), action in self._groups.items():
                if tag[0] & group_bits == group & group_bits and tag[1] & number_bits == number & number_bits:
                    return action
        return found

    def _act(self, action: Action, data: Dataset, element: DataElement, tag: _Tag) -> None:
        try:
            action(data, tag)
        except NotImplementedError:  # a kind of value for which the library has no dummy
            del data[element.tag]

    def _items(self, element: DataElement) -> None:
        for item in element.value or ():
            self.apply(item)

    # --- the table of actions ------------------------------------------------------------------

    def _all_actions(self) -> tuple[dict[_Tag, Action], dict[_Group, Action]]:
        library = _library()
        given = _newest(library)
        own = {
            library.delete: self._remove,
            library.empty: self._empty(library.empty),
            library.delete_or_empty: self._empty(library.delete_or_empty),
            library.replace_UID: self._replace_uid,
            library.delete_or_empty_or_replace_UID: self._replace_uid,
        }
        actions = {tag: own.get(action) or self._dummy(action) for tag, action in given.items()}
        actions[_PATIENT_NAME] = actions[_PATIENT_ID] = self._name_patient
        actions[_CONTENT_SEQUENCE], actions[_DOCUMENT] = self._clean_content, self._keep_document
        single = {(tag[0], tag[1]): action for tag, action in actions.items() if len(tag) == 2}
        groups = {(tag[0], tag[1], tag[2], tag[3]): act for tag, act in actions.items() if len(tag) == 4}
        return single, groups

    def _remove(self, data: Dataset, tag: _Tag) -> None:
        """X. The library leaves a date there, of the year 1."""
        del data[tag]

    def _empty(self, usual: Action) -> Action:
        """Z: without a value, which the library gives to dates and, item by item, to sequences."""

        def act(data: Dataset, tag: _Tag) -> None:
            element = data[tag]
            if element.VR == "SQ":
                element.value = []
            elif element.VR in _DATES:
                element.value = ""
            else:
                usual(data, tag)

        return act

    def _dummy(self, usual: Action) -> Action:
        """D and its kin. The library draws UIDs that nobody can lead back, and dates of a year that readers
        refuse.
        """

        def act(data: Dataset, tag: _Tag) -> None:
            if data[tag].VR == "UI":
                self._replace_uid(data, tag)
            else:
                usual(data, tag)
                if data[tag].VR in _DATES:
                    data[tag].value = _DATES[data[tag].VR]

        return act

    def _replace_uid(self, data: Dataset, tag: _Tag) -> None:
        """U, also for each reference in a sequence."""
        element = data[tag]
        if element.VR == "SQ":
            self._items(element)
        elif element.value:
            one = isinstance(element.value, str)
            found = [self._uid_of(uid) for uid in ([element.value] if one else element.value)]
            element.value = found[0] if one else found

    def _uid_of(self, original: str) -> str:
        found = self._uid(str(original))
        self.replaced[found] = str(original)
        return found

    def _name_patient(self, data: Dataset, tag: _Tag) -> None:
        data[tag].value = self._pseudonym

    def _clean_content(self, data: Dataset, tag: _Tag) -> None:
        """The Clean Structured Content Option: what is known to be free of identity stays."""
        if not self._own:
            raise PipelineError("dicom.cannot_deidentify", "a report of another program may say anything")
        self._items(data[tag])

    def _keep_document(self, data: Dataset, tag: _Tag) -> None:
        if not self._own:
            raise PipelineError("dicom.cannot_deidentify", "a document of another program may say anything")


def _newest(library: ModuleType) -> Dict[Tuple[int, ...], Action]:
    for tables in TABLES[:-1]:
        try:
            return dict(library.initialize_actions(tables))
        except ValueError:  # this release does not have them
            continue
    return dict(library.initialize_actions(TABLES[-1]))


def _library() -> ModuleType:
    try:
        from dicomanonymizer import simpledicomanonymizer
    except ImportError as error:
        raise PipelineError("dicom.no_anonymizer", f"dicom-anonymizer cannot be used: {error}") from None
    return simpledicomanonymizer
