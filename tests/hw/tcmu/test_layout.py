"""The layout is that of the kernel's own header, as a C compiler sees it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tgtd.hw.tcmu import layout

FOUND = {
    "TCMU_MAILBOX_VERSION": layout.VERSION,
    "sizeof(struct tcmu_mailbox)": layout.MAILBOX_SIZE,
    "offsetof(struct tcmu_mailbox, cmd_head)": 4 * layout.HEAD,
    "offsetof(struct tcmu_mailbox, cmd_tail)": 4 * layout.TAIL,
    "offsetof(struct tcmu_mailbox, cmd_head) + 4": layout.MAILBOX.size,
    "TCMU_MAILBOX_FLAG_CAP_OOOC": layout.OUT_OF_ORDER,
    "TCMU_MAILBOX_FLAG_CAP_READ_LEN": layout.READ_LENGTH,
    "TCMU_MAILBOX_FLAG_CAP_TMR": layout.TASK_MANAGEMENT,
    "TCMU_MAILBOX_FLAG_CAP_KEEP_BUF": layout.KEEP_BUFFER,
    "TCMU_OP_MASK": layout.KIND_MASK,
    "TCMU_OP_PAD": layout.PAD,
    "TCMU_OP_CMD": layout.COMMAND,
    "TCMU_OP_TMR": layout.MANAGEMENT,
    "offsetof(struct tcmu_cmd_entry, req.cdb_off) + 8": layout.ENTRY.size,
    "offsetof(struct tcmu_cmd_entry, req.iov)": layout.IOVECS,
    "sizeof(struct iovec)": layout.IOVEC.size,
    "sizeof(struct tcmu_cmd_entry)": layout.SMALLEST_COMMAND,
    "offsetof(struct tcmu_tmr_entry, cmd_cnt) + 4": layout.MANAGEMENT_ENTRY.size,
    "offsetof(struct tcmu_tmr_entry, cmd_ids)": layout.MANAGED,
    "offsetof(struct tcmu_cmd_entry, hdr.cmd_id)": layout.ANSWER_AT,
    "offsetof(struct tcmu_cmd_entry, hdr.uflags)": layout.FLAGS_AT,
    "offsetof(struct tcmu_cmd_entry, rsp.sense_buffer) - 4": layout.ANSWER.size,
    "sizeof(struct tcmu_cmd_entry) - 4": layout.ANSWER_WITH_SENSE.size,
    "TCMU_SENSE_BUFFERSIZE": layout.MOST_SENSE,
    "TCMU_UFLAG_UNKNOWN_OP": layout.UNKNOWN_KIND,
    "TCMU_UFLAG_READ_LEN": layout.READ_LENGTH_GIVEN,
    "TCMU_UFLAG_KEEP_BUF": layout.BUFFER_KEPT,
}


def test_it_is_the_kernels(tmp_path: Path) -> None:
    lines = "".join(f'printf("%lu\\n", (unsigned long)({what}));' for what in FOUND)
    program = (
        f"#include <stddef.h>\n#include <stdio.h>\n#include <linux/target_core_user.h>\nint main(void) {{ {lines} }}\n"
    )
    (tmp_path / "layout.c").write_text(program)
    subprocess.run(("gcc", "-o", tmp_path / "layout", tmp_path / "layout.c"), check=True)
    said = subprocess.run((tmp_path / "layout",), capture_output=True, text=True, check=True).stdout.split()
    assert dict(zip(FOUND, map(int, said), strict=True)) == FOUND
