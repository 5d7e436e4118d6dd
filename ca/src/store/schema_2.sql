-- Schema 2: what stands at the edge, what must still reach it, how tokens and certificates follow
-- one another. Tables only; those of schema 1 stay as they are. Times and digests are as there.

-- What we own at Cloudflare. Without a `remote_id` the call was about to be made, and its answer
-- was not seen.
CREATE TABLE edge_objects (
    id              INTEGER PRIMARY KEY,
    account         TEXT    NOT NULL,
    kind            TEXT    NOT NULL,                 -- certificate, app, policy, group, service_token, hostname
    key             TEXT    NOT NULL,                 -- ours, such as `telemetry/factory-devices (mTLS)`
    remote_id       TEXT,
    name            TEXT    NOT NULL,                 -- its name at Cloudflare
    parent          TEXT,                             -- of a policy: its application's id
    data            TEXT    NOT NULL,                 -- JSON object; no secret
    intended_at     INTEGER NOT NULL,
    recorded_at     INTEGER,
    recorded_by     TEXT    NOT NULL,
    digest          BLOB    NOT NULL,
    UNIQUE (account, kind, key)
) STRICT;

-- Changes that must still reach the edge.
CREATE TABLE edge_pending (
    id              INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice: clearing one clears no later one
    what            TEXT    NOT NULL,                 -- for people
    cause           TEXT    NOT NULL,                 -- such as `revoked`
    names           TEXT    NOT NULL,                 -- JSON array of common names or token names
    since           INTEGER NOT NULL,
    recorded_by     TEXT    NOT NULL,
    digest          BLOB    NOT NULL
) STRICT;

-- `token` is no reference: what was done to a token outlives it.
CREATE TABLE rotations (
    id              INTEGER PRIMARY KEY,
    token           TEXT    NOT NULL,
    state           TEXT    NOT NULL,                 -- JSON, read by the command alone; no secret
    started_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    finished_at     INTEGER,
    started_by      TEXT    NOT NULL,
    digest          BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX rotations_unfinished ON rotations (token) WHERE finished_at IS NULL;

CREATE TABLE token_changes (
    id              INTEGER PRIMARY KEY,
    token           TEXT    NOT NULL,
    what            TEXT    NOT NULL,                 -- secret_added, secret_removed, expiry
    at              INTEGER NOT NULL,
    changed_by      TEXT    NOT NULL,
    digest          BLOB    NOT NULL
) STRICT;
CREATE INDEX token_changes_by_token ON token_changes (token, id);

-- Written with the successor's intent: no successor is ever signed without its link.
CREATE TABLE successions (
    certificate_id  INTEGER PRIMARY KEY REFERENCES certificates (id),
    predecessor_id  INTEGER NOT NULL REFERENCES certificates (id),
    at              INTEGER NOT NULL,
    digest          BLOB    NOT NULL
) STRICT;
CREATE INDEX successions_by_predecessor ON successions (predecessor_id);
