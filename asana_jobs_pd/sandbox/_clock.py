"""The sandbox's clock: one that is advanced by hand, and one that runs."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class Clock:
    """A clock that stands still until it is advanced.

    Parameters
    ----------
    start
        The initial time.

    See Also
    --------
    Sandbox : Pass the clock as ``clock``.

    Examples
    --------
    >>> clock = Clock()
    >>> clock.advance(60)
    >>> clock.now()
    60.0
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self.start = start
        self._seconds = 0.0

    def begin(self) -> None:
        """Start running; does nothing for this clock.

        See Also
        --------
        Clock.advance : Advance the clock.

        Examples
        --------
        >>> Clock().begin()
        """

    def now(self) -> float:
        """Return the seconds since the start, by which jobs progress and URLs expire.

        Returns
        -------
        float
            The seconds.

        See Also
        --------
        Clock.client_now : The same without a scale.

        Examples
        --------
        >>> Clock().now()
        0.0
        """
        return self._seconds

    def client_now(self) -> float:
        """Return the unscaled seconds since the start, by which rate limits count.

        Returns
        -------
        float
            The seconds.

        See Also
        --------
        Clock.now : The scaled seconds.

        Examples
        --------
        >>> Clock().client_now()
        0.0
        """
        return self._seconds

    def advance(self, seconds: float) -> None:
        """Advance the clock.

        Parameters
        ----------
        seconds
            How far, 0 or more.

        See Also
        --------
        Sandbox.advance : The same for a running sandbox.

        Examples
        --------
        >>> clock = Clock()
        >>> clock.advance(1.5)
        """
        if seconds < 0:
            raise ValueError(f"cannot advance by a negative number of seconds: {seconds}")
        self._seconds += seconds

    def instant(self, seconds: float) -> datetime:
        """Return the time that is a number of seconds after the start.

        Parameters
        ----------
        seconds
            The seconds after the start.

        Returns
        -------
        datetime.datetime
            The time in UTC.

        See Also
        --------
        Clock.now : The current number of seconds.

        Examples
        --------
        >>> Clock().instant(0).tzname()
        'UTC'
        """
        return self.start + timedelta(seconds=seconds)


class RunningClock(Clock):
    """A running clock, `scale` times as fast as real time."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self._scale = scale
        self.begin()

    def begin(self) -> None:
        """Start running at the current UTC time."""
        self.start = datetime.now(UTC)
        self._zero = time.monotonic()

    def now(self) -> float:
        """Return the scaled seconds since the start."""
        return self.client_now() * self._scale

    def client_now(self) -> float:
        """Return the real seconds since the start."""
        return time.monotonic() - self._zero

    def advance(self, seconds: float) -> None:
        """Raise an error: a running clock cannot be advanced."""
        raise RuntimeError(
            f"the clock follows real time and cannot be advanced by {seconds} s; "
            "use Sandbox(clock=Clock())"
        )
