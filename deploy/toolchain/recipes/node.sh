# How do we get the pinned Node? Its npm package carries the binary; npm itself is the machine's.
# shellcheck shell=bash disable=SC2154
set -euo pipefail
command -v npm >/dev/null || { echo "npm is missing: install Node.js $EDGEMCP_NODE_MINIMUM or newer with its npm"; exit 1; }
mkdir -p "$BUILD"
npm install --prefix "$BUILD" --ignore-scripts=false --no-audit --no-fund "node@$VERSION"
mkdir "$DEST/bin"
cp "$BUILD/node_modules/node/bin/node" "$DEST/bin/node"
[ "$("$DEST/bin/node" --version)" = "v$VERSION" ]
