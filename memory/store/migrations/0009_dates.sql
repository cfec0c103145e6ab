-- The dates of a fact are dates, as exact as known, and its turn is a number, also where a statement
-- has computed them. In an older file a beginning that is no date becomes an unknown one, and such
-- an end the day on which the fact was recorded: as a change, so that the journal holds the rest.
INSERT INTO changes (at, cause, statement)
SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), 'upgrade: dates of facts', '' FROM facts
WHERE NOT (coalesce(happened_on, '') = '' OR is_date(happened_on) OR is_span(happened_on))
    OR NOT (coalesce(ended_on, '') = '' OR is_date(ended_on))
LIMIT 1;

UPDATE facts
SET happened_on = CASE WHEN is_date(happened_on) OR is_span(happened_on) THEN happened_on END,
    ended_on = CASE WHEN coalesce(ended_on, '') = '' OR is_date(ended_on) THEN ended_on
        ELSE substr(recorded_at, 1, 10) END
WHERE NOT (coalesce(happened_on, '') = '' OR is_date(happened_on) OR is_span(happened_on))
    OR NOT (coalesce(ended_on, '') = '' OR is_date(ended_on));

CREATE TRIGGER inserted_fact_is_dated BEFORE INSERT ON facts
WHEN typeof(new.turn_id) <> 'integer'
    OR NOT (
        coalesce(new.happened_on, '') = ''
        OR is_date(new.happened_on) OR is_span(new.happened_on)
    )
    OR NOT (coalesce(new.ended_on, '') = '' OR is_date(new.ended_on))
BEGIN
    SELECT RAISE(ABORT, 'a date of a fact is no date, or its turn_id no number');
END;

CREATE TRIGGER updated_fact_is_dated
BEFORE UPDATE OF happened_on, ended_on, turn_id ON facts
WHEN typeof(new.turn_id) <> 'integer'
    OR NOT (
        coalesce(new.happened_on, '') = ''
        OR is_date(new.happened_on) OR is_span(new.happened_on)
    )
    OR NOT (coalesce(new.ended_on, '') = '' OR is_date(new.ended_on))
BEGIN
    SELECT RAISE(ABORT, 'a date of a fact is no date, or its turn_id no number');
END;
