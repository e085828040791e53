#include "engine/coord/errors.h"

namespace keelson::coord {

std::string_view errc_text(CoordErrc code) {
  switch (code) {
    case CoordErrc::kOk:
      return "ok";
    case CoordErrc::kInvalid:
      return "etcdserver: the request is malformed or beyond a limit";
    case CoordErrc::kEmptyKey:
      return "etcdserver: key is not provided";
    case CoordErrc::kKeyNotFound:
      return "etcdserver: key not found";
    case CoordErrc::kCompacted:
      return "etcdserver: mvcc: required revision has been compacted";
    case CoordErrc::kFutureRevision:
      return "etcdserver: mvcc: required revision is a future revision";
    case CoordErrc::kDuplicateKey:
      return "etcdserver: duplicate key given in txn request";
    case CoordErrc::kValueProvided:
      return "etcdserver: value is provided";
    case CoordErrc::kLeaseProvided:
      return "etcdserver: lease is provided";
    case CoordErrc::kNoSpace:
      return "etcdserver: mvcc: database space exceeded";
    case CoordErrc::kCorrupt:
      return "etcdserver: corrupt cluster";
    case CoordErrc::kTxnTooDeep:
      return "etcdserver: transactions are nested too deeply";
    case CoordErrc::kInvalidSortOption:
      return "etcdserver: invalid sort option";
    case CoordErrc::kLeaseNotFound:
      return "etcdserver: requested lease not found";
    case CoordErrc::kLeaseExists:
      return "etcdserver: lease already exists";
    case CoordErrc::kLeaseTtlTooLarge:
      return "etcdserver: too large lease TTL";
    case CoordErrc::kReignIsOver:
      return "another node keeps the times of leases by now";
    case CoordErrc::kRootUserNotExist:
      return "etcdserver: root user does not exist";
    case CoordErrc::kRootRoleNotExist:
      return "etcdserver: root user does not have root role";
    case CoordErrc::kUserExists:
      return "etcdserver: user name already exists";
    case CoordErrc::kUserEmpty:
      return "etcdserver: user name is empty";
    case CoordErrc::kUserNotFound:
      return "etcdserver: user name not found";
    case CoordErrc::kRoleExists:
      return "etcdserver: role name already exists";
    case CoordErrc::kRoleEmpty:
      return "etcdserver: role name is empty";
    case CoordErrc::kRoleNotFound:
      return "etcdserver: role name not found";
    case CoordErrc::kRoleNotGranted:
      return "etcdserver: role is not granted to the user";
    case CoordErrc::kPermissionNotGranted:
      return "etcdserver: permission is not granted to the role";
    case CoordErrc::kPermissionDenied:
      return "etcdserver: permission denied";
    case CoordErrc::kAuthNotEnabled:
      return "etcdserver: authentication is not enabled";
    case CoordErrc::kAuthOldRevision:
      return "etcdserver: revision of auth store is old";
    case CoordErrc::kInvalidAuthManagement:
      return "etcdserver: invalid auth management";
  }
  return "unknown";
}

}  // namespace keelson::coord
