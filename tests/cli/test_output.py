"""Progress where there is no terminal: a line now and then, with what time will be left; what a failure leaves."""

import errno
import os
from pathlib import Path

import pytest

from hil.cli import output
from hil.errors import RecordingError


def test_lines_come_now_and_then_and_tell_what_time_is_left(capsys, monkeypatch):
    now_s = [0.0]
    monkeypatch.setattr(output.time, "monotonic", lambda: now_s[0])
    tell = output._Lines(period_s=5.0)
    for done in range(40, 101):  # forty were there before: they tell nothing of the speed
        tell("campaign", done, 100)
        now_s[0] += 1.0
    lines = capsys.readouterr().err.splitlines()
    assert lines[:3] == ["campaign: 40/100", "campaign: 45/100, about 55 s left", "campaign: 50/100, about 50 s left"]
    assert lines[-1] == "campaign: 100/100" and len(lines) == 13


def test_what_is_not_known_is_a_dash_in_a_table(capsys):
    output.print_table(["user", "rate"], [["desk", None], ["shelf", 12.3456]])
    assert [line.split() for line in capsys.readouterr().out.splitlines()[2:]] == [["desk", "-"], ["shelf", "12.35"]]


def test_what_fails_inside_can_be_gone_on_with_and_is_told_once(capsys):
    with pytest.raises(KeyboardInterrupt), output.resumable("hil run --resume here", run_dir=Path("here")):
        raise KeyboardInterrupt
    assert capsys.readouterr().err == "what is finished is kept; go on with: hil run --resume here\n"
    assert output.take_kept() == {"run_dir": "here"}
    assert output.take_kept() == {}


def test_what_comes_to_its_end_needs_no_going_on():
    with output.resumable("hil run --resume here", run_dir=Path("here")):
        pass
    assert output.take_kept() == {}


def test_a_page_that_cannot_be_written_is_no_defect_and_the_run_is_whole():
    told = pytest.raises(RecordingError, match=r"cannot be written: No space left.*`hil report runs/x`")
    with told, output.drawing(Path("runs/x")):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
