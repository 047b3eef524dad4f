/*
 * instant.c
 *		RFC 3339 timestamps of the Amazon States Language, and adding milliseconds to them.
 */
#include "postgres.h"

#include "common/int.h"
#include "machine/instant.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

/* Reads exactly count digits; false if there are other characters. */
static bool
read_digits(const char **at, int count, int *number)
{
	*number = 0;
	for (int i = 0; i < count; i++, (*at)++)
	{
		if (!isdigit((unsigned char) **at))
			return false;
		*number = *number * 10 + (**at - '0');
	}
	return true;
}

static bool
read_char(const char **at, char expected)
{
	if (**at != expected)
		return false;
	(*at)++;
	return true;
}

static bool
read_date(const char **at, struct pg_tm *tm)
{
	if (!read_digits(at, 4, &tm->tm_year) || !read_char(at, '-') ||
		!read_digits(at, 2, &tm->tm_mon) || !read_char(at, '-') ||
		!read_digits(at, 2, &tm->tm_mday))
		return false;
	return tm->tm_mon >= 1 && tm->tm_mon <= MONTHS_PER_YEAR && tm->tm_mday >= 1 &&
		tm->tm_mday <= day_tab[isleap(tm->tm_year)][tm->tm_mon - 1];
}

/* Reads HH:MM:SS and a fraction; digits past the microsecond are dropped. */
static bool
read_time(const char **at, struct pg_tm *tm, fsec_t *fsec)
{
	int			scale = 100000;

	*fsec = 0;
	if (!read_digits(at, 2, &tm->tm_hour) || !read_char(at, ':') ||
		!read_digits(at, 2, &tm->tm_min) || !read_char(at, ':') ||
		!read_digits(at, 2, &tm->tm_sec))
		return false;
	if (tm->tm_hour > 23 || tm->tm_min > 59 || tm->tm_sec > 59)
		return false;
	if (!read_char(at, '.'))
		return true;
	if (!isdigit((unsigned char) **at))
		return false;
	for (; isdigit((unsigned char) **at); (*at)++, scale /= 10)
		*fsec += (**at - '0') * scale;
	return true;
}

/* Reads "Z" or "+HH:MM"; zone is in seconds west of Greenwich, as PostgreSQL has it. */
static bool
read_zone(const char **at, int *zone)
{
	bool		east = **at == '+';
	int			hours;
	int			minutes;

	*zone = 0;
	if (read_char(at, 'Z'))
		return true;
	if (!read_char(at, '+') && !read_char(at, '-'))
		return false;
	if (!read_digits(at, 2, &hours) || !read_char(at, ':') || !read_digits(at, 2, &minutes))
		return false;
	if (hours > 23 || minutes > 59)
		return false;
	*zone = (hours * MINS_PER_HOUR + minutes) * SECS_PER_MINUTE;
	if (east)
		*zone = -*zone;
	return true;
}

bool
ow_instant_parse(const char *text, TimestampTz *instant)
{
	struct pg_tm tm = {0};
	fsec_t		fsec;
	int			zone;

	if (!read_date(&text, &tm) || !read_char(&text, 'T') || !read_time(&text, &tm, &fsec) ||
		!read_zone(&text, &zone) || *text != '\0')
		return false;
	return tm2timestamp(&tm, fsec, &zone, instant) == 0;
}

char *
ow_instant_format(TimestampTz instant)
{
	struct pg_tm tm;
	fsec_t		fsec;
	char	   *text;

	if (TIMESTAMP_IS_NOBEGIN(instant))
		return pstrdup("-infinity");
	if (TIMESTAMP_IS_NOEND(instant) || timestamp2tm(instant, NULL, &tm, &fsec, NULL, NULL) != 0)
		return pstrdup("infinity");

	text = psprintf("%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year, tm.tm_mon, tm.tm_mday,
					tm.tm_hour, tm.tm_min, tm.tm_sec);
	if (fsec == 0)
		return psprintf("%sZ", text);
	if (fsec % 1000 == 0)
		return psprintf("%s.%03dZ", text, (int) (fsec / 1000));
	return psprintf("%s.%06dZ", text, (int) fsec);
}

TimestampTz
ow_instant_add_ms(TimestampTz instant, int64 ms)
{
	int64		us;
	TimestampTz sum;

	if (TIMESTAMP_NOT_FINITE(instant))
		return instant;
	if (pg_mul_s64_overflow(ms, 1000, &us) || pg_add_s64_overflow(instant, us, &sum) ||
		!IS_VALID_TIMESTAMP(sum))
		return ms > 0 ? DT_NOEND : DT_NOBEGIN;
	return sum;
}
