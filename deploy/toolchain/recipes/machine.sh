# How does a recipe ask the machine for something: a Debian package, a command with a time limit? (sourced by the recipes)
# shellcheck shell=bash

# Fetches apt's lists of packages, where there are none yet; without the right to, says so.
apt_lists() {
  local as_root=()
  if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || { echo "not root, and no sudo without a password: please run apt-get update"; return 1; }
    as_root=(sudo -n)
  fi
  ${as_root[@]+"${as_root[@]}"} apt-get -o DPkg::Lock::Timeout=300 update
}

# Installs what is missing of the named Debian packages; without the right to, names them.
debian_packages() {
  local missing=() package as_root=()
  for package; do
    dpkg -s "$package" 2>/dev/null | grep '^Status: install ok installed' >/dev/null || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ]; then
    if ! sudo -n true 2>/dev/null; then
      echo "not root, and no sudo without a password: please install these packages: ${missing[*]}"
      return 1
    fi
    as_root=(sudo -n)
  fi
  local apt=(${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -y)
  "${apt[@]}" install --no-install-recommends "${missing[@]}" ||
    { "${apt[@]}" update && "${apt[@]}" install --no-install-recommends "${missing[@]}"; }
}

# Runs a command for at most so many seconds, where the machine can.
at_most() {
  local seconds=$1
  shift
  if command -v timeout >/dev/null; then timeout "$seconds" "$@"; else "$@"; fi
}
