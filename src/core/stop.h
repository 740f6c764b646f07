#ifndef LT_CORE_STOP_H
#define LT_CORE_STOP_H

#include <stdatomic.h>

/* A wish to stop, made by a signal handler (installed in src/app) and asked for between
 * units by the runner. Start with {0}. Every function may be called from any thread;
 * lt_stop_request also from a signal handler. */
typedef struct lt_stop {
    atomic_int signal;  /* the first signal, 0: none */
    atomic_int n_times; /* requests so far           */
} lt_stop;

/* Note a request; signal_number > 0. The first number stays. Returns how many requests
 * there are now: at the second one a handler may force the end. Async-signal-safe. */
int lt_stop_request(lt_stop *s, int signal_number);

/* The number of the first signal, 0 while nobody asked. s = NULL: 0. */
int lt_stop_requested(const lt_stop *s);

#endif
