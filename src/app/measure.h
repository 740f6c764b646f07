#ifndef LT_APP_MEASURE_H
#define LT_APP_MEASURE_H

#include "stages/run.h"

/* Speed of the kernels that a job spends its time in, in multiply-adds a second of this
 * rank, on the table and the threads of the run and at the sizes of its model. */
typedef struct lt_speeds {
    double conv, linear, attention, match;
    double unet;   /* of a whole evaluation, see unet_real */
    int unet_real; /* 1: a whole evaluation was timed; 0: from conv and linear alone */
} lt_speeds;

/* Collective (all ranks time at once, as in the edit; the slowest counts). Takes one to
 * two seconds, more on the reference path.  Errors: NOMEM, those of the kernels. */
LT_NODISCARD lt_status lt_measure_speeds(lt_run *r, lt_speeds *speeds);

#endif
