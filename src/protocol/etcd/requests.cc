#include "protocol/etcd/requests.h"

#include <algorithm>
#include <utility>

#include "protocol/etcd/wire.h"

namespace keelson::etcd {

namespace {

using coord::CoordErrc;

CoordErrc outcome(const WireReader& in) { return in.is_malformed() ? CoordErrc::kInvalid : CoordErrc::kOk; }

// A number of an enum with `count` values from 0 on.
template <class Enum>
bool to_enum(int32_t number, int32_t count, Enum& into) {
  if (number < 0 || number >= count) return false;
  into = static_cast<Enum>(number);
  return true;
}

// A message whose fields are numbered from 1 on, each taken as what `into` has in its place; further ones are passed
// over.
template <class... Field>
CoordErrc take_fields(std::string_view message, Field&... into) {
  WireReader in(message);
  while (in.next()) {
    [[maybe_unused]] uint32_t number = 0;
    (void)((in.field() == ++number ? (in.get(into), true) : false) || ...);
  }
  return outcome(in);
}

CoordErrc take_range(std::string_view message, RangeAsk& into) {
  coord::Range& range = into.range;
  int32_t order = static_cast<int32_t>(range.sort_order);
  int32_t target = static_cast<int32_t>(range.sort_target);
  const CoordErrc taken = take_fields(message, range.key, range.range_end, range.limit, range.revision, order, target,
                                      into.is_serializable, range.keys_only, range.count_only, range.min_mod_revision,
                                      range.max_mod_revision, range.min_create_revision, range.max_create_revision);
  if (taken != CoordErrc::kOk) return taken;
  constexpr int32_t kOrders = 3, kTargets = 5;
  const bool is_good = to_enum(order, kOrders, range.sort_order) && to_enum(target, kTargets, range.sort_target);
  return is_good ? CoordErrc::kOk : CoordErrc::kInvalidSortOption;
}

CoordErrc take_put(std::string_view message, coord::Put& into) {
  return take_fields(message, into.key, into.value, into.lease, into.prev_kv, into.ignore_value, into.ignore_lease);
}

CoordErrc take_delete(std::string_view message, coord::DeleteRange& into) {
  return take_fields(message, into.key, into.range_end, into.prev_kv);
}

// The last of the union's members counts, and is 0 or empty if the target is another one's.
CoordErrc take_compare(std::string_view message, coord::Compare& into) {
  int32_t result = 0, target = 0;
  uint32_t member = 0;
  constexpr uint32_t kFirstMember = 4, kValueMember = 7, kLastMember = 8, kRangeEnd = 64;
  WireReader in(message);
  while (in.next()) {
    const uint32_t field = in.field();
    if (field == 1) in.get(result);
    if (field == 2) in.get(target);
    if (field == 3) in.get(into.key);
    if (field == kRangeEnd) in.get(into.range_end);
    if (field < kFirstMember || field > kLastMember) continue;
    std::string_view value;
    const bool is_text = in.get_message(value);
    if (is_text != (field == kValueMember)) continue;
    member = field;
    into.number = 0;
    into.value = value;
    if (!is_text) in.get(into.number);
  }
  constexpr int32_t kResults = 4, kTargets = 5;
  if (in.is_malformed() || !to_enum(result, kResults, into.result) || !to_enum(target, kTargets, into.target)) {
    return CoordErrc::kInvalid;
  }
  if (member != kFirstMember + static_cast<uint32_t>(target)) {
    into.number = 0;
    into.value = {};
  }
  return CoordErrc::kOk;
}

// Of a transaction with what is within it.
class TxnTaker {
 public:
  explicit TxnTaker(TxnAsk& ask) : ask_(ask) {}
  CoordErrc take(std::string_view message, size_t depth, size_t operations_left, coord::Txn& into);

 private:
  CoordErrc take_operation(std::string_view message, size_t depth, size_t operations_left, coord::TxnOp& into);

