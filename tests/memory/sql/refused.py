"""Statements that are refused, by a fragment of the advice that they get."""

import tomllib
from pathlib import Path

MANY = "many turns " * 2000
LONG = "a" * 199
EMPTY = " OR ".join(["v = ''"] * 60)
PAIR = ", ".join(["value || value"] * 12)

_READ = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
_COMPUTED_READS = {
    "a filter is JSON such as": [
        "SELECT turn_id FROM search('a', 5, '" + "[" * 9000 + "')",
        """SELECT turn_id FROM search('a', 5, '{"tags": """ + '{"a":' * 3000 + "1')",
    ],
    "at most 5": [
        " UNION ".join(f"SELECT turn_id FROM search('{w}')" for w in "abcdef"),
    ],
    "write at most 5": [
        "SELECT " + ", ".join(["RANK() OVER (ORDER BY id)"] * 6) + " FROM facts",
        "SELECT id FROM facts WHERE id IN (WITH w AS (SELECT "
        + ", ".join(["RANK() OVER (ORDER BY id)"] * 6)
        + ", id FROM facts) SELECT id FROM w)",
    ],
    "too long": [
        f"SELECT '{MANY}'",
    ],
    "too many nested": [
        "SELECT " + "(" * 3000 + "1" + ")" * 3000,
        "SELECT " + "lower(" * 2000,
    ],
    "simpler statement": [
        "SELECT " + "NOT " * 4000 + "1",
        "SELECT " + "- " * 8000 + "1",
        "SELECT " + "CASE WHEN " * 1500,
        "SELECT " + "'a' || " * 2000 + "'b'",
        "SELECT 1" + " UNION SELECT 1" * 1000,
        "SELECT text FROM turns WHERE " + "id = 1 OR " * 1000 + "id = 2",
    ],
    "both texts in quotes": [
        f"SELECT replace(text, '{'a' * 101}', '') FROM turns",
        f"SELECT replace(text, '{'é' * 51}', '') FROM turns",
        f"SELECT replace(text, 'a', '{'a' * 101}') FROM turns",
    ],
    "the word in quotes": [
        f"SELECT instr(text, '{'a' * 201}') FROM turns",
        f"SELECT instr(text, lower('{'a' * 201}')) FROM turns",
        f"SELECT position('{'é' * 101}' IN text) FROM turns",
    ],
    "too much work": [
        "SELECT " + "max(id, " * 8 + "1" + ")" * 8 + " FROM facts",
        "SELECT least(" + "greatest(" * 6 + "id" + ", turn_id)" * 6 + ", 1) FROM facts",
        "SELECT id FROM turns WHERE " + " OR ".join([f"instr(text, '{LONG}') > 1"] * 6),
        "SELECT " + "right(" * 9 + "text" + ", 9)" * 9 + " FROM turns",
        "SELECT " + "||".join(["value"] * 40) + " AS v FROM facts WHERE " + EMPTY,
        "SELECT id FROM facts WHERE (" + PAIR + ") IN (" + ", ".join([f"({PAIR})"] * 60) + ")",
    ],
    "NUL and broken": [
        "SELECT '\x00'",
        "SELECT '\ud800'",
    ],
}
_COMPUTED_WRITES = {
    "at most 50": [
        "DELETE FROM facts WHERE id = 1;" * 51,
        "DELETE FROM facts WHERE id = 1\n" * 51,
    ],
    "write at most 200": [
        f"INSERT INTO aliases (name, entity, turn_id) VALUES ('{'x' * 201}', 'Ilse', 1)",
        f"DELETE FROM aliases WHERE name = '{'x' * 201}' AND entity = 'Ilse'",
    ],
    "write at most 1000": [
        f"INSERT INTO entities (name, description) VALUES ('Ilse', '{'x' * 1001}')",
    ],
}


def _all(plain: dict[str, list[str]], computed: dict[str, list[str]]) -> dict[str, list[str]]:
    return {
        advice: [*plain.get(advice, []), *computed.get(advice, [])]
        for advice in {**plain, **computed}
    }


REFUSED_READS = _all(_READ["reads"], _COMPUTED_READS)
REFUSED_WRITES = _all(_READ["writes"], _COMPUTED_WRITES)
