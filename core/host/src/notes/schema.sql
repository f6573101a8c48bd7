-- What the notes say, for searching. All of it can be made again from the files.
CREATE TABLE notes (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    digest INTEGER NOT NULL,      -- of the note's files; another one means that they may say something else
    state TEXT NOT NULL,          -- live, trashed or not-yet
    title TEXT NOT NULL,
    created_ms INTEGER,
    modified_ms INTEGER
);
-- What was there at the last sync, so that the next one can say what is new. A note that is deleted for good stays here.
CREATE TABLE synced (
    id TEXT PRIMARY KEY,
    digest INTEGER NOT NULL,
    is_deleted INTEGER NOT NULL,
    numbers TEXT NOT NULL         -- JSON: of each instance the largest number
) WITHOUT ROWID;
