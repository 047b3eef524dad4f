-- The tests of doc/testing.md
\ir ../../examples/testing/order_saga_test.sql
