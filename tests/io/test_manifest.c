/* The manifest in memory and as text, whole and damaged. */
#include <jansson.h>
#include <time.h>

#include "job_util.h"

static lt_record record(const char *stage, int64_t unit, int64_t step)
{
    static char name[LT_FILE_MAX];
    OK(lt_job_shard_name(name, unit / 8, unit, stage, step));
    lt_record r = { .stage = stage,
                    .unit = unit,
                    .step = step,
                    .file = name,
                    .stamp = { .size = 1000 + (uint64_t)unit },
                    .first_frame = unit * 16,
                    .n_frames = 16,
                    .n_rows = 5,
                    .pts_first = -unit * 512,
                    .pts_last = INT64_MAX - unit };
    memset(r.stamp.xxh3, (int)unit, 16);
    return r;
}

static void table(void)
{
    lt_manifest *m = NULL;
    lt_record r;
    int64_t step[4] = { 0 };
    OK(lt_manifest_new(&m));
    for (int64_t u = 999; u >= 0; u--) {
        r = record("invert", u, LT_NO_STEP);
        OK(lt_manifest_apply(m, LT_OP_ADD, &r));
        r = record("match", u, LT_NO_STEP);
        OK(lt_manifest_apply(m, LT_OP_ADD, &r));
    }
    CHECK(lt_manifest_count(m, NULL) == 2000 && lt_manifest_count(m, "match") == 1000);
    const lt_record *f = lt_manifest_find(m, "match", 777, LT_NO_STEP);
    CHECK(f && f->unit == 777 && strcmp(f->file, "shards/seg-00097.b777.match.h5") == 0);
    CHECK(!lt_manifest_find(m, "match", 1000, LT_NO_STEP));
    CHECK(!lt_manifest_find(m, "match", 777, 5) && !lt_manifest_find(m, "x", 0, -1));
    OK(lt_manifest_apply(m, LT_OP_DROP, f));
    CHECK(!lt_manifest_find(m, "match", 777, LT_NO_STEP));
    CHECK(lt_manifest_state(m, "match", 777, LT_NO_STEP) == LT_UNIT_DROPPED);
    r = record("match", 778, LT_NO_STEP);
    OK(lt_manifest_apply(m, LT_OP_REMOVE, &r));
    OK(lt_manifest_apply(m, LT_OP_REMOVE, &r));
    CHECK(lt_manifest_state(m, "match", 778, LT_NO_STEP) == LT_UNIT_TODO);
    CHECK(lt_manifest_count(m, "match") == 998);
    for (int64_t s = 30; s > 0; s -= 5) {
        r = record("state", 3, s);
        OK(lt_manifest_apply(m, LT_OP_ADD, &r));
    }
    CHECK(lt_manifest_steps(m, "state", 3, step, 4) == 6);
    CHECK(step[0] == 5 && step[1] == 10 && step[2] == 15 && step[3] == 20);

    r = record("invert", 0, LT_NO_STEP);
    const char *bad[] = {
        "/abs", "a/../b", "a//b", "a/", "", ".", "a b", "a\"b", "\xff"
    };
    for (int i = 0; i < 9; i++) {
        r.file = bad[i];
        CHECK(lt_manifest_apply(m, LT_OP_ADD, &r) == LT_ERR_ARG);
    }
    r = record("invert", 0, LT_NO_STEP);
    r.unit = -1;
    CHECK(lt_manifest_apply(m, LT_OP_ADD, &r) == LT_ERR_ARG);
    r = record("invert", 0, LT_NO_STEP);
    r.stage = "Bad Name";
    CHECK(lt_manifest_apply(m, LT_OP_ADD, &r) == LT_ERR_ARG);
    lt_manifest_free(&m);
    lt_manifest_free(&m);
}

