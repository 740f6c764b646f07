/* An edit over its source, in the planes that go to the encoder: exact where the weight
 * is 0 or 1, blended by the definition between. */
#include "io/media_over.h"

#include <libavutil/pixdesc.h>

#include "media_help.h"

enum { W = 70, H = 46, FRAMES = 3 };

/* Random codes in every sample of a writable frame. */
static AVFrame *random_frame(enum AVPixelFormat format, int w, int h, uint64_t *seed)
{
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(format);
    AVFrame *f = av_frame_alloc();
    CHECK(f);
    f->format = format;
    f->width = w;
    f->height = h;
    CHECK(av_frame_get_buffer(f, 0) >= 0);
    for (int p = 0; p < 4 && f->data[p]; p++) {
        const int rows = p == 1 || p == 2 ? AV_CEIL_RSHIFT(h, d->log2_chroma_h) : h;
        for (int i = 0; i < rows * f->linesize[p]; i++)
            f->data[p][i] = (uint8_t)check_rand(seed);
        for (int i = 0; d->comp[0].depth == 10 && i < rows * f->linesize[p]; i += 2)
            f->data[p][i + 1] &= 3;
    }
    return f;
}

/* Sample (x, y) of component i, read here on our own: planar, or packed 8 bits. */
static int sample(const AVFrame *f, int i, int x, int y)
{
    const AVComponentDescriptor *c = &av_pix_fmt_desc_get(f->format)->comp[i];
    const uint8_t *p = f->data[c->plane] + (int64_t)y * f->linesize[c->plane] +
                       (int64_t)x * c->step + c->offset;
    return c->depth > 8 ? p[0] | p[1] << 8 : p[0];
}

/* A third 0, a third 1, the rest anything, in blobs and single pixels. */
static void random_weights(float *k, int w, int h, uint64_t *seed)
{
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            const uint64_t v = (x / 9 + y / 7) % 2 ? check_rand(seed) % 3
                                                   : (uint64_t)(x / 9 + y / 5) % 3;
            k[y * w + x] = v == 0   ? 0.0f
                           : v == 1 ? 1.0f
                                    : (float)(check_rand(seed) % 997) / 997.0f;
        }
}

/* The weight of a sample by the definition. */
static double weight_at(const float *k, int w, int h, int sx, int sy, int x, int y)
{
    double sum = 0.0;
    int n = 0, outside = 0;
    for (int j = y << sy; j < (y + 1) << sy && j < h; j++)
        for (int i = x << sx; i < (x + 1) << sx && i < w; i++, n++) {
            sum += k[j * w + i];
            outside |= k[j * w + i] == 0.0f;
        }
    return outside ? 0.0 : sum / n;
}

/* Every sample of `got` against those of source (NULL: not looked at) and edit. */
static void compare(const AVFrame *got, const AVFrame *source, const AVFrame *edit,
                    const float *k, int *n_source, int *n_edit)
{
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(got->format);
    const int rgb = (d->flags & AV_PIX_FMT_FLAG_RGB) != 0;
    for (int i = 0; i < 3; i++) {
        const int sx = i && !rgb ? d->log2_chroma_w : 0;
        const int sy = i && !rgb ? d->log2_chroma_h : 0;
        for (int y = 0; y < AV_CEIL_RSHIFT(got->height, sy); y++)
            for (int x = 0; x < AV_CEIL_RSHIFT(got->width, sx); x++) {
                const double w = weight_at(k, got->width, got->height, sx, sy, x, y);
                const int g = sample(got, i, x, y), e = sample(edit, i, x, y);
                const int s = source ? sample(source, i, x, y) : g;
                *n_source += w == 0.0;
                *n_edit += w == 1.0;
                if (w == 0.0) CHECK(g == s);
                if (w == 1.0) CHECK(g == e);
                if (source) CHECK(fabs(g - (s + w * (e - s))) < 0.501);
            }
    }
}

typedef struct clip {
    const char *path;
    lt_media_info info;
    lt_media_frames frames;
    lt_media_reader *reader;
} clip;

static void clip_open(clip *c, const char *path)
{
    *c = (clip){ .path = path };
    MUST(lt_media_probe(path, &c->info));
    MUST(lt_media_scan(path, -1, -1, &c->frames));
    MUST(lt_media_reader_open(&c->reader, path, &c->info, &c->frames, NULL));
}

static void clip_close(clip *c)
{
    lt_media_reader_close(&c->reader);
    lt_media_frames_free(&c->frames);
}

