# How does an emulation begin, say that it is ready, and end? (sourced by native, workers and lambda; bash)
# shellcheck shell=bash

set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
target=$(basename "$0")
# shellcheck source=../../deploy/toolchain/env.sh
. "$root/deploy/toolchain/env.sh"
export CARGO_TERM_COLOR=never CI=1 NO_COLOR=1
# The examples' settings, the same for all instances of all targets: keys and tokens that protect nothing.
settings=(
  EDGEMCP_SEAL_KEYS=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=
  EDGEMCP_STORE_KEYS=ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=
  MIDDLEWARE_TOKEN_ADA=ada-emulated MIDDLEWARE_TOKEN_BOB=bob-emulated
  NOTES_TOKEN_ADA=ada-emulated NOTES_TOKEN_BOB=bob-emulated NOTES_NOTES_MAX=3
)
# The server that the example `composition` mounts over HTTP, where a suite serves one.
[ -z "${COMPOSITION_REMOTE-}" ] || settings+=("COMPOSITION_REMOTE=$COMPOSITION_REMOTE")
export "${settings[@]}"

if [ $# -ne 1 ] || { [ ! -d "$root/examples/$1" ] && [ "$target $1" != "workers store-worker" ]; }; then
  echo "usage: tests/emulation/$target EXAMPLE    (a folder of examples/: $(cd "$root/examples" && echo *))" >&2
  exit 2
fi
# shellcheck disable=SC2034 # the three read it
example=$1

# Names what is missing, and how to install it.
case $target in
  native) ;;
  dynamodb) "$root/deploy/toolchain/require" lambda ;;
  *) "$root/deploy/toolchain/require" "$target" ;;
esac

# What the server keeps while it runs; nothing of it is left behind.
state=$(mktemp -d "${TMPDIR:-/tmp}/edgemcp-$target.XXXXXX")
# What several instances of one server keep together, where a folder for it is given; whoever gave it removes it.
shared=${EDGEMCP_EMULATION_SHARED:-$state}
children=()

# Each child leads a process group, since wrangler and cargo-lambda have children of their own.
start() {
  set -m
  "$@" >&2 </dev/null &
  set +m
  children+=($!)
}

# As start, but waits for the end of it. Builds run so, because bash heeds a signal at once only while it waits.
run() {
  start "$@"
  wait "${children[${#children[@]} - 1]}"
}

end() {
  local code=$? group pause
  trap '' INT TERM HUP
  for group in ${children[@]+"${children[@]}"}; do kill -TERM -- "-$group" 2>/dev/null || true; done
  # Ten seconds to end in good order, and mostly much less.
  for pause in 0.1 0.1 0.1 0.2 0.5 1 1 2 5; do
    any_left || break
    sleep "$pause"
  done
  for group in ${children[@]+"${children[@]}"}; do kill -KILL -- "-$group" 2>/dev/null || true; done
  rm -rf "$state"
  exit "$code"
}
any_left() {
  local group
  for group in ${children[@]+"${children[@]}"}; do kill -0 -- "-$group" 2>/dev/null && return 0; done
  return 1
}
# Ends the children as a power cut would: nothing of theirs is finished, and nobody is told.
crash() {
  local group
  for group in ${children[@]+"${children[@]}"}; do kill -KILL -- "-$group" 2>/dev/null || true; done
  exit 137
}
trap end EXIT
trap crash USR1
trap 'exit 130' INT TERM HUP

# A port nobody listens on. Another program could take it before the server does; the server then says so and ends.
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# Waits until the server answers (an MCP server a ping, another a GET), prints the URL, and stays until the server
# ends: ready URL SECONDS.
ready() {
  local url=$1 deadline=$((SECONDS + $2)) server=${children[${#children[@]} - 1]} ping=()
  case $url in
    */mcp)
      # Who the token stands for is of interest to the example that asks for one alone.
      ping=(-H "authorization: Bearer $NOTES_TOKEN_ADA" -H 'content-type: application/json' -H 'accept: application/json, text/event-stream'
        -d '{"jsonrpc":"2.0","id":1,"method":"ping"}')
      ;;
  esac
  until curl -sf -m 300 -o /dev/null ${ping[@]+"${ping[@]}"} "$url"; do
    kill -0 "$server" 2>/dev/null || { echo "the server ended before it answered" >&2; exit 1; }
    [ $SECONDS -lt $deadline ] || { echo "no answer from $url within $2 s" >&2; exit 1; }
    sleep 0.2
  done
  echo "$url"
  wait "$server"
}
