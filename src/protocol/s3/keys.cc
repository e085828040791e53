#include "protocol/s3/keys.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace keelson::s3 {

namespace {

bool is_letter_or_digit(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

}  // namespace

bool is_access_key_id(std::string_view id) {
  constexpr std::string_view kOthers = "._-";
  return id.size() >= 3 && id.size() <= 128 && std::all_of(id.begin(), id.end(), [&](char c) {
           return is_letter_or_digit(c) || kOthers.find(c) != std::string_view::npos;
         });
}

bool is_secret(std::string_view secret) {
  return secret.size() >= 8 && secret.size() <= 128 &&
         std::all_of(secret.begin(), secret.end(), [](char c) { return c > ' ' && c <= '~'; });
}

bool is_user_name(std::string_view user) {
  constexpr std::string_view kOthers = "._@-";
  return !user.empty() && user.size() <= 64 && std::all_of(user.begin(), user.end(), [&](char c) {
    return is_letter_or_digit(c) || kOthers.find(c) != std::string_view::npos;
  });
}

std::string AccessKey::document() const {
  nlohmann::json json = {{"secret", secret}, {"user", user}, {"policy", policy}, {"enabled", is_enabled}};
  if (created_ms != 0) json["created_ms"] = created_ms;
  if (expires_ms != 0) json["expires_ms"] = expires_ms;
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

S3Result<AccessKey> make_access_key(std::string id, std::string secret, std::string user, std::string policy) {
  if (!is_access_key_id(id)) return invalid_argument("An access key id has 3 to 128 letters, digits and ._-", "id", id);
  if (!is_secret(secret)) return invalid_argument("A secret has 8 to 128 printable characters", "secret", "");
  if (user.empty()) user = id;
  if (!is_user_name(user)) return invalid_argument("A user's name has 1 to 64 letters, digits and ._@-", "user", user);
  if (user == kRootUser) return invalid_argument("The user root has the root key alone", "user", user);
  AccessKey key;
  const std::string_view named = named_policy(policy);
  auto parsed = Policy::parse(named.empty() ? std::string_view(policy) : named, Policy::Kind::kUser, {});
  if (!parsed) return std::unexpected(std::move(parsed.error()));
  key.id = std::move(id);
  key.secret = std::move(secret);
  key.user = std::move(user);
  key.policy = std::move(policy);
  key.parsed_policy = std::move(*parsed);
  return key;
}

S3Result<AccessKey> load_access_key(std::string_view name, std::string_view text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  const auto word = [&](const char* member) -> std::string {
    const auto found = json.find(member);
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  if (!name.starts_with(kKeyDocumentPrefix) || !json.is_object()) {
    return s3_fail(ErrorCode::kInternalError, "not an access key: " + std::string(name));
  }
  auto key = make_access_key(std::string(name.substr(kKeyDocumentPrefix.size())), word("secret"), word("user"),
                             word("policy"));
  if (key) {
    const auto enabled = json.find("enabled");
    key->is_enabled = enabled == json.end() || *enabled != false;
    const auto time = [&](const char* member) -> int64_t {
      const auto found = json.find(member);
      return found != json.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
    };
    key->created_ms = time("created_ms");
    key->expires_ms = time("expires_ms");
  }
  return key;
}

S3Result<AccessKey> change_access_key(const AccessKey& key, KeyChange change) {
  auto changed = make_access_key(key.id, key.secret, key.user, std::move(change.policy).value_or(key.policy));
  if (!changed) return changed;
  changed->created_ms = key.created_ms;
  changed->is_enabled = change.is_enabled.value_or(key.is_enabled);
  changed->expires_ms = change.expires_ms.value_or(key.expires_ms);
  return changed;
}

void KeyRing::put(AccessKey key) {
  auto shared = std::make_shared<const AccessKey>(std::move(key));
  keys_.insert_or_assign(shared->id, shared);
}

void KeyRing::remove(std::string_view id) {
  const auto found = keys_.find(id);
  if (found != keys_.end()) keys_.erase(found);
}

std::shared_ptr<const AccessKey> KeyRing::find(std::string_view id) const {
  const auto found = keys_.find(id);
  return found == keys_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<const AccessKey>> KeyRing::all() const {
  std::vector<std::shared_ptr<const AccessKey>> keys;
  keys.reserve(keys_.size());
  for (const auto& [id, key] : keys_) keys.push_back(key);
  return keys;
}

}  // namespace keelson::s3
