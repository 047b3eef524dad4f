/*
 * mutate.c
 *		Changes cases in ways that make sense for definitions, so that more than syntax errors come out.
 *
 * libFuzzer calls the two functions at the end.  A third of the changes are its own, on bytes; the others
 * take the definition or the input as a tree, or the script as lines, and put in words of asl.dict.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_tree.h"

#define MAX_CASE (256 * 1024)
#define MAX_WRAPS 120			/* nesting a definition is refused for */
#define PARTS 3					/* definition, input, script */

typedef struct Word
{
	char		place;
	const char *text;
} Word;

static const Word words[] = {
#define MEMBER(text) {'m', text},
#define RULE(text) {'r', text},
#define STATE(text) {'s', text},
#define VALUE(text) {'v', text},
#define DATA(text) {'d', text},
#define LINE(text) {'l', text},
#include "words.h"
};

typedef struct Part
{
	const char *text;
	size_t		length;
} Part;

extern size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
extern size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);
extern size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2,
										uint8_t *out, size_t max_size, unsigned int seed);

/* ---- chance ---- */

static uint64_t random_state;

/* From 0 to below limit; the seed is the fuzzer's, so that it can do the same again. */
static size_t
chance(size_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % limit;
}

static void
seed_chance(unsigned int seed)
{
	random_state = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
}

static const char *
any_word(char place)
{
	for (;;)
	{
		const Word *word = &words[chance(sizeof(words) / sizeof(words[0]))];

		if (word->place == place)
			return word->text;
	}
}

/* ---- trees ---- */

static JsonNode *
any_node(JsonNode *root)
{
	return json_tree_nth(root, chance(json_tree_count(root)));
}

static JsonNode *
parse_word(char place)
{
	const char *word = any_word(place);

	return json_tree_parse(word, strlen(word));
}

/* A member is written as an object has it, without the braces. */
static JsonNode *
parse_member(char place)
{
	const char *word = any_word(place);
	char	   *object = json_tree_alloc(strlen(word) + 3);
	JsonNode   *root;
	JsonNode   *member;

	if (object == NULL)
		return NULL;
	sprintf(object, "{%s}", word);
	root = json_tree_parse(object, strlen(object));
	if (root == NULL || root->first == NULL)
		return NULL;
	member = root->first;
	json_tree_remove(member);
	return member;
}

/* The States of the whole or of a branch; NULL: none met by chance */
static JsonNode *
any_states(JsonNode *root)
{
	for (int tries = 0; tries < 20; tries++)
	{
		JsonNode   *node = any_node(root);

		if (node->kind == '{' && node->key != NULL && strcmp(node->key, "\"States\"") == 0)
			return node;
	}
	return NULL;
}

static char *
any_state_name(JsonNode *root)
{
	JsonNode   *states = any_states(root);
	size_t		count = 0;

	if (states == NULL || states->first == NULL)
		return NULL;
	for (JsonNode *state = states->first; state != NULL; state = state->next)
		count++;
	count = chance(count);
	for (JsonNode *state = states->first; state != NULL; state = state->next)
	{
		if (count-- == 0)
			return state->key;
	}
	return NULL;
}

static void
add_state(JsonNode *root)
{
	JsonNode   *states = any_states(root);
	JsonNode   *state = parse_word('s');
	char		name[] = "\"A\"";

	if (states == NULL || state == NULL)
		return;
	name[1] += chance(5);
	state->key = json_tree_text(name, 3);
	json_tree_append(states, state);
}

static void
add_member(JsonNode *node, char place)
{
	JsonNode   *child = node->kind == '{' ? parse_member(place) :
	parse_word(node->key != NULL && strcmp(node->key, "\"Choices\"") == 0 ? 'r' : 'v');

	if (child != NULL && node->kind != 'a')
		json_tree_append(node, child);
}

static void
wrap(JsonNode *node)
{
	size_t		times = chance(8) == 0 ? 1 + chance(MAX_WRAPS) : 1;
	char		kind = chance(2) == 0 ? '{' : '[';

	for (; times > 0; times--)
	{
		JsonNode   *inner = json_tree_alloc(sizeof(JsonNode));

		if (inner == NULL)
			return;
		json_tree_become(inner, node);
		inner->key = kind == '{' ? "\"a\"" : NULL;
		node->kind = kind;
		node->first = NULL;
		json_tree_append(node, inner);
	}
}

