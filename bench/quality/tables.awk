# The tables of README.md, from a summary.
function cells(list,    part) { return split(list, part, " ") }
function show(g, s, f, what,    v) {
    if (f == "strength_ratio" && what == "mean") what = "median"
    v = value[g, s, f, what]
    if (v == "") return "-"
    if (f == "clips" || f == "cpu_seconds") return sprintf("%.0f", v)
    return sprintf(f ~ /^(accuracy|ssim|warp|strength)/ ? "%.3f" : "%.2f", v)
}
function line(first, rest) { printf "| %s |%s\n", first, rest }
function head(first, list,    i, n, name, rule) {
    n = split(list, name, " ")
    out = ""; rule = ""
    for (i = 1; i <= n; i++) { out = out " " (name[i] in long ? long[name[i]] : name[i]) " |"; rule = rule "---|" }
    line(first, out)
    print "|---|" rule
}
function main_rows(    i, n, f, s, k, out) {
    head("mean of " count["all", "frame"] " scenes (better than frame / worse)", \
        "frame tokenflow adaflow adaflow-neighbours")
    n = split("psnr psnr_inside psnr_outside ssim accuracy warp_error warp_excess warp_error_inside warp_error_outside flicker drift drift_psnr strength_ratio psnr_at_cuts cpu_seconds", f, " ")
    split("frame tokenflow adaflow adaflow-neighbours", s, " ")
    for (i = 1; i <= n; i++) {
        out = ""
        for (k = 1; k <= 4; k++) {
            out = out " " show("all", s[k], f[i], "mean")
            if (k > 1 && (("all", s[k], f[i], "better") in value))
                out = out " (" value["all", s[k], f[i], "better"] "/" value["all", s[k], f[i], "worse"] ")"
            out = out " |"
        }
        line(long[f[i]], out)
    }
    print ""
    head("adaflow / adaflow-neighbours, less frame, mean", "n psnr accuracy warp_error warp_error_inside warp_error_outside flicker drift")
    n = split("fg bg st short long plain cuts occluded", f, " ")
    for (i = 1; i <= n; i++) {
        out = " " (count[f[i], "adaflow"] + 0) " |"
        for (k = 1; k <= 7; k++)
            out = out " " show(f[i], "adaflow", part_of(k), "difference") " / " \
                show(f[i], "adaflow-neighbours", part_of(k), "difference") " |"
        line(long[f[i]], out)
    }
}
function part_of(k,    f) { split("psnr accuracy warp_error warp_error_inside warp_error_outside flicker drift", f, " "); return f[k] }
# The reference on the same scenes, and the setting.
function beside(g, s, f,    v, d) {
    v = value[g, s, f, "mean"]; d = value[g, s, f, "difference"]
    if (v == "" || d == "") return "-"
    value[g, s, f, "other"] = v - d
    return show(g, s, f, "other") " / " show(g, s, f, "mean")
}
function why_rows(    i, k, f, out, s) {
    head("mean, frame / adaflow", "n psnr accuracy warp_error warp_error_inside warp_error_outside flicker drift")
    for (i = 1; i <= settings; i++) {
        s = setting[i]
        if (s !~ /^adaflow/) continue
        out = " " (count["all", s] + 0) " |"
        split("psnr accuracy warp_error warp_error_inside warp_error_outside flicker drift", f, " ")
        for (k = 1; k <= 7; k++)
            out = out " " beside("all", s, f[k]) " |"
        line(s == "adaflow" ? "as above" : substr(s, 9), out)
    }
}
function ablation_rows(    i, k, n, m, f, out, s) {
    m = split("psnr ssim accuracy warp_error flicker drift psnr_at_cuts clips cpu_seconds", f, " ")
    head("setting, mean (difference to base on the same scenes)", "n psnr ssim accuracy warp_error flicker drift psnr_at_cuts clips cpu_seconds")
    for (i = 1; i <= settings; i++) {
        s = setting[i]; out = " " count["all", s] " |"
        for (k = 1; k <= m; k++) {
            out = out " " show("all", s, f[k], "mean")
            if (s != "base" && (("all", s, f[k], "difference") in value))
                out = out " (" (value["all", s, f[k], "difference"] >= 0 ? "+" : "") \
                    show("all", s, f[k], "difference") ")"
            out = out " |"
        }
        line(s, out)
    }
}
BEGIN {
    long["psnr"] = "PSNR [dB]"; long["psnr_inside"] = "PSNR inside [dB]"
    long["psnr_outside"] = "PSNR outside [dB]"; long["ssim"] = "SSIM"
    long["warp_error"] = "warp error"; long["warp_excess"] = "warp error less the truth's"
    long["warp_error_inside"] = "warp error inside"
    long["warp_error_outside"] = "warp error outside"
    long["drift_psnr"] = "drift in PSNR, size [dB]"; long["strength_ratio"] = "strength / the truth's, median"
    long["psnr_at_cuts"] = "PSNR beside cuts [dB]"; long["cpu_seconds"] = "processor seconds"
    long["fg"] = "foreground"; long["bg"] = "background"; long["st"] = "style"
    split("accuracy flicker drift short plain cuts occluded clips n frame tokenflow adaflow adaflow-neighbours", same, " ")
    for (i in same) long[same[i]] = same[i]
    long["long"] = "long"
}
NR == 1 { for (i = 1; i <= NF; i++) name_of[i] = $i; next }
{
    for (i = 5; i <= NF; i++) value[$1, $2, $3, name_of[i]] = $i
    if ($4 > count[$1, $2]) count[$1, $2] = $4
    if (!($2 in seen)) { seen[$2] = 1; setting[++settings] = $2 }
}
END {
    print ""
    if (suite == "main") main_rows()
    else if (suite == "why") why_rows()
    else ablation_rows()
    print ""
    print "From [`" file "`](../results/" file ") by `summary.sh`; picture: [`" \
        substr(file, 1, length(file) - 4) ".svg`](../results/" substr(file, 1, length(file) - 4) ".svg)."
    print ""
}
