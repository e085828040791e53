// Every method of etcd's API, by method_table.def.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace keelson::etcd {

enum class MethodKind : uint8_t { kUnary, kStream, kRefused, kNone };
// The others are answered UNIMPLEMENTED.
[[nodiscard]] constexpr bool is_supported(MethodKind kind) {
  return kind == MethodKind::kUnary || kind == MethodKind::kStream;
}

struct MethodRow {
  std::string_view grpc_path;  // "/etcdserverpb.KV/Range"
  std::string_view service;    // "KV"
  std::string_view name;       // "Range"
  std::string_view request;    // "etcdserverpb.RangeRequest"
  std::string_view response;
  std::string_view json_path;  // "/kv/range"
  MethodKind kind;
  std::string_view note;
};

enum class MethodId : uint8_t {
#define ETCD_UNARY(package, service, method, message, path, note) k##service##_##method,
#define ETCD_STREAM ETCD_UNARY
#define ETCD_REFUSED ETCD_UNARY
#define ETCD_NO ETCD_UNARY
#include "protocol/etcd/method_table.def"
#undef ETCD_NO
#undef ETCD_REFUSED
#undef ETCD_STREAM
#undef ETCD_UNARY
};

inline constexpr size_t kMethodCount = []() constexpr {
  size_t count = 0;
#define ETCD_UNARY(package, service, method, message, path, note) ++count;
#define ETCD_STREAM ETCD_UNARY
#define ETCD_REFUSED ETCD_UNARY
#define ETCD_NO ETCD_UNARY
#include "protocol/etcd/method_table.def"
#undef ETCD_NO
#undef ETCD_REFUSED
#undef ETCD_STREAM
#undef ETCD_UNARY
  return count;
}();

// In the order of MethodId.
[[nodiscard]] std::span<const MethodRow> method_table();

}  // namespace keelson::etcd
