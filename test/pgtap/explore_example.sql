-- The explorations of doc/testing.md
\ir ../../examples/testing/explore_test.sql
