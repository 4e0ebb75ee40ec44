"""`make guest`: a shell in a guest that is logged in to a daemon on this machine. Both end with the shell."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.guest.machine import HERE, command, missing
from tests.wire.conftest import IQN, Site


def main() -> int:
    lack = missing()
    if lack is not None:
        print(f"error: {lack}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="tgtd-guest-") as name:
        site = Site(Path(name))
        site.write(site.target(site.lun(0, size="1 GiB"), site.lun(1, size="1 GiB", more="thin = true")))
        share = Path(name) / "share"
        share.mkdir()
        site.start()
        print(
            f"The daemon runs on this machine; in another terminal edit {site.targets}/a.toml, or ask it:\n"
            f"  .venv/bin/tgtctl --run {site.place}/run status\n"
            f"The guest sees {share} as /share. Leave it with `exit`.",
            flush=True,
        )
        kernel = (
            f"console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable no_timer_check net.ifnames=0 "
            f"guest.init={HERE / 'boot'} guest.modules={HERE.parents[1] / 'build/guest/modules'} "
            f"GUEST_PORTAL=10.0.2.2:{site.port} GUEST_TARGET={IQN}"
        )
        try:
            return subprocess.run(command(kernel, share, "-serial", "mon:stdio"), check=False).returncode
        finally:
            site.stop()


if __name__ == "__main__":
    sys.exit(main())
