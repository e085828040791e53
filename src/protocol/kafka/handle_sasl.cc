// Logging in: SaslHandshake (KIP-43), SaslAuthenticate (KIP-152), logging in again (KIP-368), and exchanges whose
// messages come in frames of their own, as they did before SaslAuthenticate.
#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/logging.h"
#include "protocol/kafka/errors.h"
#include "protocol/kafka/handlers.h"
#include "protocol/kafka/messages/sasl_authenticate.h"
#include "protocol/kafka/messages/sasl_handshake.h"
#include "protocol/kafka/scram.h"
#include "protocol/kafka/security.h"
#include "protocol/kafka/service.h"

namespace keelson::kafka {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;

ScramMechanism scram_of(std::string_view name) {
  for (const ScramMechanism mechanism : {ScramMechanism::kSha256, ScramMechanism::kSha512}) {
    if (name == mechanism_name(mechanism)) return mechanism;
  }
  return ScramMechanism::kUnknown;
}

// One exchange, from the handshake until it is known who the client is.
struct SaslExchange final : Identity::Exchange {
  std::string mechanism;
  std::unique_ptr<ScramExchange> scram;  // its first message has come
  std::string name;                      // who has proven to be it, once is_over
  bool is_over = false;
};

struct Step {
  bool is_good = false;
  std::string answer;
};

Task<Step> plain_step(Call& call, SaslExchange& exchange, std::string_view message) {
  const std::optional<PlainMessage> plain = read_plain(message);
  if (!plain) co_return Step{};
  if (!plain->authorization_id.empty() && plain->authorization_id != plain->name) co_return Step{};
  std::string name(plain->name);
  const bool is_good = co_await call.service().security()->is_password(call.here(), name, std::string(plain->password));
  exchange.name = std::move(name);
  exchange.is_over = is_good;
  co_return Step{.is_good = is_good, .answer = {}};
}

Step scram_step(Call& call, SaslExchange& exchange, std::string_view message) {
  if (exchange.scram == nullptr) {
    std::optional<ScramFirst> first = read_scram_first(message);
    if (!first || (!first->authorization_id.empty() && first->authorization_id != first->name)) return {};
    ScramCredential credential =
        call.service().security()->credential_of(call.here(), first->name, scram_of(exchange.mechanism));
    exchange.name = first->name;
    exchange.scram =
        std::make_unique<ScramExchange>(std::move(*first), std::move(credential), Security::draw_nonce(call.here()));
    return {.is_good = true, .answer = exchange.scram->server_first()};
  }
  std::optional<std::string> last = exchange.scram->finish(message);
  if (!last) return {};
  exchange.is_over = true;
  return {.is_good = true, .answer = std::move(*last)};
}

// The exchange's next message. When it is over, the session is the client's. Null in `why_not`: so far, so good.
struct Outcome {
  std::string answer;
  std::string why_not;
};

Task<Outcome> next_step(Call& call, std::string_view message) {
  const int64_t began_ns = call.here().clock().monotonic_ns();
  Identity& identity = call.session().identity();
  auto& exchange = static_cast<SaslExchange&>(*identity.exchange);
  const bool is_plain = exchange.mechanism == kPlain;
  Step step = is_plain ? co_await plain_step(call, exchange, message) : scram_step(call, exchange, message);
  std::string why_not;
  if (!step.is_good) {
    why_not = "Authentication failed: invalid credentials with SASL mechanism " + exchange.mechanism;
  } else if (exchange.is_over) {
    std::string principal = "User:" + exchange.name;
    if (!identity.mechanism.empty() && (identity.principal != principal || identity.mechanism != exchange.mechanism)) {
      why_not = "Whoever authenticates again must be who he was, by the same mechanism.";
    } else {
      const int64_t lifetime_ms = call.service().security()->options().reauthenticate_ms;
      identity.is_authenticated = true;
      identity.principal = std::move(principal);
      identity.mechanism = exchange.mechanism;
      identity.expires_ns = lifetime_ms == 0 ? 0 : call.here().clock().monotonic_ns() + lifetime_ms * kNsPerMs;
      identity.exchange.reset();
    }
  }
  if (!why_not.empty()) {
    call.local().counters.failed_logins.add();
    if (call.local().may_warn()) {
      log_warn(
          "kafka", "client could not log in",
          {{"address", call.session().remote().text()}, {"mechanism", exchange.mechanism}, {"user", exchange.name}});
    }
    identity.exchange.reset();
    // Whoever guesses passwords is slowed down. From the message on, so that what it took to look, which is more for
    // some users than for others, does not show.
    const int64_t left_ns = began_ns + kFailedLoginMs * kNsPerMs - call.here().clock().monotonic_ns();
    if (left_ns > 0) co_await env::sleep_for(call.here(), left_ns);
  }
  co_return Outcome{std::move(step.answer), std::move(why_not)};
}

// A frame without a header: the exchange's next message, and nothing else.
Task<void> handle_raw(Call& call) {
  Identity& identity = call.session().identity();
  if (identity.exchange == nullptr) co_return;
  const Outcome outcome = co_await next_step(call, call.body());
  if (!outcome.why_not.empty()) co_return;  // which ends the connection, the only answer there is
  if (identity.exchange == nullptr) call.session().set_raw_handler(nullptr);
  call.begin_answer(0);
  call.out().raw(outcome.answer);
  call.end_answer();
}

Task<void> handle_sasl_handshake(Call& call) {
  SaslHandshakeRequest request;
  if (!call.decode(request)) co_return;
  SaslHandshakeResponse response;
  const Security* security = call.service().security();
  Identity& identity = call.session().identity();
  if (security == nullptr || security->options().mechanisms.empty()) {
    response.error_code = number(ErrorCode::kIllegalSaslState);
    call.respond(response);
    co_return;
  }
  response.mechanisms = security->options().mechanisms;
  if (!security->has_mechanism(request.mechanism)) {
    response.error_code = number(ErrorCode::kUnsupportedSaslMechanism);
    call.respond(response);
    call.end_connection();
    co_return;
  }
  // Who has logged in may do so again, but not in the old way, whose frames could not be told from requests.
  if (identity.exchange != nullptr || (!identity.mechanism.empty() && call.version() == 0)) {
    response.error_code = number(ErrorCode::kIllegalSaslState);
    call.respond(response);
    call.end_connection();
    co_return;
  }
  auto exchange = std::make_unique<SaslExchange>();
  exchange->mechanism = std::string(request.mechanism);
  identity.exchange = std::move(exchange);
  if (call.version() == 0) call.session().set_raw_handler(handle_raw);
  call.respond(response);
}

Task<void> handle_sasl_authenticate(Call& call) {
  SaslAuthenticateRequest request;
  if (!call.decode(request)) co_return;
  SaslAuthenticateResponse response;
  Identity& identity = call.session().identity();
  if (identity.exchange == nullptr) {
    response.error_code = number(ErrorCode::kIllegalSaslState);
    response.error_message = "SaslHandshake comes first.";
    call.respond(response);
    call.end_connection();
    co_return;
  }
  Outcome outcome = co_await next_step(call, request.auth_bytes);
  if (!outcome.why_not.empty()) {
    response.error_code = number(ErrorCode::kSaslAuthenticationFailed);
    response.error_message = std::move(outcome.why_not);
    call.respond(response);
    call.end_connection();
    co_return;
  }
  response.auth_bytes = std::move(outcome.answer);
  if (identity.exchange == nullptr) {
    response.session_lifetime_ms = call.service().security()->options().reauthenticate_ms;
  }
  call.respond(response);
}

constexpr auto kRows = std::to_array<HandlerRow>(
    {{ApiKey::kSaslHandshake, handle_sasl_handshake}, {ApiKey::kSaslAuthenticate, handle_sasl_authenticate}});

}  // namespace

std::span<const HandlerRow> sasl_handlers() { return kRows; }

}  // namespace keelson::kafka
