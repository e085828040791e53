// BLPOP, BRPOP, BLMPOP, BLMOVE, BRPOPLPUSH, BZPOPMIN, BZPOPMAX, BZMPOP.
//
// First the command's core runs, which takes what is there or answers null. After a null the session queues at every
// key's shard and waits; see blocking.h.

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/numbers.h"
#include "protocol/resp/blocking.h"
#include "protocol/resp/keyed_commands.h"
#include "protocol/resp/lent_commands.h"
#include "protocol/resp/session.h"
#include "protocol/resp/shard_agent.h"
#include "shard/visit.h"

namespace keelson::resp {

// While it lives the session counts as blocked: the connection is watched, and the timer runs.
class BlockedScope {
 public:
  // `timeout_ns` 0: no time-out.
  BlockedScope(Session& session, BlockedWait& wait, int64_t timeout_ns)
      : session_(session),
        timer_(session.reactor(), [&wait] { wait.cancel(BlockedWait::Wake::kTimedOut); }),
        reading_(session.reactor()) {
    session_.flush();
    session_.blocked_ = &wait;
    ++session_.local().counters.blocked_clients;
    if (timeout_ns != 0) timer_.arm_after(timeout_ns);
    reading_.spawn(session_.read_ahead());
    if (session_.is_killed_) wait.cancel(BlockedWait::Wake::kGone);
  }
  BlockedScope(const BlockedScope&) = delete;
  BlockedScope& operator=(const BlockedScope&) = delete;
  ~BlockedScope() {
    session_.blocked_ = nullptr;
    --session_.local().counters.blocked_clients;
  }

 private:
  Session& session_;
  env::Timer timer_;
  env::TaskScope reading_;
};

namespace {

constexpr double kNsPerSecond = 1e9;
// Far enough for "never", and no overflow.
constexpr double kTimeoutSecondsMax = 1e9;

struct Plan {
  WaitsFor waits_for = WaitsFor::kList;
  ServedShape shape = ServedShape::kAsIs;
  std::string_view pop;  // the command that pops from one key
  // Its arguments for a key.
  std::function<std::vector<std::string_view>(std::string_view key)> pop_args;
  std::string_view timeout;
  bool touches_destination = false;
};

bool is_null(std::string_view answer) { return answer == "$-1\r\n" || answer == "*-1\r\n" || answer == "_\r\n"; }

// The core has checked it.
int64_t timeout_ns_of(std::string_view text) {
  const std::optional<double> seconds = parse_double(text);
  KEELSON_CHECK(seconds && *seconds >= 0, "the core of a blocking command checks the timeout");
  return static_cast<int64_t>(std::min(*seconds, kTimeoutSecondsMax) * kNsPerSecond);
}

// Comes back in a later turn, behind everything that has been posted here before.
struct LaterTurn {
  env::Reactor& reactor;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) const {
    reactor.post([waiter] { waiter.resume(); });
  }
  void await_resume() const noexcept {}
};

class Blocked {
 public:
  Blocked(Session& session, const kv::CommandSpec& spec, kv::Args args, const Plan& plan)
      : session_(session),
        plan_(plan),
        wait_(session.reactor(), plan.waits_for, plan.shape, session.out().is_resp3(),
              pops_across(session, args, plan)) {
    const kv::CommandSpec* pop = kv::find_command(plan.pop);
    KEELSON_CHECK(pop != nullptr, "the command that pops is in the table");
    pop_ = pop;
    std::vector<uint32_t> indexes;
    kv::keys_of(spec, args, indexes);
    if (plan.touches_destination) indexes.resize(1);
    KvService& service = session.service();
    for (uint32_t index : indexes) {
      const shard::ShardId id = service.router().shard_of(args[index]);
      keys_.emplace_back(wait_, service.agent(id), id, session.client().database, args[index], *pop,
                         plan.pop_args(args[index]));
    }
  }

  Task<void> run(int64_t timeout_ns) {
    {
      const BlockedScope scope(session_, wait_, timeout_ns);
      for (BlockedKey& key : keys_) {
        co_await shard::visit(runtime(), session_.reactor(), key.shard_id(),
                              [&key](shard::Shard&) { key.agent().enqueue(key); });
      }
      co_await until_over();
    }
    for (BlockedKey& key : keys_) {
      co_await shard::visit(runtime(), session_.reactor(), key.shard_id(),
                            [&key](shard::Shard&) { key.agent().leave(key); });
    }
    // What the shards have posted about this wait comes before.
    co_await LaterTurn{session_.reactor()};
  }

 private:
  static bool pops_across(Session& session, kv::Args args, const Plan& plan) {
    const shard::Router& router = session.service().router();
    return plan.touches_destination && router.shard_of(args[1]) != router.shard_of(args[2]);
  }
  shard::Runtime& runtime() { return session_.service().runtime(); }

