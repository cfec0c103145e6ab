"""SELECTs as models write them for questions about a memory: what each gives, or why it is refused.

Written before anything was allowed for them, in the habits of several models: SQLite's functions,
Postgres' casts, MySQL's dates. test_model_selects.py runs all of them on both databases.
"""

import json
import tomllib
from pathlib import Path

from memory import Store, Turn

TODAY = "2023-06-30"
TURNS = [
    Turn("Anna", "I moved to Oslo and started at the bakery.", "s1", "2020-03-02T10:00"),
    Turn("Ben", "My dog Rufus ate 3 sausages.", "s1", "2022-11-05T18:30"),
    Turn("Anna", "I ran on Monday, and my cat Miso slept.", "s2", "2023-05-08T09:15"),
    Turn("Ben", "Lovely, I went to Rome!", "s2", "2023-05-08T09:20"),
    Turn("Anna", "The rent is 1,900 euros now.", "s3", "2023-06-12"),
    Turn("Ben", "A dog costs a lot.", "s3", "2023-06-12"),
]
_FACTS = [  # subject, attribute, value, happened_on, ended_on, turn_id
    ("Anna", "lives_in", "Bergen", "2015", "2020-03", 1),
    ("Anna", "lives_in", "Oslo", "2020-03-01", None, 1),
    ("Ben", "lives_in", "Lima", "2019-07", None, 2),
    ("Anna", "works_at", "a bakery", "2020-03-02", "2022-12-31", 1),
    ("Anna", "works_at", "a school", "2023-01-09", None, 3),
    ("Ben", "works_at", "the port", "2018-05-01", "2018-05-31", 2),
    ("Anna", "pet", "a cat called Miso", "2021-04", None, 3),
    ("Ben", "pet", "a dog called Rufus", None, None, 2),
    ("Ben", "pet", "a parrot", None, "2020", 2),
    ("Anna", "visited", "Rome", "2019-08", None, 1),
    ("Anna", "visited", "Paris", "2022-06-01", None, 3),
    ("Ben", "visited", "Rome", "2023-05-01", None, 4),
    ("Ben", "visited", "oslo", "2022-02-11", None, 4),
    ("Anna", "went_running", "5 km in the park", "2023-05-01", None, 3),
    ("Anna", "went_running", "along the river", "2023-05-08", None, 3),
    ("Anna", "went_running", "5 km", "2023-06-10", None, 5),
    ("Anna", "spent", "1,900 euros rent", "2023-06-01", None, 5),
    ("Anna", "spent", "$1,200.50 flight", "2023-05-20", None, 5),
    ("Anna", "spent", "0.1 euros", "2023-05-21", None, 5),
    ("Anna", "spent", "0.2 euros", "2023-05-22", None, 5),
    ("Ben", "spent", "two coffees", "2023-05-22", None, 4),
    ("Ben", "spent", "75 euros", "2023-06-12", None, 6),
    ("Ben", "spent", "nothing", None, None, 6),
    ("Anna", "weight", "62 kg", "2023-01-01", None, 3),
    ("Anna", "weight", "60.5 kg", "2023-06-01", None, 5),
    ("Ben", "children", "three", None, None, 2),
    ("Anna", "allergic_to", "nuts", None, None, 1),
    ("Anna", "likes", "rain", None, None, 1),
    ("Ben", "plans", "a trip to Oslo", "2023-08", None, 6),
]


def fill(store: Store) -> None:
    """Put the turns and facts of the table into a memory."""
    store.add(TURNS)
    rows = ", ".join(
        "(" + ", ".join("NULL" if cell is None else repr(cell) for cell in fact) + ")"
        for fact in _FACTS
    )
    columns = "subject, attribute, value, happened_on, ended_on, turn_id"
    store.write(f"INSERT INTO facts ({columns}) VALUES {rows}", cause="test")


Cells = tuple[object, ...]
_READ = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
ANSWERED: dict[str, tuple[Cells, ...]] = {  # a SELECT -> its rows
    select["sql"]: tuple(map(tuple, json.loads(select["rows"]))) for select in _READ["answered"]
}
REFUSED: dict[str, tuple[str, str]] = {  # a SELECT -> a part of the advice, a SELECT that obeys it
    select["sql"]: (select["advice"], select["instead"]) for select in _READ["refused"]
}
