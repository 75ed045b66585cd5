# How do we get Rust's library for wasm32-unknown-unknown? From rustup; where rustup cannot download, from Debian:
# its compiler comes with the library's source, which we build once and link as rustup's toolchain "edgemcp-wasm".
# shellcheck shell=bash disable=SC2154
set -euo pipefail
. "$edgemcp_toolchain_dir/recipes/machine.sh"
. "$edgemcp_toolchain_dir/tools.sh"

command -v rustup >/dev/null || {
  echo "rustup is missing: install it (see rustup's home page), or add your distribution's wasm32-unknown-unknown library to its rustc"
  exit 1
}
(cd "$edgemcp_toolchain_dir" && at_most 60 rustup target add wasm32-unknown-unknown) || true
if active_compiler_has_wasm; then
  exit
fi

command -v apt-get >/dev/null || { echo "rustup could not download the target, and there is no apt-get to get Debian's compiler with"; exit 1; }
debian_packages rustc-web cargo-web rust-web-src
debian=$(dirname "$(dirname "$(dpkg -L rustc-web | grep '/bin/rustc$')")")
host=$("$debian/bin/rustc" -vV | sed -n 's/^host: //p')

# Build the library. Without the embedded bitcode a user's `lto = true` could not read it.
mkdir -p "$BUILD/src"
echo '#![no_std]' >"$BUILD/src/lib.rs"
cat >"$BUILD/Cargo.toml" <<CARGO
[package]
name = "edgemcp-wasm-probe"
version = "0.0.0"
edition = "2021"
[profile.release]
panic = "abort"
[workspace]
CARGO
(cd "$BUILD" && CARGO_TARGET_DIR=$BUILD/target RUSTC=$debian/bin/rustc RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Cembed-bitcode=yes \
  "$debian/bin/cargo" build --release --target wasm32-unknown-unknown -Zbuild-std=std,panic_abort,panic_unwind,proc_macro)

# A folder that looks like an installed toolchain, made of links and the new library; nothing is written into Debian's.
library=$DEST/lib/rustlib
mkdir -p "$DEST/bin" "$library/$host/bin" "$library/wasm32-unknown-unknown/lib"
ln -s "$debian/bin/cargo" "$DEST/bin/cargo"
printf '#!/bin/sh\nexec "%s/bin/rustc" --sysroot "%s" "$@"\n' "$debian" "$DEST" >"$DEST/bin/rustc"
chmod +x "$DEST/bin/rustc"
ln -s "$debian/lib/rustlib/$host/lib" "$library/$host/lib"
ln -s "$(cd "$edgemcp_toolchain_dir" && rustc --print sysroot)/lib/rustlib/$host/bin/rust-lld" "$DEST/bin/rust-lld"
ln -s ../../../../bin/rust-lld "$library/$host/bin/rust-lld"
find "$BUILD/target/wasm32-unknown-unknown/release/deps" -name '*.rlib' ! -name 'libedgemcp_wasm_probe*' \
  -exec cp {} "$library/wasm32-unknown-unknown/lib/" \;

rustup toolchain link "$EDGEMCP_LINKED_TOOLCHAIN" "$DEST"
linked_compiler >"$DEST/.ready"
