"""The pieces of uploads without a server: labels, checksums, forms in pieces, what belongs together."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.specs import OPTION_NAMES
from AutoSegPipelineLib.intake.received import client_input, grouping
from AutoSegPipelineLib.intake.received.client_input import CaseRequest
from AutoSegPipelineLib.web.uploads import body as bodies
from AutoSegPipelineLib.web.uploads import digests, tus
from hypothesis import assume, given, settings
from hypothesis import strategies as some
from support.intake import nifti_bytes
from support.uploads import form

EVIL = [
    "../../etc/passwd", "..\\..\\windows\\system32", "/etc/passwd", "C:\\scan.nii", "a/../../b", "....//x",
    "\\\\server\\share\\x.nii", "nul", "con.nii.gz", "x\0y", "x\r\nSet-Cookie: a=b", "~/.ssh/id", "a/./b",
    ". ./..", "\u202egpj.exe", "scan.nii.gz ", "scan.", "x" * 5000, "é" * 300 + ".nii.gz", "a/" * 500 + "x",
    "", "   ", "..", 'q"u<o>te|s?*.dcm', "lpt1", "\ud800",
]  # fmt: skip


# --- labels ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVIL, ids=lambda name: ascii(name)[:24])
def test_no_name_of_a_client_leads_out_of_its_folder(tmp_path: Path, name: str) -> None:
    label = client_input.clean_name(name)
    target = tmp_path / label
    assert os.path.commonpath([os.path.normpath(target), tmp_path]) == str(tmp_path)
    assert os.path.normpath(target) != str(tmp_path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(b"x")
    for part in label.split("/"):
        assert part not in ("", ".", "..") and part == part.strip() and not part.endswith(".")
        assert not set(part) & set('<>:"|?*\\') and part.isprintable() and len(part.encode()) <= 255


@given(some.text(max_size=300))
@settings(max_examples=300, deadline=None)
def test_a_clean_label_stays_as_it_is(name: str) -> None:
    once = client_input.clean_name(name)
    assert client_input.clean_name(once) == once
    assert ".." not in once.split("/") and not once.startswith("/") and "\\" not in once


def test_the_ending_of_a_long_name_stays_because_it_tells_the_format() -> None:
    assert client_input.clean_name("x" * 500 + ".nii.gz").endswith("x.nii.gz")
    assert client_input.clean_name("ü" * 500 + ".options.json").endswith("ü.options.json")


def test_labels_of_one_input_never_meet_on_the_disk(tmp_path: Path) -> None:
    unique = client_input.UniqueNames()
    names = ["a/1.dcm", "a/1.dcm", "A/1.DCM", "a", "a/1.dcm/x", "b/c", "b", "b/c/d"]
    taken = [unique.take(name, number) for number, name in enumerate(names)]
    for label in taken:
        (tmp_path / label.casefold()).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / label.casefold()).open("x").close()
    assert taken[0] == "a/1.dcm"


# --- checksums --------------------------------------------------------------------------------


def test_checksums_are_read_in_every_usual_spelling() -> None:
    data = b"scan"
    sha, md5 = hashlib.sha256(data).digest(), hashlib.md5(data).digest()
    text = base64.b64encode(sha).decode()
    spellings = [
        {"repr-digest": f"sha-256=:{text}:"},
        {"content-digest": f"unixsum=:aaaa:, sha-256=:{text}:"},
        {"digest": f"SHA-256={text}"},
    ]
    for headers in spellings:
        assert digests.wanted_of(headers) == [digests.Wanted("sha256", sha)]
    found = digests.wanted_of({"content-md5": base64.b64encode(md5).decode()})
    assert found == [digests.Wanted("md5", md5)]
    assert digests.wanted_of({"digest": "crc32=xyz"}) == []


@pytest.mark.parametrize("value", ["sha-256=:abc:", "sha-256=", "sha-256=:!!!!:"])
def test_a_checksum_that_is_none_is_an_error_and_not_passed_over(value: str) -> None:
    with pytest.raises(PipelineError) as raised:
        digests.wanted_of({"repr-digest": value})
    assert raised.value.code == "request.invalid"


# --- forms ------------------------------------------------------------------------------------


def taken_apart(body: bytes, content_type: str, size: int) -> list[Any]:
    """The events of a body that comes in pieces of ``size`` bytes, file bytes joined."""

    async def pieces() -> Any:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    async def collect() -> list[Any]:
        found: list[Any] = []
        async for event in bodies.parts(content_type, pieces()):
            if isinstance(event, bodies.FileBytes) and found and isinstance(found[-1], bytes):
                found[-1] += event.data
            else:
                found.append(event.data if isinstance(event, bodies.FileBytes) else event)
        return found

    return asyncio.run(collect())


@given(some.integers(1, 400), some.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_a_form_is_the_same_in_whatever_pieces_it_comes(size: int, data: bytes) -> None:
    assume(not data.startswith(b"y"))  # which would complete the boundary below
    data = data + b"\r\n------test-boundar" + data + b"\r\n--"
    assume(b"\r\n------test-boundary" not in data)  # no client chooses a boundary that its file contains
    body, content_type = form(("any", 'a"b.nii', data), ("f", "", b""), quality="fast")
    found = taken_apart(body.replace(b'a"b', b"a%22b"), content_type, size)
    assert found[0] == bodies.Field("quality", "fast")
    assert found[1:4] == [bodies.FileBegins("any", 'a"b.nii'), data, bodies.FileEnds()]
    assert found[4:] == [bodies.FileBegins("f", ""), bodies.FileEnds()]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ('filename="a;b.nii"', "a;b.nii"),
        (r'filename="C:\scans\x.nii"', r"C:\scans\x.nii"),
        ("filename*=UTF-8''na%C3%AFve.nii", "naïve.nii"),
        ('filename="骨盆.nii"', "骨盆.nii"),
        ("filename=plain.nii", "plain.nii"),
    ],
)
def test_file_names_are_read_as_browsers_and_curl_write_them(name: str, said: str) -> None:
    assert bodies.disposition(f'form-data; name="f"; {name}') == {"name": "f", "filename": said}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: body[:-30],
        lambda body: body[: len(body) // 2],
        lambda body: b"",
        lambda body: b"no form at all" * 100,
        lambda body: body.replace(b"Content-Disposition", b"X-Nothing"),
        lambda body: body.replace(b"Content-Type:", b"Content-Transfer-Encoding: base64\r\nX:"),
    ],
)
def test_a_broken_form_is_malformed(spoil: Any) -> None:
    body, content_type = form(("f", "x.nii", b"data" * 10))
    with pytest.raises(PipelineError) as raised:
        taken_apart(spoil(body), content_type, 50)
    assert raised.value.code == "web.upload_malformed"


def test_a_form_cannot_fill_the_memory_with_fields_or_headers() -> None:
    body, content_type = form(**{"quality": "x" * (bodies.MOST_FIELD_BYTES + 1)})
    with pytest.raises(PipelineError, match="too long"):
        taken_apart(body, content_type, 65536)
    body, content_type = form(**{f"f{number}": "x" for number in range(bodies.MOST_FIELDS + 1)})
    with pytest.raises(PipelineError, match="form fields"):
        taken_apart(body, content_type, 65536)
    head = b'--b\r\nContent-Disposition: form-data; name="' + b"x" * 100_000
    with pytest.raises(PipelineError, match=r"too long|header size"):
        taken_apart(head, "multipart/form-data; boundary=b", 1000)


# --- requestes -----------------------------------------------------------------------------------


def test_an_unknown_option_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(PipelineError, match="did you mean 'quality'"):
        CaseRequest().add([("qualty", "fast")], "form")
    with pytest.raises(PipelineError, match="did you mean 'detail'"):
        CaseRequest().add([("options", '{"detial": 0.2}')], "form")


def test_options_come_as_fields_and_as_json_and_empty_fields_say_nothing() -> None:
    request = CaseRequest()
    request.add([("quality", ""), ("structures", "liver, spleen"), ("options", '{"detail": 0.5}')], "form")
    assert request.options == {"structures": ["liver", "spleen"], "detail": 0.5}
    assert set(request.options) <= set(OPTION_NAMES)


# --- what belongs together ----------------------------------------------------------------------


def received(root: Path, **files: bytes) -> list[grouping.ReceivedFile]:
    """Files as they lie after an upload; labels with ``__`` for a slash and ``_`` for a dot."""
    found = []
    for number, (name, data) in enumerate(files.items()):
        (root / f"f{number}").write_bytes(data)
        label = name.replace("__", "/").replace("_", ".")
        found.append(grouping.ReceivedFile(f"f{number}", label, len(data), hashlib.sha256(data).hexdigest()))
    return found


def staged(groups: list[grouping.Group]) -> list[dict[str, str]]:
    return [{one.name: name for one, name in made.files} for made in groups]


DICM = b"\0" * 128 + b"DICM"


def test_a_header_and_its_data_are_one_input_and_the_data_keeps_its_name(tmp_path: Path) -> None:
    head = b"NDims = 3\nElementDataFile = ct.raw\n"
    files = received(tmp_path, ct_raw=b"x", other_nii=b"y", ct_mhd=head)
    groups = grouping.group(tmp_path, files, "scan")
    assert staged(groups) == [
        {"other.nii": "000001.nii"},
        {"ct.mhd": "000001.mhd", "ct.raw": "ct.raw"},
    ]


@pytest.mark.parametrize("name", ["../ct.raw", "/etc/passwd", "C:ct.raw", "ct.mhd", "LIST", "a\0b"])
def test_a_header_claims_no_file_by_a_path(tmp_path: Path, name: str) -> None:
    files = received(tmp_path, ct_mhd=f"ElementDataFile = {name}\n".encode(), ct_raw=b"x")
    assert len(grouping.group(tmp_path, files, "scan")) == 2


def test_loose_slices_are_one_input_and_one_slice_alone_is_itself(tmp_path: Path) -> None:
    files = received(tmp_path, a_nii=b"1", I1=DICM + b"1", b_nii=b"2", I2_dcm=DICM + b"2", I3=DICM + b"3")
    groups = grouping.group(tmp_path, files, "scan")
    assert [len(made.files) for made in groups] == [1, 3, 1]
    assert [made.container for made in groups] == [False, True, False]
    alone = grouping.group(tmp_path, files[1:2], "scan")
    assert alone[0].label == "I1" and not alone[0].container


def test_a_folder_is_one_input_with_server_names_and_its_own_names_as_labels(tmp_path: Path) -> None:
    head = b"ElementDataFile = m.raw\n"
    files = received(
        tmp_path, s__a__1=DICM, s__a__2=DICM, s__m_mhd=head, s__m_raw=b"x", s__ct_nii=b"n",
        s__ct_options_json=b"{}", t__1=DICM, alone_nii=b"n",
    )  # fmt: skip
    loose, first, second = grouping.group(tmp_path, files, "scan")
    assert (loose.label, first.label, second.label) == ("alone.nii", "s", "t")
    names = {one.name: name for one, name in first.files}
    assert names["s/m.raw"].endswith("/m.raw")
    assert os.path.dirname(names["s/m.raw"]) == os.path.dirname(names["s/m.mhd"])
    assert names["s/ct.options.json"] == names["s/ct.nii"].replace(".nii", ".options.json")
    assert len(set(names.values())) == len(names)
    intent = first.intent("test", "anna", CaseRequest({"quality": "fast"}))
    assert (intent.by, intent.door, intent.container, intent.options) == (
        "anna", "test", True, {"quality": "fast"},
    )  # fmt: skip
    assert {item.original for item in intent.files} == set(names)


def test_options_beside_a_scan_hold_for_it_alone(tmp_path: Path) -> None:
    files = received(tmp_path, a_nii=b"1", b_nii=b"2", a_options_json=b'{"quality": "fast"}')
    groups = grouping.group(tmp_path, files, "scan")
    assert [made.file_options for made in groups] == [{"quality": "fast"}, {}]
    with pytest.raises(PipelineError, match="belongs to no scan"):
        grouping.group(tmp_path, files[1:], "scan")
    wrong = received(tmp_path, a_nii=b"1", a_options_json=b'{"qualty": 1}')
    with pytest.raises(PipelineError, match=r"a\.options\.json.*did you mean 'quality'"):
        grouping.group(tmp_path, wrong, "scan")


def test_a_table_of_names_goes_with_a_label_map_only_where_one_is_expected(tmp_path: Path) -> None:
    files = received(tmp_path, map_nii=nifti_bytes(), map_csv=b"value,name\n1,liver\n")
    (made,) = grouping.group(tmp_path, files, "segmentation")
    assert [staged for _, staged in made.files] == ["000001.nii", "000002.csv"]
    # Beside a scan it is no table but a file that is passed by.
    (made,) = grouping.group(tmp_path, files, "scan")
    assert [staged for _, staged in made.files] == ["000001.nii", "beside/000002.csv"]


# --- tus ------------------------------------------------------------------------------------------


def test_metadata_is_read_and_what_is_none_is_refused() -> None:
    assert tus.metadata_of("filename c2Nhbi5uaWk=,flag,quality ZmFzdA==") == {
        "filename": "scan.nii", "flag": "", "quality": "fast",
    }  # fmt: skip
    for header in ("a !!!", "a YQ==,a Yg==", "a /w==", "x " + "YQ==" * 10_000):
        with pytest.raises(PipelineError):
            tus.metadata_of(header)
