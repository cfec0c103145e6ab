"""What a model's SQL may name: the tables, their columns and search(), and how much of each."""

TABLES: dict[str, tuple[str, ...]] = {  # what a model may read
    "turns": ("id", "kind", "session", "speaker", "text", "said_at", "source"),
    "facts": (
        "id",
        "subject",
        "attribute",
        "value",
        "happened_on",
        "ended_on",
        "turn_id",
        "recorded_at",
    ),
}
WRITABLE = ("subject", "attribute", "value", "happened_on", "ended_on", "turn_id")  # of facts
SEARCH_COLUMNS = ("turn_id", "score")  # the columns of search()
# What search() is called in the tree, because the parser has a search function of its own.
SEARCH_FUNCTION = "search_turns"
SEARCH_EXAMPLE = "FROM search('beach trip', 20) s JOIN turns t ON t.id = s.turn_id"
MAX_K = 200  # turns of one search
MAX_COLUMNS = 32  # of a SELECT: two turns and two facts joined have 30
# SQLite compares each byte of a LIKE pattern with each character of the text, in one step that no
# deadline interrupts: .3 s for a pattern of 200 bytes and a text of a million.
MAX_PATTERN = 200  # bytes
