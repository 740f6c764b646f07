#ifndef LT_STAGES_STORED_H
#define LT_STAGES_STORED_H

#include "core/config.h"

/* What a job folder holds already, and what may not differ when a run goes on in it. */

typedef struct lt_stored {
    int exists;
    lt_config cfg;
    lt_facts facts;
    int reencode; /* a key that affects encoding has changed */
    int changed;  /* any key has changed */
} lt_stored;

/* Read the configuration of the job in dir into *s, which is all zero; a folder that has
 * none yet leaves it so. Free with lt_stored_free, also after a failure.
 * Errors: those of lt_job_open and lt_config_load_text. */
LT_NODISCARD lt_status lt_stored_read(const char *dir, lt_stored *s);
void lt_stored_free(lt_stored *s);

/* Compare every key with cfg; sets reencode and changed.
 * Errors: CONFIG (a key that affects the result: names it, old and new value), NOMEM. */
LT_NODISCARD lt_status lt_stored_compare(lt_stored *s, const lt_config *cfg,
                                         const char *dir);

/* A fact that is known must be the same now. what and where are for the message.
 * Errors: CONFIG. */
LT_NODISCARD lt_status lt_stored_compare_fact(const lt_facts *facts, const char *key,
                                              const char *now, const char *what,
                                              const char *where);

#endif
