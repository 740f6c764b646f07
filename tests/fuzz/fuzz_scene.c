/* Scene files of synth and the texts of --edit. */
#include "app/cli.h"
#include "app/scene_file.h"
#include "fuzz.h"

/* The command line asks for the commands; none is needed here. */
const lt_command lt_commands[] = { { 0 } };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lt_scene scene;
    const uint64_t seed = 7;
    int factor = -1;
    fuzz_file f = fuzz_file_open(data, size);
    char *text = fuzz_text(data, size);
    for (unsigned flags = 0; flags < 2; flags++) {
        const lt_status st =
            lt_scene_file_read(&scene, f.path, NULL, flags ? LT_SYNTH_TRAINING : 0);
        fuzz_refused(st);
        if (st == LT_OK) {
            char caption[LT_SYNTH_TEXT];
            lt_synth_caption(caption, &scene, 0);
            MUST(caption[0]);
        }
    }
    MUST(lt_scene_file_read(&scene, NULL, &seed, 0) == LT_OK);
    const lt_status st = lt_scene_edit_text(&scene, text, 0, &factor);
    fuzz_refused(st);
    MUST(st != LT_OK || (factor >= 0 && factor < LT_SYNTH_N_FACTORS));
    free(text);
    fuzz_file_close(&f);
    return 0;
}
