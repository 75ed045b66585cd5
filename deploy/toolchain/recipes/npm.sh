# How do we get the npm tools? All of them at once, from the one lock file.
# shellcheck shell=bash disable=SC2154
set -euo pipefail
cp "$edgemcp_toolchain_dir/npm/package.json" "$edgemcp_toolchain_dir/npm/package-lock.json" "$DEST/"
npm ci --prefix "$DEST" --ignore-scripts=false --no-audit --no-fund
