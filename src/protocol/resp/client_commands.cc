// CLIENT: who is connected, and what to do with them.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/resp/client_names.h"
#include "protocol/resp/command_helpers.h"
#include "protocol/resp/session.h"
#include "protocol/resp/session_handlers.h"

namespace keelson::resp {

namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kNsPerS = 1'000'000'000;

std::string client_flags(Session& session) {
  std::string flags;
  const ClientState& client = session.client();
  if (client.is_monitor) flags += 'O';
  if (session.subscriptions().count() != 0) flags += 'P';
  if (session.transaction().is_open) flags += 'x';
  if (session.is_blocked()) flags += 'b';
  if (!session.remote().unix_path.empty()) flags += 'U';
  if (client.no_evict) flags += 'e';
  return flags.empty() ? "N" : flags;
}

// One line of CLIENT LIST, in Redis's order; what has no counterpart here (fd, argv-mem, ...) is left out.
std::string client_line(Session& session) {
  const ClientState& client = session.client();
  const int64_t now_ns = session.reactor().clock().monotonic_ns();
  const Session::Subscriptions& names = session.subscriptions();
  const TransactionState& transaction = session.transaction();
  const size_t input = session.input_buffered_bytes();
  const size_t output = session.output_buffered_bytes();
  const auto number = [](auto value) { return std::to_string(value); };
  std::string line = "id=" + number(client.id);
  line += " addr=" + session.remote().text();
  line += " laddr=" + session.local_address().text();
  line += " name=" + client.name;
  line += " age=" + number((now_ns - client.connected_ns) / kNsPerS);
  line += " idle=" + number((now_ns - client.last_command_ns) / kNsPerS);
  line += " flags=" + client_flags(session);
  line += " db=" + number(client.database);
  line += " sub=" + number(names.channels.size());
  line += " psub=" + number(names.patterns.size());
  line += " ssub=" + number(names.shard_channels.size());
  line += " multi=" + (transaction.is_open ? number(transaction.queue.size()) : std::string("-1"));
  line += " qbuf=" + number(input);
  line += " qbuf-free=" + number(session.input_capacity_bytes() - std::min(input, session.input_capacity_bytes()));
  line += " omem=" + number(output);
  line += " tot-mem=" + number(sizeof(Session) + session.input_capacity_bytes() + output);
  line += std::string(" events=") + (output != 0 ? "rw" : "r");
  line += " cmd=" + (client.last_command != nullptr ? lower_case(client.last_command->name) : std::string("NULL"));
  line += " user=default redir=-1";
  line += std::string(" resp=") + (session.out().is_resp3() ? "3" : "2");
  return line + '\n';
}

enum class ClientType : uint8_t { kNormal, kReplica, kPubsub, kMaster };

std::optional<ClientType> parse_client_type(std::string_view name) {
  if (equals_ignoring_case(name, "normal")) return ClientType::kNormal;
  if (equals_ignoring_case(name, "slave") || equals_ignoring_case(name, "replica")) return ClientType::kReplica;
  if (equals_ignoring_case(name, "pubsub")) return ClientType::kPubsub;
  if (equals_ignoring_case(name, "master")) return ClientType::kMaster;
  return std::nullopt;
}

bool is_of_type(Session& session, ClientType type) {
  // MONITOR's clients count as replicas in Redis.
  const ClientType actual = session.client().is_monitor            ? ClientType::kReplica
                            : session.subscriptions().count() != 0 ? ClientType::kPubsub
                                                                   : ClientType::kNormal;
  return actual == type;
}

void reply_unknown_type(kv::ReplySink& out, std::string_view name) {
  out.error("ERR Unknown client type '" + std::string(name) + "'");
}

struct KillFilter {
  std::optional<uint64_t> id;
  std::optional<ClientType> type;
  std::optional<std::string_view> address, local_address;
  bool skip_me = true;

