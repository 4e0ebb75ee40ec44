"""The copy manager of one disk: it begins copies, keeps their records, and lets go of them (SPC-5 5.18)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tgtd.scsi.copy.job import CopyJob, Failure, Segment, stopped
from tgtd.scsi.copy.records import ABORTED, DONE, FAILED, IN_BACKGROUND, IN_FOREGROUND, CopyRecord, CopyRecords
from tgtd.scsi.copy.watch import watched
from tgtd.scsi.sense import BUSY, CHECK_CONDITION, GOOD, TOKEN_CANCELLED, CheckCondition, Refused, encode
from tgtd.scsi.task import PENDING, WORKING, Task

if TYPE_CHECKING:
    from tgtd.scsi.copy.office import CopyOffice
    from tgtd.scsi.copy.tokens import Token
    from tgtd.scsi.nexus import Nexus
    from tgtd.scsi.sbc.disk import Disk

MOST_JOBS = 16
"""Copies under way in one process; each holds a buffer of job.STEP bytes."""

Explain = Callable[[Failure], tuple[int, bytes]]
"""The status and the sense data that a copy which failed ends with."""


class CopyManager:
    def __init__(self, disk: Disk) -> None:
        self.records = CopyRecords()
        self._disk = disk
        self._tokens: dict[Token, None] = {}

    def copy(
        self,
        task: Task,
        record: CopyRecord,
        segments: list[Segment],
        explain: Explain,
        check: Callable[[], None] | None = None,
        done: Callable[[], None] | None = None,
    ) -> int:
        """Begin a copy: GOOD when it goes on in the background, else PENDING. Raises Refused.

        check: asked before each step, raises CheckCondition when what is copied is not what it was. done: called once
        when a copy that has begun is over.
        """
        office = office_of(task)
        if office.jobs >= MOST_JOBS:
            raise Refused(BUSY)
        background = record.state == IN_BACKGROUND
        owner = None if background else task

        def still() -> None:
            if record.wanted_end or (owner is not None and owner.aborted):
                raise stopped()
            if check is not None:
                check()

        def ended(failure: Failure | None) -> None:
            if done is not None:
                done()
            self._end(record, owner, failure, explain)

        job = CopyJob(office, self._disk.pool, segments, still, ended)
        self.records.enter(record)
        record.job = job
        if owner is not None:
            owner.release()  # the parameter list, which has been read
            owner.busy = WORKING
        try:
            job.begin()
        except Refused:
            self.records.drop(record)
            if owner is not None:
                owner.busy = False
            raise
        return GOOD if background else PENDING

    def _end(self, record: CopyRecord, task: Task | None, failure: Failure | None, explain: Explain) -> None:
        status, sense = (GOOD, b"") if failure is None else explain(failure)
        stopped = record.wanted_end or (task is not None and task.aborted)
        record.end(DONE if failure is None else ABORTED if stopped else FAILED, status, sense)
        if record.identifier is None:
            self.records.drop(record)
        if task is None:
            return
        task.busy = False
        if task.aborted:
            self._disk.laid_down(task)
            return
        task.sense = sense
        self._disk.finish(task, status)

    def abort(self, record: CopyRecord) -> None:
        """COPY OPERATION ABORT: the step under way is the last."""
        record.wanted_end = True

    # Tokens for what this disk holds

    def watch(self, token: Token) -> None:
        """Cancel it when something writes over it."""
        self._tokens[token] = None
        self.plug()

    def unwatch(self, token: Token) -> None:
        self._tokens.pop(token, None)
        if not self._tokens:
            self._disk.refresh_commands()

    def plug(self) -> None:
        """The dispatch table is new."""
        if self._tokens:
            self._disk.ops = watched(self._disk.ops)

    def disturb(self, lba: int = 0, count: int = 1 << 64) -> None:
        """Blocks are about to change, or to be gone."""
        for token in [one for one in self._tokens if one.touches(lba, count)]:
            token.source.itl.nexus.target.office.tokens.drop(token, TOKEN_CANCELLED)

    def lose(self, nexus: Nexus | None = None) -> None:
        """See CopyRecords.lose."""
        self.records.lose(nexus)

    def sense(self, trouble: CheckCondition) -> tuple[int, bytes]:
        """The end of a command of this disk that failed for this reason."""
        return CHECK_CONDITION, encode(trouble, self._disk.descriptor_sense)


def office_of(task: Task) -> CopyOffice:
    return task.itl.nexus.target.office


def kind_of_record(immediate: bool) -> int:
    """The state in which a copy begins."""
    return IN_BACKGROUND if immediate else IN_FOREGROUND