  Task<void> until_over() {
    for (;;) {
      switch (co_await wait_.woken()) {
        case BlockedWait::Wake::kReady:
          if (co_await pop_across()) co_return;
          break;
        case BlockedWait::Wake::kServed:
          session_.out().raw(wait_.reply().view());
          co_return;
        case BlockedWait::Wake::kRefused: {
          const BlockedWait::Refused refused = wait_.refused();
          if (refused.why == shard::LogErrc::kNotOwner) (void)co_await session_.hear_of_move(refused.slot, refused.by);
          session_.out().error(session_.refusal(refused.why, refused.slot, refused.by));
          co_return;
        }
        case BlockedWait::Wake::kTimedOut:
          session_.out().null_array();
          co_return;
        case BlockedWait::Wake::kUnblocked:
          session_.out().error("UNBLOCKED client unblocked via CLIENT UNBLOCK");
          co_return;
        case BlockedWait::Wake::kGone:
          co_return;
      }
    }
  }

  // BLMOVE between two shards. False: there was nothing after all.
  Task<bool> pop_across() {
    BlockedKey& key = wait_.ready_key();
    Buffer answer;
    RespWriter writer(answer, session_.out().is_resp3());
    const std::vector<std::string_view> args = plan_.pop_args(key.key());
    co_await session_.run_keyed(*pop_, args, writer);
    const bool is_content = !is_null(answer.view());
    co_await shard::visit(runtime(), session_.reactor(), key.shard_id(), [&](shard::Shard&) {
      if (!is_content) wait_.unclaim();
      key.agent().served(key, is_content);
    });
    if (is_content) session_.out().raw(answer.view());
    co_return is_content;
  }

  Session& session_;
  const Plan& plan_;
  const kv::CommandSpec* pop_ = nullptr;
  BlockedWait wait_;
  std::deque<BlockedKey> keys_;
};

Task<void> run_blocking(Session& session, kv::Args args, Plan plan) {
  const kv::CommandSpec* spec = kv::find_command(args[0]);
  KEELSON_CHECK(spec != nullptr, "the command was found before");
  Buffer answer;
  RespWriter writer(answer, session.out().is_resp3());
  co_await session.run_keyed(*spec, args, writer);
  if (answer.view().starts_with('-')) {
    session.out().error(answer.view().substr(1, answer.size() - 3));
  } else if (!is_null(answer.view())) {
    session.out().raw(answer.view());
  } else {
    Blocked blocked(session, *spec, args, plan);
    co_await blocked.run(timeout_ns_of(plan.timeout));
  }
}

bool names(std::string_view arg, std::string_view upper) {
  const kv::CommandSpec* spec = kv::find_command(arg);
  return spec != nullptr && spec->name == upper;
}

}  // namespace

Task<void> cmd_blocking_pop(Session& session, kv::Args args) {
  const std::string_view pop = names(args[0], "BLPOP") ? "LPOP" : "RPOP";
  co_await run_blocking(session, args,
                        {.waits_for = WaitsFor::kList,
                         .shape = ServedShape::kKeyFirst,
                         .pop = pop,
                         .pop_args = [pop](std::string_view key) { return std::vector{pop, key}; },
                         .timeout = args.back()});
}

Task<void> cmd_blocking_zpop(Session& session, kv::Args args) {
  const std::string_view pop = names(args[0], "BZPOPMIN") ? "ZPOPMIN" : "ZPOPMAX";
  co_await run_blocking(session, args,
                        {.waits_for = WaitsFor::kSortedSet,
                         .shape = ServedShape::kKeyAndPair,
                         .pop = pop,
                         .pop_args = [pop](std::string_view key) { return std::vector{pop, key}; },
                         .timeout = args.back()});
}

Task<void> cmd_blmove(Session& session, kv::Args args) {
  co_await run_blocking(session, args,
                        {.waits_for = WaitsFor::kList,
                         .pop = "LMOVE",
                         .pop_args =
                             [args](std::string_view key) {
                               return std::vector<std::string_view>{"LMOVE", key, args[2], args[3], args[4]};
                             },
                         .timeout = args.back(),
                         .touches_destination = true});
}

Task<void> cmd_brpoplpush(Session& session, kv::Args args) {
  co_await run_blocking(
      session, args,
      {.waits_for = WaitsFor::kList,
       .pop = "RPOPLPUSH",
       .pop_args = [args](std::string_view key) { return std::vector<std::string_view>{"RPOPLPUSH", key, args[2]}; },
       .timeout = args.back(),
       .touches_destination = true});
}

Task<void> cmd_blocking_mpop(Session& session, kv::Args args) {
  const bool is_list = names(args[0], "BLMPOP");
  const std::string_view pop = is_list ? "LMPOP" : "ZMPOP";
  // BLMPOP timeout numkeys key [key ...] LEFT|RIGHT [COUNT count]
  const auto pop_args = [args, pop](std::string_view key) {
    std::vector<std::string_view> result{pop, "1", key};
    const auto keys = static_cast<size_t>(parse_int64(args[2]).value_or(0));
    result.insert(result.end(), args.begin() + 3 + static_cast<ptrdiff_t>(keys), args.end());
    return result;
  };
  co_await run_blocking(session, args,
                        {.waits_for = is_list ? WaitsFor::kList : WaitsFor::kSortedSet,
                         .pop = pop,
                         .pop_args = pop_args,
                         .timeout = args[1]});
}

}  // namespace keelson::resp
