-- Questions are no longer kept with their answers. The changes that did so stay in the journal,
-- without their rows.
DELETE FROM rows_log WHERE table_name = 'answers';
DROP TABLE answers;
