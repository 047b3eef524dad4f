/*
 * scanner.h
 *		The worker that looks into a database for work.  Private to src/worker.
 */
#ifndef OW_SCANNER_H
#define OW_SCANNER_H

extern PGDLLEXPORT void ow_scanner_main(Datum slot);

/* Are there crashes in this database still to be charged? */
extern bool ow_scanner_has_suspects(Oid database);

/* They cannot be: nobody can connect */
extern void ow_scanner_forget_suspects(Oid database);

#endif							/* OW_SCANNER_H */
