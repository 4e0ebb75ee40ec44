"""Bacula in the guest, its director, storage and file daemons: configured for one tape library, told what to do."""

from __future__ import annotations

from tests.guest.machine import Guest

HOME = "/run/bacula-test"

_COMMON = f'WorkingDirectory = "{HOME}"; PidDirectory = "{HOME}"; Messages = All'

_DIRECTOR = f"""
Director {{ Name = dir; DirAddress = 127.0.0.1; DirPort = 9101; Password = "x"; QueryFile = "/dev/null"; {_COMMON} }}
Catalog {{ Name = Catalog; dbname = "bacula"; dbuser = ""; dbpassword = "" }}
Client {{ Name = fd; Address = 127.0.0.1; FDPort = 9102; Password = "x"; Catalog = Catalog }}
Autochanger {{
  Name = Library; Address = 127.0.0.1; SDPort = 9103; Password = "x"; Device = Library; Media Type = LTO
  Autochanger = Library
}}
FileSet {{ Name = Data; Include {{ Options {{ signature = SHA1 }}; File = "{HOME}/data" }} }}
Pool {{ Name = Scratch; Pool Type = Backup }}
Pool {{ Name = Tapes; Pool Type = Backup }}
Job {{
  Name = Save; Type = Backup; Level = Full; Client = fd; FileSet = Data; Storage = Library; Pool = Tapes; Messages = All
}}
Job {{
  Name = Restore; Type = Restore; Client = fd; FileSet = Data; Storage = Library; Pool = Tapes; Messages = All
  Where = "{HOME}/restored"
}}
Messages {{ Name = All; Append = "{HOME}/log" = all }}
"""

_STORAGE = f"""
Storage {{ Name = sd; SDAddress = 127.0.0.1; SDPort = 9103; WorkingDirectory = "{HOME}"; PidDirectory = "{HOME}" }}
Director {{ Name = dir; Password = "x" }}
Autochanger {{
  Name = Library; Device = Drive; Changer Device = "ROBOT"
  Changer Command = "/etc/bacula/scripts/mtx-changer %c %o %S %a %d"
}}
Device {{
  Name = Drive; Drive Index = 0; Media Type = LTO; Archive Device = "TAPE"; Autochanger = yes; AutomaticMount = yes
  AlwaysOpen = yes; RemovableMedia = yes; RandomAccess = no; LabelMedia = yes; Maximum Block Size = 65536
}}
Messages {{ Name = All; Director = dir = all }}
"""

_FILE = f"""
FileDaemon {{ Name = fd; FDAddress = 127.0.0.1; FDPort = 9102; WorkingDirectory = "{HOME}"; PidDirectory = "{HOME}" }}
Director {{ Name = dir; Password = "x" }}
Messages {{ Name = All; Director = dir = all }}
"""

_CONSOLE = 'Director { Name = dir; Address = 127.0.0.1; DirPort = 9101; Password = "x" }\n'

_TABLES = "/usr/share/bacula-director/make_sqlite3_tables"


class Bacula:
    def __init__(self, guest: Guest, robot: str, tape: str) -> None:
        """robot: the changer's generic device. tape: a drive's device that does not rewind."""
        self.guest = guest
        self._put("dir", _DIRECTOR)
        self._put("sd", _STORAGE.replace("ROBOT", robot).replace("TAPE", tape))
        self._put("fd", _FILE)
        self._put("console", _CONSOLE)
        guest.run(
            f"sed -n '/^CREATE TABLE Filename/,/^END-OF-DATA/p' {_TABLES} | sed '$d' | sqlite3 {HOME}/bacula.db && "
            f"for name in sd fd dir; do bacula-$name -c {HOME}/$name.conf; done"
        )

    def _put(self, name: str, text: str) -> None:
        self.guest.run(f"mkdir -p {HOME}/data && cat >{HOME}/{name}.conf <<'END'\n{text}END")

    def tell(self, *commands: str) -> str:
        """Commands of the console, one after the other; what is said."""
        lines = "\n".join(("@output /dev/null", "messages", "@output", *commands, "messages", "quit"))
        return self.guest.run(f"bconsole -c {HOME}/console.conf <<'END'\n{lines}\nEND", timeout=240).output

    def log(self) -> str:
        return self.guest.run(f"cat {HOME}/log").output

    def stop(self) -> None:
        self.guest.run(f"for name in dir fd sd; do kill $(cat {HOME}/bacula-$name.*.pid); done; sleep 1", status=None)
        self.guest.run(f"rm -rf {HOME}")
