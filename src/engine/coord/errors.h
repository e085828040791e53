// What a coordination command can be answered with when it changes or finds nothing. The names follow etcd's errors
// (api/v3rpc/rpctypes/error.go); which gRPC status each becomes is the protocol's matter.
#pragma once

#include <cstdint>
#include <string_view>

namespace keelson::coord {

enum class CoordErrc : uint8_t {
  kOk = 0,
  kInvalid,  // the body does not follow the format, the code is unknown, or a limit of types.h is passed
  // Keys.
  kEmptyKey,
  kKeyNotFound,     // ignore_value or ignore_lease on a key that is not there
  kCompacted,       // the revision asked for is below the compacted one
  kFutureRevision,  // the revision asked for is above the present one
  kDuplicateKey,    // a transaction changes one key twice
  kValueProvided,   // together with ignore_value
  kLeaseProvided,   // together with ignore_lease
  kNoSpace,         // the alarm of that name is on
  kCorrupt,         // the alarm of that name is on
  kTxnTooDeep,      // beyond kTxnDepthMax
  kInvalidSortOption,
  // Leases.
  kLeaseNotFound,
  kLeaseExists,
  kLeaseTtlTooLarge,
  kReignIsOver,  // another node has begun to keep the times of leases
  // Users and roles.
  kRootUserNotExist,
  kRootRoleNotExist,
  kUserExists,
  kUserEmpty,  // a user without name; or, with auth on, a request without a user
  kUserNotFound,
  kRoleExists,
  kRoleEmpty,
  kRoleNotFound,
  kRoleNotGranted,
  kPermissionNotGranted,
  kPermissionDenied,
  kAuthNotEnabled,
  kAuthOldRevision,        // users or roles have changed since the caller's token was looked at: look again and repeat
  kInvalidAuthManagement,  // deleting the root user or role, or taking root's role, while auth is on
};

// etcd's text for it, word for word ("etcdserver: ..."), where etcd has one.
[[nodiscard]] std::string_view errc_text(CoordErrc code);

}  // namespace keelson::coord
