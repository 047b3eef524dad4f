/*
 * identity.h
 *		Whether this copy of the database is the one whose workers may run its workflows.
 *
 * The first register or start writes the cluster's system identifier, the database's oid and
 * order_workflow.instance into workflow.engine_identity.  A restored, cloned or template-made copy
 * does not match: nothing runs there until workflow.resume_engine() claims it.
 */
#ifndef OW_IDENTITY_H
#define OW_IDENTITY_H

#include "postgres.h"

/* Claim the database when nobody has; opens the store itself.  Cheap once done in this backend. */
extern void ow_identity_claim(void);

/* Does the claim name another cluster, database or instance, or is there none though there are runs? */
extern bool ow_identity_is_foreign(void);

/* An operator says that this copy is the one to run: workflow.resume_engine(). */
extern void ow_identity_claim_anew(void);

#endif							/* OW_IDENTITY_H */
