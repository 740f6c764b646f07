#!/bin/bash
# A matrix of clips as phones, cameras and screen recorders make them. Each is edited by
# two methods; what ffprobe finds in the result is compared with what it finds in the
# source: times of all frames, size, aspect, rotation, colour tags, streams, languages,
# chapters, titles, and every packet of sound and subtitles.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
command -v ffprobe >/dev/null || skip "no ffprobe program"

quick=(--model "$GOLDEN/models/sd15-tiny" --prompt "a red ball" --threads 1
    --set sampler.steps=2 --set sampler.inversion_steps=2 --set features.ensemble=1
    --set clips.mode=fixed --set clips.length=3)
n_clips=0
echo "leak:libx265" >x265.supp # x265's own, of its copies of the parameters
export LSAN_OPTIONS=suppressions=$PWD/x265.supp:print_suppressions=0

# facts FILE: what a viewer would miss, one line a fact
facts() {
    ffprobe -v error -show_data_hash MD5 -of compact -show_entries "stream=index,codec_type,codec_name,width,height,sample_aspect_ratio,color_range,color_space,color_transfer,color_primaries:stream_tags=language,title:stream_disposition=forced,attached_pic:stream_side_data=rotation:chapter=start_time,end_time:chapter_tags=title:format_tags=title,artist,comment:packet=codec_type,stream_index,pts_time,size,data_hash" \
        -show_packets "$1" | sed -z 's/\n|/|/g' | awk -F'|' '
        function get(key, i, at) {
            for (i = 2; i <= NF; i++) {
                at = index($i, "=")
                if (tolower(substr($i, 1, at - 1)) == key) return substr($i, at + 1)
            }
            return ""
        }
        function known(v) { return v == "unknown" || v == "" || v == "N/A" ? "-" : v }
        function number(type, s) {
            if (!((type, s) in seen)) seen[type, s] = n_seen[type]++
            return type seen[type, s]
        }
        $1 == "packet" && get("data_hash") != "" {
            type = get("codec_type")
            if (type == "audio" || type == "subtitle")
                print "packet", number(type, get("stream_index")), get("pts_time"),
                    get("size"), get("data_hash")
        }
        $1 == "stream" && !(get("index") in done) {
            done[get("index")] = 1
            type = get("codec_type")
            if (type == "video" && get("disposition:attached_pic") == 0 && !videos++) {
                sar = get("sample_aspect_ratio")
                print "size", get("width"), get("height"), sar == "N/A" ? "1:1" : sar,
                    "turned", get("rotation") + 0
                print "colours", known(get("color_range")), known(get("color_space")),
                    known(get("color_transfer")), known(get("color_primaries"))
            } else if (type != "data" && !(type == "video" && !get("disposition:attached_pic"))) {
                lang = get("tag:language")
                sub(/^und$/, "", lang)
                print "stream", type == "video" ? "cover" : type, get("codec_name"),
                    "forced", get("disposition:forced"), lang, get("tag:title")
            }
        }
        $1 == "chapter" { print "chapter", get("start_time"), get("end_time"), get("tag:title") }
        $1 == "format" {
            print "tags", get("tag:title"), get("tag:artist"), get("tag:comment")
        }' | sort -s -k1,2
    ffprobe -v error -select_streams V:0 -show_entries frame=best_effort_timestamp_time \
        -of csv=p=0 "$1" | awk -F, 'NF && $1 != "" { print "frame", $1 }'
}

# same SOURCE RESULT TOLERANCE: prints what differs. A colour that the source does not
# tell may be anything in the result.
same() {
    awk -v limit="$3" '
        function near(a, b, x, y, i, n) {
            n = split(a, x, " ")
            if (n != split(b, y, " ")) return 0
            for (i = 1; i <= n; i++) {
                if (x[i] == y[i] || (x[1] == "colours" && x[i] == "-")) continue
                if (x[i] !~ /^-?[0-9]+\.[0-9]+$/ || y[i] !~ /^-?[0-9]+\.[0-9]+$/) return 0
                if (x[i] - y[i] > limit || y[i] - x[i] > limit) return 0
            }
            return 1
        }
        NR == FNR { a[++n] = $0; next }
        { b[++m] = $0 }
        END {
            for (i = 1; i <= n || i <= m; i++)
                if (!near(a[i], b[i])) { print "source: " a[i] " | result: " b[i]; bad = 1 }
            exit bad
        }' "$1" "$2"
}

# edit_clip SOURCE RESULT METHOD [options]: its messages lie in err
edit_clip() {
    local from=$1 to=$2 method=$3
    shift 3
    "$LONGTAKE" edit -i "$from" -o "$to" --method "$method" "${quick[@]}" "$@" \
        >/dev/null 2>err || fail "$from -> $to by $method: $(cat err)"
}

