-- Schema 3: a device may be known before its first certificate, and may be refused for good. Times
-- are Unix seconds. Rows of schema 1 keep their digest: it covers these columns from the first time
-- that one of them holds something (store/devices.rs).

ALTER TABLE devices ADD COLUMN profile           TEXT;     -- what it is issued, unless told otherwise
ALTER TABLE devices ADD COLUMN revoked_at        INTEGER;  -- from then on it gets no certificate
ALTER TABLE devices ADD COLUMN revocation_reason INTEGER;  -- RFC 5280 section 5.3.1
ALTER TABLE devices ADD COLUMN revoked_by        TEXT;
ALTER TABLE devices ADD COLUMN note              TEXT;     -- why, in the operator's words
