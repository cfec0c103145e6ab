-- A date of a fact that is not there is NULL: as in SQLite, see
-- memory/store/migrations/0016_one_spelling.sql.
UPDATE memory.facts SET happened_on = nullif(happened_on, ''), ended_on = nullif(ended_on, '')
WHERE happened_on = '' OR ended_on = '';

UPDATE memory.facts_log
SET before = replace(replace(before, ',"",', ',null,'), ',"",', ',null,'),
    after = replace(replace(after, ',"",', ',null,'), ',"",', ',null,')
WHERE before LIKE '%,"",%' OR after LIKE '%,"",%';

ALTER TABLE memory.facts ADD CONSTRAINT fact_has_one_spelling
    CHECK (happened_on <> '' AND ended_on <> '');

-- The day that a date, a span or a moment counts from, NULL for other text.
CREATE FUNCTION memory.first_day(value text) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT make_date(
        substr(named, 1, 4)::integer,
        coalesce(nullif(substr(named, 6, 2), ''), '1')::integer,
        coalesce(nullif(substr(named, 9, 2), ''), '1')::integer
    )
    FROM (
        SELECT CASE
            WHEN substr(value, 11, 1) IN ('T', ' ') THEN substr(value, 1, 10)
            WHEN memory.is_span(value) THEN split_part(value, '/', 1)
            ELSE value
        END COLLATE "C" AS named
    ) AS text_of_date
    WHERE memory.is_date(named)
);

-- What a model's days_between runs as (memory/sql/rendering.py; in SQLite memory/text/dates.py).
CREATE FUNCTION memory.days_between(first text, second text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (memory.first_day(second) - memory.first_day(first))::bigint;
