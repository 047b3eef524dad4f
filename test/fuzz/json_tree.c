/*
 * json_tree.c
 *		JSON as a tree that can be changed at random.
 */
#include <ctype.h>
#include <string.h>

#include "json_tree.h"

#define ARENA_BYTES (16 * 1024 * 1024)
#define MAX_DEPTH 2000

static char arena[ARENA_BYTES] __attribute__((aligned(16)));
static size_t arena_used = 0;

typedef struct Parser
{
	const char *at;
	const char *end;
	int			depth;
} Parser;

void
json_tree_reset(void)
{
	arena_used = 0;
}

void *
json_tree_alloc(size_t size)
{
	void	   *chunk = arena + arena_used;

	size = (size + 15) & ~(size_t) 15;
	if (size > ARENA_BYTES - arena_used)
		return NULL;
	arena_used += size;
	memset(chunk, 0, size);
	return chunk;
}

char *
json_tree_text(const char *text, size_t length)
{
	char	   *copy = json_tree_alloc(length + 1);

	if (copy != NULL)
		memcpy(copy, text, length);
	return copy;
}

/* ---- parsing ---- */

static void
skip_space(Parser *parser)
{
	while (parser->at < parser->end && isspace((unsigned char) *parser->at))
		parser->at++;
}

/* A string with its quotes, or any run of characters that mean nothing to JSON */
static char *
parse_atom(Parser *parser)
{
	const char *start = parser->at;

	if (parser->at < parser->end && *parser->at == '"')
	{
		for (parser->at++; parser->at < parser->end && *parser->at != '"'; parser->at++)
			parser->at += *parser->at == '\\';
		if (parser->at++ >= parser->end)
			return NULL;
	}
	else
	{
		while (parser->at < parser->end && strchr("{}[],:\"", *parser->at) == NULL &&
			   !isspace((unsigned char) *parser->at))
			parser->at++;
	}
	return parser->at == start || parser->at > parser->end ? NULL : json_tree_text(start, parser->at - start);
}

static bool
accept(Parser *parser, char expected)
{
	skip_space(parser);
	if (parser->at >= parser->end || *parser->at != expected)
		return false;
	parser->at++;
	return true;
}

static JsonNode *parse_node(Parser *parser);

static bool
parse_children(Parser *parser, JsonNode *parent)
{
	char		close = parent->kind == '{' ? '}' : ']';

	if (accept(parser, close))
		return true;
	do
	{
		char	   *key = NULL;
		JsonNode   *child;

		skip_space(parser);
		if (parent->kind == '{' && ((key = parse_atom(parser)) == NULL || !accept(parser, ':')))
			return false;
		child = parse_node(parser);
		if (child == NULL)
			return false;
		child->key = key;
		json_tree_append(parent, child);
	} while (accept(parser, ','));
	return accept(parser, close);
}

static JsonNode *
parse_node(Parser *parser)
{
	JsonNode   *node = json_tree_alloc(sizeof(JsonNode));
	bool		ok;

	if (node == NULL || ++parser->depth > MAX_DEPTH)
		return NULL;
	node->kind = accept(parser, '{') ? '{' : accept(parser, '[') ? '[' : 'a';
	ok = node->kind == 'a' ? (node->atom = parse_atom(parser)) != NULL : parse_children(parser, node);
	parser->depth--;
	return ok ? node : NULL;
}

JsonNode *
json_tree_parse(const char *text, size_t length)
{
	Parser		parser = {.at = text, .end = text + length};
	JsonNode   *root = parse_node(&parser);

	skip_space(&parser);
	return parser.at == parser.end ? root : NULL;
}

/* ---- writing ---- */

static size_t
put(const char *text, char *out, size_t at, size_t room)
{
	size_t		length = strlen(text);

	if (at < room)
		memcpy(out + at, text, length < room - at ? length : room - at);
	return at + length;
}

static size_t
write_node(const JsonNode *node, char *out, size_t at, size_t room)
{
	if (node->key != NULL)
		at = put(":", out, put(node->key, out, at, room), room);
	if (node->kind == 'a')
		return put(node->atom, out, at, room);
	at = put(node->kind == '{' ? "{" : "[", out, at, room);
	for (const JsonNode *child = node->first; child != NULL; child = child->next)
	{
		at = write_node(child, out, at, room);
		if (child->next != NULL)
			at = put(",", out, at, room);
	}
	return put(node->kind == '{' ? "}" : "]", out, at, room);
}

size_t
json_tree_write(const JsonNode *root, char *out, size_t room)
{
	return write_node(root, out, 0, room);
}

/* ---- changing ---- */

JsonNode *
json_tree_copy(const JsonNode *node)
{
	JsonNode   *copy = json_tree_alloc(sizeof(JsonNode));

	if (copy == NULL)
		return NULL;
	copy->kind = node->kind;
	copy->key = node->key;
	copy->atom = node->atom;
	for (const JsonNode *child = node->first; child != NULL; child = child->next)
	{
		JsonNode   *child_copy = json_tree_copy(child);

		if (child_copy == NULL)
			return NULL;
		json_tree_append(copy, child_copy);
	}
	return copy;
}

size_t
json_tree_count(const JsonNode *root)
{
	size_t		count = 1;

	for (const JsonNode *child = root->first; child != NULL; child = child->next)
		count += json_tree_count(child);
	return count;
}

static JsonNode *
walk_to(JsonNode *node, size_t *n)
{
	if ((*n)-- == 0)
		return node;
	for (JsonNode *child = node->first; child != NULL; child = child->next)
	{
		JsonNode   *found = walk_to(child, n);

		if (found != NULL)
			return found;
	}
	return NULL;
}

JsonNode *
json_tree_nth(JsonNode *root, size_t n)
{
	return walk_to(root, &n);
}

void
json_tree_append(JsonNode *parent, JsonNode *child)
{
	JsonNode  **link = &parent->first;

	while (*link != NULL)
		link = &(*link)->next;
	*link = child;
	child->next = NULL;
	child->parent = parent;
}

void
json_tree_remove(JsonNode *child)
{
	JsonNode  **link = &child->parent->first;

	while (*link != child)
		link = &(*link)->next;
	*link = child->next;
	child->next = NULL;
	child->parent = NULL;
}

void
json_tree_become(JsonNode *node, const JsonNode *other)
{
	node->kind = other->kind;
	node->atom = other->atom;
	node->first = other->first;
	for (JsonNode *child = node->first; child != NULL; child = child->next)
		child->parent = node;
}
