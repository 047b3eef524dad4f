/*
 * malloc_context.c
 *		A memory context whose every chunk is one of malloc's.
 *
 * The server's own contexts cut many chunks from one block; an overflow from one into the next, or a
 * read of what was freed, stays within the block, and the address sanitizer does not see it.
 */
#include "postgres.h"

#include "fuzz.h"
#include "lib/ilist.h"
#include "nodes/memnodes.h"
#include "utils/memutils.h"

typedef struct MallocContext
{
	MemoryContextData header;
	dlist_head	chunks;
} MallocContext;

/* In front of what the caller gets; the server looks for the context right before that. */
typedef struct Chunk
{
	dlist_node	link;
	Size		size;
	MemoryContext context;
} Chunk;

StaticAssertDecl(sizeof(Chunk) == MAXALIGN(sizeof(Chunk)), "what follows a chunk's head must be aligned");

#define ChunkOf(pointer) ((Chunk *) (pointer) - 1)
#define CHUNKS(context) (&((MallocContext *) (context))->chunks)

static void *
context_alloc(MemoryContext context, Size size)
{
	Chunk	   *chunk = malloc(sizeof(Chunk) + size);

	if (chunk == NULL)
		return NULL;
	chunk->size = size;
	chunk->context = context;
	dlist_push_head(CHUNKS(context), &chunk->link);
	context->mem_allocated += size;
	return chunk + 1;
}

static void
context_free(MemoryContext context, void *pointer)
{
	Chunk	   *chunk = ChunkOf(pointer);

	dlist_delete(&chunk->link);
	context->mem_allocated -= chunk->size;
	free(chunk);
}

/* Always moves, so that nobody gets away with a pointer to where it was. */
static void *
context_realloc(MemoryContext context, void *pointer, Size size)
{
	void	   *moved = context_alloc(context, size);

	if (moved == NULL)
		return NULL;
	memcpy(moved, pointer, Min(size, ChunkOf(pointer)->size));
	context_free(context, pointer);
	return moved;
}

static void
context_reset(MemoryContext context)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, CHUNKS(context))
		context_free(context, dlist_container(Chunk, link, iter.cur) + 1);
}

static void
context_delete(MemoryContext context)
{
	context_reset(context);
	free(context);
}

static Size
context_chunk_space(MemoryContext context, void *pointer)
{
	return ChunkOf(pointer)->size + sizeof(Chunk);
}

static bool
context_is_empty(MemoryContext context)
{
	return dlist_is_empty(CHUNKS(context));
}

static void
context_stats(MemoryContext context, MemoryStatsPrintFunc printfunc, void *passthru,
			  MemoryContextCounters *totals, bool print_to_stderr)
{
	if (totals != NULL)
		totals->totalspace += context->mem_allocated;
}

static const MemoryContextMethods methods = {
	.alloc = context_alloc,
	.free_p = context_free,
	.realloc = context_realloc,
	.reset = context_reset,
	.delete_context = context_delete,
	.get_chunk_space = context_chunk_space,
	.is_empty = context_is_empty,
	.stats = context_stats
};

MemoryContext
fuzz_malloc_context_create(MemoryContext parent)
{
	MallocContext *context = malloc(sizeof(MallocContext));

	if (context == NULL)
		elog(ERROR, "out of memory");
	dlist_init(&context->chunks);
	/* MemoryContextIsValid() knows the server's own tags only; nothing else looks at them. */
	MemoryContextCreate(&context->header, T_AllocSetContext, &methods, parent, "fuzz case");
	return &context->header;
}
