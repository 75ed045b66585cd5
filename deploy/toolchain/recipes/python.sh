# How do we get the Python tools? One virtual environment per requirements file, which is this recipe's argument.
# Only the commands listed below are linked into $DEST/path for env.sh, so that two environments don't hide each other's.
# shellcheck shell=bash disable=SC2154
set -euo pipefail
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "Python 3.10 or newer is missing"; exit 1; }
python3 -m venv "$DEST"
"$DEST/bin/python3" -m pip install --disable-pip-version-check --requirement "$edgemcp_toolchain_dir/python/$1.txt"
mkdir "$DEST/path"
case $1 in
  lambda)
    ln -s ../bin/cargo-lambda "$DEST/path/cargo-lambda"
    ln -s "$("$DEST/bin/python3" -c 'import ziglang, os; print(os.path.dirname(ziglang.__file__))')/zig" "$DEST/path/zig"
    ;;
  dynamodb) ln -s ../bin/ministack "$DEST/path/ministack" ;;
  clients | stores)
    # A link would be taken for the interpreter outside the environment.
    case $1 in clients) names="python python3" ;; stores) names=python-stores ;; esac
    for name in $names; do
      printf '#!/bin/sh\nexec "%s/bin/python3" "$@"\n' "$DEST" >"$DEST/path/$name"
      chmod +x "$DEST/path/$name"
    done
    ;;
esac
