/* From a source over encoded parts to the output: times, sound and everything else that
 * is carried. */
#include <libavutil/display.h>

#include "media_help.h"

/* A film that changes its rate, with B-frames, two tracks of sound, chapters, tags. */
static void make_source(void)
{
    FILE *f = fopen("tags.txt", "w");
    CHECK(f);
    fputs(
        ";FFMETADATA1\ntitle=Film\nartist=Someone\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\n"
        "END=1000\ntitle=one\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=3000\n"
        "title=two\n",
        f);
    fclose(f);
    FFMPEG("-f lavfi -i testsrc2=s=160x120:r=24000/1001:d=2 "
           "-f lavfi -i testsrc2=s=160x120:r=15:d=1 -f lavfi -i sine=440:d=3.1:r=48000 "
           "-f lavfi -i sine=880:d=3:r=44100 -i tags.txt "
           "-filter_complex '[0:v][1:v]concat=n=2:v=1[v]' -map '[v]' -map 2:a -map 3:a "
           "-map_metadata 4 -map_chapters 4 -c:v libx264 -bf 3 -fps_mode vfr "
           "-video_track_timescale 90000 -c:a aac -metadata:s:a:1 language=fre vfr.mp4");
}

/* Equal PTS in the source's time base; `tick` = 1 for exact, else in coarser ticks. */
static void same_times(const packets *a, const packets *b, int64_t offset)
{
    CHECK(a->n == b->n);
    for (int i = 0; i < a->n; i++) {
        const int64_t want = av_rescale_q(a->at[i].pts - offset, a->tb, b->tb);
        CHECK(b->at[i].pts == want);
    }
}

static void same_sound(const char *src, const char *dst, int track)
{
    packets *a = read_packets(src, AVMEDIA_TYPE_AUDIO, track);
    packets *b = read_packets(dst, AVMEDIA_TYPE_AUDIO, track);
    CHECK(a->n > 100);
    same_times(a, b, 0);
    for (int i = 0; i < a->n; i++) CHECK(a->at[i].hash == b->at[i].hash);
    free(a);
    free(b);
}

static void rising_dts(const packets *b)
{
    for (int i = 0; i < b->n; i++) {
        CHECK(b->at[i].dts <= b->at[i].time + 1e-9);
        CHECK(i == 0 || b->at[i].dts > b->at[i - 1].dts);
    }
}

static void check_video(const film *m, const char *dst, int exact)
{
    packets *b = read_packets(dst, AVMEDIA_TYPE_VIDEO, 0);
    CHECK(b->n == m->frames.n);
    if (exact) {
        CHECK(b->tb.num == m->info.time_base.num && b->tb.den == m->info.time_base.den);
        rising_dts(b);
    }
    sort_packets(b);
    for (int i = 0; i < b->n; i++) {
        const AVRational tb = { m->info.time_base.num, m->info.time_base.den };
        CHECK(b->at[i].pts == av_rescale_q(lt_media_out_pts(&m->frames, i), tb, b->tb));
    }
    free(b);
}

static AVFormatContext *open_film(const char *path)
{
    AVFormatContext *f = NULL;
    CHECK(avformat_open_input(&f, path, NULL, NULL) >= 0);
    CHECK(avformat_find_stream_info(f, NULL) >= 0);
    return f;
}

static void check_tags(const char *dst, const char *language_key)
{
    AVFormatContext *f = open_film(dst);
    const AVDictionaryEntry *e = av_dict_get(f->metadata, "title", NULL, 0);
    CHECK(e && !strcmp(e->value, "Film"));
    CHECK(f->nb_chapters == 2);
    e = av_dict_get(f->chapters[1]->metadata, "title", NULL, 0);
    CHECK(e && !strcmp(e->value, "two"));
    CHECK(av_compare_ts(f->chapters[1]->start, f->chapters[1]->time_base, 1,
                        (AVRational){ 1, 1 }) == 0);
    e = av_dict_get(f->streams[2]->metadata, "language", NULL, 0);
    CHECK(e && !strcmp(e->value, language_key));
    avformat_close_input(&f);
}

static void whole_film(const char *src, const char *dst, int exact)
{
    film m;
    film_open(&m, src, -1, -1);
    CHECK(m.info.n_audio == 2 && m.frames.offset == 0 && !m.frames.by_order);
    strcpy(m.encode.preset, "medium"); /* with B-frames */
    remake(&m, src, dst, 3);
    check_video(&m, dst, exact);
    same_sound(src, dst, 0);
    same_sound(src, dst, 1);
    film again;
    film_open(&again, dst, -1, -1);
    CHECK(again.frames.n == m.frames.n);
    if (exact) CHECK(again.frames.end == m.frames.end);
    CHECK(again.info.color.matrix == m.info.color.matrix && !again.info.assumed);
    lt_media_frames_free(&again.frames);
    lt_media_frames_free(&m.frames);
}

