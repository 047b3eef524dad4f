/*
 * json_tree.h
 *		JSON as a tree that can be changed at random, for the mutator.
 *
 * It holds what can be parsed, not what is valid: numbers and strings are kept as they were written.
 * All of it is freed by json_tree_reset().
 */
#ifndef OW_FUZZ_JSON_TREE_H
#define OW_FUZZ_JSON_TREE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct JsonNode
{
	char		kind;			/* of an object or array the bracket it opens with; 'a': an atom */
	char	   *key;			/* in an object: with its quotes; else NULL */
	char	   *atom;			/* as written */
	struct JsonNode *parent;
	struct JsonNode *first;		/* child */
	struct JsonNode *next;		/* sibling */
} JsonNode;

extern void json_tree_reset(void);
extern void *json_tree_alloc(size_t size);
extern char *json_tree_text(const char *text, size_t length);

/* NULL when it cannot be parsed, or not within what there is room for */
extern JsonNode *json_tree_parse(const char *text, size_t length);

/* Writes it, as far as there is room; the length it would have taken */
extern size_t json_tree_write(const JsonNode *root, char *out, size_t room);

extern JsonNode *json_tree_copy(const JsonNode *node);
extern size_t json_tree_count(const JsonNode *root);

/* The nth node, the root being the 0th */
extern JsonNode *json_tree_nth(JsonNode *root, size_t n);

extern void json_tree_append(JsonNode *parent, JsonNode *child);
extern void json_tree_remove(JsonNode *child);

/* Gives the node another's kind, atom and children; its key and place stay. */
extern void json_tree_become(JsonNode *node, const JsonNode *other);

#endif							/* OW_FUZZ_JSON_TREE_H */
