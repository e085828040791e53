#include "protocol/s3/policy.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "protocol/s3/dates.h"

namespace keelson::s3 {

namespace {

using Json = nlohmann::json;

constexpr size_t kStatementsMax = 200;

enum class Compare : uint8_t { kString, kStringNoCase, kLike, kNumber, kDate, kBool, kIp, kNull };
enum class Order : uint8_t { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual };

struct Operator {
  std::string_view name;
  Compare compare;
  Order order = Order::kEqual;
};
constexpr Operator kOperators[] = {
    {"StringEquals", Compare::kString},
    {"StringNotEquals", Compare::kString, Order::kNotEqual},
    {"StringEqualsIgnoreCase", Compare::kStringNoCase},
    {"StringNotEqualsIgnoreCase", Compare::kStringNoCase, Order::kNotEqual},
    {"StringLike", Compare::kLike},
    {"StringNotLike", Compare::kLike, Order::kNotEqual},
    {"ArnEquals", Compare::kLike},
    {"ArnNotEquals", Compare::kLike, Order::kNotEqual},
    {"ArnLike", Compare::kLike},
    {"ArnNotLike", Compare::kLike, Order::kNotEqual},
    {"NumericEquals", Compare::kNumber},
    {"NumericNotEquals", Compare::kNumber, Order::kNotEqual},
    {"NumericLessThan", Compare::kNumber, Order::kLess},
    {"NumericLessThanEquals", Compare::kNumber, Order::kLessEqual},
    {"NumericGreaterThan", Compare::kNumber, Order::kGreater},
    {"NumericGreaterThanEquals", Compare::kNumber, Order::kGreaterEqual},
    {"DateEquals", Compare::kDate},
    {"DateNotEquals", Compare::kDate, Order::kNotEqual},
    {"DateLessThan", Compare::kDate, Order::kLess},
    {"DateLessThanEquals", Compare::kDate, Order::kLessEqual},
    {"DateGreaterThan", Compare::kDate, Order::kGreater},
    {"DateGreaterThanEquals", Compare::kDate, Order::kGreaterEqual},
    {"Bool", Compare::kBool},
    {"IpAddress", Compare::kIp},
    {"NotIpAddress", Compare::kIp, Order::kNotEqual},
    {"Null", Compare::kNull},
};

// The keys that a request can be asked about; a policy that asks for another would never do what it says. Those that
// end in '/' have the name of a tag behind it.
constexpr std::string_view kContextKeys[] = {
    "aws:currenttime",
    "aws:epochtime",
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principaltype",
    "aws:referer",
    "aws:requestedregion",
    "aws:resourceaccount",
    "aws:securetransport",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:useragent",
    "aws:userid",
    "aws:username",
    "s3:authtype",
    "s3:delimiter",
    "s3:existingobjecttag/",
    "s3:if-match",
    "s3:if-none-match",
    "s3:max-keys",
    "s3:object-lock-legal-hold",
    "s3:object-lock-mode",
    "s3:object-lock-retain-until-date",
    "s3:prefix",
    "s3:requestobjecttag/",
    "s3:requestobjecttagkeys",
    "s3:resourceaccount",
    "s3:signatureage",
    "s3:signatureversion",
    "s3:versionid",
    "s3:x-amz-acl",
    "s3:x-amz-content-sha256",
    "s3:x-amz-copy-source",
    "s3:x-amz-grant-full-control",
    "s3:x-amz-grant-read",
    "s3:x-amz-grant-read-acp",
    "s3:x-amz-grant-write",
    "s3:x-amz-grant-write-acp",
    "s3:x-amz-metadata-directive",
    "s3:x-amz-object-ownership",
    "s3:x-amz-server-side-encryption",
    "s3:x-amz-server-side-encryption-customer-algorithm",
    "s3:x-amz-storage-class",
    "s3:x-amz-website-redirect-location",
};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::unexpected<S3Error> malformed(std::string why) { return s3_fail(ErrorCode::kMalformedPolicy, std::move(why)); }

bool is_context_key(std::string_view key) {
  return std::any_of(std::begin(kContextKeys), std::end(kContextKeys), [&](std::string_view known) {
    return known.ends_with('/') ? key.starts_with(known) && key.size() > known.size() : key == known;
  });
}

std::optional<double> parse_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// ISO 8601, or seconds since 1970.
std::optional<double> parse_date(std::string_view text) {
  if (const auto time_ms = parse_iso8601(text)) return static_cast<double>(*time_ms);
  if (const auto seconds = parse_number(text)) return *seconds * 1000;
  return std::nullopt;
}

// An address as 16 bytes, IPv4 as ::ffff:a.b.c.d.
using IpBytes = std::array<uint8_t, 16>;

std::optional<IpBytes> parse_ipv4(std::string_view text) {
  IpBytes bytes{};
  bytes[10] = bytes[11] = 0xff;
  for (size_t i = 0; i < 4; ++i) {
    const size_t end = std::min(text.find('.'), text.size());
    unsigned value = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + end, value);
    if (error != std::errc() || stop != text.data() + end || end == 0 || value > 255) return std::nullopt;
    bytes[12 + i] = static_cast<uint8_t>(value);
    if ((end == text.size()) != (i == 3)) return std::nullopt;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return bytes;
}

std::optional<IpBytes> parse_ip(std::string_view text) {
  if (text.find(':') == std::string_view::npos) return parse_ipv4(text);
  // Groups of 16 bits before and behind "::".
  std::vector<uint16_t> groups[2];
  size_t side = 0;
  bool has_gap = false;
  while (!text.empty()) {
    if (text.starts_with("::")) {
      if (has_gap) return std::nullopt;
      has_gap = true;
      side = 1;
      text.remove_prefix(2);
      continue;
    }
    if (text.starts_with(':')) text.remove_prefix(1);
    const size_t end = std::min(text.find(':'), text.size());
    unsigned value = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + end, value, 16);
    if (error != std::errc() || stop != text.data() + end || end == 0 || end > 4) return std::nullopt;
    groups[side].push_back(static_cast<uint16_t>(value));
    text.remove_prefix(end);
  }
  const size_t count = groups[0].size() + groups[1].size();
  if (has_gap ? count > 7 : count != 8) return std::nullopt;
  IpBytes bytes{};
  const auto put = [&](size_t group, uint16_t value) {
    bytes[group * 2] = static_cast<uint8_t>(value >> 8);
    bytes[group * 2 + 1] = static_cast<uint8_t>(value & 0xff);
  };
  for (size_t i = 0; i < groups[0].size(); ++i) put(i, groups[0][i]);
  for (size_t i = 0; i < groups[1].size(); ++i) put(8 - groups[1].size() + i, groups[1][i]);
  return bytes;
}

struct Network {
  IpBytes address{};
  unsigned bits = 128;
};

std::optional<Network> parse_network(std::string_view text) {
  const size_t slash = std::min(text.find('/'), text.size());
  const auto address = parse_ip(text.substr(0, slash));
  if (!address) return std::nullopt;
  Network network{*address};
  if (slash == text.size()) return network;
  const bool is_v4 = text.find(':') == std::string_view::npos;
  unsigned bits = 0;
  const auto [end, error] = std::from_chars(text.data() + slash + 1, text.data() + text.size(), bits);
  if (error != std::errc() || end != text.data() + text.size() || bits > (is_v4 ? 32U : 128U)) return std::nullopt;
  network.bits = is_v4 ? bits + 96 : bits;
  return network;
}

bool is_within(const IpBytes& address, const Network& network) {
  for (unsigned bit = 0; bit < network.bits; ++bit) {
    const unsigned mask = 0x80U >> (bit % 8);
    if ((address[bit / 8] & mask) != (network.address[bit / 8] & mask)) return false;
  }
  return true;
}

bool in_order(double a, Order order, double b) {
  switch (order) {
    case Order::kEqual:
    case Order::kNotEqual:
      return a == b;
    case Order::kLess:
      return a < b;
    case Order::kLessEqual:
      return a <= b;
    case Order::kGreater:
      return a > b;
    case Order::kGreaterEqual:
      return a >= b;
  }
  return false;
}

// Does the request's value match the policy's, the negation left out?
bool matches(const Operator& op, std::string_view wanted, std::string_view given) {
  switch (op.compare) {
    case Compare::kString:
      return given == wanted;
    case Compare::kStringNoCase:
    case Compare::kBool:
      return lower(given) == lower(wanted);
    case Compare::kLike:
      return wildcard_match(wanted, given);
    case Compare::kNumber: {
      const auto a = parse_number(given);
      const auto b = parse_number(wanted);
      return a && b && in_order(*a, op.order, *b);
    }
    case Compare::kDate: {
      const auto a = parse_date(given);
      const auto b = parse_date(wanted);
      return a && b && in_order(*a, op.order, *b);
    }
    case Compare::kIp: {
      const auto address = parse_ip(given);
      const auto network = parse_network(wanted);
      return address && network && is_within(*address, *network);
    }
    case Compare::kNull:
      return false;
  }
  return false;
}

// ${aws:username} and ${aws:userid}. A user's name never brings a wildcard of its own: names have none (keys.h).
std::string with_variables(std::string_view text, std::string_view user) {
  std::string out;
  while (true) {
    const size_t begin = text.find("${");
    const size_t end = begin == std::string_view::npos ? begin : text.find('}', begin);
    if (end == std::string_view::npos) return out.append(text);
    out.append(text.substr(0, begin));
    const std::string_view name = text.substr(begin + 2, end - begin - 2);
    if (name == "aws:username" || name == "aws:userid") out.append(user);
    text.remove_prefix(end + 1);
  }
}

bool has_unknown_variable(std::string_view text) {
  while (true) {
    const size_t begin = text.find("${");
    if (begin == std::string_view::npos) return false;
    const size_t end = text.find('}', begin);
    if (end == std::string_view::npos) return true;
    const std::string_view name = text.substr(begin + 2, end - begin - 2);
    if (name != "aws:username" && name != "aws:userid") return true;
    text.remove_prefix(end + 1);
  }
}

bool is_principal(std::string_view pattern, std::string_view user) {
  if (pattern == "*") return true;
  if (user.empty()) return false;
  return pattern == kAccountId || pattern == kAccountArn || pattern == user || pattern == user_arn(user);
}

}  // namespace

