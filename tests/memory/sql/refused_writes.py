"""Writes that are refused, by a fragment of the advice that they get."""

REFUSED_WRITES = {
    "only facts are written": [
        "INSERT INTO people (name) VALUES ('Anna')",
        "UPDATE settings SET value = 'x' WHERE name = 'y'",
        "DELETE FROM changes WHERE id = 1",
        "DELETE FROM sqlite_master WHERE name = 'facts'",
        "INSERT INTO main.facts (subject, attribute, value, turn_id) VALUES ('a', 'b', 'c', 1)",
        "DELETE FROM main.facts WHERE id = 1",
    ],
    "never change": [
        "INSERT INTO turns (speaker, text) VALUES ('Anna', 'hi')",
        "UPDATE turns SET text = 'x' WHERE id = 1",
        "DELETE FROM turns WHERE id = 1",
    ],
    "here only facts are written": ["SELECT 1", "WITH x AS (SELECT 1) SELECT * FROM x"],
    "name the columns": [
        "INSERT INTO facts VALUES ('Anna', 'pet', 'cat', 1)",
    ],
    "INSERT INTO facts (columns)": [
        "INSERT OR REPLACE INTO facts (subject, attribute, value, turn_id) VALUES ('a','b','c',1)",
        "INSERT OR IGNORE INTO facts (subject, attribute, value, turn_id) VALUES ('a','b','c',1)",
        "INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('a', 'b', 'c', 1) "
        "ON CONFLICT DO NOTHING",
        "INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('a', 'b', 'c', 1) "
        "RETURNING id",
        "INSERT INTO facts DEFAULT VALUES",
        "INSERT OR IGNORE INTO entities (name) VALUES ('Ilse')",
        "INSERT OR REPLACE INTO aliases (name, entity, turn_id) VALUES ('Mum', 'Ilse', 1)",
        "WITH x AS (SELECT 1) INSERT INTO facts (subject, attribute, value, turn_id) "
        "VALUES ('a', 'b', 'c', 1)",
    ],
    "not a SELECT": [
        "INSERT INTO facts (subject, attribute, value, turn_id) SELECT 'a', 'b', 'c', 1",
        "INSERT INTO facts (subject, attribute, value, turn_id)\nSELECT speaker, 'b', text, id "
        "FROM turns",
        "INSERT INTO facts (subject, attribute, value, turn_id)",
    ],
    "not a column that you set": [
        "INSERT INTO facts (id, subject, attribute, value, turn_id) VALUES (1, 'a', 'b', 'c', 1)",
        "INSERT INTO facts (subject, attribute, value, turn_id, recorded_at) "
        "VALUES ('a', 'b', 'c', 1, 'now')",
        "INSERT INTO facts (subject, attribute, value, turn_id, mood) "
        "VALUES ('a', 'b', 'c', 1, 'x')",
        "INSERT INTO facts (subject text, attribute, value, turn_id) VALUES ('a', 'b', 'c', 1)",
        "UPDATE facts SET id = 5 WHERE id = 1",
        "UPDATE facts SET recorded_at = '2023' WHERE id = 1",
    ],
    "set twice": [
        "INSERT INTO facts (subject, subject, attribute, value, turn_id) "
        "VALUES ('a', 'a', 'b', 'c', 1)",
        "UPDATE facts SET value = 'a', value = 'b' WHERE id = 1",
    ],
    "a fact needs subject": [
        "INSERT INTO facts (subject, attribute, value) VALUES ('a', 'b', 'c')",
        "INSERT INTO facts (value, turn_id) VALUES ('c', 1)",
    ],
    "a fact needs it": [
        "INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('a', 'b', NULL, 1)",
        "INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('a', 'b', 'c', NULL)",
        "UPDATE facts SET subject = NULL WHERE id = 1",
    ],
    "whole number, without quotes": [
        "INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('a', 'b', 'c', '1')",
        "INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('a', 'b', 'c', 1.5)",
        "INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('a', 'b', 'c', -1)",
        "UPDATE facts SET turn_id = 'D1:3' WHERE id = 1",
    ],
    "nothing after": [
        "INSERT INTO facts (subject, attribute, value, turn_id) "
        "VALUES ('a', 'b', 'c', 1) ('d', 'e', 'f', 2)",
        "INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('a', 'b', 'c', 1) x",
    ],
    "before the comma": [
        "INSERT INTO facts (subject, attribute, value, turn_id) VALUES (, 'a', 'b', 'c', 1)",
    ],
    "give 4 values": [
        "INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('a', 'b', 'c')",
        "INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('a', 'b', 'c', 1), ('a')",
    ],
    "write a plain value": [
        'INSERT INTO facts (subject, attribute, value, turn_id) VALUES ("Anna", "pet", "cat", 1)',
        "INSERT INTO facts (subject, attribute, value, turn_id) VALUES (Anna, 'b', 'c', 1)",
        "INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('a', 'b', 'c' || 'd', 1)",
        "INSERT INTO facts (subject, attribute, value, turn_id) "
        "VALUES ('a', 'b', 'c', (SELECT MAX(id) FROM turns))",
        "INSERT INTO facts (subject, attribute, value, turn_id) VALUES (lower('A'), 'b', 'c', 1)",
        "INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('a', 'b', TRUE, 1)",
    ],
    "write the date itself": [
        "INSERT INTO facts (subject, attribute, value, turn_id, happened_on) "
        "VALUES ('a', 'b', 'c', 1, DATE('now'))",
        "INSERT INTO facts (subject, attribute, value, turn_id, happened_on) "
        "VALUES ('a', 'b', 'c', 1, CURRENT_DATE)",
        "UPDATE facts SET ended_on = date('now') WHERE id = 1",
    ],
    "a date as exact as known": [
        "INSERT INTO facts (subject, attribute, value, turn_id, happened_on) "
        "VALUES ('a', 'b', 'c', 1, 'last week')",
        "INSERT INTO facts (subject, attribute, value, turn_id, happened_on) "
        "VALUES ('a', 'b', 'c', 1, '2024-13')",
        "INSERT INTO facts (subject, attribute, value, turn_id, happened_on) "
        "VALUES ('a', 'b', 'c', 1, 'summer 2023')",
        "INSERT INTO facts (subject, attribute, value, turn_id, happened_on) "
        "VALUES ('a', 'b', 'c', 1, '2024-02-30')",
        "INSERT INTO facts (subject, attribute, value, turn_id, happened_on) "
        "VALUES ('a', 'b', 'c', 1, '2024/01/13')",
        "INSERT INTO facts (subject, attribute, value, turn_id, happened_on) "
        "VALUES ('a', 'b', 'c', 1, '2024-01-14/2024-01-13')",
        "INSERT INTO facts (subject, attribute, value, turn_id, happened_on) "
        "VALUES ('a', 'b', 'c', 1, '2024-01-13/2024-02')",
        "UPDATE facts SET ended_on = 'soon' WHERE id = 1",
        "UPDATE facts SET ended_on = '2024-01-13/2024-01-14' WHERE id = 1",
        "UPDATE facts SET happened_on = substr(value, 1, 4) WHERE id = 1",
    ],
    "WHERE is missing": [
        "UPDATE facts SET value = 'x'",
        "DELETE FROM facts",
        "DELETE FROM facts f",
    ],
    "write UPDATE facts": [
        "UPDATE facts SET value = t.text FROM turns t WHERE t.id = facts.turn_id",
        "UPDATE facts SET value = 'x' WHERE id = 1 LIMIT 1",
    ],
    "write DELETE FROM facts": [
        "DELETE FROM facts WHERE id = 1 LIMIT 1",
        "DELETE facts WHERE id = 1",
    ],
    "SET column = value": [
        "UPDATE facts WHERE value = 5",
        "UPDATE facts SET (value, subject) = ('a', 'b') WHERE id = 1",
        "UPDATE facts SET facts.value = 'a' WHERE id = 1",
    ],
    "it is for SELECT": [
        "DELETE FROM facts WHERE turn_id IN (SELECT turn_id FROM search('a', 5))",
        "UPDATE facts SET value = 'x' WHERE turn_id IN (SELECT turn_id FROM search('a', 5))",
        "DELETE FROM facts WHERE id IN (SELECT id FROM facts_now)",
    ],
    "no table facts_now": [
        "DELETE FROM facts_now WHERE id = 1",
        "UPDATE facts_now SET value = 'x' WHERE id = 1",
        "INSERT INTO facts_now (subject, attribute, value, turn_id) VALUES ('a', 'b', 'c', 1)",
    ],
    "select it with a name in a WITH": [
        "DELETE FROM facts WHERE ROW_NUMBER() OVER (ORDER BY id) > 1",
        "UPDATE facts SET turn_id = ROW_NUMBER() OVER (ORDER BY id) WHERE id > 0",
    ],
    "the functions are": [
        "DELETE FROM facts WHERE id = pg_sleep(10)",
        "UPDATE facts SET value = hex(value) WHERE id = 1",
        "UPDATE facts SET value = load_extension('x') WHERE id = 1",
    ],
    "this is no condition": ["DELETE FROM facts WHERE 1"],
    "no table": ["DELETE FROM facts WHERE id IN (SELECT id FROM pending)"],
    "no column": [
        "UPDATE facts SET value = 'x' WHERE name = 'Anna'",
        "UPDATE facts SET value = other WHERE id = 1",
    ],
    "text goes in single quotes": ['DELETE FROM facts WHERE subject = "Anna"'],
    "JOIN or LEFT JOIN": ["DELETE FROM facts USING turns WHERE turns.id = facts.turn_id"],
    "only SELECT reads": [
        "REPLACE INTO facts (subject) VALUES ('a')",
        "MERGE INTO facts USING turns ON 1 = 1",
        "DROP TABLE facts; -- bye",
        "DELETE FROM facts WHERE id = 1; VACUUM",
        "ATTACH 'x' AS y; DELETE FROM facts WHERE id = 1",
    ],
    "at most 50": ["DELETE FROM facts WHERE id = 1;" * 51, "DELETE FROM facts WHERE id = 1\n" * 51],
    "double a quote": [
        "INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('Anna's', 'b', 'c', 1)",
        r"INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('Anna\'s', 'b', 'c', 1)",
    ],
    "one ```sql fence": [
        "DELETE FROM facts WHERE id = 1;\n```sql\nDELETE FROM facts WHERE id = 2;\n```",
        "```sql\nDELETE FROM facts WHERE id = 1;\n```\nor\n"
        "```sql\nDELETE FROM facts WHERE id = 2\n```",
        "```sql\nDELETE FROM facts WHERE id = 1;\n```\nDELETE FROM facts WHERE id = 2;",
    ],
    "the application's": [
        "INSERT INTO tags (turn_id, key, value) VALUES (1, 'a', 'b')",
        "DELETE FROM tags WHERE turn_id = 1",
        "UPDATE tags SET value = 'x' WHERE turn_id = 1",
    ],
    "not updated": [
        "UPDATE aliases SET entity = 'Ilse' WHERE name = 'Mum'",
        "UPDATE entities SET description = 'x' WHERE name = 'Ilse'",
        "UPDATE aliases SET entity = (SELECT text FROM turns LIMIT 1) WHERE name = 'Mum'",
    ],
    "goes with its last name": [
        "DELETE FROM entities WHERE name = 'Ilse'",
        "DELETE FROM entities",
    ],
    "INSERT INTO aliases (name": [
        "INSERT INTO aliases VALUES ('Mum', 'Ilse', 1)",
        "INSERT INTO main.aliases (name, entity, turn_id) VALUES ('Mum', 'Ilse', 1)",
        "INSERT INTO aliases (name, entity, turn_id) SELECT speaker, 'Ilse', id FROM turns",
        "DELETE FROM aliases",
        "DELETE FROM main.aliases WHERE name = 'Mum' AND entity = 'Ilse'",
        "DELETE FROM aliases a WHERE name = 'Mum' AND entity = 'Ilse'",
        "DELETE FROM aliases WHERE name = 'Mum'",
        "DELETE FROM aliases WHERE name = 'Mum' OR entity = 'Ilse'",
        "DELETE FROM aliases WHERE name = 'Mum' AND name = 'Ilse'",
        "DELETE FROM aliases WHERE name = 'Mum' AND entity = 'Ilse' AND turn_id = 1",
        "DELETE FROM aliases WHERE name <> 'Mum' AND entity = 'Ilse'",
        "DELETE FROM aliases WHERE lower(name) = 'mum' AND entity = 'Ilse'",
        "DELETE FROM aliases WHERE aliases.name = 'Mum' AND entity = 'Ilse'",
        "DELETE FROM aliases WHERE NOT name = 'Mum'",
        "DELETE FROM aliases WHERE name IN ('Mum', 'Mom') AND entity = 'Ilse'",
        "DELETE FROM aliases WHERE name = 'Mum' AND entity = 'Ilse' LIMIT 1",
    ],
    "INSERT INTO entities (name": [
        "INSERT INTO entities VALUES ('Ilse', 'x')",
        "INSERT INTO entities (name, description) SELECT speaker, text FROM turns",
        "INSERT INTO entities DEFAULT VALUES",
        "WITH x AS (SELECT 1) INSERT INTO entities (name) VALUES ('Ilse')",
    ],
    "has the columns": [
        "INSERT INTO aliases (name, entity, turn_id, namespace) VALUES ('Mum', 'Ilse', 1, 2)",
        "INSERT INTO entities (id, name) VALUES (1, 'Ilse')",
    ],
    "aliases needs name": [
        "INSERT INTO aliases (name, entity) VALUES ('Mum', 'Ilse')",
        "INSERT INTO aliases (name, turn_id) VALUES ('Mum', 1)",
    ],
    "entities needs name": ["INSERT INTO entities (description) VALUES ('x')"],
    "write a plain name": [
        "INSERT INTO aliases (name, entity, turn_id) VALUES (lower('Mum'), 'Ilse', 1)",
        "INSERT INTO aliases (name, entity, turn_id) "
        "VALUES ('Mum', (SELECT text FROM turns LIMIT 1), 1)",
        "INSERT INTO aliases (name, entity, turn_id) VALUES ('Mum', NULL, 1)",
        "INSERT INTO aliases (name, entity, turn_id) VALUES ('Mum' || 'my', 'Ilse', 1)",
        "INSERT INTO entities (name, description) VALUES (7, 'x')",
        "DELETE FROM aliases WHERE name = entity AND entity = 'Ilse'",
        "DELETE FROM aliases WHERE name = (SELECT name FROM aliases LIMIT 1) AND entity = 'Ilse'",
    ],
    "a name is not empty": [
        "INSERT INTO aliases (name, entity, turn_id) VALUES (' ', 'Ilse', 1)",
        "INSERT INTO entities (name) VALUES ('')",
    ],
    "write at most 200": [
        f"INSERT INTO aliases (name, entity, turn_id) VALUES ('{'x' * 201}', 'Ilse', 1)",
        f"DELETE FROM aliases WHERE name = '{'x' * 201}' AND entity = 'Ilse'",
    ],
    "write at most 1000": [
        f"INSERT INTO entities (name, description) VALUES ('Ilse', '{'x' * 1001}')",
    ],
    "the id of a turn is a whole number": [
        "INSERT INTO aliases (name, entity, turn_id) VALUES ('Mum', 'Ilse', 0)",
        "INSERT INTO aliases (name, entity, turn_id) VALUES ('Mum', 'Ilse', NULL)",
        "INSERT INTO aliases (name, entity, turn_id) VALUES ('Mum', 'Ilse', '1')",
        "INSERT INTO aliases (name, entity, turn_id) VALUES ('Mum', 'Ilse', -1)",
    ],
}
