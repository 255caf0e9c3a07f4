"""Tools for tests of code that uses this package: answers without a network, and a clean slate.

>>> import asana_jobs_pd as aj
>>> from asana_jobs_pd.testing import MockTransport, Response, reset
>>> def answer(request):
...     gid = request.url.split("?")[0].rpartition("/")[2]
...     return Response.from_json({"data": {"gid": gid, "status": "in_progress"}})
>>> client = aj.connect(transport=MockTransport(answer))
>>> aj.read_asana_jobs(["12", "13"], ["status"])["status"].tolist()
['in_progress', 'in_progress']
>>> reset()

``reset()`` forgets the default client of the process and what was learned about rate limits: call
it between tests, for example in a pytest fixture with ``autouse=True``.
"""

from __future__ import annotations

from asana_jobs_pd._http.client import reset
from asana_jobs_pd._http.transport import MockTransport, Request, Response, Transport

__all__ = ["MockTransport", "Request", "Response", "Transport", "reset"]

for _item in (MockTransport, Request, Response, Transport, reset):
    _item.__module__ = __name__  # help and tracebacks show where it can be imported from
