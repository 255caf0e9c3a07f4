"""A mock Asana API server on 127.0.0.1, for notebooks, tests and benchmarks.

It imports nothing else from `asana_jobs_pd`, so that it is an independent check of the client.
"""

from ._clock import Clock
from ._responses import Fault
from ._sandbox import Sandbox
from ._site import SeenRequest, Stats

__all__ = ["Clock", "Fault", "Sandbox", "SeenRequest", "Stats"]
