-- Questions are no longer kept with their answers: as in SQLite, see
-- memory/store/migrations/0015_without_answers.sql.
DELETE FROM memory.rows_log WHERE table_name = 'answers';
DROP TABLE memory.answers;
