# bash completion of keelson; made by `keelson completion bash`.
_keelson() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} verb=${COMP_WORDS[1]} words=''
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W 'backup blob cli cluster completion config elect log man restore serve topic version --help --version' -- "$word"))
    return
  fi
  case $verb in
    blob) [ "$COMP_CWORD" -eq 2 ] && words='cp du fsck keys create keys disable keys enable keys list keys policy get keys policy set keys rm keys show ls mb presign rb rm stat sync' || verb="$verb ${COMP_WORDS[2]}" ;;
    cluster) [ "$COMP_CWORD" -eq 2 ] && words='activate add cancel-move drain init lead move move-slots rebalance remove status' || verb="$verb ${COMP_WORDS[2]}" ;;
    config) [ "$COMP_CWORD" -eq 2 ] && words='check default diff docs get history set unset watch' || verb="$verb ${COMP_WORDS[2]}" ;;
    log) [ "$COMP_CWORD" -eq 2 ] && words='inspect verify' || verb="$verb ${COMP_WORDS[2]}" ;;
    topic) [ "$COMP_CWORD" -eq 2 ] && words='alter consume create dead-letters delete describe groups list produce seek' || verb="$verb ${COMP_WORDS[2]}" ;;
  esac
  case $verb in
    'serve')
      words='--blob.background-share --blob.compact-dead-share --blob.compressed-buckets --blob.compression --blob.durability --blob.scrub-interval --blob.shards --blob.volume-size --checkpoint.at-stop --checkpoint.cpu-max --checkpoint.log-min --cluster-init --cluster.advertise --cluster.init --cluster.join --cluster.listen --cluster.liveness-timeout --cluster.name --cluster.ping-interval --cluster.replace-after --cluster.replicas --cluster.secret --cluster.secret-file --cluster.tls.ca --cluster.tls.cert --cluster.tls.key --cluster.zone --config --data-dir --etcd.auto-compaction-mode --etcd.auto-compaction-retention --etcd.auto-compaction-revisions --etcd.durability --etcd.listen --etcd.max-connections --etcd.max-request-bytes --etcd.max-streams --etcd.max-txn-ops --etcd.tls.auth-clients --etcd.tls.ca --etcd.tls.cert --etcd.tls.key --etcd.tls.listen --etcd.token-ttl --etcd.watch-progress-interval --help --http.listen --http.max-connections --http.password --http.password-file --http.tls.cert --http.tls.key --join --kafka.acls --kafka.advertised-listener --kafka.allow-everyone-if-no-acl-found --kafka.auto-create-topics --kafka.connections-max-idle --kafka.group-consumer-heartbeat-interval --kafka.group-consumer-session-timeout --kafka.group-initial-rebalance-delay --kafka.group-max-session-timeout --kafka.group-max-size --kafka.group-min-session-timeout --kafka.listen --kafka.max-connections --kafka.max-fetch-size --kafka.max-request-size --kafka.num-partitions --kafka.offset-metadata-max-size --kafka.offsets-retention --kafka.offsets-retention-check-interval --kafka.sasl.max-reauth --kafka.sasl.mechanisms --kafka.sasl.users-file --kafka.super-users --kafka.tls.auth-clients --kafka.tls.ca --kafka.tls.cert --kafka.tls.key --kafka.tls.listen --kafka.transaction-check-interval --kafka.transaction-max-timeout --kafka.transactional-id-expiration --kv.active-expire-effort --kv.client-output-buffer-limit-normal --kv.client-output-buffer-limit-pubsub --kv.databases --kv.durability --kv.hash-max-listpack-entries --kv.hash-max-listpack-value --kv.latency-monitor-threshold --kv.lfu-decay-time --kv.lfu-log-factor --kv.list-max-listpack-size --kv.listen --kv.maxclients --kv.maxmemory --kv.maxmemory-policy --kv.maxmemory-samples --kv.notify-keyspace-events --kv.password --kv.password-file --kv.proto-max-bulk-len --kv.set-max-intset-entries --kv.set-max-listpack-entries --kv.set-max-listpack-value --kv.shards --kv.slowlog-log-slower-than --kv.slowlog-max-len --kv.sync-interval --kv.tcp-keepalive --kv.timeout --kv.tls.auth-clients --kv.tls.ca --kv.tls.cert --kv.tls.cipher-suites --kv.tls.ciphers --kv.tls.key --kv.tls.listen --kv.tls.protocol-min --kv.zset-max-listpack-entries --kv.zset-max-listpack-value --log.segment-size --log.spare-segments --logging.format --logging.level --pubsub.listen --pubsub.max-connections --pubsub.partitions --pubsub.tls.auth-clients --pubsub.tls.ca --pubsub.tls.cert --pubsub.tls.key --pubsub.tls.listen --reactors --ready-file --s3.access-key-id --s3.access-log-interval --s3.access-log-size --s3.customer-keys-over --s3.domain --s3.lifecycle-day --s3.listen --s3.master-keys --s3.master-keys-file --s3.max-connections --s3.region --s3.secret-access-key --s3.secret-access-key-file --s3.tls.cert --s3.tls.key --s3.tls.listen --s3.website-domain --topic.cache-size --topic.durability --topic.retention-check-interval --topic.shards -c -h'
      case $before in
        --kv.durability) words='always interval never' ;;
        --kv.maxmemory-policy) words='noeviction allkeys-lru allkeys-lfu allkeys-random volatile-lru volatile-lfu volatile-random volatile-ttl' ;;
        --kv.tls.auth-clients) words='no optional yes' ;;
        --kv.tls.protocol-min) words='1.2 1.3' ;;
        --s3.customer-keys-over) words='tls tls-or-loopback anything' ;;
        --blob.durability) words='always interval never' ;;
        --blob.compression) words='off zstd' ;;
        --etcd.durability) words='always interval never' ;;
        --etcd.auto-compaction-mode) words='periodic revision' ;;
        --etcd.tls.auth-clients) words='no optional yes' ;;
        --topic.durability) words='always interval never' ;;
        --kafka.auto-create-topics) words='yes no' ;;
        --kafka.acls) words='yes no' ;;
        --kafka.allow-everyone-if-no-acl-found) words='yes no' ;;
        --kafka.tls.auth-clients) words='no optional yes' ;;
        --pubsub.tls.auth-clients) words='no optional yes' ;;
        --checkpoint.at-stop) words='yes no' ;;
        --cluster.init) words='yes no' ;;
        --logging.level) words='debug info warning error' ;;
        --logging.format) words='auto text json' ;;
      esac
      ;;
    'config get')
      words='--cacert --cert --help --http --insecure --json --key --password-file --sni --tls -h'
      ;;
    'config set')
      words='--cacert --cert --help --http --insecure --json --key --password-file --sni --tls -h'
      ;;
    'config unset')
      words='--cacert --cert --help --http --insecure --json --key --password-file --sni --tls -h'
      ;;
    'config diff')
      words='--cacert --cert --help --http --insecure --json --key --password-file --sni --tls -h'
      ;;
    'config history')
      words='--cacert --cert --help --http --insecure --json --key --password-file --sni --tls -h'
      ;;
    'config watch')
      words='--cacert --cert --endpoints --help --insecure --key --password-file --sni --tls --user -h'
      ;;
    'config check')
      words='--blob.background-share --blob.compact-dead-share --blob.compressed-buckets --blob.compression --blob.durability --blob.scrub-interval --blob.shards --blob.volume-size --checkpoint.at-stop --checkpoint.cpu-max --checkpoint.log-min --cluster.advertise --cluster.init --cluster.join --cluster.listen --cluster.liveness-timeout --cluster.name --cluster.ping-interval --cluster.replace-after --cluster.replicas --cluster.secret --cluster.secret-file --cluster.tls.ca --cluster.tls.cert --cluster.tls.key --cluster.zone --config --data-dir --etcd.auto-compaction-mode --etcd.auto-compaction-retention --etcd.auto-compaction-revisions --etcd.durability --etcd.listen --etcd.max-connections --etcd.max-request-bytes --etcd.max-streams --etcd.max-txn-ops --etcd.tls.auth-clients --etcd.tls.ca --etcd.tls.cert --etcd.tls.key --etcd.tls.listen --etcd.token-ttl --etcd.watch-progress-interval --help --http.listen --http.max-connections --http.password --http.password-file --http.tls.cert --http.tls.key --kafka.acls --kafka.advertised-listener --kafka.allow-everyone-if-no-acl-found --kafka.auto-create-topics --kafka.connections-max-idle --kafka.group-consumer-heartbeat-interval --kafka.group-consumer-session-timeout --kafka.group-initial-rebalance-delay --kafka.group-max-session-timeout --kafka.group-max-size --kafka.group-min-session-timeout --kafka.listen --kafka.max-connections --kafka.max-fetch-size --kafka.max-request-size --kafka.num-partitions --kafka.offset-metadata-max-size --kafka.offsets-retention --kafka.offsets-retention-check-interval --kafka.sasl.max-reauth --kafka.sasl.mechanisms --kafka.sasl.users-file --kafka.super-users --kafka.tls.auth-clients --kafka.tls.ca --kafka.tls.cert --kafka.tls.key --kafka.tls.listen --kafka.transaction-check-interval --kafka.transaction-max-timeout --kafka.transactional-id-expiration --kv.active-expire-effort --kv.client-output-buffer-limit-normal --kv.client-output-buffer-limit-pubsub --kv.databases --kv.durability --kv.hash-max-listpack-entries --kv.hash-max-listpack-value --kv.latency-monitor-threshold --kv.lfu-decay-time --kv.lfu-log-factor --kv.list-max-listpack-size --kv.listen --kv.maxclients --kv.maxmemory --kv.maxmemory-policy --kv.maxmemory-samples --kv.notify-keyspace-events --kv.password --kv.password-file --kv.proto-max-bulk-len --kv.set-max-intset-entries --kv.set-max-listpack-entries --kv.set-max-listpack-value --kv.shards --kv.slowlog-log-slower-than --kv.slowlog-max-len --kv.sync-interval --kv.tcp-keepalive --kv.timeout --kv.tls.auth-clients --kv.tls.ca --kv.tls.cert --kv.tls.cipher-suites --kv.tls.ciphers --kv.tls.key --kv.tls.listen --kv.tls.protocol-min --kv.zset-max-listpack-entries --kv.zset-max-listpack-value --log.segment-size --log.spare-segments --logging.format --logging.level --pubsub.listen --pubsub.max-connections --pubsub.partitions --pubsub.tls.auth-clients --pubsub.tls.ca --pubsub.tls.cert --pubsub.tls.key --pubsub.tls.listen --reactors --s3.access-key-id --s3.access-log-interval --s3.access-log-size --s3.customer-keys-over --s3.domain --s3.lifecycle-day --s3.listen --s3.master-keys --s3.master-keys-file --s3.max-connections --s3.region --s3.secret-access-key --s3.secret-access-key-file --s3.tls.cert --s3.tls.key --s3.tls.listen --s3.website-domain --topic.cache-size --topic.durability --topic.retention-check-interval --topic.shards -c -h'
      case $before in
        --kv.durability) words='always interval never' ;;
        --kv.maxmemory-policy) words='noeviction allkeys-lru allkeys-lfu allkeys-random volatile-lru volatile-lfu volatile-random volatile-ttl' ;;
        --kv.tls.auth-clients) words='no optional yes' ;;
        --kv.tls.protocol-min) words='1.2 1.3' ;;
        --s3.customer-keys-over) words='tls tls-or-loopback anything' ;;
        --blob.durability) words='always interval never' ;;
        --blob.compression) words='off zstd' ;;
        --etcd.durability) words='always interval never' ;;
        --etcd.auto-compaction-mode) words='periodic revision' ;;
        --etcd.tls.auth-clients) words='no optional yes' ;;
        --topic.durability) words='always interval never' ;;
        --kafka.auto-create-topics) words='yes no' ;;
        --kafka.acls) words='yes no' ;;
        --kafka.allow-everyone-if-no-acl-found) words='yes no' ;;
        --kafka.tls.auth-clients) words='no optional yes' ;;
        --pubsub.tls.auth-clients) words='no optional yes' ;;
        --checkpoint.at-stop) words='yes no' ;;
        --cluster.init) words='yes no' ;;
        --logging.level) words='debug info warning error' ;;
        --logging.format) words='auto text json' ;;
      esac
      ;;
    'config default')
      words='--help -h'
      ;;
    'config docs')
      words='--help -h'
      ;;
    'cli')
      words='--cacert --cert --database --help --host --insecure --interval --key --no-raw --password --password-file --port --raw --repeat --sni --socket --tls --user -2 -a -h -i -n -p -r -s -u -x'
      ;;
    'blob cp')
      words='--access-key-id --cacert --cache-control --cert --content-type --dry-run --endpoint --exclude --help --include --insecure --key --metadata --no-clobber --no-resume --no-sign --parallel --part-size --quiet --recursive --region --secret-access-key --secret-access-key-file --storage-class --version-id -h -n -q -r'
      ;;
    'blob sync')
      words='--access-key-id --cacert --cache-control --cert --checksum --content-type --delete --dry-run --endpoint --exclude --help --include --insecure --key --metadata --no-resume --no-sign --parallel --part-size --quiet --region --secret-access-key --secret-access-key-file --size-only --storage-class -h -q'
      ;;
    'blob ls')
      words='--access-key-id --bytes --cacert --cert --endpoint --help --insecure --json --key --no-sign --parallel --quiet --recursive --region --secret-access-key --secret-access-key-file --uploads --versions -h -q -r'
      ;;
    'blob rm')
      words='--access-key-id --cacert --cert --dry-run --endpoint --exclude --help --include --insecure --key --no-sign --parallel --quiet --recursive --region --secret-access-key --secret-access-key-file --uploads --version-id --versions -h -q -r'
      ;;
    'blob du')
      words='--access-key-id --bytes --cacert --cert --endpoint --help --insecure --json --key --no-sign --parallel --quiet --region --secret-access-key --secret-access-key-file --summarize -h -q -s'
      ;;
    'blob stat')
      words='--access-key-id --cacert --cert --endpoint --help --insecure --json --key --no-sign --parallel --quiet --region --secret-access-key --secret-access-key-file --version-id -h -q'
      ;;
    'blob mb')
      words='--access-key-id --cacert --cert --endpoint --help --insecure --key --no-sign --parallel --quiet --region --secret-access-key --secret-access-key-file -h -q'
      ;;
    'blob rb')
      words='--access-key-id --cacert --cert --dry-run --endpoint --force --help --insecure --key --no-sign --parallel --quiet --region --secret-access-key --secret-access-key-file -h -q'
      ;;
    'blob presign')
      words='--access-key-id --cacert --cert --endpoint --expires --help --insecure --key --method --no-sign --parallel --quiet --region --secret-access-key --secret-access-key-file --version-id -h -q'
      case $before in
        --method) words='GET PUT HEAD DELETE:{GET,PUT,HEAD,DELETE}' ;;
      esac
      ;;
    'blob keys create')
      words='--bucket --cacert --cert --expires --help --http --id --insecure --json --key --password-file --policy --prefix --secret-file --sni --tls --user -h'
      ;;
    'blob keys list')
      words='--cacert --cert --help --http --insecure --json --key --password-file --sni --tls -h'
      ;;
    'blob keys show')
      words='--cacert --cert --help --http --insecure --json --key --password-file --sni --tls -h'
      ;;
    'blob keys enable')
      words='--cacert --cert --help --http --insecure --json --key --password-file --sni --tls -h'
      ;;
    'blob keys disable')
      words='--cacert --cert --help --http --insecure --json --key --password-file --sni --tls -h'
      ;;
    'blob keys rm')
      words='--cacert --cert --help --http --insecure --json --key --password-file --sni --tls -h'
      ;;
    'blob keys policy get')
      words='--cacert --cert --help --http --insecure --json --key --password-file --sni --tls -h'
      ;;
    'blob keys policy set')
      words='--bucket --cacert --cert --help --http --insecure --json --key --password-file --prefix --sni --tls -h'
      ;;
    'blob fsck')
      words='--data-dir --help --quiet -h -q'
      ;;
    'topic create')
      words='--cacert --cert --help --if-not-exists --insecure --key --partitions --password-file --server --set --sni --tls --user -h -p -s -u'
      ;;
    'topic list')
      words='--cacert --cert --help --insecure --json --key --password-file --server --sni --tls --user -h -s -u'
      ;;
    'topic describe')
      words='--cacert --cert --help --insecure --json --key --password-file --server --sni --tls --user -h -s -u'
      ;;
    'topic delete')
      words='--cacert --cert --help --if-exists --insecure --key --password-file --server --sni --tls --user -h -s -u'
      ;;
    'topic alter')
      words='--cacert --cert --help --insecure --key --partitions --password-file --server --set --sni --tls --unset --user -h -p -s -u'
      ;;
    'topic produce')
      words='--base64 --cacert --cert --compression --help --insecure --key --message-key --partition --password-file --quiet --raw --server --sni --tls --user -h -k -q -s -u'
      ;;
    'topic consume')
      words='--base64 --cacert --cert --count --follow --from --group --help --insecure --key --partition --password-file --quiet --raw --server --sni --tls --uncommitted{false} --user -f -g -h -n -q -s -u'
      ;;
    'topic dead-letters')
      words='--base64 --cacert --cert --count --from --group --help --insecure --key --partition --password-file --quiet --resend --server --sni --tls --user -g -h -n -q -s -u'
      ;;
    'topic groups')
      words='--cacert --cert --help --insecure --json --key --password-file --server --sni --tls --user -h -s -u'
      ;;
    'topic seek')
      words='--cacert --cert --help --insecure --key --partition --password-file --quiet --server --sni --tls --to --user -h -q -s -u'
      ;;
    'cluster init')
      words='--cacert --cert --help --http --insecure --key --password-file --sni --tls -h'
      ;;
    'cluster status')
      words='--cacert --cert --help --http --insecure --json --key --password-file --sni --tls -h'
      ;;
    'cluster add')
      words='--cacert --cert --help --http --insecure --key --password-file --sni --tls -h'
      ;;
    'cluster remove')
      words='--cacert --cert --help --http --insecure --key --password-file --sni --tls -h'
      ;;
    'cluster drain')
      words='--cacert --cert --help --http --insecure --key --password-file --sni --tls -h'
      ;;
    'cluster activate')
      words='--cacert --cert --help --http --insecure --key --password-file --sni --tls -h'
      ;;
    'cluster move')
      words='--cacert --cert --help --http --insecure --key --password-file --sni --tls -h'
      ;;
    'cluster lead')
      words='--cacert --cert --help --http --insecure --key --password-file --sni --tls -h'
      ;;
    'cluster move-slots')
      words='--cacert --cert --help --http --insecure --key --no-wait --password-file --sni --tls -h'
      ;;
    'cluster cancel-move')
      words='--cacert --cert --help --http --insecure --key --password-file --sni --tls -h'
      ;;
    'cluster rebalance')
      words='--cacert --cert --help --http --insecure --key --no-wait --password-file --sni --tls -h'
      ;;
    'elect')
      words='--cacert --cert --endpoints --grace --help --insecure --key --password-file --quiet --sni --tls --ttl --user --value -h -q'
      ;;
    'backup')
      words='--cacert --cert --help --http --insecure --key --password-file --quiet --sni --tls -h -q'
      ;;
    'restore')
      words='--data-dir --help --quiet -h -q'
      ;;
    'log inspect')
      words='--data-dir --help --records -h'
      ;;
    'log verify')
      words='--data-dir --help -h'
      ;;
    'completion')
      words='--help -h bash zsh fish'
      ;;
    'man')
      words='--help -h'
      ;;
    'version')
      words='--help -h'
      ;;
  esac
  case $before in
    --cacert|--cert|--cluster.secret-file|--cluster.tls.ca|--cluster.tls.cert|--cluster.tls.key|--config|--data-dir|--etcd.tls.ca|--etcd.tls.cert|--etcd.tls.key|--http.password-file|--http.tls.cert|--http.tls.key|--kafka.sasl.users-file|--kafka.tls.ca|--kafka.tls.cert|--kafka.tls.key|--key|--kv.password-file|--kv.tls.ca|--kv.tls.cert|--kv.tls.key|--password-file|--pubsub.tls.ca|--pubsub.tls.cert|--pubsub.tls.key|--ready-file|--s3.master-keys-file|--s3.secret-access-key-file|--s3.tls.cert|--s3.tls.key|--secret-access-key-file|--secret-file|--socket|-c|-s) COMPREPLY=($(compgen -f -- "$word")); return ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  case $verb in backup|restore|'blob cp'|'blob sync') COMPREPLY+=($(compgen -f -- "$word")) ;; esac
}
complete -o filenames -F _keelson keelson