static lt_manifest *sample(int64_t n)
{
    lt_manifest *m = NULL;
    OK(lt_manifest_new(&m));
    for (int64_t u = 0; u < n; u++) {
        const lt_record r = record(u % 2 ? "invert" : "edit", u, u % 3 ? LT_NO_STEP : u);
        OK(lt_manifest_apply(m, LT_OP_ADD, &r));
    }
    return m;
}

static lt_manifest_head head(void)
{
    return (lt_manifest_head){ .version = LT_MANIFEST_VERSION,
                               .seq = 40,
                               .id = util_identity() };
}

/* Text and back is the same list; the same list is the same text. */
static void text(void)
{
    lt_manifest *m = sample(20), *back = NULL;
    const lt_manifest_head h = head();
    lt_manifest_head got;
    lt_manifest_report rep;
    char *a = NULL, *b = NULL;
    size_t na = 0, nb = 0;
    const lt_record key = { .stage = "edit", .unit = 2, .step = LT_NO_STEP };
    OK(lt_manifest_apply(m, LT_OP_DROP, &key));
    OK(lt_manifest_format(m, &h, &a, &na));
    OK(lt_manifest_new(&back));
    OK(lt_manifest_parse(back, a, na, &got, &rep));
    CHECK(rep.head_ok && rep.whole && rep.lines_kept == 20 && rep.last_seq == 40);
    CHECK(memcmp(&got.id, &h.id, sizeof(h.id)) == 0 && got.records == 20);
    CHECK(lt_manifest_state(back, "edit", 2, LT_NO_STEP) == LT_UNIT_DROPPED);
    const lt_record *r = lt_manifest_find(back, "invert", 5, LT_NO_STEP);
    const lt_record want = record("invert", 5, LT_NO_STEP);
    CHECK(r && memcmp(&r->stamp, &want.stamp, sizeof(want.stamp)) == 0);
    CHECK(r->pts_first == want.pts_first && r->pts_last == want.pts_last);
    CHECK(r->first_frame == 80 && r->n_frames == 16 && r->n_rows == 5);
    OK(lt_manifest_format(back, &h, &b, &nb));
    CHECK(na == nb && memcmp(a, b, na) == 0);

    /* Any flipped bit is noticed, and costs at most two lines. */
    for (size_t at = 0; at < na; at++) {
        lt_manifest *d = NULL;
        OK(lt_manifest_new(&d));
        a[at] ^= (char)(1 << at % 8);
        OK(lt_manifest_parse(d, a, na, &got, &rep));
        CHECK(!rep.whole && rep.lines_kept >= 18);
        a[at] ^= (char)(1 << at % 8);
        lt_manifest_free(&d);
    }
    for (size_t n = 0; n < na; n++) {
        lt_manifest *d = NULL;
        OK(lt_manifest_new(&d));
        OK(lt_manifest_parse(d, a, n, &got, &rep));
        CHECK(!rep.whole);
        lt_manifest_free(&d);
    }
    free(a);
    free(b);
    lt_manifest_free(&m);
    lt_manifest_free(&back);
}

enum { OPS = 12 };

/* A journal of OPS lines: add 0..9, remove 3, drop 4. begin[i]: where line i begins. */
static size_t journal(char *buf, size_t begin[OPS + 2])
{
    const lt_manifest_head h = head();
    size_t n = lt_head_line(buf, &h, 1);
    begin[0] = 0;
    for (int i = 0; i < OPS; i++) {
        const lt_op op = i < 10 ? LT_OP_ADD : i == 10 ? LT_OP_REMOVE : LT_OP_DROP;
        const lt_record r = record("invert", i < 10 ? i : i - 7, LT_NO_STEP);
        begin[i + 1] = n;
        const size_t len = lt_journal_line(buf + n, 41 + i, op, &r);
        CHECK(len > 0);
        n += len;
    }
    begin[OPS + 1] = n;
    return n;
}

