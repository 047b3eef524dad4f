/*
 * alert.h
 *		What making a rule of alerts and checking it share.
 */
#ifndef OW_API_ALERT_H
#define OW_API_ALERT_H

#include "store/alert.h"

/* Raise unless it is one query, with a column "subject". */
extern void ow_alert_query_check(const char *query);

#endif							/* OW_API_ALERT_H */
