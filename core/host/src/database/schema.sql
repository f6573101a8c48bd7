-- The view of all journals. Everything here can be made again from the files, so nothing here is precious.
-- Messages are written in their order, and their index once all are there: see `INDEXES` in mod.rs.
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
-- What the view was made of. `signature` is what the file system tells of the file; it is no content.
CREATE TABLE files (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, directory TEXT NOT NULL, machine TEXT NOT NULL, log INTEGER,
  bytes INTEGER NOT NULL, digest INTEGER NOT NULL, lines INTEGER NOT NULL, idx INTEGER NOT NULL,
  carry_ms INTEGER NOT NULL, last INTEGER, tail INTEGER NOT NULL, signature BLOB NOT NULL);
-- Where every record stands that is not the creation of a message (those are in `messages`).
CREATE TABLE events (
  subject INTEGER NOT NULL, file INTEGER NOT NULL REFERENCES files DEFERRABLE INITIALLY DEFERRED,
  start INTEGER NOT NULL, len INTEGER NOT NULL, line INTEGER NOT NULL, idx INTEGER NOT NULL, carry_ms INTEGER NOT NULL,
  PRIMARY KEY (subject, file, start)) WITHOUT ROWID;
CREATE TABLE problems (file TEXT NOT NULL, line INTEGER NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL);
CREATE INDEX problems_by_file ON problems (file, line);
CREATE TABLE messages (
  guid TEXT NOT NULL, origin TEXT NOT NULL, ms INTEGER NOT NULL, count INTEGER NOT NULL, machine TEXT NOT NULL,
  seq INTEGER NOT NULL, idx INTEGER NOT NULL, home TEXT NOT NULL, from_agent TEXT NOT NULL, body TEXT NOT NULL,
  type TEXT NOT NULL, ts INTEGER NOT NULL, mentions TEXT NOT NULL, reply_to TEXT, rest TEXT, edited_at INTEGER,
  archived_at INTEGER, reactions TEXT, edits INTEGER NOT NULL, deleted INTEGER NOT NULL,
  file INTEGER NOT NULL REFERENCES files DEFERRABLE INITIALLY DEFERRED, start INTEGER NOT NULL, len INTEGER NOT NULL,
  line INTEGER NOT NULL, carry_ms INTEGER NOT NULL);
CREATE TABLE reactions (
  message TEXT NOT NULL, agent TEXT NOT NULL, emoji TEXT NOT NULL, reacted_at INTEGER NOT NULL,
  PRIMARY KEY (message, agent, emoji, reacted_at)) WITHOUT ROWID;
CREATE TABLE threads (
  guid TEXT NOT NULL, origin TEXT NOT NULL, ms INTEGER NOT NULL, count INTEGER NOT NULL, name TEXT NOT NULL,
  parent TEXT, status TEXT NOT NULL, type TEXT, created_at INTEGER NOT NULL, anchor TEXT,
  anchor_hidden INTEGER NOT NULL, last_activity_at INTEGER, pinned_by TEXT, pinned_at INTEGER,
  deleted INTEGER NOT NULL, PRIMARY KEY (guid, origin)) WITHOUT ROWID;
CREATE TABLE thread_members (
  guid TEXT NOT NULL, origin TEXT NOT NULL, role TEXT NOT NULL, who TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER,
  PRIMARY KEY (guid, origin, role, who),
  FOREIGN KEY (guid, origin) REFERENCES threads DEFERRABLE INITIALLY DEFERRED) WITHOUT ROWID;
CREATE TABLE questions (
  guid TEXT NOT NULL, origin TEXT NOT NULL, ms INTEGER NOT NULL, count INTEGER NOT NULL, re TEXT NOT NULL,
  from_agent TEXT NOT NULL, to_agent TEXT, status TEXT NOT NULL, thread TEXT, asked_in TEXT, answered_in TEXT,
  options TEXT, created_at INTEGER NOT NULL, PRIMARY KEY (guid, origin)) WITHOUT ROWID;
CREATE TABLE registers (
  kind TEXT NOT NULL, one TEXT NOT NULL, two TEXT NOT NULL, three TEXT NOT NULL, value TEXT, at INTEGER NOT NULL,
  PRIMARY KEY (kind, one, two, three)) WITHOUT ROWID;
CREATE TABLE collisions (
  kind TEXT NOT NULL, guid TEXT NOT NULL, machine TEXT NOT NULL, PRIMARY KEY (kind, guid, machine)) WITHOUT ROWID;
-- Of this machine alone.
CREATE TABLE agents (agent TEXT NOT NULL, field TEXT NOT NULL, value TEXT, PRIMARY KEY (agent, field)) WITHOUT ROWID;
CREATE TABLE sessions (session TEXT PRIMARY KEY, agent TEXT, last TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
-- Everybody who wrote, and what this machine knows of them beside.
CREATE VIEW everybody AS
  SELECT agent, EXISTS (SELECT 1 FROM agents local WHERE local.agent = known.agent) AS here,
    (SELECT value FROM agents local WHERE local.agent = known.agent AND field = 'presence') AS presence,
    (SELECT min(ts) FROM messages WHERE from_agent = known.agent) AS first_seen,
    (SELECT max(ts) FROM messages WHERE from_agent = known.agent) AS last_seen
  FROM (SELECT agent FROM agents UNION SELECT from_agent FROM messages
        UNION SELECT one FROM registers WHERE kind = 'descriptor') known;
