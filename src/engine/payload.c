/*
 * payload.c
 *		Composite types as schemas of payloads, and checking payloads against declared types.
 *
 * A value fits a composite type when jsonb_populate_record would take it and nothing is lost: columns are
 * keys, unknown keys are errors, missing ones are NULL.  Scalars are tried with their type's input
 * function, each in a subtransaction, since that is how an error can be caught.  Before that, what most
 * columns are is told from the JSON type alone.
 *
 * The schemas made are kept until any type, schema or relation in use changes.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_language_d.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "engine/payload.h"
#include "fmgr.h"
#include "machine/json.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/* A scalar type, for its test */
typedef struct ScalarType
{
	FmgrInfo	input;
	Oid			io_parameter;
	int32		typmod;
	int			sure;			/* JSON types that surely fit */
	char	   *name;
} ScalarType;

typedef struct CachedSchema
{
	Oid			type;			/* hash key */
	OwSchema   *schema;
} CachedSchema;

typedef struct MadeType
{
	Oid			type;
	OwSchema   *schema;
} MadeType;

/* A schema being made */
typedef struct Maker
{
	List	   *made;			/* of MadeType *: composite types, which may occur more than once */
	char	   *refused;		/* why it cannot be; NULL: it can */
} Maker;

static MemoryContext schemas_context;
static HTAB *schemas;			/* of CachedSchema */
static List *relations;			/* whose columns they are made of */

/* Set by invalidation callbacks, which may do nothing else */
static bool schemas_stale;

static OwSchema *make_schema(Maker *maker, Oid type, int32 typmod);

/* ---- the cache ---- */

static void
relation_changed(Datum arg, Oid relation)
{
	if (!OidIsValid(relation) || list_member_oid(relations, relation))
		schemas_stale = true;
}

static void
type_changed(Datum arg, int cache, uint32 hash)
{
	schemas_stale = true;
}

static void
register_callbacks(void)
{
	static bool done = false;

	if (done)
		return;
	done = true;
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(TYPEOID, type_changed, (Datum) 0);
}

