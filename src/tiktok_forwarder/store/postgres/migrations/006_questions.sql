-- Questions of the nodes to each other. They are sealed by the nodes, deleted when they are answered, and in unlogged
-- tables: what is written to these is in no WAL, no standby and no backup.

CREATE UNLOGGED TABLE forwarder.listening_nodes (
    process uuid PRIMARY KEY,
    seen_at timestamptz NOT NULL
) WITH (fillfactor = 20);

CREATE UNLOGGED TABLE forwarder.questions (
    question_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    process uuid NOT NULL,
    topic text COLLATE "C" NOT NULL,
    body bytea NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE UNLOGGED TABLE forwarder.answers (
    question_no bigint NOT NULL,
    process uuid NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (question_no, process)
);
