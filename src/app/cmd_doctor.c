#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/app.h"
#include "app/libraries.h"
#include "app/machine.h"
#include "app/version.h"

typedef enum state { OK, NOTE, MISSING } state; /* NOTE: absent, but not needed here */

static const char *const state_names[] = { "ok", "-", "missing" };

typedef struct doctor {
    json_t *list; /* NULL unless --json */
    int n_missing;
} doctor;

/* One line: what, how it stands, and what to do about it ("" = nothing). */
static void line(doctor *d, state s, const char *name, const char *todo, const char *fmt,
                 ...) __attribute__((format(printf, 5, 6)));

static void line(doctor *d, state s, const char *name, const char *todo, const char *fmt,
                 ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    d->n_missing += s == MISSING;
    if (d->list)
        (void)json_array_append_new(
            d->list, json_pack("{s:s, s:s, s:s, s:s}", "name", name, "state",
                               s == NOTE ? "absent" : state_names[s], "found", text,
                               "todo", todo));
    else
        printf("%-8s %-14s %s%s%s\n", state_names[s], name, text, todo[0] ? ": " : "",
               todo);
}

/* ---- libraries --------------------------------------------------------------------- */

static const char *todo_of(const char *library)
{
    if (!strcmp(library, "FFmpeg"))
        return "install libavformat-dev libavcodec-dev, build with -DLT_MEDIA=ON";
    if (!strcmp(library, "MPI"))
        return "for several processes install libopenmpi-dev, build with -DLT_MPI=ON";
    return "";
}

static void check_libraries(doctor *d)
{
    lt_library list[LT_N_LIBRARIES];
    const int n = lt_libraries(list);
    line(d, OK, "longtake", "", "%s; %s", lt_app_version(), LT_BUILD);
    for (int i = 0; i < n; i++) {
        const char *v = list[i].version;
        const state s = v[0] ? OK : strcmp(list[i].name, "MPI") ? MISSING : NOTE;
        line(d, s, list[i].name, v[0] ? "" : todo_of(list[i].name), "%s",
             v[0] ? v : "not built in");
    }
}

static void check_encoders(doctor *d)
{
    static const char *const names[] = { "libx264", "libx265",   "libsvtav1",
                                         "ffv1",    "prores_ks", NULL };
    char text[256] = "";
    for (const char *const *e = names; *e; e++) {
        if (!lt_has_encoder(*e)) continue;
        strcat(text, text[0] ? " " : "");
        strcat(text, *e);
    }
    if (lt_has_encoder("libx264"))
        line(d, OK, "encoders", "", "%s", text);
    else
        line(d, MISSING, "encoders",
             "the default needs libx264: install an FFmpeg with it, or give --codec",
             "%s", text[0] ? text : "none");
}

/* ---- the machine ------------------------------------------------------------------- */

static const char *reason(lt_cpu_path path)
{
    switch (path) {
    case LT_PATH_AMX_BF16: return "it has AMX";
    case LT_PATH_AVX512_BF16: return "AMD with AVX512_BF16, where bf16 is twice as fast";
    case LT_PATH_AVX512_F32:
        return lt_cpu_path_supported(LT_PATH_AVX512_BF16)
                   ? "Intel with AVX512_BF16 but no AMX, where f32 is faster"
                   : "it has AVX-512";
    case LT_PATH_AVX2_F32: return "it has AVX2 but no AVX-512";
    default: return "it has no AVX2";
    }
}

static void check_cpu(doctor *d)
{
    const lt_cpu_path best = lt_cpu_path_best();
    char model[160], paths[128] = "";
    lt_cpu_describe(model, sizeof(model));
    for (int p = LT_PATH_REF; p <= LT_PATH_AMX_BF16; p++) {
        if (!lt_cpu_path_supported((lt_cpu_path)p)) continue;
        strcat(paths, paths[0] ? " " : "");
        strcat(paths, lt_cpu_path_name((lt_cpu_path)p));
    }
    line(d, OK, "CPU", "", "%s, %d usable here", model, lt_threads_available());
    line(d, OK, "CPU path", best == LT_PATH_REF ? "edits will be very slow" : "",
         "%s, because %s (possible: %s)", lt_cpu_path_name(best), reason(best), paths);
}

