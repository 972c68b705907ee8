"""What Schemathesis has to know of this service beside `openapi.yaml`; it loads this file."""

import json
import re

import schemathesis
from schemathesis.openapi.checks import RejectedPositiveData
from schemathesis.specs.openapi.checks import positive_data_acceptance

CREATE, CHANGE = "share_chat_session", "update_shared_chat"

# Refusals of requests that the description allows, since no schema can say when they are refused: the operations, the
# status, and the whole message. Anything else that is refused is a defect, there or here.
BEYOND_SCHEMAS = [
    # A schema does not know what time it is.
    ({CREATE, CHANGE}, 400, r"expires_at: must be in the future"),
    # Nor who asks: `owner` is the chat service's to give, and it has to.
    ({CREATE}, 400, r"owner: the chat service must say whose link it is"),
    # Nor that two fields contradict each other.
    ({CREATE, CHANGE}, 400, r"audience: cannot be given with is_private false"),
    # Nor what the chat holds: one of the chats has no messages.
    ({CREATE}, 422, r"The chat has no messages, so there is nothing to share\."),
    # Nor whether the settings are still those that the caller has read.
    ({CHANGE}, 412, r"The settings have changed since you read them\.|If-Match: the entity tag is weak .*"),
    # Nor whether the link is a frozen one.
    ({"watch_shared_chat"}, 400, r"shared_chat_id: a frozen link does not change; events are for live ones"),
    # The least size follows from the length of the link, the margin and the error correction.
    ({"get_qr_code"}, 400, r"size: must be at least \d+ to be scanned"),
    # Nor how many bytes a file has.
    ({"get_shared_chat_artifact"}, 416, r"The file has no bytes in that range\."),
    # A cursor is opaque: only what a `Link` header gave is one, and only for the sort that it came with.
    ({"list_shared_chats"}, 400, r"after: must be from a `Link` of the same `sort`"),
]


@schemathesis.check
def described_requests_are_accepted(ctx, response, case):
    """`positive_data_acceptance`, but for what no schema can tell."""
    try:
        return positive_data_acceptance(ctx, response, case)
    except RejectedPositiveData:
        operation = case.operation.definition.raw.get("operationId")
        message = json.loads(response.content).get("message", "")
        if any(
            operation in operations and response.status_code == status and re.fullmatch(expected, message)
            for operations, status, expected in BEYOND_SCHEMAS
        ):
            return True
        raise
