/*
 * order_workflow_exporter.c
 *		Serves the metrics of order_workflow over HTTP, for Prometheus.
 *
 * A program of its own, and not a background worker: what listens on a port and parses what strangers send has no place
 * in the server.  It can take nothing down with it, needs no restart of the server to be started, moved or replaced, and
 * logs in as a role that can read and nothing else.
 *
 *		GET /metrics	workflow.prometheus_metrics(), and a few metrics of its own.  503 when it cannot be had
 *		GET /healthz	200 while the program itself is alive, whatever the database does
 *
 * Each request has a thread.  There is one connection to the database, used by one scrape at a time: a second one waits.
 * Everything that waits for the database does so until the scrape's deadline only, then the connection is given up.  A
 * connection that broke since the last scrape, as it does at a restart of the server, is made anew within the same one.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <libpq-fe.h>
#include <microhttpd.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROGRAM "order_workflow_exporter"
#define VERSION "1.0"
#define DEFAULT_LISTEN "127.0.0.1:2112"
#define DEFAULT_TIMEOUT 8
#define MAX_CONNECTIONS 16
#define IDLE_SECONDS 30

#define TEXT_TYPE "text/plain; charset=utf-8"
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

static const char query[] = "SELECT workflow.prometheus_metrics()";

typedef struct Settings
{
	const char *conninfo;
	const char *listen;
	int			timeout;		/* seconds */
} Settings;

static Settings settings = {"", DEFAULT_LISTEN, DEFAULT_TIMEOUT};

/* What a scrape has; under the lock */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static PGconn * connection;
static bool failing;			/* the last scrape did, and that was logged */
static uint64_t scrapes_good;
static uint64_t scrapes_failed;
static double last_seconds;

/* ---- small things ---- */

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One line, on stderr */
static void
say(const char *format, ...)
{
	char		line[1024];
	va_list		arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	for (char *at = line; *at; at++)
	{
		if (*at == '\n' || *at == '\t')
			*at = at[1] ? ' ' : '\0';
	}
	fprintf(stderr, PROGRAM ": %s\n", line);
}

static double
clock_seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static double
monotonic(void)
{
	return clock_seconds(CLOCK_MONOTONIC);
}

/* ---- the database ---- */

static void
disconnect(void)
{
	PQfinish(connection);
	connection = NULL;
}

/* Waits until the connection's socket is ready; false at the deadline. */
static bool
wait_for_socket(short events, double deadline)
{
	struct pollfd socket = {.fd = PQsocket(connection), .events = events};
	double		left;
	int			ready;

	do
	{
		left = deadline - monotonic();
		if (left <= 0)
			return false;
		ready = poll(&socket, 1, (int) (left * 1000) + 1);
	} while (ready == 0 || (ready < 0 && errno == EINTR));
	return ready > 0;
}

static bool
begin_connection(void)
{
	const char *keywords[] = {"dbname", "fallback_application_name", "client_encoding", NULL};
	const char *values[] = {settings.conninfo, PROGRAM, "UTF8", NULL};

	connection = PQconnectStartParams(keywords, values, 1);
	return connection != NULL && PQstatus(connection) != CONNECTION_BAD;
}

static bool
finish_connection(double deadline)
{
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;

	while (status != PGRES_POLLING_OK)
	{
		if (status == PGRES_POLLING_FAILED ||
			!wait_for_socket(status == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline))
			return false;
		status = PQconnectPoll(connection);
	}
	return true;
}

/* The last result of what was sent; NULL at the deadline, or when the connection breaks. */
static PGresult *
read_result(double deadline)
{
	PGresult   *last = NULL;
	PGresult   *result;

	for (;;)
	{
		while (PQisBusy(connection))
		{
			if (!wait_for_socket(POLLIN, deadline) || !PQconsumeInput(connection))
			{
				PQclear(last);
				return NULL;
			}
		}
		result = PQgetResult(connection);
		if (result == NULL)
			return last;
		PQclear(last);
		last = result;
	}
}

/* NULL when it fails */
static PGresult *
execute(const char *sql, ExecStatusType wanted, double deadline)
{
	PGresult   *result = PQsendQuery(connection, sql) ? read_result(deadline) : NULL;

	if (PQresultStatus(result) == wanted)
		return result;
	PQclear(result);
	return NULL;
}

/* Whatever the role may do, this session only reads.  The server gives up a little earlier, so that it can say why. */
static bool
prepare_session(double deadline)
{
	char		sql[400];
	PGresult   *result;

	snprintf(sql, sizeof(sql),
			 "SET statement_timeout = %d; SET lock_timeout = 0; SET default_transaction_read_only = on; "
			 "SET jit = off; SET search_path = pg_catalog, pg_temp",
			 settings.timeout * 850);
	result = execute(sql, PGRES_COMMAND_OK, deadline);
	PQclear(result);
	return result != NULL;
}

