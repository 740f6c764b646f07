#!/bin/sh
# Install what is missing, build, and pass all tests. Options go to ctest, for example
#     ./test.sh -R stages
# LT_PRESET=asan builds and runs everything under AddressSanitizer and UBSan.
set -eu
cd "$(dirname "$0")"
preset=${LT_PRESET:-release}
build=build
[ "$preset" = release ] || build=build-$preset

cmake/install-packages.sh test || cmake/install-packages.sh # without clang: no fuzzing
cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset" | tail -n 1

# Tests run as root in containers, and with more ranks than cores.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1
exec ctest --test-dir "$build" --output-on-failure -j "$(nproc)" "$@"
