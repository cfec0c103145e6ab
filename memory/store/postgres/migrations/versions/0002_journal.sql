-- Numbers and the journal come from memory/store/postgres/fact_table.py: Citus runs no triggers on
-- tables that are spread over servers. What a model wrote is only read from now on, so that no text
-- of a model needs the right to write; the second login writes what our code makes of it, with a
-- ticket (scope j) that is in force only while our own statements run.
DROP TRIGGER number_row ON memory.facts;
DROP TRIGGER number_row ON memory.changes;
DROP TRIGGER number_row ON memory.facts_log;
DROP TRIGGER number_row ON memory.settings;
DROP TRIGGER log_fact ON memory.facts;
DROP FUNCTION memory.number_row();
DROP FUNCTION memory.log_fact();
DROP TABLE memory.facts_due;
ALTER TABLE memory.facts ALTER COLUMN namespace DROP DEFAULT;

DROP FUNCTION memory.lock_writer();
ALTER TABLE memory.counters ENABLE ROW LEVEL SECURITY;
CREATE POLICY journals ON memory.counters TO "MODEL_ROLE"
    USING (namespace = memory.entered('j')) WITH CHECK (namespace = memory.entered('j'));
GRANT SELECT, UPDATE ON memory.counters TO "MODEL_ROLE";

DROP POLICY inserts ON memory.facts;
DROP POLICY updates ON memory.facts;
DROP POLICY deletes ON memory.facts;
CREATE POLICY journals ON memory.facts TO "MODEL_ROLE"
    USING (namespace = memory.entered('j')) WITH CHECK (namespace = memory.entered('j'));
REVOKE INSERT (subject, attribute, value, happened_on, ended_on, turn_id),
    UPDATE (subject, attribute, value, happened_on, ended_on, turn_id)
    ON memory.facts FROM "MODEL_ROLE";
GRANT INSERT, UPDATE ON memory.facts TO "MODEL_ROLE";

DROP POLICY journals ON memory.facts_log;
CREATE POLICY journals ON memory.facts_log TO "MODEL_ROLE"
    USING (namespace = memory.entered('j')) WITH CHECK (namespace = memory.entered('j'));
GRANT INSERT ON memory.facts_log TO "MODEL_ROLE";

DROP POLICY reads ON memory.turns;
CREATE POLICY reads ON memory.turns FOR SELECT TO "MODEL_ROLE"
    USING (namespace = memory.entered('rj'));
DROP POLICY reads ON memory.facts;
CREATE POLICY reads ON memory.facts FOR SELECT TO "MODEL_ROLE"
    USING (namespace = memory.entered('r'));
