"""The whole daemon as a process: start, edits under way, signals, socket activation, stop."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import daemon, eventually, free_port
from tests.initiator import Initiator
from tgtd.cli.client import NotRunning, ask

IQN = "iqn.2026-11.org.test:a"
ROOT = Path(__file__).parents[1]


class Site:
    """A directory for one daemon."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.port = free_port()
        self.target = place / "etc" / "targets.d" / "a.toml"
        self.target.parent.mkdir(parents=True)

    def write(self, luns: int = 1, access: str = "anyone = true", size: str = "1 MiB") -> None:
        text = f'[[target]]\nname = "{IQN}"\nportals = ["127.0.0.1:{self.port}"]\n[target.access]\n{access}\n'
        for number in range(1, luns + 1):
            path = self.place / f"{number}.img"
            medium = f'{{ type = "file", path = "{path}", size = "{size}", create = true }}'
            text += f'[[target.lun]]\nnumber = {number}\ndevice = "disk"\nmedium = {medium}\n'
        self.target.write_text(text)

    def ask(self, command: str, **arguments: object) -> Any:
        return ask(self.place / "run", command, arguments, timeout=20)

    @property
    def status(self) -> Any:
        return self.ask("status")

    @property
    def log(self) -> str:
        return (self.place / "log").read_text()

    def initiator(self, name: str = "iqn.2026-11.org.test:i") -> Initiator:
        initiator = Initiator(("127.0.0.1", self.port), IQN, name)
        initiator.login()
        return initiator


def connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def until_silence(manager: socket.socket) -> Iterator[bytes]:
    """What comes until nothing does for as long as the socket's timeout."""
    while True:
        try:
            yield manager.recv(4096)
        except TimeoutError:
            return


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    it = Site(tmp_path)
    it.write()
    return it


def test_ready_means_listening_and_sigterm_ends_it(site: Site) -> None:
    with daemon(site.place) as process:
        socket.create_connection(("127.0.0.1", site.port), timeout=5).close()
        assert site.status["state"] == "running"
    assert process.returncode == 0
    with pytest.raises(NotRunning):
        site.ask("status")
    assert sorted(path.name for path in (site.place / "run").iterdir()) == ["lock"]


def test_sigint_ends_it_too(site: Site) -> None:
    with daemon(site.place) as process:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


@pytest.mark.parametrize("how", ["edit", "SIGHUP", "tgtctl"])
def test_three_ways_to_reload(site: Site, how: str) -> None:
    (site.place / "etc" / "tgtd.toml").write_text(f"[reload]\nwatch = {str(how == 'edit').lower()}\ndebounce = 0.05\n")
    with daemon(site.place) as process:
        for text, result, luns in ((2, "applied", 2), ("[[", "refused", 2), (3, "applied", 3)):
            before = site.status["last_reload"]
            if isinstance(text, int):
                site.write(text)
            else:
                site.target.write_text(text)
            if how == "SIGHUP":
                process.send_signal(signal.SIGHUP)
            elif how == "tgtctl":
                assert site.ask("reload")["result"] == result
            assert eventually(lambda: (site.status["last_reload"] or {}).get("result") == result), (before, site.log)  # noqa: B023
            assert len(site.status["targets"][0]["luns"]) == luns
        assert site.status["last_reload"]["by"] == {"edit": "file change"}.get(how, how)
        assert "a.toml:1:" in site.log
        assert site.ask("reload")["result"] == "nothing"


def test_sessions_survive_a_change_elsewhere_and_see_a_change_of_theirs(site: Site) -> None:
    with daemon(site.place):
        initiator = site.initiator()
        row = site.status["targets"][0]["sessions"][0]
        assert row["initiator"] == "iqn.2026-11.org.test:i"
        assert row["addresses"][0].startswith("127.0.0.1:")
        site.write(2)
        plan = site.ask("plan")
        assert [touched["initiator"] for touched in plan["sessions"]] == ["iqn.2026-11.org.test:i"]
        assert site.ask("reload")["result"] == "applied"
        assert len(site.ask("sessions")["sessions"]) == 1
        site.write(2, access='initiators = ["iqn.other:*"]')
        answer = site.ask("reload")
        assert any("iqn.2026-11.org.test:i" in warning for warning in answer["warnings"])
        assert site.ask("sessions")["sessions"] == []
        initiator.close()


