-- What the activities work on. Every deployment runs this, so it changes only what is not there yet.
CREATE SCHEMA IF NOT EXISTS newsletter;

CREATE TABLE IF NOT EXISTS newsletter.subscriptions (
	address text PRIMARY KEY,
	state   text NOT NULL
);

SELECT to_regtype('newsletter.subscription') IS NULL AS missing \gset
\if :missing
CREATE TYPE newsletter.subscription AS (address text, name text);
\endif
