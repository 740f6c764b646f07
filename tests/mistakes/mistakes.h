#ifndef LT_TESTS_MISTAKES_H
#define LT_TESTS_MISTAKES_H

/* A table of what users get wrong, and what the program must say. A row is run in an empty
 * folder of its own; `make` (a shell command; prelude in run.c) puts the input there, and
 * beside that folder lie clip.mp4 (6 frames of 64x48), model (golden sd15-tiny) and
 * done.job (a finished job that made done.mp4).
 *
 * Of every row is checked: the exit code; exactly one error message, in at most three
 * lines, matching `says`; no line that is not ours, no place in the source, no bare text
 * of the operating system or of a library at the end; nothing on stdout; no file made,
 * changed or left; the time; and the peak memory: what the program needs without any work,
 * and for rows that name a model what `plan` says beside it. */

typedef struct mistake {
    const char *make; /* NULL: nothing is made */
    const char *args; /* the words of the command line; quote with ' */
    int code;         /* exit code; 0: no message is looked for, `says` is of stderr */
    const char *says; /* extended regular expression */
    unsigned flags;   /* enum below */
} mistake;

enum {
    M_OUT = 1,       /* may print results (verify of damaged files) */
    M_FILES = 2,     /* leaves files on purpose (a job that has begun) */
    M_NOBODY = 4,    /* needs a user whom permissions hold back; root becomes nobody */
    M_LITTLE = 8,    /* with 1 GiB of address space: out of memory */
    M_TMPFS = 16,    /* needs a small file system, mounted at `small`: root */
    M_FULL_OUT = 32, /* stdout is /dev/full */
    M_NO_AMX = 64    /* needs a CPU without AMX */
};

/* A group is a file; rows end with a NULL args. */
typedef struct mistake_group {
    const char *name;
    const mistake *rows;
} mistake_group;
extern const mistake mistakes_usage[], mistakes_config[], mistakes_media[],
    mistakes_weights[], mistakes_model[], mistakes_job[], mistakes_mask[],
    mistakes_tools[];

/* Run one row; what is wrong is printed. Skipped: it cannot be tried here. */
typedef enum mistake_result {
    MISTAKE_RIGHT,
    MISTAKE_WRONG,
    MISTAKE_SKIPPED
} mistake_result;
mistake_result mistake_run(const mistake *m);
/* Two signals, for which no row can be written. Returns what is wrong. */
int mistake_stops(const char *program);
/* Make the folder with clip.mp4, model and done.job. */
void mistake_begin(const char *program, const char *golden);
void mistake_end(void);

/* The quick settings: two steps, one feature pass; two threads, so that memory is the same
 * on large machines. */
#define QUICK                                                                           \
    " --set sampler.steps=2 --set sampler.inversion_steps=2 --set features.ensemble=1 " \
    "--threads 2 "
#define CLIP   " -i ../clip.mp4 "
#define MODEL  " --model ../model "
#define PROMPT " --prompt 'a dog' "
#define EDIT   "edit -q" QUICK PROMPT

#endif
