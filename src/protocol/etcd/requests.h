// Requests of etcd's API, from the bytes of their messages (proto/*.proto) to what is done about them: the engine's
// commands, and structures for what the protocol does itself. Pure.
//
// Views point into the message. kOk; kInvalid: the bytes are not those of the message, or a number is none of its
// enum's; and what coord::check() says of requests that break a rule by themselves.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "coord/watch.h"
#include "engine/coord/commands.h"
#include "engine/coord/errors.h"

namespace keelson::etcd {

struct RangeAsk {
  coord::Range range;
  bool is_serializable = false;
};
[[nodiscard]] coord::CoordErrc translate(std::string_view message, RangeAsk& into);
[[nodiscard]] coord::CoordErrc translate(std::string_view message, coord::Put& into);
[[nodiscard]] coord::CoordErrc translate(std::string_view message, coord::DeleteRange& into);
struct TxnAsk {
  coord::Txn txn;
  bool is_serializable = false;  // every range in it is
  bool has_too_many_operations = false;
};
// etcd counts operations so: the longest of the three lists; those within have what is left.
[[nodiscard]] coord::CoordErrc translate(std::string_view message, size_t operations_max, TxnAsk& into);
[[nodiscard]] coord::CoordErrc translate(std::string_view message, coord::Compact& into);

struct WatchAsk {
  enum class Kind : uint8_t { kNone, kCreate, kCancel, kProgress };
  Kind kind = Kind::kNone;
  coord::WatchRequest create;
  int64_t cancel_id = 0;
};
[[nodiscard]] coord::CoordErrc translate(std::string_view message, WatchAsk& into);

[[nodiscard]] coord::CoordErrc translate(std::string_view message, coord::LeaseGrant& into);
[[nodiscard]] coord::CoordErrc translate(std::string_view message, coord::LeaseRevoke& into);
[[nodiscard]] coord::CoordErrc translate(std::string_view message, coord::LeaseTimeToLive& into);

// MemberAdd, -Remove, -Update, -Promote, MemberList, MoveLeader: each has some of these.
struct MemberAsk {
  uint64_t id = 0;
  std::vector<std::string> peer_urls;
  bool is_flagged = false;  // isLearner, linearizable
};
enum class MemberAskKind : uint8_t { kAdd, kList, kUpdate, kId };
[[nodiscard]] coord::CoordErrc translate(std::string_view message, MemberAskKind kind, MemberAsk& into);

struct AlarmAsk {
  enum class Action : uint8_t { kGet = 0, kActivate = 1, kDeactivate = 2 };
  Action action = Action::kGet;
  coord::Alarm alarm;
};
[[nodiscard]] coord::CoordErrc translate(std::string_view message, AlarmAsk& into);
// HashKV, and Compact's sibling in having one number.
[[nodiscard]] coord::CoordErrc translate_number(std::string_view message, int64_t& into);
// Requests without fields.
[[nodiscard]] coord::CoordErrc translate_nothing(std::string_view message);

// UserAdd, -ChangePassword, Authenticate.
struct PasswordAsk {
  std::string_view name;
  std::string_view password;
  bool no_password = false;
};
[[nodiscard]] coord::CoordErrc translate(std::string_view message, PasswordAsk& into);
// Requests of one or two names (UserGet, UserGrantRole...), in the fields 1 and 2.
struct NamesAsk {
  std::string_view first;
  std::string_view second;
};
[[nodiscard]] coord::CoordErrc translate(std::string_view message, NamesAsk& into);
[[nodiscard]] coord::CoordErrc translate(std::string_view message, coord::RoleGrantPermission& into);
[[nodiscard]] coord::CoordErrc translate(std::string_view message, coord::RoleRevokePermission& into);

// v3electionpb.LeaderKey.
struct LeaderKey {
  std::string_view name;
  std::string_view key;
  int64_t revision = 0;
  int64_t lease = 0;
};
// LockRequest, CampaignRequest, LeaderRequest.
struct ElectionAsk {
  std::string_view name;
  int64_t lease = 0;
  std::string_view value;
};
[[nodiscard]] coord::CoordErrc translate(std::string_view message, ElectionAsk& into);
// ResignRequest, ProclaimRequest.
struct LeaderAsk {
  LeaderKey leader;
  std::string_view value;
};
[[nodiscard]] coord::CoordErrc translate(std::string_view message, LeaderAsk& into);

}  // namespace keelson::etcd
