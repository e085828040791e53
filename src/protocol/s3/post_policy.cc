#include "protocol/s3/post_policy.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "protocol/s3/dates.h"

namespace keelson::s3 {

namespace {

using Json = nlohmann::json;

constexpr size_t kRulesMax = 100;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::unexpected<S3Error> bad_document(std::string why) {
  return s3_fail(ErrorCode::kInvalidPolicyDocument, "Invalid Policy: " + std::move(why));
}

std::unexpected<S3Error> denied(std::string why) {
  return s3_fail(ErrorCode::kAccessDenied, "Invalid according to Policy: " + std::move(why));
}

// Numbers are sometimes sent as strings.
bool read_size(const Json& json, uint64_t& value) {
  if (json.is_number_unsigned()) {
    value = json.get<uint64_t>();
    return true;
  }
  if (!json.is_string()) return false;
  const std::string& text = json.get_ref<const std::string&>();
  value = 0;
  if (text.empty() || text.size() > 18) return false;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  return true;
}

// ["eq", "$key", "value"], ["starts-with", "$key", "value"], ["content-length-range", 1, 10].
S3Result<> read_list(const Json& list, PostPolicy& policy) {
  if (list.size() != 3 || !list[0].is_string()) return bad_document("Invalid Condition: wrong number of elements");
  const std::string kind = lower(list[0].get_ref<const std::string&>());
  if (kind == "content-length-range") {
    if (!read_size(list[1], policy.content_bytes_min) || !read_size(list[2], policy.content_bytes_max)) {
      return bad_document("Invalid Condition: content-length-range needs two numbers");
    }
    return {};
  }
  if ((kind != "eq" && kind != "starts-with") || !list[1].is_string() || !list[2].is_string()) {
    return bad_document("Invalid Condition: unknown operation '" + kind + "'");
  }
  const std::string& field = list[1].get_ref<const std::string&>();
  if (field.size() < 2 || field.front() != '$') return bad_document("Invalid Condition: a field begins with '$'");
  policy.rules.push_back({kind == "eq" ? PostPolicy::Rule::Kind::kEqual : PostPolicy::Rule::Kind::kStartsWith,
                          lower(std::string_view(field).substr(1)), list[2].get_ref<const std::string&>()});
  return {};
}

bool needs_no_rule(std::string_view field) {
  constexpr std::string_view kFree[] = {"policy", "signature", "x-amz-signature", "awsaccesskeyid", "file"};
  return field.starts_with("x-ignore-") || std::find(std::begin(kFree), std::end(kFree), field) != std::end(kFree);
}

bool holds(const PostPolicy::Rule& rule, std::string_view value) {
  if (rule.kind == PostPolicy::Rule::Kind::kEqual) return value == rule.value;
  // A list of content types must begin so in every member.
  if (rule.field != "content-type") return value.starts_with(rule.value);
  while (true) {
    const size_t end = std::min(value.find(','), value.size());
    if (!value.substr(0, end).starts_with(rule.value)) return false;
    if (end == value.size()) return true;
    value.remove_prefix(end + 1);
    while (value.starts_with(' ')) value.remove_prefix(1);
  }
}

}  // namespace

S3Result<PostPolicy> PostPolicy::parse(std::string_view json) {
  const Json document = Json::parse(json, nullptr, false);
  if (!document.is_object()) return bad_document("Invalid JSON.");
  for (const auto& [name, value] : document.items()) {
    if (name != "expiration" && name != "conditions") return bad_document("Unexpected: '" + name + "'");
  }
  PostPolicy policy;
  const auto expiration = document.find("expiration");
  if (expiration == document.end() || !expiration->is_string()) return bad_document("Policy missing expiration.");
  const auto expires_ms = parse_iso8601(expiration->get_ref<const std::string&>());
  if (!expires_ms) return bad_document("Invalid 'expiration' value: '" + expiration->get<std::string>() + "'");
  policy.expires_ms = *expires_ms;
  const auto conditions = document.find("conditions");
  if (conditions == document.end() || !conditions->is_array()) return bad_document("Policy missing conditions.");
  if (conditions->size() > kRulesMax) return bad_document("too many conditions");
  for (const Json& condition : *conditions) {
    if (condition.is_array()) {
      if (auto read = read_list(condition, policy); !read) return std::unexpected(std::move(read.error()));
      continue;
    }
    if (!condition.is_object()) return bad_document("Invalid Condition: neither a list nor an object");
    if (condition.size() != 1) {
      return bad_document("Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.");
    }
    for (const auto& [name, value] : condition.items()) {
      if (!value.is_string()) return bad_document("Invalid Simple-Condition: value must be a string.");
      policy.rules.push_back({Rule::Kind::kEqual, lower(name), value.get<std::string>()});
    }
  }
  return policy;
}

S3Result<> PostPolicy::check(const std::vector<std::pair<std::string, std::string>>& fields, int64_t now_ms) const {
  if (now_ms >= expires_ms) return denied("Policy expired.");
  for (const Rule& rule : rules) {
    const auto field =
        std::find_if(fields.begin(), fields.end(), [&](const auto& one) { return one.first == rule.field; });
    const std::string_view value = field == fields.end() ? std::string_view() : std::string_view(field->second);
    if (!holds(rule, value)) {
      return denied("Policy Condition failed: [\"" +
                    std::string(rule.kind == Rule::Kind::kEqual ? "eq" : "starts-with") + "\", \"$" + rule.field +
                    "\", \"" + rule.value + "\"]");
    }
  }
  std::string extra;
  for (const auto& [name, value] : fields) {
    if (needs_no_rule(name)) continue;
    const bool has_rule = std::any_of(rules.begin(), rules.end(), [&](const Rule& rule) { return rule.field == name; });
    if (!has_rule) extra.append(extra.empty() ? "" : ", ").append(name);
  }
  if (!extra.empty()) return denied("Extra input fields: " + extra);
  return {};
}

}  // namespace keelson::s3
