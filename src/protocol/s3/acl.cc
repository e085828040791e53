#include "protocol/s3/acl.h"

#include <algorithm>

#include "protocol/s3/xml.h"
#include "protocol/s3/xml_writer.h"

namespace keelson::s3 {

namespace {

constexpr std::string_view kXsi = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=";
constexpr size_t kGrantsMax = 100;

struct Permission {
  std::string_view name;
  std::string_view header;
  uint8_t bit;
};
constexpr Permission kPermissions[] = {
    {"FULL_CONTROL", "x-amz-grant-full-control", kAclFull},
    {"READ", "x-amz-grant-read", kAclRead},
    {"WRITE", "x-amz-grant-write", kAclWrite},
    {"READ_ACP", "x-amz-grant-read-acp", kAclReadAcp},
    {"WRITE_ACP", "x-amz-grant-write-acp", kAclWriteAcp},
};

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

S3Result<> add_group(Acl& acl, std::string_view uri, uint8_t bits) {
  if (uri == kAllUsersGroup) {
    acl.everybody |= bits;
  } else if (uri == kAuthenticatedUsersGroup) {
    acl.signed_in |= bits;
  } else if (uri == kLogDeliveryGroup) {
    acl.log_delivery |= bits;
  } else {
    return invalid_argument("Invalid group uri", "uri", std::string(uri));
  }
  return {};
}

S3Result<> add_user(std::string_view id) {
  if (id == kOwnerId) return {};
  return invalid_argument("Invalid id", "CanonicalUser/ID", std::string(id));
}

// `uri="http://...", id="..."`.
S3Result<> add_grantees(Acl& acl, std::string_view value, uint8_t bits) {
  while (!value.empty()) {
    const size_t end = std::min(value.find(','), value.size());
    const std::string_view one = trim(value.substr(0, end));
    value.remove_prefix(std::min(end + 1, value.size()));
    const size_t equals = one.find('=');
    if (equals == std::string_view::npos)
      return invalid_argument("Argument format not recognized", "x-amz-grant", std::string(one));
    const std::string_view kind = trim(one.substr(0, equals));
    std::string_view who = trim(one.substr(equals + 1));
    if (who.size() >= 2 && who.front() == '"' && who.back() == '"') who = who.substr(1, who.size() - 2);
    S3Result<> added;
    if (kind == "uri") {
      added = add_group(acl, who, bits);
    } else if (kind == "id") {
      added = add_user(who);
    } else if (kind == "emailAddress") {
      return s3_fail(ErrorCode::kNotImplemented, "Grantees by e-mail address are not implemented.");
    } else {
      return invalid_argument("Argument format not recognized", "x-amz-grant", std::string(one));
    }
    if (!added) return added;
  }
  return {};
}

void write_grants(XmlWriter& xml, std::string_view group, uint8_t bits) {
  for (const Permission& permission : kPermissions) {
    const bool is_full = permission.bit == kAclFull;
    if (is_full ? bits != kAclFull : bits == kAclFull || (bits & permission.bit) == 0) continue;
    xml.open("Grant");
    xml.open_with("Grantee", std::string(kXsi) + "\"Group\"");
    xml.element("URI", group);
    xml.close("Grantee");
    xml.element("Permission", permission.name);
    xml.close("Grant");
  }
}

}  // namespace

std::string Acl::stored() const {
  constexpr std::string_view kDigits = "0123456789abcdef";
  if (is_private()) return {};
  std::string text{kDigits[everybody & 15], kDigits[signed_in & 15]};
  if (log_delivery != 0) text.push_back(kDigits[log_delivery & 15]);
  return text;
}

Acl Acl::load(std::string_view stored) {
  const auto value = [](char c) { return static_cast<uint8_t>(c >= 'a' ? c - 'a' + 10 : c - '0'); };
  if (stored.size() != 2 && stored.size() != 3) return {};
  return {value(stored[0]), value(stored[1]), stored.size() == 3 ? value(stored[2]) : uint8_t{0}};
}

std::string Acl::document() const {
  XmlWriter xml;
  xml.open_root("AccessControlPolicy");
  xml.open("Owner");
  xml.element("ID", kOwnerId);
  xml.element("DisplayName", kOwnerName);
  xml.close("Owner");
  xml.open("AccessControlList");
  xml.open("Grant");
  xml.open_with("Grantee", std::string(kXsi) + "\"CanonicalUser\"");
  xml.element("ID", kOwnerId);
  xml.element("DisplayName", kOwnerName);
  xml.close("Grantee");
  xml.element("Permission", "FULL_CONTROL");
  xml.close("Grant");
  write_grants(xml, kAllUsersGroup, everybody);
  write_grants(xml, kAuthenticatedUsersGroup, signed_in);
  write_grants(xml, kLogDeliveryGroup, log_delivery);
  xml.close("AccessControlList");
  xml.close("AccessControlPolicy");
  return xml.take();
}

std::optional<Acl> canned_acl(std::string_view name) {
  if (name == "private" || name == "bucket-owner-read" || name == "bucket-owner-full-control") return Acl{};
  if (name == "public-read") return Acl{.everybody = kAclRead, .signed_in = 0};
  if (name == "public-read-write") return Acl{.everybody = kAclRead | kAclWrite, .signed_in = 0};
  if (name == "authenticated-read") return Acl{.everybody = 0, .signed_in = kAclRead};
  if (name == "log-delivery-write") {
    return Acl{.everybody = 0, .signed_in = 0, .log_delivery = kAclWrite | kAclReadAcp};
  }
  return std::nullopt;
}

S3Result<std::optional<Acl>> acl_of_headers(const RequestView& request) {
  const auto canned = request.header("x-amz-acl");
  Acl acl;
  bool has_grants = false;
  for (const Permission& permission : kPermissions) {
    const auto value = request.header(permission.header);
    if (!value) continue;
    has_grants = true;
    if (auto added = add_grantees(acl, *value, permission.bit); !added)
      return std::unexpected(std::move(added.error()));
  }
  if (canned && has_grants) {
    return s3_fail(ErrorCode::kInvalidRequest, "Specifying both Canned ACLs and Header Grants is not allowed");
  }
  if (has_grants) return std::optional<Acl>(acl);
  if (!canned) return std::optional<Acl>();
  const auto known = canned_acl(*canned);
  if (!known) return invalid_argument("", "x-amz-acl", std::string(*canned));
  return known;
}

S3Result<Acl> parse_acl_document(std::string_view xml) {
  const auto root = parse_xml(xml);
  if (!root || root->name != "AccessControlPolicy") return s3_fail(ErrorCode::kMalformedACLError);
  const XmlElement* list = root->child("AccessControlList");
  if (list == nullptr || list->children.size() > kGrantsMax) return s3_fail(ErrorCode::kMalformedACLError);
  if (const XmlElement* owner = root->child("Owner")) {
    if (auto known = add_user(owner->child_text("ID").value_or(std::string_view())); !known) {
      return std::unexpected(std::move(known.error()));
    }
  }
  Acl acl;
  for (const XmlElement& grant : list->children) {
    const XmlElement* grantee = grant.child("Grantee");
    const auto word = grant.child_text("Permission");
    if (grant.name != "Grant" || grantee == nullptr || !word) return s3_fail(ErrorCode::kMalformedACLError);
    const auto* permission = std::find_if(std::begin(kPermissions), std::end(kPermissions),
                                          [&](const Permission& one) { return one.name == *word; });
    if (permission == std::end(kPermissions)) return s3_fail(ErrorCode::kMalformedACLError);
    S3Result<> added;
    if (const auto uri = grantee->child_text("URI")) {
      added = add_group(acl, *uri, permission->bit);
    } else if (const auto id = grantee->child_text("ID")) {
      added = add_user(*id);
    } else {
      return s3_fail(ErrorCode::kNotImplemented, "Grantees by e-mail address are not implemented.");
    }
    if (!added) return std::unexpected(std::move(added.error()));
  }
  return acl;
}

}  // namespace keelson::s3
