# How do we get a redis-server? Out of Debian's packages, unpacked into $DEST: that needs no root, and installs no service
# that would run from then on. apt checks the packages against Debian's signed lists, and a release of Debian has one
# version of them, so what is pinned is the oldest version that will do.
# shellcheck shell=bash disable=SC2154
set -euo pipefail
. "$edgemcp_toolchain_dir/recipes/machine.sh"
. "$edgemcp_toolchain_dir/tools.sh"

if ! { command -v apt-get && command -v dpkg-deb; } >/dev/null; then
  echo "install Redis $EDGEMCP_REDIS_MINIMUM or newer with your package manager (brew install redis), or set EDGEMCP_REDIS_SERVER to the redis-server or valkey-server you have"
  exit 1
fi
# What apt would install: redis-server, and what it needs that this machine has not.
wanted() { apt-get install --simulate --no-install-recommends redis-server | sed -n 's/^Inst \([^ ]*\).*/\1/p'; }
packages=$(wanted) || { apt_lists && packages=$(wanted); }
[ -n "$packages" ] || packages="redis-server redis-tools"
mkdir -p "$BUILD" "$DEST/bin" "$DEST/files"
cd "$BUILD"
# shellcheck disable=SC2086 # the packages are words
apt-get download $packages
for package in *.deb; do dpkg-deb --extract "$package" "$DEST/files"; done

for name in redis-server redis-cli; do
  cat >"$DEST/bin/$name" <<SH
#!/bin/sh
export LD_LIBRARY_PATH="$DEST/files/usr/lib/$(uname -m)-linux-gnu\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
exec "$DEST/files/usr/bin/$name" "\$@"
SH
  chmod +x "$DEST/bin/$name"
done
redis_is_new_enough "$DEST/bin/redis-server" || { echo "Debian has $("$DEST/bin/redis-server" --version), older than $EDGEMCP_REDIS_MINIMUM"; exit 1; }