static void make(const char *pix_fmt, const char *codec, const char *path)
{
    CHECK(sh("ffmpeg -v error -nostdin -y -f lavfi -i testsrc2=s=%dx%d:r=10 -frames:v %d "
             "-pix_fmt %s -c:v %s %s",
             W, H, FRAMES, pix_fmt, codec, path) == 0);
}

/* A source of one pixel format composited in another. exact: as decoded. */
static void formats(const char *from, const char *codec, const char *to, int exact)
{
    clip c;
    lt_media_over *o = NULL;
    lt_frame f;
    uint64_t seed = 5;
    int end = 0, n_source = 0, n_edit = 0;
    float k[W * H];
    make(from, codec, "in.mkv");
    clip_open(&c, "in.mkv");
    lt_media_encode e = lt_media_encode_of(&c.info);
    strcpy(e.codec, "ffv1");
    snprintf(e.pix_fmt, sizeof(e.pix_fmt), "%s", to);
    if (!strcmp(to, "bgr0")) e.color.range = c.info.color.range;
    MUST(lt_media_over_open(&o, &c.info, &e, 0));
    for (int i = 0; i < FRAMES; i++) {
        const AVFrame *source = NULL;
        MUST(lt_media_reader_next_raw(c.reader, &source, &f, &end));
        CHECK(!end && f.index == i);
        AVFrame *edit = random_frame(av_get_pix_fmt(to), W, H, &seed);
        AVFrame *got = av_frame_clone(edit);
        CHECK(got && av_frame_make_writable(got) >= 0);
        random_weights(k, W, H, &seed);
        MUST(lt_media_over_run(o, source, k, got));
        CHECK(lt_media_over_exact(o) == exact);
        compare(got, exact ? source : NULL, edit, k, &n_source, &n_edit);
        av_frame_free(&edit);
        av_frame_free(&got);
    }
    CHECK(n_source > W * H && n_edit > W * H / 2);
    lt_media_over_close(&o);
    lt_media_over_close(&o);
    clip_close(&c);
}

/* Where formats differ, the source is what the reader and the writer make of it. */
static void converted(const char *from, const char *to, int w, int h)
{
    clip c;
    lt_frame f;
    lt_media_over *o = NULL;
    lt_media_writer *writer = NULL;
    int end = 0;
    const lt_media_size size = { w, h, w, h };
    const AVFrame *source = NULL, *want = NULL;
    make(from, "ffv1", "in.mkv");
    clip_open(&c, "in.mkv");
    lt_media_encode e = lt_media_encode_of(&c.info);
    strcpy(e.codec, "ffv1");
    snprintf(e.pix_fmt, sizeof(e.pix_fmt), "%s", to);
    e.width = w;
    e.height = h;
    /* the unedited frame, encoded without loss */
    lt_media_reader_close(&c.reader);
    const lt_media_reader_options opt = { .size = size, .format = LT_MEDIA_F32 };
    MUST(lt_media_reader_open(&c.reader, c.path, &c.info, &c.frames, &opt));
    float *rgb = malloc((size_t)lt_media_reader_frame_bytes(c.reader));
    float *k = calloc((size_t)(w * h), sizeof(*k));
    MUST(lt_media_reader_next(c.reader, rgb, &f, &end));
    MUST(lt_media_clip_open(&writer, "out.mkv", &e, &size, LT_MEDIA_F32, NULL));
    MUST(lt_media_writer_put(writer, rgb, 0));
    MUST(lt_media_writer_commit(writer, 10, NULL));
    lt_media_writer_close(&writer);
    clip out;
    clip_open(&out, "out.mkv");
    MUST(lt_media_reader_next_raw(out.reader, &want, &f, &end));
    /* the same by compositing with weight 0 everywhere */
    uint64_t seed = 1;
    AVFrame *got = random_frame(av_get_pix_fmt(to), w, h, &seed);
    MUST(lt_media_reader_seek(c.reader, 0));
    MUST(lt_media_reader_next_raw(c.reader, &source, &f, &end));
    MUST(lt_media_over_open(&o, &c.info, &e, 0));
    MUST(lt_media_over_run(o, source, k, got));
    CHECK(!lt_media_over_exact(o));
    int n = 0, none = 0;
    compare(got, want, got, k, &n, &none);
    CHECK(n >= w * h && none == 0);
    av_frame_free(&got);
    lt_media_over_close(&o);
    clip_close(&out);
    clip_close(&c);
    free(rgb);
    free(k);
}

/* ---- through an encoder --------------------------------------------------------- */

