CREATE OR REPLACE FUNCTION newsletter.subscribe(subscription newsletter.subscription) RETURNS text
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	INSERT INTO newsletter.subscriptions VALUES (subscription.address, 'asked')
	ON CONFLICT (address) DO NOTHING
	RETURNING address
$$;

CREATE OR REPLACE FUNCTION newsletter.welcome(address text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF address NOT LIKE '%_@_%' THEN
		PERFORM workflow.throw('NoAddress', format('%L is no address', address), non_retryable => true);
	END IF;
	UPDATE newsletter.subscriptions s SET state = 'welcome' WHERE s.address = welcome.address;
END
$$;

SELECT workflow.register_activity('Subscribe', 'newsletter.subscribe(newsletter.subscription)', options => '{"StartToCloseSeconds": 10}');
SELECT workflow.register_activity('Welcome', 'newsletter.welcome(text)', options => '{"StartToCloseSeconds": 10}');
