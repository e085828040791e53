// Which commands a session refuses before they run, and how it says so. The order of the checks and the texts are those
// of Redis 7.0.

#include <string>

#include "base/logging.h"
#include "protocol/resp/command_helpers.h"
#include "protocol/resp/command_stats.h"
#include "protocol/resp/session.h"

namespace keelson::resp {

namespace {

constexpr size_t kErrorNameBytesMax = 128;

std::string unknown_command(kv::Args args) {
  std::string text =
      "ERR unknown command '" + std::string(args[0].substr(0, kErrorNameBytesMax)) + "', with args beginning with: ";
  std::string shown;
  for (size_t i = 1; i < args.size() && shown.size() < kErrorNameBytesMax; ++i) {
    shown += "'" + std::string(args[i].substr(0, kErrorNameBytesMax - shown.size())) + "' ";
  }
  return text + shown;
}

// What a browser would send first, of an HTTP request; Redis looks at the same words.
bool is_http(std::string_view name) {
  const std::string word = lower_case(name.substr(0, kErrorNameBytesMax));
  return word == "post" || word == "host:";
}

// Of the commands that are built, those that mean nothing on a server of its own; the other ones of CLUSTER do.
bool needs_cluster(const kv::CommandSpec& spec) {
  if (spec.group != "cluster" || spec.home == kv::Home::kUnsupported) return false;
  return spec.name != "CLUSTER" && spec.name != "CLUSTER|HELP" && spec.name != "CLUSTER|INFO" &&
         spec.name != "CLUSTER|KEYSLOT" && spec.name != "CLUSTER|MYID";
}

}  // namespace

bool Session::refuse(const kv::CommandSpec* spec, kv::Args args) {
  if (spec == nullptr && is_http(args[0])) {
    log_warn("kv", "client closed: it speaks HTTP; a web page may have been made to attack this server",
             {{"client", client_.id}, {"address", remote().text()}});
    kill();
    return true;
  }
  if (spec == nullptr || kv::is_internal(*spec)) {
    reject(nullptr, unknown_command(args));
    return true;
  }
  if (args.size() > 1 && !kv::is_subcommand(*spec) && !kv::subcommands_of(*spec).empty()) {
    reject(spec, "ERR unknown subcommand '" + std::string(args[1].substr(0, kErrorNameBytesMax)) + "'. Try " +
                     std::string(spec->name) + " HELP.");
    return true;
  }
  if (!kv::arity_fits(*spec, args.size())) {
    reject(spec, "ERR wrong number of arguments for '" + lower_case(spec->name) + "' command");
    return true;
  }
  if (!client_.is_authenticated && (spec->flags & kv::kNoAuth) == 0) {
    reject(spec, "NOAUTH Authentication required.");
    return true;
  }
  if (service_.is_cluster()) {
    if (refuse_in_cluster(*spec, args)) return true;
  } else if (needs_cluster(*spec)) {
    reject(spec, "ERR This instance has cluster support disabled");
    return true;
  }
  if (spec->home == kv::Home::kUnsupported) {
    if (spec->group == "cluster" && !service_.is_cluster()) {
      reject(spec, "ERR This instance has cluster support disabled");
      return true;
    }
    reject(spec, "ERR not supported: Keelson does not have the command '" + lower_case(spec->name) + "' (yet)");
    return true;
  }
  if (transaction_.is_open && (spec->flags & kv::kNoMulti) != 0) {
    reject(spec, "ERR Command not allowed inside a transaction");
    return true;
  }
  const bool needs_memory = (spec->flags & kv::kDenyOom) != 0 ||
                            (spec->name == "EXEC" && transaction_.needs_memory && !transaction_.is_aborted);
  if (needs_memory && !service_.make_room(local_)) {
    reject(spec, "OOM command not allowed when used memory > 'maxmemory'.");
    return true;
  }
  const std::string_view name = spec->name;
  if (subscriptions_.count() != 0 && !writer_.is_resp3() && name != "PING" && name != "SUBSCRIBE" &&
      name != "SSUBSCRIBE" && name != "UNSUBSCRIBE" && name != "SUNSUBSCRIBE" && name != "PSUBSCRIBE" &&
      name != "PUNSUBSCRIBE" && name != "QUIT" && name != "RESET") {
    reject(spec, "ERR Can't execute '" + lower_case(name) +
                     "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context");
    return true;
  }
  return false;
}

void Session::reject(const kv::CommandSpec* spec, std::string_view error) {
  if (transaction_.is_open) transaction_.is_aborted = true;
  if (spec != nullptr) local_.stats->rejected(spec->code);
  // An EXEC that is refused ends the transaction all the same.
  std::string aborted;
  if (spec != nullptr && spec->name == "EXEC") {
    reset_transaction();
    aborted = "EXECABORT Transaction discarded because of: " +
              std::string(error.starts_with("ERR ") ? error.substr(4) : error);
    error = aborted;
  }
  ++local_.counters.error_replies;
  const ReplyMode mode = client_.reply_mode;
  if (mode == ReplyMode::kOff || mode == ReplyMode::kSkipping) {
    if (mode == ReplyMode::kSkipping) client_.reply_mode = ReplyMode::kOn;
    return;
  }
  writer_.error(error);
  count_error_code(writer_.last_error_code());
}

}  // namespace keelson::resp
