-- What Postgres says in its own words, for the names in braces of ../statements.sql. SQLite has the
-- same names (../sqlite/sqlite.sql).

-- {returning_image} --
-- For the journal, which is written by statements of ours (fact_table.py).
RETURNING id, {image}

-- {is_dated} --
said_at ~ '^[12][0-9]{3}($|[^0-9])'

-- {has_letters} --
-- By ASCII's small letters: in Turkish that of "I" is another one.
strpos(lower(text COLLATE "C"), :letters) > 0

-- {is_not_ascii} --
char_length(text) < octet_length(text)

-- {begins_with_year} --
said_at ~ '^[12][0-9]{3}'

-- {stated_in} --
CASE WHEN cause ~ '^stated in turn [0-9]{1,18}$'
    THEN substr(cause, length('stated in turn ') + 1)::bigint END

-- {is_edited} --
f.id IN (
    SELECT facts_log.fact_id
    FROM memory.facts_log JOIN memory.changes ON changes.id = facts_log.change_id
    WHERE facts_log.namespace = :namespace AND changes.namespace = :namespace
        AND {is_by_a_person}
)

-- {is_entry_of_alias} --
(rows_log.after::jsonb ->> 'name') = aliases.name
    AND (rows_log.after::jsonb ->> 'entity') = aliases.entity

-- {is_as_before} --
facts.subject = facts_log.before::json ->> 1
    AND facts.attribute = facts_log.before::json ->> 2
    AND facts.value = facts_log.before::json ->> 3

-- {greatest} --
greatest

-- {claimants} --
string_agg(DISTINCT claimed_by, ',')

-- {speakers} --
-- Of the turns: the login that runs a model's SQL asks it too, and may read no more of a memory.
SELECT speaker FROM memory.turns WHERE namespace = :namespace