  [[nodiscard]] bool matches(Session& session, uint64_t own_id) const {
    const ClientState& client = session.client();
    if (id && *id != client.id) return false;
    if (type && !is_of_type(session, *type)) return false;
    if (address && *address != session.remote().text()) return false;
    if (local_address && *local_address != session.local_address().text()) return false;
    return !skip_me || client.id != own_id;
  }
};

// False once an error has been answered.
bool parse_kill_option(kv::ReplySink& out, std::string_view name, std::string_view value, KillFilter& filter) {
  if (equals_ignoring_case(name, "ID")) {
    const auto id = integer_argument(out, value, 1, "ERR client-id should be greater than 0");
    if (id) filter.id = static_cast<uint64_t>(*id);
    return id.has_value();
  }
  if (equals_ignoring_case(name, "TYPE")) {
    filter.type = parse_client_type(value);
    if (!filter.type) reply_unknown_type(out, value);
    return filter.type.has_value();
  }
  if (equals_ignoring_case(name, "ADDR")) {
    filter.address = value;
    return true;
  }
  if (equals_ignoring_case(name, "LADDR")) {
    filter.local_address = value;
    return true;
  }
  if (equals_ignoring_case(name, "USER")) {
    // Everybody is the default user.
    if (value == "default") return true;
    out.error("ERR No such user '" + std::string(value) + "'");
    return false;
  }
  if (equals_ignoring_case(name, "SKIPME") &&
      (equals_ignoring_case(value, "YES") || equals_ignoring_case(value, "NO"))) {
    filter.skip_me = equals_ignoring_case(value, "YES");
    return true;
  }
  out.error(kErrSyntax);
  return false;
}

struct ListFilter {
  std::optional<ClientType> type;
  std::optional<std::vector<uint64_t>> ids;
};

// False once an error has been answered.
bool parse_list_filter(kv::ReplySink& out, kv::Args args, ListFilter& filter) {
  if (args.size() == 2) return true;
  if (args.size() == 4 && equals_ignoring_case(args[2], "TYPE")) {
    filter.type = parse_client_type(args[3]);
    if (!filter.type) reply_unknown_type(out, args[3]);
    return filter.type.has_value();
  }
  if (args.size() > 3 && equals_ignoring_case(args[2], "ID")) {
    filter.ids.emplace();
    for (const std::string_view text : args.subspan(3)) {
      const auto id = integer_argument(out, text, 1, "ERR Invalid client ID");
      if (!id) return false;
      filter.ids->push_back(static_cast<uint64_t>(*id));
    }
    return true;
  }
  out.error(kErrSyntax);
  return false;
}

}  // namespace

Task<void> cmd_client_id(Session& session, kv::Args) {
  session.out().integer(static_cast<int64_t>(session.client().id));
  co_return;
}

Task<void> cmd_client_getname(Session& session, kv::Args) {
  if (session.client().name.empty()) {
    session.out().null();
  } else {
    session.out().bulk(session.client().name);
  }
  co_return;
}

Task<void> cmd_client_setname(Session& session, kv::Args args) {
  if (is_valid_client_name(args[2])) {
    session.client().name = args[2];
    session.out().ok();
  } else {
    session.out().error(kErrClientName);
  }
  co_return;
}

Task<void> cmd_client_info(Session& session, kv::Args) {
  session.out().verbatim("txt", client_line(session));
  co_return;
}

Task<void> cmd_client_list(Session& session, kv::Args args) {
  ListFilter filter;
  if (!parse_list_filter(session.out(), args, filter)) co_return;
  std::vector<std::pair<uint64_t, std::string>> lines;
  co_await session.service().on_each_reactor(session.reactor(), [&](Local& local) {
    for (const auto& [id, other] : local.sessions) {
      if (filter.type && !is_of_type(*other, *filter.type)) continue;
      if (filter.ids && std::ranges::find(*filter.ids, id) == filter.ids->end()) continue;
      lines.emplace_back(id, client_line(*other));
    }
  });
  std::ranges::sort(lines);
  std::string text;
  for (const auto& [id, line] : lines) text += line;
  session.out().verbatim("txt", text);
}