# check SOURCE "ENDINGS" [key=value ...]: edit by both methods and compare. Keys:
#   opt   further options             said  what the messages must say
#   sed   makes the source's facts those that are expected
#   keep  no: the times of frames are repaired ones: only their number counts
check() {
    local from=$1 endings=$2 said="" edit="" keep=yes pair ending method
    local -a opt=()
    shift 2
    for pair; do
        case $pair in
            opt=*) read -ra opt <<<"${pair#*=}" ;;
            said=*) said=${pair#*=} ;;
            sed=*) edit=${pair#*=} ;;
            keep=*) keep=${pair#*=} ;;
        esac
    done
    [ -s "$from" ] || fail "$from was not made"
    facts "$from" | sed -E "$edit" >want
    [ "$keep" = yes ] || sed -i 's/^frame .*/frame/' want
    for method in frame adaflow; do
        ending=${endings%% *}
        [ $method = frame ] || ending=${endings##* }
        edit_clip "$from" "o.$ending" $method "${opt[@]+"${opt[@]}"}"
        [ -z "$said" ] || grep -Eq "$said" err || fail "$from: nothing of \"$said\": $(cat err)"
        facts "o.$ending" >got
        if [ "$keep" != yes ]; then
            awk '$1 == "frame" { if (n++ && $2 <= last) exit 1; last = $2 }' got ||
                fail "$from: times do not rise: $(grep frame got | tr '\n' ' ')"
            sed -i 's/^frame .*/frame/' got
        fi
        case $from:$ending in
            *.mp4:mp4 | *.mov:mov | *.mp4:mov | *.mov:mp4 | *.mkv:mkv) limit=0.000001 ;;
            *) limit=0.0011 ;; # Matroska counts milliseconds
        esac
        same want got $limit >diff.txt || fail "$from -> $ending by $method: $(cat diff.txt)"
        rm -rf o.*
    done
    n_clips=$((n_clips + 1))
}

# refuse SOURCE RESULT TEXT [options]: plan and edit both say so (78), nothing is made
refuse() {
    local from=$1 to=$2 text=$3 command rc
    shift 3
    for command in plan edit; do
        rc=0
        "$LONGTAKE" $command -i "$from" -o "$to" "${quick[@]}" "$@" >/dev/null 2>err || rc=$?
        [ $rc -eq 78 ] || fail "$command $from -> $to $*: $rc instead of 78: $(cat err)"
        grep -Eq "$text" err || fail "$command $from -> $to $*: nothing of \"$text\": $(cat err)"
    done
    if [ -e "$to" ] || [ -e "${to%.*}.job" ]; then fail "$from -> $to: something was made"; fi
}

ff() { ffmpeg -v error -nostdin -y "$@"; }
lavfi() { ff -f lavfi -i "$@"; }
film=testsrc2=size=64x48:rate=24
tone=(-f lavfi -i "sine=frequency=440:duration=0.25:sample_rate=48000")
x264=(-frames:v 6 -pix_fmt yuv420p -c:v libx264)
hevc=(-frames:v 6 -pix_fmt yuv420p10le -c:v libx265)
hd=(-color_primaries bt709 -color_trc bt709 -colorspace bt709 -color_range tv)

# ---- shape ---------------------------------------------------------------------------
lavfi $film "${tone[@]}" "${x264[@]}" "${hd[@]}" -c:a aac plain.mp4
check plain.mp4 "mp4 mkv"
for angle in 90 180 270; do
    ff -i plain.mp4 -c copy -metadata:s:v rotate=$angle turned$angle.mp4
    check turned$angle.mp4 "mp4 mov"
done
lavfi $film "${x264[@]}" "${hd[@]}" -vf setsar=4/3 aspect.mp4
check aspect.mp4 "mp4 mkv"
lavfi $film "${x264[@]}" "${hd[@]}" -vf setsar=16/11 aspect.mkv
check aspect.mkv "mkv mp4"
ff -i aspect.mp4 -c copy -metadata:s:v rotate=270 aspect_turned.mov
check aspect_turned.mov "mov mp4"
odd="$film,format=yuv444p,scale=129:97,setsar=1"
lavfi "$odd" -frames:v 6 -c:v libx264 "${hd[@]}" odd.mp4
check odd.mp4 "mp4 mkv" "opt=--pix-fmt yuv444p"
lavfi "$odd" -frames:v 6 -pix_fmt yuv420p -c:v ffv1 "${hd[@]}" odd.mkv
check odd.mkv "mkv mkv" "opt=--codec ffv1 --pix-fmt yuv444p"
lavfi "$odd" -frames:v 6 -pix_fmt yuv420p -c:v libvpx-vp9 odd.webm
check odd.webm "mkv mp4" "opt=--codec libx265 --pix-fmt yuv444p10le"

