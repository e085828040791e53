// Small things that several session commands need.
#pragma once

#include <coroutine>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/kv/command.h"
#include "engine/kv/reply.h"
#include "env/reactor.h"

namespace keelson::resp {

// The Redis that clients are told we are: they choose by it what they send.
inline constexpr std::string_view kRedisVersion = "7.0.15";

inline constexpr std::string_view kErrSyntax = "ERR syntax error";
inline constexpr std::string_view kErrNotInteger = "ERR value is not an integer or out of range";

[[nodiscard]] bool equals_ignoring_case(std::string_view a, std::string_view b);
// ASCII.
[[nodiscard]] std::string lower_case(std::string_view text);
// An integer argument; if it is none, or below `least`, the error goes to `out` (kErrNotInteger, unless another is
// given).
[[nodiscard]] std::optional<int64_t> integer_argument(kv::ReplySink& out, std::string_view text,
                                                      int64_t least = INT64_MIN,
                                                      std::string_view error = kErrNotInteger);
// 1536 -> "1.50K", as INFO shows it.
[[nodiscard]] std::string human_bytes(uint64_t bytes);
// Without telling by its time where they differ.
[[nodiscard]] bool secrets_equal(std::string_view a, std::string_view b);
// The answer to "CONTAINER HELP", from the command table.
void reply_help(kv::ReplySink& out, std::string_view container);

// co_await MoveTo{reactor}: the coroutine goes on there, in a later turn (at once if it is there already). Who awaits a
// coroutine that moves must move back before it ends.
struct MoveTo {
  env::Reactor& reactor;
  [[nodiscard]] bool await_ready() const { return reactor.is_current(); }
  void await_suspend(std::coroutine_handle<> waiter) const {
    reactor.post([waiter] { waiter.resume(); });
  }
  void await_resume() const {}
};

}  // namespace keelson::resp
