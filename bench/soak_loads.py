"""What goes on during a soak; each load is a thread that does its round again and again until told to stop."""

from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from contextlib import suppress

from bench.soak_site import GUARDED, RESTLESS, SECRET, STEADY, USER, Site
from tests.daemon import eventually
from tests.initiator import SYNCHRONIZE_CACHE, Initiator, LoginFailed, inquiry, read10, write10

SIZES = (1, 8, 8, 8, 64, 128, 1024)  # blocks
BLOCKS = 64 << 20 >> 9
AUTHENTICATION_FAILURE = 0x0201


class Load(threading.Thread):
    """trouble: the first thing that went wrong, which ends it. rounds: how many it has done."""

    def __init__(self, site: Site, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.site = site
        self.rounds = 0
        self.stopping = False
        self.trouble: BaseException | None = None

    def run(self) -> None:
        try:
            while not self.stopping:
                self.round()
                self.rounds += 1
        except BaseException as trouble:
            self.trouble = trouble
        finally:
            self.end()

    def round(self) -> None:
        raise NotImplementedError

    def end(self) -> None:
        """What it has open is closed."""


class Verify(Load):
    """Writes of many sizes at random places, each read back at once and once more later; by turns it logs in anew."""

    def __init__(self, site: Site, lun: int) -> None:
        super().__init__(site, f"verify {lun}")
        self.lun = lun
        self.random = random.Random(lun)
        self.kept: dict[int, bytes] = {}
        self.initiator = self.login()

    def login(self) -> Initiator:
        keys = {"HeaderDigest": "CRC32C", "DataDigest": "CRC32C"} if self.rounds % 2 else {}
        keys |= {"InitialR2T": "No"} if self.rounds % 3 else {}
        name = f"iqn.2026-11.com.example:verify{self.lun}"
        initiator = self.site.login(STEADY, name=name, keys=keys)
        initiator.read(bytes(6), 0, lun=self.lun)
        return initiator

    def round(self) -> None:
        count = self.random.choice(SIZES)
        slot = self.random.randrange(BLOCKS // 1024)
        data = os.urandom(count * 512)
        check(self.initiator.write(write10(slot * 1024, count), data, lun=self.lun).status == 0, "a write failed")
        self.kept[slot] = data
        self.compare(slot)
        self.compare(self.random.choice(list(self.kept)))
        if self.rounds % 50 == 49:
            check(self.initiator.read(SYNCHRONIZE_CACHE, 0, lun=self.lun).status == 0, "a flush failed")
        if self.rounds % 501 == 500:
            self.end()
            self.initiator = self.login()

    def compare(self, slot: int) -> None:
        data = self.kept[slot]
        result = self.initiator.read(read10(slot * 1024, len(data) // 512), len(data), lun=self.lun)
        check(result.status == 0, f"a read ended with status {result.status:02X}h, sense {result.sense.hex()}")
        check(result.data == data, f"other data at block {slot * 1024} than was written")

    def end(self) -> None:
        with suppress(OSError):
            self.initiator.logout()
        self.initiator.close()


class Bench(Load):
    """qemu-img bench: deep queues. Every other one is killed in the middle."""

    def __init__(self, site: Site, lun: int) -> None:
        super().__init__(site, "bench")
        self.lun = lun

    def round(self) -> None:
        write = ("-w",) if self.rounds % 4 < 2 else ()
        size, depth, count = ((4096, 32, 20000), (65536, 16, 8000), (1 << 20, 8, 800))[self.rounds % 3]
        url = f"iscsi://127.0.0.1:{self.site.port}/{STEADY}/{self.lun}"
        words = f"qemu-img bench -f raw -t none -c {count} -d {depth} -s {size}".split()
        with subprocess.Popen((*words, *write, url), stdout=subprocess.DEVNULL) as process:
            if self.rounds % 2:
                time.sleep(random.uniform(0.1, 1.5))
                process.kill()
            else:
                check(process.wait(120) == 0, "qemu-img bench failed")


class Logins(Load):
    """In and out: plain, with CHAP, with a wrong secret, a discovery, and one that hangs up in a write."""

    def __init__(self, site: Site) -> None:
        super().__init__(site, "logins")

    def round(self) -> None:
        name = f"iqn.2026-11.com.example:guest{self.rounds % 7}"
        for target, user, secret in ((STEADY, "", b""), (GUARDED, USER, SECRET)):
            with self.site.login(target, name=name, user=user, secret=secret) as guest:
                guest.read(bytes(6), 0, lun=1)
                check(guest.read(inquiry(), 96, lun=1).status == 0, "INQUIRY failed")
                guest.logout()
        try:
            self.site.login(GUARDED, name=name, user=USER, secret=b"a-wrong-secret-this").close()
        except LoginFailed as refusal:
            check(refusal.status == AUTHENTICATION_FAILURE, f"a wrong secret gave status {refusal.status:04X}h")
        else:
            raise AssertionError("a wrong secret was let in")
        with self.site.login("", name=name) as guest:
            check(("TargetName", STEADY) in guest.send_targets(), "discovery does not find the target")
        with self.site.login(GUARDED, name=name, user=USER, secret=SECRET) as rude:
            rude.read(bytes(6), 0, lun=1)
            rude.command_pdu(write10(0, 2048), 1, 2048 * 512, 0xA0, bytes(4096))
        time.sleep(0.02)


class Edits(Load):
    """A target that is added, grows, breaks, is mended and goes."""

    def __init__(self, site: Site) -> None:
        super().__init__(site, "edits")

    def round(self) -> None:
        site = self.site
        with suppress(OSError), site.login(STEADY, name="iqn.2026-11.com.example:editor") as witness:
            for text, luns in (
                (site.target(RESTLESS, 2, "8 MiB"), 2),
                (site.target(RESTLESS, 3, "16 MiB"), 3),
                (site.target(RESTLESS, 3, "16 MiB") + "[[target.lun]]\nnumber = 1\n", None),
                (site.target(RESTLESS, 2, "16 MiB"), 2),
                ("", 0),
            ):
                self.edit(text, luns)
                witness.read(bytes(6), 0, lun=1)
        for number in (1, 2, 3):
            (site.place / f"restless{number}.img").unlink(missing_ok=True)

    def edit(self, text: str, luns: int | None) -> None:
        """luns: how many the target has then; None: it is refused. In every fifth round the daemon is not told."""
        if text:
            self.site.write("restless.toml", text)
        else:
            (self.site.targets / "restless.toml").unlink()
        if self.rounds % 5:
            # "nothing": it had noticed by itself, before it was told
            results = ("refused",) if luns is None else ("applied", "nothing")
            found = self.site.ask("reload")["result"]
            check(found in results, f"an edit was {found} and not {' or '.join(results)}")
        check(eventually(lambda: self.seen(luns)), f"the edit to {luns} LUNs is not seen")

    def seen(self, luns: int | None) -> bool:
        status = self.site.ask("status")
        if luns is None:
            return bool(status["last_reload"]["result"] == "refused")
        return luns == sum(len(target["luns"]) for target in status["targets"] if target["name"] == RESTLESS)


def check(true: bool, otherwise: str) -> None:
    if not true:
        raise AssertionError(otherwise)
