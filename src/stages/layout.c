#include "stages/layout.h"

#include <stdlib.h>
#include <string.h>

#include "core/random.h"

void lt_layout_free(lt_layout *l)
{
    free(l->clip);
    free(l->block);
    free(l->segment);
    free(l->keyframe);
    memset(l, 0, sizeof(*l));
}

lt_status lt_layout_fixed(int64_t n_frames, int64_t length, int64_t **begin,
                          int64_t *n_clips)
{
    const int64_t n = (n_frames + length - 1) / length;
    int64_t *b = malloc((size_t)n * sizeof(*b));
    if (!b) return LT_FAIL(LT_ERR_NOMEM, "out of memory (clips)");
    for (int64_t i = 0; i < n; i++) b[i] = i * length;
    *begin = b;
    *n_clips = n;
    return LT_OK;
}

static int64_t blocks_of(int64_t frames)
{
    return (frames + LT_BLOCK_FRAMES - 1) / LT_BLOCK_FRAMES;
}

static void cut_clips(lt_layout *l, const int64_t *begin, int64_t max_clips)
{
    for (int64_t c = 0; c < l->n_clips; c++) {
        lt_clip *k = &l->clip[c];
        const int64_t end = c + 1 < l->n_clips ? begin[c + 1] : l->n_frames;
        *k = (lt_clip){ .first = begin[c],
                        .n = end - begin[c],
                        .first_block = l->n_blocks,
                        .n_blocks = blocks_of(end - begin[c]),
                        .segment = c / max_clips };
        l->n_blocks += k->n_blocks;
    }
}

static void cut_segments(lt_layout *l, int64_t max_clips)
{
    for (int64_t s = 0; s < l->n_segments; s++) {
        const int64_t c0 = s * max_clips, left = l->n_clips - c0;
        const int64_t n = left < max_clips ? left : max_clips;
        const lt_clip *a = &l->clip[c0], *z = &l->clip[c0 + n - 1];
        l->segment[s] =
            (lt_segment){ .first_clip = c0,
                          .n_clips = n,
                          .first_block = a->first_block,
                          .n_blocks = z->first_block + z->n_blocks - a->first_block,
                          .first = a->first,
                          .n = z->first + z->n - a->first };
    }
}

static void cut_blocks(lt_layout *l)
{
    for (int64_t c = 0; c < l->n_clips; c++) {
        const lt_clip *k = &l->clip[c];
        for (int64_t b = 0; b < k->n_blocks; b++) {
            const int64_t at = b * LT_BLOCK_FRAMES, left = k->n - at;
            l->block[k->first_block + b] =
                (lt_block){ .first = k->first + at,
                            .n = left < LT_BLOCK_FRAMES ? left : LT_BLOCK_FRAMES,
                            .clip = c,
                            .segment = k->segment,
                            .in_segment =
                                k->first_block + b - l->segment[k->segment].first_block };
        }
    }
}

lt_status lt_layout_make(int64_t n_frames, const int64_t *begin, int64_t n_clips,
                         int64_t max_clips, lt_layout *layout)
{
    if (n_frames < 1 || n_clips < 1 || max_clips < 1 || begin[0] != 0 ||
        begin[n_clips - 1] >= n_frames)
        return LT_FAIL(LT_ERR_ARG, "clips do not fit %lld frames", (long long)n_frames);
    for (int64_t c = 1; c < n_clips; c++)
        if (begin[c] <= begin[c - 1])
            return LT_FAIL(LT_ERR_ARG, "clip %lld begins before the one in front",
                           (long long)c);
    lt_layout l = { .n_frames = n_frames,
                    .n_clips = n_clips,
                    .n_segments = (n_clips + max_clips - 1) / max_clips };
    l.clip = calloc((size_t)n_clips, sizeof(*l.clip));
    l.segment = calloc((size_t)l.n_segments, sizeof(*l.segment));
    if (l.clip) cut_clips(&l, begin, max_clips);
    l.block = calloc((size_t)(l.n_blocks ? l.n_blocks : 1), sizeof(*l.block));
    if (!l.clip || !l.segment || !l.block) {
        lt_layout_free(&l);
        return LT_FAIL(LT_ERR_NOMEM, "out of memory (clips)");
    }
    cut_segments(&l, max_clips);
    cut_blocks(&l);
    *layout = l;
    return LT_OK;
}

int64_t lt_clip_centre(const lt_clip *clip) { return clip->first + clip->n / 2; }

int64_t lt_layout_clip_before(const lt_layout *l, int64_t clip)
{
    return clip > l->segment[l->clip[clip].segment].first_clip ? clip - 1 : -1;
}

