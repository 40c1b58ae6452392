"""Settings, options, protocol, folders, locks, incoming bytes, times to come."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from AutoSegPipelineLib.core import file_systems, incoming, lock, settings, specs, states
from AutoSegPipelineLib.core.errors import CODES, Cancelled, EngineFailed, PipelineError, from_dict
from AutoSegPipelineLib.core.events import EventBus, JobAdded
from AutoSegPipelineLib.core.files import contained, is_link, remove_tree, write_json
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.core.messages.child_messages import Log, Progress, Quit
from AutoSegPipelineLib.core.messages.worker_messages import RunCase
from AutoSegPipelineLib.core.protocol import (
    MAX_LINE,
    Envelope,
    LineBuffer,
    ProtocolError,
    decode,
    encode,
    from_line,
    pack,
    unpack,
)
from AutoSegPipelineLib.core.segmentation import Grid, Segment, Segmentation

LIBRARY = Path(specs.__file__).parents[2]


def test_a_flag_beats_the_environment_beats_the_file_beats_the_default() -> None:
    found = settings.resolve({"quality": "fastest"}, {"AUTOSEG_QUALITY": "fast"}, {"quality": "normal"})
    assert (found["quality"], found.origins["quality"]) == ("fastest", "--quality")
    found = settings.resolve({}, {"AUTOSEG_QUALITY": "fast"}, {"quality": "normal"})
    assert (found["quality"], found.origins["quality"]) == ("fast", "AUTOSEG_QUALITY")
    found = settings.resolve({}, {}, {"quality": "fast"})
    assert (found["quality"], found.origins["quality"]) == ("fast", "settings.json")
    assert settings.resolve({}, {}, {}).origins["quality"] == "default"


def test_an_unknown_option_is_named_with_the_nearest_known_one() -> None:
    with pytest.raises(PipelineError, match=r"ct\.options\.json.*'qualty'.*did you mean 'quality'") as caught:
        specs.parse_options({"qualty": "fast"}, "ct.options.json")
    assert caught.value.code == "options.unknown_key"


@pytest.mark.parametrize(
    ("name", "value"),
    [("quality", "slow"), ("detail", "much"), ("detail", 0), ("priority", 101), ("priority", 1.5),
     ("smoothing", "perhaps"), ("formats", ["gltf", "pdf"]), ("detail", float("nan")), ("structures", 5)],
)  # fmt: skip
def test_a_wrong_value_is_refused_with_the_option_and_the_origin(name: str, value: object) -> None:
    with pytest.raises(PipelineError, match=f"here: {name}") as caught:
        specs.parse_options({name: value}, "here")
    assert caught.value.code == "options.invalid"


def test_gltf_and_manifest_are_always_among_the_formats() -> None:
    assert specs.parse_options({"formats": "stl"}, "here")["formats"] == ["gltf", "stl", "manifest"]


def test_the_callers_options_beat_those_beside_the_scan_beat_the_folders() -> None:
    base = settings.Settings.defaults(quality="fastest")
    layers = ({"priority": 1}, {"priority": 2, "detail": 0.5}, {"detail": 0.9, "smoothing": False})
    found = settings.resolve_options(base, *layers)
    assert (found["priority"], found["detail"], found["smoothing"], found["quality"]) == (
        1,
        0.5,
        False,
        "fastest",
    )


def test_errors_travel_as_dictionaries_and_through_pickles() -> None:
    error = EngineFailed("engine.failed", "it broke", exit_code=3)
    assert from_dict(error.to_dict()).message == "it broke"
    assert pickle.loads(pickle.dumps(error)).code == "engine.failed"
    assert pickle.loads(pickle.dumps(Cancelled())).code == "job.cancelled"
    with pytest.raises(ValueError, match="not in the table"):
        PipelineError("no.such_code", "")
    assert all(hint.endswith((".", "`")) or hint for hint in CODES.values())


def test_every_state_but_the_ends_leads_somewhere_and_the_ends_only_back() -> None:
    assert set(states.TRANSITIONS) == set(states.ALL)
    for state, followers in states.TRANSITIONS.items():
        assert followers <= set(states.ALL)
        if state in states.ENDS:
            assert followers == {states.INSPECTING}


def test_the_protocol_cuts_lines_wherever_the_pipe_cut_them() -> None:
    stream = b"".join(encode(Envelope(Progress(i / 9))) for i in range(10))
    for size in (1, 7, 1000):
        buffer = LineBuffer()
        chunks = [stream[i : i + size] for i in range(0, len(stream), size)]
        lines = [line for chunk in chunks for line in buffer.feed(chunk)]
        assert [decode(line).message for line in lines] == [Progress(i / 9) for i in range(10)]


@pytest.mark.parametrize(
    "line", [b"", b"hello", b"[]", b"{}", b'{"v":99,"type":"x"}', b"\xff\xfe", b'{"v":1}']
)
def test_what_is_no_message_is_a_protocol_error(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(line)


def test_a_line_without_an_end_is_a_protocol_error_and_not_a_growing_buffer() -> None:
    with pytest.raises(ProtocolError):
        list(LineBuffer().feed(b"x" * (MAX_LINE + 1)))
    with pytest.raises(ProtocolError):
        encode(Envelope(Log("x" * MAX_LINE)))


def test_a_long_payload_goes_through_a_file_that_is_gone_afterwards(tmp_path: Path) -> None:
    payload = {"names": ["n" * 100] * 1000}
    message = pack("result", payload, str(tmp_path))
    assert list(message) == ["result_file"]
    assert unpack("result", message) == payload
    assert list(tmp_path.iterdir()) == []
    assert unpack("result", pack("result", {"a": 1}, str(tmp_path))) == {"a": 1}


def test_library_prints_cannot_reach_the_protocol() -> None:
    code = (
        "from AutoSegPipelineLib.core.child_channel import ChildChannel\n"
        "channel = ChildChannel.take()\n"
        "import os; print('a print'); os.write(1, b'a C library\\n')\n"
        "from AutoSegPipelineLib.core.messages.child_messages import Hello, Log\n"
        "channel.start(); channel.send(Hello(1))\n"
        "for command in channel.commands(): channel.send(Log(command.message.TYPE))\n"
    )
    env = {**os.environ, "PYTHONPATH": str(LIBRARY)}
    say = encode(Envelope(RunCase({}), "j", 1)) + encode(Envelope(Quit()))
    done = subprocess.run(
        [sys.executable, "-c", code], input=say, env=env, capture_output=True, timeout=30, check=True
    )
    messages = [from_line(line) for line in done.stdout.splitlines()]
    assert [message["type"] for message in messages] == ["hello", "log"]
    assert messages[1]["job"] == "j"
    assert b"a print" in done.stderr and b"a C library" in done.stderr


def test_only_one_pipeline_has_a_home_and_the_second_hears_who(tmp_path: Path) -> None:
    home = Home.at(tmp_path / "home")
    home.create()
    first, second = lock.HomeLock(home.lock), lock.HomeLock(home.lock)
    assert not second.is_held()
    first.acquire("serve")
    assert second.is_held()
    with pytest.raises(PipelineError, match=f"serve.*{os.getpid()}") as caught:
        second.acquire("again")
    assert caught.value.code == "environment.locked"
    first.release()
    second.acquire("again")
    second.release()


def test_a_lock_goes_with_its_holder(tmp_path: Path) -> None:
    home = Home.at(tmp_path / "home")
    home.create()
    code = (
        "import sys, os; from pathlib import Path; from AutoSegPipelineLib.core.lock import HomeLock\n"
        "HomeLock(Path(sys.argv[1])).acquire('x'); os._exit(9)\n"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(home.lock)],
        env={**os.environ, "PYTHONPATH": str(LIBRARY)},
        timeout=30,
    )
    assert not lock.HomeLock(home.lock).is_held()


@pytest.mark.parametrize(("inner", "outer"), [("inbox", "results"), ("results", "inbox"), ("inbox", "state")])
def test_folders_inside_one_another_are_refused(tmp_path: Path, inner: str, outer: str) -> None:
    home = Home.at(tmp_path / "home", **{outer: tmp_path / "x", inner: tmp_path / "x" / "y"})
    with pytest.raises(PipelineError) as caught:
        home.create()
    assert caught.value.code == "environment.nested_folders"


def test_a_home_is_private_to_its_user(tmp_path: Path) -> None:
    home = Home.at(tmp_path / "home")
    home.create()
    if os.name == "posix":
        assert [oct(path.stat().st_mode & 0o777) for path in (home.root, home.state, home.inbox)] == [
            "0o700"
        ] * 3


def test_state_on_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_systems, "_mounts", lambda: [("/", "ext4"), (str(tmp_path.resolve()), "nfs4")])
    monkeypatch.setattr(file_systems, "_windows_remote", lambda place: True)
    with pytest.raises(PipelineError, match="--state") as caught:
        Home.at(tmp_path / "home").create()
    assert caught.value.code == "environment.network_state"


def test_a_copy_that_was_cut_off_is_swept_and_one_under_way_is_not(tmp_path: Path) -> None:
    home = Home.at(tmp_path / "home")
    home.create()
    dead, alive = home.incoming / "a.part", home.incoming / "b.part"
    dead.mkdir()
    alive.mkdir()
    held = lock.hold(alive / "lock")
    assert incoming.sweep_parts(home) == ["a.part"]
    assert alive.exists()
    held.close()


def test_staging_copies_and_leaves_the_callers_file_as_it_is(tmp_path: Path) -> None:
    home = Home.at(tmp_path / "home")
    home.create()
    source = tmp_path / "Ünusual näme.nii.gz"
    source.write_bytes(b"bytes")
    job_id = incoming.stage(home, source, by="me", options={"quality": "fast"})
    intent = incoming.read_intent(incoming.folder_of(home, job_id))
    assert intent is not None and intent.label == source.name and intent.options == {"quality": "fast"}
    (item,) = intent.files
    assert item.name.isascii() and item.name.endswith(".nii.gz")
    assert (incoming.input_of(home, job_id) / item.name).read_bytes() == b"bytes"
    assert source.read_bytes() == b"bytes"
    assert not list(home.incoming.glob("*.part"))


def test_a_header_is_staged_with_its_data_file_under_their_own_names(tmp_path: Path) -> None:
    (tmp_path / "scan.raw").write_bytes(b"1")
    header = tmp_path / "scan.mhd"
    header.write_text("NDims = 3\nElementDataFile = scan.raw\n")
    assert [path.name for path in incoming.data_files(header)] == ["scan.raw"]
    header.write_text("NDims = 3\nElementDataFile = ../scan.raw\n")
    assert incoming.data_files(header) == ()
    header.write_text("NDims = 3\nElementDataFile = scan.raw\n")
    files = incoming.plan(header, companions=incoming.data_files(header)).files
    assert [item.name for item in files] == ["scan.mhd", "scan.raw"]


@pytest.mark.skipif(os.name != "posix", reason="making links needs a privilege on Windows")
def test_links_are_not_followed_out_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    folder = tmp_path / "scan"
    folder.mkdir()
    (folder / "link.dcm").symlink_to(tmp_path / "secret")
    (folder / "real.dcm").write_text("y")
    assert [name for _, name in incoming.staged_files(folder)] == ["scan/real.dcm"]
    assert is_link(folder / "link.dcm")
    with pytest.raises(PipelineError):
        incoming.plan(folder / "link.dcm")
    remove_tree(folder)
    assert (tmp_path / "secret").exists()


def test_containment_sees_through_dots(tmp_path: Path) -> None:
    assert contained(tmp_path, tmp_path / "a" / ".." / "b")
    assert not contained(tmp_path / "a", tmp_path / "a" / ".." / "b")
    assert not contained(tmp_path / "a", tmp_path / "ab")


def test_a_json_file_is_the_old_or_the_new_one_never_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.json"
    write_json(path, {"a": 1})

    def broken(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError):
        write_json(path, {"a": 2})
    assert path.read_text() == '{\n "a": 1\n}\n'
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_a_failing_listener_does_not_keep_others_from_hearing(caplog: pytest.LogCaptureFixture) -> None:
    bus, heard = EventBus(), []

    def broken(event: object) -> None:
        raise RuntimeError("listener")

    bus.subscribe(broken)
    unsubscribe = bus.subscribe(heard.append)
    bus.publish(JobAdded("a"))
    unsubscribe()
    bus.publish(JobAdded("b"))
    assert heard == [JobAdded("a")]
    assert "a listener failed" in caplog.text


def test_a_grid_knows_spacing_handedness_and_voxel_volume() -> None:
    grid = Grid(
        (2, 3, 4), ((0.0, -2.0, 0.0, 5.0), (1.0, 0.0, 0.0, 6.0), (0.0, 0.0, -3.0, 7.0), (0.0, 0.0, 0.0, 1.0))
    )
    assert grid.spacing == (1.0, 2.0, 3.0)
    assert grid.array_shape == (4, 3, 2)
    assert grid.origin == (5.0, 6.0, 7.0)
    assert grid.determinant == -6.0 and grid.voxel_ml == 0.006


def test_a_segmentation_refuses_layers_off_its_grid_and_segments_told_twice() -> None:
    import numpy

    unit = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0))
    grid = Grid((2, 3, 4), unit)
    liver = Segment(0, 1, "liver", "Liver", (1.0, 0.0, 0.0))
    with pytest.raises(ValueError, match="shape"):
        Segmentation(grid, [numpy.zeros((2, 3, 4), "u1")], (liver,))
    with pytest.raises(ValueError, match="twice"):
        Segmentation(grid, [numpy.zeros((4, 3, 2), "u1")], (liver, liver))


def test_what_is_private_to_the_pipeline_is_in_no_public_job() -> None:
    public = Job().to_dict()
    assert not {"staged", "out", "attempt", "cancel", "content"} & set(public)
    assert {"id", "state", "progress", "outputs", "error", "times", "series_key"} <= set(public)
