/* Manifest and journal of a job folder. The sums at the ends of the lines would stop every
 * mutation, so each input is read twice: as it is, and with all sums made right. */
#include <xxhash.h>

#include "fuzz.h"
#include "io/manifest_impl.h"

/* A name that cannot lead out of the job folder. */
static int stays_inside(const char *file)
{
    for (const char *part = file; part; part = strchr(part, '/')) {
        if (part > file) part++;
        const size_t n = strcspn(part, "/");
        if (n == 0 && *file) return 0;
        if (n == 2 && !strncmp(part, "..", 2)) return 0;
    }
    return 1;
}

static void check_records(const lt_manifest *m)
{
    const lt_record **list = NULL;
    int64_t n = 0;
    MUST(lt_manifest_list(m, NULL, &list, &n) == LT_OK);
    for (int64_t i = 0; i < n; i++) {
        MUST(lt_stage_name_ok(list[i]->stage) && list[i]->unit >= 0);
        MUST(!list[i]->file[0] || lt_file_name_ok(list[i]->file));
        MUST(stays_inside(list[i]->file));
        MUST(lt_manifest_find(m, list[i]->stage, list[i]->unit, list[i]->step) ==
             list[i]);
    }
    free(list);
}

/* What was kept can be written, and reading it again finds all of it. */
static void again(const lt_manifest *m, const lt_manifest_head *head)
{
    lt_manifest *m2 = NULL;
    lt_manifest_head h = *head, h2;
    lt_manifest_report r;
    char *text = NULL;
    size_t bytes = 0;
    MUST(lt_manifest_format(m, &h, &text, &bytes) == LT_OK);
    MUST(lt_manifest_new(&m2) == LT_OK);
    MUST(lt_manifest_parse(m2, text, bytes, &h2, &r) == LT_OK);
    MUST(r.head_ok && r.lines_damaged == 0);
    MUST(lt_manifest_count(m2, NULL) == lt_manifest_count(m, NULL));
    free(text);
    lt_manifest_free(&m2);
}

static void read_both(const char *text, size_t bytes)
{
    lt_manifest *m = NULL;
    lt_manifest_head head = { 0 };
    lt_manifest_report r;
    MUST(lt_manifest_new(&m) == LT_OK);
    MUST(lt_manifest_parse(m, text, bytes, &head, &r) == LT_OK);
    MUST(r.lines_kept >= 0 && r.lines_damaged >= 0 && r.torn_bytes >= 0);
    check_records(m);
    if (r.head_ok && head.version == LT_MANIFEST_VERSION) again(m, &head);
    MUST(lt_journal_parse(m, text, bytes, 0, &head, &r) == LT_OK);
    check_records(m);
    lt_manifest_free(&m);
}

/* Give every line that is long enough the sum of what is before it. */
static void mend_sums(char *text, size_t bytes)
{
    for (size_t at = 0; at < bytes;) {
        const char *end = memchr(text + at, '\n', bytes - at);
        const size_t n = (end ? (size_t)(end - text) : bytes) - at;
        if (n > LT_SUM_TAIL) {
            char tail[LT_SUM_TAIL + 1];
            const size_t head = n - LT_SUM_TAIL;
            snprintf(tail, sizeof(tail), ",\"sum\":\"%016llx\"}",
                     (unsigned long long)XXH3_64bits(text + at, head));
            memcpy(text + at + head, tail, LT_SUM_TAIL);
        }
        at += n + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    MUST(text);
    if (size) memcpy(text, data, size);
    read_both(text, size);
    mend_sums(text, size);
    read_both(text, size);
    free(text);
    return 0;
}