static lt_manifest_report replay(const char *buf, size_t n, int64_t after, int64_t *count)
{
    lt_manifest *m = NULL;
    lt_manifest_head h;
    lt_manifest_report rep;
    OK(lt_manifest_new(&m));
    OK(lt_journal_parse(m, buf, n, after, &h, &rep));
    *count = lt_manifest_count(m, NULL);
    lt_manifest_free(&m);
    return rep;
}

static void journals(void)
{
    static char buf[(OPS + 1) * LT_LINE_MAX];
    size_t begin[OPS + 2];
    int64_t count = 0;
    const size_t n = journal(buf, begin);
    lt_manifest_report rep = replay(buf, n, 0, &count);
    CHECK(rep.whole && rep.lines_kept == OPS && rep.last_seq == 52 && count == 8);
    rep = replay(buf, n, 45, &count);
    CHECK(rep.whole && count == 5); /* 46..50 added; 3 and 4 were not there */

    /* Torn anywhere: what is before is kept, and it is no damage after the head. */
    for (size_t cut = 1; cut < n; cut++) {
        int whole_lines = -1;
        while (begin[whole_lines + 2] <= cut) whole_lines++;
        rep = replay(buf, cut, 0, &count);
        const int complete = begin[whole_lines + 2] == cut + 1; /* only \n is missing */
        CHECK(whole_lines < 0 || rep.head_ok);
        if (whole_lines < 0) continue;
        CHECK(rep.lines_damaged == 0 && rep.missing == 0);
        CHECK(rep.lines_kept == whole_lines + complete && rep.unended == complete);
        CHECK(complete || rep.torn_bytes == (int64_t)(cut - begin[whole_lines + 1]));
    }
    /* Flipped anywhere: noticed; all other lines are kept. */
    for (size_t at = 0; at < n; at++) {
        buf[at] ^= (char)(1 << at % 8);
        rep = replay(buf, n, 0, &count);
        CHECK(!rep.whole && rep.lines_damaged >= 1 && rep.lines_kept >= OPS - 2);
        if (at < begin[1] - 1) CHECK(!rep.head_ok && rep.lines_kept == OPS);
        buf[at] ^= (char)(1 << at % 8);
    }
    /* A line twice, and a line that is not there. */
    static char twice[(OPS + 2) * LT_LINE_MAX];
    memcpy(twice, buf, n);
    memcpy(twice + n, buf + begin[5], begin[6] - begin[5]);
    rep = replay(twice, n + begin[6] - begin[5], 0, &count);
    CHECK(!rep.whole && rep.lines_damaged == 1 && count == 8);
    memcpy(twice + begin[5], buf + begin[6], n - begin[6]);
    rep = replay(twice, n - (begin[6] - begin[5]), 0, &count);
    CHECK(!rep.whole && rep.missing == 1 && rep.lines_damaged == 0);
}

/* Bytes of all kinds: nothing but a report may come of it. */
static void garbage(void)
{
    static char buf[(OPS + 1) * LT_LINE_MAX], junk[(OPS + 1) * LT_LINE_MAX];
    size_t begin[OPS + 2];
    int64_t count = 0;
    uint64_t seed = 3;
    const size_t n = journal(buf, begin);
    for (int round = 0; round < 3000; round++) {
        memcpy(junk, buf, n);
        size_t len = n;
        const int edits = 1 + (int)(check_rand(&seed) % 8);
        for (int e = 0; e < edits; e++) {
            const size_t at = check_rand(&seed) % len;
            const size_t to = check_rand(&seed) % len;
            const size_t many = check_rand(&seed) % 300;
            switch (check_rand(&seed) % 4) {
            case 0: junk[at] = (char)check_rand(&seed); break;
            case 1: junk[at] = '\n'; break;
            case 2: len = at + 1; break;
            default:
                memmove(junk + to, junk + at,
                        at + many < len && to + many < len ? many : 0);
            }
        }
        const lt_manifest_report rep = replay(junk, len, 0, &count);
        CHECK(rep.lines_kept <= OPS && count >= 0 && count <= 10);
        lt_manifest *m = NULL;
        lt_manifest_head h;
        lt_manifest_report mr;
        OK(lt_manifest_new(&m));
        OK(lt_manifest_parse(m, junk, len, &h, &mr));
        CHECK(!mr.whole);
        lt_manifest_free(&m);
    }
    memset(junk, 'x', sizeof(junk));
    CHECK(!replay(junk, sizeof(junk), 0, &count).head_ok && count == 0);
    CHECK(!replay("", 0, 0, &count).whole);
}

