"""A mock Asana API server on 127.0.0.1, for notebooks, tests and benchmarks.

It imports nothing else of `asana_jobs_pd`, so that it checks the client independently.
"""

from ._answers import Fault
from ._clock import Clock
from ._sandbox import Sandbox
from ._site import SeenRequest, Stats

__all__ = ["Clock", "Fault", "Sandbox", "SeenRequest", "Stats"]
