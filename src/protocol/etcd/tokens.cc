#include "protocol/etcd/tokens.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "net/keyed_hash.h"
#include "protocol/etcd/secrets.h"

namespace keelson::etcd {

namespace {

constexpr int kHex = 16;

}  // namespace

std::optional<TokenParts> parse_token(std::string_view token) {
  TokenParts parts;
  const size_t user_end = token.find('.');
  const size_t seal_at = token.rfind('.');
  if (user_end == std::string_view::npos || seal_at == user_end) return std::nullopt;
  const size_t time_end = token.find('.', user_end + 1);
  if (time_end == seal_at) return std::nullopt;
  parts.user = from_hex(token.substr(0, user_end));
  const std::string_view time = token.substr(user_end + 1, time_end - user_end - 1);
  const auto parsed = std::from_chars(time.data(), time.data() + time.size(), parts.issued_ms, kHex);
  if (parts.user.empty() || parsed.ec != std::errc() || parsed.ptr != time.data() + time.size()) return std::nullopt;
  parts.sealed = token.substr(0, seal_at);
  parts.seal = token.substr(seal_at + 1);
  return parts;
}

std::string make_token(std::string_view user, std::string_view password_hash, int64_t now_ms, env::Random& random) {
  std::string token =
      to_hex(user) + "." + number_to_hex(static_cast<uint64_t>(now_ms)) + "." + number_to_hex(random.next());
  return token + "." + seal(password_hash, token);
}

bool is_sealed_with(const TokenParts& token, std::string_view password_hash) {
  return !password_hash.empty() && net::equal_in_constant_time(seal(password_hash, token.sealed), token.seal);
}

const Tokens::Known* Tokens::use(std::string_view token, int64_t now_ms) {
  const auto place = known_.find(token);
  if (place == known_.end()) return nullptr;
  if (now_ms - place->second.used_ms > ttl_ms_) {
    known_.erase(place);
    return nullptr;
  }
  place->second.used_ms = now_ms;
  return &place->second;
}

std::optional<int64_t> Tokens::last_use(std::string_view token) const {
  const auto place = known_.find(token);
  if (place == known_.end()) return std::nullopt;
  return place->second.used_ms;
}

void Tokens::put(std::string_view token, Known known) {
  if (known_.size() >= kTokensMax && !known_.contains(token)) {
    std::erase_if(known_, [&](const auto& entry) { return known.used_ms - entry.second.used_ms > ttl_ms_; });
    if (known_.size() >= kTokensMax) {
      known_.erase(std::min_element(known_.begin(), known_.end(),
                                    [](const auto& a, const auto& b) { return a.second.used_ms < b.second.used_ms; }));
    }
  }
  known_.insert_or_assign(std::string(token), std::move(known));
}

void Tokens::forget(std::string_view token) {
  if (const auto place = known_.find(token); place != known_.end()) known_.erase(place);
}

}  // namespace keelson::etcd
