"""Logs: what is whole, what is cut before anything is appended, and what a full disk leaves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import tuner.files
from tuner.errors import ResultsError
from tuner.files import AppendFile, put_bytes
from tuner.search_space.axes import Constant
from tuner.search_space.space import SearchSpace
from tuner.store.ledger import Ledger, journal_storage
from tuner.store.log import Damaged, cut_unfinished, decode, encode
from tuner.store.report import Report
from tuner.store.reports_table import ReportStore

REPORT = Report(
    trial=0, attempt=1, fold=0, epoch=1, time_s=0.5, metrics={"loss": 0.25},
    decision="CONTINUE", order=0,
)  # fmt: skip


def test_a_record_is_read_as_it_was_written() -> None:
    record = {"trial": 3, "name": "ö\n"}
    line = encode(record)
    assert decode(line) == record
    assert line.count(b"\n") == 1


def test_a_line_of_plain_json_is_read_as_earlier_versions_wrote_it() -> None:
    assert decode(b'{"part":1}\n') == {"part": 1}


@pytest.mark.parametrize("at", range(len(encode({"trial": 3}))))
def test_a_changed_byte_is_found(at: int) -> None:
    line = bytearray(encode({"trial": 3}))
    line[at] ^= 1
    with pytest.raises(Damaged, match=r"^(it|its) "):
        decode(bytes(line))


@pytest.mark.parametrize(
    ("tail", "kept"),
    [
        (b"5f1c02aa 14", None),
        (b"\0" * 4096, None),
        (b"\0" * 40 + b"\nhalf", b"\0" * 40 + b"\nhalf"),
    ],
)
def test_what_follows_the_last_record_is_cut(
    tmp_path: Path, tail: bytes, kept: bytes | None
) -> None:
    path = tmp_path / "log"
    whole = encode({"trial": 1}) + encode({"trial": 2})
    path.write_bytes(whole + tail)
    assert cut_unfinished(path) == len(tail)
    assert path.read_bytes() == whole
    aside = tmp_path / "log.cut"
    assert (aside.read_bytes() if aside.exists() else None) == kept
    assert cut_unfinished(path) == 0


def test_a_record_that_a_full_disk_took_in_part_is_cut_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write fails after some bytes, and so does the cut at first."""
    path = tmp_path / "log"
    log = AppendFile(path)
    log.append(b"one\n")
    whole = log._file

    class Full:
        def write(self, record: bytes) -> int:
            whole.write(record[:2])
            raise OSError(28, "No space left on device")

        def truncate(self, size: int) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(log, "_file", Full())
    with pytest.raises(OSError, match="No space left"):
        log.append(b"two\n")
    assert path.read_bytes() == b"one\ntw"
    monkeypatch.setattr(log, "_file", whole)
    log.append(b"three\n")
    log.close()
    assert path.read_bytes() == b"one\nthree\n"


def test_after_an_fsync_that_failed_nothing_more_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = AppendFile(tmp_path / "log")
    log.append(b"one\n")

    def fails(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="Input/output"):
        log.sync()
    monkeypatch.undo()
    with pytest.raises(OSError, match="Input/output"):
        log.append(b"two\n")


def test_a_journal_takes_up_after_half_a_line(tmp_path: Path) -> None:
    """Optuna's own appends to it, and can't be read for good from then on."""
    Ledger("one", "maximize", journal_storage(tmp_path)).disconnect()
    with (tmp_path / "journal.log").open("ab") as file:
        file.write(b'{"op_code": 4, "wor')
    ledger = Ledger("one", "maximize", journal_storage(tmp_path))
    ledger.open(SearchSpace({"x": Constant(1)}), {"x": 1}, {"trial": 0})
    ledger.disconnect()
    assert len(Ledger("one", "maximize", journal_storage(tmp_path)).attempts()) == 1


def test_a_whole_file_does_not_follow_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    (tmp_path / "in").mkdir()
    link = tmp_path / "in" / "table"
    link.symlink_to(outside)
    (tmp_path / "in" / f".table.{os.getpid()}").symlink_to(outside)
    put_bytes(link, b"new")
    assert outside.read_text() == "mine"
    assert link.read_text() == "new"
    assert not link.is_symlink()


@pytest.mark.parametrize(
    "change",
    [
        {"trial": -1}, {"trial": "0"}, {"epoch": True}, {"order": 1 << 60}, {"at": -1.0},
        {"at": 1e300}, {"metrics": {"trial": 1.0}}, {"metrics": {"loss": "x"}}, {"metrics": [1]},
        {"metrics": {"loss": 10**400}}, {"time_s": None}, {"more": 1}, {"decision": 3},
        {"worker": 3},
    ],
)  # fmt: skip
def test_a_report_that_tuner_cannot_have_written_is_refused(
    tmp_path: Path, change: dict[str, object]
) -> None:
    record = {**REPORT.as_json(), **change}
    (tmp_path / "reports.log").write_bytes(encode(record) + encode({"part": 1}))
    with pytest.raises(ResultsError, match=r"reports.log, line 1, is damaged \("):
        ReportStore(tmp_path)


@pytest.mark.parametrize("part", [0, -1, 3_000_000, 1.5, True, "1", None])
def test_a_part_number_out_of_range_is_refused(tmp_path: Path, part: object) -> None:
    (tmp_path / "reports.log").write_bytes(encode({"part": part}) + encode(REPORT.as_json()))
    with pytest.raises(ResultsError, match=r"reports.log, line 1, is damaged \(part is"):
        ReportStore(tmp_path)


def test_an_append_reaches_the_disk_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuner.files, "COMMIT_S", 0.0)
    log = AppendFile(tmp_path / "log")
    log.append(b"one\n")
    timer = log._timer
    if timer is not None:
        timer.join()
    assert not log._dirty
    log.close()
