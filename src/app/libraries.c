#include "app/libraries.h"

#include <H5public.h>
#include <dnnl_version.h>
#include <jansson.h>
#include <oneapi/dnnl/dnnl.h>
#include <openssl/crypto.h>
#include <png.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>
#include <xxhash.h>
#include <yaml.h>

#include "comm/comm.h"

#ifdef LT_HAVE_MEDIA
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#endif

static void add(lt_library *list, int *n, const char *name, const char *version)
{
    lt_library *l = &list[(*n)++];
    l->name = name;
    snprintf(l->version, sizeof(l->version), "%.*s", (int)sizeof(l->version) - 1,
             version);
}

static const char *numbers(char out[64], unsigned a, unsigned b, unsigned c)
{
    snprintf(out, 64, "%u.%u.%u", a, b, c);
    return out;
}

static void add_media(lt_library *list, int *n)
{
    char text[128] = "";
#ifdef LT_HAVE_MEDIA
    const unsigned f = avformat_version(), c = avcodec_version();
    snprintf(text, sizeof(text), "%.20s (libavformat %u.%u, libavcodec %u.%u)",
             av_version_info(), AV_VERSION_MAJOR(f), AV_VERSION_MINOR(f),
             AV_VERSION_MAJOR(c), AV_VERSION_MINOR(c));
#endif
    add(list, n, "FFmpeg", text);
}

int lt_libraries(lt_library list[LT_N_LIBRARIES])
{
    int n = 0;
    char text[64];
    unsigned a = 0, b = 0, c = 0;
    const dnnl_version_t *d = dnnl_version();
    const unsigned x = XXH_versionNumber();

    add_media(list, &n);
    if (H5get_libversion(&a, &b, &c) < 0) a = b = c = 0;
    add(list, &n, "HDF5", numbers(text, a, b, c));
    add(list, &n, "oneDNN",
        numbers(text, (unsigned)d->major, (unsigned)d->minor, (unsigned)d->patch));
    add(list, &n, "MPI", lt_comm_mpi_version(text, sizeof(text)));
    add(list, &n, "jansson", jansson_version_str());
    add(list, &n, "libyaml", yaml_get_version_string());
    add(list, &n, "libpng", png_get_libpng_ver(NULL));
    add(list, &n, "OpenSSL", OpenSSL_version(OPENSSL_VERSION_STRING));
    add(list, &n, "xxHash", numbers(text, x / 10000, x / 100 % 100, x % 100));
    add(list, &n, "utf8proc", utf8proc_version());
    return n;
}

int lt_has_encoder(const char *name)
{
#ifdef LT_HAVE_MEDIA
    return avcodec_find_encoder_by_name(name) != NULL;
#else
    (void)name;
    return 0;
#endif
}
