from __future__ import annotations

from tests.config.tree import HEAD, Tree
from tgtd.config.model import Access, Chap, Daemon, Limits

DEFAULTS = Daemon(
    io_uring=True,
    workers=None,
    log_level="info",
    log_format="auto",
    stop_timeout=30.0,
    reload_debounce=0.3,
    watch=True,
    discovery=Access(True, (), (), Chap()),
    limits=Limits(4096, 2048, 4096, 15.0, 512 << 20, 32),
)


def test_defaults(tree: Tree) -> None:
    assert tree.load().daemon == DEFAULTS
    tree.write("", "tgtd.toml")
    assert tree.load().daemon == DEFAULTS


def test_everything_said(tree: Tree) -> None:
    tree.write(
        'stop_timeout = 5\nio_uring = false\n[log]\nlevel = "debug"\nformat = "json"\n'
        "[reload]\nwatch = false\ndebounce = 1.5\n"
        '[discovery]\ninitiators = ["iqn.*"]\n[limits]\nconnections = 1\nconnections_per_address = 2\nsessions = 3\n'
        'login_timeout = 4\nbuffer_memory = "1 GiB"\nmax_threads = 6\n',
        "tgtd.toml",
    )
    daemon = tree.load().daemon
    assert daemon.io_uring is False
    assert (daemon.stop_timeout, daemon.log_level, daemon.log_format) == (5.0, "debug", "json")
    assert (daemon.watch, daemon.reload_debounce) == (False, 1.5)
    assert (daemon.discovery.anyone, daemon.discovery.initiators) == (False, ("iqn.*",))
    assert daemon.limits == Limits(1, 2, 3, 4.0, 1 << 30, 6)


def test_errors(tree: Tree) -> None:
    tree.write(HEAD)
    text = 'stop_timeout = -1\n[logs]\n[log]\nlevel = "warn"\n[discovery]\n[limits]\nbuffer_memory = "1 MiB"\n'
    assert tree.complaints(text, "tgtd.toml") == [
        "tgtd.toml:1:16: stop_timeout: -1 is less than 0; write 0 to 3600 seconds",
        (
            "tgtd.toml:2:2: logs: is not a known key; remove it; known keys are stop_timeout, io_uring, workers, "
            "log, reload, discovery, limits"
        ),
        'tgtd.toml:4:9: log.level: "warn" is not possible here; did you mean "warning"?',
        (
            "tgtd.toml:5:1: discovery: lets nobody in; add initiators, addresses or chap; anyone = true opens it "
            "to everybody"
        ),
        'tgtd.toml:7:17: limits.buffer_memory: "1 MiB" is less than 16 MiB; write 16 MiB to 1 TiB',
    ]
