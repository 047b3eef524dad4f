-- Loads the example as the role that is to own it, and as whom its workflows run:
--     psql --single-transaction -v ON_ERROR_STOP=1 -U shop -d shop -f load.sql
\ir schema.sql
\ir activities.sql
\ir definitions.sql
\ir saga_sql.sql
\ir seed.sql
\ir invariants.sql