def test_a_missing_file_that_appears(site: Site) -> None:
    path = site.place / "later.img"
    site.target.write_text(
        f'[[target]]\nname = "{IQN}"\nportals = ["127.0.0.1:{site.port}"]\naccess.anyone = true\n'
        f'[[target.lun]]\nnumber = 1\ndevice = "disk"\nmedium = {{ type = "file", path = "{path}" }}\n'
    )
    with daemon(site.place):
        (lun,) = site.status["targets"][0]["luns"]
        assert lun["state"] == "pending"
        assert str(path) in lun["cause"]
        path.write_bytes(bytes(1 << 20))
        assert eventually(lambda: site.status["targets"][0]["luns"][0]["state"] == "online")


def test_two_daemons_side_by_side(tmp_path: Path) -> None:
    sites = [Site(tmp_path / name) for name in ("one", "two")]
    for one in sites:
        one.write()
    with daemon(sites[0].place), daemon(sites[1].place):
        pids = {one.status["pid"] for one in sites}
        serials = {one.status["targets"][0]["luns"][0]["serial"] for one in sites}
        assert len(pids) == len(serials) == 2
        sites[0].write(2)
        assert sites[0].ask("reload")["result"] == "applied"
        assert sites[1].status["generation"] == 1


def test_the_same_directories_are_refused(site: Site) -> None:
    with daemon(site.place) as process:
        for taken in ("state", "run"):
            names = {"state": "state", "run": "run", taken: taken}
            other = "run" if taken == "state" else "state"
            names[other] = f"other-{taken}"
            options = ["--config", "etc", "--state", names["state"], "--run", names["run"]]
            refused = subprocess.run(
                [sys.executable, "-m", "tgtd", *options],
                cwd=site.place,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
            assert refused.returncode == 1
            assert f"another tgtd (process {process.pid})" in refused.stderr
            assert f"--{taken}" in refused.stderr
        assert site.status["state"] == "running"


def test_identities_outlive_the_daemon(site: Site) -> None:
    seen = []
    for _ in range(2):
        with daemon(site.place):
            seen.append(site.status["targets"][0]["luns"][0]["wwid"])
    assert seen[0] == seen[1]


def test_a_portal_that_is_taken_is_told_and_nothing_starts(site: Site) -> None:
    with socket.create_server(("127.0.0.1", site.port)):
        (site.place / "log").touch()
        with pytest.raises(AssertionError, match="another program listens there"), daemon(site.place):
            pass


def test_drain_waits_for_the_initiator_and_no_longer_than_told(site: Site) -> None:
    (site.place / "etc" / "tgtd.toml").write_text("stop_timeout = 3.0\n")
    with daemon(site.place) as process:
        initiator = site.initiator()
        began = time.monotonic()
        process.terminate()
        assert eventually(lambda: "stopping" in site.log)
        assert eventually(lambda: not connects(site.port), 1.5)
        assert process.poll() is None
        assert process.wait(20) == 0
        assert 2.9 < time.monotonic() - began < 15
        assert "did not log out in time" in site.log
        initiator.close()


def test_the_control_socket_answers_while_draining(site: Site) -> None:
    (site.place / "etc" / "tgtd.toml").write_text("stop_timeout = 20.0\n")
    with daemon(site.place) as process:
        initiator = site.initiator()
        assert site.ask("stop")["timeout"] == 20.0
        assert site.status["state"] == "stopping"
        process.terminate()  # asked again: without waiting for initiators
        assert process.wait(10) == 0
        initiator.close()


def test_systemd_hears_ready_reloading_and_stopping(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    path = site.place / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        with daemon(site.place) as process:
            monkeypatch.delenv("NOTIFY_SOCKET")
            first = manager.recv(4096).decode()
            assert first.startswith("READY=1\nSTATUS=1 target, 1 LUN")
            site.write(2)
            process.send_signal(signal.SIGHUP)
            assert manager.recv(4096).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            assert b"READY=1\nSTATUS=1 target, 2 LUNs" in manager.recv(4096)
        heard = []
        manager.setblocking(False)
        while True:
            try:
                heard.append(manager.recv(4096))
            except BlockingIOError:
                break
        assert any(message.startswith(b"STOPPING=1") for message in heard)


def test_the_watchdog_is_fed_by_the_daemon(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    path = site.place / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        monkeypatch.setenv("WATCHDOG_USEC", "200000")
        with daemon(site.place) as process:
            monkeypatch.delenv("NOTIFY_SOCKET")
            messages = [manager.recv(4096) for _ in range(5)]
            assert messages.count(b"WATCHDOG=1") >= 3
            process.send_signal(signal.SIGSTOP)  # a hanging loop
            manager.settimeout(0.5)
            assert sum(1 for _ in until_silence(manager)) < 5
            process.send_signal(signal.SIGCONT)


_ACTIVATE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.executable, [sys.executable, "-m", "tgtd", *sys.argv[2:]])
"""


def test_socket_activation(site: Site) -> None:
    with socket.create_server(("127.0.0.1", site.port)) as listener:
        early = socket.create_connection(("127.0.0.1", site.port), timeout=20)
        options = [
            f"--{name}={site.place / where}" for name, where in (("config", "etc"), ("state", "s"), ("run", "r"))
        ]
        process = subprocess.Popen(
            [sys.executable, "-c", _ACTIVATE, str(listener.fileno()), *options],
            pass_fds=[listener.fileno()],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )
    with early, process:
        assert process.stdout is not None
        assert f"127.0.0.1:{site.port}" in process.stdout.readline()
        assert eventually(
            lambda: bool(ask(site.place / "r", "status")["counters"]["connections"])
        )  # the one made before the daemon was there
        initiator = site.initiator()
        assert len(json.dumps(ask(site.place / "r", "sessions"))) > 40
        initiator.close()
        process.terminate()
        assert process.wait(40) == 0


def test_limits_and_log_level_change_live(site: Site) -> None:
    with daemon(site.place):
        (site.place / "etc" / "tgtd.toml").write_text('[log]\nlevel = "debug"\n[reload]\nwatch = false\n')
        assert site.ask("reload")["result"] == "applied"
        assert site.ask("log-level") == {"level": "debug"}


def test_a_secret_that_changes_is_noticed_from_the_start(site: Site) -> None:
    secret = site.place / "secret"
    secret.write_text("twelve-bytes-or-more")
    secret.chmod(0o600)
    (site.place / "etc" / "tgtd.toml").write_text("[reload]\ndebounce = 0.05\n")
    site.write(access=f'chap = [{{ user = "u", secret = {{ file = "{secret}" }} }}]')
    with daemon(site.place):
        secret.write_text("another-secret-of-ours")
        assert eventually(lambda: site.status["generation"] == 2)
        assert "another-secret" not in site.log + json.dumps(site.status)


def test_io_uring_is_switched_off_and_on(site: Site) -> None:
    site.write()
    settings = site.place / "etc" / "tgtd.toml"
    with daemon(site.place):
        before = site.status["io_uring"]
        settings.write_text("io_uring = false\n")
        site.ask("reload")
        assert site.status["io_uring"] == "switched off in tgtd.toml"
        settings.write_text("io_uring = true\n")
        site.ask("reload")
        assert site.status["io_uring"] == before
    assert site.log.count("io_uring is not used: switched off") == 1
