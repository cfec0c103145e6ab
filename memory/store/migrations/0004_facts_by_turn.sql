-- The facts that were made of a turn, also those that are gone: [6] is turn_id (journal.FACT_IMAGE).
CREATE INDEX facts_log_by_turn ON facts_log (json_extract(after, '$[6]'));
