#!/usr/bin/env bash
# Unpacks Debian's nats-server and its C client into build/peers/nats for benchmarks, and prints the folder. They are not installed: the
# server's package would start a service.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=$root/build/peers/nats
if [ ! -x "$folder/usr/sbin/nats-server" ]; then
  mkdir -p "$folder"
  cd "$folder"
  apt-get download -q nats-server libnats-dev libnats3.4 libprotobuf-c1 >&2
  for package in ./*.deb; do dpkg-deb --extract "$package" .; done
  rm ./*.deb
fi
printf '%s\n' "$folder"
