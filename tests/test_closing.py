"""How what runs here ends: drained, flushed, closed; or told that it was not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.inside import Inside
from tgtd import closing
from tgtd.closing import Closing


class Scene:
    def __init__(self, site: Inside) -> None:
        self.site = site
        self.events: list[str] = []
        self.closing = Closing(
            site.loop, site.tree, lambda: self.events.append("flushing"), lambda: self.events.append("ended")
        )


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    site = Inside(tmp_path)
    site.write(site.lun(1), site.lun(2))
    site.start()
    it = Scene(site)
    yield it
    site.tree.targets.clear()
    site.service.close()
    site.loop.close()


def test_nobody_is_logged_in(scene: Scene) -> None:
    scene.closing.begin(30)
    scene.site.turn_until(lambda: "ended" in scene.events)
    assert scene.events == ["flushing", "ended"]
    assert scene.closing.unclosed == {}
    assert scene.site.service.portals == {}


def test_initiators_that_do_not_go(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their time is up at once, when somebody is in a hurry."""
    monkeypatch.setattr(scene.site.service, "drain", lambda done: None)
    scene.closing.begin(30)
    assert scene.events == []
    scene.closing.hasten()
    assert scene.events == ["flushing"]
    scene.site.turn_until(lambda: "ended" in scene.events)


def test_a_medium_that_does_not_close(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(closing, "FLUSH_SECONDS", 0.05)
    unit = scene.site.unit(2)
    close = unit.close
    monkeypatch.setattr(unit, "close", lambda done: None)
    scene.closing.begin(30)
    scene.site.turn_until(lambda: "ended" in scene.events)
    assert list(scene.closing.unclosed) == [unit]
    assert "could not be flushed and closed in time" in caplog.text
    scene.closing.hasten()
    assert scene.events.count("ended") == 1
    closed: list[None] = []
    close(lambda: closed.append(None))
    scene.site.turn_until(lambda: bool(closed))
