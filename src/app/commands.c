#include "app/app.h"

/* clang-format off */
static const char *const edit_examples[] = {
    "longtake edit -i clip.mp4 --model models/sd15 --prompt \"a silver robot\"",
    "longtake edit configs/draft.yaml -i clip.mp4 --model models/sd15 --prompt \"...\"",
    "longtake edit job.yaml --set attention.slim=shared --seed 7 -o robot.mp4",
    "longtake edit job.yaml --mask masks/ --set mask.dilate=6 --set mask.feather=12",
    "mpirun -n 8 longtake edit job.yaml      (stop it with kill -USR1 of mpirun)",
    NULL
};
static const char *const resume_examples[] = { "longtake resume clip.edited.job", NULL };
static const char *const plan_examples[] = {
    "longtake plan -i clip.mp4 --model models/sd15 --prompt \"a silver robot\"",
    "mpirun -n 8 longtake plan job.yaml --json", NULL
};
static const char *const status_examples[] = { "longtake status clip.edited.job", NULL };
static const char *const report_examples[] = {
    "longtake report clip.edited.job",
    "longtake report clip.edited.job --film side.mp4 --sheet sheet.jpg", NULL
};
static const char *const verify_examples[] = { "longtake verify clip.edited.job", NULL };
static const char *const preview_examples[] = {
    "longtake preview -i clip.mp4 --model models/sd15 --prompt \"a robot\" --at 3.5",
    "longtake preview job.yaml --at 00:12:30 --compare -o look.png", NULL
};
static const char *const eval_examples[] = {
    "longtake eval edited.mp4 --truth truth.mp4 --source clip.mp4 --mask mask.mkv",
    "longtake eval edited.mp4 --source clip.mp4 --json      (real footage)",
    "longtake eval edited.mp4 --source clip.mp4 --job edited.job   (for its report)",
    "longtake eval edited.mp4 --seed 7 --edit colour=blue   (a clip of synth --seed 7)",
    "longtake eval --suite LIST.json --model models/sd15 -o results.csv", NULL
};
static const char *const synth_examples[] = {
    "longtake synth --seed 7 --size 256x256 --frames 96 -o ball.mp4",
    "longtake synth --seed 7 --edit colour=blue --truth blue.mp4 --captions ball.json",
    "longtake synth scene.yaml --codec ffv1 -o ball.mkv --mask mask.mkv --flow flow.h5",
    NULL
};
static const char *const models_examples[] = {
    "longtake models list", "longtake models list /data/models",
    "longtake models verify models/sd15",
    "longtake models check models/sd15 --golden sd15.safetensors --dtype bf16",
    "longtake models convert sd15.ckpt sd15.safetensors", NULL
};
static const char *const bench_examples[] = {
    "longtake bench", "longtake bench --model models/sd15 --csv", NULL
};
static const char *const doctor_examples[] = {
    "longtake doctor", "longtake doctor --json", NULL
};

