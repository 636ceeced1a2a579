"""Where a region's Dask cluster is, for every room: at the scheduler that the topology names, if it names one."""

from regions.cluster.dask_cluster import DaskCluster
from regions.cluster.workers import OutsideCluster
from regions.config import Config


def outside(config: Config, region: str) -> OutsideCluster | None:
    """None if the processor starts a cluster of its own. Raises TopologyError."""
    address = config.topology.regions[region].scheduler
    return OutsideCluster(address, config.scheduler_tls(region)) if address else None


def shared_cluster(config: Config, region: str) -> DaskCluster | None:
    """A connection to the region's scheduler, not open yet; None if there is none to share. Raises TopologyError."""
    where = outside(config, region)
    return DaskCluster(where) if where else None
