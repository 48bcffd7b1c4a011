#!/usr/bin/env bash
# Builds every fuzz target as OSS-Fuzz and ClusterFuzzLite ask for it: one program each in $OUT, with its seeds
# as NAME_seed_corpus.zip and its dictionary as NAME.dict. They set
#
#   SRC WORK OUT           sources (the repository is $SRC/pagealloc, or the folder above this file), scratch, result
#   CC CXX CFLAGS CXXFLAGS compilers, and flags with the sanitizer and its instrumentation in them
#   LIB_FUZZING_ENGINE     what a target is linked with: a library, or -fsanitize=fuzzer
#   SANITIZER              address, undefined, memory, coverage, ...
#
# Needs cmake, ninja, python3 and the C++ standard library; without the targets that need more (config, results_csv).
# Works in an empty environment but for these variables.
set -euo pipefail
: "${SRC:?}" "${WORK:?}" "${OUT:?}" "${CXX:?}" "${LIB_FUZZING_ENGINE:?}" "${SANITIZER:?}"
export PATH=${PATH:-/usr/local/bin:/usr/bin:/bin}

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$WORK/pagealloc-$SANITIZER
flags="${CXXFLAGS:-} -w"  # what another compiler warns of is no reason to stop
if [[ $SANITIZER == memory && $flags != *-stdlib=libc++* ]]; then
  # Where libstdc++ is used it is not instrumented (CMakePresets.json, preset msan).
  flags+=" -D_GLIBCXX_EXTERN_TEMPLATE=0 -D_GLIBCXX_USE_CXX11_ABI=0"
fi
cmake -S "$repo" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=None -DCMAKE_CXX_COMPILER="$CXX" \
  -DCMAKE_CXX_FLAGS="$flags" -DPAGEALLOC_CHECKED=ON -DPAGEALLOC_HARNESS=OFF -DPAGEALLOC_TESTS=OFF \
  -DPAGEALLOC_BENCHMARKS=OFF -DPAGEALLOC_FUZZ_ENGINE="$LIB_FUZZING_ENGINE"
cmake --build "$build" --target fuzz_targets

mkdir -p "$OUT"
for program in "$build"/bin/*_fuzz; do
  name=$(basename "$program")
  target=${name%_fuzz}
  # The canary has a bug on purpose: it is for nights of our own.
  [[ $target != canary ]] || continue
  cp "$program" "$OUT/$name"
  seeds=()
  for folder in "$repo/corpora/seeds/$target" "$repo/corpora/regressions/$target"; do
    [[ ! -d $folder ]] || mapfile -t -O "${#seeds[@]}" seeds < <(find "$folder" -type f ! -name '*.*')
  done
  if ((${#seeds[@]} > 0)); then
    rm -f "$OUT/${name}_seed_corpus.zip"
    (cd / && python3 -m zipfile -c "$OUT/${name}_seed_corpus.zip" "${seeds[@]}")
  fi
  if [[ -f $repo/fuzz/dictionaries/$target.dict ]]; then
    cp "$repo/fuzz/dictionaries/$target.dict" "$OUT/$name.dict"
  fi
done