# ---- time ----------------------------------------------------------------------------
ff -i plain.mp4 -c copy -output_ts_offset 1.5 late.mp4
check late.mp4 "mp4 mkv"
ff -i plain.mp4 -c copy -output_ts_offset 2.25 late.mkv
check late.mkv "mkv mp4"
ff -i plain.mp4 -an -c copy late.ts
check late.ts "mp4 mkv"
lavfi $film -frames:v 8 -vf "select='lt(n,4)+gt(n,8)'" -fps_mode passthrough \
    -pix_fmt yuv420p -c:v libx264 gap.mp4
check gap.mp4 "mp4 mkv"
lavfi $film -frames:v 6 -fps_mode passthrough -pix_fmt yuv420p -c:v libx264 -bf 0 \
    -bsf:v "setts=pts=if(eq(N\,3)\,PREV_OUTPTS\,PTS):dts=if(eq(N\,3)\,PREV_OUTPTS\,DTS)" twice.mkv
check twice.mkv "mkv mp4" keep=no "said=repeated time stamps.*repaired"
lavfi $film -frames:v 6 -vf "setpts='if(lt(N,3),N/24,3/24+(N-3)/15)/TB'" \
    -fps_mode passthrough -enc_time_base 1/90000 -pix_fmt yuv420p -c:v libx264 rates.mp4
check rates.mp4 "mp4 mkv"
lavfi testsrc2=size=64x48:rate=30000/1001 "${x264[@]}" ntsc.mp4
check ntsc.mp4 "mp4 mkv"
lavfi testsrc2=size=64x48:rate=60000/1001 "${x264[@]}" fast.mkv
check fast.mkv "mkv mp4"
lavfi $film -frames:v 12 -pix_fmt yuv420p -c:v libx264 \
    -x264-params keyint=6:open-gop=1:bframes=3:b-adapt=0 open.mp4
check open.mp4 "mp4 mkv"
lavfi $film -frames:v 12 -pix_fmt yuv420p -c:v libx265 -tag:v hvc1 \
    -x265-params log-level=none:keyint=6:open-gop=1:bframes=3 open_hevc.mp4
check open_hevc.mp4 "mp4 mkv"
lavfi $film -frames:v 1 -pix_fmt yuv420p -c:v libx264 one.mp4
check one.mp4 "mp4 mkv"
lavfi $film -frames:v 2 -pix_fmt yuv420p -c:v libx264 two.mkv
check two.mkv "mkv mp4"
ff -i plain.mp4 -an -c copy -movflags empty_moov+frag_keyframe fragments.mp4
check fragments.mp4 "mp4 mkv"
lavfi $film -frames:v 12 -g 6 -pix_fmt yuv420p -c:v libx264 whole.mp4
ff -ss 0.3 -i whole.mp4 -c copy trimmed.mp4
check trimmed.mp4 "mp4 mkv"
lavfi $film -f lavfi -i "sine=frequency=440:duration=0.6" "${x264[@]}" -c:a aac long_sound.mp4
check long_sound.mp4 "mp4 mkv"
lavfi $film -itsoffset 0.1 "${tone[@]}" "${x264[@]}" -c:a aac late_sound.mp4
check late_sound.mp4 "mp4 mkv"
lavfi $film "${x264[@]}" raw.h264
check raw.h264 "mp4 mkv" keep=no
lavfi $film -frames:v 6 -pix_fmt yuv420p -c:v mpeg4 -bf 2 packed.avi
check packed.avi "mp4 mkv" keep=no

# ---- what comes with the film ----------------------------------------------------------
cat >subs.srt <<'S'
1
00:00:00,000 --> 00:00:00,100
one

2
00:00:00,120 --> 00:00:00,240
two
S
cat >meta.txt <<'S'
;FFMETADATA1
title=A film
artist=Somebody
comment=No comment
[CHAPTER]
TIMEBASE=1/1000
START=0
END=125
title=First
[CHAPTER]
TIMEBASE=1/1000
START=125
END=250
title=Second
S
two_tones=("${tone[@]}" "${tone[@]}" -i subs.srt -i subs.srt -map 0 -map 1 -map 2 -map 3 -map 4
    -metadata:s:a:0 language=eng -metadata:s:a:1 language=deu -metadata:s:s:0 language=eng
    -metadata:s:s:1 language=fra -disposition:s:1 forced)
