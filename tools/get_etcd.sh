#!/usr/bin/env bash
# Unpacks Debian's etcd into build/peers/etcd for tests and benchmarks, and prints the program's path. It is not installed: its
# package would start a service. An etcd on the PATH is as good.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if command -v etcd; then exit 0; fi
folder=$root/build/peers/etcd
if [ ! -x "$folder/usr/bin/etcd" ]; then
  mkdir -p "$folder"
  cd "$folder"
  apt-get download -q etcd-server >&2
  dpkg-deb --extract etcd-server_*.deb .
  rm etcd-server_*.deb
fi
printf '%s\n' "$folder/usr/bin/etcd"