/* Makes an empty cache of a stale one.  Nobody is using it: a check ends before the next begins. */
static void
refresh(void)
{
	HASHCTL		control = {.keysize = sizeof(Oid), .entrysize = sizeof(CachedSchema)};

	register_callbacks();
	if (schemas != NULL && !schemas_stale)
		return;
	if (schemas_context != NULL)
		MemoryContextDelete(schemas_context);
	relations = NIL;
	schemas = NULL;
	schemas_context = AllocSetContextCreate(TopMemoryContext, "order_workflow payload types", ALLOCSET_DEFAULT_SIZES);
	control.hcxt = schemas_context;
	schemas_stale = false;
	schemas = hash_create("order_workflow payload types", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* ---- scalars ---- */

static char *
as_text(const JsonbValue *value)
{
	JsonbValue	copy = *value;

	return value->type == jbvString ? ow_json_value_cstring(value) : ow_json_to_cstring(ow_json_from_value(&copy));
}

/* Is this an error about the value, and not one of the session, the server, …? */
static bool
is_about_value(const ErrorData *error)
{
	int			category = ERRCODE_TO_CATEGORY(error->sqlerrcode);

	return category == ERRCODE_DATA_EXCEPTION || category == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION ||
		category == ERRCODE_TO_CATEGORY(ERRCODE_SYNTAX_ERROR);
}

/* Calls the type's input function; NULL, or what it says of the text. */
static char *
try_input(ScalarType *type, char *text)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		(void) InputFunctionCall(&type->input, text, type->io_parameter, type->typmod);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (error == NULL)
		return NULL;
	if (!is_about_value(error))
		ReThrowError(error);
	return error->message;
}

/* The OwScalarTest of a column */
static char *
test_scalar(void *arg, const JsonbValue *value)
{
	ScalarType *type = arg;
	char	   *text;
	char	   *message;

	if ((value->type == jbvString && (type->sure & OW_STRING)) || (value->type == jbvNumeric && (type->sure & OW_NUMBER)) ||
		(value->type == jbvBool && (type->sure & OW_BOOLEAN)))
		return NULL;
	text = as_text(value);
	message = try_input(type, text);
	return message == NULL ? NULL : psprintf("expected a value of type %s: %s", type->name, message);
}

static int
sure_types(Oid type, int32 typmod)
{
	if (typmod >= 0)
		return 0;
	switch (type)
	{
		case TEXTOID:
		case VARCHAROID:
			return OW_STRING | OW_NUMBER | OW_BOOLEAN;
		case NUMERICOID:
			return OW_NUMBER;
		case BOOLOID:
			return OW_BOOLEAN;
		default:
			return 0;
	}
}

/* Is this input function code that only a superuser can have made? */
static bool
is_trusted(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Oid			language;

	if (!HeapTupleIsValid(tuple))
		return false;
	language = ((Form_pg_proc) GETSTRUCT(tuple))->prolang;
	ReleaseSysCache(tuple);
	return language == INTERNALlanguageId || language == ClanguageId;
}

static OwSchema *
make_scalar(Maker *maker, Oid type, int32 typmod)
{
	OwSchema   *schema = ow_schema_make();
	ScalarType *scalar = palloc0(sizeof(ScalarType));
	Oid			input;

	if (type == JSONOID || type == JSONBOID)
		return schema;
	getTypeInputInfo(type, &input, &scalar->io_parameter);
	if (!is_trusted(input))
	{
		maker->refused = psprintf("the input function of type %s is not written in C", format_type_be(type));
		return schema;
	}
	fmgr_info_cxt(input, &scalar->input, CurrentMemoryContext);
	scalar->typmod = typmod;
	scalar->sure = sure_types(type, typmod);
	scalar->name = format_type_with_typemod(type, typmod);
	schema->test = test_scalar;
	schema->test_arg = scalar;
	return schema;
}

/* ---- containers ---- */

static OwSchema *
make_array(Maker *maker, Oid element, int32 typmod)
{
	OwSchema   *schema = ow_schema_make();

	schema->types = OW_ARRAY | OW_NULL;
	schema->items = make_schema(maker, element, typmod);
	schema->nested = true;
	return schema;
}

static void
note_relation(Oid relation)
{
	MemoryContext previous = MemoryContextSwitchTo(schemas_context);

	relations = list_append_unique_oid(relations, relation);
	MemoryContextSwitchTo(previous);
}

static void
make_columns(Maker *maker, OwSchema *schema, TupleDesc columns)
{
	schema->properties = palloc0(sizeof(OwProperty) * Max(columns->natts, 1));
	for (int i = 0; i < columns->natts && maker->refused == NULL; i++)
	{
		Form_pg_attribute column = TupleDescAttr(columns, i);
		OwProperty *property = &schema->properties[schema->nproperties];

		if (column->attisdropped)
			continue;
		property->name = pstrdup(NameStr(column->attname));
		property->schema = make_schema(maker, column->atttypid, column->atttypmod);
		property->required = (property->schema->types & OW_NULL) == 0;
		schema->nproperties++;
	}
	qsort(schema->properties, schema->nproperties, sizeof(OwProperty), ow_property_compare);
}

static OwSchema *
make_composite(Maker *maker, Oid type)
{
	MadeType   *made;
	TupleDesc	columns;
	ListCell   *cell;

	foreach(cell, maker->made)
	{
		made = lfirst(cell);
		if (made->type == type)
			return made->schema;
	}
	made = palloc(sizeof(MadeType));
	made->type = type;
	made->schema = ow_schema_make();
	made->schema->types = OW_OBJECT | OW_NULL;
	made->schema->closed = true;
	maker->made = lappend(maker->made, made);
	note_relation(get_typ_typrelid(type));
	columns = lookup_rowtype_tupdesc_copy(type, -1);
	make_columns(maker, made->schema, columns);
	return made->schema;
}

/* The type below, and no NULL if the domain or one below it says so */
static OwSchema *
make_domain(Maker *maker, Form_pg_type form)
{
	OwSchema   *base = make_schema(maker, form->typbasetype, form->typtypmod);
	OwSchema   *schema;

	if (!form->typnotnull)
		return base;
	schema = palloc(sizeof(OwSchema));
	*schema = *base;
	schema->types &= ~OW_NULL;
	return schema;
}

static OwSchema *
make_schema(Maker *maker, Oid type, int32 typmod)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	Form_pg_type form;
	FormData_pg_type copy;

	check_stack_depth();
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", type);
	form = (Form_pg_type) GETSTRUCT(tuple);
	memcpy(&copy, form, offsetof(FormData_pg_type, typcollation) + sizeof(Oid));
	ReleaseSysCache(tuple);

	switch (copy.typtype)
	{
		case TYPTYPE_COMPOSITE:
			return make_composite(maker, type);
		case TYPTYPE_DOMAIN:
			return make_domain(maker, &copy);
		case TYPTYPE_ENUM:
			return make_scalar(maker, type, typmod);
		case TYPTYPE_BASE:
			if (IsTrueArrayType(&copy))
				return make_array(maker, copy.typelem, typmod);
			return make_scalar(maker, type, typmod);
		case TYPTYPE_RANGE:
		case TYPTYPE_MULTIRANGE:
			/* other ranges compare their bounds with functions of whoever made them */
			if (type < FirstNormalObjectId)
				return make_scalar(maker, type, typmod);
			break;
		default:
			break;
	}
	maker->refused = psprintf("values of type %s cannot be checked", format_type_be(type));
	return ow_schema_make();
}

/* ---- declared types ---- */

static char *
type_name(const OwPayloadType *type)
{
	return quote_qualified_identifier(type->type_schema, type->type_name);
}

/* The type and its row, InvalidOid when there is none or it is no composite type */
static Oid
find_type(const OwPayloadType *type, Oid *schema)
{
	Oid			found;

	*schema = get_namespace_oid(type->type_schema, true);
	if (!OidIsValid(*schema))
		return InvalidOid;
	found = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum(type->type_name), ObjectIdGetDatum(*schema));
	if (!OidIsValid(found) || get_typtype(getBaseType(found)) != TYPTYPE_COMPOSITE)
		return InvalidOid;
	return found;
}

