"""SELECTs as models write them for questions about a memory: what each gives, or why it is refused.

Written before anything was allowed for them, in the habits of several models: SQLite's functions,
Postgres' casts, MySQL's dates. test_model_selects.py runs all of them on both databases.
"""

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
ANSWERED: dict[str, tuple[Cells, ...]] = {  # a SELECT -> its rows
    # counts
    "SELECT COUNT(*) FROM facts WHERE subject = 'Anna' AND attribute = 'went_running'": ((3,),),
    "SELECT COUNT(*) FROM facts WHERE attribute = 'went_running' AND happened_on BETWEEN"
    " '2023-05-01' AND '2023-05-31'": ((2,),),
    "SELECT COUNT(DISTINCT value) AS pets FROM facts WHERE attribute = 'pet'": ((3,),),
    "SELECT COUNT(*) FROM (SELECT DISTINCT value FROM facts WHERE attribute = 'visited')": ((3,),),
    "SELECT COUNT(DISTINCT lower(value)) FROM facts WHERE subject = 'Anna' AND attribute LIKE"
    " '%visit%'": ((2,),),
    "SELECT COUNT(*) FILTER (WHERE happened_on LIKE '2023-05%') AS may, COUNT(*) FILTER (WHERE"
    " happened_on LIKE '2023-06%') AS june FROM facts WHERE attribute = 'went_running'": ((2, 1),),
    "SELECT SUM(CASE WHEN subject = 'Anna' THEN 1 ELSE 0 END) AS anna, SUM(CASE WHEN subject ="
    " 'Ben' THEN 1 ELSE 0 END) AS ben FROM facts WHERE attribute = 'visited'": ((2, 2),),
    "SELECT SUM(subject = 'Anna') AS anna FROM facts WHERE attribute = 'visited'": ((2,),),
    "SELECT speaker, COUNT(*) AS n FROM turns GROUP BY speaker HAVING n > 1 ORDER BY n DESC,"
    " speaker": (("Anna", 3), ("Ben", 3)),
    "SELECT subject, attribute, COUNT(*) AS cnt FROM facts GROUP BY subject, attribute HAVING"
    " COUNT(*) >= 2 ORDER BY cnt DESC, subject, attribute": (
        ("Anna", "spent", 4),
        ("Anna", "went_running", 3),
        ("Ben", "spent", 3),
        ("Anna", "lives_in", 2),
        ("Anna", "visited", 2),
        ("Anna", "weight", 2),
        ("Anna", "works_at", 2),
        ("Ben", "has_pet", 2),
        ("Ben", "visited", 2),
    ),
    "SELECT COUNT(*) > 0 AS has_dog FROM facts WHERE subject = 'Ben' AND value LIKE '%dog%'": (
        (1,),
    ),
    "SELECT EXISTS(SELECT 1 FROM facts WHERE subject = 'Ben' AND attribute = 'pet') AS has_pet": (
        (1,),
    ),
    "SELECT CASE WHEN EXISTS (SELECT 1 FROM facts WHERE subject = 'Anna' AND attribute ="
    " 'allergic_to') THEN 'yes' ELSE 'no' END AS allergic": (("yes",),),
    "SELECT (SELECT COUNT(*) FROM facts WHERE subject = 'Anna') - (SELECT COUNT(*) FROM facts"
    " WHERE subject = 'Ben') AS difference": ((7,),),
    # amounts
    "SELECT SUM(number(value)) AS total"
    " FROM facts WHERE subject = 'Anna' AND attribute = 'spent'": ((3100.8,),),
    "SELECT ROUND(AVG(number(value)), 2) AS mean FROM facts WHERE attribute = 'spent'": (
        (529.63,),
    ),
    "SELECT value, happened_on FROM facts WHERE attribute = 'spent' ORDER BY number(value)"
    " DESC LIMIT 1": (("1,900 euros rent", "2023-06-01"),),
    "SELECT MIN(number(value)), MAX(number(value)) FROM facts WHERE attribute = 'spent'": (
        (0.1, 1900),
    ),
    "SELECT value FROM facts WHERE attribute = 'spent' AND number(value) > 100 ORDER BY id": (
        ("1,900 euros rent",),
        ("$1,200.50 flight",),
    ),
    "SELECT substr(happened_on, 1, 7) AS month, SUM(number(value)) AS total FROM facts WHERE"
    " attribute = 'spent' GROUP BY month ORDER BY month": (
        (None, None),
        ("2023-05", 1202.8),
        ("2023-06", 1975),
    ),
    "SELECT strftime('%Y-%m', happened_on) AS month, SUM(CAST(value AS REAL)) AS total FROM"
    " facts WHERE attribute = 'spent' GROUP BY strftime('%Y-%m', happened_on) ORDER BY month": (
        (None, None),
        ("2023-05", 1202.8),
        ("2023-06", 1975),
    ),
    "SELECT SUM(CAST(REPLACE(REPLACE(value, '$', ''), ',', '') AS REAL)) FROM facts WHERE"
    " attribute = 'spent' AND subject = 'Anna'": ((3100.8,),),
    "SELECT SUM(CAST(REPLACE(value, ' euros', '') AS INTEGER)) AS total FROM facts WHERE"
    " attribute = 'spent' AND value LIKE '%euros%'": ((1975,),),
    "SELECT CAST(substr(value, 1, instr(value, ' ') - 1) AS INTEGER) AS amount FROM facts"
    " WHERE attribute = 'spent' AND instr(value, ' ') > 0 ORDER BY id": (
        (1900,),
        (1200,),
        (0,),
        (0,),
        (2,),
        (75,),
    ),
    "SELECT SUM(value::numeric) FROM facts WHERE attribute = 'children'": ((3,),),
    "SELECT SUM(number(value)) FILTER (WHERE subject = 'Anna') AS anna, SUM(number(value))"
    " FILTER (WHERE subject = 'Ben') AS ben FROM facts WHERE attribute = 'spent'": ((3100.8, 77),),
    "SELECT subject, SUM(number(value)) AS total FROM facts WHERE attribute = 'spent' GROUP BY"
    " subject HAVING total > 100 ORDER BY total DESC": (("Anna", 3100.8),),
    "SELECT value, SUM(number(value)) OVER (ORDER BY happened_on) AS so_far FROM facts WHERE"
    " subject = 'Anna' AND attribute = 'spent' ORDER BY happened_on": (
        ("$1,200.50 flight", 1200.5),
        ("0.1 euros", 1200.6),
        ("0.2 euros", 1200.8),
        ("1,900 euros rent", 3100.8),
    ),
    "SELECT a.value, b.value, number(b.value) - number(a.value) AS more FROM facts a JOIN"
    " facts b ON a.subject = b.subject AND a.attribute = b.attribute AND a.happened_on <"
    " b.happened_on WHERE a.attribute = 'weight' ORDER BY a.id": (("62 kg", "60.5 kg", -1.5),),
    "SELECT TOTAL(number(value)) FROM facts WHERE attribute = 'won'": ((0,),),
    "SELECT COALESCE(SUM(number(value)), 0) FROM facts WHERE attribute = 'won'": ((0,),),
    "SELECT ROUND(100.0 * SUM(number(value)) / (SELECT SUM(number(value)) FROM facts WHERE"
    " attribute = 'spent'), 1) AS percent FROM facts WHERE attribute = 'spent' AND subject ="
    " 'Ben'": ((2.4,),),
    "SELECT AVG(days_between(happened_on, ended_on)) FROM facts WHERE attribute = 'works_at'"
    " AND ended_on IS NOT NULL": ((532,),),
    # dates and durations
    "SELECT value, happened_on FROM facts WHERE subject = 'Anna' AND attribute = 'visited'"
    " ORDER BY happened_on ASC LIMIT 1": (("Rome", "2019-08"),),
    "SELECT MIN(happened_on), MAX(happened_on) FROM facts WHERE attribute = 'went_running'": (
        ("2023-05-01", "2023-06-10"),
    ),
    "SELECT value, julianday(ended_on) - julianday(happened_on) AS days FROM facts WHERE"
    " attribute = 'works_at' AND ended_on IS NOT NULL": (("a bakery", 1034), ("the port", 30)),
    "SELECT value, CAST(julianday(COALESCE(ended_on, 'now')) - julianday(happened_on) AS"
    " INTEGER) AS days FROM facts WHERE attribute = 'works_at' ORDER BY id": (
        ("a bakery", 1034),
        ("a school", 172),
        ("the port", 30),
    ),
    "SELECT value, ROUND((julianday('now') - julianday(happened_on)) / 365.25, 1) AS years"
    " FROM facts WHERE attribute = 'lives_in' AND ended_on IS NULL": (("Oslo", 3.3), ("Lima", 4)),
    "SELECT value, COALESCE(ended_on, CURRENT_DATE)::date - happened_on::date AS days FROM"
    " facts WHERE attribute = 'works_at' ORDER BY id": (
        ("a bakery", 1034),
        ("a school", 172),
        ("the port", 30),
    ),
    "SELECT value, ended_on - happened_on AS days FROM facts WHERE attribute = 'works_at' AND"
    " ended_on IS NOT NULL": (("a bakery", 1034), ("the port", 30)),
    "SELECT DATEDIFF(MAX(happened_on), MIN(happened_on)) AS days FROM facts WHERE attribute ="
    " 'went_running'": ((40,),),
    "SELECT MAX(days_between(happened_on, '2023-06-30')) FROM facts WHERE attribute = 'visited'": (
        (1429,),
    ),
    "SELECT value FROM facts WHERE happened_on >= date('now', '-30 days') AND happened_on <="
    " date('now') ORDER BY id": (("5 km",), ("1,900 euros rent",), ("75 euros",), ("60.5 kg",)),
    "SELECT value FROM facts WHERE happened_on >= CURRENT_DATE - INTERVAL '30 days' ORDER BY id": (
        ("5 km",),
        ("1,900 euros rent",),
        ("75 euros",),
        ("60.5 kg",),
        ("a trip to Oslo",),
    ),
    "SELECT text FROM turns WHERE said_at >= datetime('now', '-1 month') ORDER BY id": (
        ("The rent is 1,900 euros now.",),
        ("A dog costs a lot.",),
    ),
    "SELECT COUNT(*) FROM turns WHERE said_at <= datetime('now')": ((6,),),
    "SELECT value FROM facts WHERE happened_on > date('now') ORDER BY happened_on": (
        ("a trip to Oslo",),
    ),
    "SELECT value FROM facts WHERE strftime('%Y', happened_on) = '2022' ORDER BY id": (
        ("Paris",),
        ("oslo",),
    ),
    "SELECT value FROM facts WHERE strftime('%m', happened_on) = '06' ORDER BY id": (
        ("Paris",),
        ("5 km",),
        ("1,900 euros rent",),
        ("75 euros",),
        ("60.5 kg",),
    ),
    "SELECT EXTRACT(YEAR FROM happened_on) AS year, COUNT(*) FROM facts WHERE attribute ="
    " 'visited' GROUP BY EXTRACT(YEAR FROM happened_on) ORDER BY 1": (
        (2019, 1),
        (2022, 2),
        (2023, 1),
    ),
    "SELECT EXTRACT(MONTH FROM CAST(happened_on AS DATE)) AS month, COUNT(*) AS n FROM facts"
    " WHERE attribute = 'went_running' GROUP BY month ORDER BY month": ((5, 2), (6, 1)),
    "SELECT YEAR(happened_on), COUNT(*) FROM facts WHERE happened_on IS NOT NULL GROUP BY"
    " YEAR(happened_on) ORDER BY 1": (
        (2015, 1),
        (2018, 1),
        (2019, 2),
        (2020, 2),
        (2021, 1),
        (2022, 2),
        (2023, 14),
    ),
    "SELECT to_char(said_at, 'YYYY-MM') AS month, COUNT(*) FROM turns GROUP BY 1 ORDER BY 1": (
        ("2020-03", 1),
        ("2022-11", 1),
        ("2023-05", 2),
        ("2023-06", 2),
    ),
    "SELECT DATE_TRUNC('month', said_at) AS month, COUNT(*) FROM turns GROUP BY"
    " DATE_TRUNC('month', said_at) ORDER BY month": (
        ("2020-03", 1),
        ("2022-11", 1),
        ("2023-05", 2),
        ("2023-06", 2),
    ),
    "SELECT DISTINCT date(said_at) AS day FROM turns ORDER BY day": (
        ("2020-03-02",),
        ("2022-11-05",),
        ("2023-05-08",),
        ("2023-06-12",),
    ),
    "SELECT text FROM turns WHERE date(said_at) = '2023-05-08' ORDER BY id": (
        ("I ran on Monday, and my cat Miso slept.",),
        ("Lovely, I went to Rome!",),
    ),
    "SELECT text FROM turns WHERE said_at::date = DATE '2023-05-08' ORDER BY id": (
        ("I ran on Monday, and my cat Miso slept.",),
        ("Lovely, I went to Rome!",),
    ),
    "SELECT value FROM facts WHERE attribute = 'visited' AND happened_on < (SELECT"
    " MIN(happened_on) FROM facts WHERE attribute = 'works_at') ORDER BY id": (),
    "SELECT f.value FROM facts f WHERE f.attribute = 'visited' AND EXISTS (SELECT 1 FROM facts"
    " j WHERE j.attribute = 'works_at' AND j.subject = f.subject AND f.happened_on BETWEEN"
    " j.happened_on AND COALESCE(j.ended_on, '9999')) ORDER BY f.id": (("Paris",),),
    "SELECT value FROM facts WHERE subject = 'Anna' AND attribute = 'lives_in' AND happened_on"
    " <= '2021-06-01' AND (ended_on IS NULL OR ended_on > '2021-06-01')": (("Oslo",),),
    "SELECT text FROM turns WHERE said_at LIKE strftime('%Y-%m', 'now') || '%' ORDER BY id": (
        ("The rent is 1,900 euros now.",),
        ("A dog costs a lot.",),
    ),
    "SELECT value FROM facts WHERE happened_on BETWEEN date('now', 'start of month') AND"
    " date('now') ORDER BY id": (("5 km",), ("1,900 euros rent",), ("75 euros",), ("60.5 kg",)),
    "SELECT value FROM facts WHERE happened_on >= date('now', 'start of year', '-1 year') AND"
    " happened_on < date('now', 'start of year') ORDER BY id": (("Paris",), ("oslo",)),
    "SELECT MAX(happened_on, ended_on) FROM facts WHERE attribute = 'works_at' AND ended_on IS"
    " NOT NULL": (("2022-12-31",), ("2018-05-31",)),
    "SELECT GREATEST(happened_on, ended_on), LEAST(happened_on, ended_on) FROM facts WHERE"
    " attribute = 'works_at' ORDER BY id": (
        ("2022-12-31", "2020-03-02"),
        ("2023-01-09", "2023-01-09"),
        ("2018-05-31", "2018-05-01"),
    ),
    "SELECT value, LAG(happened_on) OVER (ORDER BY happened_on) AS before,"
    " days_between(LAG(happened_on) OVER (ORDER BY happened_on), happened_on) AS gap FROM"
    " facts WHERE attribute = 'went_running' ORDER BY happened_on": (
        ("5 km in the park", None, None),
        ("along the river", "2023-05-01", 7),
        ("5 km", "2023-05-08", 33),
    ),
    # latest, first, order
    "SELECT subject, attribute, value FROM facts WHERE (subject, attribute, happened_on) IN"
    " (SELECT subject, attribute, MAX(happened_on) FROM facts GROUP BY subject, attribute) AND"
    " attribute IN ('lives_in', 'weight') ORDER BY id": (
        ("Anna", "lives_in", "Oslo"),
        ("Ben", "lives_in", "Lima"),
        ("Anna", "weight", "60.5 kg"),
    ),
    "SELECT f.subject, f.value FROM facts f JOIN (SELECT subject, MAX(happened_on) AS latest"
    " FROM facts WHERE attribute = 'lives_in' GROUP BY subject) m ON f.subject = m.subject AND"
    " f.happened_on = m.latest WHERE f.attribute = 'lives_in' ORDER BY f.id": (
        ("Anna", "Oslo"),
        ("Ben", "Lima"),
    ),
    "WITH ranked AS (SELECT subject, attribute, value, ROW_NUMBER() OVER (PARTITION BY"
    " subject, attribute ORDER BY happened_on DESC, id DESC) AS rn FROM facts) SELECT subject,"
    " value FROM ranked WHERE rn = 1 AND attribute = 'lives_in' ORDER BY subject": (
        ("Anna", "Oslo"),
        ("Ben", "Lima"),
    ),
    "SELECT subject, value FROM (SELECT subject, value, ROW_NUMBER() OVER (PARTITION BY"
    " subject ORDER BY happened_on DESC) AS rn FROM facts WHERE attribute = 'lives_in') WHERE"
    " rn = 1 ORDER BY subject": (("Anna", "Oslo"), ("Ben", "Lima")),
    "SELECT value FROM facts f WHERE attribute = 'lives_in' AND NOT EXISTS (SELECT 1 FROM"
    " facts g WHERE g.subject = f.subject AND g.attribute = 'lives_in' AND g.happened_on >"
    " f.happened_on) ORDER BY id": (("Oslo",), ("Lima",)),
    "SELECT value FROM facts WHERE subject = 'Anna' AND attribute = 'lives_in' ORDER BY"
    " happened_on DESC NULLS LAST LIMIT 1 OFFSET 1": (("Bergen",),),
    "SELECT subject, value FROM facts_now WHERE attribute = 'lives_in' ORDER BY subject": (
        ("Anna", "Oslo"),
        ("Ben", "Lima"),
    ),
    "SELECT DISTINCT FIRST_VALUE(value) OVER (PARTITION BY subject ORDER BY happened_on) AS"
    " first_home FROM facts WHERE attribute = 'lives_in' ORDER BY 1": (("Bergen",), ("Lima",)),
    "(SELECT value, happened_on FROM facts WHERE attribute = 'visited' ORDER BY happened_on"
    " LIMIT 1) UNION ALL (SELECT value, happened_on FROM facts WHERE attribute = 'visited'"
    " ORDER BY happened_on DESC LIMIT 1)": (("Rome", "2019-08"), ("Rome", "2023-05-01")),
    "SELECT value FROM facts WHERE attribute = 'pet' UNION (SELECT value FROM facts WHERE"
    " attribute = 'allergic_to' ORDER BY id LIMIT 1) ORDER BY value": (
        ("a cat called Miso",),
        ("a dog called Rufus",),
        ("a parrot",),
        ("nuts",),
    ),
    "SELECT value FROM facts WHERE attribute = 'visited' ORDER BY happened_on FETCH FIRST 2"
    " ROWS ONLY": (("Rome",), ("oslo",)),
    # two people, joins
    "SELECT a.value FROM facts a JOIN facts b ON lower(a.value) = lower(b.value) AND"
    " a.attribute = b.attribute WHERE a.subject = 'Anna' AND b.subject = 'Ben' ORDER BY a.id": (
        ("Rome",),
    ),
    "SELECT value FROM facts WHERE subject = 'Anna' AND attribute = 'visited' INTERSECT SELECT"
    " value FROM facts WHERE subject = 'Ben' AND attribute = 'visited'": (("Rome",),),
    "SELECT value FROM facts WHERE subject = 'Anna' AND attribute = 'visited' EXCEPT SELECT"
    " value FROM facts WHERE subject = 'Ben' AND attribute = 'visited' ORDER BY 1": (("Paris",),),
    "SELECT value FROM facts WHERE (subject, attribute) IN (('Anna', 'pet'), ('Ben', 'pet'))"
    " ORDER BY id": (("a cat called Miso",), ("a dog called Rufus",), ("a parrot",)),
    "SELECT value FROM facts WHERE (subject, attribute) = ('Ben', 'pet')": (
        ("a dog called Rufus",),
        ("a parrot",),
    ),
    "SELECT value FROM facts WHERE (subject, attribute) NOT IN (('Anna', 'visited'), ('Ben',"
    " 'visited')) AND value LIKE 'R%' ORDER BY id": (("rain",),),
    "SELECT t.speaker, t.text, f.value FROM turns t LEFT JOIN facts f ON f.turn_id = t.id AND"
    " f.attribute = 'pet' WHERE t.text LIKE '%dog%' ORDER BY t.id": (
        ("Ben", "My dog Rufus ate 3 sausages.", "a dog called Rufus"),
        ("Ben", "My dog Rufus ate 3 sausages.", "a parrot"),
        ("Ben", "A dog costs a lot.", None),
    ),
    # text
    "SELECT value FROM facts WHERE value ILIKE '%oslo%' ORDER BY id": (
        ("Oslo",),
        ("oslo",),
        ("a trip to Oslo",),
    ),
    "SELECT value FROM facts WHERE subject = 'anna' COLLATE NOCASE AND attribute = 'pet'": (
        ("a cat called Miso",),
    ),
    "SELECT text FROM turns WHERE instr(lower(text), 'dog') > 0 ORDER BY id": (
        ("My dog Rufus ate 3 sausages.",),
        ("A dog costs a lot.",),
    ),
    "SELECT text FROM turns WHERE POSITION('Rufus' IN text) > 0": (
        ("My dog Rufus ate 3 sausages.",),
    ),
    "SELECT CONCAT(subject, ' has ', value) AS line"
    " FROM facts WHERE attribute = 'pet' ORDER BY id": (
        ("Anna has a cat called Miso",),
        ("Ben has a dog called Rufus",),
        ("Ben has a parrot",),
    ),
    "SELECT subject || ': ' || COALESCE(value, '-') || IFNULL(' since ' || happened_on, '') AS"
    " line FROM facts WHERE attribute = 'lives_in' ORDER BY id": (
        ("Anna: Bergen since 2015",),
        ("Anna: Oslo since 2020-03-01",),
        ("Ben: Lima since 2019-07",),
    ),
    "SELECT iif(ended_on IS NULL, 'now', 'then') AS state, value FROM facts WHERE attribute ="
    " 'lives_in' ORDER BY id": (("then", "Bergen"), ("now", "Oslo"), ("now", "Lima")),
    "SELECT NULLIF(value, 'Oslo') FROM facts WHERE attribute = 'lives_in' ORDER BY id": (
        ("Bergen",),
        (None,),
        ("Lima",),
    ),
    "SELECT LEFT(happened_on, 4) AS year, COUNT(*) FROM facts WHERE attribute = 'visited'"
    " GROUP BY LEFT(happened_on, 4) ORDER BY year": (("2019", 1), ("2022", 2), ("2023", 1)),
    "SELECT upper(substr(value, 1, 1)) || substr(value, 2) FROM facts WHERE attribute ="
    " 'likes' ORDER BY id": (("Rain",),),
    "SELECT replace(value, 'a ', '') FROM facts WHERE attribute = 'pet' ORDER BY id": (
        ("cat called Miso",),
        ("dog called Rufus",),
        ("parrot",),
    ),
    "SELECT lower(value) AS v FROM facts WHERE v LIKE '%oslo%' ORDER BY v": (
        ("a trip to oslo",),
        ("oslo",),
        ("oslo",),
    ),
    "SELECT length(text) AS n FROM turns ORDER BY n DESC LIMIT 1": ((42,),),
    "SELECT attribute, COUNT(*) FROM facts WHERE turn_id IN (SELECT id FROM turns WHERE"
    " speaker = 'Ben') GROUP BY attribute ORDER BY 2 DESC, 1": (
        ("spent", 3),
        ("has_pet", 2),
        ("visited", 2),
        ("has_child", 1),
        ("lives_in", 1),
        ("plans", 1),
        ("works_at", 1),
    ),
    "SELECT value FROM facts ORDER BY CASE attribute WHEN 'pet' THEN 1 ELSE 2 END, id LIMIT 2": (
        ("Bergen",),
        ("Oslo",),
    ),
    "SELECT value, strftime('%Y', 'now') - strftime('%Y', happened_on) AS years FROM facts"
    " WHERE attribute = 'lives_in' ORDER BY id": (("Bergen", 8), ("Oslo", 3), ("Lima", 4)),
    "SELECT value FROM facts WHERE strftime('%Y', happened_on) = 2022 ORDER BY id": (
        ("Paris",),
        ("oslo",),
    ),
    "SELECT value FROM facts WHERE CAST(strftime('%Y', happened_on) AS INTEGER) BETWEEN 2020"
    " AND 2022 ORDER BY id": (
        ("Oslo",),
        ("a bakery",),
        ("a cat called Miso",),
        ("Paris",),
        ("oslo",),
    ),
    "SELECT value FROM facts WHERE strftime('%m', happened_on) IN (6, 7, 8) ORDER BY id": (
        ("Lima",),
        ("Rome",),
        ("Paris",),
        ("5 km",),
        ("1,900 euros rent",),
        ("75 euros",),
        ("60.5 kg",),
        ("a trip to Oslo",),
    ),
    "SELECT CAST(strftime('%Y', 'now') AS INTEGER) - CAST(substr(happened_on, 1, 4) AS"
    " INTEGER) AS years FROM facts WHERE attribute = 'lives_in' ORDER BY id": ((8,), (3,), (4,)),
    "SELECT attribute, COUNT(*) AS count FROM facts WHERE subject = 'Anna' GROUP BY attribute"
    " ORDER BY count DESC, attribute LIMIT 3": (("spent", 4), ("went_running", 3), ("lives_in", 2)),
    "SELECT subject FROM facts WHERE attribute = 'visited' GROUP BY subject ORDER BY COUNT(*)"
    " DESC, subject LIMIT 1": (("Anna",),),
    "SELECT text FROM turns WHERE id = (SELECT MIN(id) FROM turns WHERE text LIKE '%dog%')": (
        ("My dog Rufus ate 3 sausages.",),
    ),
    "SELECT value FROM facts WHERE happened_on IS NOT NULL AND happened_on != '' AND attribute"
    " = 'pet'": (("a cat called Miso",),),
    'SELECT value AS "Pet", happened_on AS "Since" FROM facts WHERE subject = \'Ben\' AND'
    " attribute = 'pet' ORDER BY \"Pet\"": (("a dog called Rufus", None), ("a parrot", None)),
    "SELECT t.text FROM search('dog', 5) s JOIN turns t ON s.turn_id = t.id WHERE t.speaker ="
    " 'Ben' ORDER BY t.id": (("My dog Rufus ate 3 sausages.",), ("A dog costs a lot.",)),
    "WITH spending AS (SELECT subject, substr(happened_on, 1, 7) AS month, SUM(number(value))"
    " AS total FROM facts WHERE attribute = 'spent' AND happened_on IS NOT NULL GROUP BY"
    " subject, substr(happened_on, 1, 7)) SELECT month, MAX(total) FROM spending GROUP BY"
    " month ORDER BY month": (("2023-05", 1200.8), ("2023-06", 1900)),
    "SELECT value, RANK() OVER (ORDER BY number(value) DESC) AS place FROM facts WHERE"
    " attribute = 'spent' ORDER BY place, id": (
        ("1,900 euros rent", 1),
        ("$1,200.50 flight", 2),
        ("75 euros", 3),
        ("two coffees", 4),
        ("0.2 euros", 5),
        ("0.1 euros", 6),
        ("nothing", 7),
    ),
    "SELECT CASE WHEN number(value) >= 1000 THEN 'large' WHEN number(value) IS NULL THEN"
    " 'none' ELSE 'small' END AS size, COUNT(*) FROM facts WHERE attribute = 'spent' GROUP BY"
    " size ORDER BY size": (("large", 2), ("none", 1), ("small", 4)),
    "SELECT COUNT(DISTINCT strftime('%Y-%m', said_at)) AS months FROM turns": ((4,),),
    "SELECT COUNT(DISTINCT session) AS sessions FROM turns WHERE speaker = 'Anna'": ((3,),),
    "SELECT MAX(said_at) FROM turns WHERE speaker = 'Anna' AND lower(text) LIKE '%ran%'": (
        ("2023-05-08T09:15",),
    ),
    "SELECT AVG(number(value)) AS mean, COUNT(number(value)) AS n FROM facts WHERE attribute"
    " IN ('spent', 'won')": ((529.6333333333333, 6),),
    "SELECT a.value AS first_place, b.value AS next_place FROM facts a JOIN facts b ON"
    " a.subject = b.subject AND b.happened_on = (SELECT MIN(happened_on) FROM facts c WHERE"
    " c.subject = a.subject AND c.attribute = 'visited' AND c.happened_on > a.happened_on)"
    " WHERE a.attribute = 'visited' AND b.attribute = 'visited' ORDER BY a.id": (
        ("Rome", "Paris"),
        ("oslo", "Rome"),
    ),
    "SELECT value FROM facts WHERE attribute = 'visited' AND value NOT IN (SELECT value FROM"
    " facts WHERE subject = 'Ben' AND attribute = 'visited') ORDER BY id": (("Paris",),),
    "SELECT RIGHT(happened_on, 2) AS day FROM facts WHERE attribute = 'went_running' ORDER BY id": (
        ("01",),
        ("08",),
        ("10",),
    ),
    "SELECT value FROM facts WHERE number(value) BETWEEN 50 AND 100 AND attribute = 'spent'": (
        ("75 euros",),
    ),
    "SELECT f.subject, COUNT(*) FROM facts AS f INNER JOIN turns AS t ON f.turn_id = t.id"
    " WHERE t.said_at >= '2023' GROUP BY f.subject ORDER BY f.subject": (("Anna", 12), ("Ben", 6)),
    "SELECT ABS(number('60.5 kg') - number('62 kg')) AS lost": ((1.5,),),
    "SELECT value FROM facts WHERE subject = 'Anna' AND attribute = 'weight' ORDER BY"
    " number(value) LIMIT 1": (("60.5 kg",),),
    "SELECT CAST(ROUND(AVG(number(value))) AS INTEGER) FROM facts WHERE attribute = 'spent'": (
        (530,),
    ),
    "SELECT MAX(number(value)) - MIN(number(value)) AS spread FROM facts WHERE attribute ="
    " 'weight'": ((1.5,),),
    "SELECT SUM(number(value) * 12) AS a_year FROM facts WHERE attribute = 'spent' AND value"
    " LIKE '%rent%'": ((22800,),),
    "SELECT value FROM facts WHERE happened_on >= '2023-05' AND happened_on < '2023-06' AND"
    " attribute = 'went_running' ORDER BY happened_on": (
        ("5 km in the park",),
        ("along the river",),
    ),
    "SELECT value FROM facts WHERE subject = 'Anna' AND attribute = 'went_running' AND"
    " happened_on = (SELECT MAX(happened_on) FROM facts WHERE attribute = 'went_running' AND"
    " subject = 'Anna')": (("5 km",),),
    "SELECT SUM(number(value)) FROM facts WHERE attribute = 'spent' AND strftime('%Y-%m',"
    " happened_on) = '2023-05'": ((1202.8,),),
    "SELECT SUM(IFNULL(number(value), 0)) / COUNT(DISTINCT substr(happened_on, 1, 7)) AS"
    " a_month FROM facts WHERE attribute = 'spent'": ((1588.9,),),
    "SELECT GREATEST(number('2 cats'), number('three')), LEAST(1, 2), max(number('1'), NULL)": (
        (3, 1, None),
    ),
}

