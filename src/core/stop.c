#include "core/stop.h"

#include <stddef.h>

_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "a lock in a signal handler could hang");

int lt_stop_request(lt_stop *s, int signal_number)
{
    int none = 0;
    atomic_compare_exchange_strong(&s->signal, &none, signal_number);
    return atomic_fetch_add(&s->n_times, 1) + 1;
}

int lt_stop_requested(const lt_stop *s) { return s ? atomic_load(&s->signal) : 0; }
