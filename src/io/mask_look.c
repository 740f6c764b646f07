#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "io/mask_impl.h"

/* Pictures may be so many times as wide as the frame: what is scaled down anyway must not
 * take memory without bound. */
enum { TIMES_MAX = 4 };

static lt_status look_at_kind(const char *path, lt_mask_info *info)
{
    struct stat sb;
    lt_image_head head;
    if (lt_mask_is_box(path)) {
        info->kind = LT_MASK_BOX;
        return LT_OK;
    }
    if (stat(path, &sb))
        return LT_FAIL(LT_ERR_NOINPUT,
                       "cannot read the mask, %s (%s): check the name and the rights",
                       strerror(errno), path);
    if (S_ISDIR(sb.st_mode)) {
        info->kind = LT_MASK_FOLDER;
        return LT_OK;
    }
    const char *dot = strrchr(path, '.');
    const int named = dot && !strcasecmp(dot, ".png");
    const lt_status st = lt_image_png_look(path, &head);
    info->kind = st == LT_OK || named ? LT_MASK_STILL : LT_MASK_VIDEO;
    if (st != LT_OK && named) return st;
    return st == LT_OK || st == LT_ERR_DATA ? LT_OK : st;
}

/* a x b has the aspect of w x h, to a pixel. */
static int same_aspect(int64_t a, int64_t b, int64_t w, int64_t h)
{
    const int64_t off = a * h - b * w;
    return (off < 0 ? -off : off) <= (w > h ? w : h);
}

static lt_status check_size(const lt_media_info *video, const char *path,
                            lt_mask_info *info)
{
    int32_t w, h;
    int32_t dw = video->display_width, dh = video->display_height;
    lt_mask_upright(video, &w, &h);
    if (info->width == w && info->height == h) return LT_OK;
    if (!same_aspect(info->width, info->height, w, h) &&
        !same_aspect(info->width, info->height, dw, dh))
        return LT_FAIL(LT_ERR_DATA,
                       "the mask is %d x %d and the video %d x %d (%s): give one of the "
                       "same size or aspect",
                       info->width, info->height, w, h, path);
    if (info->width > (int64_t)TIMES_MAX * w || info->height > (int64_t)TIMES_MAX * h)
        return LT_FAIL(
            LT_ERR_DATA,
            "the mask is %d x %d, more than %d times the video's %d x %d (%s): "
            "make it smaller",
            info->width, info->height, TIMES_MAX, w, h, path);
    info->scaled = 1;
    return LT_OK;
}

static int is_still(const lt_mask_info *info)
{
    return info->kind == LT_MASK_STILL || info->kind == LT_MASK_BOX;
}

static lt_status check_number(const lt_media_frames *frames, const char *path,
                              lt_mask_info *info)
{
    if (is_still(info)) return LT_OK;
    if (info->n == frames->n_all) info->first = frames->first;
    if (info->n == frames->n_all || info->n == frames->n) return LT_OK;
    if (frames->n == frames->n_all)
        return LT_FAIL(
            LT_ERR_DATA,
            "the mask has pictures for %lld frames and the video has %lld (%s): "
            "give one a frame, or a PNG for all",
            (long long)info->n, (long long)frames->n_all, path);
    return LT_FAIL(LT_ERR_DATA,
                   "the mask has pictures for %lld frames, the video has %lld and the "
                   "part of it %lld (%s): give one a frame of either, or a PNG for all",
                   (long long)info->n, (long long)frames->n_all, (long long)frames->n,
                   path);
}

/* Every picture of a folder: there, whole, and of one size. */
static lt_status check_pictures(const char *path, const lt_mask_folder *folder,
                                lt_mask_info *info)
{
    char name[LT_PATH_MAX];
    lt_image_head head;
    for (int64_t i = 0; i < folder->n; i++) {
        lt_status st = lt_mask_folder_path(path, folder, i, name);
        if (st == LT_OK) st = lt_image_png_look(name, &head);
        if (st != LT_OK) return st;
        if (i == 0) {
            info->width = head.width;
            info->height = head.height;
        }
        if (head.width != info->width || head.height != info->height)
            return LT_FAIL(LT_ERR_DATA,
                           "a mask of %d x %d among others of %d x %d (%s): give all the "
                           "same size",
                           head.width, head.height, info->width, info->height, name);
    }
    return LT_OK;
}

static lt_status hash_folder(const char *path, const lt_mask_folder *folder,
                             char sha256[LT_SHA256_HEX])
{
    lt_status st = LT_OK;
    char name[LT_PATH_MAX], hex[LT_SHA256_HEX];
    const size_t line = LT_SHA256_HEX;
    char *list = malloc((size_t)folder->n * line + 1);
    if (!list) return LT_FAIL(LT_ERR_NOMEM, "out of memory (hash of the mask)");
    for (int64_t i = 0; i < folder->n; i++) {
        LT_TRY(lt_mask_folder_path(path, folder, i, name));
        LT_TRY(lt_sha256_file(name, hex));
        memcpy(list + (size_t)i * line, hex, line - 1);
        list[(size_t)i * line + line - 1] = '\n';
    }
    LT_TRY(lt_sha256(list, (size_t)folder->n * line, sha256));
cleanup:
    free(list);
    return st;
}