lt_status lt_layout_parts(int64_t n_frames, int64_t parts, int64_t **begin,
                          int64_t *n_clips)
{
    int64_t n = 0, total = 0;
    for (int64_t c = 0; c < *n_clips; c++) {
        const int64_t end = c + 1 < *n_clips ? (*begin)[c + 1] : n_frames;
        const int64_t length = end - (*begin)[c];
        total += length < parts ? length : parts;
    }
    int64_t *b = malloc((size_t)total * sizeof(*b));
    if (!b) return LT_FAIL(LT_ERR_NOMEM, "out of memory (clips)");
    for (int64_t c = 0; c < *n_clips; c++) {
        const int64_t first = (*begin)[c];
        const int64_t length = (c + 1 < *n_clips ? (*begin)[c + 1] : n_frames) - first;
        const int64_t count = length < parts ? length : parts;
        for (int64_t i = 0; i < count; i++) b[n++] = first + i * length / count;
    }
    free(*begin);
    *begin = b;
    *n_clips = total;
    return LT_OK;
}

static int64_t draw(const lt_clip *clip, const lt_keyframe_rule *rule, int64_t c,
                    int64_t step)
{
    if (rule->pick == LT_KEYFRAME_FIRST) return clip->first;
    if (rule->pick == LT_KEYFRAME_MIDDLE) return lt_clip_centre(clip);
    lt_random r = lt_random_stream(rule->seed, LT_PURPOSE_KEYFRAME, (uint32_t)c,
                                   rule->once ? 0 : (uint32_t)step);
    return clip->first + (int64_t)lt_random_below(&r, (uint64_t)clip->n);
}

lt_status lt_layout_keyframes(lt_layout *l, int64_t n_steps, const lt_keyframe_rule *rule)
{
    int64_t *k = malloc((size_t)(n_steps * l->n_clips) * sizeof(*k));
    if (!k) return LT_FAIL(LT_ERR_NOMEM, "out of memory (keyframes)");
    for (int64_t s = 0; s < n_steps; s++)
        for (int64_t c = 0; c < l->n_clips; c++)
            k[s * l->n_clips + c] = draw(&l->clip[c], rule, c, s);
    free(l->keyframe);
    l->keyframe = k;
    l->n_steps = n_steps;
    return LT_OK;
}

int64_t lt_layout_clip_keyframes(const lt_layout *l, int64_t clip, int64_t *out)
{
    int64_t n = 0;
    for (int64_t s = 0; s < l->n_steps; s++) {
        const int64_t k = l->keyframe[s * l->n_clips + clip];
        int64_t at = 0;
        while (at < n && out[at] < k) at++;
        if (at < n && out[at] == k) continue;
        memmove(out + at + 1, out + at, (size_t)(n - at) * sizeof(*out));
        out[at] = k;
        n++;
    }
    return n;
}

void lt_layout_assign(const lt_layout *l, int64_t segment, int size, int64_t *first)
{
    const lt_segment *s = &l->segment[segment];
    int64_t c = s->first_clip;
    for (int r = 0; r < size; r++) {
        first[r] = c;
        /* Up to the clip whose middle lies beyond this rank's share. */
        const int64_t share_end = s->first + (r + 1) * s->n / size;
        while (c < s->first_clip + s->n_clips &&
               2 * l->clip[c].first + l->clip[c].n <= 2 * share_end)
            c++;
    }
    first[size] = s->first_clip + s->n_clips;
}

lt_status lt_layout_longest_first(const lt_layout *l, int64_t *block, int64_t n)
{
    int64_t at[LT_BLOCK_FRAMES + 1] = { 0 }; /* where blocks of a length begin */
    int64_t *sorted = malloc((size_t)(n ? n : 1) * sizeof(*sorted));
    if (!sorted) return LT_FAIL(LT_ERR_NOMEM, "out of memory (units)");
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < l->block[block[i]].n; k++) at[k]++;
    for (int64_t i = 0; i < n; i++) sorted[at[l->block[block[i]].n]++] = block[i];
    memcpy(block, sorted, (size_t)n * sizeof(*block));
    free(sorted);
    return LT_OK;
}

int64_t lt_layout_block_of(const lt_layout *l, int64_t frame)
{
    int64_t lo = 0, hi = l->n_blocks - 1;
    while (lo < hi) {
        const int64_t mid = (lo + hi + 1) / 2;
        if (l->block[mid].first <= frame)
            lo = mid;
        else
            hi = mid - 1;
    }
    return lo;
}
