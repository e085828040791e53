// The coordination engine's commands and queries: their codes, which stand in logs and are never used again for another
// meaning, and their arguments.
//
// A command travels as engine::Command with one argument: the body that encode() makes; `space` is 0. A body begins
// with its version (u8, now 1) and is made of base/coding.h's varints and strings; signed numbers are zigzag varints. A
// later version appends fields, and decode() gives those that an older body lacks their defaults.
//
// Bodies hold views: those of an encoded body into what the caller has, those of a decoded one into the record.
//
// Semantics are etcd's v3 (api/etcdserverpb/rpc.proto): what is not said here is as there. What a client's request can
// break without looking at the state (duplicate keys in a transaction, a value with ignore_value) is checked by
// check() below, which the protocol calls before it submits; the engine calls it too. Limits on the size of requests
// and the number of operations are the protocol's.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/coord/errors.h"
#include "engine/coord/types.h"
#include "engine/engine.h"

namespace keelson::coord {

enum class Code : uint16_t {
  // Commands.
  kPut = 1,
  kDeleteRange = 2,
  kTxn = 3,  // as a query too, if is_read_only()
  kCompact = 4,
  kLeaseGrant = 10,
  kLeaseRevoke = 11,
  kLeaseExpire = 12,
  kLeaseReign = 14,  // 13 was a command that no release had
  kAuthEnable = 20,
  kAuthDisable = 21,
  kUserAdd = 22,
  kUserDelete = 23,
  kUserChangePassword = 24,
  kUserGrantRole = 25,
  kUserRevokeRole = 26,
  kRoleAdd = 27,
  kRoleDelete = 28,
  kRoleGrantPermission = 29,
  kRoleRevokePermission = 30,
  kSetAlarm = 40,
  // Queries.
  kRange = 100,
  kReadEvents = 101,
  kLeaseTimeToLive = 110,
  kLeaseList = 111,
  kAuthStatus = 120,
  kUserGet = 121,
  kUserList = 122,
  kRoleGet = 123,
  kRoleList = 124,
  kUserSecret = 125,
  kCheckAccess = 126,
  kListAlarms = 140,
  kStoreStatus = 150,
  kHashKv = 151,
  kHashRest = 152,
  kScan = 153,
};

// ---- Keys. Each says its answer: the calls of AnswerSink (answer.h).

// Answer: put(). kKeyNotFound, kLeaseNotFound, kNoSpace.
struct Put {
  static constexpr Code kCode = Code::kPut;
  Caller caller{};
  std::string_view key{};
  std::string_view value{};
  LeaseId lease = 0;
  bool prev_kv = false;
  bool ignore_value = false;
  bool ignore_lease = false;
};

// Answer: with prev_kv one key_value() for each deleted key, in order; then deleted().
struct DeleteRange {
  static constexpr Code kCode = Code::kDeleteRange;
  Caller caller{};
  std::string_view key{};
  std::string_view range_end{};
  bool prev_kv = false;
};

enum class SortOrder : uint8_t { kNone = 0, kAscending = 1, kDescending = 2 };
enum class SortTarget : uint8_t { kKey = 0, kVersion = 1, kCreate = 2, kMod = 3, kValue = 4 };

// A query, or part of a transaction. Answer: key_value() for each, then range(). kCompacted, kFutureRevision.
struct Range {
  static constexpr Code kCode = Code::kRange;
  Caller caller{};
  std::string_view key{};
  std::string_view range_end{};
  int64_t limit = 0;      // <= 0: none
  Revision revision = 0;  // <= 0: the present one
  SortOrder sort_order = SortOrder::kNone;
  SortTarget sort_target = SortTarget::kKey;
  bool keys_only = false;
  bool count_only = false;
  Revision min_mod_revision = 0;  // these four: 0 is no bound
  Revision max_mod_revision = 0;
  Revision min_create_revision = 0;
  Revision max_create_revision = 0;
};

enum class CompareTarget : uint8_t { kVersion = 0, kCreate = 1, kMod = 2, kValue = 3, kLease = 4 };
enum class CompareResult : uint8_t { kEqual = 0, kGreater = 1, kLess = 2, kNotEqual = 3 };

// Of a range: holds if it holds for each key there. No key there: the numbers are 0, and no comparison of values holds.
struct Compare {
  CompareTarget target = CompareTarget::kVersion;
  CompareResult result = CompareResult::kEqual;
  std::string_view key{};
  std::string_view range_end{};
  int64_t number = 0;        // of every target but kValue
  std::string_view value{};  // of kValue
};

struct TxnOp;

// `caller` of the outermost transaction counts; those within, and of operations, are neither encoded nor looked at.
// Answer: txn_begin(), each operation's own calls, txn_end().
struct Txn {
  static constexpr Code kCode = Code::kTxn;
  Caller caller{};
  std::vector<Compare> compares{};
  std::vector<TxnOp> success;
  std::vector<TxnOp> failure;
};

struct TxnOp {
  std::variant<Range, Put, DeleteRange, Txn> op;
};

// Neither branch has, at any depth, anything but ranges.
[[nodiscard]] bool is_read_only(const Txn& txn);

// Nothing at or below `revision` can be read any more, but what was present at it. Needs no permission, as in etcd; nor
// does revision 0 do harm to a store that was never compacted. Answer: done(). kCompacted, kFutureRevision.
struct Compact {
  static constexpr Code kCode = Code::kCompact;
  Caller caller{};
  Revision revision = 0;
};

// ---- Leases. The engine holds what was granted; how long each still has is the leader's to know (src/coord): it sets
// every deadline to the full TTL when it begins to lead, puts it off by the full TTL on a keep-alive, which is not
// logged, and submits LeaseExpire when it has passed.

// id 0: the engine draws one from the record's seed. Answer: lease_granted(). kLeaseExists, kLeaseTtlTooLarge,
// kNoSpace.
struct LeaseGrant {
  static constexpr Code kCode = Code::kLeaseGrant;
  Caller caller{};
  LeaseId id = 0;
  int64_t ttl_s = 0;
};

// Deletes the lease's keys too, all in one revision. Answer: done(). kLeaseNotFound, kPermissionDenied (some key of
// it).
struct LeaseRevoke {
  static constexpr Code kCode = Code::kLeaseRevoke;
  Caller caller{};
  LeaseId id = 0;
};

// A node has begun to lead: a reign begins, with the next number (CoordEngine::lease_reign()), and only ends of leases
// that name it count from here on. It stands in the log before that leader promises any time to anybody. For what a
// former leader has decided may be proposed again by itself and come into the log behind this, when its decision is
// no longer true. Answer: done().
struct LeaseReign {
  static constexpr Code kCode = Code::kLeaseReign;
};

// The leader's word that these have run out. What was revoked, or granted anew, meanwhile is left alone. Each lease
// that has keys takes one revision. Answer: done(). kReignIsOver: nothing was done.
struct LeaseExpire {
  static constexpr Code kCode = Code::kLeaseExpire;
  struct Item {
    LeaseId id = 0;
    uint64_t grant = 0;  // LeaseInfo::grant of the lease that is meant
  };
  std::vector<Item> items{};
  uint64_t reign = 0;  // in which it was decided
};

// A query. Answer: with_keys lease_key() for each, in order; then lease(). kLeaseNotFound, kPermissionDenied
// (with_keys: some key of it).
struct LeaseTimeToLive {
  static constexpr Code kCode = Code::kLeaseTimeToLive;
  Caller caller{};
  LeaseId id = 0;
  bool with_keys = false;
};

// A query. Answer: lease() for each with an id greater than `after` (has_after; else from the smallest), at most
// count_max of them; done(). Ids may be negative where clients chose them.
struct LeaseList {
  static constexpr Code kCode = Code::kLeaseList;
  bool has_after = false;
  LeaseId after = 0;
  uint32_t count_max = UINT32_MAX;
};

// ---- Users and roles. All but AuthEnable's first need a caller with the role "root" while auth is on. Answer of the
// commands: done(). Each that changes something adds one to the auth revision (AuthEnable alone does not).

// kRootUserNotExist, kRootRoleNotExist. Already on: kOk.
struct AuthEnable {
  static constexpr Code kCode = Code::kAuthEnable;
  Caller caller{};
};
// Already off: kOk, nothing changes.
struct AuthDisable {
  static constexpr Code kCode = Code::kAuthDisable;
  Caller caller{};
};
// kUserEmpty, kUserExists.
struct UserAdd {
  static constexpr Code kCode = Code::kUserAdd;
  Caller caller{};
  std::string_view name{};
  std::string_view password_hash{};  // salted, as the protocol made it; the engine hands it back as it is
  bool no_password = false;          // known by certificate alone
};
// kUserNotFound, kInvalidAuthManagement.
struct UserDelete {
  static constexpr Code kCode = Code::kUserDelete;
  Caller caller{};
  std::string_view name{};
};
// kUserNotFound.
struct UserChangePassword {
  static constexpr Code kCode = Code::kUserChangePassword;
  Caller caller{};
  std::string_view name{};
  std::string_view password_hash{};
};
// Granted already: kOk, nothing changes. kUserNotFound, kRoleNotFound (the role "root" need not exist).
struct UserGrantRole {
  static constexpr Code kCode = Code::kUserGrantRole;
  Caller caller{};
  std::string_view name{};
  std::string_view role{};
};
// kUserNotFound, kRoleNotGranted, kInvalidAuthManagement.
struct UserRevokeRole {
  static constexpr Code kCode = Code::kUserRevokeRole;
  Caller caller{};
  std::string_view name{};
  std::string_view role{};
};
// kRoleEmpty, kRoleExists.
struct RoleAdd {
  static constexpr Code kCode = Code::kRoleAdd;
  Caller caller{};
  std::string_view name{};
};
// Takes it from all users too. kRoleNotFound, kInvalidAuthManagement.
struct RoleDelete {
  static constexpr Code kCode = Code::kRoleDelete;
  Caller caller{};
  std::string_view name{};
};
// Replaces the access of the same key and range_end. kRoleNotFound.
struct RoleGrantPermission {
  static constexpr Code kCode = Code::kRoleGrantPermission;
  Caller caller{};
  std::string_view name{};
  Permission permission{};
};
// kRoleNotFound, kPermissionNotGranted.
struct RoleRevokePermission {
  static constexpr Code kCode = Code::kRoleRevokePermission;
  Caller caller{};
  std::string_view name{};
  std::string_view key{};
  std::string_view range_end{};
};

// Queries. Answer: auth_status(). Everybody may ask; the protocol needs it for each connection.
struct AuthStatus {
  static constexpr Code kCode = Code::kAuthStatus;
};
// Answer: user(). Besides root, a user may ask for itself. kUserNotFound.
struct UserGet {
  static constexpr Code kCode = Code::kUserGet;
  Caller caller{};
  std::string_view name{};
};
// Answer: name() for each, in order; done().
struct UserList {
  static constexpr Code kCode = Code::kUserList;
  Caller caller{};
};
// Answer: permission() for each, by key; done(). Besides root, who has the role may ask. kRoleNotFound.
struct RoleGet {
  static constexpr Code kCode = Code::kRoleGet;
  Caller caller{};
  std::string_view name{};
};
// Answer: name() for each, in order; done().
struct RoleList {
  static constexpr Code kCode = Code::kRoleList;
  Caller caller{};
};
// For Authenticate: the protocol compares with the hash in constant time, and the token that it makes carries the auth
// revision. Answer: secret(). kAuthNotEnabled, kUserNotFound.
struct UserSecret {
  static constexpr Code kCode = Code::kUserSecret;
  std::string_view name{};
};
// May the caller read (write) that range? For watches; and, with needs_root, for requests that the engine never sees.
// Answer: done(). kUserEmpty, kUserNotFound, kAuthOldRevision, kPermissionDenied.
struct CheckAccess {
  static constexpr Code kCode = Code::kCheckAccess;
  Caller caller{};
  Access access = Access::kRead;  // kReadWrite: both
  std::string_view key{};
  std::string_view range_end{};
  bool needs_root = false;
};

// ---- Alarms. While kNoSpace is on for any member, Put, transactions with a put and LeaseGrant answer kNoSpace; while
// kCorrupt is, everything on keys and leases answers kCorrupt.

// Answer: alarm() for each that this has changed; done(). Deactivating kNone takes every alarm of the member (0: of
// all) away.
struct SetAlarm {
  static constexpr Code kCode = Code::kSetAlarm;
  Alarm alarm{};
  bool is_on = false;
};
// A query. Answer: alarm() for each that is on, of `member` (0: of all), of `type` (kNone: of any); done().
struct ListAlarms {
  static constexpr Code kCode = Code::kListAlarms;
  Alarm alarm{};
};

// ---- Reading along. For watches there is CoordEngine::read_events() as well, which is this without a body.

// A query, a page: the events of revisions `from` to `to`, beginning with sub-revision from_sub of `from`. Answer:
// event() for each until events_max or bytes_max is reached (one at least, if there is any); then events(), which says
// where to go on. A page without events need not be the last. kCompacted:
// `from` is below the compacted revision. `to` above the present one is the present one.
struct ReadEvents {
  static constexpr Code kCode = Code::kReadEvents;
  Revision from = 0;
  uint32_t from_sub = 0;
  Revision to = 0;
  bool prev_kv = false;
  uint32_t events_max = 1000;
  uint64_t bytes_max = uint64_t{1} << 20;
};

// Answer: store_status().
struct StoreStatus {
  static constexpr Code kCode = Code::kStoreStatus;
};

// A page of a hash over every key's states that can be read at revisions up to `revision` (<= 0: the present one):
// equal on replicas with the same `revision` and compacted revision, whatever each has tidied up. Answer: hash(); while
// it is not done, ask again with its revision, compact_revision, state and next_key. kCompacted: `revision` is
// compacted, or the compacted revision is no longer the one that this hash began with: begin again. kFutureRevision.
struct HashKv {
  static constexpr Code kCode = Code::kHashKv;
  Revision revision = 0;
  Revision compact_revision = 0;  // 0 in the first page
  uint64_t state = 0;
  std::string_view next_key{};
  uint32_t keys_max = 2000;  // about 1 ms
};

// The hash of everything but keys: leases, users, roles, alarms. Answer: hash(), done at once.
struct HashRest {
  static constexpr Code kCode = Code::kHashRest;
};

// A page of a snapshot: every state of every key that can be read at revisions up to `revision`, deletions above the
// compacted revision included, by (mod_revision, sub); from (from, from_sub), as ReadEvents. Answer: event() for each,
// without prev_kv and is_last_of_revision; then events(). kCompacted: the compacted revision is not compact_revision
// (0: the first page).
struct Scan {
  static constexpr Code kCode = Code::kScan;
  Revision revision = 0;
  Revision compact_revision = 0;
  Revision from = 0;
  uint32_t from_sub = 0;
  uint32_t events_max = 1000;
  uint64_t bytes_max = uint64_t{1} << 20;
};

// clang-format off
#define KEELSON_COORD_BODIES(X) \
  X(Put) X(DeleteRange) X(Txn) X(Compact) X(LeaseGrant) X(LeaseRevoke) X(LeaseReign) X(LeaseExpire) \
  X(AuthEnable) X(AuthDisable) X(UserAdd) X(UserDelete) X(UserChangePassword) X(UserGrantRole) X(UserRevokeRole) \
  X(RoleAdd) X(RoleDelete) X(RoleGrantPermission) X(RoleRevokePermission) X(SetAlarm) X(Range) X(ReadEvents) \
  X(LeaseTimeToLive) X(LeaseList) X(AuthStatus) X(UserGet) X(UserList) X(RoleGet) X(RoleList) X(UserSecret) \
  X(CheckAccess) X(ListAlarms) X(StoreStatus) X(HashKv) X(HashRest) X(Scan)
// clang-format on

// The body, and back. decode(): false if the bytes do not follow the format; `body` is then anything.
#define KEELSON_COORD_CODEC(Body)                     \
  [[nodiscard]] std::string encode(const Body& body); \
  [[nodiscard]] bool decode(std::string_view from, Body& body);
KEELSON_COORD_BODIES(KEELSON_COORD_CODEC)
#undef KEELSON_COORD_CODEC

// What the request breaks by itself: kOk, kEmptyKey, kDuplicateKey, kValueProvided, kLeaseProvided,
// kInvalidSortOption, kTxnTooDeep, kInvalid.
[[nodiscard]] CoordErrc check(const Put& put);
[[nodiscard]] CoordErrc check(const DeleteRange& range);
[[nodiscard]] CoordErrc check(const Range& range);
[[nodiscard]] CoordErrc check(const Txn& txn);

// A command or query with the bytes that it refers to: what an Operation's span points at. Stays where it is.
class Encoded {
 public:
  template <class Body>
  explicit Encoded(const Body& body) : bytes_(encode(body)), view_(bytes_) {
    command_.code = static_cast<uint16_t>(Body::kCode);
    command_.args = {&view_, 1};
  }
  Encoded(const Encoded&) = delete;
  Encoded& operator=(const Encoded&) = delete;
  [[nodiscard]] const engine::Command& command() const { return command_; }
  [[nodiscard]] std::span<const engine::Command> commands() const { return {&command_, 1}; }
  [[nodiscard]] size_t size_bytes() const { return bytes_.size(); }

 private:
  std::string bytes_{};
  std::string_view view_;
  engine::Command command_;
};

}  // namespace keelson::coord
