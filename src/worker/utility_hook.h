/*
 * utility_hook.h
 *		Commands that need a database without workers, or end prepared transactions.
 */
#ifndef OW_UTILITY_HOOK_H
#define OW_UTILITY_HOOK_H

extern void ow_utility_hook_init(void);

#endif							/* OW_UTILITY_HOOK_H */
