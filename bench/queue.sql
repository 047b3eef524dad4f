-- A queue of the shape that pgmq has published: a table of messages with a visibility timeout, read with SKIP LOCKED, and
-- an archive. Written from its documented interface, as plain SQL functions on one queue. It knows nothing of workflows:
-- an order-4 is four messages, one after the other.

CREATE SCHEMA queue;

CREATE TABLE queue.message (
    msg_id      bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    read_ct     int NOT NULL DEFAULT 0,
    enqueued_at timestamptz NOT NULL DEFAULT now(),
    vt          timestamptz NOT NULL,
    message     jsonb
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE INDEX ON queue.message (vt);

CREATE TABLE queue.archive (
    msg_id      bigint PRIMARY KEY,
    read_ct     int NOT NULL,
    enqueued_at timestamptz NOT NULL,
    archived_at timestamptz NOT NULL DEFAULT now(),
    vt          timestamptz NOT NULL,
    message     jsonb
);

CREATE FUNCTION queue.send_batch(messages jsonb[]) RETURNS SETOF bigint
LANGUAGE sql AS $$
INSERT INTO queue.message (vt, message)
SELECT clock_timestamp(), message
FROM unnest(messages) AS message
RETURNING msg_id
$$;

CREATE FUNCTION queue.read(vt interval, quantity int) RETURNS SETOF queue.message
LANGUAGE sql AS $$
WITH visible AS (
    SELECT msg_id
    FROM queue.message AS m
    WHERE m.vt <= clock_timestamp()
    ORDER BY msg_id
    LIMIT quantity
    FOR UPDATE SKIP LOCKED)
UPDATE queue.message AS m
SET vt = clock_timestamp() + read.vt, read_ct = m.read_ct + 1
FROM visible
WHERE m.msg_id = visible.msg_id
RETURNING m.*
$$;

CREATE FUNCTION queue.archive(msg_ids bigint[]) RETURNS SETOF queue.archive
LANGUAGE sql AS $$
WITH archived AS (
    DELETE FROM queue.message
    WHERE msg_id = ANY (msg_ids)
    RETURNING msg_id, read_ct, enqueued_at, vt, message)
INSERT INTO queue.archive (msg_id, read_ct, enqueued_at, vt, message)
SELECT msg_id, read_ct, enqueued_at, vt, message
FROM archived
RETURNING *
$$;

-- What a worker does with all it has read, in one round trip: archive it, send what comes next, read more.
CREATE FUNCTION queue.archive_and_read(msg_ids bigint[], quantity int, OUT taken bigint, OUT msg_ids_read bigint[])
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM queue.send_batch(array_agg(message || jsonb_build_object('step', (message->>'step')::int + 1)))
    FROM queue.archive(msg_ids)
    WHERE (message->>'step')::int < 4
    HAVING count(*) > 0;

    SELECT count(*), coalesce(array_agg(msg_id), '{}') INTO taken, msg_ids_read
    FROM queue.read('1 hour', quantity);
END
$$;
