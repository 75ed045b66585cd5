# Which tools are there, what is each for, and is it installed? (sourced by install and require; bash)
# shellcheck shell=bash disable=SC2034,SC2154

# shellcheck source=versions.sh
. "$edgemcp_toolchain_dir/versions.sh"

npm_pin() { sed -n "s|.*\"$1\": *\"\([^\"]*\)\".*|\1|p" "$edgemcp_toolchain_dir/npm/package.json"; }
python_pin() { sed -n "s|^$1==||p" "$edgemcp_toolchain_dir/python/$2.txt"; }

# name | version | folder with its stamp | groups | recipe and its arguments | about how long, cold, on 2 cores | what it is for
# The order is the order of installing: a tool stands after the tools its recipe uses.
tool_table() {
  local npm="$EDGEMCP_NPM_DIR | %s | npm.sh | 20 s"
  cat <<TABLE
node         | $EDGEMCP_NODE_VERSION | $EDGEMCP_NODE_DIR | workers conformance clients | node.sh | 10 s | the one Node that runs every npm tool (the machine's own when it is $EDGEMCP_NODE_MINIMUM or newer)
clang        | any | $EDGEMCP_CACHE/tools/clang | workers | clang.sh | 30 s | compiles the C and assembly inside the crate ring to wasm
cxx          | any | $EDGEMCP_CACHE/tools/cxx | fuzz | cxx.sh | 20 s | compiles libFuzzer, which is C++
wasm-target  | matches rustc | $EDGEMCP_WASM_TARGET_DIR | workers | wasm-target.sh | 1 min | Rust's library for wasm32-unknown-unknown
wrangler     | $(npm_pin wrangler) | ${npm/\%s/workers} | runs a Worker locally (with workerd) and deploys it
wasm-opt     | $(npm_pin binaryen) | ${npm/\%s/workers} | shrinks the Worker's wasm (npm package binaryen)
esbuild      | $(npm_pin esbuild) | ${npm/\%s/workers} | bundles the Worker's JavaScript
conformance  | $(npm_pin @modelcontextprotocol/conformance) | ${npm/\%s/conformance} | the protocol's own conformance suite
npm-client   | $(npm_pin @modelcontextprotocol/client) | ${npm/\%s/clients} | the TypeScript MCP client, for interoperability tests
inspector    | $(npm_pin @modelcontextprotocol/inspector) | ${npm/\%s/clients} | the Inspector, whose command line mcpdo is a client in both eras
cargo-lambda | $(python_pin cargo-lambda lambda) | $EDGEMCP_LAMBDA_DIR | lambda | python.sh lambda | 20 s | builds for AWS Lambda (linking with zig) and emulates its Runtime API
pip-client   | $(python_pin mcp clients) | $EDGEMCP_CLIENTS_DIR | clients | python.sh clients | 20 s | the Python MCP client, for interoperability tests
py-key-value | $(python_pin py-key-value-aio stores) | $EDGEMCP_STORES_DIR | stores | python.sh stores | 20 s | FastMCP's store library and cryptography, whose tokens and entries are read and made
worker-build | $EDGEMCP_WORKER_BUILD_VERSION | $EDGEMCP_WORKER_BUILD_DIR | workers | crate.sh worker-build | 1 min | wrangler's build command: crate to Worker
wasm-bindgen | $EDGEMCP_WASM_BINDGEN_VERSION | $EDGEMCP_WASM_BINDGEN_DIR | workers | crate.sh wasm-bindgen-cli | 1 min | the JavaScript side of a wasm module; always Cargo.lock's version
dynoxide     | $EDGEMCP_DYNOXIDE_VERSION | $EDGEMCP_DYNOXIDE_DIR | lambda | crate.sh dynoxide-rs --no-default-features --features native-sqlite,http-server,cli | 1 min | a DynamoDB emulator over SQLite
redis        | $EDGEMCP_REDIS_MINIMUM or newer | $EDGEMCP_REDIS_DIR | stores | redis.sh | 10 s | redis-server, which the tests of the Redis store start (the machine's own when it is new enough)
valgrind     | any | $EDGEMCP_VALGRIND_DIR | bench | valgrind.sh | 10 s | counts instructions, with its tool callgrind (the machine's own when there is one)
ministack    | $(python_pin ministack dynamodb) | $EDGEMCP_DYNAMODB_DIR | lambda | python.sh dynamodb | 20 s | another DynamoDB emulator, by others: what one has wrong the other need not
TABLE
}

GROUPS_OF_TOOLS='workers lambda conformance clients fuzz stores bench all'

# The table as tab-separated rows without the padding, those of one tool or group when named.
tool_rows() {
  tool_table | awk -F' *[|] *' -v want="${1:-all}" -v OFS='\t' '
    { sub(/ +$/, "", $1) }
    want == "all" || want == $1 || index(" " $4 " ", " " want " ") { print $1, $2, $3, $4, $5, $6, $7 }'
}

# The rows of all tools and groups named, each once, and Node's before those of the tools that run on it.
wanted_rows() {
  local name rows
  rows=$(for name; do tool_rows "$name"; done)
  case $rows in *npm.sh*) rows=$(tool_rows node)$'\n'$rows ;; esac
  printf '%s\n' "$rows" | awk '!seen[$0]++'
}

# Says which of the names it is given is no tool and no group; ends the script if there is one.
check_names() {
  local name
  for name; do
    [ -n "$(tool_rows "$name")" ] || { echo "toolchain: no tool or group is called '$name'; deploy/toolchain/install --help lists them" >&2; exit 2; }
  done
}

# Does the compiler that cargo uses in this checkout bring its own wasm32-unknown-unknown?
active_compiler_has_wasm() {
  local sysroot
  sysroot=$(cd "$edgemcp_toolchain_dir" && rustc --print sysroot 2>/dev/null) || return 1
  [ -d "$sysroot/lib/rustlib/wasm32-unknown-unknown/lib" ]
}

# What the linked compiler's library was built for: another compiler cannot read it.
linked_compiler() { "$EDGEMCP_WASM_TARGET_DIR/bin/rustc" -vV 2>/dev/null | cksum | cut -d' ' -f1; }

# Is a tool there, from the cache or (node, redis, valgrind, cxx, clang, wasm-target) from the machine? Arguments: its name, version and folder.
tool_is_ready() {
  local stamp
  stamp=$(cat "$3/.ready" 2>/dev/null) || stamp=
  case $1 in
    node) [ "$stamp" = "$2" ] || node_is_new_enough ;;
    cxx) command -v "${CXX:-c++}" >/dev/null ;;
    redis) [ -n "$stamp" ] || redis_is_new_enough redis-server ;;
    valgrind) [ -n "$stamp" ] || command -v valgrind >/dev/null ;;
    clang) clang --print-targets 2>/dev/null | grep wasm32 >/dev/null ;;
    wasm-target)
      active_compiler_has_wasm ||
        { [ -n "$stamp" ] && [ "$stamp" = "$(linked_compiler)" ] &&
          [ -e "${RUSTUP_HOME:-$HOME/.rustup}/toolchains/$EDGEMCP_LINKED_TOOLCHAIN/bin/rustc" ] &&
          [ -e "$EDGEMCP_WASM_TARGET_DIR/bin/rust-lld" ]; } ;;
    *) [ -n "$stamp" ] ;;
  esac
}

node_is_new_enough() {
  local have
  have=$(node --version 2>/dev/null) || return 1
  [ "$(printf '%s\n' "$EDGEMCP_NODE_MINIMUM" "${have#v}" | sort -V | head -n 1)" = "$EDGEMCP_NODE_MINIMUM" ]
}

# Is the redis-server that is named there, and new enough?
redis_is_new_enough() {
  local have
  have=$("$1" --version 2>/dev/null) || return 1
  have=${have#* v=}
  [ "$(printf '%s\n' "$EDGEMCP_REDIS_MINIMUM" "${have%% *}" | sort -V | head -n 1)" = "$EDGEMCP_REDIS_MINIMUM" ]
}
