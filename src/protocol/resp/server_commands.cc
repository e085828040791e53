// The server as a whole: saving, stopping, its role, its time; and what there is of ACL.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/logging.h"
#include "protocol/resp/command_helpers.h"
#include "protocol/resp/session.h"
#include "protocol/resp/session_handlers.h"
#include "shard/call_on.h"

namespace keelson::resp {

namespace {

constexpr int64_t kMsPerS = 1000;

// On reactor 0.
Task<void> checkpoint_in_background(KvService& service) {
  const Status done = co_await service.runtime().checkpoint_all();
  if (!done.ok()) log_error("kv", "checkpoint failed", {{"why", done.error().message()}});
}

// Starts a checkpoint beside the session; false if one is under way.
Task<bool> start_checkpoint(Session& session) {
  KvService& service = session.service();
  co_return co_await shard::call_on(session.reactor(), service.reactor(0), [&service] {
    if (service.runtime().checkpoint_progress().is_running) return false;
    service.local(0).tasks.spawn(checkpoint_in_background(service));
    return true;
  });
}

Task<int64_t> last_save_s(Session& session) {
  KvService& service = session.service();
  co_return co_await shard::call_on(session.reactor(), service.reactor(0), [&service] {
    const shard::CheckpointProgress& progress = service.runtime().checkpoint_progress();
    return (progress.completed != 0 ? progress.last_completed_wall_ms : service.started_wall_ms()) / kMsPerS;
  });
}

// The categories of Redis's ACL, in its order.
constexpr std::string_view kAclCategories[] = {
    "keyspace", "read",   "write",       "set",       "sortedset",  "list",        "hash",
    "string",   "bitmap", "hyperloglog", "geo",       "stream",     "pubsub",      "admin",
    "fast",     "slow",   "blocking",    "dangerous", "connection", "transaction", "scripting"};

bool has_category(const kv::CommandSpec& spec, std::string_view category) {
  std::string_view rest = spec.acl;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(' '), rest.size());
    if (rest.substr(0, end) == category) return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

}  // namespace

Task<void> cmd_save(Session& session, kv::Args) {
  KvService& service = session.service();
  env::Reactor& here = session.reactor();
  co_await MoveTo{service.reactor(0)};
  const bool is_running = service.runtime().checkpoint_progress().is_running;
  Status done;
  if (!is_running) done = co_await service.runtime().checkpoint_all(/*is_urgent=*/true);
  co_await MoveTo{here};
  if (is_running) {
    session.out().error("ERR Background save already in progress");
  } else if (!done.ok()) {
    session.out().error("ERR " + done.error().message());
  } else {
    session.out().ok();
  }
}

Task<void> cmd_bgsave(Session& session, kv::Args args) {
  const bool is_scheduled = args.size() == 2 && equals_ignoring_case(args[1], "SCHEDULE");
  if (args.size() > 2 || (args.size() == 2 && !is_scheduled)) {
    session.out().error(kErrSyntax);
  } else if (co_await start_checkpoint(session)) {
    session.out().status("Background saving started");
  } else {
    session.out().error("ERR Background save already in progress");
  }
}

// A checkpoint takes the log's place up to there, which is then trimmed: what a rewrite is for.
Task<void> cmd_bgrewriteaof(Session& session, kv::Args) {
  if (co_await start_checkpoint(session)) {
    session.out().status("Background append only file rewriting started");
  } else {
    session.out().error("ERR Background append only file rewriting already in progress");
  }
}

Task<void> cmd_lastsave(Session& session, kv::Args) { session.out().integer(co_await last_save_s(session)); }

Task<void> cmd_shutdown(Session& session, kv::Args args) {
  bool with_checkpoint = true, aborts = false, is_wrong = args.size() > 5;
  for (const std::string_view option : args.subspan(1)) {
    if (equals_ignoring_case(option, "NOSAVE")) {
      with_checkpoint = false;
    } else if (equals_ignoring_case(option, "ABORT")) {
      aborts = true;
    } else if (!equals_ignoring_case(option, "SAVE") && !equals_ignoring_case(option, "NOW") &&
               !equals_ignoring_case(option, "FORCE")) {
      is_wrong = true;
    }
  }
  if (is_wrong || (aborts && args.size() != 2)) {
    session.out().error(kErrSyntax);
    co_return;
  }
  if (aborts) {
    session.out().error("ERR No shutdown in progress.");
    co_return;
  }
  KvService& service = session.service();
  if (!service.host().shutdown) {
    session.out().error("ERR SHUTDOWN is not supported by this program");
    co_return;
  }
  // No answer: the connection ends with the server.
  session.close_after_reply();
  service.reactor(0).post([&service, with_checkpoint] { service.host().shutdown(with_checkpoint); });
}

Task<void> cmd_time(Session& session, kv::Args) {
  const int64_t wall_ms = session.reactor().clock().wall_ms();
  session.out().array(2);
  session.out().bulk(std::to_string(wall_ms / kMsPerS));
  session.out().bulk(std::to_string(wall_ms % kMsPerS * 1000));
  co_return;
}

Task<void> cmd_role(Session& session, kv::Args) {
  session.out().array(3);
  session.out().bulk("master");
  session.out().integer(0);
  session.out().array(0);
  co_return;
}

// There are no replicas that could acknowledge anything: the answer is known at once.
Task<void> cmd_wait(Session& session, kv::Args args) {
  const auto replicas = integer_argument(session.out(), args[1]);
  if (!replicas) co_return;
  const auto timeout_ms =
      integer_argument(session.out(), args[2], INT64_MIN, "ERR timeout is not an integer or out of range");
  if (!timeout_ms) co_return;
  if (*timeout_ms < 0) {
    session.out().error("ERR timeout is negative");
  } else {
    session.out().integer(0);
  }
}

Task<void> cmd_replicaof(Session& session, kv::Args args) {
  if (equals_ignoring_case(args[1], "NO") && equals_ignoring_case(args[2], "ONE")) {
    session.out().ok();
  } else {
    session.out().error("ERR REPLICAOF is not supported: this server cannot follow another");
  }
  co_return;
}

Task<void> cmd_lolwut(Session& session, kv::Args) {
  session.out().verbatim("txt",
                         "        |\\\n"
                         "        | \\\n"
                         "        |  \\\n"
                         "   _____|___\\____\n"
                         "   \\     o o o   /\n"
                         "~~~~\\___________/~~~~~~\n"
                         "      ==========  <- the keelson, inside, on the keel\n"
                         "Redis ver. " +
                             std::string(kRedisVersion) + " as Keelson " + session.service().host().version + "\n");
  co_return;
}

Task<void> cmd_acl_whoami(Session& session, kv::Args) {
  session.out().bulk("default");
  co_return;
}

Task<void> cmd_acl_users(Session& session, kv::Args) {
  session.out().array(1);
  session.out().bulk("default");
  co_return;
}

Task<void> cmd_acl_cat(Session& session, kv::Args args) {
  RespWriter& out = session.out();
  if (args.size() == 2) {
    out.array(std::size(kAclCategories));
    for (const std::string_view category : kAclCategories) out.bulk(category);
    co_return;
  }
  const std::string category = lower_case(args[2]);
  if (args.size() > 3 || std::ranges::find(kAclCategories, category) == std::end(kAclCategories)) {
    out.error("ERR Unknown category '" + std::string(args[2]) + "'");
    co_return;
  }
  std::vector<std::string> names;
  for (const kv::CommandSpec& spec : kv::command_table()) {
    if (!kv::is_internal(spec) && has_category(spec, category)) names.push_back(lower_case(spec.name));
  }
  out.array(names.size());
  for (const std::string& name : names) out.bulk(name);
}

Task<void> cmd_acl_genpass(Session& session, kv::Args args) {
  constexpr int64_t kBitsMax = 4096;
  constexpr std::string_view kErrBits =
      "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096";
  constexpr std::string_view kHex = "0123456789abcdef";
  int64_t bits = 256;
  if (args.size() > 2) {
    const auto asked = integer_argument(session.out(), args[2]);
    if (!asked) co_return;
    if (*asked <= 0 || *asked > kBitsMax) {
      session.out().error(kErrBits);
      co_return;
    }
    bits = *asked;
  }
  std::string password(static_cast<size_t>(bits + 3) / 4, '\0');
  session.reactor().random().fill_secret(password);
  for (char& digit : password) digit = kHex[static_cast<uint8_t>(digit) % kHex.size()];
  session.out().bulk(password);
}

}  // namespace keelson::resp
