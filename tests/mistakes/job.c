/* Job folders: of another job, damaged, half gone, in the way. */
#include <stddef.h>

#include "mistakes/mistakes.h"

#define COPY  "cp -a ../done.job j.job"
#define AGAIN "edit -q" QUICK PROMPT CLIP MODEL "--method frame -o ../done.mp4 "
/* All sums made right again after a change of the head would need the program: the rows on
 * versions take both lists away and leave one line whose sum is right by construction. */

/* clang-format off */
const mistake mistakes_job[] = {
    { NULL, "status -q ../done.job", 0, "^$", M_FILES },
    { COPY, "verify -q j.job", 0, "^$", 0 },
    { NULL, "resume nowhere.job", 66, "no such job folder.*nowhere.job.*check", 0 },
    { NULL, "status nowhere.job", 66, "no such job folder", 0 },
    { NULL, "verify nowhere.job", 66, "no such job folder", 0 },
    { "mkdir j.job", "resume j.job", 66, "no job in this folder", 0 },
    { "mkdir j.job", "status j.job", 66, "no job in this folder", 0 },
    { "mkdir j.job", "verify j.job", 66, "no job in this folder", 0 },
    { "put j.job 'a file'", "resume j.job", 66, "j.job", 0 },
    { "put j.job 'a file'", "verify j.job", 66, "j.job", 0 },
    { "put j.job 'a file'", "edit -q" QUICK CLIP MODEL "--job j.job -o o.mp4", 73, "j.job", 0 },
    { "put f ''", "edit -q" QUICK CLIP MODEL "--job f/j.job -o o.mp4", 73, "/f[/)]", 0 },
    { "mkdir j.job; put j.job/mine 'mine'", "edit -q" QUICK CLIP MODEL "--job j.job -o o.mp4", 73, "not a job folder", 0 },
    { "mkdir j.job; put j.job/mine 'mine'", "edit -q --fresh" QUICK CLIP MODEL "--job j.job -o o.mp4", 73, "not a job folder", 0 },
    { "ln -s j.job j.job", "edit -q" QUICK CLIP MODEL "--job j.job -o o.mp4", 73, "j.job", 0 },
    { "ln -s j.job j.job", "status j.job", 66, "j.job", 0 },
    { NULL, "edit -q" QUICK CLIP MODEL "--job /proc/j.job -o o.mp4", 73, "/proc", 0 },
    { "mkdir d; chmod 555 d", "edit -q" QUICK CLIP MODEL "--job d/j.job -o o.mp4", 73, "/d[/)]", M_NOBODY },
    { "cp -a ../done.job j.job; chmod -R a-w j.job; sed 's/done.mp4/case\\/o.mp4/' j.job/job.yaml >j.yaml", "edit -q j.yaml --job j.job", 73, "j.job", M_NOBODY },
    { "cp -a ../done.job j.job; chmod 0 j.job", "status j.job", 66, "j.job.*check the rights", M_NOBODY },

    /* of another job */
    { NULL, AGAIN "--seed 2", 78, "sampler.seed was 1 and is now 2.*--fresh.*another --job", 0 },
    { NULL, AGAIN "--prompt 'a cat'", 78, "prompt.edit was.*--fresh", 0 },
    { NULL, AGAIN "--method adaflow", 78, "method.name was frame and is now adaflow", 0 },
    { NULL, AGAIN "--ss 0.1", 78, "input.ss", 0 },
    { NULL, AGAIN "--set size.max_pixels=1024", 78, "size.max_pixels", 0 },
    { "$LONGTAKE synth -q --seed 4 --frames 6 --size 64x48 -o c.mp4", AGAIN "-i c.mp4", 78, "input video.*other content.*--fresh", 0 },
    { "m; sub m/scheduler/scheduler_config.json 's/0.012/0.013/'; same m/scheduler/scheduler_config.json", AGAIN "--model m", 78, "the model is not the one.*--fresh", 0 },
    { NULL, AGAIN "--set run.cpu_path=ref", 78, "run.cpu_path.*--allow-path-change", 0 },
    { "cp ../done.job/job.yaml .", "edit -q job.yaml --model nowhere -o o.mp4", 66, "nowhere", 0 },
    { "cp ../done.job/job.yaml .; sed -i 's/input_sha256: \"./input_sha256: \"x/' job.yaml", "edit -q job.yaml -o o.mp4", 78, "input video.*job.input_sha256", 0 },
    { "cp ../done.job/job.yaml .; sed -i 's/model_sha256: \"./model_sha256: \"x/' job.yaml", "edit -q job.yaml -o o.mp4", 78, "the model.*job.model_sha256", 0 },

    /* its files gone or damaged */
    { COPY "; rm j.job/job.yaml", "resume -q j.job", 66, "job.yaml", 0 },
    { COPY "; : >j.job/job.yaml", "resume -q j.job", 65, "job.yaml", 0 },
    { COPY "; sed -i s/sampler/simpler/ j.job/job.yaml", "resume -q j.job", 65, "job.yaml", 0 },
    { COPY "; sed -i s/sampler/simpler/ j.job/job.yaml", "status j.job", 65, "job.yaml", M_FILES },
    { COPY "; rm j.job/manifest* j.job/journal*", "resume j.job", 66, "no job in this folder", 0 },
    { COPY "; for f in j.job/manifest* j.job/journal*; do : >$f; done", "resume -q j.job", 65, "--fresh", 0 },
    { COPY "; for f in j.job/manifest* j.job/journal*; do echo x >$f; done", "resume -q j.job", 65, "--fresh", 0 },
    { COPY "; for f in j.job/manifest* j.job/journal*; do head -c 9000 /dev/urandom >$f; done", "status j.job", 65, "--fresh", 0 },
    { COPY "; for f in j.job/manifest* j.job/journal*; do rm $f; mkdir $f; done", "resume -q j.job", 65, "j.job", 0 },
    { COPY "; for f in j.job/manifest* j.job/journal*; do rm $f; mkfifo $f; done", "status j.job", 65, "j.job", 0 },
    { COPY "; rm j.job/log/metrics.jsonl; mkfifo j.job/log/metrics.jsonl", "status -q j.job", 0, "^$", M_FILES },
    { COPY "; rm j.job/lock; mkdir j.job/lock", "resume -q j.job", 73, "lock", 0 },
    { COPY "; rm j.job/shards/*", "verify j.job", 65, "missing or damaged.*resume", M_OUT },
    { COPY "; rm j.job/index.h5", "verify j.job", 65, "1 files are missing or damaged", M_OUT },
    { COPY "; f=$(ls j.job/shards/*edit*.h5 | head -1); printf x | dd of=$f bs=1 seek=3000 conv=notrunc status=none", "verify j.job", 65, "1 files are missing or damaged.*resume", M_OUT },
    { COPY "; f=$(ls j.job/shards/*edit*.h5 | head -1); truncate -s 100 $f", "verify j.job --json", 65, "1 files are missing or damaged", M_OUT },
    { COPY "; f=$(ls j.job/shards/*edit*.h5 | head -1); rm $f; mkfifo $f", "verify j.job", 65, "1 files are missing or damaged", M_OUT },
    { COPY "; f=$(ls j.job/shards/*edit*.h5 | head -1); rm $f; ln -s $(basename $f) $f", "verify j.job", 65, "1 files are missing or damaged", M_OUT },
    { COPY "; rm -r j.job/shards", "verify j.job", 65, "missing or damaged", M_OUT },
    { COPY "; rm -r j.job/shards; : >j.job/shards", "resume -q j.job", 73, "shards", M_FILES },
    { 0 }
};
/* clang-format on */