chapters=("${tone[@]}" -i meta.txt -map 0 -map 1 -map_metadata 2)
lavfi $film "${chapters[@]}" "${x264[@]}" -c:a aac chapters.mp4
check chapters.mp4 "mp4 mkv"
lavfi $film "${chapters[@]}" "${x264[@]}" -c:a aac chapters.mkv
check chapters.mkv "mkv mp4"
lavfi $film "${chapters[@]}" "${x264[@]}" -c:a pcm_s16le chapters.mov
check chapters.mov "mov mkv"
lavfi $film "${two_tones[@]}" "${x264[@]}" -c:a aac -c:a:1 ac3 -c:s mov_text many.mp4
check many.mp4 "mp4 mp4"
lavfi $film "${two_tones[@]}" "${x264[@]}" -c:a flac -c:a:1 libopus -c:s:0 srt -c:s:1 ass \
    -attach meta.txt -metadata:s:t mimetype=font/ttf -metadata:s:t filename=f.ttf many.mkv
check many.mkv "mkv mkv"
lavfi $film "${tone[@]}" -i subs.srt -map 0 -map 1 -map 2 -frames:v 6 -pix_fmt yuv420p \
    -c:v libvpx-vp9 -c:a libopus -c:s webvtt vp9.webm
check vp9.webm "mkv mkv"
lavfi $film "${tone[@]}" -frames:v 6 -pix_fmt yuv420p -c:v libvpx -c:a libvorbis vp8.webm
check vp8.webm "mkv mp4"
lavfi $film -frames:v 1 cover.png
lavfi $film -frames:v 1 cover.jpg
ff -i plain.mp4 -i cover.png -map 0 -map 1 -c copy -disposition:v:1 attached_pic cover.mp4
check cover.mp4 "mp4 mkv"
ff -i plain.mp4 -attach cover.jpg -metadata:s:t mimetype=image/jpeg \
    -metadata:s:t filename=cover.jpg -c copy cover.mkv
check cover.mkv "mkv mp4"
lavfi $film "${tone[@]}" -frames:v 6 -pix_fmt yuv422p10le -c:v prores_ks "${hd[@]}" \
    -c:a pcm_s24le -timecode 01:00:00:00 camera.mov
check camera.mov "mov mkv" "opt=--codec prores --pix-fmt yuv422p10le"

# ---- samples and their meaning -----------------------------------------------------------
lavfi $film -frames:v 6 -pix_fmt yuv420p -c:v libx264 -color_range tv -color_primaries smpte170m \
    -color_trc smpte170m -colorspace smpte170m sd.mp4
check sd.mp4 "mp4 mkv"
lavfi $film -frames:v 6 -vf scale=out_range=pc,format=yuvj420p -c:v libx264 -color_range pc \
    -color_primaries bt709 -color_trc bt709 -colorspace bt709 full.mp4
check full.mp4 "mp4 mkv"
lavfi $film "${x264[@]}" untagged.mp4
check untagged.mp4 "mp4 mkv" "said=assumed: matrix smpte170m, range limited"
lavfi $film -frames:v 6 -pix_fmt yuvj420p -c:v mjpeg photos.avi
check photos.avi "mp4 mkv"
lavfi $film "${hevc[@]}" -x265-params log-level=none "${hd[@]}" ten.mp4
check ten.mp4 "mp4 mkv" "said=10 bits.*yuv420p10le"
check ten.mp4 "mkv mp4" "opt=--pix-fmt yuv420p10le --codec libx265 --preset ultrafast"
lavfi $film "${hevc[@]}" -x265-params log-level=none -color_range tv -color_primaries bt2020 \
    -color_trc bt2020-10 -colorspace bt2020nc wide.mkv
check wide.mkv "mkv mp4" "opt=--pix-fmt yuv420p10le"
hdr=(-color_primaries bt2020 -colorspace bt2020nc -color_range tv)
light="master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400"
lavfi $film "${hevc[@]}" -x265-params "log-level=none:$light" "${hdr[@]}" -color_trc smpte2084 pq.mp4
check pq.mp4 "mp4 mkv" "said=tone-mapped to BT.709.*yuv420p10le" \
    "sed=s/colours .*/colours tv bt709 bt709 bt709/"
