# Figures of the runs, for groups of scenes and every setting: one row a figure.
#   n            scenes that both this setting and the reference have finished; of the
#                suite main: that all methods have
#   mean, median over these scenes
#   difference   mean of this setting's figure less the reference's on the same scene
#   median_difference
#   better, worse  scenes in which this setting beats the reference, or loses to it
# Times are of the runs that went through without a stop.
function add_figure(name, sense) { figure[++figures] = name; direction[name] = sense }
function value(row, name,    v) {
    if (name == "warp_excess") return value_less(row, "warp_error", "warp_error_truth")
    if (name == "strength_ratio") {
        v = cell[row, "strength_truth"]
        return v + 0 > 0 && cell[row, "strength"] != "" ? cell[row, "strength"] / v : ""
    }
    if (name == "cpu_seconds" && cell[row, "whole"] != "yes") return ""
    v = cell[row, name]
    return v == "inf" || v == "nan" ? "" : v
}
function value_less(row, a, b) {
    a = cell[row, a]; b = cell[row, b]
    return a == "" || b == "" ? "" : a - b
}
# What a setting is compared with: adaflow-256 with frame-256, ablations with base.
function reference_of(s) {
    if (reference != "frame") return reference
    sub(/^[a-z]+/, "frame", s)
    return s in seen ? s : reference
}
function member(row, group) {
    return group == "all" || group == cell[row, "class"] || group == cell[row, "length"] ||
        group == cell[row, "kind"]
}
function median(list, n,    i, j, t) {
    for (i = 2; i <= n; i++)
        for (j = i; j > 1 && list[j - 1] > list[j]; j--) {
            t = list[j]; list[j] = list[j - 1]; list[j - 1] = t
        }
    return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}
function magnitude(x) { return x < 0 ? -x : x }
# How good v is, more is better.
function worth(name, v) {
    if (direction[name] == 2) return -magnitude(v - 1)
    return direction[name] > 0 ? v + 0 : -v
}
function sum_up(group, s, name,    i, row, other, v, w, n, sum, sum_d, all, d, wins, losses) {
    n = wins = losses = 0
    for (i = 1; i <= scenes; i++) {
        row = at[scene[i], s]; other = at[scene[i], reference_of(s)]
        if (!row || !other || !member(row, group) || !complete[scene[i]]) continue
        v = value(row, name); w = value(other, name)
        if (name == "clips" && w == "") w = v # other methods have none
        if (v == "" || w == "") continue
        if (direction[name] == 0) { v = magnitude(v); w = magnitude(w) }
        all[++n] = v + 0; d[n] = v - w
        sum += v; sum_d += v - w
        if (worth(name, v) > worth(name, w)) wins++
        if (worth(name, v) < worth(name, w)) losses++
    }
    if (!n) return
    printf "%s,%s,%s,%d,%.6g,%.6g,%.6g,", group, s, name, n, sum / n, median(all, n), sum_d / n
    printf "%.6g,%d,%d\n", median(d, n), wins, losses
}
BEGIN { # 1: more is better; -1: less; 0: nearer to 0; 2: nearer to 1
    add_figure("psnr", 1); add_figure("psnr_inside", 1); add_figure("psnr_outside", 1)
    add_figure("ssim", 1); add_figure("ssim_inside", 1); add_figure("ssim_outside", 1)
    add_figure("accuracy", 1); add_figure("warp_error", -1); add_figure("warp_excess", 0)
    add_figure("warp_error_inside", -1); add_figure("warp_error_outside", -1)
    add_figure("flicker", -1); add_figure("drift", -1); add_figure("drift_psnr", 0)
    add_figure("strength_ratio", 2); add_figure("psnr_at_cuts", 1)
    add_figure("psnr_elsewhere", 1); add_figure("clips", -1); add_figure("cpu_seconds", -1)
    groups = split("all fg bg st short long plain cuts occluded", group, " ")
}
NR == 1 { for (i = 1; i <= NF; i++) name_of[i] = $i; columns = NF; next }
{
    for (i = 1; i <= columns; i++) cell[NR, name_of[i]] = $i
    s = cell[NR, "setting"]; c = cell[NR, "scene"]
    if (!(s in seen)) { seen[s] = 1; setting[++settings] = s }
    if (!(c in seen_scene)) { seen_scene[c] = 1; scene[++scenes] = c }
    at[c, s] = NR
}
END {
    for (i = 1; i <= scenes; i++) {
        complete[scene[i]] = 1
        for (k = 1; k <= settings && cell[2, "suite"] == "main"; k++)
            if (!at[scene[i], setting[k]]) complete[scene[i]] = 0
    }
    print "group,setting,figure,n,mean,median,difference,median_difference,better,worse"
    for (g = 1; g <= groups; g++)
        for (k = 1; k <= settings; k++)
            for (f = 1; f <= figures; f++) sum_up(group[g], setting[k], figure[f])
}
