# shellcheck shell=bash
# For ./up: a cluster of nodes on loopback. Uses $root, $keelson, say and die of the caller.

# Node I has its kv on 7000+I, Kafka's protocol on 9091+I, etcd on 12378+I, HTTP on 8080+I, S3 on 9000+I, and other nodes reach it on 7400+I.
serve_node() {
  local node=$1 count=$2 peers=() i
  shift 2
  for ((i = 1; i <= count; ++i)); do [ "$i" = "$node" ] || peers+=("127.0.0.1:$((7400 + i))"); done
  local place=(--join "$(IFS=,; echo "${peers[*]}")")
  [ "$node" != 1 ] || place=(--cluster-init)
  exec "$keelson" serve --data-dir "$root/data/cluster/$node" --cluster.listen "127.0.0.1:$((7400 + node))" "${place[@]}" \
    --kv.listen "127.0.0.1:$((7000 + node))" --http.listen "127.0.0.1:$((8080 + node))" \
    --s3.listen "127.0.0.1:$((9000 + node))" --etcd.listen "127.0.0.1:$((12378 + node))" \
    --kafka.listen "127.0.0.1:$((9091 + node))" --reactors 1 --cluster.name "node-$node" --cluster.zone "zone-$node" "$@"
}

# Starts it again when it ends by itself, until the caller ends.
keep_node() {
  local node=$1 pid code log=$root/data/cluster/$1.log
  trap 'kill -TERM "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; exit 0' TERM
  while true; do
    serve_node "$@" >>"$log" 2>&1 &
    pid=$!
    echo "$pid" >"$root/data/cluster/$node.pid"
    code=0
    wait "$pid" || code=$?
    say "node $node ended (exit code $code, see $log); it comes back in 5 seconds"
    sleep 5 &
    pid=$!
    wait "$pid"
  done
}

serve_cluster() {
  local count=$1 node keepers=() pid
  shift
  mkdir -p "$root/data/cluster"
  for ((node = 1; node <= count; ++node)); do
    keep_node "$node" "$count" "$@" &
    keepers+=($!)
  done
  # shellcheck disable=SC2064
  trap "say 'stopping'; kill -TERM ${keepers[*]} 2>/dev/null; wait; exit 0" INT TERM
  for ((node = 1; node <= count; ++node)); do
    until curl -fs "http://127.0.0.1:$((8080 + node))/readyz" >/dev/null; do
      kill -0 "${keepers[$((node - 1))]}" 2>/dev/null || die "node $node did not start; see $root/data/cluster/$node.log"
      sleep 0.2
    done
    pid=$(cat "$root/data/cluster/$node.pid")
    say "node $node serves (process $pid)"
    printf '      kv     redis-cli -c -p %s set ship keelson\n' "$((7000 + node))"
    printf '      etcd   etcdctl --endpoints 127.0.0.1:%s put ship keelson\n' "$((12378 + node))"
    printf '      kafka  echo keelson | kcat -b 127.0.0.1:%s -t ship -P\n' "$((9091 + node))"
    printf '      http   curl http://127.0.0.1:%s/metrics\n' "$((8080 + node))"
  done
  say "a cluster of $count nodes; Ctrl-C stops it"
  printf '      all    %s cluster status --http 127.0.0.1:8081\n' "$keelson"
  printf '      kill -9 one of the processes: the others go on, and it comes back after 5 seconds\n'
  wait
}
