# How do we get a command that is a crate? A released binary if cargo-binstall is here, else a debug build:
# a third of a release build's time, and fast enough for what these commands do. Arguments: the crate, its features.
# shellcheck shell=bash disable=SC2154
set -euo pipefail
. "$edgemcp_toolchain_dir/recipes/machine.sh"
crate=$1
shift
if command -v cargo-binstall >/dev/null &&
  at_most 180 cargo-binstall --no-confirm --disable-strategies compile --root "$DEST" "$crate@$VERSION"; then
  exit
fi
export CARGO_TARGET_DIR=$BUILD CARGO_PROFILE_DEV_DEBUG=0
build() { cargo install --debug --no-track --root "$DEST" --version "=$VERSION" "$@" "$crate"; }
# A lock file may name a version that the registry no longer, or a mirror not yet, has.
build --locked "$@" || build "$@"
