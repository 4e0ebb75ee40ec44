"""Ports of the kernel's fabrics: each serves one target, and what is the fabric's own is the same for all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tgtd.config.build import Placed
from tgtd.config.fabric import bars
from tgtd.config.problem import Problem


def on_fabrics(targets: Sequence[Placed]) -> Iterator[Problem]:
    """All that is wrong between targets, whatever files they are in."""
    owners: dict[tuple[str, str], Placed] = {}
    managed: Placed | None = None
    known = {placed.target.name: placed.target for placed in targets}
    for placed in targets:
        fabric = placed.target.fabric
        if fabric is None or not fabric.port:
            continue
        owner = owners.setdefault((placed.target.transport, fabric.port), placed)
        if owner is not placed:
            yield placed.document.problem(
                (*placed.path, "port"),
                f'{fabric.port} is the port of target "{owner.target.name}" too, at {owner.target.origin}',
                "give each target a port of its own, or move the luns into one target",
            )
        if fabric.rdma_cm_port:
            managed = managed or placed
            wanted = managed.target.fabric
            if wanted is not None and wanted.rdma_cm_port != fabric.rdma_cm_port:
                yield placed.document.problem(
                    (*placed.path, "fabric", "rdma_cm_port"),
                    f'target "{managed.target.name}" wants {wanted.rdma_cm_port}, at {managed.target.origin}, and the '
                    "kernel has one for all targets of srp",
                    f"write {wanted.rdma_cm_port} here, or {fabric.rdma_cm_port} there",
                )
        for path, share in placed.shared:
            origin = known.get(share.target)
            lun = None if origin is None else origin.luns.get(share.lun)
            for bar in () if lun is None else bars(lun):
                yield placed.document.problem((*path, "lun"), bar.problem, "remove this table")
