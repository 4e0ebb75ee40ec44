"""TCMU: the kernel's SCSI target core hands commands of any of its fabrics to this process, by a ring in shared memory.

A backstore of the target core is one logical unit of ours. What its initiators see is ours, but for what the target
core does itself, as TCMU does not say which initiator a command is from (drivers/target, Linux 6.1 and 6.12 alike):

- REPORT LUNS is always the kernel's answer, and so is who sees which LUN.
- PERSISTENT RESERVE IN and OUT, RESERVE and RELEASE are the kernel's, and it stops the commands that a reservation is
  to stop, while the backstore's `pgr_support` and `emulate_pr` are 1, the default. To us all initiators are one
  I_T nexus, so that our reservations could not tell them apart.
- With `alua_support` 1, the default, the state of the kernel's own target port group of the LUN stops commands. What
  INQUIRY and REPORT TARGET PORT GROUPS say is ours in any case, so it is to be 0.
- Task management is the kernel's: ABORT TASK and LOGICAL UNIT RESET. It tells us when `tmr_notification` is 1, and
  waits for the commands it has aborted.
- The kernel raises unit attentions of its own for each initiator, after a reset and about reservations. Ours are heard
  by whichever initiator comes first.
- Task attributes are not handed over: every command is SIMPLE, and INQUIRY promises no more. Nor is CLEAR ACA: an
  ACA would stop everybody until a reset, so NACA is refused (NORMACA is zero).
- The direction of data is not handed over: it is what the operation code has it be. There is no residual count of
  data-out, and no protection information comes with data.
- `hw_max_sectors`, `hw_block_size` and `dev_size` are for show: READ CAPACITY, the block limits and the device type
  that initiators see are ours, so that tape drives and media changers need nothing of their own.

A command that has no answer after `cmd_time_out` seconds (30) ends with CHECK CONDITION, with or without a process.
"""
