"""What can go wrong between this client and Fivetran.

    FivetranError
    ├── NotSentError            nothing left this process
    │   ├── BadSegmentError     an id or name that cannot be a path segment
    │   └── ReadOnlyError       the client only reads, and this was no read
    ├── NoAnswerError           nothing usable came back, and nothing was changed
    │   ├── UnreachableError    no connection, or it broke
    │   ├── DeadlineError       no whole answer in time
    │   └── BadAnswerError      an answer, but not one of this API's
    ├── OutcomeUnknownError     a change was sent; whether it took effect is not known
    └── RefusedError            Fivetran said no
        ├── InvalidRequestError 400, 405, 406, 415 and other 4xx
        ├── UnauthorizedError   401
        ├── ForbiddenError      403
        ├── NotFoundError       404
        │   └── SchemaNotReadyError  404 whose code is NotFound_SchemaConfig
        ├── ConflictError       409
        ├── RateLimitedError    429
        │   └── BudgetError     it would have been 429, so nothing was sent
        └── UpstreamError       5xx, on a read

Every message is written here, from the method, the kind of failure and a number: no text of an
exception, and none of the answer's. What Fivetran wrote is kept apart in `api_code` and
`api_message`, which are untrusted.
"""

from typing import Final


class FivetranError(Exception):
    """Base of all errors of this package."""

    retryable: bool = False
    """Whether the same request may be sent again as it is."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        api_code: str | None = None,
        api_message: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status: Final = status
        self.api_code: Final = api_code
        self.api_message: Final = api_message
        self.retry_after: Final = retry_after


class NotSentError(FivetranError):
    """Nothing left this process."""


class BadSegmentError(NotSentError):
    """An id or name that cannot be a path segment."""


class ReadOnlyError(NotSentError):
    """The client only reads, and this was no read."""


class NoAnswerError(FivetranError):
    """Nothing usable came back, and nothing was changed."""

    retryable = True


class UnreachableError(NoAnswerError):
    """No connection, or it broke."""


class DeadlineError(NoAnswerError):
    """No whole answer in time."""


class BadAnswerError(NoAnswerError):
    """An answer, but not one of this API's: no JSON, a redirect, another shape."""

    retryable = False


class TooLargeError(BadAnswerError):
    """An answer with more in it than this client reads."""


class OutcomeUnknownError(FivetranError):
    """A change was sent; whether it took effect is not known. Look before sending it again."""


class RefusedError(FivetranError):
    """Fivetran said no, with a status and mostly a code and a message."""


class InvalidRequestError(RefusedError):
    """The request was refused as wrong: 400 and the 4xx without a class of their own."""


class UnauthorizedError(RefusedError):
    """401: the key pair is missing or wrong."""


class ForbiddenError(RefusedError):
    """403: the key may not do this."""


class NotFoundError(RefusedError):
    """404: nothing with this id, or the key may not see it."""


class SchemaNotReadyError(NotFoundError):
    """404: the connection exists, its schema configuration does not yet."""


class ConflictError(RefusedError):
    """409: the connection's present state forbids this."""


class RateLimitedError(RefusedError):
    """429: the account's budget is used up. `retry_after` is in seconds, where it was given."""

    retryable = True


class BudgetError(RateLimitedError):
    """It would have been 429, so nothing was sent; the limits are the account's."""


class UpstreamError(RefusedError):
    """5xx on a read: Fivetran failed."""

    retryable = True


BY_STATUS: Final[dict[int, type[RefusedError]]] = {
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    429: RateLimitedError,
}
