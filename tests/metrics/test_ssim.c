/* SSIM against numbers of tools/golden/ssim.py (float64, PyTorch 2.15: conv2d,
 * avg_pool2d between scales), and what an area sees and does not see. */
#include "metrics/ssim.h"

#include <stdlib.h>
#include <string.h>

#include "status_check.h"

typedef struct pair {
    int32_t w, h;
    uint8_t *a, *b, *area;
} pair;

static pair pair_make(int32_t w, int32_t h)
{
    const size_t n = (size_t)w * (size_t)h;
    pair p = { w, h, malloc(3 * n), malloc(3 * n), calloc(1, n) };
    CHECK(p.a && p.b && p.area);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int c = 0; c < 3; c++) {
                const int v = (3 * x + 5 * y + 40 * c + ((x / 8 + y / 8) % 2) * 60) % 256;
                const int u = v + (x * 31 + y * 17 + c * 7) % 41 - 20;
                p.a[3 * (y * w + x) + c] = (uint8_t)v;
                p.b[3 * (y * w + x) + c] = (uint8_t)(u < 0 ? 0 : u > 255 ? 255 : u);
            }
    return p;
}

static void pair_free(pair *p)
{
    free(p->a);
    free(p->b);
    free(p->area);
}

static lt_ssim_score score(const pair *p, const uint8_t *b, const uint8_t *area, int c)
{
    lt_ssim_room *room = NULL;
    lt_ssim_score s;
    const lt_ssim_pair q = { p->a, b, area, p->w, p->h, c };
    OK(lt_ssim_room_open(&room, p->w, p->h));
    lt_ssim_compare(room, &q, &s);
    lt_ssim_score again; /* what a room holds from before does not count */
    lt_ssim_compare(room, &q, &again);
    CHECK(!memcmp(&s, &again, sizeof(s)));
    lt_ssim_room_close(&room);
    return s;
}

static void test_golden(void)
{
    static const struct {
        int32_t w, h;
        double ssim[3], ms[3];
    } g[] = { { 192,
                176,
                { 0.9183897, 0.9187670, 0.9185773 },
                { 0.9951754, 0.9951812, 0.9951851 } },
              { 51,
                33,
                { 0.9157733, 0.9383147, 0.9434764 },
                { 0.9847151, 0.9895682, 0.9910545 } },
              { 11,
                12,
                { 0.9036210, 0.9022105, 0.9043899 },
                { 0.9036210, 0.9022105, 0.9043899 } } };
    for (int i = 0; i < 3; i++) {
        pair p = pair_make(g[i].w, g[i].h);
        for (int c = 0; c < 3; c++) {
            const lt_ssim_score s = score(&p, p.b, NULL, c);
            CHECK(fabs(s.ssim - g[i].ssim[c]) <= 2e-5);
            CHECK(fabs(s.ms_ssim - g[i].ms[c]) <= 2e-5);
        }
        const lt_ssim_score same = score(&p, p.a, NULL, 0);
        CHECK(same.ssim == 1 && same.ms_ssim == 1);
        pair_free(&p);
    }
}

/* A disc at the lower right, where boxes end at odd places. */
static void set_disc(pair *p, int what)
{
    for (int y = 0; y < p->h; y++)
        for (int x = 0; x < p->w; x++) {
            const int dx = x - p->w * 3 / 4, dy = y - p->h * 2 / 3;
            p->area[y * p->w + x] = (dx * dx + dy * dy < p->h * p->h / 16) == what;
        }
}

static void test_areas(void)
{
    pair p = pair_make(101, 77);
    const lt_ssim_score whole = score(&p, p.b, NULL, 1);
    uint8_t *mixed = malloc(3u * 101 * 77);
    CHECK(mixed);
    for (int what = 0; what < 2; what++) {
        set_disc(&p, what);
        for (int i = 0; i < 101 * 77; i++)
            memcpy(mixed + 3 * i, (p.area[i] ? p.a : p.b) + 3 * i, 3);
        /* equal within the area: what lies beyond the edge is not seen */
        lt_ssim_score s = score(&p, mixed, p.area, 1);
        CHECK(s.ssim == 1 && s.ms_ssim == 1);
        s = score(&p, mixed, NULL, 1);
        CHECK(s.ssim < 1 && s.ssim > whole.ssim);
        /* the same change everywhere: about the same figure in a part */
        s = score(&p, p.b, p.area, 1);
        CHECK(fabs(s.ssim - whole.ssim) < 0.03 && fabs(s.ms_ssim - whole.ms_ssim) < 0.02);
    }
    memset(p.area, 1, 101 * 77);
    const lt_ssim_score all = score(&p, p.b, p.area, 1);
    CHECK(fabs(all.ssim - whole.ssim) < 0.01);
    free(mixed);
    pair_free(&p);
}

static void test_edges(void)
{
    pair p = pair_make(40, 30);
    CHECK(isnan(score(&p, p.b, p.area, 0).ssim)); /* an empty area */
    p.area[29 * 40 + 39] = 1;                     /* a single pixel: 40 - 13 levels off */
    lt_ssim_score s = score(&p, p.b, p.area, 0);
    const double a = p.a[3 * (29 * 40 + 39)], b = p.b[3 * (29 * 40 + 39)];
    CHECK(fabs(s.ssim - (2 * a * b + 6.5025) / (a * a + b * b + 6.5025)) < 1e-4);
    pair_free(&p);
    p = pair_make(10, 200); /* no window fits */
    s = score(&p, p.b, NULL, 0);
    CHECK(isnan(s.ssim) && isnan(s.ms_ssim));
    pair_free(&p);
}

int main(void)
{
    test_golden();
    test_areas();
    test_edges();
    return 0;
}
