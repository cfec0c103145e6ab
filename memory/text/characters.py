"""Characters that every database and model takes, and characters that nobody sees."""

from unicodedata import category


def sound_text(text: str) -> str:
    """The text without NUL and halves of surrogate pairs."""
    if text.isascii() and "\0" not in text:
        return text
    # Postgres stores no NUL, and SQLite's own functions end a text at one. Half of a surrogate pair
    # cannot be encoded as UTF-8; a whole pair in two halves becomes the character it stands for.
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def is_visible(text: str) -> bool:
    """Whether a text has more than spaces and characters that nobody sees, of zero width.

    Assistants do answer "\\u200b".
    """
    return any(not character.isspace() and category(character) != "Cf" for character in text)


class WholeCharacters:
    """The pieces of a stream, cut between characters: some servers cut one in two."""

    def __init__(self) -> None:
        self._half = ""

    def after(self, piece: str) -> str:
        """What can be shown once this piece has come."""
        text = self._half + piece
        self._half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        return sound_text(text.removesuffix(self._half))
