"""Tools for testing code that uses this package: responses without a network, and a clean slate.

>>> import asana_jobs_pd as aj
>>> from asana_jobs_pd.testing import MockTransport, Response, reset
>>> def answer(request):
...     gid = request.url.split("?")[0].rpartition("/")[2]
...     return Response.from_json({"data": {"gid": gid, "status": "in_progress"}})
>>> client = aj.connect(transport=MockTransport(answer))
>>> aj.read_asana_jobs(["12", "13"], ["status"])["status"].tolist()
['in_progress', 'in_progress']
>>> reset()

``reset()`` forgets the process's default client and what it has learned about rate limits: call it
between tests, for example in a pytest fixture with ``autouse=True``.
"""

from __future__ import annotations

from collections.abc import Callable

from asana_jobs_pd._http.default_client import forget_clients
from asana_jobs_pd._http.transport import Request, Response, Transport
from asana_jobs_pd._jobs.ledger import forget_failures

__all__ = ["MockTransport", "Request", "Response", "Transport", "reset"]


class MockTransport:
    """A transport for tests that gets its responses from a function instead of a network.

    Parameters
    ----------
    handler
        A function that gets each `Request` and returns its `Response`.

    Attributes
    ----------
    requests : list of Request
        The requests sent so far.

    See Also
    --------
    Response.from_json : Create a response.
    connect : Pass the transport as ``transport=``.

    Examples
    --------
    >>> import asana_jobs_pd as aj
    >>> from asana_jobs_pd.testing import MockTransport, Response
    >>> job = {"gid": "12", "resource_type": "job", "status": "succeeded"}
    >>> transport = MockTransport(lambda request: Response.from_json({"data": job}))
    >>> client = aj.Client(transport=transport)
    >>> aj.read_asana_jobs("12", ["status"], client=client)["status"].tolist()
    ['succeeded']
    >>> [request.method for request in transport.requests]
    ['GET']
    """

    def __init__(self, handler: Callable[[Request], Response]) -> None:
        self._handler = handler
        self.requests: list[Request] = []

    def send(self, request: Request, /) -> Response:
        """Store the request and return the handler's response.

        Parameters
        ----------
        request
            The request to respond to.

        Returns
        -------
        Response
            The response that the handler returned.

        See Also
        --------
        Request : The request.

        Examples
        --------
        >>> from asana_jobs_pd.testing import MockTransport, Request, Response
        >>> transport = MockTransport(lambda request: Response(404))
        >>> transport.send(Request("GET", "https://app.asana.com/api/1.0/jobs/12"))
        <Response 404, 0 bytes>
        """
        self.requests.append(request)
        return self._handler(request)


def reset() -> None:
    """Forget the default client, what was learned about rate limits, and failures of the ledger.

    Clients that are still in use are not affected.

    See Also
    --------
    connect : Set the default client again.

    Examples
    --------
    >>> aj.testing.reset()
    """
    forget_clients()
    forget_failures()


for _item in (Request, Response, Transport, reset):
    _item.__module__ = __name__  # help and tracebacks show where it can be imported from
