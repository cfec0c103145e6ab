-- A date of a fact that is not there is NULL. A digest used to write '' as well, and a question for
-- `ended_on IS NULL` did not find its facts. The journal's images are respelled with the facts, so
-- that no change is noted, an undo finds what it left, and what it gives is spelled likewise.
-- In an image only a date can be an empty text, and in a text each quote has a backslash before it.
DROP TRIGGER facts_updated;

UPDATE facts SET happened_on = nullif(happened_on, ''), ended_on = nullif(ended_on, '')
WHERE happened_on = '' OR ended_on = '';

UPDATE facts_log
SET before = replace(replace(before, ',"",', ',null,'), ',"",', ',null,'),
    after = replace(replace(after, ',"",', ',null,'), ',"",', ',null,')
WHERE before LIKE '%,"",%' OR after LIKE '%,"",%';

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

DROP TRIGGER inserted_fact_is_dated;
CREATE TRIGGER inserted_fact_is_dated BEFORE INSERT ON facts
WHEN typeof(new.turn_id) <> 'integer'
    OR NOT (
        new.happened_on IS NULL
        OR is_date(new.happened_on) OR is_span(new.happened_on)
    )
    OR NOT (new.ended_on IS NULL OR is_date(new.ended_on))
BEGIN
    SELECT RAISE(ABORT, 'a date of a fact is no date, or its turn_id no number');
END;

DROP TRIGGER updated_fact_is_dated;
CREATE TRIGGER updated_fact_is_dated
BEFORE UPDATE OF happened_on, ended_on, turn_id ON facts
WHEN typeof(new.turn_id) <> 'integer'
    OR NOT (
        new.happened_on IS NULL
        OR is_date(new.happened_on) OR is_span(new.happened_on)
    )
    OR NOT (new.ended_on IS NULL OR is_date(new.ended_on))
BEGIN
    SELECT RAISE(ABORT, 'a date of a fact is no date, or its turn_id no number');
END;
