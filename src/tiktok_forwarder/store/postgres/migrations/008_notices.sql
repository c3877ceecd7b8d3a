-- oldest program: 7
--
-- Open incidents, and the messages about incidents to recipients (store/notices.py). There are few of either, so they
-- have no further index.

CREATE TABLE forwarder.incidents (
    kind text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    opened_at_ms bigint NOT NULL,
    away_since_ms bigint,
    body bytea NOT NULL,
    PRIMARY KEY (kind, subject)
);

CREATE TABLE forwarder.notices (
    notice_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at_ms bigint NOT NULL,
    due_ms bigint NOT NULL,
    settled_at_ms bigint,
    attempts integer NOT NULL,
    id text COLLATE "C" NOT NULL UNIQUE,
    recipient_id text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    reason text NOT NULL,
    body bytea NOT NULL
);
