# Which PATH and variables do edgemcp's builds and tests need? Source this file from bash or zsh: . deploy/toolchain/env.sh
# It installs nothing and prints nothing; what is missing, deploy/toolchain/require names.
# shellcheck shell=bash

if [ -n "${ZSH_VERSION-}" ]; then
  eval 'edgemcp_toolchain_dir=${${(%):-%x}:A:h}'
else
  edgemcp_toolchain_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
fi
# shellcheck source=versions.sh
. "$edgemcp_toolchain_dir/versions.sh"

# Later lines stand further in front: the pinned Node is the first of all.
edgemcp_path=$EDGEMCP_LAMBDA_DIR/path:$EDGEMCP_DYNAMODB_DIR/path:$EDGEMCP_CLIENTS_DIR/path:$EDGEMCP_REDIS_DIR/bin
edgemcp_path=$EDGEMCP_WORKER_BUILD_DIR/bin:$EDGEMCP_WASM_BINDGEN_DIR/bin:$EDGEMCP_DYNOXIDE_DIR/bin:$edgemcp_path
edgemcp_path=$EDGEMCP_STORES_DIR/path:$EDGEMCP_VALGRIND_DIR/bin:$edgemcp_path
edgemcp_path=$EDGEMCP_NODE_DIR/bin:$EDGEMCP_NPM_DIR/node_modules/.bin:$edgemcp_path
case ":$PATH:" in
  *":$edgemcp_path:"*) ;;
  *) export PATH="$edgemcp_path:$PATH" ;;
esac
unset edgemcp_path

export EDGEMCP_CACHE EDGEMCP_NPM_DIR EDGEMCP_NODE_MINIMUM
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$EDGEMCP_CACHE/target}"

# worker-build would download these three.
export WASM_BINDGEN_BIN="$EDGEMCP_WASM_BINDGEN_DIR/bin/wasm-bindgen"
export WASM_OPT_BIN="$EDGEMCP_NPM_DIR/node_modules/.bin/wasm-opt"
export ESBUILD_BIN="$EDGEMCP_NPM_DIR/node_modules/.bin/esbuild"
export WRANGLER_SEND_METRICS=false

# Without this, cargo-lambda would take the zig of whichever python3 is first.
if [ -x "$EDGEMCP_LAMBDA_DIR/path/zig" ]; then export CARGO_ZIGBUILD_ZIG_PATH="$EDGEMCP_LAMBDA_DIR/path/zig"; fi

# ring compiles C for wasm.
if command -v clang >/dev/null; then export CC_wasm32_unknown_unknown=clang; fi
if command -v llvm-ar >/dev/null; then export AR_wasm32_unknown_unknown=llvm-ar; fi

# The toolchain to build for wasm with, as RUSTUP_TOOLCHAIN; empty when the one in use can do it.
export EDGEMCP_WASM_TOOLCHAIN="$EDGEMCP_LINKED_TOOLCHAIN"
edgemcp_sysroot=$(cd "$edgemcp_toolchain_dir" && rustc --print sysroot 2>/dev/null) || edgemcp_sysroot=
if [ -d "$edgemcp_sysroot/lib/rustlib/wasm32-unknown-unknown/lib" ]; then EDGEMCP_WASM_TOOLCHAIN=; fi
unset edgemcp_sysroot
unset -f edgemcp_checksum
