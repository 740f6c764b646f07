#include "io/media_cover.h"

#include <stdio.h>
#include <string.h>

/* Pictures with a name and a type that players know. */
static const struct {
    enum AVCodecID id;
    int in_mp4;
    const char *type, *name;
} pictures[] = {
    { AV_CODEC_ID_MJPEG, 1, "image/jpeg", "cover.jpg" },
    { AV_CODEC_ID_PNG, 1, "image/png", "cover.png" },
    { AV_CODEC_ID_BMP, 1, "image/bmp", "cover.bmp" },
    { AV_CODEC_ID_GIF, 0, "image/gif", "cover.gif" },
    { AV_CODEC_ID_WEBP, 0, "image/webp", "cover.webp" },
};

static int kind_of(const AVStream *s)
{
    for (int i = 0; i < (int)(sizeof(pictures) / sizeof(*pictures)); i++)
        if (pictures[i].id == s->codecpar->codec_id) return i;
    return -1;
}

int lt_is_cover(const AVStream *s)
{
    return s->codecpar->codec_type == AVMEDIA_TYPE_VIDEO &&
           (s->disposition & AV_DISPOSITION_ATTACHED_PIC) && s->attached_pic.size > 0;
}

static int as_attachment(AVStream *d, const AVStream *s, int kind)
{
    const AVDictionaryEntry *e = av_dict_get(s->metadata, "filename", NULL, 0);
    AVCodecParameters *p = d->codecpar;
    const size_t size = (size_t)s->attached_pic.size;
    p->codec_type = AVMEDIA_TYPE_ATTACHMENT;
    p->codec_id = s->codecpar->codec_id;
    p->extradata = av_mallocz(size + AV_INPUT_BUFFER_PADDING_SIZE);
    if (!p->extradata) return -1;
    p->extradata_size = (int)size;
    memcpy(p->extradata, s->attached_pic.data, size);
    if (av_dict_set(&d->metadata, "filename", e ? e->value : pictures[kind].name, 0) < 0)
        return -1;
    return av_dict_set(&d->metadata, "mimetype", pictures[kind].type, 0) < 0 ? -1 : 1;
}

static int as_packet(lt_mux *m, AVStream *d, unsigned i)
{
    const AVStream *s = m->src->streams[i];
    if (avcodec_parameters_copy(d->codecpar, s->codecpar) < 0) return -1;
    if (av_dict_copy(&d->metadata, s->metadata, 0) < 0) return -1;
    d->codecpar->codec_tag = 0;
    d->disposition = AV_DISPOSITION_ATTACHED_PIC;
    d->time_base = (AVRational){ 1, 90000 };
    m->cover[i] = d->index;
    return 1;
}

int lt_cover_add(lt_mux *m, unsigned i)
{
    const AVStream *s = m->src->streams[i];
    const char *container = m->out->oformat->name;
    const int kind = kind_of(s), mkv = !strcmp(container, "matroska");
    if (kind < 0 || (!mkv && (strcmp(container, "mp4") || !pictures[kind].in_mp4)))
        return 0;
    AVStream *d = avformat_new_stream(m->out, NULL);
    if (!d) return -1;
    return mkv ? as_attachment(d, s, kind) : as_packet(m, d, i);
}

int lt_cover_write(lt_mux *m)
{
    int r = 0;
    for (unsigned i = 0; r >= 0 && m->src && i < m->src->nb_streams; i++) {
        if (m->cover[i] < 0) continue;
        AVPacket *p = av_packet_clone(&m->src->streams[i]->attached_pic);
        if (!p) return AVERROR(ENOMEM);
        p->pts = p->dts = 0;
        p->duration = 0;
        p->stream_index = m->cover[i];
        r = av_write_frame(m->out, p);
        av_packet_free(&p);
    }
    return r;
}

static void say(char *text, size_t size, int n, const char *one, const char *where)
{
    const size_t at = strlen(text);
    if (n < 1 || at + 1 >= size) return;
    snprintf(text + at, size - at, "%s%d %s%s%s", at ? ", " : "", n, one,
             n == 1 ? "" : "s", where);
}

void lt_left_out_text(const lt_left_out *l, char *text, size_t size)
{
    text[0] = 0;
    say(text, size, l->covers, "cover picture", " (.mp4 and .mkv carry JPEG and PNG)");
    say(text, size, l->attachments, "attachment", " (.mkv carries them)");
    say(text, size, l->videos, "other video stream", "");
    say(text, size, l->data, "data stream", "");
}
