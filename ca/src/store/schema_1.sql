-- Schema 1. Times are Unix seconds; serial numbers and hashes are octets; `digest` is the SHA-256
-- of the row's other columns (store/digest.rs) and is checked on every read.

CREATE TABLE issuers (
    id              INTEGER PRIMARY KEY,
    role            TEXT    NOT NULL UNIQUE,          -- root, client, server
    spki_sha256     BLOB    NOT NULL UNIQUE,          -- IssuerId
    der             BLOB    NOT NULL,
    digest          BLOB    NOT NULL
) STRICT;

CREATE TABLE devices (
    id              INTEGER PRIMARY KEY,
    name            TEXT    NOT NULL UNIQUE,
    owner           TEXT,
    labels          TEXT    NOT NULL,                 -- JSON object
    created_at      INTEGER NOT NULL,
    digest          BLOB    NOT NULL
) STRICT;

CREATE TABLE certificates (
    id                INTEGER PRIMARY KEY,
    serial            BLOB    NOT NULL UNIQUE,
    issuer_id         INTEGER NOT NULL REFERENCES issuers (id),
    device_id         INTEGER REFERENCES devices (id),
    state             TEXT    NOT NULL,               -- pending, valid, held, revoked
    profile           TEXT    NOT NULL,
    common_name       TEXT    NOT NULL,
    not_before        INTEGER NOT NULL,
    not_after         INTEGER NOT NULL,
    spki_sha256       BLOB    NOT NULL,
    fingerprint       BLOB,                           -- NULL while pending
    owner             TEXT,
    labels            TEXT    NOT NULL,
    requested_at      INTEGER NOT NULL,
    requested_by      TEXT    NOT NULL,
    revoked_at        INTEGER,
    revocation_reason INTEGER,                        -- RFC 5280 section 5.3.1
    revoked_by        TEXT,
    note              TEXT,                           -- --reason, in the operator's words
    digest            BLOB    NOT NULL
) STRICT;
CREATE INDEX certificates_by_name ON certificates (common_name, id);
CREATE INDEX certificates_by_end ON certificates (not_after, id);
CREATE INDEX certificates_by_key ON certificates (spki_sha256);
CREATE INDEX certificates_by_device ON certificates (device_id);
CREATE INDEX certificates_revoked ON certificates (issuer_id, serial) WHERE state IN ('revoked', 'held');

-- Apart from the narrow rows: listing a million certificates does not read a gigabyte.
CREATE TABLE certificate_ders (
    certificate_id  INTEGER PRIMARY KEY REFERENCES certificates (id),
    der             BLOB    NOT NULL
) STRICT;

CREATE TABLE tokens (
    id              INTEGER PRIMARY KEY,
    name            TEXT    NOT NULL UNIQUE,
    client_id       TEXT    NOT NULL UNIQUE,
    class           TEXT    NOT NULL,                 -- ci, service, high
    owner           TEXT,
    labels          TEXT    NOT NULL,
    enabled         INTEGER NOT NULL,
    secrets         TEXT    NOT NULL,                 -- JSON array of SHA-256 in hexadecimal
    created_at      INTEGER NOT NULL,
    created_by      TEXT    NOT NULL,
    expires_at      INTEGER NOT NULL,
    digest          BLOB    NOT NULL
) STRICT;

-- The newest CRL of each issuer; HOME/public/crl is a projection of it.
CREATE TABLE crls (
    issuer_id       INTEGER PRIMARY KEY REFERENCES issuers (id),
    number          INTEGER NOT NULL,
    this_update     INTEGER NOT NULL,
    next_update     INTEGER NOT NULL,
    der             BLOB    NOT NULL,
    digest          BLOB    NOT NULL
) STRICT;

-- HOME/public/publishers.pem is a projection of it.
CREATE TABLE publishers (
    id              INTEGER PRIMARY KEY,
    fingerprint     BLOB    NOT NULL UNIQUE,
    der             BLOB    NOT NULL,
    digest          BLOB    NOT NULL
) STRICT;

-- HOME/public/journal is a projection of it.
CREATE TABLE journal (
    seq             INTEGER PRIMARY KEY,
    segment         INTEGER NOT NULL,                 -- sequence number of the segment's first entry
    hash            BLOB    NOT NULL,
    line            TEXT    NOT NULL,                 -- as it stands in the file
    digest          BLOB    NOT NULL
) STRICT;
