/*
 * retention.h
 *		Retention classes, and the ring of leaves that their runs are kept in.
 *
 * What is kept of a run (history, its row once it has closed, compensations) lies in the leaf that its bucket names.  The
 * leaves are divided among the classes: OW_LEAVES for each of short, normal and long, and one for what is kept for ever.
 * A class's time is cut into periods of a third of the time that it keeps closed runs; runs that start in one period share
 * a leaf, and the leaves take turns:
 *
 *		period		p		p+1		p+2		p+3		p+4		p+5
 *		leaf		0		1		2		3		4		0
 *
 * All that closed in period p was to be kept until the end of period p+3.  So its leaf is due for the whole of p+4, after
 * which it is needed again.  Of runs that started in p, those that are open then, or closed later than p, move on to the
 * leaf of the present period first; what is left goes by TRUNCATE (sql/functions/76_retention.sql).  Nothing depends on that
 * being in time: a leaf that is not emptied is filled with new runs as well, and goes a turn later.
 */
#ifndef OW_RETENTION_H
#define OW_RETENTION_H

#include "datatype/timestamp.h"

#define OW_LEAVES 5				/* of each class but FOREVER */

typedef enum OwRetention
{
	OW_RETENTION_SHORT,
	OW_RETENTION_NORMAL,
	OW_RETENTION_LONG,
	OW_RETENTION_FOREVER
} OwRetention;

/* Leaves of the ring: sql/schema/30_history.sql makes as many. */
#define OW_BUCKETS (OW_RETENTION_FOREVER * OW_LEAVES + 1)

/* What a leaf holds: runs that started from one time until another, if they have not moved on */
typedef struct OwLeaf
{
	int			bucket;
	OwRetention class;
	int64		keep_us;
	TimestampTz filled_from;
	TimestampTz filled_until;
	TimestampTz due_at;			/* when it may be emptied, which is then done before it is filled
								 * again */
	bool		is_filled;		/* now */
} OwLeaf;

extern const char *ow_retention_name(OwRetention class);
extern OwRetention ow_retention_from_name(const char *name);
extern bool ow_retention_is_name(const char *name);

/* How long a class keeps closed runs, in microseconds, when nobody has said anything else */
extern int64 ow_retention_default(OwRetention class);

/* An interval in microseconds: months of 30 days */
extern int64 ow_retention_us(const Interval *interval);

/* The bucket of a run that starts then */
extern int	ow_retention_bucket(OwRetention class, int64 keep_us, TimestampTz at);

/* A leaf (0 to OW_BUCKETS - 1) as it is at that time; of FOREVER, only bucket and class are filled. */
extern void ow_retention_leaf(int bucket, int64 keep_us, TimestampTz at, OwLeaf *leaf);

/* The class that a bucket is one of */
extern OwRetention ow_retention_of_bucket(int bucket);

/* Set the class of a workflow, or how long a class keeps what has closed. */
extern void ow_retention_set(const char *workflow, OwRetention class);
extern void ow_retention_set_keep(OwRetention class, const Interval *keep);

/* When that was last changed; DT_NOBEGIN: never */
extern TimestampTz ow_retention_changed_at(OwRetention class);

#endif							/* OW_RETENTION_H */