const lt_command lt_commands[] = {
    { "edit", LT_CMD_EDIT, "[JOB.yaml]", "edit a video, or continue where a job stands",
      edit_examples,
      "The work lives in a job folder, safe against kill -9: the same command continues\n"
      "it. SIGTERM, SIGINT and SIGUSR1 stop it within a unit of work, with exit code 75\n"
      "and nothing lost. mpirun kills its processes a second after TERM or Ctrl-C but\n"
      "forwards USR1; srun forwards both.\n"
      "Values: defaults, then JOB.yaml, then options and --set in the order given.\n",
      0, 1, 1, lt_cmd_edit },
    { "resume", LT_CMD_RESUME, "DIR", "continue a job from its folder alone",
      resume_examples, "", 1, 1, 0, lt_cmd_resume },
    { "plan", LT_CMD_PLAN, "[JOB.yaml]", "check a job and estimate time, memory, disk",
      plan_examples,
      "Checks what edit would check, times the kernels for some seconds, runs nothing.\n"
      "Start it with as many processes and threads as the edit will have.\n",
      0, 1, 1, lt_cmd_plan },
    { "status", LT_CMD_STATUS, "DIR", "how far a job is, and what is left",
      status_examples,
      "Also rewrites index.h5 of the folder when no run holds it.\n",
      1, 1, 0, lt_cmd_status },
    { "report", LT_CMD_REPORT, "DIR", "a page about a job: films, clips, time, memory",
      report_examples,
      "Writes report/report.html in the folder: one file that needs no network, with the\n"
      "films, the clips, what matching and slimming did, time and memory a rank, and how\n"
      "to make it again; of a job that is not finished, what there is. Figures and curves\n"
      "are shown when `longtake eval ... --job DIR` has left them in the folder.\n",
      1, 1, 0, lt_cmd_report },
    { "verify", LT_CMD_VERIFY, "DIR", "re-read and re-hash everything a job has stored",
      verify_examples,
      "Exit code 65 when something is damaged; every damaged file is named.\n",
      1, 1, 0, lt_cmd_verify },
    { "preview", LT_CMD_PREVIEW, "[JOB.yaml]", "one edited frame as PNG",
      preview_examples,
      "Edits the frame alone, at the working size: quick, but neighbours are not seen.\n",
      0, 1, 1, lt_cmd_preview },
    { "eval", LT_CMD_EVAL, "[EDITED]", "how good an edit is, in figures",
      eval_examples,
      "PSNR, SSIM, multi-scale SSIM to the truth, warp error, flicker, drift, strength;\n"
      "each overall, inside and outside the mask where that makes sense. With the scene\n"
      "of a clip of `longtake synth` also whether the edit is the one that was asked for.\n"
      "Without a truth: what outside the mask is still the source, and warp error along\n"
      "motion that is estimated on the source. docs/metrics.md has the formulas.\n"
      "A suite is a list of films, prompts, masks and settings (docs/formats.md), or a\n"
      "folder of LongV-EVAL or FiVE-Bench. The same command continues it; an entry that\n"
      "fails does not stop the others, and the exit code at the end is its.\n",
      0, 1, 0, lt_cmd_eval },
    { "synth", LT_CMD_SYNTH, "[SCENE.yaml]", "render a demo clip with its ground truth",
      synth_examples,
      "SCENE.yaml has lines `key: value`; what is not there is drawn from the seed:\n"
      "  shape     ball cube star heart fish car mushroom butterfly\n"
      "  colour    red orange yellow green blue purple white black\n"
      "  material  plain striped chequered metal furry\n"
      "  place     meadow desert sea snow city brick forest beach\n"
      "  time      morning noon sunset night (the city: night)\n"
      "  style     plain sketch sepia watercolour mosaic\n"
      "  weather   clear rain snowfall fog\n"
      "  second (a shape or none) second_colour second_material front (none post bush)\n"
      "  shot_frames places_vary size speed spin pan zoom shake rate seed\n"
      "The first seven are factors of --edit. Equal requests give equal bytes. Memory\n"
      "does not grow with the length. The sound is a tone with a tick every second.\n",
      0, 1, 0, lt_cmd_synth },
    { "models", LT_CMD_MODELS, "list|verify|check|convert",
      "find, verify, check and convert models",
      models_examples,
      "list [DIR...]  models in these folders, or in those of $LONGTAKE_MODELS (colons\n"
      "               between), ./models and the Hugging Face cache ($HF_HUB_CACHE)\n"
      "verify DIR     read every file, tensor and value; print the hashes\n"
      "check DIR --golden FILE   run them on stored inputs and compare the outputs\n"
      "convert IN OUT make a safetensors file of a .ckpt, .pth or .bin file of torch.save;\n"
      "               nothing in it is executed, names and precision are kept\n",
      1, 64, 0, lt_cmd_models },
    { "bench", LT_CMD_BENCH, "", "how fast this machine is, and how near its limits",
      bench_examples,
      "Times the main operations at the sizes of SD 1.5, about 20 seconds, and with\n"
      "--model one evaluation of its UNet, VAE and text encoder at their own size. The\n"
      "roof is measured in the same run: multiply-adds in registers, and a triad over\n"
      "main memory; what fits a cache may exceed the latter. Other programs that run\n"
      "meanwhile spoil the figures.\n",
      0, 0, 0, lt_cmd_bench },
    { "doctor", LT_CMD_DOCTOR, "", "what this machine has and lacks for longtake",
      doctor_examples, "", 0, 0, 0, lt_cmd_doctor },
    { 0 }
};
/* clang-format on */
