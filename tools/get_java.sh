#!/usr/bin/env bash
# Brings the jars of tests' clients and of their peer from Maven's registry, each at the version that its pom names and with the SHA-256
# that stands beside the pom, and prints the folder. What was brought is kept. After a change of versions: sha256sum *.jar in the folder.
#
#   tools/get_java.sh          the Kafka client for Java, into build/java
#   tools/get_java.sh peer     Apache Kafka's server, into build/peers/kafka
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
case "${1:-client}" in
  client) pom=$root/tests/e2e/clients/pom.xml; folder=$root/build/java ;;
  peer) pom=$root/tests/e2e/clients/peer.xml; folder=$root/build/peers/kafka ;;
  *) sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
if ! cmp -s "$pom" "$folder/pom.xml"; then
  rm -rf "$folder"
  mkdir -p "$folder"
  mvn -q -B -C -f "$pom" dependency:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$folder" >&2
  if ! (cd "$folder" && sha256sum -- *.jar | LC_ALL=C sort -k 2) | diff "${pom%.xml}.sha256" - >&2; then
    echo "get_java.sh: these are not the jars that were asked for" >&2
    exit 1
  fi
  cp "$pom" "$folder/pom.xml"
fi
printf '%s\n' "$folder"
