# What may every suite use? Tools, steps with a log, counting, and servers that end with the suite. (sourced; bash)
# shellcheck shell=bash

set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
suite=$(basename "$0")

# By hand, without tests/run, a suite works too: its counts then go to the screen.
EDGEMCP_TEST_LOGS=${EDGEMCP_TEST_LOGS:-$(mktemp -d "${TMPDIR:-/tmp}/edgemcp-tests.XXXXXX")}
EDGEMCP_TALLY=${EDGEMCP_TALLY:-/dev/stdout}
export EDGEMCP_TEST_LOGS EDGEMCP_TALLY

# shellcheck source=../deploy/toolchain/env.sh
. "$root/deploy/toolchain/env.sh"
export CARGO_TERM_COLOR=never CI=1 NO_COLOR=1 RUST_BACKTRACE=0

# Adds cases to the totals: count PASSED FAILED.
count() { printf '%s %s\n' "$1" "$2" >>"$EDGEMCP_TALLY"; }
pass() { echo "  ok      $1"; count 1 0; }
fail() { echo "  FAILED  $1"; count 0 1; }

# Installs what the suite needs, or ends it: tools GROUP...
tools() {
  "$root/deploy/toolchain/require" "$@" 2>/dev/null && return
  if ! "$root/deploy/toolchain/install" "$@"; then
    fail "$suite cannot run: its tools could not be installed ($*)"
    exit 1
  fi
  # A fresh install can change what the environment should be (the wasm toolchain, zig).
  # shellcheck source=../deploy/toolchain/env.sh
  . "$root/deploy/toolchain/env.sh"
}

# Where a step's output goes: log_file LABEL.
log_file() { printf '%s/%s-%s.log\n' "$EDGEMCP_TEST_LOGS" "$suite" "$(printf %s "$1" | tr -cs 'A-Za-z0-9' '-' | cut -c1-60)"; }

# A case that is a command: runs it into a log of its own, says how it went, and counts: try LABEL COMMAND...
try() {
  local label=$1 log code=0 started=$SECONDS
  shift
  log=$(log_file "$label")
  "$@" >"$log" 2>&1 </dev/null || code=$?
  if [ "$code" -eq 0 ]; then
    pass "$label ($((SECONDS - started)) s)"
  else
    fail "$label (exit code $code); the end of $log:"
    tail -n 40 "$log" | sed 's/^/  | /'
    return 1
  fi
}

# Runs `cargo test` and counts what it says of each test binary: cargo_tests LABEL ARGUMENTS...
cargo_tests() {
  local label=$1 log code=0 started=$SECONDS totals p f i
  shift
  log=$(log_file "$label")
  cargo test --no-fail-fast "$@" >"$log" 2>&1 </dev/null || code=$?
  totals=$(awk '/^test result:/ { p += $4; f += $6; i += $8 } END { print p + 0, f + 0, i + 0 }' "$log")
  read -r p f i <<<"$totals"
  # A test binary that dies, or that does not build, prints no result line.
  [ "$code" -eq 0 ] || [ "$f" -gt 0 ] || f=1
  if [ "$f" -eq 0 ] && [ "$p" -eq 0 ]; then
    echo "  FAILED  $label: no test ran; see $log"
    f=1
  elif [ "$f" -gt 0 ]; then
    echo "  FAILED  $label: $p passed, $f failed; from $log:"
    { grep -nE '^(test .*FAILED|error(\[|:)|thread .* panicked)' "$log" | head -n 40
      echo ...
      tail -n 40 "$log"; } | sed 's/^/  | /'
  else
    echo "  ok      $label: $p passed$([ "$i" -eq 0 ] || echo ", $i ignored") ($((SECONDS - started)) s)"
  fi
  count "$p" "$f"
  [ "$f" -eq 0 ]
}

# Runs `node --test` on a file and counts: node_tests LABEL FILE.
node_tests() {
  local label=$1 log code=0 started=$SECONDS p f
  log=$(log_file "$label")
  node --test --test-reporter=tap "$2" >"$log" 2>&1 </dev/null || code=$?
  p=$(sed -n 's/^# pass \([0-9]*\)$/\1/p' "$log") f=$(sed -n 's/^# fail \([0-9]*\)$/\1/p' "$log")
  p=${p:-0} f=${f:-0}
  # A file that cannot be run leaves no totals, or a test that only stands for itself.
  [ "$f" -gt 0 ] || { [ "$code" -eq 0 ] && [ "$p" -gt 0 ]; } || f=1
  count "$p" "$f"
  if [ "$f" -eq 0 ]; then
    echo "  ok      $label: $p passed ($((SECONDS - started)) s)"
  else
    echo "  FAILED  $label: $p passed, $f failed; from $log:"
    { grep -n '^ *not ok' "$log" | head -n 40
      echo ...
      tail -n 40 "$log"; } | sed 's/^/  | /'
    return 1
  fi
}

# The servers of this suite, by process id.
servers=()

# Starts an example on a target and sets URL once it answers: serve TARGET EXAMPLE [NAME], where there are several of it.
serve() {
  local target=$1 example=$2 name=${3-} started=$SECONDS log pid
  log=$EDGEMCP_TEST_LOGS/$suite-$example-on-$target${name:+-$name}
  "$root/tests/emulation/$target" "$example" >"$log.url" 2>"$log.log" </dev/null &
  pid=$!
  servers+=("$pid")
  until [ -s "$log.url" ]; do
    if ! kill -0 "$pid" 2>/dev/null; then
      echo "  FAILED  $example on $target did not start; the end of $log.log:"
      tail -n 40 "$log.log" | sed 's/^/  | /'
      return 1
    fi
    sleep 0.2
  done
  URL=$(cat "$log.url")
  # shellcheck disable=SC2034 # suites read them
  SERVER_LOG=$log.log SERVER_PID=$pid
  echo "  done    $example${name:+ ($name)} on $target at $URL ($((SECONDS - started)) s)"
}

# Ends every server that serve started; each ends its own children.
stop_servers() {
  local pid
  for pid in ${servers[@]+"${servers[@]}"}; do kill -TERM "$pid" 2>/dev/null; done
  for pid in ${servers[@]+"${servers[@]}"}; do wait "$pid" 2>/dev/null; done
  servers=()
}
trap stop_servers EXIT
trap 'exit 130' INT TERM HUP