static lt_status look_at_folder(const char *path, int hash, lt_mask_info *info)
{
    lt_status st = LT_OK;
    lt_mask_folder folder = { 0 };
    LT_TRY(lt_mask_folder_list(path, &folder));
    info->n = folder.n;
    info->n_other = folder.n_other;
    LT_TRY(check_pictures(path, &folder, info));
    if (hash) LT_TRY(hash_folder(path, &folder, info->sha256));
cleanup:
    lt_mask_folder_free(&folder);
    return st;
}

static lt_status look_at_video(const char *path, lt_mask_info *info)
{
    lt_status st = LT_OK;
    lt_media_info video;
    lt_media_frames frames = { 0 };
    st = lt_media_probe(path, &video);
    if (st == LT_ERR_DATA) {
        char why[LT_MESSAGE_MAX];
        snprintf(why, sizeof(why), "%s", lt_error_message());
        return LT_FAIL(st, "mask: %.900s; or a PNG, a folder of PNG, or box:X,Y,WxH",
                       why);
    }
    LT_TRY(st);
    LT_TRY(lt_media_scan(path, -1, -1, &frames));
    if (frames.n_damaged > 0 || frames.n_declared > frames.n_all)
        LT_TRY(
            LT_FAIL(LT_ERR_DATA,
                    "the mask is damaged, or cut short after %lld frames (%s): make it "
                    "again",
                    (long long)frames.n_all, path));
    lt_mask_upright(&video, &info->width, &info->height);
    info->n = frames.n;
    info->alpha_unused = video.has_alpha;
cleanup:
    lt_media_frames_free(&frames);
    return st;
}

/* Is alpha the value? The first picture says it. */
static lt_status look_at_alpha(const char *path, lt_mask_info *info)
{
    lt_status st = LT_OK;
    char name[LT_PATH_MAX];
    lt_mask_folder folder = { 0 };
    lt_image image = { 0 };
    snprintf(name, sizeof(name), "%s", path);
    if (info->kind == LT_MASK_FOLDER) {
        LT_TRY(lt_mask_folder_list(path, &folder));
        LT_TRY(lt_mask_folder_path(path, &folder, 0, name));
    }
    LT_TRY(lt_image_png_read(name, 0, &image));
    info->alpha = lt_mask_has_alpha(&image);
cleanup:
    lt_image_free(&image);
    lt_mask_folder_free(&folder);
    return st;
}

static int any_weight(const float *weight, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (weight[i] > 0.0f) return 1;
    return 0;
}

/* Ends at the first frame that has a weight: mostly the first. */
static lt_status check_not_empty(const lt_mask_options *options,
                                 const lt_media_info *video,
                                 const lt_media_frames *frames, const lt_mask_info *info)
{
    lt_status st = LT_OK;
    lt_mask *m = NULL;
    const float *weight = NULL;
    int brightest = 0, found = 0;
    const int64_t n = is_still(info) ? 1 : frames->n;
    LT_TRY(lt_mask_open(&m, options, info, video));
    for (int64_t f = 0; f < n && !found; f++) {
        LT_TRY(lt_mask_read(m, f, &weight));
        found = any_weight(weight, (int64_t)video->width * video->height);
        const uint8_t *v = lt_mask_picture(m);
        for (int64_t i = 0; i < (int64_t)info->width * info->height; i++)
            if (v[i] > brightest) brightest = v[i];
    }
    if (!found)
        st = LT_FAIL(LT_ERR_DATA,
                     "the mask is empty, so nothing would be edited; its brightest value "
                     "is %d of 255 (%s): white is what is edited, mask.invert turns it "
                     "round",
                     brightest, options->path);
cleanup:
    lt_mask_close(&m);
    return st;
}

static lt_status look(const lt_mask_options *o, const lt_media_info *video,
                      const lt_media_frames *frames, int hash, lt_mask_info *info)
{
    lt_status st = LT_OK;
    LT_TRY(look_at_kind(o->path, info));
    if (info->kind == LT_MASK_BOX) {
        info->n = 1;
        lt_mask_upright(video, &info->width, &info->height);
        LT_TRY(lt_mask_box_parse(o->path, info->width, info->height, &info->box));
    } else if (info->kind == LT_MASK_FOLDER) {
        LT_TRY(look_at_folder(o->path, hash, info));
    } else if (info->kind == LT_MASK_VIDEO) {
        LT_TRY(look_at_video(o->path, info));
    } else {
        lt_image_head head;
        LT_TRY(lt_image_png_look(o->path, &head));
        info->width = head.width;
        info->height = head.height;
        info->n = 1;
    }
    LT_TRY(check_number(frames, o->path, info));
    LT_TRY(check_size(video, o->path, info));
    if (info->kind == LT_MASK_FOLDER || info->kind == LT_MASK_STILL)
        LT_TRY(look_at_alpha(o->path, info));
    if (hash && (info->kind == LT_MASK_STILL || info->kind == LT_MASK_VIDEO))
        LT_TRY(lt_sha256_file(o->path, info->sha256));
    LT_TRY(check_not_empty(o, video, frames, info));
cleanup:
    return st;
}

lt_status lt_mask_look(const lt_mask_options *options, const lt_media_info *video,
                       const lt_media_frames *frames, int hash, lt_mask_info *info)
{
    lt_mask_info got;
    memset(&got, 0, sizeof(got)); /* padding too: it is sent as bytes */
    const lt_status st = look(options, video, frames, hash, &got);
    if (st == LT_OK) memcpy(info, &got, sizeof(got));
    return st;
}
