"""The kernel's own iSCSI initiator in the guest, as open-iscsi's iscsiadm steers it."""

from __future__ import annotations

from pathlib import Path

from tests.guest.machine import HOST, Guest
from tests.wire.conftest import IQN

_HERE = Path(__file__).parent
_PATIENCE = 30.0


class OpenIscsi:
    """One guest's sessions with portals of the host. `clean` ends all of them and forgets all records."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        guest.once(
            "modprobe -a iscsi_tcp sd_mod sg ext4; mkdir -p /run/lock/iscsi; "
            "grep -q InitiatorName /etc/iscsi/initiatorname.iscsi || "
            "echo InitiatorName=iqn.2026-11.org.test:guest >/etc/iscsi/initiatorname.iscsi; iscsid"
        )

    def login(
        self,
        port: int,
        name: str = IQN,
        host: str = HOST,
        interface: str = "default",
        status: int | None = 0,
        **settings: str | int,
    ) -> str:
        """Log in to a static record. settings: open-iscsi's names with _ for . after the first, see iscsid.conf."""
        where = f"-m node -T {name} -p {host}:{port} -I {interface}"
        updates = "".join(f"iscsiadm {where} -o update -n {key} -v '{value}' && " for key, value in settings.items())
        return self.guest.run(
            f"iscsiadm {where} -o new >/dev/null && {updates} iscsiadm {where} --login", status=status
        ).output

    def interface(self, name: str, initiator: str) -> str:
        """An iface record with an initiator name of its own: another initiator on the same machine."""
        self.guest.run(
            f"iscsiadm -m iface -I {name} -o new && "
            f"iscsiadm -m iface -I {name} -o update -n iface.initiatorname -v {initiator} && "
            f"iscsiadm -m iface -I {name} -o update -n iface.transport_name -v tcp"
        )
        return name

    def sessions(self) -> str:
        """What iscsiadm says of its sessions."""
        return self.guest.run("iscsiadm -m session", status=None).output

    def rescan(self) -> None:
        """Have the kernel ask for the LUNs again."""
        self.guest.run("iscsiadm -m session --rescan")

    def forward(self, port: int) -> None:
        """Until the guest ends: 127.0.0.1 in the guest leads to 127.0.0.1 of the host, at this port."""
        self.guest.run(f"setsid python3 -E -s {_HERE / 'forward.py'} {port} </dev/null >/dev/null 2>&1 &")
        assert self.eventually(f"bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}'")

    def eventually(self, shell: str) -> bool:
        """Whether a command succeeds in time; it is run again and again."""
        return self.guest.eventually(shell, _PATIENCE)

    def device(self, lun: int, kind: str = "block", name: str = IQN, session: int | None = None) -> str:
        """The /dev path of a LUN. kind: "block", "scsi_generic", "scsi_tape", ... session: which of several, from 0.

        Waits until the kernel has it.
        """
        listing = f"ls -dv {self._unit(lun, name, f'/{kind}/*')}"  # session10 after session9
        found = self.guest.awaited(f'found=$({listing} 2>/dev/null) && echo "$found"', _PATIENCE)
        if found.status:
            raise AssertionError(f"the kernel has no such device: {listing}\n{self.guest.run('lsscsi -g').output}")
        return "/dev/" + found.output.split()[session or 0].rsplit("/", 1)[1].replace("nst", "st")

    def generic(self, lun: int) -> str:
        """The sg device of a LUN that has told of its reset: kernels before 6.12 leave that to the first who asks."""
        node = self.device(lun, "scsi_generic")
        self.guest.run(f"sg_turs {node}", status=None)
        return node

    def gone(self, lun: int, name: str = IQN) -> bool:
        """Whether the kernel lets go of a LUN in time."""
        return self.eventually(f"! ls -d {self._unit(lun, name)} 2>/dev/null")

    def size(self, device: str) -> int:
        """Bytes."""
        return int(self.guest.run(f"blockdev --getsize64 {device}").output)

    def clean(self) -> None:
        self.guest.run(
            "[[ $(</proc/mounts) != *' /mnt '* ]] || umount -A /mnt; iscsiadm -m node -U all; "
            "rm -rf /etc/iscsi/nodes/* /etc/iscsi/send_targets/* /etc/iscsi/ifaces/*",
            timeout=150,
            status=None,
        )

    @staticmethod
    def _unit(lun: int, name: str, below: str = "") -> str:
        """Where the kernel has a LUN, in each session."""
        return (
            "$(for each in /sys/class/iscsi_session/session*; do read -r owner <$each/targetname && "
            f'[ "$owner" = {name} ] && echo $each/device/target*/*:{lun}{below}; done)'
        )
