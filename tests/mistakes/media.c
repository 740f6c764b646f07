/* Videos that are none, and places where no result can be. */
#include <stddef.h>

#include "mistakes/mistakes.h"

/* clang-format off */
const mistake mistakes_media[] = {
    /* input */
    { NULL, EDIT MODEL, 78, "no input is given.*-i FILE", 0 },
    { NULL, EDIT MODEL "-i ''", 78, "no input is given", 0 },
    { NULL, EDIT MODEL "-i nope.mp4", 66, "no such file.*nope.mp4", 0 },
    { NULL, EDIT MODEL "-i nowhere/nope.mp4", 66, "nope.mp4", 0 },
    { NULL, EDIT MODEL "-i .", 65, "case", 0 },
    { NULL, EDIT MODEL "-i http://localhost/x.mp4", 66, "x.mp4", 0 },
    { NULL, EDIT MODEL "-i concat:../clip.mp4", 66, "clip.mp4", 0 },
    { "put e.mp4 ''", EDIT MODEL "-i e.mp4", 65, "e.mp4", 0 },
    { "put e.mp4 'this is no video\\n'", EDIT MODEL "-i e.mp4", 65, "e.mp4", 0 },
    { "head -c 5000000 /dev/zero >e.mp4", EDIT MODEL "-i e.mp4", 65, "e.mp4", 0 },
    { "head -c 100000 /dev/urandom >e.mp4", EDIT MODEL "-i e.mp4", 65, "e.mp4", 0 },
    { "head -c 2000 ../clip.mp4 >e.mp4", EDIT MODEL "-i e.mp4", 65, "e.mp4", 0 },
    { "head -c 20 ../clip.mp4 >e.mp4", EDIT MODEL "-i e.mp4", 65, "e.mp4", 0 },
    { "put e.y4m 'YUV4MPEG2 W64 H48 F12:1 Ip A1:1 C420jpeg\\n'", EDIT MODEL "-i e.y4m", 65, "e.y4m", 0 },
    { "put e.m3u8 '#EXTM3U\\n#EXTINF:1,\\nfile:///etc/passwd\\n'", EDIT MODEL "-i e.m3u8", 65, "e.m3u8", 0 },
    { "put e.txt 'file ../clip.mp4\\n'", EDIT MODEL "-i e.txt", 65, "e.txt", 0 },
    { "mkfifo e.mp4", EDIT MODEL "-i e.mp4", 65, "e.mp4", 0 },
    { NULL, EDIT MODEL "-i /dev/null", 65, "/dev/null", 0 },
    { NULL, EDIT MODEL "-i /dev/zero", 65, "/dev/zero", 0 },
    { "ln -s a.mp4 b.mp4; ln -s b.mp4 a.mp4", EDIT MODEL "-i a.mp4", 66, "symbolic links .*a.mp4", 0 },
    { "mkdir d; cp ../clip.mp4 d; chmod 0 d/clip.mp4", EDIT MODEL "-i d/clip.mp4", 66, "clip.mp4.*(right|permission)", M_NOBODY },
    { NULL, EDIT MODEL CLIP "--ss 100", 78, "input.ss", 0 },
    { NULL, EDIT MODEL "-i ../model/unet/config.json", 65, "config.json", 0 },
    { NULL, EDIT MODEL "-i ../done.job", 65, "done.job", 0 },

    /* sizes */
    { NULL, EDIT CLIP MODEL "--set size.width=16385", 78, "choose 0 to 16384", 0 },
    { NULL, EDIT CLIP MODEL "--set size.width=16384 --set size.height=16384 --set run.memory=100M", 78, "run.memory.*raise", M_FILES },
    { NULL, EDIT CLIP MODEL "--set size.width=16384 --set size.height=16384", 1, "out of memory.*lower the frame size", M_LITTLE | M_FILES },
    { NULL, EDIT CLIP MODEL "--set run.memory=1K", 78, "run.memory", 0 },

    /* output */
    { NULL, EDIT CLIP MODEL "-o nowhere/o.mp4", 73, "no such folder.*nowhere", 0 },
    { NULL, EDIT CLIP MODEL "-o o.txt", 78, "o.txt", 0 },
    { NULL, EDIT CLIP MODEL "-o o", 78, "/o .*end the name in .mp4", 0 },
    { NULL, EDIT CLIP MODEL "-o o.avi", 78, "o.avi", 0 },
    { NULL, EDIT CLIP MODEL "-o o.png", 78, "o.png", 0 },
    { NULL, EDIT CLIP MODEL "-o ../clip.mp4", 78, "would replace the input", 0 },
    { "ln -s ../clip.mp4 c.mp4", EDIT CLIP MODEL "-o c.mp4", 78, "would replace the input", 0 },
    { "ln ../clip.mp4 c.mp4", EDIT MODEL "-i c.mp4 -o ../clip.mp4", 78, "would replace the input", 0 },
    { "mkdir o.mp4", EDIT CLIP MODEL "-o o.mp4", 73, "is a folder.*o.mp4.*name a file", 0 },
    { "put f ''", EDIT CLIP MODEL "-o f/o.mp4", 73, "/f[/)]", 0 },
    { "mkdir d; chmod 555 d", EDIT CLIP MODEL "-o d/o.mp4", 73, "/d[/)].*(right|folder)", M_NOBODY },
    { NULL, EDIT CLIP MODEL "-o /proc/o.mp4", 73, "/proc", 0 },
    { NULL, EDIT CLIP MODEL "-o /dev/null", 73, "a device.*/dev/null|denied ./dev", 0 },
    { "mkfifo o.mp4", EDIT CLIP MODEL "-o o.mp4", 73, "a pipe.*o.mp4.*name a file", 0 },
    { NULL, EDIT CLIP MODEL "--codec magic", 78, "magic .output.codec.*use", 0 },
    { NULL, EDIT CLIP MODEL "--codec ''", 78, "codec", 0 },
    { NULL, EDIT CLIP MODEL "--codec aac", 78, "codec", 0 },
    { NULL, EDIT CLIP MODEL "--codec ffv1 -o o.mp4", 78, "ffv1", 0 },
    { NULL, EDIT CLIP MODEL "--crf 60", 78, "crf", 0 },
    { NULL, EDIT CLIP MODEL "--set output.pix_fmt=odd", 78, "pix_fmt", 0 },
    { NULL, EDIT CLIP MODEL "--set output.pix_fmt=", 78, "pix_fmt", 0 },
    { NULL, EDIT CLIP MODEL "--set output.pix_fmt=rgb24", 78, "pix_fmt", 0 },
    { NULL, EDIT CLIP MODEL "--set output.preset=warp", 78, "preset.*warp", 0 },
    { "\"$LONGTAKE\" synth -q --seed 1 --frames 1 --size 65x49 -o odd.mp4", EDIT MODEL "-i odd.mp4", 78, "output.pix_fmt.*yuv444p", 0 },

    /* scratch, disk */
    { NULL, EDIT CLIP MODEL "-o small/o.mp4", 73, "needs about .* are free .*small.*make room", M_TMPFS | M_FILES },
    { NULL, "synth -q --seed 1 --size 256x256 --frames 60 --codec ffv1 -o small/o.mkv", 75, "small.*(space|room|full)", M_TMPFS },
    { NULL, "preview -q --at 0 -o nowhere/p.png" QUICK PROMPT CLIP MODEL, 73, "nowhere", 0 },
    { "mkdir p.png", "preview -q --at 0 -o p.png" QUICK PROMPT CLIP MODEL, 73, "p.png", 0 },
    { NULL, "preview -q --at 0 -o ../clip.mp4" QUICK PROMPT CLIP MODEL, 78, "(replace|png)", 0 },
    { NULL, "preview -q --at 0 -o p.jpg" QUICK PROMPT CLIP MODEL, 78, "p.jpg.*png", 0 },
    { 0 }
};
/* clang-format on */
