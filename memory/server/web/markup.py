"""Pages as HTML: the templates, and how text by others is made safe in them.

Three layers: `shown_text` removes characters that would mislead a reader or a terminal that the
text is copied to; Jinja escapes every value in a template; and the server's
Content-Security-Policy blocks inline scripts.
"""

import re
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from memory.records import Turn
from memory.server.web.page_request import address_of
from memory.store.turns.turn_validation import FORGET_AFTER, local_now
from memory.system.terminal import clean, count
from memory.text.dates import spoken_date

STATIC = Path(__file__).parent / "static"
HTMX = "htmx-4.0.1.min.js"
# Embeddings, overrides and isolates of Unicode's bidirectional algorithm can make a text read
# differently than it is. The marks (U+200E, U+200F, U+061C) stay: Arabic and Hebrew need them.
_STEERING = re.compile("[\u202a-\u202e\u2066-\u2069]")
_WEEKDAY = re.compile("^[A-Z][a-z]{2} 0?(?=[0-9]{1,2} )")
_CAUSES = {
    "digest applied by ": "Applied by ",
    "digest skipped by ": "Skipped by ",
    "digest by ": "Extracted by ",
    "edit by ": "Edited by ",
    "audit: ": "Fixed: ",
    "stated in turn ": "Stated in turn ",
    "names in turn ": "Names in turn ",
    "undo ": "Undid change ",
    "revert to ": "Reverted to ",
}
_COLOURS = 12  # of the stylesheet, for speakers
# Pages with many turns show only the beginning of a longer text.
_LONG_TEXT = 1_500
# The rooms of a memory: the address of each, and its name.
_ROOMS = {
    "": "Ask",
    "chat": "Chat",
    "facts": "Facts",
    "conversation": "Conversation",
    "journal": "History",
    "more": "More",
}


def shown_text(value: Any) -> Any:
    """A value that is safe to show: text without what no one sees, other values unchanged."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return clean(_STEERING.sub("\N{REPLACEMENT CHARACTER}", value))


def date_in_words(said_at: str) -> str:
    """`8 May 2017`, `May 2017`, `2017`; other text unchanged."""
    return _WEEKDAY.sub("", spoken_date(said_at))


def day(said_at: str) -> str:
    """`8 May 2017`, with the time of day if known: `8 May 2017, 13:56`."""
    date = date_in_words(said_at)
    time = said_at[11:16]
    return f"{date}, {time}" if date != said_at and re.fullmatch(r"\d\d:\d\d", time) else date


def cause_in_words(cause: str) -> str:
    """Who made a change and why, in words for the page."""
    for beginning, words in _CAUSES.items():
        if cause.startswith(beginning):
            return f"{words}{cause.removeprefix(beginning)}"
    return cause


def in_words(attribute: str) -> str:
    """An attribute as people write it: `lives_in` becomes `lives in`."""
    return attribute.replace("_", " ")


class SpeakerColours:
    """The numbers of the speakers' colours on one page, different as long as there are enough.

    A speaker has the same number on every page, unless another one there has it already.
    """

    def __init__(self) -> None:
        self._colours: dict[str, int] = {}

    def __call__(self, speaker: str) -> int:
        if speaker not in self._colours:
            digest = sha256(speaker.encode("utf-8", "replace")).digest()
            own = int.from_bytes(digest[:2]) % _COLOURS
            order = [(own + step) % _COLOURS for step in range(_COLOURS)]
            used = {*self._colours.values()}
            self._colours[speaker] = next((colour for colour in order if colour not in used), own)
        return self._colours[speaker]


def initial(speaker: str) -> str:
    """The first visible character of a name."""
    return next((character for character in speaker if character.isalnum()), "?").upper()


def is_long(turn: Turn) -> bool:
    """Whether a page with many turns shows only the beginning of this one."""
    return len(turn.text) > _LONG_TEXT


def bytes_in_words(size: int) -> str:
    """`12 kB`, `3.4 MB`."""
    if size < 1_000_000:
        return f"{max(round(size / 1_000), 1):,} kB"
    return f"{size / 1_000_000:,.1f} MB"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("memory.server.web"),
        autoescape=True,
        finalize=shown_text,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "day": day,
        "date": date_in_words,
        "cause": cause_in_words,
        "in_words": in_words,
        "initial": initial,
        "bytes": bytes_in_words,
        "beginning": lambda text: text[:_LONG_TEXT],
    }
    environment.tests |= {"long": is_long}
    environment.globals |= {
        "address": address_of,
        "count": count,
        "style": f"page.css?{_version('page.css')}",
        "htmx": HTMX,
        "script": f"page.js?{_version('page.js')}",
        "rooms": _ROOMS,
        "forget_after": FORGET_AFTER,
        "today": lambda: local_now()[:10],
    }
    return environment


def _version(name: str) -> str:
    """A hash of a static file: browsers load it again when it changes."""
    return sha256((STATIC / name).read_bytes()).hexdigest()[:8]


def html(template: str, values: Mapping[str, Any]) -> str:
    """Render a template."""
    return _environment().get_template(template).render(values, colour_of=SpeakerColours())
