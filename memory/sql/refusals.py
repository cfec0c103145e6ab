"""How a statement is refused: with what was refused, and what to write instead."""

from typing import NoReturn

from memory.errors import SqlError

# The forms of a write, as several refusals name them.
WRITE_FORMS = "write INSERT INTO facts (columns) VALUES (...), or UPDATE facts SET ... WHERE ..."

DATES_ADVICE = (
    "dates are ISO text: compare them as text (said_at >= '2017-05'), cut them with"
    " substr(said_at, 1, 7), or count days with days_between(a, b)"
)


def refuse(refused: str, advice: str) -> NoReturn:
    """Raise the SqlError that shows the refused text and says what to write instead."""
    raise SqlError(f"{refused}: {advice}")


def short(text: str) -> str:
    """The text on one line, cut to 60 characters, to name it in a message."""
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:57] + "..."
