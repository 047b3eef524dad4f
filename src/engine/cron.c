/*
 * cron.c
 *		Cron expressions: reading them, and finding the times they name.
 *
 * The syntax is Vixie cron's: five fields of values, ranges and steps, names of months and weekdays, or @daily and its
 * like.  Its rule for days is kept as well: where one of the two fields begins with "*", a day must be in both, else
 * it may be in either.
 *
 * A time is looked for on the clock of its zone, as pg_cron does each minute: what a change of the clock leaves out is
 * never due, and what comes twice is due twice.
 */
#include "postgres.h"

#include <ctype.h>

#include "engine/cron.h"
#include "utils/timestamp.h"

#define YEARS_AHEAD 10

typedef struct Field
{
	const char *name;
	int			low;
	int			high;
	const char *const *names;	/* of its values from low on; NULL: they have none */
} Field;

static const char *const month_names[] = {
	"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", NULL
};

static const char *const weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

static const Field fields[] = {
	{"minute", 0, 59, NULL},
	{"hour", 0, 23, NULL},
	{"day of the month", 1, 31, NULL},
	{"month", 1, 12, month_names},
	{"day of the week", 0, 7, weekday_names}
};

static const struct
{
	const char *name;
	const char *fields;
}			nicknames[] = {
	{"@yearly", "0 0 1 1 *"},
	{"@annually", "0 0 1 1 *"},
	{"@monthly", "0 0 1 * *"},
	{"@weekly", "0 0 * * 0"},
	{"@daily", "0 0 * * *"},
	{"@midnight", "0 0 * * *"},
	{"@hourly", "0 * * * *"}
};

static const char *
skip_blanks(const char *at)
{
	while (*at == ' ' || *at == '\t')
		at++;
	return at;
}

const char *
ow_cron_fields(const char *text)
{
	const char *start = skip_blanks(text);
	size_t		length = strcspn(start, " \t");

	for (int i = 0; i < (int) lengthof(nicknames); i++)
	{
		if (strlen(nicknames[i].name) == length && strncmp(start, nicknames[i].name, length) == 0 &&
			*skip_blanks(start + length) == '\0')
			return nicknames[i].fields;
	}
	return text;
}

/* A name, or a number of at most three digits */
static bool
read_value(const char **at, const Field *field, int *value)
{
	const char *start = *at;
	int			length = 0;

	while (isalnum((unsigned char) start[length]))
		length++;
	*at += length;
	for (int i = 0; field->names != NULL && field->names[i] != NULL; i++)
	{
		if (length == (int) strlen(field->names[i]) && pg_strncasecmp(start, field->names[i], length) == 0)
		{
			*value = field->low + i;
			return true;
		}
	}
	*value = 0;
	for (int i = 0; i < length; i++)
	{
		if (!isdigit((unsigned char) start[i]))
			return false;
		*value = *value * 10 + start[i] - '0';
	}
	return length > 0 && length <= 3;
}

/* Number after a slash; only ranges have one */
static bool
read_step(const char **at, int *step)
{
	static const Field any = {"step", 0, 999, NULL};

	*step = 1;
	if (**at != '/')
		return true;
	(*at)++;
	return read_value(at, &any, step) && *step > 0;
}

/* "*", "*" with a step, a value, a range, a range with a step */
static bool
read_range(const char **at, const Field *field, uint64 *bits)
{
	int			first = field->low;
	int			last = field->high;
	int			step = 1;

	if (**at == '*')
	{
		(*at)++;
		if (!read_step(at, &step))
			return false;
	}
	else
	{
		if (!read_value(at, field, &first))
			return false;
		last = first;
		if (**at == '-')
		{
			(*at)++;
			if (!read_value(at, field, &last) || !read_step(at, &step))
				return false;
		}
	}
	if (first < field->low || last > field->high || first > last)
		return false;
	for (int value = first; value <= last; value += step)
		*bits |= UINT64CONST(1) << value;
	return true;
}

/* Ranges with commas between, up to a blank or the end */
static bool
read_field(const char **at, const Field *field, uint64 *bits)
{
	*bits = 0;
	for (;;)
	{
		if (!read_range(at, field, bits))
			return false;
		if (**at != ',')
			return **at == ' ' || **at == '\t' || **at == '\0';
		(*at)++;
	}
}

char *
ow_cron_parse(const char *text, OwCron *cron)
{
	const char *at = skip_blanks(ow_cron_fields(text));
	uint64	   *bits[] = {&cron->minutes, &cron->hours, &cron->days, &cron->months, &cron->weekdays};
	bool		any_day = false;

	if (*at == '@')
		return pstrdup("Of the names there are @hourly, @daily, @weekly, @monthly and @yearly.");
	for (int i = 0; i < (int) lengthof(fields); i++)
	{
		const char *start = at;

		if (*at == '\0')
			return psprintf("It has %d fields instead of five.", i);
		if (bits[i] == &cron->days || bits[i] == &cron->weekdays)
			any_day |= *at == '*';
		if (!read_field(&at, &fields[i], bits[i]))
			return psprintf("The %s \"%.*s\" is none, or is not between %d and %d.", fields[i].name,
							(int) strcspn(start, " \t"), start, fields[i].low, fields[i].high);
		at = skip_blanks(at);
	}
	if (*at != '\0')
		return pstrdup("It has more than five fields.");
	if (cron->weekdays & (1 << 7))
		cron->weekdays |= 1;
	cron->both_days = any_day;
	return NULL;
}

static bool
has(uint64 bits, int value)
{
	return (bits >> value) & 1;
}

static bool
day_matches(const OwCron *cron, const struct pg_tm *tm)
{
	bool		day = has(cron->days, tm->tm_mday);
	bool		weekday = has(cron->weekdays, tm->tm_wday);

	return has(cron->months, tm->tm_mon + 1) && (cron->both_days ? day && weekday : day || weekday);
}

TimestampTz
ow_cron_next(const OwCron *cron, TimestampTz after, const pg_tz *zone)
{
	pg_time_t	second = timestamptz_to_time_t(after);
	pg_time_t	last = second + (pg_time_t) YEARS_AHEAD * 366 * SECS_PER_DAY;

	if (TIMESTAMP_NOT_FINITE(after))
		return DT_NOEND;
	second += SECS_PER_MINUTE - (second % SECS_PER_MINUTE + SECS_PER_MINUTE) % SECS_PER_MINUTE;
	while (second <= last)
	{
		const struct pg_tm *tm = pg_localtime(&second, zone);
		int			rest_of_hour = (MINS_PER_HOUR - tm->tm_min) * SECS_PER_MINUTE;

		/* Clocks change on the hour: whole hours lose nothing, up to the day's last */
		if (!day_matches(cron, tm))
			second += rest_of_hour + Max(22 - tm->tm_hour, 0) * SECS_PER_HOUR;
		else if (!has(cron->hours, tm->tm_hour))
			second += rest_of_hour;
		else if (!has(cron->minutes, tm->tm_min))
			second += SECS_PER_MINUTE;
		else
			return time_t_to_timestamptz(second);
	}
	return DT_NOEND;
}