/* Same film, but it begins 1.4 s late. */
static void late_start(void)
{
    FFMPEG("-i vfr.mp4 -map 0:v -map 0:a -c copy -output_ts_offset 1.4 late.mp4");
    film m;
    film_open(&m, "late.mp4", -1, -1);
    CHECK(m.frames.pts[0] > 0);
    lt_media_frames_free(&m.frames);
    whole_film("late.mp4", "late.out.mp4", 1);
    whole_film("late.mp4", "late.out.mov", 1);
    whole_film("late.mp4", "late.out.mkv", 0);
}

/* A part of it: begins at 0, and sound is what overlaps, as late as before. */
static void cut(const char *dst, int exact)
{
    film m;
    film_open(&m, "vfr.mp4", 500000, 2000000);
    CHECK(m.frames.n > 10 && m.frames.n < m.frames.n_all);
    const double tb = 1.0 / m.info.time_base.den;
    const double begin = (double)m.frames.pts[0] * tb, end = (double)m.frames.end * tb;
    CHECK(begin >= 0.5 && (double)m.frames.pts[-1] * tb < 0.5);
    CHECK((double)m.frames.pts[m.frames.n - 1] * tb < 2.0 && end >= 2.0);
    CHECK(lt_media_out_pts(&m.frames, 0) == 0);
    remake(&m, "vfr.mp4", dst, 2);
    check_video(&m, dst, exact);
    packets *a = read_packets("vfr.mp4", AVMEDIA_TYPE_AUDIO, 0);
    packets *b = read_packets(dst, AVMEDIA_TYPE_AUDIO, 0);
    int n = 0;
    for (int i = 0; i < a->n; i++) {
        const double t = a->at[i].time;
        if (t + (double)a->at[i].duration * av_q2d(a->tb) <= begin || t >= end) continue;
        CHECK(n < b->n && a->at[i].hash == b->at[n].hash);
        CHECK(fabs(b->at[n].time - (t - begin)) < (exact ? 1.1e-5 : 1.1e-3));
        n++;
    }
    CHECK(n == b->n && n > 60);
    free(a);
    free(b);
    AVFormatContext *f = open_film(dst);
    CHECK(f->nb_chapters == 2 && f->chapters[0]->start == 0);
    avformat_close_input(&f);
    lt_media_frames_free(&m.frames);
}

static void nothing_there(void)
{
    lt_media_frames f;
    FAILS(lt_media_scan("vfr.mp4", 60000000, -1, &f), LT_ERR_CONFIG, "input.ss");
    FAILS(lt_media_scan("vfr.mp4", 1000000, 1000000, &f), LT_ERR_CONFIG, "input.to");
}

static void rotation(void)
{
    FFMPEG("-i vfr.mp4 -c copy -metadata:s:v rotate=90 turned.mp4");
    film m, again;
    film_open(&m, "turned.mp4", -1, 500000);
    CHECK((m.info.rotation == 90 || m.info.rotation == 270) && m.info.has_matrix);
    CHECK(m.info.display_width == 120 && m.info.display_height == 160);
    remake(&m, "turned.mp4", "turned.out.mp4", 1);
    film_open(&again, "turned.out.mp4", -1, -1);
    CHECK(!memcmp(again.info.display_matrix, m.info.display_matrix,
                  sizeof(m.info.display_matrix)));
    lt_media_output o = { .path = "turned.mkv",
                          .encode = &m.encode,
                          .source = "turned.mp4" };
    FAILS(lt_media_check_output(&o, NULL, 0), LT_ERR_CONFIG, ".mp4");
    lt_media_frames_free(&m.frames);
    lt_media_frames_free(&again.frames);
}