check pq.mp4 "mp4 mkv" "opt=--pix-fmt yuv420p10le" "said=sees high dynamic range tone-mapped"
lavfi $film "${hevc[@]}" -x265-params log-level=none "${hdr[@]}" -color_trc arib-std-b67 hlg.mov
check hlg.mov "mov mkv" "opt=--pix-fmt yuv422p10le --codec libx265"
lavfi $film -frames:v 6 -pix_fmt yuva420p -c:v libvpx-vp9 alpha.webm
check alpha.webm "mp4 mkv"
lavfi $film -frames:v 6 -pix_fmt gray -c:v ffv1 gray.mkv
check gray.mkv "mp4 mkv"
lavfi $film -frames:v 6 -pix_fmt rgb24 -c:v png screen.mov
check screen.mov "mp4 mkv" "sed=s/colours .*/colours tv smpte170m - -/"
lavfi $film -frames:v 6 anim.gif
check anim.gif "mp4 mkv"
lavfi $film -frames:v 6 -pix_fmt yuv422p -c:v libx264 y422.mkv
check y422.mkv "mkv mp4" "opt=--pix-fmt yuv422p --preset veryfast --crf 30"
lavfi $film -frames:v 6 -pix_fmt yuv420p -c:v libx264 -flags +ildct+ilme -x264-params tff=1 \
    -vf setfield=tff fields.mp4
check fields.mp4 "mp4 mkv" "said=interlaced"
lavfi $film -frames:v 6 -pix_fmt yuv420p -c:v mpeg2video -flags +ildct+ilme -vf setfield=bff fields.mpg
check fields.mpg "mp4 mkv" "said=interlaced" keep=no

# The display that an HDR film was graded on arrives in every container.
for ending in mp4 mkv; do
    for codec in libx264 libx265; do
        edit_clip pq.mp4 l.$ending frame --pix-fmt yuv420p10le --codec $codec --preset ultrafast
        ffprobe -v error -select_streams v -read_intervals %+#1 -show_frames \
            -show_streams -of flat l.$ending >light.txt
        for want in 'max_content=1000' 'max_average=400' 'red_x="?(34000/50000|17/25)' \
            'max_luminance="?(10000000/10000|1000/1)'; do
            grep -Eq "$want" light.txt || fail "$codec in $ending: no $want"
        done
        rm -rf l.*
    done
done

# ---- what does not go is said before the run, with what does ---------------------------------
refuse turned90.mp4 o.mkv "cannot carry the rotation.*use .mp4"
refuse many.mp4 o.mkv "mov_text subtitles.*use .mp4, or set output.subtitles to none"
refuse many.mkv o.mp4 "subrip subtitles.*use .mkv"
refuse chapters.mov o.mp4 "pcm_s16le audio.*use .mov"
refuse vp9.webm o.mov "cannot carry the opus audio.*use .mkv"
refuse plain.mp4 o.mp4 "cannot carry prores.*use .mov" --codec prores --pix-fmt yuv422p10le
refuse plain.mp4 o.mov "cannot carry ffv1.*use .mkv" --codec ffv1
refuse plain.mp4 o.webm "end the name in .mp4, .mov or .mkv"
refuse odd.mp4 o.mp4 "output.pix_fmt.: set it to yuv444p$"
refuse odd.mp4 o.mp4 "output.pix_fmt.: set it to yuv444p10le$" --pix-fmt yuv420p10le
refuse plain.mp4 o.mov "output.pix_fmt.: use yuv422p10le" --codec prores
refuse plain.mp4 o.mp4 "output.crf.: give 0 .. 51" --crf 52
refuse plain.mp4 o.mp4 "output.preset.: use one of: ultrafast" --preset fastest
refuse plain.mp4 o.mkv "ffv1 has no presets" --codec ffv1 --preset fast
edit_clip cover.mp4 o.mov frame
grep -q "1 cover picture (.mp4 and .mkv carry" err || fail "the lost cover is not said: $(cat err)"

# ---- half a download -------------------------------------------------------------------------
head -c $(($(stat -c %s whole.mp4) - 300)) whole.mp4 >half.mp4
rc=0
"$LONGTAKE" plan -i half.mp4 "${quick[@]}" >/dev/null 2>err || rc=$?
if [ $rc -ne 65 ] || ! grep -q "half.mp4" err; then fail "no index: $rc $(cat err)"; fi
ff -i whole.mp4 -c copy whole.mkv
head -c $(($(stat -c %s whole.mkv) * 7 / 10)) whole.mkv >half.mkv
edit_clip half.mkv half_out.mkv frame
n=$(facts half_out.mkv | grep -c ^frame)
if [ "$n" -lt 6 ] || [ "$n" -ge 12 ]; then fail "half an mkv has $n of 12 frames"; fi

[ "$n_clips" -ge 40 ] || fail "only $n_clips clips"
echo "ok: $n_clips clips, two methods each"
