/*
 * search_attribute.h
 *		Rows of search attributes: written with a run, changed while it runs, handed on to the one in its place.
 *
 * They are kept by the bucket of their run, also when it has closed.  Between ow_store_open and ow_store_close.
 */
#ifndef OW_STORE_SEARCH_ATTRIBUTE_H
#define OW_STORE_SEARCH_ATTRIBUTE_H

#include "store/run.h"
#include "store/start.h"

/* Rows of the new runs that have any, and have been inserted */
extern void ow_search_attributes_start(const OwNewRun *runs, int count);

/* What has been changed since the runs were loaded */
extern void ow_search_attributes_flush(List *runs);

/* All that a run has, as {name: value}; NULL: none */
extern Jsonb *ow_search_attributes_read(const OwLoadedRun *loaded);

/* The same for the next run */
extern void ow_search_attributes_continue(const OwLoadedRun *loaded, const OwLoadedRun *next);

#endif							/* OW_STORE_SEARCH_ATTRIBUTE_H */
