// The one table of settings. Flags, variables, the default file, `config check` and docs/configuration.md are made from
// it.
#include <algorithm>

#include "server/settings.h"

namespace keelson::server {

namespace {

using enum SettingType;

constexpr bool kStatic = false;
constexpr bool kDynamic = true;
constexpr int64_t kUint32Max = UINT32_MAX;
constexpr int64_t kKiB = 1024;
constexpr int64_t kMiB = 1024 * kKiB;
constexpr int64_t kGiB = 1024 * kMiB;
constexpr int64_t kTiB = 1024 * kGiB;
constexpr int64_t kMinuteMs = 60'000;
constexpr int64_t kDayMs = 24 * 60 * kMinuteMs;

constexpr SettingSpec text(std::string_view key, SettingType type, std::string_view default_text, bool is_dynamic,
                           std::string_view description) {
  return {.key = key, .type = type, .default_text = default_text, .is_dynamic = is_dynamic, .description = description};
}

constexpr SettingSpec number(std::string_view key, SettingType type, std::string_view default_text, int64_t least,
                             int64_t most, std::string_view unit, bool is_dynamic, std::string_view description) {
  return {.key = key,
          .type = type,
          .default_text = default_text,
          .least = least,
          .most = most,
          .unit = unit,
          .is_dynamic = is_dynamic,
          .description = description};
}

constexpr SettingSpec choice(std::string_view key, std::string_view default_text, std::string_view choices,
                             bool is_dynamic, std::string_view description) {
  return {.key = key,
          .type = kChoice,
          .default_text = default_text,
          .choices = choices,
          .is_dynamic = is_dynamic,
          .description = description};
}

constexpr SettingSpec kTable[] = {
    // The node.
    text("data-dir", kPath, "data", kStatic,
         "Folder that holds everything the server keeps. One server at a time uses it."),
    number(
        "reactors", kInteger, "0", 0, 256, "threads", kStatic,
        "Threads that serve, each with its own connections and shards. 0: one for each core that the process may use."),

    // kv: listening.
    text("kv.listen", kAddresses, "127.0.0.1:6379", kStatic,
         "Where Redis clients connect. Several addresses stand in an array, or behind one another with commas. Port 0 "
         "picks a free "
         "one. Addresses other than loopback need a password. Empty: none (with kv.tls.listen)."),
    text("kv.password", kSecret, "", kDynamic,
         "What AUTH and HELLO must give, as user \"default\". Empty: no authentication, and only loopback addresses "
         "are listened on. "
         "On a command line others can see it: use kv.password-file there."),
    text("kv.password-file", kPath, "", kStatic,
         "File that holds the password, alone on its first line. Instead of kv.password."),

    // kv: durability.
    choice("kv.durability", "interval", "always|interval|never", kDynamic,
           "When a write is safe from a crash of the machine. \"always\": before it is answered. \"interval\": within "
           "kv.sync-interval. \"never\": when the operating system gets to it. A crash of the server alone can lose at "
           "most the "
           "last moment (well under a millisecond) of \"interval\" and \"never\"."),
    number("kv.sync-interval", kDuration, "1s", 1, 10 * kMinuteMs, "", kStatic,
           "How often \"interval\" syncs the log."),

    // kv: the keyspace.
    number(
        "kv.shards", kInteger, "16", 1, 1024, "shards", kStatic,
        "Parts that the keyspace is cut into; each belongs to one reactor. Fixed when the data folder is first used."),
    number("kv.databases", kInteger, "16", 1, 65'534, "databases", kStatic,
           "How many databases SELECT knows. Must not become less than what the data folder has seen."),
    number("kv.maxmemory", kBytes, "0", 0, INT64_MAX, "bytes", kDynamic,
           "Memory that data may take; past it kv.maxmemory-policy decides. 0: no limit."),
    choice("kv.maxmemory-policy", "noeviction",
           "noeviction|allkeys-lru|allkeys-lfu|allkeys-random|volatile-lru|volatile-lfu|volatile-random|volatile-ttl",
           kDynamic,
           "Which keys go when kv.maxmemory is reached. \"noeviction\": writes that need memory are refused."),
    number("kv.maxmemory-samples", kInteger, "5", 1, INT32_MAX, "keys", kDynamic,
           "Keys looked at for each eviction; more come closer to true LRU."),
    number("kv.active-expire-effort", kInteger, "1", 1, 10, "", kDynamic,
           "How hard keys whose time has passed are looked for. Each step costs more time and leaves fewer of them in "
           "memory."),
    text("kv.notify-keyspace-events", kText, "", kDynamic,
         "Keyspace events that are published, by Redis's letters (\"KEA\": all). Empty: none."),

    // kv: clients.
    number("kv.maxclients", kInteger, "10000", 1, kUint32Max, "clients", kDynamic,
           "Connections at a time; more are refused."),
    number("kv.timeout", kInteger, "0", 0, INT32_MAX, "seconds", kDynamic,
           "A connection idle for so long is closed. 0: never."),
    number("kv.tcp-keepalive", kInteger, "300", 0, INT32_MAX, "seconds", kDynamic,
           "Idle for so long, the peer of a new connection is asked whether it is still there. 0: never."),
    number("kv.proto-max-bulk-len", kBytes, "512mb", kMiB, 512 * kMiB, "bytes", kDynamic,
           "The largest argument that is taken."),
    text("kv.client-output-buffer-limit-normal", kText, "0 0 0", kDynamic,
         "When a client that does not read its replies is cut off: at so many bytes, or at so many bytes for so many "
         "seconds "
         "(\"256mb 64mb 60\"). 0: no limit."),
    text("kv.client-output-buffer-limit-pubsub", kText, "32mb 8mb 60", kDynamic,
         "The same for clients that subscribe."),

    // kv: watching.
    number("kv.slowlog-log-slower-than", kInteger, "10000", -1, INT64_MAX, "microseconds", kDynamic,
           "Commands that take longer stand in SLOWLOG. 0: all. -1: none."),
    number("kv.slowlog-max-len", kInteger, "128", 0, kUint32Max, "entries", kDynamic, "Entries that SLOWLOG keeps."),
    number("kv.latency-monitor-threshold", kInteger, "0", 0, kUint32Max, "milliseconds", kDynamic,
           "Events that take longer stand in LATENCY. 0: none."),

    // kv: encodings.
    number("kv.hash-max-listpack-entries", kInteger, "128", 0, kUint32Max, "fields", kDynamic,
           "Hashes up to this size are kept packed: slower to search, much smaller."),
    number("kv.hash-max-listpack-value", kInteger, "64", 0, kUint32Max, "bytes", kDynamic,
           "The longest field or value of a packed hash."),
    number("kv.set-max-intset-entries", kInteger, "512", 0, kUint32Max, "members", kDynamic,
           "Sets of integers up to this size are kept packed."),
    number("kv.set-max-listpack-entries", kInteger, "128", 0, kUint32Max, "members", kDynamic,
           "Sets up to this size are kept packed."),
    number("kv.set-max-listpack-value", kInteger, "64", 0, kUint32Max, "bytes", kDynamic,
           "The longest member of a packed set."),
    number("kv.zset-max-listpack-entries", kInteger, "128", 0, kUint32Max, "members", kDynamic,
           "Sorted sets up to this size are kept packed."),
    number("kv.zset-max-listpack-value", kInteger, "64", 0, kUint32Max, "bytes", kDynamic,
           "The longest member of a packed sorted set."),
    number("kv.list-max-listpack-size", kInteger, "-2", -5, INT32_MAX, "", kDynamic,
           "Size of a list's chunks. -1 to -5: 4, 8, 16, 32, 64 KiB. Above 0: so many elements."),
    number("kv.lfu-log-factor", kInteger, "10", 0, 255, "", kDynamic,
           "How slowly the counters of the LFU policies grow."),
    number("kv.lfu-decay-time", kInteger, "1", 0, INT32_MAX, "minutes", kDynamic,
           "How long until a counter that is not touched shrinks by one."),

    // kv: TLS.
    text("kv.tls.listen", kAddresses, "", kStatic,
         "Where Redis clients connect with TLS. Needs kv.tls.cert and kv.tls.key."),
    text("kv.tls.cert", kPath, "", kStatic, "PEM file with the server's certificate, then its chain."),
    text("kv.tls.key", kPath, "", kStatic, "PEM file with the certificate's private key, without a passphrase."),
    text("kv.tls.ca", kPath, "", kStatic,
         "PEM file with the certificates that client certificates are checked against."),
    choice("kv.tls.auth-clients", "no", "no|optional|yes", kStatic,
           "Whether clients must show a certificate that kv.tls.ca has signed. \"optional\": one that is shown must be "
           "good."),
    choice("kv.tls.protocol-min", "1.2", "1.2|1.3", kStatic, "Oldest version of TLS that is spoken."),
    text("kv.tls.ciphers", kText, "", kStatic, "Ciphers of TLS 1.2, in OpenSSL's notation. Empty: OpenSSL's default."),
    text("kv.tls.cipher-suites", kText, "", kStatic, "Cipher suites of TLS 1.3. Empty: OpenSSL's default."),

    // s3: listening.
    text("s3.listen", kAddresses, "127.0.0.1:9000", kStatic,
         "Where S3 clients connect. Port 0 picks a free one. Every request is signed with an access key, so other "
         "addresses than loopback may be named; use TLS there. Empty: none (with s3.tls.listen)."),
    text("s3.access-key-id", kText, "", kStatic,
         "Id of the root key, which may do everything. Empty: one is made at the first start, shown once, and kept in "
         "the data folder."),
    text("s3.secret-access-key", kSecret, "", kStatic,
         "Secret of the root key. On a command line others can see it: use s3.secret-access-key-file there."),
    text("s3.secret-access-key-file", kPath, "", kStatic,
         "File that holds the root key's secret, alone on its first line. Instead of s3.secret-access-key."),
    text("s3.region", kText, "us-east-1", kStatic, "The region that requests are signed for."),
    text("s3.domain", kText, "", kStatic,
         "Domains under which buckets are host names (<bucket>.<domain>), with commas between. The path style always "
         "works."),
    text("s3.website-domain", kText, "", kStatic,
         "Domains under which buckets with a website configuration are served as web pages (<bucket>.<domain>)."),
    number("s3.max-connections", kInteger, "1024", 1, 65'536, "connections", kStatic,
           "Connections of S3 clients at a time; more are answered 503."),
    text("s3.master-keys", kSecret, "", kStatic,
         "Master keys of objects that the server encrypts (SSE-S3), each 32 bytes in base64, with commas between; the "
         "last one encrypts, the others decrypt what they have encrypted. Instead of s3.master-keys-file."),
    text("s3.master-keys-file", kPath, "", kStatic,
         "File that holds the master keys, one on each line. Empty: s3-master-keys in the data folder, made at the "
         "first "
         "start and part of backups. A file elsewhere is not: without it encrypted objects are lost."),
    choice("s3.customer-keys-over", "tls-or-loopback", "tls|tls-or-loopback|anything", kStatic,
           "Connections over which customers may send keys of their own (SSE-C). \"anything\": in the clear over any "
           "network too, as behind a proxy that ends TLS."),
    number("s3.lifecycle-day", kDuration, "1d", 1000, kDayMs, "", kStatic,
           "How long a day of lifecycle rules and inventories is. For tests alone: with less than a real day objects "
           "expire "
           "early."),
    number("s3.access-log-interval", kDuration, "5m", 1000, 60 * kMinuteMs, "", kStatic,
           "Lines of a bucket's server access log are delivered to their target bucket at most this long after their "
           "requests. A crash loses those that were not."),
    number("s3.access-log-size", kBytes, "4mb", 64 << 10, 256 * kMiB, "bytes", kStatic,
           "Or when so many bytes of them have gathered, for each source bucket and reactor; 16 times as much may wait "
           "in memory, more is dropped and counted."),

    // s3: TLS.
    text("s3.tls.listen", kAddresses, "", kStatic,
         "Where S3 clients connect with TLS. Needs s3.tls.cert and s3.tls.key."),
    text("s3.tls.cert", kPath, "", kStatic, "PEM file with the server's certificate, then its chain."),
    text("s3.tls.key", kPath, "", kStatic, "PEM file with the certificate's private key, without a passphrase."),

    // blob.
    choice("blob.durability", "always", "always|interval|never", kStatic,
           "When a change of an object is safe from a crash of the machine. \"always\": before it is answered. "
           "\"interval\": within kv.sync-interval. \"never\": when the operating system gets to it."),
    number(
        "blob.shards", kInteger, "16", 1, 1024, "shards", kStatic,
        "Parts that objects are spread over; each belongs to one reactor. Fixed when the data folder is first used."),
    number("blob.volume-size", kBytes, "1gb", kMiB, kTiB, "bytes", kStatic,
           "A volume (a file with the bytes of many objects) takes no more once it is this large."),
    number("blob.compact-dead-share", kInteger, "30", 1, 100, "percent", kStatic,
           "A volume is rewritten when at least this share of it belongs to objects that are gone."),
    number("blob.background-share", kInteger, "10", 0, 100, "percent", kStatic,
           "Share of each reactor's time that rewriting and scrubbing may take together. 0: neither is done."),
    number("blob.scrub-interval", kDuration, "7d", 0, 365 * kDayMs, "", kStatic,
           "How long after one scrub (everything is read and checked) the next begins. 0: never."),

    choice(
        "blob.compression", "off", "off|zstd", kStatic,
        "Whether new objects are compressed, in blocks of 128 KiB, where their beginning shows that it helps. Objects "
        "with customers' keys never are. What is there stays as it is and is read either way."),
    text("blob.compressed-buckets", kText, "*", kStatic,
         "Buckets that blob.compression is for: names or patterns (logs-*), with commas between."),

    // etcd.
    text("etcd.listen", kAddresses, "127.0.0.1:2379", kStatic,
         "Where etcd's clients connect: gRPC and JSON, without TLS. Port 0 picks a free one. Addresses other than "
         "loopback need authentication to be on (etcdctl auth enable). Empty: none (with etcd.tls.listen)."),
    choice("etcd.durability", "always", "always|interval|never", kStatic,
           "When a change of a key or lease is safe from a crash of the machine. \"always\": before it is answered. "
           "\"interval\": within kv.sync-interval. \"never\": when the operating system gets to it."),
    number("etcd.max-request-bytes", kBytes, "1536kb", kKiB, 64 * kMiB, "bytes", kStatic,
           "The largest put or transaction that is taken; larger ones are refused."),
    number("etcd.max-txn-ops", kInteger, "128", 1, 65'536, "operations", kStatic,
           "Operations of a transaction; the longest of its three lists counts."),
    number("etcd.max-connections", kInteger, "10000", 1, 1'000'000, "connections", kStatic,
           "Connections of etcd's clients at a time; more are answered 503."),
    number("etcd.max-streams", kInteger, "16384", 16, 1'000'000, "calls", kStatic,
           "Calls under way at a time on one connection, watches and keep-alives among them; more are refused."),
    number("etcd.token-ttl", kDuration, "5m", 1000, kDayMs, "", kStatic,
           "The token of a login ends this long after its last use."),
    choice("etcd.auto-compaction-mode", "periodic", "periodic|revision", kStatic,
           "Which history is forgotten by itself. \"periodic\": what is older than etcd.auto-compaction-retention. "
           "\"revision\": all but the last etcd.auto-compaction-revisions."),
    number("etcd.auto-compaction-retention", kDuration, "0", 0, 365 * kDayMs, "", kStatic,
           "How long history is kept. 0: until clients compact it."),
    number("etcd.auto-compaction-revisions", kInteger, "0", 0, INT64_MAX / 2, "revisions", kStatic,
           "How many revisions are kept. 0: all, until clients compact them."),
    number("etcd.watch-progress-interval", kDuration, "10m", 100, kDayMs, "", kStatic,
           "Watchers that ask for it are told this often that nothing has happened."),

    // etcd: TLS.
    text("etcd.tls.listen", kAddresses, "", kStatic,
         "Where etcd's clients connect with TLS. Needs etcd.tls.cert and etcd.tls.key."),
    text("etcd.tls.cert", kPath, "", kStatic, "PEM file with the server's certificate, then its chain."),
    text("etcd.tls.key", kPath, "", kStatic, "PEM file with the certificate's private key, without a passphrase."),
    text("etcd.tls.ca", kPath, "", kStatic,
         "PEM file with the certificates that client certificates are checked against."),
    choice("etcd.tls.auth-clients", "no", "no|optional|yes", kStatic,
           "Whether clients must show a certificate that etcd.tls.ca has signed. \"optional\": one that is shown must "
           "be good."),

    // topic.
    choice(
        "topic.durability", "always", "always|interval|never", kStatic,
        "When a record is safe from a crash of the machine. \"always\": before it is acknowledged, whatever acks the "
        "producer asks for. \"interval\": within kv.sync-interval. \"never\": when the operating system gets to it."),
    number(
        "topic.shards", kInteger, "16", 1, 1024, "shards", kStatic,
        "Parts that partitions are spread over; each belongs to one reactor, and in a cluster is a group of replicas "
        "of its own. Fixed when the data folder is first used; a cluster's when it is founded."),
    number("topic.cache-size", kBytes, "128mb", kMiB, kTiB, "bytes", kStatic,
           "The newest records that are kept in memory for consumers that keep up; others read from disk."),
    number("topic.retention-check-interval", kDuration, "5m", 100, kDayMs, "", kStatic,
           "How often it is looked what retention and compaction of topics have to do."),

    // kafka.
    text("kafka.listen", kAddresses, "127.0.0.1:9092", kStatic,
         "Where Kafka's clients connect. Port 0 picks a free one. Empty: none (with kafka.tls.listen). In a cluster "
         "clients speak to every node, and are sent to this address by the others."),
    text("kafka.advertised-listener", kText, "", kStatic,
         "The host and port of this node that clients are told to connect to. Empty: the address at which each has "
         "reached the server; in a cluster the one that it listens on, or the host of cluster.advertise if that stands "
         "for every interface."),
    text("kafka.auto-create-topics", kBool, "yes", kStatic,
         "A topic that a client names and that is not there is made (Kafka's auto.create.topics.enable)."),
    number("kafka.num-partitions", kInteger, "1", 1, 10'000, "partitions", kStatic,
           "Partitions of a topic whose creator does not say."),
    number("kafka.max-request-size", kBytes, "100mb", kMiB, kGiB, "bytes", kStatic,
           "The largest request that is taken (socket.request.max.bytes)."),
    number("kafka.max-fetch-size", kBytes, "55mb", kKiB, kGiB, "bytes", kStatic,
           "The most that one fetch is answered with (fetch.max.bytes)."),
    number("kafka.max-connections", kInteger, "10000", 1, 1'000'000, "connections", kStatic,
           "Connections of Kafka's clients at a time; more are closed."),
    number("kafka.connections-max-idle", kDuration, "10m", 0, 365 * kDayMs, "", kStatic,
           "A connection idle for so long is closed. 0: never."),
    text("kafka.acls", kBool, "no", kStatic,
         "Access lists decide what clients may do. Without: everything, for who has logged in."),
    text("kafka.super-users", kText, "", kStatic,
         "Who may do everything whatever access lists say: User:admin, or several with semicolons."),
    text("kafka.allow-everyone-if-no-acl-found", kBool, "no", kStatic,
         "With kafka.acls, everybody may do everything to what no access list is about."),

    // kafka: groups and transactions. Names and defaults are Kafka's, unless it is said otherwise.
    number("kafka.group-initial-rebalance-delay", kDuration, "3s", 0, 600'000, "", kStatic,
           "How long the first member of an empty group waits for others (group.initial.rebalance.delay.ms)."),
    number("kafka.group-min-session-timeout", kDuration, "6s", 1, kDayMs, "", kStatic,
           "The shortest session time-out that a member of a group may have."),
    number("kafka.group-max-session-timeout", kDuration, "30m", 1, kDayMs, "", kStatic,
           "The longest session time-out that a member of a group may have."),
    number("kafka.group-max-size", kInteger, "10000", 1, 10'000, "members", kStatic,
           "The most members that a group may have (Kafka has no limit unless it is set)."),
    number("kafka.group-consumer-session-timeout", kDuration, "45s", 1'000, kDayMs, "", kStatic,
           "A member of the newer consumer protocol (KIP-848) that is silent for so long is removed."),
    number("kafka.group-consumer-heartbeat-interval", kDuration, "5s", 100, kDayMs, "", kStatic,
           "How often members of the newer consumer protocol are told to heartbeat."),
    number("kafka.offset-metadata-max-size", kBytes, "4kb", 0, 64 * kKiB, "bytes", kStatic,
           "The longest text that may be committed with an offset."),
    number("kafka.offsets-retention", kDuration, "7d", 1, 3'650 * kDayMs, "", kStatic,
           "Offsets of a group that has had no members for so long are removed, and the group with them."),
    number("kafka.offsets-retention-check-interval", kDuration, "10m", 100, kDayMs, "", kStatic,
           "How often it is looked for such offsets."),
    number("kafka.transaction-max-timeout", kDuration, "15m", 1, kDayMs, "", kStatic,
           "The longest time-out that a producer may ask for its transactions."),
    number("kafka.transactional-id-expiration", kDuration, "7d", 1, 3'650 * kDayMs, "", kStatic,
           "A transactional id that is not used for so long is forgotten."),
    number("kafka.transaction-check-interval", kDuration, "10s", 100, kDayMs, "", kStatic,
           "How often it is looked for transactions that have taken too long."),

    // kafka: who may do what.
    text("kafka.sasl.mechanisms", kText, "", kStatic,
         "How clients log in: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, or several of them with commas. Empty: nobody need. "
         "PLAIN shows the password to whoever can read the connection: use it with TLS."),
    text("kafka.sasl.users-file", kPath, "", kStatic,
         "File of users who can log in, name:password in each line. Others are made by clients, as SCRAM credentials "
         "(kafka-configs, AlterUserScramCredentials)."),
    number("kafka.sasl.max-reauth", kDuration, "0", 0, 365 * kDayMs, "", kStatic,
           "A client logs in again within this time, or is closed (connections.max.reauth.ms). 0: never."),

    // kafka: TLS.
    text("kafka.tls.listen", kAddresses, "", kStatic,
         "Where Kafka's clients connect with TLS. Needs kafka.tls.cert and kafka.tls.key."),
    text("kafka.tls.cert", kPath, "", kStatic, "PEM file with the server's certificate, then its chain."),
    text("kafka.tls.key", kPath, "", kStatic, "PEM file with the certificate's private key, without a passphrase."),
    text("kafka.tls.ca", kPath, "", kStatic,
         "PEM file with the certificates that client certificates are checked against."),
    choice("kafka.tls.auth-clients", "no", "no|optional|yes", kStatic,
           "Whether clients must show a certificate that kafka.tls.ca has signed. \"optional\": one that is shown must "
           "be good."),

    // pubsub.
    text("pubsub.listen", kAddresses, "127.0.0.1:8085", kStatic,
         "Where Google Pub/Sub's clients connect (PUBSUB_EMULATOR_HOST). Port 0 picks a free one. Empty: none (with "
         "pubsub.tls.listen). On a node of a cluster Pub/Sub is not offered yet, and this has no default."),
    number("pubsub.partitions", kInteger, "4", 1, 1000, "partitions", kStatic,
           "Partitions of a topic that Pub/Sub's clients make: messages with different ordering keys, and those "
           "without, are spread over them."),
    number("pubsub.max-connections", kInteger, "10000", 1, 1'000'000, "connections", kStatic,
           "Connections of Pub/Sub's clients at a time; more are answered 503."),

    // pubsub: TLS.
    text("pubsub.tls.listen", kAddresses, "", kStatic,
         "Where Pub/Sub's clients connect with TLS. Needs pubsub.tls.cert and pubsub.tls.key."),
    text("pubsub.tls.cert", kPath, "", kStatic, "PEM file with the server's certificate, then its chain."),
    text("pubsub.tls.key", kPath, "", kStatic, "PEM file with the certificate's private key, without a passphrase."),
    text("pubsub.tls.ca", kPath, "", kStatic,
         "PEM file with the certificates that client certificates are checked against."),
    choice(
        "pubsub.tls.auth-clients", "no", "no|optional|yes", kStatic,
        "Whether clients must show a certificate that pubsub.tls.ca has signed. \"optional\": one that is shown must "
        "be good."),

    // The log and its checkpoints.
    number("log.segment-size", kBytes, "64mb", kMiB, 4 * kGiB, "bytes", kStatic,
           "Size of a log file. The room is taken ahead."),
    number("log.spare-segments", kInteger, "1", 0, 16, "files", kStatic, "Log files that are kept ready ahead."),
    number("checkpoint.log-min", kBytes, "256mb", kMiB, kTiB, "bytes", kStatic,
           "A shard is written down when its log since the last time is at least this large, and at least as large as "
           "its checkpoint."),
    number("checkpoint.cpu-max", kInteger, "25", 1, 100, "percent", kStatic,
           "Part of a reactor's time that checkpoints may take."),
    text("checkpoint.at-stop", kBool, "yes", kStatic,
         "Write every changed shard down when the server stops, so that the next start is quick. Nothing is lost "
         "without."),

    // cluster.
    text("cluster.listen", kAddresses, "", kStatic,
         "Where the other nodes of the cluster connect: one address. Empty: the node is in no cluster. Addresses other "
         "than loopback need cluster.tls.cert or cluster.secret-file."),
    text("cluster.advertise", kText, "", kStatic,
         "The address under which other nodes reach this one. Empty: cluster.listen."),
    text("cluster.join", kAddresses, "", kStatic,
         "Addresses (cluster.listen) of nodes of the cluster that a node without a place in one joins. Not looked at "
         "once it has joined. `keelson serve --join` for short."),
    text(
        "cluster.init", kBool, "no", kStatic,
        "A node without a place in a cluster founds one. Not looked at once it has. `keelson serve --cluster-init` for "
        "short; `keelson cluster init` does the same to a node that runs."),
    text("cluster.name", kText, "", kStatic, "Name of the node, for people. Empty: node-<number>."),
    text("cluster.zone", kText, "", kStatic,
         "What fails together with the node (a rack, a data centre). Replicas of a shard are spread over zones."),
    number(
        "cluster.replicas", kInteger, "3", 1, 7, "replicas", kStatic,
        "Replicas of each shard, an odd number: of 3, one may be lost. Decided by the node that founds the cluster."),
    number("cluster.ping-interval", kDuration, "100ms", 10, 10'000, "", kStatic,
           "How often a node that says nothing is asked whether it is there."),
    number("cluster.liveness-timeout", kDuration, "1s", 100, kMinuteMs, "", kStatic,
           "A node of which nothing was heard for this long counts as unreachable."),
    number("cluster.replace-after", kDuration, "0", 0, 30 * kDayMs, "", kStatic,
           "A node that was unreachable for this long loses its replicas to other nodes. 0: never by itself; `keelson "
           "cluster remove` does it."),
    text("cluster.secret", kSecret, "", kStatic,
         "What nodes prove to one another that they know, without TLS. On a command line others can see it: use "
         "cluster.secret-file there."),
    text("cluster.secret-file", kPath, "", kStatic,
         "File that holds the secret, alone on its first line. Instead of cluster.secret."),
    text("cluster.tls.cert", kPath, "", kStatic,
         "PEM file with the node's certificate, which must name the address in cluster.advertise, then its chain. With "
         "it, nodes speak TLS 1.3, and both sides show a certificate."),
    text("cluster.tls.key", kPath, "", kStatic, "PEM file with the certificate's private key, without a passphrase."),
    text("cluster.tls.ca", kPath, "", kStatic, "PEM file with the CA that has signed the nodes' certificates."),

    // http.
    text("http.listen", kAddresses, "127.0.0.1:8080", kStatic,
         "Where /healthz, /readyz, /metrics and /admin are served. Addresses other than loopback need a password. "
         "Empty: nowhere."),
    text("http.password", kSecret, "", kStatic,
         "What clients of /metrics and /admin must give (HTTP Basic, any user name). Empty: the kv password, if there "
         "is one."),
    text("http.password-file", kPath, "", kStatic,
         "File that holds the password, alone on its first line. Instead of http.password."),
    number("http.max-connections", kInteger, "256", 1, 65'536, "connections", kStatic,
           "Connections at a time; more are answered 503."),
    text("http.tls.cert", kPath, "", kStatic,
         "PEM file with the server's certificate and chain. With http.tls.key: HTTPS instead of HTTP."),
    text("http.tls.key", kPath, "", kStatic, "PEM file with the certificate's private key, without a passphrase."),

    // Log lines.
    choice("logging.level", "info", "debug|info|warning|error", kStatic,
           "The least important lines that are written to standard error."),
    choice("logging.format", "auto", "auto|text|json", kStatic,
           "\"auto\": text on a terminal, one JSON object for each line otherwise."),
};

}  // namespace

std::span<const SettingSpec> setting_table() { return kTable; }

const SettingSpec* find_setting(std::string_view key) {
  const auto* found =
      std::find_if(std::begin(kTable), std::end(kTable), [&](const SettingSpec& spec) { return spec.key == key; });
  return found != std::end(kTable) ? found : nullptr;
}

}  // namespace keelson::server
