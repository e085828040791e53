// What a connection says about itself: HELLO, AUTH, SELECT, RESET, QUIT; and PING and ECHO.
#include <optional>
#include <string_view>

#include "protocol/resp/client_names.h"
#include "protocol/resp/command_helpers.h"
#include "protocol/resp/monitor_feed.h"
#include "protocol/resp/pubsub.h"
#include "protocol/resp/session.h"
#include "protocol/resp/session_handlers.h"

namespace keelson::resp {

namespace {

constexpr std::string_view kErrWrongPass = "WRONGPASS invalid username-password pair or user is disabled.";
constexpr std::string_view kErrHelloNoAuth =
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> "
    "<pass> option can be used to authenticate the client and select the RESP protocol version at the same time";
constexpr std::string_view kErrNoPassword =
    "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration "
    "is correct?";

// There is one user, "default"; without a password it needs none.
bool password_fits(const Session& session, std::string_view user, std::string_view password) {
  const std::string& expected = session.config().password;
  const bool is_right = expected.empty() || secrets_equal(password, expected);
  return user == "default" && is_right;
}

struct HelloOptions {
  int64_t version = 0;  // 0: stays as it is
  bool has_auth = false;
  std::string_view user, password;
  std::optional<std::string_view> name;
};

// False once an error has been answered.
bool parse_hello(RespWriter& out, kv::Args args, HelloOptions& options) {
  if (args.size() > 1) {
    const auto version =
        integer_argument(out, args[1], INT64_MIN, "ERR Protocol version is not an integer or out of range");
    if (!version) return false;
    if (*version < 2 || *version > 3) {
      out.error("NOPROTO unsupported protocol version");
      return false;
    }
    options.version = *version;
  }
  for (size_t i = 2; i < args.size(); ++i) {
    const size_t more = args.size() - 1 - i;
    if (equals_ignoring_case(args[i], "AUTH") && more >= 2) {
      options.has_auth = true;
      options.user = args[i + 1];
      options.password = args[i + 2];
      i += 2;
    } else if (equals_ignoring_case(args[i], "SETNAME") && more >= 1) {
      if (!is_valid_client_name(args[i + 1])) {
        out.error(kErrClientName);
        return false;
      }
      options.name = args[++i];
    } else {
      out.error("ERR Syntax error in HELLO option '" + std::string(args[i]) + "'");
      return false;
    }
  }
  return true;
}

void reply_hello(Session& session) {
  RespWriter& out = session.out();
  out.map(7);
  out.bulk("server");
  out.bulk("redis");
  out.bulk("version");
  out.bulk(kRedisVersion);
  out.bulk("proto");
  out.integer(out.is_resp3() ? 3 : 2);
  out.bulk("id");
  out.integer(static_cast<int64_t>(session.client().id));
  out.bulk("mode");
  out.bulk(session.service().is_cluster() ? "cluster" : "standalone");
  out.bulk("role");
  out.bulk("master");
  out.bulk("modules");
  out.array(0);
}

}  // namespace

Task<void> cmd_hello(Session& session, kv::Args args) {
  HelloOptions options;
  if (!parse_hello(session.out(), args, options)) co_return;
  if (options.has_auth) {
    if (!password_fits(session, options.user, options.password)) {
      session.out().error(kErrWrongPass);
      co_return;
    }
    session.client().is_authenticated = true;
  }
  if (!session.client().is_authenticated) {
    session.out().error(kErrHelloNoAuth);
    co_return;
  }
  if (options.name) session.client().name = *options.name;
  if (options.version != 0) session.out().set_resp3(options.version == 3);
  reply_hello(session);
}

Task<void> cmd_auth(Session& session, kv::Args args) {
  RespWriter& out = session.out();
  if (args.size() > 3) {
    out.error(kErrSyntax);
    co_return;
  }
  if (args.size() == 2 && session.config().password.empty()) {
    out.error(kErrNoPassword);
    co_return;
  }
  const std::string_view user = args.size() == 3 ? args[1] : "default";
  if (!password_fits(session, user, args.back())) {
    out.error(kErrWrongPass);
    co_return;
  }
  session.client().is_authenticated = true;
  out.ok();
}

void cmd_ping(Session& session, kv::Args args) {
  RespWriter& out = session.out();
  if (args.size() > 2) {
    out.error("ERR wrong number of arguments for 'ping' command");
    return;
  }
  if (session.subscriptions().count() != 0 && !out.is_resp3()) {
    out.array(2);
    out.bulk("pong");
    out.bulk(args.size() == 2 ? args[1] : std::string_view());
  } else if (args.size() == 2) {
    out.bulk(args[1]);
  } else {
    out.status("PONG");
  }
}

void cmd_echo(Session& session, kv::Args args) { session.out().bulk(args[1]); }

Task<void> cmd_select(Session& session, kv::Args args) {
  const auto database = integer_argument(session.out(), args[1]);
  if (!database) co_return;
  if (*database < INT32_MIN || *database > INT32_MAX) {
    session.out().error("ERR value is out of range, value must between -2147483648 and 2147483647");
  } else if (*database < 0 || *database >= session.config().databases) {
    session.out().error("ERR DB index is out of range");
  } else if (*database != 0 && session.service().is_cluster()) {
    session.out().error("ERR SELECT is not allowed in cluster mode");
  } else {
    session.client().database = static_cast<uint16_t>(*database);
    session.out().ok();
  }
}

Task<void> cmd_quit(Session& session, kv::Args) {
  session.out().ok();
  session.close_after_reply();
  co_return;
}

Task<void> cmd_reset(Session& session, kv::Args) {
  session.reset_transaction();
  co_await session.service().pubsub().forget(session);
  leave_monitor(session);
  ClientState& client = session.client();
  client.name.clear();
  client.database = 0;
  client.no_evict = false;
  client.is_readonly = false;
  client.reply_mode = ReplyMode::kOn;
  client.is_authenticated = session.config().password.empty();
  session.out().set_resp3(false);
  session.out().status("RESET");
}

}  // namespace keelson::resp
