"""Reloads one after the other: good, bad, without effect, and what is remembered of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import free_port
from tests.inside import IQN, Inside, inside
from tgtd import apply
from tgtd.media.file import FileMedium
from tgtd.media.options import OpenOptions
from tgtd.reload import FILE_CHANGE
from tgtd.scsi.medium import BlockMedium
from tgtd.status import Reload


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Inside]:
    with inside(tmp_path) as it:
        it.write(it.lun(1))
        it.start()
        yield it


def preview(site: Inside) -> dict[str, Any]:
    answers: list[dict[str, Any]] = []
    site.reloader.preview(answers.append)
    site.turn_until(lambda: bool(answers))
    return answers[0]


def test_the_same_again_is_nothing(site: Inside) -> None:
    site.write(site.lun(1) + "# a comment\n")
    unit = site.unit(1)
    reload = site.reload()
    assert (reload.result, reload.steps, site.health.generation) == ("nothing", (), 1)
    assert site.unit(1) is unit


def test_a_broken_file_changes_nothing_and_is_named(site: Inside, caplog: pytest.LogCaptureFixture) -> None:
    broken = '[[target]]\nname = "iqn.2026-11.org.test:b"\naccess.anyone = 3\n'
    (site.config / "targets.d" / "b.toml").write_text(broken)
    site.write(site.lun(1), site.lun(2))
    reload = site.reload()
    assert reload.result == "refused"
    assert "b.toml:3:" in reload.errors[0]
    assert sorted(site.tree.targets[IQN].units) == [1]
    assert "b.toml:3:" in caplog.text
    assert "REFUSED" in site.reloader.summary()
    assert "b.toml" in site.reloader.summary()
    (site.config / "targets.d" / "b.toml").unlink()
    assert site.reload().result == "applied"
    assert sorted(site.tree.targets[IQN].units) == [1, 2]
    assert "REFUSED" not in site.reloader.summary()
    assert site.health.generation == 2


def test_what_is_asked_during_a_reload_is_answered_by_one_more(site: Inside) -> None:
    answers: list[tuple[str, Reload]] = []
    site.reloader.request("one", lambda reload: answers.append(("one", reload)))
    site.write(site.lun(1), site.lun(2))
    site.reloader.request("two", lambda reload: answers.append(("two", reload)))
    site.reloader.request("three", lambda reload: answers.append(("three", reload)))
    site.turn_until(lambda: len(answers) == 3)
    assert [who for who, _ in answers] == ["one", "two", "three"]
    assert answers[1][1] is answers[2][1]
    assert answers[2][1].by == "two, three"
    assert sorted(site.tree.targets[IQN].units) == [1, 2]


def test_an_answer_that_fails_does_not_stop_the_next_reload(site: Inside) -> None:
    def fail(reload: Reload) -> None:
        raise ValueError("on purpose")

    site.reloader.request("bad", fail)
    assert site.reload().result == "nothing"


def test_a_preview_changes_nothing(site: Inside) -> None:
    assert preview(site) == {"steps": [], "sessions": [], "errors": []}
    site.write(site.lun(1), site.lun(2))
    seen = preview(site)
    assert [step["lun"] for step in seen["steps"]] == [2]
    assert seen["errors"] == []
    assert sorted(site.tree.targets[IQN].units) == [1]
    site.write(site.lun(1, "512 KiB"))
    assert "allow_shrink" in preview(site)["errors"][0]
    site.write("[[nonsense]]")
    broken = preview(site)
    assert broken["steps"] == []
    assert "nonsense" in broken["errors"][0]


def test_files_are_read_in_a_worker(site: Inside) -> None:
    """A directory that hangs holds up the reload only."""
    gate = threading.Event()
    real = site.loader.load

    def slow() -> Any:
        gate.wait(20)
        return real()

    site.loader.load = slow  # type: ignore[method-assign]
    answers: list[Reload] = []
    site.reloader.request("test", answers.append)
    try:
        for _ in range(5):
            site.loop.turn(0.01)
        assert answers == []
    finally:
        gate.set()
    site.turn_until(lambda: bool(answers))


def test_stopping_gives_up_what_is_not_visible_yet(site: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reload that waits for a medium when the daemon stops would add units to a tree that is being taken down."""
    told: list[str] = []
    monkeypatch.setattr(site.reloader._notifier, "_send", told.append)
    gate = threading.Event()

    def slow(path: str | None, options: OpenOptions) -> BlockMedium:
        gate.wait(20)
        return FileMedium.open(path, options)

    site.openers["file"] = slow
    extra = free_port()
    site.write(site.lun(1), site.lun(2), head=f'portals = ["127.0.0.1:{site.port}", "127.0.0.1:{extra}"]')
    answers: list[Reload] = []
    site.reloader.request("one", answers.append)
    try:
        site.turn_until(lambda: ("127.0.0.1", extra) in site.service.portals)
        site.reloader.request("two", answers.append)
        site.reloader.stop()
        assert [(reload.result, reload.by) for reload in answers] == [("refused", "one"), ("refused", "two")]
        assert all("stopping" in reload.errors[0] for reload in answers)
        assert not any("READY" in message for message in told)
    finally:
        gate.set()
    site.turn_until(lambda: not site.tree.shop.workers.lanes)
    assert list(site.service.portals) == [("127.0.0.1", site.port)]
    assert sorted(site.tree.targets[IQN].units) == [1]


