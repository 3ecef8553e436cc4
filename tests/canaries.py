"""Keys that stand for real ones, and the search for every form in which one still is a key."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

# With signs that look otherwise in a URL, in JSON and in base64 for URLs.
KEYS = {
    "FAL_KEY": "c4nary+id/51c7e0a2b9?>:c4nary+secret/9d0eb7f1\"'~?>",
    "AIML_API_KEY": 'c4nary/aiml+77ab"~?>~?>0c1d',
    "RUNWARE_API_KEY": "c4nary\\runware/03fe+~?>~?>88aa",
}


def forms_of(key: str) -> set[bytes]:
    """Every form in which a key, or one half of it, would still be one."""
    found: set[bytes] = set()
    for part in {key, *key.split(":")}:
        raw = part.encode()
        escaped = {quote(part, safe=""), quote(part), quote_plus(part), json.dumps(part)[1:-1]}
        escaped |= {text.lower() for text in escaped} | {quote(quote(part)), repr(raw)[2:-1]}
        found |= {raw, raw.hex().encode(), part.encode("utf-16-le")}
        found |= {text.encode() for text in escaped}
        for offset in range(3):  # wherever in a longer text it was encoded
            digits = base64.b64encode(b"\0" * offset + raw + b"\0\0\0")
            inner = digits[-(-offset * 8 // 6) : (offset + len(raw)) * 8 // 6]
            found |= {inner, inner.translate(bytes.maketrans(b"+/", b"-_"))}
    return found


FORMS = {form for key in KEYS.values() for form in forms_of(key)}


def holds_a_canary(data: bytes | str) -> bool:
    raw = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
    return any(form in raw for form in FORMS)