/* The schema of a composite type.  NULL, with the reason, when one of its columns cannot be checked. */
static const OwSchema *
schema_of(Oid type, char **reason)
{
	Maker		maker = {0};
	CachedSchema *entry;
	MemoryContext previous;
	OwSchema   *schema;

	refresh();
	entry = hash_search(schemas, &type, HASH_FIND, NULL);
	if (entry != NULL)
		return entry->schema;
	previous = MemoryContextSwitchTo(schemas_context);
	schema = palloc(sizeof(OwSchema));
	*schema = *make_schema(&maker, type, -1);
	schema->types &= ~OW_NULL;	/* a payload is a row */
	MemoryContextSwitchTo(previous);
	if (maker.refused != NULL)
	{
		*reason = maker.refused;
		return NULL;
	}
	entry = hash_search(schemas, &type, HASH_ENTER, NULL);
	entry->schema = schema;
	return schema;
}

/* …of a declared one: NULL, with the reason, when it is not there any more */
static const OwSchema *
resolve(const OwPayloadType *type, char **reason)
{
	Oid			schema;
	Oid			found;

	if (type->schema != NULL)
		return type->schema;
	found = find_type(type, &schema);
	if (!OidIsValid(found))
	{
		*reason = psprintf("composite type %s does not exist", type_name(type));
		return NULL;
	}
	return schema_of(found, reason);
}

/* ---- the interface ---- */

static void
report(const char *code, const char *name, const char *where, const char *hint, const char *message, OwProblems *problems)
{
	ow_problem_add(problems, OW_SEVERITY_ERROR, code, ow_where_member(where, name), hint, "field \"%s\" in %s: %s", name,
				   ow_where_subject(where), message);
}

void
ow_payload_verify(const OwPayloadType *type, Oid owner, const char *name, const char *where, OwProblems *problems)
{
	char	   *reason;
	Oid			schema;
	Oid			found;

	if (type == NULL || type->schema != NULL)
		return;
	found = find_type(type, &schema);
	if (!OidIsValid(found))
		report("InvalidPayloadType", name, where, "Create it first, with CREATE TYPE.",
			   psprintf("there is no composite type %s", type_name(type)), problems);
	else if (isAnyTempNamespace(schema))
		report("InvalidPayloadType", name, where, "Other sessions, which check payloads, do not have it.",
			   psprintf("type %s is temporary", type_name(type)), problems);
	else if (pg_namespace_aclcheck(schema, owner, ACL_USAGE) != ACLCHECK_OK ||
			 pg_type_aclcheck(found, owner, ACL_USAGE) != ACLCHECK_OK)
		report("TypeNotPermitted", name, where, "Grant USAGE on the type and on its schema.",
			   psprintf("role \"%s\" may not use type %s", GetUserNameFromId(owner, false), type_name(type)), problems);
	else if (schema_of(found, &reason) == NULL)
		report("InvalidPayloadType", name, where, NULL, psprintf("type %s: %s", type_name(type), reason), problems);
}

bool
ow_payload_check(const OwPayloadType *type, const Jsonb *value, OwMismatches *mismatches)
{
	const OwSchema *schema;
	char	   *reason;

	if (type == NULL)
		return true;
	schema = resolve(type, &reason);
	if (schema == NULL)
		mismatches->lines = lappend(mismatches->lines, reason);
	else
		ow_schema_check(schema, value, mismatches);
	return mismatches->lines == NIL;
}

void
ow_payload_convert(const OwPayloadType *type, const Jsonb *value)
{
	LOCAL_FCINFO(fcinfo, 2);
	FmgrInfo	populate;
	Oid			schema;
	Oid			found;
	List	   *arguments;

	if (type == NULL || type->schema != NULL || !OidIsValid(found = find_type(type, &schema)))
		return;
	arguments = list_make2(makeNullConst(found, -1, InvalidOid), makeNullConst(JSONBOID, -1, InvalidOid));
	fmgr_info(F_JSONB_POPULATE_RECORD, &populate);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_JSONB_POPULATE_RECORD, found, arguments, InvalidOid, InvalidOid,
											 COERCE_EXPLICIT_CALL), &populate);
	InitFunctionCallInfoData(*fcinfo, &populate, 2, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = (Datum) 0;
	fcinfo->args[0].isnull = true;
	fcinfo->args[1].value = JsonbPGetDatum(unconstify(Jsonb *, value));
	fcinfo->args[1].isnull = false;
	(void) FunctionCallInvoke(fcinfo);
}

bool
ow_payload_check_output(void *arg, const OwRun *run, const OwPayloadType *type, const Jsonb *output, OwFailure *failure)
{
	OwMismatches mismatches = {0};

	return ow_payload_check(type, output, &mismatches) ||
		ow_fail(failure, OW_ERROR_INVALID_OUTPUT, "%s", ow_mismatches_text(&mismatches));
}
