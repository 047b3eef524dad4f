/*
 * activity_internal.h
 *		What the activity*.c files share: how to call one function.
 */
#ifndef OW_ACTIVITY_INTERNAL_H
#define OW_ACTIVITY_INTERNAL_H

#include "access/tupdesc.h"
#include "fmgr.h"
#include "nodes/primnodes.h"
#include "store/catalog.h"

/* Marks, as the error's datatype_name, that the run's owner may not execute the function */
#define OW_PERMISSIONS_TOKEN "workflow activity permission"

typedef enum OwArgumentKind
{
	OW_ARGUMENT_JSONB,			/* the whole input */
	OW_ARGUMENT_JSON,			/* the same as json */
	OW_ARGUMENT_COMPOSITE,		/* the whole input, its members as fields of the row */
	OW_ARGUMENT_NAMED,			/* the member of that name */
	OW_ARGUMENT_CONTEXT			/* workflow.activity_context */
} OwArgumentKind;

typedef struct OwArgument
{
	OwArgumentKind kind;
	Oid			type;
	char	   *name;			/* NULL when it has none */
	Expr	   *default_value;	/* NULL: none */
} OwArgument;

/* Kept in the catalog's generation, in its context */
typedef struct OwFunctionCall
{
	Oid			function;
	char	   *hash;			/* ow_catalog_function_hash */
	FmgrInfo	flinfo;
	int			nargs;
	OwArgument *args;
	TupleDesc	fields;			/* COMPOSITE and NAMED arguments, in order; NULL: none */
	FmgrInfo	to_record;		/* jsonb_to_record, for fields */
	Oid			result_type;
	FmgrInfo	to_jsonb;		/* for the result */
} OwFunctionCall;

/* How to call the activity's function, made on first use.  Raises when it is gone or unfit. */
extern OwFunctionCall *ow_function_call(const OwActivity *activity);

/* to_jsonb for values of that type, in CurrentMemoryContext */
extern void ow_look_up_to_jsonb(FmgrInfo *flinfo, Oid type);

/* workflow.activity_context; InvalidOid without the extension */
extern Oid	ow_activity_context_type(void);

#endif							/* OW_ACTIVITY_INTERNAL_H */
