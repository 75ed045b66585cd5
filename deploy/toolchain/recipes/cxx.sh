# How do we get a C++ compiler?
# shellcheck shell=bash disable=SC2154
set -euo pipefail
. "$edgemcp_toolchain_dir/recipes/machine.sh"
command -v apt-get >/dev/null || { echo "install a C++ compiler with your package manager, or set CXX to the one you have"; exit 1; }
debian_packages g++
