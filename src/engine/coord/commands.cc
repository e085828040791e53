#include "engine/coord/commands.h"

#include "base/coding.h"

namespace keelson::coord {

namespace {

constexpr uint8_t kBodyVersion = 1;

// One description of each body's fields (`fields` below) serves both directions: a Writer always says true.
struct Writer {
  static constexpr bool kReads = false;
  std::string& out;

  bool operator()(const std::string_view& value) {
    append_string(out, value);
    return true;
  }
  bool operator()(const int64_t& value) {
    append_varint(out, zigzag(value));
    return true;
  }
  bool operator()(const uint64_t& value) {
    append_varint(out, value);
    return true;
  }
  bool operator()(const uint32_t& value) {
    append_varint(out, value);
    return true;
  }
  bool operator()(const bool& value) {
    append_u8(out, value ? 1 : 0);
    return true;
  }
  template <class Enum>
    requires std::is_enum_v<Enum>
  bool one_of(const Enum& value, Enum) {
    append_u8(out, static_cast<uint8_t>(value));
    return true;
  }
};

struct Reader {
  static constexpr bool kReads = true;
  std::string_view in;
  size_t depth = 0;

  bool operator()(std::string_view& value) { return read_string(in, value); }
  bool operator()(int64_t& value) {
    uint64_t raw = 0;
    if (!read_varint(in, raw)) return false;
    value = unzigzag(raw);
    return true;
  }
  bool operator()(uint64_t& value) { return read_varint(in, value); }
  bool operator()(uint32_t& value) {
    uint64_t raw = 0;
    if (!read_varint(in, raw) || raw > UINT32_MAX) return false;
    value = static_cast<uint32_t>(raw);
    return true;
  }
  bool operator()(bool& value) {
    uint8_t raw = 0;
    if (!read_u8(in, raw) || raw > 1) return false;
    value = raw != 0;
    return true;
  }
  template <class Enum>
    requires std::is_enum_v<Enum>
  bool one_of(Enum& value, Enum last) {
    uint8_t raw = 0;
    if (!read_u8(in, raw) || raw > static_cast<uint8_t>(last)) return false;
    value = static_cast<Enum>(raw);
    return true;
  }
};

// The rows of a body: their count, then each. A row takes bytes of the body, so a count that is made up ends early.
template <class Archive, class Rows, class One>
bool rows(Archive& a, Rows& list, One one) {
  uint64_t count = list.size();
  if (!a(count)) return false;
  if constexpr (Archive::kReads) {
    list.clear();
    for (uint64_t i = 0; i < count; ++i) {
      if (a.in.empty() || !one(a, list.emplace_back())) return false;
    }
    return true;
  } else {
    for (auto& row : list) one(a, row);
    return true;
  }
}

template <class A>
bool fields(A& a, auto& x, Caller*) {
  return a(x.user) && a(x.auth_revision) && a(x.is_internal);
}
template <class A>
bool caller(A& a, auto& x) {
  return fields(a, x.caller, static_cast<Caller*>(nullptr));
}

template <class A>
bool put_fields(A& a, auto& x) {
  return a(x.key) && a(x.value) && a(x.lease) && a(x.prev_kv) && a(x.ignore_value) && a(x.ignore_lease);
}
template <class A>
bool delete_fields(A& a, auto& x) {
  return a(x.key) && a(x.range_end) && a(x.prev_kv);
}
template <class A>
bool range_fields(A& a, auto& x) {
  return a(x.key) && a(x.range_end) && a(x.limit) && a(x.revision) && a.one_of(x.sort_order, SortOrder::kDescending) &&
         a.one_of(x.sort_target, SortTarget::kValue) && a(x.keys_only) && a(x.count_only) && a(x.min_mod_revision) &&
         a(x.max_mod_revision) && a(x.min_create_revision) && a(x.max_create_revision);
}
template <class A>
bool compare_fields(A& a, auto& x) {
  return a.one_of(x.target, CompareTarget::kLease) && a.one_of(x.result, CompareResult::kNotEqual) && a(x.key) &&
         a(x.range_end) && a(x.number) && a(x.value);
}

enum class OpKind : uint8_t { kRange = 0, kPut = 1, kDeleteRange = 2, kTxn = 3 };

template <class A>
bool txn_fields(A& a, auto& x);

template <class A>
bool op_fields(A& a, auto& x) {
  auto kind = static_cast<OpKind>(x.op.index());
  if (!a.one_of(kind, OpKind::kTxn)) return false;
  if constexpr (A::kReads) {
    if (kind == OpKind::kPut) x.op.template emplace<Put>();
    if (kind == OpKind::kDeleteRange) x.op.template emplace<DeleteRange>();
    if (kind == OpKind::kTxn) x.op.template emplace<Txn>();
  }
  switch (kind) {
    case OpKind::kRange:
      return range_fields(a, std::get<Range>(x.op));
    case OpKind::kPut:
      return put_fields(a, std::get<Put>(x.op));
    case OpKind::kDeleteRange:
      return delete_fields(a, std::get<DeleteRange>(x.op));
    case OpKind::kTxn:
      return txn_fields(a, std::get<Txn>(x.op));
  }
  return false;
}

template <class A>
bool txn_fields(A& a, auto& x) {
  if constexpr (A::kReads) {
    if (++a.depth > kTxnDepthMax) return false;
  }
  const auto op = [](A& archive, auto& row) { return op_fields(archive, row); };
  const bool is_good = rows(a, x.compares, [](A& archive, auto& row) { return compare_fields(archive, row); }) &&
                       rows(a, x.success, op) && rows(a, x.failure, op);
  if constexpr (A::kReads) --a.depth;
  return is_good;
}

// The fields of each body. `Body*` names the body that `x` is, const or not.
template <class A>
bool fields(A& a, auto& x, Put*) {
  return caller(a, x) && put_fields(a, x);
}
template <class A>
bool fields(A& a, auto& x, DeleteRange*) {
  return caller(a, x) && delete_fields(a, x);
}
template <class A>
bool fields(A& a, auto& x, Range*) {
  return caller(a, x) && range_fields(a, x);
}
template <class A>
bool fields(A& a, auto& x, Txn*) {
  return caller(a, x) && txn_fields(a, x);
}
template <class A>
bool fields(A& a, auto& x, Compact*) {
  return caller(a, x) && a(x.revision);
}
template <class A>
bool fields(A& a, auto& x, LeaseGrant*) {
  return caller(a, x) && a(x.id) && a(x.ttl_s);
}
template <class A>
bool fields(A& a, auto& x, LeaseRevoke*) {
  return caller(a, x) && a(x.id);
}
template <class A>
bool fields(A&, auto&, LeaseReign*) {
  return true;
}
template <class A>
bool fields(A& a, auto& x, LeaseExpire*) {
  return rows(a, x.items, [](A& archive, auto& row) { return archive(row.id) && archive(row.grant); }) && a(x.reign);
}
template <class A>
bool fields(A& a, auto& x, LeaseTimeToLive*) {
  return caller(a, x) && a(x.id) && a(x.with_keys);
}
template <class A>
bool fields(A& a, auto& x, LeaseList*) {
  return a(x.has_after) && a(x.after) && a(x.count_max);
}
template <class A>
bool fields(A& a, auto& x, AuthEnable*) {
  return caller(a, x);
}
template <class A>
bool fields(A& a, auto& x, AuthDisable*) {
  return caller(a, x);
}
template <class A>
bool fields(A& a, auto& x, UserAdd*) {
  return caller(a, x) && a(x.name) && a(x.password_hash) && a(x.no_password);
}
template <class A>
bool fields(A& a, auto& x, UserDelete*) {
  return caller(a, x) && a(x.name);
}
template <class A>
bool fields(A& a, auto& x, UserChangePassword*) {
  return caller(a, x) && a(x.name) && a(x.password_hash);
}
template <class A>
bool fields(A& a, auto& x, UserGrantRole*) {
  return caller(a, x) && a(x.name) && a(x.role);
}
template <class A>
bool fields(A& a, auto& x, UserRevokeRole*) {
  return caller(a, x) && a(x.name) && a(x.role);
}
template <class A>
bool fields(A& a, auto& x, RoleAdd*) {
  return caller(a, x) && a(x.name);
}
template <class A>
bool fields(A& a, auto& x, RoleDelete*) {
  return caller(a, x) && a(x.name);
}
template <class A>
bool fields(A& a, auto& x, RoleGrantPermission*) {
  return caller(a, x) && a(x.name) && a.one_of(x.permission.access, Access::kReadWrite) && a(x.permission.key) &&
         a(x.permission.range_end);
}
template <class A>
bool fields(A& a, auto& x, RoleRevokePermission*) {
  return caller(a, x) && a(x.name) && a(x.key) && a(x.range_end);
}
template <class A>
bool fields(A&, auto&, AuthStatus*) {
  return true;
}
template <class A>
bool fields(A& a, auto& x, UserGet*) {
  return caller(a, x) && a(x.name);
}
template <class A>
bool fields(A& a, auto& x, UserList*) {
  return caller(a, x);
}
template <class A>
bool fields(A& a, auto& x, RoleGet*) {
  return caller(a, x) && a(x.name);
}
template <class A>
bool fields(A& a, auto& x, RoleList*) {
  return caller(a, x);
}
template <class A>
bool fields(A& a, auto& x, UserSecret*) {
  return a(x.name);
}
template <class A>
bool fields(A& a, auto& x, CheckAccess*) {
  return caller(a, x) && a.one_of(x.access, Access::kReadWrite) && a(x.key) && a(x.range_end) && a(x.needs_root);
}
template <class A>
bool fields(A& a, auto& x, SetAlarm*) {
  return a(x.alarm.member) && a.one_of(x.alarm.type, AlarmType::kCorrupt) && a(x.is_on);
}
template <class A>
bool fields(A& a, auto& x, ListAlarms*) {
  return a(x.alarm.member) && a.one_of(x.alarm.type, AlarmType::kCorrupt);
}
template <class A>
bool fields(A& a, auto& x, ReadEvents*) {
  return a(x.from) && a(x.from_sub) && a(x.to) && a(x.prev_kv) && a(x.events_max) && a(x.bytes_max);
}
template <class A>
bool fields(A&, auto&, StoreStatus*) {
  return true;
}
template <class A>
bool fields(A& a, auto& x, HashKv*) {
  return a(x.revision) && a(x.compact_revision) && a(x.state) && a(x.next_key) && a(x.keys_max);
}
template <class A>
bool fields(A&, auto&, HashRest*) {
  return true;
}
template <class A>
bool fields(A& a, auto& x, Scan*) {
  return a(x.revision) && a(x.compact_revision) && a(x.from) && a(x.from_sub) && a(x.events_max) && a(x.bytes_max);
}

}  // namespace

#define KEELSON_COORD_CODEC(Body)                                                  \
  std::string encode(const Body& body) {                                           \
    std::string out(1, static_cast<char>(kBodyVersion));                           \
    Writer writer{out};                                                            \
    fields(writer, body, static_cast<Body*>(nullptr));                             \
    return out;                                                                    \
  }                                                                                \
  bool decode(std::string_view from, Body& body) {                                 \
    if (from.empty() || from[0] != static_cast<char>(kBodyVersion)) return false;  \
    Reader reader{from.substr(1)};                                                 \
    return fields(reader, body, static_cast<Body*>(nullptr)) && reader.in.empty(); \
  }
KEELSON_COORD_BODIES(KEELSON_COORD_CODEC)
#undef KEELSON_COORD_CODEC

}  // namespace keelson::coord
