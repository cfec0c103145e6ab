-- What is current on :day, for the `facts_now` of a model's SELECT (in_force.py) and for the
-- product's own reads (memory/store/statements.sql). `f` is the fact, `t` the turn it came from.

-- {is_current} --
-- Begun, and not ended: as `memory.vocabulary.fact_lines.is_current`. Of a span, its first day or
-- month counts.
(f.ended_on IS NULL OR f.ended_on > :day) AND (
    f.happened_on IS NULL OR substr(f.happened_on, 1, 10) <= :day
    OR substr(f.happened_on, 1, 8) = :month_of_span
)

-- {place} --
-- A fact without a date counts from the day that its turn was said on.
ROW_NUMBER() OVER (
    PARTITION BY COALESCE(f.entity, f.subject), f.attribute
    ORDER BY COALESCE(f.happened_on, substr(t.said_at, 1, 10)) DESC, f.turn_id DESC, f.id DESC
) AS place

-- {is_newest} --
-- Of an attribute with one value at a time, only the newest fact of a subject.
(place = 1 OR attribute <> ALL (:one_valued))
