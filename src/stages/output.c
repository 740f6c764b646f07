#include "stages/output.h"

#include <stdio.h>

lt_media_encode lt_run_encode_options(const lt_run *r)
{
    const lt_config *cfg = r->cfg;
    lt_media_encode e = lt_media_encode_of(&r->info);
    snprintf(e.codec, sizeof(e.codec), "%.31s", cfg->output.codec);
    if (cfg->output.preset[0])
        snprintf(e.preset, sizeof(e.preset), "%.31s", cfg->output.preset);
    snprintf(e.pix_fmt, sizeof(e.pix_fmt), "%.31s", cfg->output.pix_fmt);
    e.crf = (double)cfg->output.crf;
    if (cfg->output.scale == LT_SCALE_WORK) {
        e.width = r->work.width;
        e.height = r->work.height;
    }
    if (!r->info.hdr) return e;
    if (lt_media_depth(e.pix_fmt) >=
        10) { /* the reader tone-maps, the writer undoes it */
        e.expand = 1;
        return e;
    }
    e.light.has_mastering = e.light.has_content = 0;
    e.color = (lt_media_color){
        .primaries = 1, .transfer = 1, .matrix = 1, .range = 1, .chroma = 1
    };
    return e;
}

/* What the output loses of the source's light and depth. */
static void say_what_is_lost(const lt_run *r, const lt_media_encode *e)
{
    const int depth = lt_media_depth(e->pix_fmt);
    const char *path = r->cfg->input.path;
    if (e->expand)
        lt_log_warn(r->log,
                    "the model sees high dynamic range tone-mapped; the output has it "
                    "again, up to 1000 cd/m2 and within BT.709 (%s)",
                    path);
    else if (r->info.hdr)
        lt_log_warn(r->log,
                    "high dynamic range is tone-mapped to BT.709 (%s): to keep it, set "
                    "output.pix_fmt to yuv420p10le",
                    path);
    else if (depth < 10 && r->info.bit_depth > depth)
        lt_log_warn(r->log,
                    "the source has %d bits a sample and the output %d (%s): to keep 10, "
                    "set output.pix_fmt to yuv420p10le",
                    r->info.bit_depth, depth, path);
}

lt_media_output lt_run_output(const lt_run *r, const lt_media_encode *encode)
{
    return (lt_media_output){ .path = r->cfg->output.path,
                              .encode = encode,
                              .source = r->cfg->input.path,
                              .frames = &r->frames,
                              .no_audio = r->cfg->output.audio == LT_CARRY_NONE,
                              .no_subtitles = r->cfg->output.subtitles == LT_CARRY_NONE };
}

lt_status lt_run_check_output(lt_run *r)
{
    char dropped[256];
    const lt_media_encode encode = lt_run_encode_options(r);
    const lt_media_output out = lt_run_output(r, &encode);
    say_what_is_lost(r, &encode);
    if (!r->cfg->output.path[0]) return LT_OK; /* preview, plan without -o */
    const lt_status st = lt_media_check_output(&out, dropped, sizeof(dropped));
    if (st == LT_OK && dropped[0])
        lt_log_warn(r->log, "not carried into the output: %s (%s)", dropped, out.path);
    return st;
}
