-- For people and programs that open the file.

-- Names and dates in words: what was said, and what the facts say with who said it.
CREATE VIEW readable_turns AS
SELECT
    id,
    CASE
        WHEN said_at LIKE '%/%' THEN replace(said_at, '/', ' to ')
        WHEN length(said_at) >= 10 THEN ltrim(substr(said_at, 9, 2), '0') || ' ' || substr(
            'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec', 4 * substr(said_at, 6, 2) - 3, 3) || ' ' || substr(said_at, 1, 4)
        WHEN length(said_at) = 7 THEN substr(
            'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec', 4 * substr(said_at, 6, 2) - 3, 3) || ' ' || substr(said_at, 1, 4)
        ELSE coalesce(said_at, '')
    END AS day,
    speaker,
    text,
    session,
    kind
FROM turns;

CREATE VIEW readable_facts AS
SELECT
    facts.id,
    subject,
    replace(attribute, '_', ' ') AS attribute,
    value,
    CASE
        WHEN happened_on LIKE '%/%' THEN replace(happened_on, '/', ' to ')
        WHEN length(happened_on) >= 10 THEN ltrim(substr(happened_on, 9, 2), '0') || ' ' || substr(
            'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec', 4 * substr(happened_on, 6, 2) - 3, 3) || ' ' || substr(happened_on, 1, 4)
        WHEN length(happened_on) = 7 THEN substr(
            'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec', 4 * substr(happened_on, 6, 2) - 3, 3) || ' ' || substr(happened_on, 1, 4)
        ELSE coalesce(happened_on, '')
    END AS since,
    CASE
        WHEN ended_on LIKE '%/%' THEN replace(ended_on, '/', ' to ')
        WHEN length(ended_on) >= 10 THEN ltrim(substr(ended_on, 9, 2), '0') || ' ' || substr(
            'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec', 4 * substr(ended_on, 6, 2) - 3, 3) || ' ' || substr(ended_on, 1, 4)
        WHEN length(ended_on) = 7 THEN substr(
            'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec', 4 * substr(ended_on, 6, 2) - 3, 3) || ' ' || substr(ended_on, 1, 4)
        ELSE coalesce(ended_on, '')
    END AS until,
    CASE
        WHEN said_at LIKE '%/%' THEN replace(said_at, '/', ' to ')
        WHEN length(said_at) >= 10 THEN ltrim(substr(said_at, 9, 2), '0') || ' ' || substr(
            'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec', 4 * substr(said_at, 6, 2) - 3, 3) || ' ' || substr(said_at, 1, 4)
        WHEN length(said_at) = 7 THEN substr(
            'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec', 4 * substr(said_at, 6, 2) - 3, 3) || ' ' || substr(said_at, 1, 4)
        ELSE coalesce(said_at, '')
    END AS said_on,
    speaker AS said_by,
    text AS turn
FROM facts JOIN turns ON turns.id = facts.turn_id;

-- The indexes of words were contentless: counting their rows was an error in other programs, and
-- none of them could search with them. Now they name the tables that they index. Their lists stay
-- as they are, so the entries in the schema are rewritten; SQLite has no ALTER for them. The index
-- of facts has the words of subject, attribute and value in its one column.
PRAGMA writable_schema = ON;
UPDATE sqlite_master SET sql = 'CREATE VIRTUAL TABLE turns_words USING fts5 (
    text, content="turns", content_rowid="id",
    detail = ''none'', columnsize = 0, tokenize = ''porter ascii''
)' WHERE name = 'turns_words';
UPDATE sqlite_master SET sql = 'CREATE VIRTUAL TABLE facts_words USING fts5 (
    value, content="facts", content_rowid="id",
    detail = ''none'', columnsize = 0, tokenize = ''porter ascii''
)' WHERE name = 'facts_words';
PRAGMA writable_schema = RESET;

DROP TRIGGER facts_inserted;
DROP TRIGGER facts_updated;
DROP TRIGGER facts_deleted;

CREATE TRIGGER facts_inserted AFTER INSERT ON facts
BEGIN
    INSERT INTO facts_log (change_id, fact_id, before, after)
    VALUES ((SELECT max(id) FROM changes), new.id, NULL,
            json_array(new.id, new.subject, new.attribute, new.value, new.happened_on,
                       new.ended_on, new.turn_id, new.recorded_at));
    INSERT INTO facts_words (rowid, value)
    VALUES (new.id, words(new.subject || ' ' || new.attribute || ' ' || new.value));
END;

CREATE TRIGGER facts_updated
AFTER UPDATE OF id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at ON facts
BEGIN
    INSERT INTO facts_log (change_id, fact_id, before, after)
    VALUES ((SELECT max(id) FROM changes), new.id,
            json_array(old.id, old.subject, old.attribute, old.value, old.happened_on,
                       old.ended_on, old.turn_id, old.recorded_at),
            json_array(new.id, new.subject, new.attribute, new.value, new.happened_on,
                       new.ended_on, new.turn_id, new.recorded_at));
    INSERT INTO facts_words (facts_words, rowid, value)
    VALUES ('delete', old.id, words(old.subject || ' ' || old.attribute || ' ' || old.value));
    INSERT INTO facts_words (rowid, value)
    VALUES (new.id, words(new.subject || ' ' || new.attribute || ' ' || new.value));
END;

CREATE TRIGGER facts_deleted AFTER DELETE ON facts
BEGIN
    INSERT INTO facts_log (change_id, fact_id, before, after)
    VALUES ((SELECT max(id) FROM changes), old.id,
            json_array(old.id, old.subject, old.attribute, old.value, old.happened_on,
                       old.ended_on, old.turn_id, old.recorded_at), NULL);
    INSERT INTO facts_words (facts_words, rowid, value)
    VALUES ('delete', old.id, words(old.subject || ' ' || old.attribute || ' ' || old.value));
END;

-- Other triggers call functions of ours, and a program that lacks them read "no such function". Of a
-- table's triggers the newest is compiled first: these say who writes, by a collation that only our
-- connections have. They never fire.
CREATE TRIGGER facts_inserted_by_memory BEFORE INSERT ON facts
WHEN new.subject <> new.subject COLLATE only_the_command_memory_and_its_api_write_facts
BEGIN
    SELECT 1;
END;

CREATE TRIGGER facts_updated_by_memory BEFORE UPDATE ON facts
WHEN new.subject <> new.subject COLLATE only_the_command_memory_and_its_api_write_facts
BEGIN
    SELECT 1;
END;

CREATE TRIGGER facts_deleted_by_memory BEFORE DELETE ON facts
WHEN old.subject <> old.subject COLLATE only_the_command_memory_and_its_api_write_facts
BEGIN
    SELECT 1;
END;

CREATE TRIGGER turns_inserted_by_memory BEFORE INSERT ON turns
WHEN new.kind <> new.kind COLLATE only_the_command_memory_and_its_api_write_turns
BEGIN
    SELECT 1;
END;

CREATE TRIGGER turns_deleted_by_memory BEFORE DELETE ON turns
WHEN old.kind <> old.kind COLLATE only_the_command_memory_and_its_api_write_turns
BEGIN
    SELECT 1;
END;