# A SELECT -> what its refusal says, and a SELECT that follows the advice.
REFUSED: dict[str, tuple[str, str]] = {
    "SELECT group_concat(value, ', ') FROM facts WHERE attribute = 'pet'": (
        "select the rows themselves",
        "SELECT value FROM facts WHERE attribute = 'pet'",
    ),
    "SELECT string_agg(value, ', ' ORDER BY happened_on) FROM facts WHERE attribute = 'visited'": (
        "select the rows themselves",
        "SELECT value FROM facts WHERE attribute = 'visited' ORDER BY happened_on",
    ),
    "SELECT attribute, value, MAX(happened_on) FROM facts WHERE subject = 'Anna' GROUP BY"
    " attribute": (
        "ROW_NUMBER() OVER (PARTITION BY",
        "WITH r AS (SELECT attribute, value, happened_on, ROW_NUMBER() OVER (PARTITION BY"
        " attribute ORDER BY happened_on DESC, id DESC) AS place FROM facts WHERE subject ="
        " 'Anna') SELECT attribute, value, happened_on FROM r WHERE place = 1 ORDER BY attribute",
    ),
    "SELECT SUM(value) FROM facts WHERE attribute = 'spent'": (
        "write number(x)",
        "SELECT SUM(number(value)) FROM facts WHERE attribute = 'spent'",
    ),
    "SELECT value FROM facts WHERE value > 100": (
        "write number(x)",
        "SELECT value FROM facts WHERE number(value) > 100",
    ),
    "SELECT value + 1 FROM facts WHERE attribute = 'children'": (
        "write number(x)",
        "SELECT number(value) + 1 FROM facts WHERE attribute = 'children'",
    ),
    "SELECT strftime('%w', said_at) FROM turns": (
        "dates are ISO text",
        "SELECT substr(said_at, 1, 7) FROM turns",
    ),
    "SELECT strftime('%s', ended_on) - strftime('%s', happened_on) FROM facts": (
        "days_between(a, b)",
        "SELECT days_between(happened_on, ended_on) FROM facts",
    ),
    "SELECT age(ended_on, happened_on) FROM facts": (
        "days_between(a, b)",
        "SELECT days_between(happened_on, ended_on) FROM facts",
    ),
    "SELECT TIMESTAMPDIFF(DAY, happened_on, ended_on) FROM facts": (
        "days_between(a, b)",
        "SELECT days_between(happened_on, ended_on) FROM facts",
    ),
    "SELECT value FROM facts WHERE date(happened_on, '+7 days') >= '2023-06-01'": (
        "days_between(a, b)",
        "SELECT value FROM facts WHERE days_between(happened_on, '2023-06-01') <= 7",
    ),
    "SELECT value FROM facts WHERE happened_on + INTERVAL '7 days' > '2023-06-01'": (
        "days_between(a, b)",
        "SELECT value FROM facts WHERE days_between(happened_on, '2023-06-01') < 7",
    ),
    "SELECT text FROM turns ORDER BY julianday(said_at)": (
        "compare them as text",
        "SELECT text FROM turns ORDER BY said_at",
    ),
    "SELECT EXTRACT(DOW FROM said_at) FROM turns": (
        "dates are ISO text",
        "SELECT substr(said_at, 1, 7) FROM turns",
    ),
    "SELECT id % 2 FROM facts": (
        "a - b * (a / b)",
        "SELECT id - 2 * (id / 2) FROM facts",
    ),
    "SELECT id FROM facts WHERE value IS 'Oslo'": (
        "write = or <>",
        "SELECT id FROM facts WHERE value = 'Oslo'",
    ),
    "SELECT DISTINCT value FROM facts WHERE attribute = 'visited' ORDER BY happened_on": (
        "order by selected columns",
        "SELECT DISTINCT value, happened_on FROM facts WHERE attribute = 'visited' ORDER BY"
        " happened_on",
    ),
    "SELECT text FROM turns WHERE text REGEXP 'dog|cat'": (
        "lower(x) LIKE '%word%'",
        "SELECT text FROM turns WHERE lower(text) LIKE '%dog%' OR lower(text) LIKE '%cat%'",
    ),
    "SELECT regexp_replace(value, '[^0-9.]', '', 'g') FROM facts": (
        "number(x) is the amount",
        "SELECT number(value) FROM facts",
    ),
    "SELECT f.value FROM facts f JOIN turns t USING (turn_id)": (
        "with ON",
        "SELECT f.value FROM facts f JOIN turns t ON t.id = f.turn_id",
    ),
    "SELECT f.value FROM turns t RIGHT JOIN facts f ON f.turn_id = t.id": (
        "LEFT JOIN with ON",
        "SELECT f.value FROM facts f LEFT JOIN turns t ON f.turn_id = t.id",
    ),
    "SELECT value"
    " FROM facts QUALIFY ROW_NUMBER() OVER (PARTITION BY subject ORDER BY id DESC) = 1": (
        "WHERE place = 1",
        "WITH r AS (SELECT value, ROW_NUMBER() OVER (PARTITION BY subject ORDER BY id DESC) AS"
        " place FROM facts) SELECT value FROM r WHERE place = 1 ORDER BY value",
    ),
    "SELECT DISTINCT ON (subject) subject, value FROM facts ORDER BY subject, id DESC": (
        "WHERE place = 1",
        "WITH r AS (SELECT subject, value, ROW_NUMBER() OVER (PARTITION BY subject ORDER BY id"
        " DESC) AS place FROM facts) SELECT subject, value FROM r WHERE place = 1 ORDER BY"
        " subject",
    ),
    "SELECT value, NTILE(4) OVER (ORDER BY id) FROM facts": (
        "the window functions are",
        "SELECT value, RANK() OVER (ORDER BY id) FROM facts",
    ),
    "SELECT SUM(number(value)) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)"
    " FROM facts": (
        "no ROWS or RANGE",
        "SELECT SUM(number(value)) OVER (ORDER BY id) FROM facts",
    ),
    "SELECT text FROM turns WHERE text LIKE '%dog%' OR '%cat%'": (
        "compare it with something",
        "SELECT text FROM turns WHERE text LIKE '%dog%' OR text LIKE '%cat%'",
    ),
    "SELECT substr(said_at, -5) FROM turns": (
        "count from the start",
        "SELECT substr(said_at, 1, 7) FROM turns",
    ),
    "SELECT text FROM turns t JOIN facts f ON f.turn_id = t.id WHERE instr(text, value) > 0": (
        "LIKE '%' || y || '%'",
        "SELECT text FROM turns t JOIN facts f ON f.turn_id = t.id WHERE lower(text) LIKE '%'"
        " || value || '%'",
    ),
    "SELECT replace(value, subject, '') FROM facts": (
        "both texts in quotes",
        "SELECT replace(value, 'Anna', '') FROM facts",
    ),
    "SELECT COUNT(DISTINCT subject, value) FROM facts": (
        "write SELECT DISTINCT a, b",
        "SELECT COUNT(*) FROM (SELECT DISTINCT subject, value FROM facts) s",
    ),
    "SELECT COUNT(value = 'Oslo') FROM facts": (
        "in COUNT without its ELSE",
        "SELECT COUNT(CASE WHEN value = 'Oslo' THEN 1 END) FROM facts",
    ),
    "SELECT printf('%.2f', number(value)) FROM facts": (
        "write round(x, 2)",
        "SELECT round(number(value), 2) FROM facts",
    ),
    "SELECT concat_ws(' ', subject, value) FROM facts": (
        "a || ' ' || b",
        "SELECT subject || ' ' || value FROM facts",
    ),
    "SELECT ceil(number(value)) FROM facts": (
        "write round(x)",
        "SELECT round(number(value)) FROM facts",
    ),
    "SELECT ltrim(value, '$') FROM facts": (
        "write trim(x)",
        "SELECT trim(value, '$') FROM facts",
    ),
    'SELECT value FROM facts WHERE subject = "Anna"': (
        "'Anna'",
        "SELECT value FROM facts WHERE subject = 'Anna'",
    ),
    "SELECT value FROM facts WHERE attribute = ANY(ARRAY['pet', 'likes'])": (
        "a list is IN ('a', 'b')",
        "SELECT value FROM facts WHERE attribute IN ('pet', 'likes')",
    ),
    "SELECT speaker FROM turns UNION SELECT subject FROM facts INTERSECT SELECT 'Ben'": (
        "or a WITH",
        "WITH names AS (SELECT speaker FROM turns UNION SELECT subject FROM facts) SELECT"
        " speaker FROM names INTERSECT SELECT 'Ben'",
    ),
    "SELECT name FROM memories": (
        "there are turns, facts and search()",
        "SELECT text FROM turns",
    ),
    "WITH RECURSIVE d(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM d WHERE n < 5) SELECT n FROM d": (
        "write a plain WITH",
        "WITH d(n) AS (SELECT id FROM turns) SELECT n FROM d",
    ),
    "SELECT DISTINCT value FROM facts WHERE attribute = 'visited' ORDER BY value COLLATE NOCASE": (
        "order by selected columns",
        "SELECT DISTINCT value FROM facts WHERE attribute = 'visited' ORDER BY value",
    ),
    "SELECT text FROM turns LIMIT ALL": (
        "LIMIT and a whole number",
        "SELECT text FROM turns LIMIT 30",
    ),
    "SELECT text FROM turns WHERE text GLOB '*dog*'": (
        "lower(x) LIKE '%word%'",
        "SELECT text FROM turns WHERE lower(text) LIKE '%dog%'",
    ),
}
