"""The kernel's fabrics: how each of them lays a target out, and what it takes of the machine. A line a fabric."""

from __future__ import annotations

from collections.abc import Mapping

from tgtd.hw.fabrics import fcoe, ibmvscsis, loopback, qla2xxx, srp, vhost
from tgtd.hw.fabrics.fabric import Fabric

FABRICS: Mapping[str, Fabric] = {
    "ibmvscsis": ibmvscsis.FABRIC,
    "qla2xxx": qla2xxx.FABRIC,
    "srp": srp.FABRIC,
    "loopback": loopback.FABRIC,
    "fcoe": fcoe.FABRIC,
    "vhost": vhost.FABRIC,
}
"""By the word of the configuration."""
