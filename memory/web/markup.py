"""Pages as HTML: the templates, and how what others wrote gets into them.

Three walls, one behind the other: Jinja escapes whatever is put into a template; `shown_text`
takes away first what would steer a reader's eye or a terminal that the page is copied to; and the
server's Content-Security-Policy lets no inline script run.
"""

import re
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from memory.prompt import spoken_date
from memory.records import Turn
from memory.store.turn_validation import local_now
from memory.terminal import clean, count
from memory.web.page_request import address_of

STATIC = Path(__file__).parent / "static"
HTMX = "htmx-4.0.1.min.js"
# Embeddings, overrides and isolates of Unicode's bidirectional algorithm: they can make a text read
# other than it is. The marks (U+200E, U+200F, U+061C) stay: Arabic and Hebrew need them.
_STEERING = re.compile("[\u202a-\u202e\u2066-\u2069]")
_WEEKDAY = re.compile("^[A-Z][a-z]{2} 0?(?=[0-9]{1,2} )")
_CAUSES = {
    "digest applied by ": "Agreed to by ",
    "digest skipped by ": "Left out by ",
    "digest by ": "Read by ",
    "edit by ": "Changed by ",
    "audit: ": "Mended: ",
    "undo ": "Took back change ",
    "revert to ": "Went back to ",
}
_COLOURS = 6  # of the stylesheet, for speakers
# A longer text is folded: its beginning stands on the page of many turns.
_LONG_TEXT = 1_500


def shown_text(value: Any) -> Any:
    """A value as a template may show it; text without control characters, the rest as it is."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return _STEERING.sub("\N{REPLACEMENT CHARACTER}", clean(value))


def date_in_words(said_at: str) -> str:
    """`8 May 2017`, `May 2017`, `2017`; other text as it stands."""
    return _WEEKDAY.sub("", spoken_date(said_at))


def day(said_at: str) -> str:
    """`8 May 2017`, with the time of day where it is known: `8 May 2017, 13:56`."""
    date = date_in_words(said_at)
    time = said_at[11:16]
    return f"{date}, {time}" if date != said_at and re.fullmatch(r"\d\d:\d\d", time) else date


def cause_in_words(cause: str) -> str:
    """Who made a change and why, without the words of the program."""
    for beginning, words in _CAUSES.items():
        if cause.startswith(beginning):
            return f"{words}{cause.removeprefix(beginning)}"
    return cause


def in_words(attribute: str) -> str:
    """An attribute as people say it: `lives_in` is `lives in`."""
    return attribute.replace("_", " ")


def colour_of(speaker: str) -> int:
    """The number of a speaker's colour, the same on every page."""
    return int.from_bytes(sha256(speaker.encode("utf-8", "replace")).digest()[:2]) % _COLOURS


def initial(speaker: str) -> str:
    """The first character of a name that can be seen."""
    return next((character for character in speaker if character.isalnum()), "?").upper()


def is_long(turn: Turn) -> bool:
    """Whether a turn's text is folded on a page of many turns."""
    return len(turn.text) > _LONG_TEXT


def bytes_in_words(size: int) -> str:
    """`12 kB`, `3.4 MB`."""
    if size < 1_000_000:
        return f"{max(round(size / 1_000), 1):,} kB"
    return f"{size / 1_000_000:,.1f} MB"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("memory.web"),
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
        "colour": colour_of,
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
        "today": lambda: local_now()[:10],
    }
    return environment


def _version(name: str) -> str:
    """What changes when a static file does, so that no browser keeps an older one."""
    return sha256((STATIC / name).read_bytes()).hexdigest()[:8]


def html(template: str, values: Mapping[str, Any]) -> str:
    """A page of a template."""
    return _environment().get_template(template).render(values)
