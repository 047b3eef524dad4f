/*
 * search_attributes.h
 *		Checking search attributes that somebody gives.
 */
#ifndef OW_API_SEARCH_ATTRIBUTES_H
#define OW_API_SEARCH_ATTRIBUTES_H

#include "store/catalog.h"

/* Raise unless the definition declares them all, and each is of its type. */
extern void ow_api_check_search_attributes(const OwCompiled *compiled, const Jsonb *attributes);

/* Raises that the value is not of the attribute's type. */
extern void ow_api_report_search_attribute(const OwCompiled *compiled, const OwSearchAttribute *attribute,
										   const JsonbValue *value);

#endif							/* OW_API_SEARCH_ATTRIBUTES_H */