static void check_gpu(doctor *d)
{
    char version[256];
    lt_machine_line("/proc/driver/nvidia/version", version, sizeof(version));
    if (access("/dev/nvidiactl", F_OK) == 0 || version[0])
        line(d, NOTE, "GPU", "this build uses CPUs only", "NVIDIA driver found (%.100s)",
             version[0] ? version : "/dev/nvidiactl");
    else
        line(d, NOTE, "GPU", "this build uses CPUs only", "no NVIDIA driver found");
}

static void check_room(doctor *d)
{
    const int64_t memory = lt_machine_memory(), disk = lt_machine_disk(".");
    const double gib = 1.0 / (1 << 30);
    if (memory >= 0)
        line(d, OK, "memory",
             memory < (INT64_C(8) << 30) ? "models of SD 1.5's size need about 8 GiB"
                                         : "",
             "%.1f GiB available", (double)memory * gib);
    else
        line(d, NOTE, "memory", "", "not known");
    if (disk >= 0)
        line(d, OK, "disk here", disk < (INT64_C(4) << 30) ? "a job needs some GiB" : "",
             "%.1f GiB free", (double)disk * gib);
    else
        line(d, NOTE, "disk here", "", "not known");
}

/* ---- many machines ----------------------------------------------------------------- */

static void check_program(doctor *d, const char *name, const char *todo)
{
    char path[LT_PATH_MAX];
    if (lt_machine_program(name, path, sizeof(path)))
        line(d, OK, name, "", "%.300s", path);
    else
        line(d, NOTE, name, todo, "not in PATH");
}

static void check_cluster(doctor *d, const lt_app *app)
{
    const char *locking = getenv("HDF5_USE_FILE_LOCKING");
    line(d, OK, "started", "", "%d process%s%s", app->size, app->size > 1 ? "es" : "",
         getenv("SLURM_JOB_ID") ? " in a Slurm job" : "");
    check_program(d, "mpirun", "for several processes install openmpi-bin");
    if (geteuid() == 0 && !getenv("OMPI_ALLOW_RUN_AS_ROOT"))
        line(d, NOTE, "root",
             "set OMPI_ALLOW_RUN_AS_ROOT=1 and OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1",
             "Open MPI refuses to start as root");
    check_program(d, "srun", "needed on Slurm clusters only");
    check_program(d, "sbatch", "needed on Slurm clusters only");
    check_program(d, "scontrol", "needed to requeue Slurm jobs only");
    line(d, OK, "HDF5 locks",
         locking ? ""
                 : "where a network file system has no locks, readers of index.h5 "
                   "need HDF5_USE_FILE_LOCKING=FALSE",
         "HDF5_USE_FILE_LOCKING %s%.40s", locking ? "= " : "is not set",
         locking ? locking : "");
}

static lt_status run(lt_app *app)
{
    doctor d = { .list = app->cli.json ? json_array() : NULL };
    check_libraries(&d);
    check_encoders(&d);
    check_cpu(&d);
    check_gpu(&d);
    check_room(&d);
    check_cluster(&d, app);
    if (d.list) {
        const lt_status st =
            lt_app_print_json(json_pack("{s:s, s:b, s:o}", "version", lt_app_version(),
                                        "ok", d.n_missing == 0, "checks", d.list));
        if (st != LT_OK) return st;
    }
    if (d.n_missing == 0) return LT_OK;
    return LT_FAIL(
        LT_ERR_UNSUPPORTED,
        "%d needed thing%s missing (longtake doctor): see the lines that begin "
        "with `missing`",
        d.n_missing, d.n_missing > 1 ? "s are" : " is");
}

lt_status lt_cmd_doctor(lt_app *app) { return lt_app_alone(app, run); }
