/*
 * log_lines.h
 *		Lines for the server's log, of what committed.
 *
 * A line is written when its transaction has committed, and forgotten when that, or its subtransaction, is rolled back.
 * So it is written once at most: a server that crashes just then has written less than has happened, never more.
 */
#ifndef OW_LOG_LINES_H
#define OW_LOG_LINES_H

extern void ow_log_lines_init(void);

/* A sentence for people, and for programs a JSON document in one line */
extern void ow_log_line_add(const char *message, const char *detail);

/* Writes one there and then. */
extern void ow_log_line_write(int level, const char *message, const char *detail);

/*
 * What an activity says, at a level of ereport: written when the top transaction commits, also if what the activity did
 * is rolled back then.  A mark is how much was said before what is rolled back only to be done again.
 */
extern void ow_log_line_say(int level, const char *message, const char *detail);
extern int	ow_log_lines_mark(void);
extern void ow_log_lines_forget(int mark);

#endif							/* OW_LOG_LINES_H */
