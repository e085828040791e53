#include "protocol/kafka/acl.h"

#include <algorithm>
#include <array>
#include <span>

#include "base/coding.h"

namespace keelson::kafka {
namespace {

using enum AclOperation;

constexpr std::string_view kEverybody = "User:*";
constexpr std::string_view kAnywhere = "*";
constexpr std::string_view kEveryResource = "*";

struct TypeRow {
  ResourceType type;
  std::string_view name;
  std::array<AclOperation, 8> operations;  // kUnknown fills it up
};
// org.apache.kafka.security.authorizer.AclEntry, supportedOperations().
constexpr TypeRow kTypes[] = {
    {ResourceType::kTopic,
     "topic",
     {kRead, kWrite, kCreate, kDescribe, kDelete, kAlter, kDescribeConfigs, kAlterConfigs}},
    {ResourceType::kGroup, "group", {kRead, kDescribe, kDelete, kDescribeConfigs, kAlterConfigs}},
    {ResourceType::kCluster,
     "cluster",
     {kCreate, kClusterAction, kDescribeConfigs, kAlterConfigs, kIdempotentWrite, kAlter, kDescribe}},
    {ResourceType::kTransactionalId, "transactional id", {kDescribe, kWrite}},
};

const TypeRow* find_type(ResourceType type) {
  const auto* found = std::ranges::find(kTypes, type, &TypeRow::type);
  return found != std::end(kTypes) ? found : nullptr;
}

// "Type:name", neither empty.
bool is_principal(std::string_view text) {
  const size_t colon = text.find(':');
  return colon != std::string_view::npos && colon > 0 && colon + 1 < text.size();
}

bool fits(std::string_view of_rule, std::string_view asked, std::string_view everything) {
  return of_rule == asked || of_rule == everything;
}

bool allowing(AclOperation of_rule, AclOperation asked) {
  if (of_rule == asked || of_rule == kAll) return true;
  if (asked == kDescribe) return of_rule == kRead || of_rule == kWrite || of_rule == kDelete || of_rule == kAlter;
  return asked == kDescribeConfigs && of_rule == kAlterConfigs;
}

bool denying(AclOperation of_rule, AclOperation asked) { return of_rule == asked || of_rule == kAll; }

}  // namespace

std::string why_invalid(const AclBinding& binding) {
  const TypeRow* type = find_type(binding.type);
  if (type == nullptr) return "Access lists are for topics, groups, the cluster and transactional ids.";
  if (binding.pattern != PatternType::kLiteral && binding.pattern != PatternType::kPrefixed) {
    return "The pattern of a new access rule is literal or prefixed.";
  }
  if (binding.type == ResourceType::kCluster && binding.name != kClusterName) {
    return "The only cluster is named " + std::string(kClusterName) + ".";
  }
  if (binding.name.empty() || binding.host.empty()) return "An access rule needs a resource's name and a host.";
  for (const std::string* text : {&binding.name, &binding.principal, &binding.host}) {
    if (text->size() > kAclTextBytesMax) return "A name in the access rule is too long.";
  }
  if (!is_principal(binding.principal)) return "A principal is written Type:name, for example User:ann.";
  if (binding.permission != AclPermission::kAllow && binding.permission != AclPermission::kDeny) {
    return "A new access rule allows or denies.";
  }
  if (binding.operation == kUnknown || binding.operation == kAny)
    return "A new access rule names one operation, or all.";
  if (binding.operation != kAll && std::ranges::find(type->operations, binding.operation) == type->operations.end()) {
    return "A " + std::string(type->name) + " does not have this operation.";
  }
  return {};
}

std::string why_invalid(const AclFilter& filter) {
  if (filter.type <= ResourceType::kUnknown || filter.type > ResourceType::kUser)
    return "The resource's type is not known.";
  if (filter.pattern <= PatternType::kUnknown || filter.pattern > PatternType::kPrefixed) {
    return "The type of the pattern is not known.";
  }
  if (filter.operation <= kUnknown || filter.operation > kIdempotentWrite) return "The operation is not known.";
  if (filter.permission <= AclPermission::kUnknown || filter.permission > AclPermission::kAllow) {
    return "The permission is not known.";
  }
  return {};
}

bool AclFilter::matches(const AclBinding& binding) const {
  if (type != ResourceType::kAny && type != binding.type) return false;
  if (pattern != PatternType::kAny && pattern != PatternType::kMatch && pattern != binding.pattern) return false;
  if (name) {
    const bool is_named = *name == binding.name;
    // What would be asked if somebody did something to a resource of that name.
    const bool is_about = pattern == PatternType::kMatch &&
                          (binding.pattern == PatternType::kPrefixed ? std::string_view(*name).starts_with(binding.name)
                                                                     : binding.name == kEveryResource);
    if (!is_named && !is_about) return false;
  }
  if (principal && *principal != binding.principal) return false;
  if (host && *host != binding.host) return false;
  if (operation != kAny && operation != binding.operation) return false;
  return permission == AclPermission::kAny || permission == binding.permission;
}

bool AclSet::add(const AclBinding& binding) {
  OfType& of_type = types_[binding.type];
  ByName& names = binding.pattern == PatternType::kPrefixed ? of_type.prefixed : of_type.literal;
  const bool is_new =
      names[binding.name].insert({binding.principal, binding.host, binding.operation, binding.permission}).second;
  size_ += is_new ? 1 : 0;
  return is_new;
}

bool AclSet::remove(const AclBinding& binding) {
  const auto of_type = types_.find(binding.type);
  if (of_type == types_.end()) return false;
  ByName& names = binding.pattern == PatternType::kPrefixed ? of_type->second.prefixed : of_type->second.literal;
  const auto rules = names.find(binding.name);
  if (rules == names.end()) return false;
  const size_t removed = rules->second.erase({binding.principal, binding.host, binding.operation, binding.permission});
  if (rules->second.empty()) names.erase(rules);
  size_ -= removed;
  return removed != 0;
}

void AclSet::for_each(const std::function<void(const AclBinding&)>& each) const {
  for (const auto& [type, of_type] : types_) {
    for (const PatternType pattern : {PatternType::kLiteral, PatternType::kPrefixed}) {
      for (const auto& [name, rules] : pattern == PatternType::kPrefixed ? of_type.prefixed : of_type.literal) {
        for (const Rule& rule : rules) {
          each({type, pattern, name, rule.principal, rule.host, rule.operation, rule.permission});
        }
      }
    }
  }
}

const AclSet::OfType* AclSet::of_type(ResourceType type) const {
  const auto found = types_.find(type);
  return found != types_.end() ? &found->second : nullptr;
}

bool AclSet::allows(std::string_view principal, std::string_view host, AclOperation operation, ResourceType type,
                    std::string_view name, bool if_none_found) const {
  const OfType* rules_of_type = of_type(type);
  if (rules_of_type == nullptr) return if_none_found;
  bool is_any = false;
  bool is_allowed = false;
  bool is_denied = false;
  const auto look_at = [&](const Rules& rules) {
    is_any = true;
    for (const Rule& rule : rules) {
      if (!fits(rule.principal, principal, kEverybody) || !fits(rule.host, host, kAnywhere)) continue;
      is_denied |= rule.permission == AclPermission::kDeny && denying(rule.operation, operation);
      is_allowed |= rule.permission == AclPermission::kAllow && allowing(rule.operation, operation);
    }
  };
  for (const std::string_view literal : {name, kEveryResource}) {
    if (literal == kEveryResource && name == kEveryResource && is_any) break;
    if (const auto found = rules_of_type->literal.find(literal); found != rules_of_type->literal.end()) {
      look_at(found->second);
    }
  }
  // The last that does not stand behind what is left of the name is its longest prefix; or, if it is none, nothing
  // longer than what both have in common can be one.
  const ByName& prefixed = rules_of_type->prefixed;
  for (std::string_view left = name; !left.empty();) {
    auto found = prefixed.upper_bound(left);
    if (found == prefixed.begin()) break;
    --found;
    const auto differs = std::ranges::mismatch(found->first, left);
    const auto common = static_cast<size_t>(differs.in2 - left.begin());
    if (common == 0) break;
    const bool is_prefix = differs.in1 == found->first.end();
    if (is_prefix) look_at(found->second);
    left = left.substr(0, is_prefix ? common - 1 : common);
  }
  if (is_denied) return false;
  return is_any ? is_allowed : if_none_found;
}

bool AclSet::allows_any(std::string_view principal, std::string_view host, AclOperation operation,
                        ResourceType type) const {
  const OfType* rules_of_type = of_type(type);
  if (rules_of_type == nullptr) return false;
  for (const ByName* names : {&rules_of_type->literal, &rules_of_type->prefixed}) {
    for (const auto& [name, rules] : *names) {
      const bool is_allowed = std::ranges::any_of(rules, [&](const Rule& rule) {
        return rule.permission == AclPermission::kAllow && allowing(rule.operation, operation) &&
               fits(rule.principal, principal, kEverybody) && fits(rule.host, host, kAnywhere);
      });
      // The name itself (of a prefix: its shortest) is denied if all of what the rule is about is.
      if (is_allowed && allows(principal, host, operation, type, name, false)) return true;
    }
  }
  return false;
}

std::string binding_text(const AclBinding& binding) {
  std::string text;
  for (const int8_t number : {static_cast<int8_t>(binding.type), static_cast<int8_t>(binding.pattern),
                              static_cast<int8_t>(binding.operation), static_cast<int8_t>(binding.permission)}) {
    append_u8(text, static_cast<uint8_t>(number));
  }
  for (const std::string* part : {&binding.name, &binding.principal, &binding.host}) append_string(text, *part);
  return text;
}

std::optional<AclBinding> read_binding(std::string_view text) {
  std::array<uint8_t, 4> numbers{};
  for (uint8_t& number : numbers) {
    if (!read_u8(text, number)) return std::nullopt;
  }
  std::array<std::string_view, 3> parts;
  for (std::string_view& part : parts) {
    if (!read_string(text, part)) return std::nullopt;
  }
  AclBinding binding{.type = static_cast<ResourceType>(numbers[0]),
                     .pattern = static_cast<PatternType>(numbers[1]),
                     .name = std::string(parts[0]),
                     .principal = std::string(parts[1]),
                     .host = std::string(parts[2]),
                     .operation = static_cast<AclOperation>(numbers[2]),
                     .permission = static_cast<AclPermission>(numbers[3])};
  if (!text.empty() || !why_invalid(binding).empty()) return std::nullopt;
  return binding;
}

}  // namespace keelson::kafka
