/*
 * overlap.c
 *		What becomes of a scheduled start while a run of the same schedule is still open: the policies, by Temporal's names.
 */
#include "postgres.h"

#include "machine/overlap.h"

static const char *const names[] = {
	"Skip", "BufferOne", "BufferAll", "CancelOther", "TerminateOther", "AllowAll"
};

bool
ow_overlap_find(const char *name, OwOverlap *overlap)
{
	for (int i = 0; i < (int) lengthof(names); i++)
	{
		if (strcmp(name, names[i]) == 0)
		{
			*overlap = (OwOverlap) i;
			return true;
		}
	}
	return false;
}

const char *
ow_overlap_name(OwOverlap overlap)
{
	return names[overlap];
}

OwOverlapVerdict
ow_overlap_decide(OwOverlap overlap, bool busy, int waiting)
{
	if (overlap == OW_OVERLAP_ALLOW_ALL || !busy)
		return OW_OVERLAP_START;
	switch (overlap)
	{
		case OW_OVERLAP_BUFFER_ONE:
			return waiting == 0 ? OW_OVERLAP_WAIT : OW_OVERLAP_DROP;
		case OW_OVERLAP_BUFFER_ALL:
			return waiting < OW_OVERLAP_MOST_WAITING ? OW_OVERLAP_WAIT : OW_OVERLAP_DROP;
		case OW_OVERLAP_CANCEL_OTHER:
		case OW_OVERLAP_TERMINATE_OTHER:
			return OW_OVERLAP_REPLACE;
		default:
			return OW_OVERLAP_DROP;
	}
}
