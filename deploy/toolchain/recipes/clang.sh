# How do we get a clang that compiles to wasm?
# shellcheck shell=bash disable=SC2154
set -euo pipefail
. "$edgemcp_toolchain_dir/recipes/machine.sh"
command -v apt-get >/dev/null || { echo "install LLVM's clang and llvm-ar with your package manager (Apple's clang has no wasm target)"; exit 1; }
debian_packages clang llvm
