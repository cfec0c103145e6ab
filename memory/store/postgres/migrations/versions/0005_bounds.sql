-- What a model's || runs as (memory/sql/rendering.py): a text is at most as long as in SQLite.
CREATE FUNCTION memory.joined(first text, second text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    IF octet_length(first) + octet_length(second) > 2000000 THEN
        RAISE EXCEPTION 'a value is too long' USING ERRCODE = 'program_limit_exceeded';
    END IF;
    RETURN first || second;
END
$$;

-- A date as exact as known: 2017, 2017-05 or 2017-05-07.
CREATE FUNCTION memory.is_date(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN value >= '0001' COLLATE "C" AND value ~ (
    '^\d{4}(-(0[1-9]|1[0-2]))?$'
    '|^\d{4}-(0[13578]|1[02])-(0[1-9]|[12]\d|3[01])$'
    '|^\d{4}-(0[469]|11)-(0[1-9]|[12]\d|30)$'
    '|^\d{4}-02-(0[1-9]|1\d|2[0-8])$'
    '|^(\d\d(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29$'
);

-- Two months or two days: 2017-05-13/2017-05-14.
CREATE FUNCTION memory.is_span(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN length(value) IN (15, 21)
    AND length(split_part(value, '/', 1)) = length(split_part(value, '/', 2))
    AND split_part(value, '/', 1) < split_part(value, '/', 2) COLLATE "C"
    AND memory.is_date(split_part(value, '/', 1)) AND memory.is_date(split_part(value, '/', 2));

CREATE FUNCTION memory.is_dated(happened_on text, ended_on text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    coalesce(happened_on, '') = '' OR memory.is_date(happened_on) OR memory.is_span(happened_on)
) AND (coalesce(ended_on, '') = '' OR memory.is_date(ended_on));

-- Older facts: as in SQLite, see memory/store/migrations/0009_dates.sql.
UPDATE memory.counters
SET changes = changes + 1, facts_log = facts_log + undated.facts
FROM (
    SELECT namespace, count(*) AS facts FROM memory.facts
    WHERE NOT memory.is_dated(happened_on, ended_on)
    GROUP BY namespace
) AS undated
WHERE counters.namespace = undated.namespace;

INSERT INTO memory.changes (namespace, id, at, cause, statement)
SELECT counters.namespace, counters.changes,
    to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'upgrade: dates of facts', ''
FROM memory.counters
WHERE counters.namespace IN (
    SELECT namespace FROM memory.facts WHERE NOT memory.is_dated(happened_on, ended_on)
);

INSERT INTO memory.facts_log (namespace, id, change_id, fact_id, before, after)
SELECT undated.namespace, counters.facts_log + 1 - undated.number, counters.changes, undated.id,
    undated.before, undated.after
FROM (
    SELECT namespace, id,
        row_number() OVER (PARTITION BY namespace ORDER BY id DESC) AS number,
        memory.json_array(
            id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at
        ) AS before,
        memory.json_array(
            id, subject, attribute, value,
            CASE WHEN memory.is_dated(happened_on, '') THEN nullif(happened_on, '') END,
            CASE WHEN memory.is_dated('', ended_on) THEN ended_on
                ELSE substr(recorded_at, 1, 10) END,
            turn_id, recorded_at
        ) AS after
    FROM memory.facts
    WHERE NOT memory.is_dated(happened_on, ended_on)
) AS undated
JOIN memory.counters ON counters.namespace = undated.namespace;

UPDATE memory.facts
SET happened_on = CASE WHEN memory.is_dated(happened_on, '') THEN nullif(happened_on, '') END,
    ended_on = CASE WHEN memory.is_dated('', ended_on) THEN ended_on
        ELSE substr(recorded_at, 1, 10) END
WHERE NOT memory.is_dated(happened_on, ended_on);

ALTER TABLE memory.facts ADD CONSTRAINT fact_is_dated
    CHECK (memory.is_dated(happened_on, ended_on));
