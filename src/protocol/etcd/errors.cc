#include "protocol/etcd/errors.h"

#include <string>

namespace keelson::etcd {

namespace {

using coord::CoordErrc;
using coord::ServiceErrc;
using net::grpc::CallStatus;
using net::grpc::Code;

Code code_of(CoordErrc code) {
  switch (code) {
    case CoordErrc::kOk:
      return Code::kOk;
    case CoordErrc::kInvalid:
    case CoordErrc::kEmptyKey:
    case CoordErrc::kKeyNotFound:
    case CoordErrc::kDuplicateKey:
    case CoordErrc::kValueProvided:
    case CoordErrc::kLeaseProvided:
    case CoordErrc::kTxnTooDeep:
    case CoordErrc::kInvalidSortOption:
    case CoordErrc::kUserEmpty:
    case CoordErrc::kRoleEmpty:
    case CoordErrc::kAuthOldRevision:
    case CoordErrc::kInvalidAuthManagement:
      return Code::kInvalidArgument;
    case CoordErrc::kReignIsOver:  // no client's request
      return Code::kInternal;
    case CoordErrc::kCompacted:
    case CoordErrc::kFutureRevision:
    case CoordErrc::kLeaseTtlTooLarge:
      return Code::kOutOfRange;
    case CoordErrc::kNoSpace:
      return Code::kResourceExhausted;
    case CoordErrc::kCorrupt:
      return Code::kDataLoss;
    case CoordErrc::kLeaseNotFound:
      return Code::kNotFound;
    case CoordErrc::kPermissionDenied:
      return Code::kPermissionDenied;
    case CoordErrc::kLeaseExists:
    case CoordErrc::kRootUserNotExist:
    case CoordErrc::kRootRoleNotExist:
    case CoordErrc::kUserExists:
    case CoordErrc::kUserNotFound:
    case CoordErrc::kRoleExists:
    case CoordErrc::kRoleNotFound:
    case CoordErrc::kRoleNotGranted:
    case CoordErrc::kPermissionNotGranted:
    case CoordErrc::kAuthNotEnabled:
      return Code::kFailedPrecondition;
  }
  return Code::kUnknown;
}

}  // namespace

CallStatus status_of(CoordErrc code) {
  if (code == CoordErrc::kOk) return {};
  return {code_of(code), std::string(coord::errc_text(code))};
}

CallStatus status_of(ServiceErrc code) {
  switch (code) {
    case ServiceErrc::kOk:
      return {};
    case ServiceErrc::kNoLeader:
      return {Code::kUnavailable, "etcdserver: no leader"};
    case ServiceErrc::kTimedOut:
      return {Code::kUnavailable, "etcdserver: request timed out"};
    case ServiceErrc::kFull:
      return {Code::kResourceExhausted, "etcdserver: mvcc: database space exceeded"};
    case ServiceErrc::kTooLarge:
      return status_of(ProtocolErrc::kRequestTooLarge);
    case ServiceErrc::kFailed:
      return {Code::kDataLoss, "etcdserver: corrupt cluster"};
    case ServiceErrc::kStopping:
      return status_of(ProtocolErrc::kStopped);
  }
  return {Code::kUnknown, coord::text_of(code)};
}

CallStatus status_of(ProtocolErrc code) {
  switch (code) {
    case ProtocolErrc::kTooManyOps:
      return {Code::kInvalidArgument, "etcdserver: too many operations in txn request"};
    case ProtocolErrc::kRequestTooLarge:
      return {Code::kInvalidArgument, "etcdserver: request is too large"};
    case ProtocolErrc::kMalformed:
      return {Code::kInternal, "grpc: error unmarshalling request: it does not follow its message's format"};
    case ProtocolErrc::kAuthFailed:
      return {Code::kInvalidArgument, "etcdserver: authentication failed, invalid user ID or password"};
    case ProtocolErrc::kInvalidAuthToken:
      return {Code::kUnauthenticated, "etcdserver: invalid auth token"};
    case ProtocolErrc::kStopped:
      return {Code::kUnavailable, "etcdserver: server stopped"};
    case ProtocolErrc::kNotLeader:
      return {Code::kFailedPrecondition, "etcdserver: not leader"};
    case ProtocolErrc::kMemberNotFound:
      return {Code::kNotFound, "etcdserver: member not found"};
    case ProtocolErrc::kBadMemberUrls:
      return {Code::kInvalidArgument, "etcdserver: given member URLs are invalid"};
    case ProtocolErrc::kBadLeaderTransferee:
      return {Code::kFailedPrecondition, "etcdserver: bad leader transferee"};
    case ProtocolErrc::kNoMemberChanges:
      return {Code::kUnimplemented, "etcdserver: this is a single node; its members cannot be changed"};
  }
  return {Code::kUnknown, "unknown"};
}

CallStatus unmapped(CallStatus status) {
  constexpr std::string_view kPrefix = "etcdserver: ";
  const bool is_about_users = status.code == Code::kPermissionDenied || status.code == Code::kInvalidArgument;
  if (!is_about_users || !status.message.starts_with(kPrefix)) return status;
  return {Code::kUnknown, "auth: " + status.message.substr(kPrefix.size())};
}

std::string go_text(const CallStatus& status) {
  return "rpc error: code = " + std::string(net::grpc::code_name(status.code)) + " desc = " + status.message;
}

}  // namespace keelson::etcd