static void subtitles(void)
{
    FILE *f = fopen("s.srt", "w");
    CHECK(f);
    fputs("1\n00:00:00,500 --> 00:00:01,200\nhello\n\n2\n00:00:01,300 --> 00:00:02,500\n"
          "world\n",
          f);
    fclose(f);
    FFMPEG("-i vfr.mp4 -i s.srt -map 0:v -map 0:a -map 1 -c copy -c:s srt sub.mkv");
    film m;
    film_open(&m, "sub.mkv", -1, -1);
    lt_media_output o = { .path = "sub.mp4", .encode = &m.encode, .source = "sub.mkv" };
    FAILS(lt_media_check_output(&o, NULL, 0), LT_ERR_CONFIG, ".mkv");
    o.no_subtitles = 1;
    MUST(lt_media_check_output(&o, NULL, 0));
    remake(&m, "sub.mkv", "sub.out.mkv", 1);
    packets *a = read_packets("sub.mkv", AVMEDIA_TYPE_SUBTITLE, 0);
    packets *b = read_packets("sub.out.mkv", AVMEDIA_TYPE_SUBTITLE, 0);
    CHECK(a->n == 2);
    same_times(a, b, 0);
    for (int i = 0; i < 2; i++) {
        CHECK(a->at[i].hash == b->at[i].hash);
        CHECK(a->at[i].duration == b->at[i].duration);
    }
    free(a);
    free(b);
    lt_media_frames_free(&m.frames);
}

static void outputs_refused(void)
{
    film m;
    film_open(&m, "vfr.mp4", -1, -1);
    lt_media_output o = { .path = "out.avi", .encode = &m.encode, .source = "vfr.mp4" };
    FAILS(lt_media_check_output(&o, NULL, 0), LT_ERR_CONFIG, ".mkv");
    o.path = "no/such/folder/out.mp4";
    FAILS(lt_media_check_output(&o, NULL, 0), LT_ERR_CANTCREAT, "no such folder");
    o.path = "./vfr.mp4";
    FAILS(lt_media_check_output(&o, NULL, 0), LT_ERR_CONFIG, "replace the input");
    FFMPEG("-i vfr.mp4 -map 0:v -map 0:a:0 -c:v copy -c:a pcm_s16le pcm.mov");
    o = (lt_media_output){ .path = "out.mp4", .encode = &m.encode, .source = "pcm.mov" };
    FAILS(lt_media_check_output(&o, NULL, 0), LT_ERR_CONFIG, "pcm_s16le");
    strcpy(m.encode.codec, "ffv1");
    o.source = NULL;
    m.encode.preset[0] = 0;
    FAILS(lt_media_check_output(&o, NULL, 0), LT_ERR_CONFIG, "ffv1");
    o.path = "out.mkv";
    strcpy(m.encode.preset, "fast");
    FAILS(lt_media_check_output(&o, NULL, 0), LT_ERR_CONFIG, "output.preset");
    m.encode.preset[0] = 0;
    MUST(lt_media_check_output(&o, NULL, 0));
    lt_media_frames_free(&m.frames);
}

/* Parts that are missing, cut, swapped or of other settings never become a film. */
static void bad_parts(void)
{
    film m;
    film_open(&m, "vfr.mp4", -1, -1);
    const int64_t n = m.frames.n;
    encode_part(&m, "vfr.mp4", 0, n / 2, "a.nut");
    encode_part(&m, "vfr.mp4", n / 2, n, "b.nut");
    m.encode.crf = 30.0;
    strcpy(m.encode.preset, "medium");
    encode_part(&m, "vfr.mp4", n / 2, n, "c.nut");
    CHECK(sh("head -c 20000 b.nut > d.nut; : > e.nut") == 0);
    const lt_media_output o = {
        .path = "bad.mp4", .encode = &m.encode, .source = "vfr.mp4", .frames = &m.frames
    };
    const char *const second[] = { "a.nut", "c.nut", "d.nut", "e.nut", "gone.nut" };
    for (size_t i = 0; i < sizeof(second) / sizeof(*second); i++) {
        const char *const p[] = { "a.nut", second[i] };
        FAILS(lt_media_join(&o, p, 2, NULL), LT_ERR_DATA, second[i]);
    }
    const char *const half[] = { "a.nut" };
    FAILS(lt_media_join(&o, half, 1, NULL), LT_ERR_DATA, "of 63 frames");
    const char *const swapped[] = { "b.nut", "a.nut" };
    FAILS(lt_media_join(&o, swapped, 2, NULL), LT_ERR_DATA, "b.nut");
    CHECK(count_files("bad") == 0);
    lt_media_frames_free(&m.frames);
}

int main(void)
{
    enter_folder();
    make_source();
    whole_film("vfr.mp4", "whole.mp4", 1);
    check_tags("whole.mp4", "fre");
    whole_film("vfr.mp4", "whole.mkv", 0);
    check_tags("whole.mkv", "fre");
    late_start();
    cut("cut.mp4", 1);
    cut("cut.mkv", 0);
    nothing_there();
    rotation();
    subtitles();
    outputs_refused();
    bad_parts();
    CHECK(sh("ls | grep -q '[.]tmp[.]'") != 0);
    return 0;
}
