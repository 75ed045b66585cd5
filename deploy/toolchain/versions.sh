# Which version of every tool does edgemcp pin? (sourced by bash and zsh; prints and installs nothing)
# The npm tools' pins are in npm/package.json, the Python tools' in python/*.txt: tools.sh reads them from there.
# shellcheck shell=bash disable=SC2034,SC2154

EDGEMCP_NODE_VERSION=22.23.3        # installed when the machine's own node is older than the next line
EDGEMCP_NODE_MINIMUM=22.19          # what the conformance suite asks for, the most of all npm tools here
EDGEMCP_WORKER_BUILD_VERSION=0.8.7  # the same as the crate `worker`
EDGEMCP_DYNOXIDE_VERSION=3.2.0
EDGEMCP_REDIS_MINIMUM=7.0           # the first with sharded pub/sub; which one it is, the machine or its Debian says
EDGEMCP_WASM_BINDGEN_VERSION=0.2.130 # unless the workspace's Cargo.lock says otherwise, see below
EDGEMCP_LINKED_TOOLCHAIN=edgemcp-wasm # rustup's name for the compiler that recipes/wasm-target.sh links

# wasm-bindgen's command must be of the very version that the workspace links.
# $edgemcp_toolchain_dir is this folder, set by whoever sources this file.
if [ -f "$edgemcp_toolchain_dir/../../Cargo.lock" ]; then
  edgemcp_locked=$(awk -F'"' '$0 == "name = \"wasm-bindgen\"" { getline; print $2; exit }' \
    "$edgemcp_toolchain_dir/../../Cargo.lock")
  EDGEMCP_WASM_BINDGEN_VERSION=${edgemcp_locked:-$EDGEMCP_WASM_BINDGEN_VERSION}
  unset edgemcp_locked
fi

# Where everything goes. A folder's name carries its tool's version (for npm and Python tools, the checksum of the file
# that pins them), so two checkouts with different pins can share the cache.
EDGEMCP_CACHE=${EDGEMCP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/edgemcp}
edgemcp_checksum() { cksum <"$1" | cut -d' ' -f1; }
EDGEMCP_NODE_DIR=$EDGEMCP_CACHE/tools/node-$EDGEMCP_NODE_VERSION
EDGEMCP_NPM_DIR=$EDGEMCP_CACHE/tools/npm-$(edgemcp_checksum "$edgemcp_toolchain_dir/npm/package-lock.json")
EDGEMCP_WASM_TARGET_DIR=$EDGEMCP_CACHE/tools/wasm-target # no version: rustup's link needs a fixed place
EDGEMCP_WORKER_BUILD_DIR=$EDGEMCP_CACHE/tools/worker-build-$EDGEMCP_WORKER_BUILD_VERSION
EDGEMCP_WASM_BINDGEN_DIR=$EDGEMCP_CACHE/tools/wasm-bindgen-$EDGEMCP_WASM_BINDGEN_VERSION
EDGEMCP_DYNOXIDE_DIR=$EDGEMCP_CACHE/tools/dynoxide-$EDGEMCP_DYNOXIDE_VERSION
EDGEMCP_REDIS_DIR=$EDGEMCP_CACHE/tools/redis # no version: it is the machine's release that has one
EDGEMCP_VALGRIND_DIR=$EDGEMCP_CACHE/tools/valgrind # as with Redis
EDGEMCP_LAMBDA_DIR=$EDGEMCP_CACHE/tools/lambda-$(edgemcp_checksum "$edgemcp_toolchain_dir/python/lambda.txt")
EDGEMCP_DYNAMODB_DIR=$EDGEMCP_CACHE/tools/dynamodb-$(edgemcp_checksum "$edgemcp_toolchain_dir/python/dynamodb.txt")
EDGEMCP_CLIENTS_DIR=$EDGEMCP_CACHE/tools/clients-$(edgemcp_checksum "$edgemcp_toolchain_dir/python/clients.txt")
EDGEMCP_STORES_DIR=$EDGEMCP_CACHE/tools/stores-$(edgemcp_checksum "$edgemcp_toolchain_dir/python/stores.txt")
