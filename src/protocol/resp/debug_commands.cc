// DEBUG, as far as tools and tests need it.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "base/logging.h"
#include "base/numbers.h"
#include "engine/kv/keyspace.h"
#include "protocol/resp/command_helpers.h"
#include "protocol/resp/session.h"
#include "protocol/resp/session_handlers.h"
#include "protocol/resp/shard_agent.h"
#include "shard/loan.h"

namespace keelson::resp {

namespace {

constexpr int64_t kNsPerMs = 1'000'000;

std::vector<shard::ShardId> all_shards(const KvService& service) {
  std::vector<shard::ShardId> ids(service.router().shard_count());
  for (shard::ShardId id = 0; id < ids.size(); ++id) ids[id] = id;
  return ids;
}

// Has every shard for that long: no key is served meanwhile, as in a Redis that sleeps.
Task<void> debug_sleep(Session& session, kv::Args args) {
  constexpr double kSecondsMax = 1e6;
  const std::optional<double> seconds = parse_double(args[2]);
  if (!seconds || *seconds < 0 || *seconds > kSecondsMax) {
    session.out().error("ERR value is not a valid float");
    co_return;
  }
  KvService& service = session.service();
  const shard::Loan loan = co_await shard::Loan::take(service.runtime(), session.reactor(), all_shards(service));
  co_await env::sleep_for(session.reactor(), static_cast<int64_t>(*seconds * 1e9));
  session.out().ok();
}

// Writes the shard down as a checkpoint does, empties it, and loads what was written.
Status reload(engine::Engine& engine) {
  constexpr size_t kPieceBytes = size_t{1} << 20;
  std::vector<Buffer> pieces;
  {
    const auto source = engine.begin_checkpoint();
    for (bool is_done = false; !is_done;) is_done = source->next(kPieceBytes, pieces.emplace_back());
  }
  engine.reset();
  for (const Buffer& piece : pieces) {
    if (Status loaded = engine.load_checkpoint(piece.view()); !loaded.ok()) return loaded;
  }
  return {};
}

Task<void> debug_reload(Session& session) {
  KvService& service = session.service();
  for (shard::ShardId id = 0; id < service.router().shard_count();) {
    {
      std::vector<shard::ShardId> one(1, id);
      shard::Loan loan = co_await shard::Loan::take(service.runtime(), session.reactor(), std::move(one));
      if (loan.damage() != nullptr) {
        ++id;
        continue;
      }
      // A checkpoint that is being written reads the shard's state from before.
      if (!service.agent(id).keyspace().has_checkpoint()) {
        const Status loaded = reload(loan.shard(id).engine());
        if (!loaded.ok()) {
          loan.shard(id).stop_damaged("DEBUG RELOAD: " + loaded.error().message());
          session.out().error("ERR Error trying to load the RDB dump: " + loaded.error().message());
          co_return;
        }
        ++id;
        continue;
      }
    }
    co_await env::sleep_for(session.reactor(), kNsPerMs);
  }
  session.out().ok();
}

Task<void> debug_digest_value(Session& session, kv::Args args) {
  const kv::Args keys = args.subspan(2);
  session.out().array(keys.size());
  for (const std::string_view key : keys) {
    const std::string_view command[] = {"_DIGESTVALUE", key};
    co_await session.run_keyed(*kv::command_by_code(kv::code::kDigestValue), command, session.out());
  }
}

Task<void> debug_set_active_expire(Session& session, kv::Args args) {
  KvService& service = session.service();
  env::Reactor& here = session.reactor();
  const bool is_on = parse_int64(args[2]).value_or(0) != 0;
  co_await MoveTo{service.reactor(0)};
  KvConfig config = service.local(0).config;
  config.active_expire = is_on;
  co_await service.set_config(service.reactor(0), std::move(config));
  co_await MoveTo{here};
  session.out().ok();
}

// DEBUG POPULATE count [prefix] [size]: keys "prefix:0" and on, those that exist stay.
Task<void> debug_populate(Session& session, kv::Args args) {
  const auto count = integer_argument(session.out(), args[2], 0);
  if (!count) co_return;
  const std::string prefix(args.size() > 3 ? args[3] : "key");
  int64_t size = -1;
  if (args.size() > 4) {
    const auto asked = integer_argument(session.out(), args[4], 0);
    if (!asked) co_return;
    size = *asked;
  }
  const kv::CommandSpec* set = kv::find_command("SETNX");
  Buffer unread;
  RespWriter nobody(unread);
  for (int64_t i = 0; i < *count; ++i) {
    const std::string key = prefix + ':' + std::to_string(i);
    std::string value = "value:" + std::to_string(i);
    if (size >= 0) value.resize(static_cast<size_t>(size), '\0');
    const std::string_view command[] = {"SETNX", key, value};
    co_await session.run_keyed(*set, command, nobody);
    unread.clear();
  }
  session.out().ok();
}

// One answer of each kind, for those who write clients.
bool reply_example(RespWriter& out, std::string_view kind) {
  const auto three = [&out](bool with_values) {
    for (int64_t i = 0; i < 3; ++i) {
      out.integer(i);
      if (with_values) out.boolean(i == 1);
    }
  };
  if (kind == "string") {
    out.bulk("Hello World");
  } else if (kind == "integer") {
    out.integer(12345);
  } else if (kind == "double") {
    out.real(3.141);
  } else if (kind == "null") {
    out.null();
  } else if (kind == "array") {
    out.array(3);
    three(false);
  } else if (kind == "set") {
    out.set(3);
    three(false);
  } else if (kind == "map") {
    out.map(3);
    three(true);
  } else if (kind == "push") {
    out.push(2);
    out.bulk("server-cpu-usage");
    out.integer(42);
    out.bulk("Some real reply following the push reply");
  } else if (kind == "verbatim") {
    out.verbatim("txt", "This is a verbatim\nstring");
  } else if (kind == "true" || kind == "false") {
    out.boolean(kind == "true");
  } else {
    return false;
  }
  return true;
}

void reply_debug_help(RespWriter& out) {
  constexpr std::string_view kLines[] = {
      "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "DIGEST",
      "    Output a hex signature representing the current DB content.",
      "DIGEST-VALUE <key> [<key> ...]",
      "    Output a hex signature of the values of all the specified keys.",
      "ERROR <string>",
      "    Answer with this error, for tests of clients.",
      "LOG <message>",
      "    Write <message> to the server log.",
      "OBJECT <key>",
      "    Show low level info about `key` and associated value.",
      "POPULATE <count> [<prefix>] [<size>]",
      "    Create <count> string keys named <prefix>:<num> (key:<num>).",
      "PROTOCOL <type>",
      "    Answer with an example: string, integer, double, null, array, set, map, push, verbatim, true, false.",
      "RELOAD",
      "    Write every shard down as a checkpoint does, empty it, and load it again.",
      "SET-ACTIVE-EXPIRE <0|1>",
      "    Whether keys are expired in the background, too, and not only when they are used.",
      "SLEEP <seconds>",
      "    Serve no key for <seconds>. Decimals allowed.",
      "HELP",
      "    Prints this help.",
  };
  out.array(std::size(kLines));
  for (const std::string_view line : kLines) out.status(line);
}

void reply_unknown(Session& session, std::string_view name) {
  session.out().error("ERR unknown subcommand or wrong number of arguments for '" + std::string(name) +
                      "'. Try DEBUG HELP.");
}

}  // namespace

Task<void> cmd_debug(Session& session, kv::Args args) {
  const auto is = [args](std::string_view name, size_t least, size_t most) {
    return equals_ignoring_case(args[1], name) && args.size() >= least && args.size() <= most;
  };
  if (is("HELP", 2, 2)) {
    reply_debug_help(session.out());
  } else if (is("SLEEP", 3, 3)) {
    co_await debug_sleep(session, args);
  } else if (is("OBJECT", 3, 4)) {
    const std::string_view command[] = {"_DEBUGOBJECT", args[2]};
    co_await session.run_keyed(*kv::command_by_code(kv::code::kDebugObject), command, session.out());
  } else if (is("RELOAD", 2, 2)) {
    co_await debug_reload(session);
  } else if (is("DIGEST", 2, 2)) {
    const std::string_view command[] = {"_DIGEST"};
    co_await session.run_keyed(*kv::command_by_code(kv::code::kDigest), command, session.out());
  } else if (is("DIGEST-VALUE", 3, SIZE_MAX)) {
    co_await debug_digest_value(session, args);
  } else if (is("SET-ACTIVE-EXPIRE", 3, 3)) {
    co_await debug_set_active_expire(session, args);
  } else if (is("POPULATE", 3, 5)) {
    co_await debug_populate(session, args);
  } else if (is("ERROR", 3, 3)) {
    session.out().error(args[2]);
  } else if (is("LOG", 3, 3)) {
    log_warn("kv", "DEBUG LOG", {{"message", args[2]}});
    session.out().ok();
  } else if (is("PROTOCOL", 3, 3)) {
    if (!reply_example(session.out(), lower_case(args[2]))) reply_unknown(session, args[1]);
  } else {
    reply_unknown(session, args[1]);
  }
}

}  // namespace keelson::resp
