#include "protocol/etcd/asker.h"

#include "protocol/etcd/plain_answer.h"
#include "shard/call_on.h"

namespace keelson::etcd {

namespace {

using net::grpc::CallStatus;

}  // namespace

// Issued, or used on any reactor here, not longer ago than tokens live.
Task<bool> Asker::is_fresh(int64_t issued_ms, int64_t now_ms) {
  const int64_t ttl_ms = service_.options().token_ttl_ms;
  if (now_ms - issued_ms <= ttl_ms && issued_ms - now_ms <= ttl_ms) co_return true;
  for (const auto& local : service_.locals()) {
    const auto used_ms =
        co_await shard::call_on(reactor_, local->reactor, [&] { return local->tokens.last_use(token_); });
    if (used_ms && now_ms - *used_ms <= ttl_ms) co_return true;
  }
  co_return false;
}

Task<CallStatus> Asker::identify(coord::Caller& into) {
  Tokens& tokens = service_.local(reactor_).tokens;
  const int64_t now_ms = reactor_.clock().wall_ms();
  if (const Tokens::Known* known = tokens.use(token_, now_ms)) {
    user_ = known->user;
    into = {.user = user_, .auth_revision = known->auth_revision};
    co_return CallStatus{};
  }
  const std::optional<TokenParts> parts = parse_token(token_);
  const coord::UserSecret question{.name = parts ? std::string_view(parts->user) : std::string_view()};
  auto [outcome, secret] = co_await service_.coord().query(reactor_, question, std::make_unique<SecretFacts>());
  if (outcome != coord::ServiceErrc::kOk) co_return status_of(outcome);
  if (secret->failure().code == coord::CoordErrc::kAuthNotEnabled) {
    into = {};  // a token of former times hinders nobody
    co_return CallStatus{};
  }
  const bool is_good = secret->failure().code == coord::CoordErrc::kOk && parts &&
                       is_sealed_with(*parts, secret->password_hash()) && co_await is_fresh(parts->issued_ms, now_ms);
  if (!is_good) co_return status_of(ProtocolErrc::kInvalidAuthToken);
  user_ = parts->user;
  into = {.user = user_, .auth_revision = secret->answer().auth_revision};
  tokens.put(token_, {.user = user_, .auth_revision = into.auth_revision, .used_ms = now_ms});
  co_return CallStatus{};
}

Task<CallStatus> Asker::check_root() {
  coord::CheckAccess question{.needs_root = true};
  auto asked = co_await ask<PlainAnswer>(question, Ask::kLinearizable);
  co_return std::move(asked.status);
}

Task<Asker::MayRead> Asker::check_read(std::string_view key, std::string_view range_end) {
  coord::CheckAccess question{.access = coord::Access::kRead, .key = key, .range_end = range_end};
  auto asked = co_await ask<PlainAnswer>(question, Ask::kSerializable);
  coord::Revision revision = 0;
  if (asked.sink != nullptr) revision = asked.ok() ? asked.sink->revision() : asked.sink->failure().revision;
  co_return MayRead{std::move(asked.status), revision};
}

}  // namespace keelson::etcd
