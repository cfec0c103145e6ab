-- What SQLite says in its own words, for the names in braces of statements.sql. Postgres has the
-- same names (postgres/postgres.sql).

-- {returning_image} --
-- Triggers write the journal and the index of words (migrations/0016_schema.sql).

-- {is_dated} --
(said_at GLOB '[12][0-9][0-9][0-9]' OR said_at GLOB '[12][0-9][0-9][0-9][^0-9]*')

-- {has_letters} --
instr(lower(text), :letters) > 0

-- {is_not_ascii} --
length(text) < length(CAST(text AS BLOB))

-- {begins_with_year} --
said_at GLOB '[12][0-9][0-9][0-9]*'

-- {stated_in} --
CASE WHEN cause GLOB 'stated in turn *'
    THEN CAST(substr(cause, length('stated in turn ') + 1) AS INTEGER) END

-- {is_edited} --
EXISTS (
    SELECT 1 FROM facts_log JOIN changes ON changes.id = facts_log.change_id
    WHERE facts_log.fact_id = f.id AND {is_by_a_person}
)

-- {is_entry_of_alias} --
json_extract(rows_log.after, '$.name') = aliases.name
    AND json_extract(rows_log.after, '$.entity') = aliases.entity

-- {is_as_before} --
facts.subject = json_extract(facts_log.before, '$[1]')
    AND facts.attribute = json_extract(facts_log.before, '$[2]')
    AND facts.value = json_extract(facts_log.before, '$[3]')

-- {greatest} --
max

-- {claimants} --
group_concat(DISTINCT claimed_by)

-- {speakers} --
SELECT name AS speaker FROM speakers