static int64_t allowed; /* allocations of jansson until one fails */
static void *poor_malloc(size_t n) { return allowed-- == 0 ? NULL : malloc(n); }

/* A refused allocation must not make a sound line pass for a damaged one. */
static void poor(void)
{
    static char buf[(OPS + 1) * LT_LINE_MAX];
    size_t begin[OPS + 2];
    int64_t count = 0, k = 0;
    const size_t n = journal(buf, begin);
    json_set_alloc_funcs(poor_malloc, free);
    for (allowed = -1; allowed < 0; k++) {
        allowed = k;
        CHECK(replay(buf, n, 0, &count).whole && count == 8);
    }
    json_set_alloc_funcs(malloc, free);
    printf("%lld allocations refused in turn\n", (long long)k);
    CHECK(k > 100);
}

/* A sound line of another version is not taken for one of ours. */
static void versions(void)
{
    char line[LT_LINE_MAX];
    lt_manifest_head h = head(), got = { 0 };
    lt_manifest_report rep;
    lt_manifest *m = NULL;
    h.version = 2;
    const size_t n = lt_head_line(line, &h, 0);
    OK(lt_manifest_new(&m));
    OK(lt_manifest_parse(m, line, n, &got, &rep));
    CHECK(rep.head_ok && got.version == 2 && !rep.whole);
    lt_manifest_free(&m);
}

/* Processor time: other processes on the machine must not fail a test. */
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* An hour of video: 5,400 blocks in 6 stages. */
static void hour(void)
{
    static const char *const stage[] = { "source", "features", "invert",
                                         "match",  "edit",     "decode" };
    lt_manifest *m = NULL, *back = NULL;
    const lt_manifest_head h = head();
    lt_manifest_head got;
    lt_manifest_report rep;
    char *text_ = NULL;
    size_t n = 0;
    OK(lt_manifest_new(&m));
    OK(lt_manifest_new(&back));
    for (int s = 0; s < 6; s++) {
        for (int64_t u = 0; u < 5400; u++) {
            const lt_record r = record(stage[s], u, LT_NO_STEP);
            OK(lt_manifest_apply(m, LT_OP_ADD, &r));
        }
    }
    const double t0 = now();
    OK(lt_manifest_format(m, &h, &text_, &n));
    const double t1 = now();
    OK(lt_manifest_parse(back, text_, n, &got, &rep));
    const double t2 = now();
    CHECK(rep.whole && lt_manifest_count(back, NULL) == 32400);
    for (int64_t u = 0; u < 5400; u++)
        for (int s = 0; s < 6; s++)
            CHECK(lt_manifest_find(back, stage[s], u, LT_NO_STEP));
    const double t3 = now();
    printf("32,400 records: format %.0f ms, parse %.0f ms, look up %.1f ms; "
           "%.0f bytes each in memory, %.0f on disk\n",
           1e3 * (t1 - t0), 1e3 * (t2 - t1), 1e3 * (t3 - t2),
           (double)lt_manifest_memory(back) / 32400, (double)n / 32400);
    CHECK(lt_manifest_memory(back) < 32400 * 256);
#ifndef __SANITIZE_ADDRESS__
    CHECK(t2 - t0 < 1.0);
#endif
    free(text_);
    lt_manifest_free(&m);
    lt_manifest_free(&back);
}

int main(void)
{
    table();
    text();
    journals();
    garbage();
    poor();
    versions();
    hour();
    return 0;
}
