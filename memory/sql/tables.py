"""What a model's SQL may name: the tables, their columns and search(), and their limits."""

FACT_COLUMNS = (  # as the journal has them
    "id",
    "subject",
    "attribute",
    "value",
    "happened_on",
    "ended_on",
    "turn_id",
    "recorded_at",
)
TABLES: dict[str, tuple[str, ...]] = {  # what a model may read
    "turns": ("id", "kind", "session", "speaker", "text", "said_at", "source"),
    "facts": (*FACT_COLUMNS, "entity", "value_entity"),  # who subject and value are
    "tags": ("turn_id", "key", "value"),
    "entities": ("name", "description"),
    "aliases": ("name", "entity", "turn_id"),
    "contradictions": ("first_fact", "second_fact", "first_turn", "turn_id", "settled"),
    "summaries": ("turn_id", "last_turn_id", "kind", "summary"),
}
# The facts that are current today, see in_force.py.
FACTS_NOW = "facts_now"
READABLE = {**TABLES, FACTS_NOW: TABLES["facts"]}
DATES = ("happened_on", "ended_on")  # columns of facts: text as exact as known, NULL for no date
# Columns of whole numbers; all others hold text.
NUMBERS = ("id", "turn_id", "last_turn_id", "first_fact", "second_fact", "first_turn")
ROW_ORDER = {  # the columns that identify a table's rows
    "turns": ("id",),
    "facts": ("id",),
    FACTS_NOW: ("id",),
    "tags": ("turn_id", "key", "value"),
    "entities": ("name",),
    "aliases": ("name", "entity", "turn_id"),
    "contradictions": ("first_fact", "second_fact"),
    "summaries": ("turn_id", "last_turn_id", "kind"),
}
WRITABLE = ("subject", "attribute", "value", "happened_on", "ended_on", "turn_id")  # of facts
SEARCH_COLUMNS = ("turn_id", "score")  # the columns of search()
# The name of search() in the tree, because the parser has its own search function.
SEARCH_FUNCTION = "search_turns"
SEARCH_EXAMPLE = "FROM search('beach trip', 20) s JOIN turns t ON t.id = s.turn_id"
DAYS_BETWEEN = "days_between"  # the function of dates
NUMBER = "number"  # the function of amounts
# What date('now', ...) and CURRENT_DATE become in the tree; see today.py.
TODAY = "today"
# What SUM of real numbers runs as in SQLite; see rendering.py.
EXACT_SUM = "exact_sum"
MAX_WINDOWS = 5  # of one statement: each sorts all its rows once more
MAX_OFFSET = 999  # how many rows LAG and LEAD look back or ahead
MAX_K = 200  # turns of one search
MAX_COLUMNS = 36  # of a SELECT: two turns and two facts joined have 34
# SQLite compares each byte of a LIKE pattern with each character of the text, in one step that no
# deadline interrupts: .3 s for a pattern of 200 bytes and a text of a million.
MAX_PATTERN = 200  # bytes
MAX_REPLACED = 100  # bytes of what replace() looks for, and of what it puts there
LONGEST_NAME = 200  # characters of an alias or an entity; Postgres indexes at most 2,700 bytes
LONGEST_SUMMARY = 2_000  # characters of a summary; what is stored of it is shorter
LONGEST_DESCRIPTION = 1_000  # characters, of an entity