Task<void> cmd_client_kill(Session& session, kv::Args args) {
  KillFilter filter;
  const bool is_old_form = args.size() == 3;
  if (is_old_form) {
    filter.address = args[2];
    filter.skip_me = false;
  } else {
    for (size_t i = 2; i < args.size(); i += 2) {
      if (i + 1 == args.size()) {
        session.out().error(kErrSyntax);
        co_return;
      }
      if (!parse_kill_option(session.out(), args[i], args[i + 1], filter)) co_return;
    }
  }
  int64_t killed = 0;
  const uint64_t own_id = session.client().id;
  co_await session.service().on_each_reactor(session.reactor(), [&](Local& local) {
    for (const auto& [id, other] : local.sessions) {
      if (!filter.matches(*other, own_id)) continue;
      ++killed;
      if (id == own_id) {
        other->close_after_reply();
      } else {
        other->kill();
      }
    }
  });
  if (!is_old_form) {
    session.out().integer(killed);
  } else if (killed == 0) {
    session.out().error("ERR No such client");
  } else {
    session.out().ok();
  }
}

Task<void> cmd_client_pause(Session& session, kv::Args args) {
  RespWriter& out = session.out();
  bool writes_only = false;
  if (args.size() == 4) {
    writes_only = equals_ignoring_case(args[3], "WRITE");
    if (!writes_only && !equals_ignoring_case(args[3], "ALL")) {
      out.error("ERR CLIENT PAUSE mode must be WRITE or ALL");
      co_return;
    }
  }
  const auto pause_ms = integer_argument(out, args[2], INT64_MIN, "ERR timeout is not an integer or out of range");
  if (!pause_ms) co_return;
  if (*pause_ms < 0) {
    out.error("ERR timeout is negative");
    co_return;
  }
  const int64_t now_ns = session.reactor().clock().monotonic_ns();
  if (*pause_ms > (INT64_MAX - now_ns) / kNsPerMs) {
    out.error("ERR timeout is out of range");
    co_return;
  }
  const int64_t until_ns = now_ns + *pause_ms * kNsPerMs;
  co_await session.service().on_each_reactor(session.reactor(), [=](Local& local) {
    // As in Redis: a pause under way is never shortened, nor made milder.
    const bool is_paused = local.paused_until_ns > now_ns;
    local.pause_writes_only = writes_only && (!is_paused || local.pause_writes_only);
    local.paused_until_ns = std::max(local.paused_until_ns, until_ns);
  });
  out.ok();
}

Task<void> cmd_client_unpause(Session& session, kv::Args) {
  co_await session.service().on_each_reactor(session.reactor(), [](Local& local) {
    local.paused_until_ns = 0;
    local.pause_writes_only = false;
  });
  session.out().ok();
}

Task<void> cmd_client_unblock(Session& session, kv::Args args) {
  bool as_error = false;
  if (args.size() > 3) {
    as_error = equals_ignoring_case(args[3], "ERROR");
    if (args.size() > 4 || (!as_error && !equals_ignoring_case(args[3], "TIMEOUT"))) {
      session.out().error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
      co_return;
    }
  }
  const auto id = integer_argument(session.out(), args[2]);
  if (!id) co_return;
  bool was_blocked = false;
  co_await session.service().on_session(session.reactor(), static_cast<uint64_t>(*id),
                                        [&](Session& other) { was_blocked = other.unblock(as_error); });
  session.out().integer(was_blocked ? 1 : 0);
}

Task<void> cmd_client_no_evict(Session& session, kv::Args args) {
  const bool is_on = equals_ignoring_case(args[2], "ON");
  if (is_on || equals_ignoring_case(args[2], "OFF")) {
    session.client().no_evict = is_on;
    session.out().ok();
  } else {
    session.out().error(kErrSyntax);
  }
  co_return;
}

Task<void> cmd_client_reply(Session& session, kv::Args args) {
  ReplyMode& mode = session.client().reply_mode;
  if (equals_ignoring_case(args[2], "ON")) {
    mode = ReplyMode::kOn;
    session.out().ok();
  } else if (equals_ignoring_case(args[2], "OFF")) {
    mode = ReplyMode::kOff;
  } else if (equals_ignoring_case(args[2], "SKIP")) {
    if (mode != ReplyMode::kOff) mode = ReplyMode::kSkipNext;
  } else {
    session.out().error(kErrSyntax);
  }
  co_return;
}

}  // namespace keelson::resp
