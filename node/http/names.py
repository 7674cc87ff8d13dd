"""The names a request may contain, as types that decode and describe themselves.

Law: what these patterns let through needs no quoting in logs, metrics, headers or paths. `(?!\\n)` after `$`: a
Python `$` would also match before a
final line feed.
"""

from typing import Annotated, Final

from msgspec import Meta

from quorate.scheduling.handler import NAME_FORM, NAME_FORM_IN_WORDS
from quorate.scheduling.ulid import PATTERN

END: Final = r"$(?!\n)"

IdText = Annotated[str, Meta(pattern=f"^{PATTERN.pattern}{END}", description="id of a task (ULID)")]
HandlerName = Annotated[
    str,
    Meta(pattern=f"^{NAME_FORM.pattern}{END}", description=NAME_FORM_IN_WORDS),
]
Word = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}" + END,
        description="1 to 63 letters, digits, `.`, `_` and `-`, beginning with a letter or digit",
    ),
]
Key = Annotated[
    str,
    Meta(pattern=r"^[^\x00-\x1f\x7f]{1,200}" + END, description="1 to 200 characters, no control characters"),
]
Ref = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}" + END,
        description="1 to 128 letters, digits, `_`, `.`, `:` and `-`, beginning with a letter, digit or `_`",
    ),
]
LabelValue = Annotated[str, Meta(max_length=256, description="at most 256 characters")]
ErrorName = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_.]{0,127}" + END, description="name of an error type")]