static bool
connect_until(double deadline)
{
	return begin_connection() && finish_connection(deadline) && prepare_session(deadline);
}

static void
tell_failure(double deadline)
{
	const char *reason = connection ? PQerrorMessage(connection) : "out of memory";

	if (*reason == '\0')
		reason = "the database did not answer";
	if (!failing)
		say("no metrics%s: %s", monotonic() >= deadline ? " in time" : "", reason);
	failing = true;
}

/*
 * The exposition; NULL when it cannot be had.  A connection of before may have broken: then one more is tried.
 */
static PGresult *
fetch(double deadline)
{
	bool		fresh = connection == NULL;
	PGresult   *result = NULL;

	if (!fresh)
		result = execute(query, PGRES_TUPLES_OK, deadline);
	if (result == NULL && (fresh || PQstatus(connection) == CONNECTION_BAD) && monotonic() < deadline)
	{
		disconnect();
		if (connect_until(deadline))
			result = execute(query, PGRES_TUPLES_OK, deadline);
	}
	if (result != NULL && PQntuples(result) == 1 && !PQgetisnull(result, 0, 0))
		return result;
	tell_failure(deadline);
	PQclear(result);
	disconnect();
	return NULL;
}

/* ---- answers ---- */

/* The exporter's own metrics, behind those of the database */
static char *
exposition(const char *metrics)
{
	char	   *text = NULL;

	if (asprintf(&text,
				 "%s"
				 "# HELP order_workflow_up Whether the database gave its metrics\n"
				 "# TYPE order_workflow_up gauge\n"
				 "order_workflow_up %d\n"
				 "# HELP order_workflow_exporter_scrapes_total Scrapes, by what came of them\n"
				 "# TYPE order_workflow_exporter_scrapes_total counter\n"
				 "order_workflow_exporter_scrapes_total{outcome=\"failed\"} %llu\n"
				 "order_workflow_exporter_scrapes_total{outcome=\"good\"} %llu\n"
				 "# HELP order_workflow_exporter_scrape_seconds How long the database took for this scrape\n"
				 "# TYPE order_workflow_exporter_scrape_seconds gauge\n"
				 "order_workflow_exporter_scrape_seconds %.6f\n",
				 metrics ? metrics : "", metrics != NULL, (unsigned long long) scrapes_failed,
				 (unsigned long long) scrapes_good, last_seconds) < 0)
		return NULL;
	return text;
}

static enum MHD_Result
answer(struct MHD_Connection *client, unsigned int status, const char *type, const char *text)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(strlen(text), (void *) text, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;

	if (response == NULL)
		return MHD_NO;
	(void) MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		(void) MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(client, status, response);
	MHD_destroy_response(response);
	return result;
}

/* Waits for its turn no longer than for the database. */
static bool
take_turn(double deadline)
{
	double		until = clock_seconds(CLOCK_REALTIME) + (deadline - monotonic());
	struct timespec limit = {.tv_sec = (time_t) until};

	limit.tv_nsec = (long) ((until - (double) limit.tv_sec) * 1e9);
	return pthread_mutex_timedlock(&lock, &limit) == 0;
}

static enum MHD_Result
answer_metrics(struct MHD_Connection *client)
{
	double		began = monotonic();
	double		deadline = began + settings.timeout;
	PGresult   *result;
	char	   *text;
	enum MHD_Result answered;

	if (!take_turn(deadline))
		return answer(client, MHD_HTTP_SERVICE_UNAVAILABLE, TEXT_TYPE, "other scrapes take too long\n");
	result = fetch(deadline);
	last_seconds = monotonic() - began;
	if (result != NULL)
		scrapes_good++;
	else
		scrapes_failed++;
	if (result != NULL && failing)
	{
		say("there are metrics again");
		failing = false;
	}
	text = exposition(result ? PQgetvalue(result, 0, 0) : NULL);
	pthread_mutex_unlock(&lock);

	/* why is in the log: it tells of hosts and roles */
	answered = text == NULL ? MHD_NO :
		answer(client, result ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, METRICS_TYPE, text);
	PQclear(result);
	free(text);
	return answered;
}