def test_a_fault_while_a_plan_begins_is_a_refusal(site: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the reload after it is not kept waiting."""

    def fail(self: object) -> None:
        raise RuntimeError("on purpose")

    with monkeypatch.context() as patch:
        patch.setattr(apply.Transaction, "_open_media", fail)
        site.write(site.lun(1), site.lun(2))
        assert "internal error" in site.reload().errors[0]
    assert site.reload().result == "applied"


def test_a_fault_while_loading_is_a_refusal(site: Inside) -> None:
    def fail() -> Any:
        raise RuntimeError("on purpose")

    site.loader.load = fail  # type: ignore[method-assign]
    assert "on purpose" in site.reload().errors[0]


def test_the_watchers_second_look_does_not_hide_what_was_applied(site: Inside) -> None:
    site.write(site.lun(1), site.lun(2))
    applied = site.reload()
    site.reloader.request(FILE_CHANGE)
    site.turn_until(lambda: not site.reloader._busy)
    assert site.health.last_reload is applied
    assert site.reload().result == "nothing"
    assert site.health.last_reload is not applied


def test_each_change_is_logged(site: Inside, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tgtd")
    site.write(site.lun(1), site.lun(2))
    site.reload()
    assert "applied: add lun 2" in caplog.text


def test_secrets_that_are_named_are_told_to_the_watcher(site: Inside) -> None:
    secret = site.place / "secret"
    secret.write_text("twelve-bytes-or-more")
    secret.chmod(0o600)
    seen: list[list[Path]] = []
    site.reloader.on_loaded = seen.append
    site.write(site.lun(1), access=f'chap = [{{ user = "u", secret = {{ file = "{secret}" }} }}]')
    assert site.reload().result == "applied"
    assert seen == [[secret]]
    assert site.service.targets[IQN].access.chap.incoming == {"u": b"twelve-bytes-or-more"}
    secret.write_text("another-secret-of-ours")
    reload = site.reload()
    assert reload.result == "applied"
    assert site.service.targets[IQN].access.chap.incoming == {"u": b"another-secret-of-ours"}
    assert "another-secret" not in repr(reload)


def test_a_thousand_errors_are_not_all_logged(site: Inside, caplog: pytest.LogCaptureFixture) -> None:
    site.write("".join(f"bogus{number} = 1\n" for number in range(1000)) + site.lun(1))
    assert len(site.reload().errors) >= 1000
    assert caplog.text.count("is not a known key") == 100
    assert "900 more; tgtctl check tells all" in caplog.text
