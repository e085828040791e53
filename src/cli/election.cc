#include "cli/election.h"

#include <array>
#include <cstdio>
#include <utility>

namespace keelson::cli {

namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kMillisecondNs = 1'000'000;
// Between looks while a watch cannot be had.
constexpr int64_t kLookAgainNs = kSecondNs;
constexpr int64_t kRetryNs = 100 * kMillisecondNs;

std::string in_hex(int64_t number) {
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%llx", static_cast<unsigned long long>(number));
  return text.data();
}

int64_t revision_of(const Json& answer) { return number_in(member_in(answer, "header"), "revision"); }

}  // namespace

Candidate::Candidate(env::Reactor& reactor, CoordClient& client, ElectionOptions options)
    : reactor_(reactor),
      client_(client),
      options_(std::move(options)),
      time_(options_.ttl_s * kSecondNs, options_.grace_ms * kMillisecondNs),
      tasks_(reactor) {}

Candidate::~Candidate() = default;

void Candidate::lose(std::string why) {
  if (is_lost_) return;
  is_lost_ = true;
  why_lost_ = std::move(why);
}

Task<Status> Candidate::enter() {
  const int64_t sent_ns = reactor_.clock().monotonic_ns();
  Result<Json> granted = co_await client_.call("/v3/lease/grant", {{"TTL", std::to_string(options_.ttl_s)}});
  if (!granted.ok()) co_return forward_error(granted);
  lease_ = number_in(*granted, "ID");
  if (lease_ == 0) co_return fail(CoordErrc::kMalformed, "the server grants a lease without an id");
  time_.confirmed(sent_ns);
  tasks_.spawn(keep());
  key_ = options_.name + "/" + in_hex(lease_);
  const std::string key = as_bytes(key_);
  const Json absent = {{"key", key}, {"target", "CREATE"}, {"result", "EQUAL"}, {"create_revision", "0"}};
  const Json put = {{"key", key}, {"value", as_bytes(options_.value)}, {"lease", std::to_string(lease_)}};
  Json txn = {
      {"compare", {absent}}, {"success", {{{"request_put", put}}}}, {"failure", {{{"request_range", {{"key", key}}}}}}};
  Result<Json> answer = co_await client_.call("/v3/kv/txn", std::move(txn));
  if (!answer.ok()) co_return forward_error(answer);
  seen_revision_ = revision_of(*answer);
  token_ = seen_revision_;
  if (!flag_in(*answer, "succeeded")) {  // a try that seemed to fail had put it
    const Json& responses = list_in(*answer, "responses");
    const Json& found = list_in(member_in(responses.empty() ? responses : responses[0], "response_range"), "kvs");
    token_ = found.empty() ? 0 : number_in(found[0], "create_revision");
  }
  if (token_ <= 0) co_return fail(CoordErrc::kMalformed, "the server tells no revision");
  co_return Status();
}

Task<Status> Candidate::wait() {
  for (;;) {
    if (is_lost_) co_return fail(CoordErrc::kRefused, why_lost_);
    Result<std::string> predecessor = co_await before();
    if (!predecessor.ok()) {
      if (predecessor.error().code() != CoordErrc::kUnreachable) co_return forward_error(predecessor);
      co_await env::sleep_for(reactor_, kLookAgainNs);
      continue;
    }
    if (!predecessor->empty()) {
      co_await await_end_of(std::move(*predecessor));
      continue;
    }
    // Nobody stands before us. But waiting may have taken longer than our own lease.
    Result<bool> owns = co_await owns_key();
    if (owns.ok() && *owns && !is_lost_) co_return Status();
    if (owns.ok() && !*owns) lose("the candidate's key is gone");
    if (!owns.ok()) co_await env::sleep_for(reactor_, kRetryNs);
  }
}

Task<Result<std::string>> Candidate::before() {
  const std::string prefix = options_.name + "/";
  Result<Json> answer = co_await client_.call("/v3/kv/range", {{"key", as_bytes(prefix)},
                                                               {"range_end", as_bytes(end_of_prefix(prefix))},
                                                               {"sort_order", "DESCEND"},
                                                               {"sort_target", "CREATE"},
                                                               {"max_create_revision", std::to_string(token_ - 1)},
                                                               {"keys_only", true},
                                                               {"limit", "1"}});
  if (!answer.ok()) co_return forward_error(answer);
  seen_revision_ = revision_of(*answer);
  const Json& found = list_in(*answer, "kvs");
  co_return found.empty() ? std::string() : bytes_in(found[0], "key");
}

Task<void> Candidate::await_end_of(std::string key) {
  const Json create = {{"key", as_bytes(key)}, {"start_revision", std::to_string(seen_revision_ + 1)}};
  auto watch = co_await client_.begin("/v3/watch", {{"create_request", create}});
  if (!watch.ok()) {
    co_await env::sleep_for(reactor_, kLookAgainNs);
    co_return;
  }
  while (!is_lost_) {
    Result<Json> answer = co_await (*watch)->next();
    // Silence too ends it, and the caller looks whether the key is there.
    if (!answer.ok() || flag_in(*answer, "canceled")) co_return;
    for (const Json& event : list_in(*answer, "events")) {
      if (text_in(event, "type") == "DELETE") co_return;
    }
  }
}

Task<Result<bool>> Candidate::owns_key() {
  Result<Json> answer = co_await client_.call("/v3/kv/range", {{"key", as_bytes(key_)}});
  if (!answer.ok()) co_return forward_error(answer);
  const Json& found = list_in(*answer, "kvs");
  co_return !found.empty() && number_in(found[0], "create_revision") == token_;
}

Task<void> Candidate::keep() {
  int64_t wait_ns = time_.keep_every_ns();
  while (!is_leaving_ && !is_lost_) {
    const int64_t until_ns = reactor_.clock().monotonic_ns() + wait_ns;
    // In small steps, so that leave() need not wait.
    while (!is_leaving_ && reactor_.clock().monotonic_ns() < until_ns) co_await env::sleep_for(reactor_, kRetryNs / 2);
    if (is_leaving_) co_return;
    const int64_t kill_at_ns = time_.kill_at_ns();
    co_await keep_once();
    if (reactor_.clock().monotonic_ns() >= time_.kill_at_ns()) lose("the lease could not be kept in time");
    wait_ns = time_.kill_at_ns() > kill_at_ns ? time_.keep_every_ns() : kRetryNs;
  }
}

Task<void> Candidate::keep_once() {
  const int64_t sent_ns = reactor_.clock().monotonic_ns();
  Result<Json> answer = co_await client_.call("/v3/lease/keepalive", {{"ID", std::to_string(lease_)}});
  if (!answer.ok()) co_return;
  if (number_in(member_in(*answer, "result"), "TTL") <= 0) {
    lose("the lease has run out or was revoked");
    co_return;
  }
  if (token_ != 0) {
    Result<bool> owns = co_await owns_key();
    if (owns.ok() && !*owns) lose("the key " + key_ + " was deleted");
  }
  time_.confirmed(sent_ns);
}

Task<void> Candidate::leave() {
  is_leaving_ = true;
  if (lease_ != 0) (void)co_await client_.call("/v3/lease/revoke", {{"ID", std::to_string(lease_)}});
  co_await tasks_.join();
}

}  // namespace keelson::cli
