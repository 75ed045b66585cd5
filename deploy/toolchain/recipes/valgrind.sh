# How do we get valgrind? Out of Debian's package, unpacked into $DEST, which needs no root. apt checks it against Debian's
# signed lists, and a release of Debian has one version of it.
# shellcheck shell=bash disable=SC2154
set -euo pipefail
. "$edgemcp_toolchain_dir/recipes/machine.sh"

if ! { command -v apt-get && command -v dpkg-deb; } >/dev/null; then
  echo "install valgrind with your package manager"
  exit 1
fi
mkdir -p "$BUILD" "$DEST/bin"
cd "$BUILD"
apt-get download valgrind || { apt_lists && apt-get download valgrind; }
for package in *.deb; do dpkg-deb --extract "$package" "$DEST/files"; done

# Its tools are looked for where the package would have been installed.
cat >"$DEST/bin/valgrind" <<SH
#!/bin/sh
export VALGRIND_LIB="$DEST/files/usr/libexec/valgrind"
exec "$DEST/files/usr/bin/valgrind.bin" "\$@"
SH
chmod +x "$DEST/bin/valgrind"
"$DEST/bin/valgrind" --tool=callgrind --callgrind-out-file=/dev/null true