/* Lets libFuzzer change what stands between a string's quotes. */
static void
change_atom(JsonNode *node)
{
	size_t		length = node->kind == 'a' ? strlen(node->atom) : 0;
	char	   *changed = json_tree_alloc(length + 64);

	if (length == 0 || changed == NULL)
		return;
	memcpy(changed, node->atom, length);
	if (node->atom[0] != '"' || length < 3)
		LLVMFuzzerMutate((uint8_t *) changed, length, length + 32);
	else
	{
		length = 1 + LLVMFuzzerMutate((uint8_t *) changed + 1, length - 2, length + 32);
		strcpy(changed + length, "\"");
	}
	for (char *c = changed + 1; c < changed + length; c++)
	{
		if (*c == '\0')
			*c = '0';
	}
	node->atom = changed;
}

/* "a" to "a.$", and back */
static void
toggle_path(JsonNode *node)
{
	size_t		length = node->key ? strlen(node->key) : 0;
	char	   *key = json_tree_alloc(length + 4);

	if (length < 3 || key == NULL)
		return;
	if (length > 4 && strcmp(node->key + length - 3, ".$\"") == 0)
		sprintf(key, "%.*s\"", (int) length - 3, node->key);
	else
		sprintf(key, "%.*s.$\"", (int) length - 1, node->key);
	node->key = key;
}

static void
rename_member(JsonNode *node, char place)
{
	JsonNode   *member = parse_member(place);

	if (node->key != NULL && member != NULL)
		node->key = member->key;
}

static void
put_word(JsonNode *node, JsonNode *word)
{
	if (word != NULL)
		json_tree_become(node, word);
}

static void
put_copy(JsonNode *node, const JsonNode *other)
{
	JsonNode   *copy = json_tree_copy(other);

	if (copy != NULL)
		json_tree_become(node, copy);
}

static void
put_state_name(JsonNode *root, JsonNode *node)
{
	char	   *name = any_state_name(root);

	if (name != NULL && node->kind == 'a')
		node->atom = name;
}

static void
double_node(JsonNode *node)
{
	JsonNode   *copy = node->parent ? json_tree_copy(node) : NULL;

	if (copy == NULL)
		return;
	if (copy->key != NULL && chance(4) != 0)
		copy->key = "\"b\"";
	json_tree_append(node->parent, copy);
}

/* Members are those of a definition ('m') or of its input ('d'). */
static void
change_tree(JsonNode *root, char members)
{
	JsonNode   *node = any_node(root);

	switch (chance(15))
	{
		case 0:
		case 1:
			if (node->parent != NULL)
				json_tree_remove(node);
			break;
		case 2:
			double_node(node);
			break;
		case 3:
			put_copy(node, any_node(root));
			break;
		case 4:
		case 5:
			if (node->kind == 'a')
				put_word(node, parse_word('v'));
			break;
		case 6:
		case 7:
			add_member(node, members);
			break;
		case 8:
			add_state(root);
			break;
		case 9:
			wrap(node);
			break;
		case 10:
			change_atom(node);
			break;
		case 11:
			toggle_path(node);
			break;
		case 12:
			put_state_name(root, node);
			break;
		case 13:
			rename_member(node, members);
			break;
		default:
			put_word(node, parse_word('v'));
			break;
	}
}

/* ---- parts ---- */

static void
split(const char *text, size_t length, Part *parts)
{
	const char *end = text + length;

	for (int i = 0; i < PARTS; i++)
	{
		const char *delimiter = i == PARTS - 1 ? NULL : memmem(text, end - text, "\n%%\n", 4);

		parts[i].text = text;
		parts[i].length = (delimiter ? delimiter : end) - text;
		text = delimiter ? delimiter + 4 : end;
	}
}

