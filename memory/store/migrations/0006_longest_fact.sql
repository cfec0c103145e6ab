-- No fact is so long that one step of SQLite takes seconds with it. In an older file a longer one
-- is cut, as a change: the journal holds the whole text. Its words are indexed anew, because the
-- index can take away only the very words that it was given.
INSERT INTO changes (at, cause, statement)
SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), 'upgrade: longest fact', '' FROM facts
WHERE max(length(subject), length(attribute), length(value),
          length(coalesce(happened_on, '')), length(coalesce(ended_on, ''))) > 20000
LIMIT 1;

UPDATE facts
SET subject = substr(subject, 1, 20000), attribute = substr(attribute, 1, 20000),
    value = substr(value, 1, 20000), happened_on = substr(happened_on, 1, 20000),
    ended_on = substr(ended_on, 1, 20000)
WHERE max(length(subject), length(attribute), length(value),
          length(coalesce(happened_on, '')), length(coalesce(ended_on, ''))) > 20000;

INSERT INTO facts_words (facts_words)
SELECT 'delete-all' FROM changes WHERE cause = 'upgrade: longest fact';
INSERT INTO facts_words (rowid, words)
SELECT id, words(subject || ' ' || attribute || ' ' || value) FROM facts
WHERE EXISTS (SELECT 1 FROM changes WHERE cause = 'upgrade: longest fact');

CREATE TRIGGER inserted_fact_is_short BEFORE INSERT ON facts
WHEN max(length(new.subject), length(new.attribute), length(new.value),
         length(coalesce(new.happened_on, '')), length(coalesce(new.ended_on, ''))) > 20000
BEGIN
    SELECT RAISE(ABORT, 'a column of a fact holds at most 20000 characters');
END;

CREATE TRIGGER updated_fact_is_short BEFORE UPDATE ON facts
WHEN max(length(new.subject), length(new.attribute), length(new.value),
         length(coalesce(new.happened_on, '')), length(coalesce(new.ended_on, ''))) > 20000
BEGIN
    SELECT RAISE(ABORT, 'a column of a fact holds at most 20000 characters');
END;
