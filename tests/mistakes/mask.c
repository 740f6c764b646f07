/* Masks that do not fit, and reports that cannot be written. */
#include <stddef.h>

#include "mistakes/mistakes.h"

#define RUN  EDIT CLIP MODEL
#define PNG  "$FUZZ/corpus/mask/"
#define FILM "$LONGTAKE synth -q --seed 3 --frames 6 --size 64x48 -o c.mp4 --mask k.mkv"

/* clang-format off */
const mistake mistakes_mask[] = {
    { NULL, RUN "--mask nope.png", 66, "nope.png.*check", 0 },
    { "mkdir k", RUN "--mask k", 65, "no PNG.*/k[/ )].*one picture a frame", 0 },
    { "mkdir k; put k/a.txt x", RUN "--mask k", 65, "no PNG.*/k[/ )].*one picture a frame", 0 },
    { "put k.png ''", RUN "--mask k.png", 65, "k.png", 0 },
    { "put k.png 'no picture at all'", RUN "--mask k.png", 65, "k.png", 0 },
    { "head -c 3000 /dev/urandom >k.png", RUN "--mask k.png", 65, "k.png", 0 },
    { "mkfifo k.png", RUN "--mask k.png", 65, "k.png", 0 },
    { "ln -s k.png k.png", RUN "--mask k.png", 66, "symbolic links.*k.png", 0 },
    { NULL, RUN "--mask /dev/zero", 65, "/dev/zero", 0 },
    { "cp " PNG "grey1 k.png", RUN "--mask k.png", 65, "9 ?x ?1.*64 ?x ?48", 0 },
    { "cp " PNG "short k.png", RUN "--mask k.png", 65, "k.png", 0 },
    { "cp " PNG "zero k.png", RUN "--mask k.png", 65, "k.png", 0 },
    { "mkdir k; cp " PNG "grey k/1.png; cp " PNG "grey k/3.png", RUN "--mask k", 65, "(gap|missing|lacks|2)", 0 },
    { "mkdir k; cp " PNG "grey k/1.png; cp " PNG "grey k/01.png", RUN "--mask k", 65, "(twice|number|same)", 0 },
    { "mkdir k; for i in 1 2 3; do cp " PNG "grey k/$i.png; done", RUN "--mask k", 65, "3 .*6|6 .*3", 0 },
    { "$LONGTAKE synth -q --seed 3 --frames 4 --size 64x48 -o c.mp4 --mask k.mkv", RUN "--mask k.mkv", 65, "4 .*6|6 .*4", 0 },
    { "$LONGTAKE synth -q --seed 3 --frames 6 --size 64x64 -o c.mp4 --mask k.mkv", RUN "--mask k.mkv", 65, "64 ?x ?64.*64 ?x ?48", 0 },
    { FILM "; truncate -s 600 k.mkv", RUN "--mask k.mkv", 65, "k.mkv", 0 },
    { NULL, RUN "--mask ../model/unet/config.json", 65, "config.json", 0 },
    { NULL, RUN "--mask box:", 78, "box:", 0 },
    { NULL, RUN "--mask box:1,2", 78, "box:1,2", 0 },
    { NULL, RUN "--mask box:0,0,0x5", 78, "rectangle of 0 x 5.*64 x 48", 0 },
    { NULL, RUN "--mask box:-1,0,5x5", 78, "5 x 5 at -1,0.*64 x 48", 0 },
    { NULL, RUN "--mask box:60,0,5x5", 78, "5 x 5 at 60,0.*64 x 48", 0 },
    { NULL, RUN "--mask box:0,0,99999999999x5", 78, "box:", 0 },
    { NULL, RUN "--mask box:0,0,101%x5", 78, "box:", 0 },
    { NULL, RUN "--mask box:0,0,5x5 --set mask.feather=-1", 78, "mask.feather.*choose 0 to", 0 },
    { NULL, RUN "--mask box:0,0,5x5 --set mask.dilate=9999", 78, "mask.dilate.*choose", 0 },
    { NULL, RUN "--mask box:0,0,5x5 --set mask.dilate=-100", 65, "(empty|nothing|no pixel)", 0 },
    { NULL, RUN "--mask box:0,0,64x48 --set mask.invert=true", 65, "(empty|nothing|no pixel)", 0 },
    { NULL, RUN "--mask box:0,0,5x5 --set mask.invert=yes", 78, "mask.invert is neither true nor false", 0 },

    { NULL, "report nowhere.job", 66, "no such job folder", 0 },
    { NULL, "report", 64, "report needs DIR", 0 },
    { "mkdir j.job", "report j.job", 66, "no job in this folder", 0 },
    { "cp -a ../done.job j.job; rm -rf j.job/report; : >j.job/report", "report -q j.job", 73, "report", 0 },
    { "cp -a ../done.job j.job; chmod -R a-w j.job", "report -q j.job", 73, "report", M_NOBODY },
    { 0 }
};
/* clang-format on */