std::string user_arn(std::string_view user) {
  return std::string("arn:aws:iam::").append(kAccountId).append(":user/").append(user);
}
std::string bucket_arn(std::string_view bucket) { return std::string("arn:aws:s3:::").append(bucket); }
std::string object_arn(std::string_view bucket, std::string_view key) {
  return bucket_arn(bucket).append("/").append(key);
}

bool wildcard_match(std::string_view pattern, std::string_view text) {
  size_t p = 0;
  size_t t = 0;
  size_t star = std::string_view::npos;
  size_t star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_text = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::string_view named_policy(std::string_view name) {
  if (name == "readwrite") {
    return R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::*"}]})";
  }
  if (name == "readonly") {
    return R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:Get*","s3:List*"],)"
           R"("Resource":"arn:aws:s3:::*"}]})";
  }
  if (name == "writeonly") {
    return R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:PutObject",)"
           R"("s3:AbortMultipartUpload"],"Resource":"arn:aws:s3:::*"}]})";
  }
  return {};
}

// Reads one policy's JSON.
struct Policy::Reader {
  Kind kind;
  std::string_view bucket;

  // A string, or an array of strings.
  static S3Result<std::vector<std::string>> strings(const Json& json, std::string_view what) {
    std::vector<std::string> out;
    const auto add = [&](const Json& one) {
      if (one.is_string()) {
        out.push_back(one.get<std::string>());
      } else if (one.is_boolean()) {
        out.emplace_back(one.get<bool>() ? "true" : "false");
      } else if (one.is_number()) {
        out.push_back(one.dump());
      } else {
        return false;
      }
      return true;
    };
    bool is_good = !json.is_array() || !json.empty();
    if (json.is_array()) {
      for (const Json& one : json) is_good = is_good && add(one);
    } else {
      is_good = add(json);
    }
    if (!is_good) return malformed(std::string(what) + " must be a string or a list of strings");
    return out;
  }

  S3Result<> read_principals(const Json& json, Statement& statement) const {
    if (kind == Kind::kUser) return malformed("A policy of an access key has no Principal");
    if (json.is_string() && json.get_ref<const std::string&>() == "*") {
      statement.principals.emplace_back("*");
      return {};
    }
    if (!json.is_object() || json.empty() || json.size() != json.count("AWS") + json.count("Service")) {
      return malformed("Invalid principal in policy: \"*\", {\"AWS\": ...} or {\"Service\": ...}");
    }
    for (const auto& [kind_of, value] : json.items()) {
      auto names = strings(value, "Principal");
      if (!names) return std::unexpected(std::move(names.error()));
      const bool is_service = kind_of == "Service";
      for (const std::string& name : *names) {
        if (name.empty()) return malformed("Invalid principal in policy");
        if (is_service && name != kLoggingService && name != kInventoryService) {
          return malformed("Invalid principal in policy: the service " + name + " is not known");
        }
      }
      (is_service ? statement.services : statement.principals) = std::move(*names);
    }
    return {};
  }

  S3Result<> read_actions(const Json& json, Statement& statement) const {
    auto names = strings(json, "Action");
    if (!names) return std::unexpected(std::move(names.error()));
    for (const std::string& name : *names) {
      std::string action = lower(name);
      if (action != "*" && !action.starts_with("s3:")) return malformed("Policy has invalid action: " + name);
      statement.actions.push_back(std::move(action));
    }
    return {};
  }

  S3Result<> read_resources(const Json& json, Statement& statement) const {
    auto names = strings(json, "Resource");
    if (!names) return std::unexpected(std::move(names.error()));
    constexpr std::string_view kPrefix = "arn:aws:s3:::";
    for (std::string& name : *names) {
      if (has_unknown_variable(name)) return malformed("Unknown variable in " + name);
      if (name != "*" && !name.starts_with(kPrefix)) return malformed("Policy has invalid resource: " + name);
      if (kind == Kind::kBucket && name != "*") {
        const std::string_view place = std::string_view(name).substr(kPrefix.size());
        if (!wildcard_match(place.substr(0, place.find('/')), bucket)) {
          return malformed("Policy has invalid resource: it is not in this bucket: " + name);
        }
      }
      statement.resources.push_back(std::move(name));
    }
    return {};
  }

  static S3Result<> read_operator(std::string_view name, Condition& condition) {
    std::string_view rest = name;
    if (rest.starts_with("ForAnyValue:")) {
      condition.many = Condition::Many::kAny;
      rest.remove_prefix(std::string_view("ForAnyValue:").size());
    } else if (rest.starts_with("ForAllValues:")) {
      condition.many = Condition::Many::kAll;
      rest.remove_prefix(std::string_view("ForAllValues:").size());
    }
    if (rest.ends_with("IfExists") && rest != "NullIfExists") {
      condition.if_exists = true;
      rest.remove_suffix(std::string_view("IfExists").size());
    }
    const auto* found =
        std::find_if(std::begin(kOperators), std::end(kOperators), [&](const Operator& op) { return op.name == rest; });
    if (found == std::end(kOperators)) return malformed("Invalid Condition type : " + std::string(name));
    condition.op = static_cast<uint8_t>(found - std::begin(kOperators));
    return {};
  }

  static S3Result<> check_value(const Operator& op, std::string_view value) {
    bool is_good = true;
    if (op.compare == Compare::kNumber) is_good = parse_number(value).has_value();
    if (op.compare == Compare::kDate) is_good = parse_date(value).has_value();
    if (op.compare == Compare::kIp) is_good = parse_network(value).has_value();
    if (op.compare == Compare::kBool || op.compare == Compare::kNull) {
      is_good = lower(value) == "true" || lower(value) == "false";
    }
    if (!is_good || has_unknown_variable(value)) {
      return malformed("Invalid value of " + std::string(op.name) + ": " + std::string(value));
    }
    return {};
  }

  static S3Result<> read_conditions(const Json& json, Statement& statement) {
    if (!json.is_object()) return malformed("Condition must be an object");
    for (const auto& [name, keys] : json.items()) {
      Condition condition;
      if (auto known = read_operator(name, condition); !known) return known;
      if (!keys.is_object()) return malformed("Condition " + name + " must be an object");
      for (const auto& [key, values] : keys.items()) {
        condition.key = lower(key);
        if (!is_context_key(condition.key)) return malformed("Policy has an invalid condition key: " + key);
        auto texts = strings(values, key);
        if (!texts) return std::unexpected(std::move(texts.error()));
        for (const std::string& text : *texts) {
          if (auto good = check_value(kOperators[condition.op], text); !good) return good;
        }
        condition.values = std::move(*texts);
        statement.conditions.push_back(condition);
      }
    }
    return {};
  }

  S3Result<> read_member(const std::string& name, const Json& value, Statement& statement) const {
    if (name == "Sid") return value.is_string() ? S3Result<>() : malformed("Sid must be a string");
    if (name == "Effect") {
      statement.is_allow = value == "Allow";
      return statement.is_allow || value == "Deny" ? S3Result<>() : malformed("Invalid effect: Allow or Deny");
    }
    const bool negates = name.starts_with("Not");
    if (name == "Principal" || name == "NotPrincipal") {
      statement.negates_principals = negates;
      return read_principals(value, statement);
    }
    if (name == "Action" || name == "NotAction") {
      statement.negates_actions = negates;
      return read_actions(value, statement);
    }
    if (name == "Resource" || name == "NotResource") {
      statement.negates_resources = negates;
      return read_resources(value, statement);
    }
    if (name == "Condition") return read_conditions(value, statement);
    return malformed("Unknown field " + name);
  }

  S3Result<Statement> read_statement(const Json& json) const {
    if (!json.is_object()) return malformed("A statement must be an object");
    Statement statement;
    for (const auto& [name, value] : json.items()) {
      if (auto read = read_member(name, value, statement); !read) return std::unexpected(std::move(read.error()));
    }
    const auto once = [&](const char* name) { return json.contains(name) != json.contains(std::string("Not") + name); };
    if (!json.contains("Effect")) return malformed("Missing required field Effect");
    if (!once("Action")) return malformed("A statement needs Action or NotAction");
    if (!once("Resource")) return malformed("A statement needs Resource or NotResource");
    if (kind == Kind::kBucket && !once("Principal")) return malformed("A statement needs Principal or NotPrincipal");
    if (statement.negates_principals && statement.is_allow)
      return malformed("Allow with NotPrincipal is not supported");
    return statement;
  }
};

S3Result<Policy> Policy::parse(std::string_view json, Kind kind, std::string_view bucket) {
  if (json.size() > kPolicyBytesMax) return malformed("Policies have at most 20 KB");
  const Json document = Json::parse(json, nullptr, false);
  if (!document.is_object()) return malformed("Policies must be valid JSON and the first byte must be '{'");
  Policy policy;
  policy.kind_ = kind;
  const Reader reader{kind, bucket};
  for (const auto& [name, value] : document.items()) {
    if (name == "Statement") continue;
    if (name == "Version") {
      if (value != "2012-10-17" && value != "2008-10-17")
        return malformed("The policy must contain a valid version string");
    } else if (name != "Id") {
      return malformed("Unknown field " + name);
    }
  }
  const auto statements = document.find("Statement");
  if (statements == document.end()) return malformed("Missing required field Statement");
  const Json list = statements->is_array() ? *statements : Json::array({*statements});
  if (list.empty()) return malformed("The policy has no statement");
  if (list.size() > kStatementsMax) return malformed("The policy has too many statements");
  for (const Json& one : list) {
    auto statement = reader.read_statement(one);
    if (!statement) return std::unexpected(std::move(statement.error()));
    policy.statements_.push_back(std::move(*statement));
  }
  return policy;
}

bool Policy::holds(const Condition& condition, const PolicyRequest& request) {
  const Operator& op = kOperators[condition.op];
  std::vector<std::string_view> given;
  for (const auto& [key, value] : request.context) {
    if (key == condition.key) given.push_back(value);
  }
  if (op.compare == Compare::kNull) {
    return std::any_of(condition.values.begin(), condition.values.end(),
                       [&](const std::string& value) { return (lower(value) == "true") == given.empty(); });
  }
  const bool negates = op.order == Order::kNotEqual;
  if (given.empty()) return condition.if_exists || negates || condition.many == Condition::Many::kAll;
  const auto one_holds = [&](std::string_view value) {
    const bool is_any = std::any_of(condition.values.begin(), condition.values.end(), [&](const std::string& wanted) {
      return matches(op, with_variables(wanted, request.user), value);
    });
    return is_any != negates;
  };
  if (condition.many == Condition::Many::kAny) return std::any_of(given.begin(), given.end(), one_holds);
  return std::all_of(given.begin(), given.end(), one_holds);
}

bool Policy::applies(const Statement& statement, const PolicyRequest& request, Kind kind) {
  if (kind == Kind::kBucket) {
    const bool is_named =
        std::any_of(statement.principals.begin(), statement.principals.end(),
                    [&](const std::string& one) { return is_principal(one, request.user); }) ||
        std::find(statement.services.begin(), statement.services.end(), request.service) != statement.services.end();
    if (is_named == statement.negates_principals) return false;
  }
  const std::string action = lower(request.action);
  const bool is_action = std::any_of(statement.actions.begin(), statement.actions.end(),
                                     [&](const std::string& one) { return wildcard_match(one, action); });
  if (is_action == statement.negates_actions) return false;
  const bool is_resource = std::any_of(
      statement.resources.begin(), statement.resources.end(),
      [&](const std::string& one) { return wildcard_match(with_variables(one, request.user), request.resource); });
  if (is_resource == statement.negates_resources) return false;
  return std::all_of(statement.conditions.begin(), statement.conditions.end(),
                     [&](const Condition& condition) { return holds(condition, request); });
}

Decision Policy::decide(const PolicyRequest& request) const {
  Decision decision = Decision::kNone;
  for (const Statement& statement : statements_) {
    if (!applies(statement, request, kind_)) continue;
    if (!statement.is_allow) return Decision::kDeny;
    decision = Decision::kAllow;
  }
  return decision;
}

bool Policy::is_public() const {
  return std::any_of(statements_.begin(), statements_.end(), [](const Statement& statement) {
    const auto& who = statement.principals;
    const bool is_narrowed =
        std::any_of(statement.conditions.begin(), statement.conditions.end(), [](const Condition& condition) {
          return condition.key == "aws:sourceip" || condition.key == "aws:username" || condition.key == "aws:userid" ||
                 condition.key == "aws:principalarn" || condition.key == "aws:sourcearn" ||
                 condition.key == "aws:sourceaccount";
        });
    return statement.is_allow && !is_narrowed && std::find(who.begin(), who.end(), "*") != who.end();
  });
}

bool Policy::needs_context() const {
  return std::any_of(statements_.begin(), statements_.end(),
                     [](const Statement& statement) { return !statement.conditions.empty(); });
}

bool Policy::needs_object_tags() const {
  return std::any_of(statements_.begin(), statements_.end(), [](const Statement& statement) {
    return std::any_of(statement.conditions.begin(), statement.conditions.end(),
                       [](const Condition& condition) { return condition.key.starts_with("s3:existingobjecttag/"); });
  });
}

}  // namespace keelson::s3
