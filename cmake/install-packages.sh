#!/bin/sh
# Install what longtake needs from Debian 12, unless it is all there. Needs root or sudo.
#     install-packages.sh [test]
# test: also what only the tests need (clang for the fuzz targets, 50 MB to download).
set -eu

packages="build-essential cmake ninja-build pkg-config git ca-certificates ffmpeg
libopenmpi-dev openmpi-bin libhdf5-dev libavformat-dev libavcodec-dev libavutil-dev
libdnnl-dev libjansson-dev libyaml-dev libutf8proc-dev librandom123-dev
libxxhash-dev libssl-dev libpng-dev time"
[ "${1:-}" != test ] || packages="$packages clang-14 libclang-rt-14-dev"

missing=
for p in $packages; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' ||
        missing="$missing $p"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
        echo "these packages are missing:$missing" >&2
        echo "install them as root, or install sudo" >&2
        exit 69
    }
    as_root=sudo
fi
$as_root apt-get update -qq
# shellcheck disable=SC2086 # a list of words
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends \
    $missing >/dev/null
