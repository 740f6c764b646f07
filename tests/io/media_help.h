#ifndef LT_TESTS_MEDIA_HELP_H
#define LT_TESTS_MEDIA_HELP_H

#include <libavformat/avformat.h>
#include <spawn.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "io/media_join.h"
#include "io/media_reader.h"

extern char **environ;

/* A call that must succeed: otherwise its message is what the log needs. */
#define MUST(expr)                                                             \
    do {                                                                       \
        if ((expr) != LT_OK) {                                                 \
            fprintf(stderr, "FAIL %s:%d: %s: %s\n", __FILE__, __LINE__, #expr, \
                    lt_error_message());                                       \
            exit(1);                                                           \
        }                                                                      \
    } while (0)

/* A call that must fail with this status and a message that has this text. */
#define FAILS(expr, status, text)                                                    \
    do {                                                                             \
        const lt_status got_ = (expr);                                               \
        if (got_ != (status) || !strstr(lt_error_message(), (text))) {               \
            fprintf(stderr, "FAIL %s:%d: %s: status %d, message \"%s\"\n", __FILE__, \
                    __LINE__, #expr, got_, lt_error_message());                      \
            exit(1);                                                                 \
        }                                                                            \
    } while (0)

static char folder[64]; /* of this test program, removed at its end */

static inline int sh(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline int sh(const char *format, ...)
{
    char line[4096];
    va_list ap;
    va_start(ap, format);
    vsnprintf(line, sizeof(line), format, ap);
    va_end(ap);
    char *argv[] = { (char *)"sh", (char *)"-c", line, NULL };
    pid_t pid;
    int status = 0;
    if (posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ)) return -1;
    while (waitpid(pid, &status, 0) < 0) continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline void leave_folder(void)
{
    if (folder[0]) sh("rm -rf '%s'", folder);
}

/* A fresh folder as the working folder; the program is skipped without ffmpeg. */
static inline void enter_folder(void)
{
    if (sh("command -v ffmpeg >/dev/null 2>&1")) exit(TEST_SKIP);
    snprintf(folder, sizeof(folder), "/tmp/lt-media-XXXXXX");
    CHECK(mkdtemp(folder));
    CHECK(chdir(folder) == 0);
    atexit(leave_folder);
}

#define FFMPEG(...) CHECK(sh("ffmpeg -v error -nostdin -y " __VA_ARGS__) == 0)

static inline int exists(const char *path) { return access(path, F_OK) == 0; }

/* Files in the working folder whose names begin so. */
static inline int count_files(const char *prefix)
{
    return sh("exit $(ls -A | grep -c '^%s')", prefix);
}

/* ---- packets -------------------------------------------------------------------- */

typedef struct packet {
    double time, dts; /* seconds */
    int64_t pts, duration;
    uint64_t hash; /* of the data */
} packet;

typedef struct packets {
    packet at[4096];
    int n;
    AVRational tb;
} packets;

static inline uint64_t fnv(const uint8_t *p, int n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (int i = 0; i < n; i++) h = (h ^ p[i]) * 0x100000001b3u;
    return h;
}

/* Packets of the k-th stream of a type, in the order of the file. */
static inline packets *read_packets(const char *path, enum AVMediaType type, int k)
{
    packets *l = calloc(1, sizeof(*l));
    AVFormatContext *f = NULL;
    AVPacket *p = av_packet_alloc();
    CHECK(avformat_open_input(&f, path, NULL, NULL) >= 0);
    CHECK(avformat_find_stream_info(f, NULL) >= 0);
    int stream = -1;
    for (unsigned i = 0; i < f->nb_streams && stream < 0; i++)
        if (f->streams[i]->codecpar->codec_type == type && k-- == 0) stream = (int)i;
    CHECK(stream >= 0);
    l->tb = f->streams[stream]->time_base;
    while (av_read_frame(f, p) >= 0) {
        if (p->stream_index == stream) {
            CHECK(l->n < 4096);
            l->at[l->n++] =
                (packet){ (double)p->pts * av_q2d(l->tb), (double)p->dts * av_q2d(l->tb),
                          p->pts, p->duration, fnv(p->data, p->size) };
        }
        av_packet_unref(p);
    }
    av_packet_free(&p);
    avformat_close_input(&f);
    return l;
}

static inline int by_packet_pts(const void *a, const void *b)
{
    const int64_t x = ((const packet *)a)->pts, y = ((const packet *)b)->pts;
    return (x > y) - (x < y);
}

static inline void sort_packets(packets *l)
{
    qsort(l->at, (size_t)l->n, sizeof(*l->at), by_packet_pts);
}

/* ---- the whole way: read, encode in parts, join --------------------------------- */

typedef struct film {
    lt_media_info info;
    lt_media_frames frames;
    lt_media_encode encode;
} film;

static inline void film_open(film *m, const char *path, int64_t ss, int64_t to)
{
    MUST(lt_media_probe(path, &m->info));
    MUST(lt_media_scan(path, ss, to, &m->frames));
    m->encode = lt_media_encode_of(&m->info);
    strcpy(m->encode.preset, "ultrafast");
}

/* Encode selected frames [f0, f1) as they are. */
static inline void encode_part(const film *m, const char *src, int64_t f0, int64_t f1,
                               const char *path)
{
    const lt_media_size size = { m->info.width, m->info.height, m->info.width,
                                 m->info.height };
    lt_media_reader *r = NULL;
    lt_media_writer *w = NULL;
    lt_frame f;
    int end = 0;
    const lt_media_reader_options opt = { .tone_map = m->encode.expand };
    MUST(lt_media_reader_open(&r, src, &m->info, &m->frames, &opt));
    MUST(lt_media_reader_seek(r, f0));
    MUST(lt_media_writer_open(&w, path, &m->encode, &size, LT_MEDIA_F32));
    void *pixels = malloc((size_t)lt_media_reader_frame_bytes(r));
    for (int64_t i = f0; i < f1; i++) {
        MUST(lt_media_reader_next(r, pixels, &f, &end));
        CHECK(!end && f.index == i && f.pts == m->frames.pts[i]);
        MUST(lt_media_writer_put(w, pixels, lt_media_out_pts(&m->frames, i)));
    }
    MUST(lt_media_writer_commit(
        w, lt_media_out_pts(&m->frames, f1) - lt_media_out_pts(&m->frames, f1 - 1),
        NULL));
    free(pixels);
    lt_media_writer_close(&w);
    lt_media_reader_close(&r);
}

/* Edit nothing: src comes out as dst, encoded in n parts (at most 3). */
static inline void remake(const film *m, const char *src, const char *dst, int n)
{
    const char *const parts[] = { "part0.nut", "part1.nut", "part2.nut" };
    const lt_media_output o = {
        .path = dst, .encode = &m->encode, .source = src, .frames = &m->frames
    };
    char dropped[128];
    MUST(lt_media_check_output(&o, dropped, sizeof(dropped)));
    for (int i = 0; i < n; i++)
        encode_part(m, src, m->frames.n * i / n, m->frames.n * (i + 1) / n, parts[i]);
    int64_t bytes = 0;
    MUST(lt_media_join(&o, parts, n, &bytes));
    CHECK(bytes > 0 && exists(dst));
}

#endif