  TxnAsk& ask_;
};

CoordErrc TxnTaker::take_operation(std::string_view message, size_t depth, size_t operations_left, coord::TxnOp& into) {
  bool has_one = false;
  WireReader in(message);
  while (in.next()) {
    std::string_view part;
    if (in.field() < 1 || in.field() > 4 || !in.get_message(part)) continue;
    // A second one of the same kind is merged into the first, as proto3 has it; one of another kind takes its place.
    const size_t kind = in.field() - 1;
    CoordErrc taken = CoordErrc::kOk;
    const auto place = [&]<class Op>(Op /*kind*/) -> Op& {
      if (!has_one || into.op.index() != kind) into.op.emplace<Op>();
      return std::get<Op>(into.op);
    };
    if (kind == 0) {
      RangeAsk ask{.range = place(coord::Range{}), .is_serializable = false};
      taken = take_range(part, ask);
      ask_.is_serializable &= ask.is_serializable;
      std::get<coord::Range>(into.op) = ask.range;
    }
    if (kind == 1) taken = take_put(part, place(coord::Put{}));
    if (kind == 2) taken = take_delete(part, place(coord::DeleteRange{}));
    if (kind == 3) taken = take(part, depth + 1, operations_left, place(coord::Txn{}));
    if (taken != CoordErrc::kOk) return taken;
    has_one = true;
  }
  if (in.is_malformed()) return CoordErrc::kInvalid;
  return has_one ? CoordErrc::kOk : CoordErrc::kKeyNotFound;
}

CoordErrc TxnTaker::take(std::string_view message, size_t depth, size_t operations_left, coord::Txn& into) {
  if (depth >= coord::kTxnDepthMax) return CoordErrc::kTxnTooDeep;
  std::vector<std::string_view> branches[2];
  // With what an earlier part of the same message has brought.
  size_t counts[] = {into.compares.size(), into.success.size(), into.failure.size()};
  WireReader in(message);
  while (in.next()) {
    std::string_view part;
    if (in.field() < 1 || in.field() > 3 || !in.get_message(part)) continue;
    if (++counts[in.field() - 1] > operations_left) {  // at once: two bytes make an operation of many
      ask_.has_too_many_operations = true;
      return CoordErrc::kOk;
    }
    if (in.field() == 1) {
      if (const CoordErrc taken = take_compare(part, into.compares.emplace_back()); taken != CoordErrc::kOk) {
        return taken;
      }
    } else {
      branches[in.field() - 2].push_back(part);
    }
  }
  if (in.is_malformed()) return CoordErrc::kInvalid;
  const size_t operations = *std::ranges::max_element(counts);
  for (const size_t branch : {0, 1}) {
    std::vector<coord::TxnOp>& ops = branch == 0 ? into.success : into.failure;
    for (const std::string_view part : branches[branch]) {
      const CoordErrc taken = take_operation(part, depth, operations_left - operations, ops.emplace_back());
      if (taken != CoordErrc::kOk || ask_.has_too_many_operations) return taken;
    }
  }
  return CoordErrc::kOk;
}

void take_filter(uint64_t filter, coord::WatchRequest& into) {
  if (filter == 0) into.without_puts = true;
  if (filter == 1) into.without_deletes = true;
}

CoordErrc take_create(std::string_view message, coord::WatchRequest& into) {
  std::string_view key = into.key, range_end = into.range_end;
  WireReader in(message);
  while (in.next()) {
    switch (in.field()) {
      case 1:
        in.get(key);
        break;
      case 2:
        in.get(range_end);
        break;
      case 3:
        in.get(into.start_revision);
        break;
      case 4:
        in.get(into.wants_progress);
        break;
      case 5: {
        std::string_view packed;
        uint64_t filter = UINT64_MAX;
        in.get(filter);
        take_filter(filter, into);
        if (!in.get_message(packed)) break;
        for (const char c : packed) take_filter(static_cast<uint8_t>(c), into);  // a varint of one byte each
        break;
      }
      case 6:
        in.get(into.with_previous);
        break;
      case 7:
        in.get(into.id);
        break;
      case 8:
        in.get(into.is_fragmented);
        break;
      default:
        break;
    }
  }
  into.key = std::string(key);
  into.range_end = std::string(range_end);
  return outcome(in);
}

}  // namespace

// --- keys ------------------------------------------------------------------------------------------------------------

CoordErrc translate(std::string_view message, RangeAsk& into) {
  const CoordErrc taken = take_range(message, into);
  return taken == CoordErrc::kOk ? check(into.range) : taken;
}

CoordErrc translate(std::string_view message, coord::Put& into) {
  const CoordErrc taken = take_put(message, into);
  return taken == CoordErrc::kOk ? check(into) : taken;
}

CoordErrc translate(std::string_view message, coord::DeleteRange& into) {
  const CoordErrc taken = take_delete(message, into);
  return taken == CoordErrc::kOk ? check(into) : taken;
}

CoordErrc translate(std::string_view message, size_t operations_max, TxnAsk& into) {
  into.is_serializable = true;
  const CoordErrc taken = TxnTaker(into).take(message, 0, operations_max, into.txn);
  if (taken != CoordErrc::kOk || into.has_too_many_operations) return taken;
  return check(into.txn);
}

CoordErrc translate(std::string_view message, coord::Compact& into) { return translate_number(message, into.revision); }

// --- watches ---------------------------------------------------------------------------------------------------------

CoordErrc translate(std::string_view message, WatchAsk& into) {
  WireReader in(message);
  while (in.next()) {
    std::string_view part;
    if (in.field() < 1 || in.field() > 3 || !in.get_message(part)) continue;
    const auto kind = static_cast<WatchAsk::Kind>(in.field());
    if (into.kind != kind) into = {.kind = kind, .create = {}, .cancel_id = 0};
    CoordErrc taken = CoordErrc::kOk;
    if (kind == WatchAsk::Kind::kCreate) taken = take_create(part, into.create);
    if (kind == WatchAsk::Kind::kCancel) taken = translate_number(part, into.cancel_id);
    if (kind == WatchAsk::Kind::kProgress) taken = translate_nothing(part);
    if (taken != CoordErrc::kOk) return taken;
  }
  return outcome(in);
}

// --- leases ----------------------------------------------------------------------------------------------------------

CoordErrc translate(std::string_view message, coord::LeaseGrant& into) {
  return take_fields(message, into.ttl_s, into.id);
}

CoordErrc translate(std::string_view message, coord::LeaseRevoke& into) { return translate_number(message, into.id); }

CoordErrc translate(std::string_view message, coord::LeaseTimeToLive& into) {
  return take_fields(message, into.id, into.with_keys);
}

// --- members, alarms -------------------------------------------------------------------------------------------------

CoordErrc translate(std::string_view message, MemberAskKind kind, MemberAsk& into) {
  const uint32_t id = kind == MemberAskKind::kUpdate || kind == MemberAskKind::kId ? 1 : 0;
  const uint32_t urls = kind == MemberAskKind::kAdd ? 1 : kind == MemberAskKind::kUpdate ? 2 : 0;
  const uint32_t flag = kind == MemberAskKind::kAdd ? 2 : kind == MemberAskKind::kList ? 1 : 0;
  WireReader in(message);
  while (in.next()) {
    std::string_view url;
    if (in.field() == id) in.get(into.id);
    if (in.field() == urls && in.get_message(url)) into.peer_urls.emplace_back(url);
    if (in.field() == flag) in.get(into.is_flagged);
  }
  return outcome(in);
}

CoordErrc translate(std::string_view message, AlarmAsk& into) {
  int32_t action = 0, type = 0;
  const CoordErrc taken = take_fields(message, action, into.alarm.member, type);
  constexpr int32_t kActions = 3, kTypes = 3;
  const bool is_good = to_enum(action, kActions, into.action) && to_enum(type, kTypes, into.alarm.type);
  return is_good ? taken : CoordErrc::kInvalid;
}

CoordErrc translate_number(std::string_view message, int64_t& into) { return take_fields(message, into); }

CoordErrc translate_nothing(std::string_view message) { return take_fields(message); }

// --- users and roles -------------------------------------------------------------------------------------------------

CoordErrc translate(std::string_view message, PasswordAsk& into) {
  WireReader in(message);
  while (in.next()) {
    std::string_view options;
    if (in.field() == 1) in.get(into.name);
    if (in.field() == 2) in.get(into.password);
    if (in.field() != 3 || !in.get_message(options)) continue;
    if (take_fields(options, into.no_password) != CoordErrc::kOk) return CoordErrc::kInvalid;
  }
  return outcome(in);
}

CoordErrc translate(std::string_view message, NamesAsk& into) { return take_fields(message, into.first, into.second); }

CoordErrc translate(std::string_view message, coord::RoleGrantPermission& into) {
  int32_t access = 0;
  WireReader in(message);
  while (in.next()) {
    std::string_view part;
    if (in.field() == 1) in.get(into.name);
    if (in.field() != 2 || !in.get_message(part)) continue;
    coord::Permission& permission = into.permission;
    if (take_fields(part, access, permission.key, permission.range_end) != CoordErrc::kOk) return CoordErrc::kInvalid;
  }
  constexpr int32_t kAccesses = 3;
  return in.is_malformed() || !to_enum(access, kAccesses, into.permission.access) ? CoordErrc::kInvalid
                                                                                  : CoordErrc::kOk;
}

CoordErrc translate(std::string_view message, coord::RoleRevokePermission& into) {
  return take_fields(message, into.name, into.key, into.range_end);
}

// --- locks and elections ---------------------------------------------------------------------------------------------

CoordErrc translate(std::string_view message, ElectionAsk& into) {
  return take_fields(message, into.name, into.lease, into.value);
}

CoordErrc translate(std::string_view message, LeaderAsk& into) {
  WireReader in(message);
  while (in.next()) {
    std::string_view part;
    if (in.field() == 2) in.get(into.value);
    if (in.field() != 1 || !in.get_message(part)) continue;
    LeaderKey& leader = into.leader;
    if (take_fields(part, leader.name, leader.key, leader.revision, leader.lease) != CoordErrc::kOk) {
      return CoordErrc::kInvalid;
    }
  }
  return outcome(in);
}

}  // namespace keelson::etcd