static enum MHD_Result
handle(void *arg, struct MHD_Connection *client, const char *url, const char *method, const char *version,
	   const char *upload, size_t *upload_size, void **request)
{
	static int	seen;

	(void) arg, (void) version, (void) upload;
	/* it is called for the header first, and for what may be uploaded, which nobody wants */
	if (*request == NULL)
	{
		*request = &seen;
		return MHD_YES;
	}
	if (*upload_size > 0)
	{
		*upload_size = 0;
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer(client, MHD_HTTP_METHOD_NOT_ALLOWED, TEXT_TYPE, "only GET and HEAD\n");
	if (strcmp(url, "/metrics") == 0)
		return answer_metrics(client);
	if (strcmp(url, "/healthz") == 0)
		return answer(client, MHD_HTTP_OK, TEXT_TYPE, "ok\n");
	return answer(client, MHD_HTTP_NOT_FOUND, TEXT_TYPE, "there are /metrics and /healthz\n");
}

/* ---- starting ---- */

static void
usage(void)
{
	printf(PROGRAM " serves the metrics of the PostgreSQL extension order_workflow for Prometheus.\n"
		   "\n"
		   "Usage:\n"
		   "  " PROGRAM " [OPTION]...\n"
		   "\n"
		   "Options:\n"
		   "  -d, --dbname=CONNINFO      the database: a name, a connection string or a URI; what it does not say\n"
		   "                             is taken from PGHOST, PGSERVICE, PGPASSFILE and so on. Write no password\n"
		   "                             here, where everybody on the machine can see it\n"
		   "  -l, --listen=ADDRESS:PORT  where to listen, \"[::1]:2112\" for IPv6 (" DEFAULT_LISTEN ");\n"
		   "                             with port 0 a free one, which is told on stdout\n"
		   "  -t, --timeout=SECONDS      how long a scrape may take (%d): less than Prometheus' scrape_timeout\n"
		   "  -V, --version\n"
		   "  -h, --help\n"
		   "\n"
		   "It serves /metrics and /healthz until it gets SIGTERM. Whoever reaches the port can read the metrics\n"
		   "of all that the role may see: a role with workflow.grant_reader() and nothing else is enough.\n",
		   DEFAULT_TIMEOUT);
}

static void
fail(const char *what, const char *why)
{
	say("%s: %s", what, why);
	exit(1);
}

static int
read_seconds(const char *text)
{
	char	   *end;
	long		seconds = strtol(text, &end, 10);

	if (*text == '\0' || *end != '\0' || seconds < 1 || seconds > 600)
		fail("--timeout is a number of seconds from 1 to 600, not", text);
	return (int) seconds;
}

static void
read_options(int argc, char **argv)
{
	static const struct option options[] = {
		{"dbname", required_argument, NULL, 'd'},
		{"listen", required_argument, NULL, 'l'},
		{"timeout", required_argument, NULL, 't'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0}
	};
	int			option;

	while ((option = getopt_long(argc, argv, "d:l:t:Vh", options, NULL)) != -1)
	{
		switch (option)
		{
			case 'd':
				settings.conninfo = optarg;
				break;
			case 'l':
				settings.listen = optarg;
				break;
			case 't':
				settings.timeout = read_seconds(optarg);
				break;
			case 'V':
				puts(PROGRAM " " VERSION);
				exit(0);
			case 'h':
				usage();
				exit(0);
			default:
				/* getopt has said what is wrong */
				fputs("Try \"order_workflow_exporter --help\".\n", stderr);
				exit(2);
		}
	}
	if (optind < argc)
		fail("there are options only, such as --dbname, and this is none", argv[optind]);
}

/* "ADDRESS:PORT" as a socket's address, to be freed with freeaddrinfo */
static struct addrinfo *
listen_address(const char *listen)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	char	   *host = strdup(listen);
	char	   *colon = host ? strrchr(host, ':') : NULL;
	char	   *address = host;

	if (colon == NULL)
		fail("--listen is ADDRESS:PORT, not", listen);
	*colon = '\0';
	if (*address == '[' && colon[-1] == ']')
	{
		address++;
		colon[-1] = '\0';
	}
	if (*address == '\0' || colon[1] == '\0' || getaddrinfo(address, colon + 1, &hints, &found) != 0)
		fail("--listen is ADDRESS:PORT, not", listen);
	free(host);
	return found;
}

static struct MHD_Daemon *
start_daemon(void)
{
	struct addrinfo *address = listen_address(settings.listen);
	unsigned int flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
		(address->ai_family == AF_INET6 ? MHD_USE_IPv6 : 0);
	struct MHD_Daemon *daemon = MHD_start_daemon(flags, 0, NULL, NULL, handle, NULL,
												 MHD_OPTION_SOCK_ADDR, address->ai_addr,
												 MHD_OPTION_CONNECTION_LIMIT, (unsigned int) MAX_CONNECTIONS,
												 MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int) IDLE_SECONDS,
												 MHD_OPTION_END);

	if (daemon == NULL)
	{
		say("cannot listen on %s: %s", settings.listen, strerror(errno));
		exit(1);
	}
	freeaddrinfo(address);
	return daemon;
}

static void
tell_port(struct MHD_Daemon *daemon)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);

	printf("listening on port %d\n", info ? (int) info->port : 0);
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	struct MHD_Daemon *daemon;
	sigset_t	ends;
	int			signal_number;

	read_options(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	pthread_sigmask(SIG_BLOCK, &ends, NULL);

	daemon = start_daemon();
	tell_port(daemon);
	sigwait(&ends, &signal_number);
	MHD_stop_daemon(daemon);
	disconnect();
	return 0;
}