static size_t
join(const Part *parts, uint8_t *out, size_t max_size)
{
	static char buffer[3 * MAX_CASE];
	size_t		length = 0;

	for (int i = 0; i < PARTS; i++)
	{
		if (i > 0)
		{
			memcpy(buffer + length, "\n%%\n", 4);
			length += 4;
		}
		memcpy(buffer + length, parts[i].text, parts[i].length);
		length += parts[i].length;
	}
	if (length > max_size)
		length = max_size;
	memcpy(out, buffer, length);
	return length;
}

static void
change_json(Part *part, char members)
{
	JsonNode   *root = json_tree_parse(part->text, part->length);
	char	   *text = json_tree_alloc(MAX_CASE / 2);
	size_t		length;

	if (text == NULL)
		return;
	if (root == NULL)
	{
		root = parse_word('v');
		if (root == NULL || chance(4) != 0)
			return;
	}
	for (size_t changes = 1 + chance(4); changes > 0; changes--)
		change_tree(root, members);
	length = json_tree_write(root, text, MAX_CASE / 2);
	if (length > MAX_CASE / 2)
		return;
	part->text = text;
	part->length = length;
}

/* Puts a line in, takes one out, or doubles one, at some line's begin. */
static void
change_script(Part *part)
{
	const char *word = any_word('l');
	const char *end = part->text + part->length;
	const char *at = part->text + (part->length ? chance(part->length) : 0);
	const char *line_end;
	char	   *text = json_tree_alloc(2 * part->length + strlen(word) + 2);

	if (text == NULL)
		return;
	while (at > part->text && at[-1] != '\n')
		at--;
	line_end = memchr(at, '\n', end - at);
	line_end = line_end ? line_end + 1 : end;
	memcpy(text, part->text, at - part->text);
	text[at - part->text] = '\0';
	switch (chance(4))
	{
		case 0:
			memcpy(text + (at - part->text), line_end, end - line_end);
			break;
		case 1:
			memcpy(text + (at - part->text), at, line_end - at);
			memcpy(text + (line_end - part->text), at, end - at);
			break;
		default:
			sprintf(text + (at - part->text), "%s\n", word);
			memcpy(text + strlen(text), at, end - at);
	}
	part->text = text;
	part->length = strlen(text);
}

/* ---- what libFuzzer calls ---- */

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	Part		parts[PARTS];

	seed_chance(seed);
	if (size > MAX_CASE / 2 || chance(4) == 0)
		return LLVMFuzzerMutate(data, size, max_size);
	json_tree_reset();
	split((const char *) data, size, parts);
	switch (chance(6))
	{
		case 0:
			change_json(&parts[1], 'd');
			break;
		case 1:
			change_script(&parts[2]);
			break;
		default:
			change_json(&parts[0], 'm');
	}
	return join(parts, data, max_size);
}

/* Takes each part from either, or puts a piece of one definition into the other. */
size_t
LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2,
						  uint8_t *out, size_t max_size, unsigned int seed)
{
	Part		parts[PARTS];
	Part		others[PARTS];
	JsonNode   *root;
	JsonNode   *other;
	char	   *text;

	if (size1 > MAX_CASE / 2 || size2 > MAX_CASE / 2)
		return 0;
	seed_chance(seed);
	json_tree_reset();
	split((const char *) data1, size1, parts);
	split((const char *) data2, size2, others);
	if (chance(2) == 0)
	{
		size_t		part = 1 + chance(2);

		parts[part] = others[part];
		return join(parts, out, max_size);
	}
	root = json_tree_parse(parts[0].text, parts[0].length);
	other = json_tree_parse(others[0].text, others[0].length);
	text = json_tree_alloc(MAX_CASE / 2);
	if (root == NULL || other == NULL || text == NULL)
		return 0;
	if (chance(2) == 0)
		put_copy(any_node(root), any_node(other));
	else
	{
		JsonNode   *states = any_states(root);
		JsonNode   *more = any_states(other);
		JsonNode   *copy = more ? json_tree_copy(more) : NULL;

		if (states == NULL || copy == NULL || copy->first == NULL)
			return 0;
		copy = copy->first;
		json_tree_remove(copy);
		json_tree_append(states, copy);
	}
	parts[0].length = json_tree_write(root, text, MAX_CASE / 2);
	if (parts[0].length > MAX_CASE / 2)
		return 0;
	parts[0].text = text;
	return join(parts, out, max_size);
}
