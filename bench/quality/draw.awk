# A picture of a table of run.sh: a panel a figure, a row a setting, a dot a scene, a bar
# at the median. SVG.
function value(row, name,    v) {
    if (name == "warp_excess") {
        if (cell[row, "warp_error"] == "" || cell[row, "warp_error_truth"] == "") return ""
        return cell[row, "warp_error"] - cell[row, "warp_error_truth"]
    }
    if (name == "cpu_seconds" && cell[row, "whole"] != "yes") return ""
    v = cell[row, name]
    return v == "inf" || v == "nan" ? "" : v
}
function sort(list, n,    i, j, t) {
    for (i = 2; i <= n; i++)
        for (j = i; j > 1 && list[j - 1] > list[j]; j--) {
            t = list[j]; list[j] = list[j - 1]; list[j - 1] = t
        }
}
# A step of 1, 2 or 5 that divides `width` in about four.
function nice(width,    p, k) {
    p = 10 ^ int(log(width / 4) / log(10) - (width < 4 ? 1 : 0))
    for (k = 1; k <= 3; k++) {
        if (p * (k == 1 ? 1 : k == 2 ? 2 : 5) >= width / 5)
            return p * (k == 1 ? 1 : k == 2 ? 2 : 5)
    }
    return 10 * p
}
function text(x, y, anchor, size, s) {
    printf "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" font-size=\"%d\">%s</text>\n", \
        x, y, anchor, size, s
}
function place(v) {
    v = (v - low) / (high - low)
    return left + (v < 0 ? 0 : v > 1 ? 1 : v) * width
}
# Axis of a panel: from the least to the 98th of hundred values.
function find_range(name,    i, n, all, v, step) {
    n = 0
    for (i = 2; i <= NR; i++) if ((v = value(i, name)) != "") all[++n] = v + 0
    if (!n) return 0
    sort(all, n)
    low = all[1]; high = all[1 + int((n - 1) * 0.98 + 0.999)]
    if (low > 0 && low < high / 2) low = 0
    if (high <= low) high = low + 1
    step = nice(high - low)
    low = step * int(low / step - (low < 0)); high = step * int(high / step + 0.999)
    return step
}
function panel(name, title, x, y,    step, v, i, k, n, list, row, py, t) {
    left = x; step = find_range(name)
    if (!step) return
    text(x, y - 8, "start", 13, title)
    for (t = low; t <= high + step / 2; t += step) {
        printf "<path d=\"M%.1f %.1fV%.1f\" stroke=\"#ddd\"/>\n", place(t), y, y + rows * settings
        text(place(t), y + rows * settings + 13, "middle", 10, sprintf("%.4g", t + 0))
    }
    for (k = 1; k <= settings; k++) {
        py = y + rows * (k - 0.5); n = 0
        for (i = 1; i <= scenes; i++) {
            row = at[scene[i], setting[k]]
            if (!row || (v = value(row, name)) == "") continue
            list[++n] = v + 0
            printf "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\" class=\"%s\"/>\n", place(v), \
                py + (i % 5 - 2) * rows / 12, cell[row, "class"]
        }
        if (!n) continue
        sort(list, n)
        v = n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
        printf "<path d=\"M%.1f %.1fV%.1f\" stroke=\"#000\" stroke-width=\"2.5\"/>\n", place(v), \
            py - rows * 0.4, py + rows * 0.4
    }
}
NR == 1 { for (i = 1; i <= NF; i++) name_of[i] = $i; next }
{
    for (i = 1; i <= NF; i++) cell[NR, name_of[i]] = $i
    s = cell[NR, "setting"]; c = cell[NR, "scene"]
    if (!(s in seen)) { seen[s] = 1; setting[++settings] = s }
    if (!(c in seen_scene)) { seen_scene[c] = 1; scene[++scenes] = c }
    at[c, s] = NR
}
END {
    rows = settings > 5 ? 18 : 30; width = 215; label = 105; gap = 40
    high_panel = rows * settings + 60
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" ", \
        label + 3 * (width + gap), 2 * high_panel + 30
    print "font-family=\"sans-serif\" fill=\"#222\">"
    print "<style>.fg{fill:#c33}.bg{fill:#27a}.st{fill:#3a3}circle{fill-opacity:.55}</style>"
    print "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>"
    for (r = 0; r < 2; r++)
        for (k = 1; k <= settings; k++)
            text(label - 8, 36 + r * high_panel + rows * (k - 0.5) + 4, "end", 11, setting[k])
    split("psnr accuracy warp_excess flicker drift cpu_seconds", figure, " ")
    split("PSNR [dB]|accuracy|warp error less the truth's|flicker|drift|processor seconds", \
        title, "|")
    for (f = 1; f <= 6; f++)
        panel(figure[f], title[f], label + (f - 1) % 3 * (width + gap), \
            36 + int((f - 1) / 3) * high_panel)
    y = 2 * high_panel + 12
    text(label, y, "start", 11, "a dot a scene: <tspan fill=\"#c33\">foreground</tspan> " \
        "<tspan fill=\"#27a\">background</tspan> <tspan fill=\"#3a3\">style</tspan>; " \
        "bar: median of " scenes " scenes; the farthest 2 % stand at the edge")
    print "</svg>"
}
