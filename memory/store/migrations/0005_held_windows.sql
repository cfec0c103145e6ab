-- What a model wrote for a window and a person must decide about; empty where nothing is held.
ALTER TABLE pending ADD COLUMN statement TEXT NOT NULL DEFAULT '';
