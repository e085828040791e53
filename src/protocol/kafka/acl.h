// Access lists as Kafka's authorizer has them (AclAuthorizer, StandardAuthorizer; KIP-11 and KIP-290): who may do what
// to which resource, from where. Values; a set that is read by several threads is not changed any more.
//
// A binding allows or denies. What any binding that fits denies is denied; else what one allows is allowed; else, if
// no binding at all is about the resource, the set's default decides, and otherwise it is denied. To be allowed Read,
// Write, Delete or Alter allows Describe too, and AlterConfigs allows DescribeConfigs; denials spread to nothing else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/kafka/access.h"

namespace keelson::kafka {

// Numbers are the protocol's (org.apache.kafka.common.resource.PatternType, .acl.AclPermissionType).
enum class PatternType : int8_t { kUnknown = 0, kAny = 1, kMatch = 2, kLiteral = 3, kPrefixed = 4 };
enum class AclPermission : int8_t { kUnknown = 0, kAny = 1, kDeny = 2, kAllow = 3 };

struct AclBinding {
  ResourceType type = ResourceType::kTopic;
  PatternType pattern = PatternType::kLiteral;
  std::string name{};       // literal "*": every resource of the type
  std::string principal{};  // "User:ann"; "User:*": everybody
  std::string host{};       // an address, or "*"
  AclOperation operation = AclOperation::kAll;
  AclPermission permission = AclPermission::kAllow;
  auto operator<=>(const AclBinding&) const = default;
};

// Empty: it may be created; else what is wrong, for people.
[[nodiscard]] std::string why_invalid(const AclBinding& binding);

struct AclFilter {
  ResourceType type = ResourceType::kAny;
  PatternType pattern = PatternType::kAny;
  std::optional<std::string> name{};
  std::optional<std::string> principal{};
  std::optional<std::string> host{};
  AclOperation operation = AclOperation::kAny;
  AclPermission permission = AclPermission::kAny;
  [[nodiscard]] bool matches(const AclBinding& binding) const;
};
[[nodiscard]] std::string why_invalid(const AclFilter& filter);

// All bindings of a node, at some 200 bytes of memory each on every reactor.
inline constexpr size_t kAclBindingsMax = 100'000;
inline constexpr size_t kAclTextBytesMax = 1024;  // of a name, principal or host

class AclSet {
 public:
  // False: it was there (was not there).
  bool add(const AclBinding& binding);
  bool remove(const AclBinding& binding);
  [[nodiscard]] size_t size() const { return size_; }
  void for_each(const std::function<void(const AclBinding&)>& each) const;

  // `host`: the client's address, without port.
  [[nodiscard]] bool allows(std::string_view principal, std::string_view host, AclOperation operation,
                            ResourceType type, std::string_view name, bool if_none_found) const;
  // On any resource of the type, be it one that is not there yet (KIP-679).
  [[nodiscard]] bool allows_any(std::string_view principal, std::string_view host, AclOperation operation,
                                ResourceType type) const;

 private:
  struct Rule {
    std::string principal;
    std::string host;
    AclOperation operation = AclOperation::kAll;
    AclPermission permission = AclPermission::kAllow;
    auto operator<=>(const Rule&) const = default;
  };
  using Rules = std::set<Rule>;
  using ByName = std::map<std::string, Rules, std::less<>>;
  struct OfType {
    ByName literal;
    ByName prefixed;
  };
  [[nodiscard]] const OfType* of_type(ResourceType type) const;

  std::map<ResourceType, OfType> types_;
  size_t size_ = 0;
};

// As it is kept: fields in the order of the struct, with lengths. nullopt: malformed.
[[nodiscard]] std::string binding_text(const AclBinding& binding);
[[nodiscard]] std::optional<AclBinding> read_binding(std::string_view text);

}  // namespace keelson::kafka
