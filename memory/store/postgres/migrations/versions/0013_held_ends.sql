-- A window is stored while its ends wait for a person: one transaction, which models' login runs,
-- deletes the row of its claim and inserts the row of what is held.
GRANT INSERT ON memory.pending TO "MODEL_ROLE";
