// Access control lists: canned ones, x-amz-grant- headers, and the document ("Access control list overview", Amazon S3
// user guide). There is one account, which owns everything; what an ACL can say beyond that is what everybody and every
// signed-in user may do. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/s3/error.h"
#include "protocol/s3/request.h"

namespace keelson::s3 {

// The account's canonical user id and name, as owners stand in documents.
inline constexpr std::string_view kOwnerId = "4b45454c534f4e000000000000000000000000000000000000000000000000a1";
inline constexpr std::string_view kOwnerName = "keelson";

// Groups, as they stand in documents.
inline constexpr std::string_view kAllUsersGroup = "http://acs.amazonaws.com/groups/global/AllUsers";
inline constexpr std::string_view kAuthenticatedUsersGroup =
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
inline constexpr std::string_view kLogDeliveryGroup = "http://acs.amazonaws.com/groups/s3/LogDelivery";

// Permissions, as bits.
inline constexpr uint8_t kAclRead = 1;
inline constexpr uint8_t kAclWrite = 2;
inline constexpr uint8_t kAclReadAcp = 4;
inline constexpr uint8_t kAclWriteAcp = 8;
inline constexpr uint8_t kAclFull = 15;

struct Acl {
  uint8_t everybody = 0;  // group AllUsers
  uint8_t signed_in = 0;  // group AuthenticatedUsers
  // Group LogDelivery: of a bucket that access logs are to go to. Nobody signs as this group.
  uint8_t log_delivery = 0;
  bool operator==(const Acl&) const = default;

  [[nodiscard]] bool is_private() const { return everybody == 0 && signed_in == 0 && log_delivery == 0; }
  // As it is stored: empty if private, else two hex digits, and a third one if log delivery has rights.
  [[nodiscard]] std::string stored() const;
  static Acl load(std::string_view stored);
  [[nodiscard]] std::string document() const;
};

// "private", "public-read", "public-read-write", "authenticated-read", "bucket-owner-read",
// "bucket-owner-full-control", "log-delivery-write".
[[nodiscard]] std::optional<Acl> canned_acl(std::string_view name);

// What the request's x-amz-acl or x-amz-grant- headers say; nullopt if it has none. kInvalidArgument, kInvalidRequest
// (both), kNotImplemented (a grantee by e-mail).
[[nodiscard]] S3Result<std::optional<Acl>> acl_of_headers(const RequestView& request);
// <AccessControlPolicy>. kMalformedACLError, kInvalidArgument.
[[nodiscard]] S3Result<Acl> parse_acl_document(std::string_view xml);

}  // namespace keelson::s3
