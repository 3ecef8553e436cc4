"""What a vendor answered, and how it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from .errors import UnreadableAnswer


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status, headers in lower case, the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def without(self, secret: str) -> Answer:
        """The same with ``***`` for ``secret``: as it is, as in JSON and as in a URL."""
        headers, body = self.headers, self.body
        for form in {secret, json.dumps(secret)[1:-1], quote(secret), quote(secret, safe="")}:
            headers = {name: value.replace(form, "***") for name, value in headers.items()}
            body = body.replace(form.encode(), b"***")
        return Answer(self.status, headers, body)

    def json(self) -> Any:
        """The body as JSON. Raises UnreadableAnswer."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as problem:
            start = " ".join(self.text.split())[:120]
            raise UnreadableAnswer(
                f"The vendor answered HTTP {self.status} with what is no JSON: {start!r}.",
                http_status=self.status,
                remedy="Try again later; if it stays so, ask the vendor.",
            ) from problem

    def json_object(self) -> Mapping[str, Any]:
        document = self.json()
        if not isinstance(document, dict):
            raise UnreadableAnswer(
                f"The vendor answered HTTP {self.status} with JSON that is not an object.",
                http_status=self.status,
                remedy="Try again later; if it stays so, ask the vendor.",
            )
        return document
