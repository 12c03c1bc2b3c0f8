#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tests/install/check_install.sh BUILD_FOLDER SOURCE_FOLDER: a stranger's view of an installed Tenfold. Installs into a
# temporary prefix; runs the program from there; builds and runs examples/use_library against it by find_package and by
# pkg-config; packs the .deb and looks into it.
set -euo pipefail
build=$1 tree=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
prefix=$folder/prefix

fail() { echo "FAILED: $*" >&2; exit 1; }
want_file() { [ -e "$1" ] || fail "$1 is not there"; }
want_text() { grep -q -e "$2" "$1" || { cat "$1" >&2; fail "no '$2' in $1"; }; }

echo "--- install"
cmake --install "$build" --prefix "$prefix" >"$folder/install.log"
libdir=$(dirname "$(find "$prefix" -name 'libtenfold_core.so')")
for file in include/tenfold/base/error.h include/tenfold/io/safetensors.h include/tenfold/systems/system.h \
            include/tenfold/systems/compute_trends/table.h bin/tenfold share/man/man1/tenfold.1 \
            share/bash-completion/completions/tenfold share/zsh/vendor-completions/_tenfold \
            share/fish/vendor_completions.d/tenfold.fish share/doc/tenfold/LICENSE; do
  want_file "$prefix/$file"
done
[ ! -e "$prefix/include/tenfold/cli" ] || fail "the program's own headers are installed"
if ldd "$libdir/libtenfold_core.so" | grep -q -E 'torch|not found'; then fail "libtenfold_core.so needs LibTorch or lacks something"; fi
if readelf -d "$libdir"/libtenfold_*.so "$libdir"/tenfold/*.so "$prefix/bin/tenfold" | grep -E 'R(UN)?PATH' | grep -q "$tree"; then
  fail "an installed file looks for libraries in the source tree"
fi

echo "--- the installed program, away from the source tree"
cd "$folder"
env -i PATH=/usr/bin:/bin "$prefix/bin/tenfold" --version >version.txt
env -i PATH=/usr/bin:/bin "$prefix/bin/tenfold" --help >help.txt
want_text help.txt trends
env -i PATH=/usr/bin:/bin HOME="$folder" "$prefix/bin/tenfold" trends fit --until 2010 --json >fit.json
want_text fit.json doubling_months

echo "--- find_package(tenfold COMPONENTS core)"
cp -r "$tree/examples/use_library" "$folder/example"
cmake -S example -B example/build -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Release >configure.log || { cat configure.log >&2; fail configure; }
cmake --build example/build >build.log || { cat build.log >&2; fail build; }
example/build/use_library | tee example.txt
want_text example.txt '^1952 to 2010: .* doubling time 2[0-9]\.[0-9] months'
want_text example.txt '^weight: F32 \[2, 3\], 24 bytes'
sed 's/tenfold 0.1 REQUIRED COMPONENTS core/tenfold 9.0 REQUIRED/' example/CMakeLists.txt >example/CMakeLists.new
mv example/CMakeLists.new example/CMakeLists.txt
if cmake -S example -B example/wrong -DCMAKE_PREFIX_PATH="$prefix" >/dev/null 2>&1; then fail "version 9.0 was found"; fi

if [ -e "$libdir/cmake/tenfold/tenfold-nn-targets.cmake" ]; then
  echo "--- find_package(tenfold COMPONENTS nn)"
  cp -r "$tree/examples/run_meter" "$folder/metered"
  cmake -S metered -B metered/build -Wno-dev -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Release >configure.log 2>&1 ||
    { cat configure.log >&2; fail configure; }
  cmake --build metered/build >build.log 2>&1 || { cat build.log >&2; fail build; }
  metered/build/run_meter | tee metered.txt
  grep -q -E 'counted ([0-9]+) FLOP in 20 steps; by hand \1$' metered.txt || fail "the meter and the hand count differ"
  want_text run.json tenfold.run
  cp -r "$tree/examples/forward_gradient" "$folder/forward"
  cmake -S forward -B forward/build -Wno-dev -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Release >configure.log 2>&1 ||
    { cat configure.log >&2; fail configure; }
  cmake --build forward/build >build.log 2>&1 || { cat build.log >&2; fail build; }
  OMP_NUM_THREADS=1 forward/build/forward_gradient | tee forward.txt
  want_text forward.txt '^loss 0\.[0-9]* -> 0\.[0-3][0-9]* without a backward pass$'
fi

echo "--- examples/embed_runtime: search without LibTorch"
cp -r "$tree/examples/embed_runtime" "$folder/embed"
cmake -S embed -B embed/build -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Release >configure.log || { cat configure.log >&2; fail configure; }
cmake --build embed/build >build.log || { cat build.log >&2; fail build; }
if ldd embed/build/embed_runtime | grep -q torch; then fail "embed_runtime needs LibTorch"; fi
if [ -e "$libdir/cmake/tenfold/tenfold-nn-targets.cmake" ]; then
  "$prefix/bin/tenfold" repconc train --preset demo --threads 1 --quiet --out search >train.log
  "$prefix/bin/tenfold" repconc index search --threads 1 --quiet >index.log
  "$prefix/bin/tenfold" repconc search search "finu lipa bake" --k 3 --threads 1 --quiet --json >search.json
  echo "finu lipa bake" | embed/build/embed_runtime search/index 3 | tee embed.txt
  want_text embed.txt '^[0-9]* documents in 8 bytes each$'
  python3 - search.json embed.txt <<'EOF'
import json, sys
wanted = [hit["id"] for hit in json.load(open(sys.argv[1]))["results"]["codes"]["hits"]]
found = [line.split()[1] for line in open(sys.argv[2]).read().splitlines()[1:]]
assert found == wanted, (found, wanted)
EOF
fi

echo "--- pkg-config"
# shellcheck disable=SC2046
PKG_CONFIG_PATH=$libdir/pkgconfig c++ "$tree/examples/use_library/use_library.cc" -o by_pkg_config \
  $(PKG_CONFIG_PATH=$libdir/pkgconfig pkg-config --cflags --libs tenfold-core)
LD_LIBRARY_PATH=$libdir ./by_pkg_config >by_pkg_config.txt
cmp example.txt by_pkg_config.txt

echo "--- Debian package"
(cd "$build" && cpack -G DEB -B "$folder/deb") >cpack.log 2>&1 || { cat cpack.log >&2; fail cpack; }
package=$(find "$folder/deb" -maxdepth 1 -name '*.deb')
dpkg-deb -c "$package" >contents.txt
for file in ./usr/bin/tenfold ./usr/share/man/man1/tenfold.1 'libtenfold_core.so.0$\|libtenfold_core.so.0 ->' \
            cmake/tenfold/tenfoldConfig.cmake pkgconfig/tenfold-core.pc; do
  want_text contents.txt "$file"
done
dpkg-deb -f "$package" Depends Maintainer Version | tee fields.txt
want_text fields.txt gnuplot-nox
want_text fields.txt libopenblas0-openmp
if dpkg-query -W libfmt9 >/dev/null 2>&1; then want_text fields.txt libfmt; fi
echo "installed tree and package are as promised"
