"""Children are started, heard, cancelled and ended through the Qt loop."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import pytest
from AutoSegPipelineLib.core.clock import SystemClock
from AutoSegPipelineLib.core.messages.worker_messages import RunCase
from AutoSegPipelineLib.core.protocol import Envelope
from AutoSegPipelineLib.runtime import qt
from AutoSegPipelineLib.runtime.processes.child import Child
from AutoSegPipelineLib.runtime.processes.child_command import child_environment
from AutoSegPipelineLib.runtime.processes.hang_watch import HungWatch
from AutoSegPipelineLib.runtime.processes.stderr_lines import MAX_LINE, StderrLines
from support.held_clock import HeldClock
from support.pipeline import FAKE_WORKER
from support.qt import run_for, run_until

FAKE = [sys.executable, str(FAKE_WORKER)]


class Heard:
    """A child with everything that it said."""

    def __init__(self, tmp_path, command=FAKE, **how):
        self.messages, self.logged, self.ends, self.folder = [], [], [], tmp_path
        env = child_environment(tmp_path)
        self.child = Child(command, env, self.messages.append, self.logged.append, self.ends.append, **how)
        self.child.start()

    def case(self, stem, attempt=1):
        places = {"out": str(self.folder / "out"), "work": str(self.folder / "work"), "stem": stem}
        self.child.send(Envelope(RunCase(places), "job1", attempt))

    def types(self):
        return [envelope.message.TYPE for envelope in self.messages]

    def until(self, kind, timeout=60):
        run_until(lambda: kind in self.types() or self.ends, timeout)
        assert kind in self.types(), (self.ends, self.logged[-5:])

    def until_end(self, timeout=60):
        run_until(lambda: self.ends, timeout)
        return self.ends[0]


@pytest.fixture
def start(tmp_path):
    started = []

    def make(*arguments, **how):
        started.append(Heard(tmp_path, *arguments, **how))
        return started[-1]

    yield make
    for heard in started:
        heard.child.kill()
        run_until(lambda heard=heard: heard.ends, 60)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="None is immortal since Python 3.12")
def test_calls_into_qt_give_back_no_reference_to_none_that_is_not_theirs():
    timer = qt.QTimer()
    before = sys.getrefcount(None)
    for _ in range(1000):
        timer.setInterval(1)  # PySide6 6.12.0 loses one each time, until Python aborts
    assert abs(sys.getrefcount(None) - before) < 500


def test_stopping_inside_the_timers_own_signal_is_safe():
    told = []

    def stop(seconds):
        told.append(seconds)
        watch.end()

    watch = HungWatch(0.02, stop, SystemClock())
    for _ in range(5):
        told.clear()
        watch.begin()
        run_until(lambda: told, 60)
        gc.collect()
        run_for(0.02)


def test_a_case_is_answered_and_quit_ends_the_child_with_code_0(start):
    heard = start()
    heard.case("plain")
    heard.until("done")
    assert heard.types()[0] == "hello"
    assert heard.child.pid == heard.messages[0].message.pid
    assert not heard.child.busy
    heard.child.quit(60)  # a busy machine takes longer than the usual grace
    end = heard.until_end()
    assert (end.code, end.crashed, end.asked, end.clean) == (0, False, True, True)
    run_for(0.1)
    assert len(heard.ends) == 1


def test_a_missing_program_is_an_exit_of_its_own_and_told_after_start(start, tmp_path):
    heard = start([str(tmp_path / "no-such-program")])
    assert heard.ends == []
    end = heard.until_end()
    assert end.failed_to_start and not end.clean
    assert "no-such-program" in end.note


def test_a_vanished_child_tells_its_exit_code(start):
    heard = start()
    heard.case("vanish")
    end = heard.until_end()
    assert (end.code, end.crashed, end.asked) == (9, False, False)


def test_a_crash_is_no_exit_code(start):
    heard = start()
    heard.case("segv")
    assert heard.until_end().crashed


def test_a_line_that_is_no_message_ends_the_child(start):
    heard = start()
    heard.case("babble")
    end = heard.until_end()
    assert "not a message" in end.note and not end.clean
    assert "done" not in heard.types()  # nothing counts that comes after it
    assert any("protocol" in line for line in heard.logged)


def test_an_endless_line_ends_the_child(start):
    heard = start()
    heard.case("long_slow60000")
    assert "too long" in heard.until_end().note or "without an end" in heard.ends[0].note


def test_a_megabyte_on_standard_error_is_drained_in_bounded_lines(start):
    heard = start()
    heard.case("stderr1024")
    heard.until("done")
    assert "".join(heard.logged).count("chatter") >= 128 * 1024 - len(heard.logged)
    assert max(map(len, heard.logged)) <= MAX_LINE


def test_cancelling_keeps_a_child_that_listens_warm(start):
    heard = start(cancel_seconds=3)
    heard.case("slow60000")
    heard.until("progress")
    assert heard.child.cancel("job1", 1)
    heard.until("failed")
    assert heard.messages[-1].message.error["code"] == "job.cancelled"
    heard.case("next", attempt=2)
    heard.until("done")
    assert not heard.ends


def test_cancelling_kills_a_child_that_does_not_listen(start):
    heard = start(cancel_seconds=0.3)
    heard.case("deaf60000")
    heard.until("progress")
    heard.child.cancel("job1", 1)
    end = heard.until_end(5)
    assert end.asked and not end.clean


def test_cancelling_what_was_answered_does_nothing(start):
    heard = start()
    heard.case("plain")
    heard.until("done")
    assert not heard.child.cancel("job1", 1)


def test_a_cancelled_command_in_the_queue_does_not_kill_the_one_before_it(start):
    heard = start(cancel_seconds=0.2)
    heard.case("deaf1200", attempt=1)
    heard.case("slow60000", attempt=2)
    heard.until("progress")
    heard.child.cancel("job1", 2)
    heard.until("done")
    heard.until("failed")
    assert heard.messages[-1].attempt == 2 and not heard.ends


def test_a_child_that_only_beats_its_heart_is_hung(start):
    told = []
    heard = start([*FAKE, "--heartbeat", "0.05"], hung_seconds=0.6, on_hung=told.append)
    heard.until("hello")
    run_for(1.0)
    assert told == []  # idle is not hung
    heard.case("hang")
    run_until(lambda: told, 60)
    assert told[0] >= 0.6
    assert heard.types().count("heartbeat") > 3
    assert heard.child.silent_for() >= 0.6


def test_a_child_that_makes_progress_is_not_hung(start):
    told = []
    heard = start(hung_seconds=1.5, on_hung=told.append)
    heard.case("slow3000")
    heard.until("done")
    assert told == []


def test_a_hung_child_is_killed_when_nobody_asks_to_be_told(start):
    heard = start(hung_seconds=0.4)
    heard.case("hang_mute")
    assert "no progress" in heard.until_end().note


def test_quitting_a_busy_child_ends_it_at_once(start):
    heard = start()
    heard.case("hang")
    heard.until("stage")
    heard.child.quit(grace=8)
    assert heard.until_end(4).asked


def test_an_event_handler_that_raises_does_not_lose_the_next_message(start, caplog):
    heard = start()
    heard.child._on_message = lambda message: (heard.messages.append(message), 1 / 0)
    heard.case("plain")
    heard.until("done")
    assert "ZeroDivisionError" in caplog.text


def watch_of(limit):
    told, clock = [], HeldClock()
    watch = HungWatch(limit, told.append, clock)
    watch.begin()
    return watch, told, clock


def test_silence_is_told_once_and_one_look_after_the_limit():
    watch, told, clock = watch_of(20.0)
    for _ in range(4):
        clock.at += 5
        watch.look()
    assert told == []  # the limit has passed, the pipe may hold an answer
    clock.at += 5
    watch.look()
    assert told == [25.0]
    clock.at += 5
    watch.look()
    assert len(told) == 1
    watch.end()


def test_a_machine_that_slept_is_not_hung():
    watch, told, clock = watch_of(20.0)
    clock.at += 5
    watch.look()
    clock.at += 8 * 3600
    watch.look()
    clock.at += 5
    watch.look()
    assert told == []
    watch.end()


def test_the_environment_is_a_copy_with_the_library_first(tmp_path):
    before = dict(os.environ)
    env = child_environment(
        tmp_path,
        {"MORE": "1"},
        {"PYTHONPATH": os.pathsep.join(["a", "b"]), "PYTHONSTARTUP": "x", "PYTHONHOME": "h"},
    )
    first, *rest = env["PYTHONPATH"].split(os.pathsep)
    assert (Path(first) / "AutoSegPipelineLib").is_dir() and rest == ["a", "b"]
    assert env["TMPDIR"] == env["TEMP"] == env["TMP"] == str(tmp_path)
    assert env["MORE"] == "1" and env["PYTHONHOME"] == "h" and "PYTHONSTARTUP" not in env
    assert dict(os.environ) == before


def test_of_a_progress_bar_only_the_last_state_is_kept():
    lines = []
    cut = StderrLines(lines.append)
    cut.feed(b"one\r\ntwo\r")
    cut.feed(b"\n 10%\r 20%\r")
    cut.feed(b" 30%\nlast \xff")
    cut.close()
    assert lines == ["one", "two", " 30%", "last \ufffd"]
    assert cut.tail == "\n".join(lines)