typedef struct touching {
    lt_media_over *over;
    const AVFrame *source;
    const float *weight;
} touching;

static lt_status touch(void *ctx, struct AVFrame *frame)
{
    const touching *t = ctx;
    return lt_media_over_run(t->over, t->source, t->weight, frame);
}

static lt_status refuse(void *ctx, struct AVFrame *frame)
{
    (void)ctx;
    (void)frame;
    return LT_FAIL(LT_ERR_DATA, "no");
}

/* Encode without loss and decode: planes are the source's outside. */
static void encoded(const char *codec, const char *pix_fmt)
{
    clip c, out;
    lt_frame f;
    lt_media_writer *writer = NULL;
    int end = 0, n_source = 0, n_edit = 0;
    uint64_t seed = 9;
    const lt_media_size size = { W, H, W, H };
    float k[FRAMES][W * H], *rgb = malloc(W * H * 3 * sizeof(*rgb));
    make(pix_fmt, "ffv1", "in.mkv");
    clip_open(&c, "in.mkv");
    lt_media_encode e = lt_media_encode_of(&c.info);
    snprintf(e.codec, sizeof(e.codec), "%s", codec);
    snprintf(e.pix_fmt, sizeof(e.pix_fmt), "%s", pix_fmt);
    strcpy(e.preset, "ultrafast");
    e.crf = 0.0; /* libx264, 8 bits: without loss */
    touching t = { 0 };
    MUST(lt_media_over_open(&t.over, &c.info, &e, 0));
    MUST(lt_media_clip_open(&writer, "out.mkv", &e, &size, LT_MEDIA_F32, NULL));
    for (int i = 0; i < W * H * 3; i++)
        rgb[i] = (float)(check_rand(&seed) % 1000) / 999.f;
    for (int i = 0; i < FRAMES; i++) {
        random_weights(k[i], W, H, &seed);
        MUST(lt_media_reader_next_raw(c.reader, &t.source, &f, &end));
        t.weight = k[i];
        MUST(lt_media_writer_put_touched(writer, rgb, f.pts, touch, &t));
    }
    MUST(lt_media_writer_commit(writer, 100, NULL));
    lt_media_writer_close(&writer);
    MUST(lt_media_reader_seek(c.reader, 0));
    clip_open(&out, "out.mkv");
    for (int i = 0; i < FRAMES; i++) {
        const AVFrame *source = NULL, *got = NULL;
        MUST(lt_media_reader_next_raw(c.reader, &source, &f, &end));
        MUST(lt_media_reader_next_raw(out.reader, &got, &f, &end));
        CHECK(!strcmp(av_get_pix_fmt_name(got->format), pix_fmt));
        for (int p = 0; p < W * H; p++) k[i][p] = k[i][p] > 0.0f ? 1.0f : 0.0f;
        compare(got, source, got, k[i], &n_source, &n_edit);
    }
    CHECK(n_source > W * H);
    MUST(lt_media_clip_open(&writer, "no.mkv", &e, &size, LT_MEDIA_F32, NULL));
    FAILS(lt_media_writer_put_touched(writer, rgb, 0, refuse, NULL), LT_ERR_DATA, "no");
    lt_media_writer_close(&writer);
    CHECK(!exists("no.mkv"));
    lt_media_over_close(&t.over);
    clip_close(&c);
    clip_close(&out);
    free(rgb);
}

int main(void)
{
    enter_folder();
    formats("yuv420p", "ffv1", "yuv420p", 1);
    formats("yuv422p", "ffv1", "yuv422p", 1);
    formats("yuv444p", "ffv1", "yuv444p", 1);
    formats("yuv420p10le", "ffv1", "yuv420p10le", 1);
    formats("yuyv422", "rawvideo", "yuv422p", 1);
    formats("yuvj420p", "mjpeg", "yuv420p", 1);
    formats("bgr0", "ffv1", "bgr0", 1);
    formats("gray", "ffv1", "yuv420p", 0);
    formats("yuv444p", "ffv1", "yuv420p", 0);
    formats("yuv420p10le", "ffv1", "yuv420p", 0);
    formats("bgr0", "ffv1", "yuv444p", 0);
    converted("yuv444p", "yuv420p", W, H);
    converted("yuv420p10le", "yuv420p", W, H);
    converted("yuv420p", "yuv420p", 36, 24);
    converted("yuv420p", "yuv420p", 80, 60);
    encoded("ffv1", "yuv420p");
    encoded("ffv1", "yuv420p10le");
    encoded("libx264", "yuv420p");
    encoded("libx264", "yuv444p");
    return 0;
}
