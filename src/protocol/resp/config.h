// The settings of the kv service that CONFIG SET can change. Each reactor has a copy; a change reaches all of them
// before the client is answered.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/kv/keyspace_options.h"

namespace keelson::resp {

using kv::EvictionPolicy;

// client-output-buffer-limit of one class: past `hard_bytes`, or past `soft_bytes` for `soft_seconds`, the connection
// ends. 0: no limit.
struct OutputLimit {
  uint64_t hard_bytes = 0;
  uint64_t soft_bytes = 0;
  uint32_t soft_seconds = 0;
};

enum ClientClass : uint8_t { kNormalClient, kReplicaClient, kPubsubClient, kClientClassCount };

struct KvConfig {
  uint16_t databases = 16;  // fixed at start
  std::string password;     // empty: no authentication
  uint64_t maxmemory_bytes = 0;
  EvictionPolicy maxmemory_policy = EvictionPolicy::kNoEviction;
  uint32_t maxmemory_samples = 5;
  uint32_t maxclients = 10000;
  uint32_t timeout_s = 0;  // an idle connection is closed after this; 0: never
  uint32_t tcp_keepalive_s = 300;
  uint64_t proto_max_bulk_bytes = uint64_t{512} << 20;
  std::array<OutputLimit, kClientClassCount> output_limits = {OutputLimit{}, OutputLimit{256u << 20, 64u << 20, 60},
                                                              OutputLimit{32u << 20, 8u << 20, 60}};
  uint16_t notify_classes = 0;   // kv::EventClass bits
  bool notify_keyspace = false;  // K
  bool notify_keyevent = false;  // E
  int64_t slowlog_slower_than_us = 10'000;
  uint32_t slowlog_entries_max = 128;
  uint32_t latency_threshold_ms = 0;
  bool active_expire = true;
  uint32_t active_expire_effort = 1;
  kv::KeyspaceOptions encodings;  // hash-max-listpack-entries and the like, lfu-*
};

}  // namespace keelson::resp
