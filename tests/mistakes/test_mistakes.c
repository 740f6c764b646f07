/* test_mistakes PROGRAM GOLDEN [GROUP]: all rows of the table, or those of one group. */
#include <string.h>

#include "check.h"
#include "mistakes/mistakes.h"

static const mistake_group groups[] = {
    { "usage", mistakes_usage }, { "config", mistakes_config },
    { "media", mistakes_media }, { "weights", mistakes_weights },
    { "model", mistakes_model }, { "job", mistakes_job },
    { "mask", mistakes_mask },   { "tools", mistakes_tools },
};

int main(int argc, char **argv)
{
    int n[3] = { 0 }, codes[256] = { 0 };
    CHECK(argc >= 3);
    mistake_begin(argv[1], argv[2]);
    for (size_t g = 0; g < sizeof(groups) / sizeof(*groups); g++) {
        if (argc > 3 && strcmp(argv[3], groups[g].name) != 0) continue;
        for (const mistake *m = groups[g].rows; m->args; m++) {
            const mistake_result r = mistake_run(m);
            n[r]++;
            if (r != MISTAKE_SKIPPED) codes[m->code]++;
        }
    }
    if (argc > 3 && !strcmp(argv[3], "stop")) n[mistake_stops(argv[1])]++;
    mistake_end();
    printf("%d rows right, %d wrong, %d cannot be tried here; exit codes:",
           n[MISTAKE_RIGHT], n[MISTAKE_WRONG], n[MISTAKE_SKIPPED]);
    for (int i = 0; i < 256; i++)
        if (codes[i]) printf(" %d x %d", codes[i], i);
    printf("\n");
    return n[MISTAKE_WRONG] > 0 || n[MISTAKE_RIGHT] == 0;
}
