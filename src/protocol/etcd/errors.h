// How a call fails, in etcd's codes and words (its api/v3rpc/rpctypes/error.go): clients tell errors apart by their
// text.
#pragma once

#include "coord/errors.h"
#include "engine/coord/errors.h"
#include "net/grpc/status.h"

namespace keelson::etcd {

[[nodiscard]] net::grpc::CallStatus status_of(coord::CoordErrc code);
[[nodiscard]] net::grpc::CallStatus status_of(coord::ServiceErrc code);

// What the protocol itself finds wrong.
enum class ProtocolErrc : uint8_t {
  kTooManyOps,
  kRequestTooLarge,
  kMalformed,  // not the bytes of its message
  kAuthFailed,
  kInvalidAuthToken,
  kStopped,
  kMemberNotFound,
  kBadMemberUrls,
  kBadLeaderTransferee,
  kLeaderTransferTimedOut,
  kNoMemberChanges,  // a single node: no text of etcd's fits
};
[[nodiscard]] net::grpc::CallStatus status_of(ProtocolErrc code);

// What etcd 3.4 makes of a refusal by its maintenance service, which hands its own errors on as they are: UNKNOWN, and
// "auth: ..." in place of "etcdserver: ...".
[[nodiscard]] net::grpc::CallStatus unmapped(net::grpc::CallStatus status);

// As Go prints an error of gRPC: "rpc error: code = PermissionDenied desc = ...".
[[nodiscard]] std::string go_text(const net::grpc::CallStatus& status);

}  // namespace keelson::etcd
