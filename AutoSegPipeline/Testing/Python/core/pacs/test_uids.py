"""UIDs of objects: the same for the same job and kind, nobody else's, and as the standard has them."""

from __future__ import annotations

import re
import uuid

from AutoSegPipelineLib.core.pacs.uids import derived_uid, object_uid


def test_they_follow_from_secret_job_version_and_kind() -> None:
    first = object_uid("secret", "job", 1, "seg")
    assert first == object_uid("secret", "job", 1, "seg")
    others = {
        object_uid("other", "job", 1, "seg"), object_uid("secret", "joc", 1, "seg"),
        object_uid("secret", "job", 2, "seg"), object_uid("secret", "job", 1, "report"),
        derived_uid(first, "series"), derived_uid(first, "instance", 0), derived_uid(first, "instance", 1),
    }  # fmt: skip
    assert len(others) == 7 and first not in others


def test_they_are_uuids_below_2_25() -> None:
    for number in range(200):
        uid = object_uid("secret", str(number), 1, "seg")
        assert re.fullmatch(r"2\.25\.[1-9][0-9]*", uid) and len(uid) <= 64
        as_uuid = uuid.UUID(int=int(uid.rpartition(".")[2]))
        assert (as_uuid.version, as_uuid.variant) == (8, uuid.RFC_4122)
