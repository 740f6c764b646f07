#ifndef LT_CORE_RANDOM_H
#define LT_CORE_RANDOM_H

#include <stdint.h>

/* Random numbers from a counter, Philox4x32-10 (Random123): every number is a function
 * of (seed, purpose, frame, step, index) alone, so nothing depends on ranks, threads or
 * the order of calls.
 *
 * key     = seed, low word first
 * counter = { index of the group of four words, frame, step, purpose }
 *
 * Normals come from Box-Muller in double with our own logarithm, sine and cosine (only
 * + - * / and sqrt, which IEEE 754 rounds exactly), so their bits are the same on every
 * machine and with every libm. */

/* What a stream is for. The numbers shape a job's result: append, never renumber. */
typedef enum lt_purpose {
    LT_PURPOSE_TEST = 0,
    LT_PURPOSE_KEYFRAME = 1,  /* which frame of a clip is the keyframe; frame = clip  */
    LT_PURPOSE_POSTERIOR = 2, /* sampling the VAE's posterior; step = ensemble member */
    LT_PURPOSE_FEATURE = 3,   /* noise of the feature pass; step = ensemble member    */
    LT_PURPOSE_LATENT = 4,    /* initial noise of a frame                             */
    LT_PURPOSE_STEP = 5,      /* noise added in a step                                */
    LT_PURPOSE_SYNTH = 6,     /* scenes of the demo world                             */
    LT_PURPOSE_TRAIN = 7,     /* training of the demo models, test-time adaptation    */
    LT_PURPOSE_SLIM = 8       /* tokens that random slimming keeps; frame = 1st clip  */
} lt_purpose;

/* One stream of 2^34 words and the place in it. Plain data: copy and compare freely. */
typedef struct lt_random {
    uint32_t key[2];
    uint32_t counter[4]; /* of the group in `word` */
    uint32_t word[4];
    int left; /* words of the group not yet given out */
} lt_random;

/* The stream of (seed, purpose, frame, step), at its beginning. */
lt_random lt_random_stream(uint64_t seed, lt_purpose purpose, uint32_t frame,
                           uint32_t step);

/* The next word, uniform over all 2^32 values. */
uint32_t lt_random_u32(lt_random *r);

/* Uniform in [0, n) without bias; n >= 1 (0 gives 0). */
uint64_t lt_random_below(lt_random *r, uint64_t n);

/* Uniform in [0, 1), 53 bits. */
double lt_random_unit(lt_random *r);

/* Normal numbers first .. first + n - 1 of a stream, mean 0, variance 1, |x| < 6.8, into
 * out [n]. Random access: tiles of one tensor may be filled in any order and give the
 * same bits. Independent of the place in r; first >= 0, first + n <= 2^34. */
void lt_random_normals(const lt_random *r, int64_t first, float *out, int64_t n);

/* The block function itself: out = Philox4x32-10(counter, key). */
void lt_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

#endif
