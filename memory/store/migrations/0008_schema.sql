-- What an application brings to its memory: tags of turns, the attributes of its facts, and who is
-- meant by a name.
CREATE TABLE tags (
    turn_id INTEGER NOT NULL REFERENCES turns (id),
    key     TEXT NOT NULL CHECK (key <> ''),
    value   TEXT NOT NULL CHECK (value <> ''),
    PRIMARY KEY (turn_id, key, value)
) WITHOUT ROWID;
CREATE INDEX tags_by_value ON tags (key, value, turn_id);

-- Beside or instead of the default ones (memory/vocabulary). Other names and values are JSON arrays.
CREATE TABLE attributes (
    name           TEXT NOT NULL PRIMARY KEY CHECK (name <> ''),
    other_names    TEXT NOT NULL,
    kind           TEXT NOT NULL CHECK (kind IN ('one value', 'many', 'event')),
    allowed_values TEXT NOT NULL,
    instruction    TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE entities (
    name        TEXT NOT NULL PRIMARY KEY CHECK (name <> ''),
    description TEXT NOT NULL
) WITHOUT ROWID;

-- NAME is ENTITY, said in a turn. No foreign key: 0 is a person's word, which holds everywhere.
CREATE TABLE aliases (
    name    TEXT NOT NULL CHECK (name <> ''),
    entity  TEXT NOT NULL CHECK (entity <> ''),
    turn_id INTEGER NOT NULL,
    PRIMARY KEY (name, entity, turn_id)
) WITHOUT ROWID;
CREATE INDEX aliases_by_entity ON aliases (entity);
CREATE INDEX aliases_by_turn ON aliases (turn_id);

-- What changes did to rows of these tables, each a JSON object. `turn_id` is the turn that the row
-- rests on, 0 for none.
CREATE TABLE rows_log (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    change_id  INTEGER NOT NULL REFERENCES changes (id),
    table_name TEXT NOT NULL,
    turn_id    INTEGER NOT NULL,
    before     TEXT,
    after      TEXT
);
CREATE INDEX rows_log_by_change ON rows_log (change_id);
CREATE INDEX rows_log_by_turn ON rows_log (turn_id);

-- Who a fact's subject is, and who its value names: derived from the aliases, so the journal of
-- facts is silent about it.
ALTER TABLE facts ADD COLUMN entity TEXT;
ALTER TABLE facts ADD COLUMN value_entity TEXT;
CREATE INDEX facts_by_entity ON facts (entity, attribute);
CREATE INDEX facts_by_value_entity ON facts (value_entity) WHERE value_entity IS NOT NULL;

DROP TRIGGER facts_updated;
CREATE TRIGGER facts_updated
AFTER UPDATE OF id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at ON facts
BEGIN
    INSERT INTO facts_log (change_id, fact_id, before, after)
    VALUES ((SELECT max(id) FROM changes), new.id,
            json_array(old.id, old.subject, old.attribute, old.value, old.happened_on,
                       old.ended_on, old.turn_id, old.recorded_at),
            json_array(new.id, new.subject, new.attribute, new.value, new.happened_on,
                       new.ended_on, new.turn_id, new.recorded_at));
    INSERT INTO facts_words (facts_words, rowid, words)
    VALUES ('delete', old.id, words(old.subject || ' ' || old.attribute || ' ' || old.value));
    INSERT INTO facts_words (rowid, words)
    VALUES (new.id, words(new.subject || ' ' || new.attribute || ' ' || new.value));
END;
