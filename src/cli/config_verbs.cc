#include "cli/config_verbs.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <utility>
#include <vector>

#include "cli/coord_client.h"
#include "cli/run_env.h"
#include "net/http/client.h"
#include "net/http/url.h"

namespace keelson::cli {

namespace {

constexpr size_t kAnswerBytesMax = 64 << 20;
constexpr std::string_view kPrefix = "/keelson/config/";
constexpr int64_t kRetryNs = 1'000'000'000;

bool print(const std::string& text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
}

using Rows = std::vector<std::vector<std::string>>;

std::string table(const Rows& rows) {
  std::string text;
  for (const auto& row : rows) {
    for (size_t column = 0; column < row.size(); ++column) {
      size_t width = 0;
      for (const auto& other : rows) width = std::max(width, other[column].size());
      text.append(row[column]);
      if (column + 1 < row.size()) text.append(width - row[column].size() + 2, ' ');
    }
    text.push_back('\n');
  }
  return text;
}

// A setting's value in force, or what an application keeps.
std::string value_of(const Json& entry) {
  return flag_in(entry, "setting") ? text_in(entry, "in_force") : text_in(entry, "stored");
}

std::string source_of(const Json& entry) {
  if (!text_in(entry, "ignored").empty()) return "start (ignored: " + text_in(entry, "ignored") + ")";
  if (entry.contains("stored")) return "revision " + std::to_string(number_in(entry, "revision"));
  return text_in(entry, "start") == text_in(entry, "in_force") ? "start" : "CONFIG SET";
}

// What is stored and not what the server was started with, and what is not in force as it should be.
std::string differences(const Json& entries) {
  Rows rows;
  for (const Json& entry : entries) {
    const bool is_stored = entry.contains("stored");
    const std::string name = text_in(entry, "name");
    if (!flag_in(entry, "setting")) {
      if (!text_in(entry, "ignored").empty()) {
        rows.push_back({name, "stored \"" + text_in(entry, "stored") + "\", ignored: " + text_in(entry, "ignored")});
      }
      continue;
    }
    const std::string start = text_in(entry, "start"), live = text_in(entry, "in_force");
    if (!text_in(entry, "ignored").empty()) {
      rows.push_back({name, "in force \"" + live + "\"; stored \"" + text_in(entry, "stored") +
                                "\" is ignored: " + text_in(entry, "ignored")});
    } else if (is_stored && live != start) {
      rows.push_back({name, "at start \"" + start + "\", in force \"" + live + "\""});
    } else if (!is_stored && live != start) {
      rows.push_back({name, "at start \"" + start + "\", in force \"" + live + "\" on this node alone"});
    }
  }
  return rows.empty() ? std::string() : table(rows);
}

std::string history_text(const Json& versions) {
  Rows rows;
  for (const Json& one : versions) {
    rows.push_back({std::to_string(number_in(one, "revision")), text_in(one, "value")});
  }
  return rows.empty() ? std::string() : table(rows);
}

}  // namespace

struct ConfigCommands::Command {
  CLI::App *get = nullptr, *set = nullptr, *unset = nullptr, *diff = nullptr, *history = nullptr, *watch = nullptr;
  std::string address = "127.0.0.1:8080";
  CoordTarget coord;
  std::string name, value;
  bool json = false;

  net::http::Client::Request make_request(const Target& target) const;
  Task<Result<Json>> ask(env::Env& env, Target target) const;
  [[nodiscard]] std::string shown(const Json& answer) const;
  Task<int> work(env::Env& env, Target target) const;
  Task<int> follow(env::Env& env, Target target) const;
  Task<Status> follow_from(CoordClient& client, int64_t& next) const;
  void show_event(const Json& event) const;
};

net::http::Client::Request ConfigCommands::Command::make_request(const Target& target) const {
  net::http::Client::Request request;
  request.target = "/admin/config";
  if (!name.empty()) request.target += "?name=" + net::http::percent_encode(name, false);
  if (*history) request.target += "&history";
  request.host = target.server_name.empty() ? address : target.server_name;
  if (*set) {
    request.method = "PUT";
    request.body = value;
  }
  if (*unset) request.method = "DELETE";
  if (!target.password.empty()) request.fields.add("Authorization", "Basic " + as_bytes("keelson:" + target.password));
  return request;
}

Task<Result<Json>> ConfigCommands::Command::ask(env::Env& env, Target target) const {
  target.address = address;
  Result<OpenTarget> open = co_await open_target(env, target);
  if (!open.ok()) co_return forward_error(open);
  net::http::Client client(std::move(open->stream));
  Result<net::http::Response> head = co_await client.request(make_request(target));
  if (!head.ok()) co_return forward_error(head);
  Result<std::string> text = co_await client.read_all(kAnswerBytesMax);
  if (!text.ok()) co_return forward_error(text);
  Json answer = Json::parse(*text, nullptr, false);
  if (head->status / 100 == 2 && !answer.is_discarded()) co_return answer;
  std::string sentence = text_in(answer, "error");
  if (sentence.empty() || head->status == 401) {
    sentence = "the server at " + address + " answered " + std::to_string(head->status) + " " + head->reason;
    if (head->status == 401) sentence += ". Give its password with --password-file or KEELSON_PASSWORD";
    if (head->status == 404) sentence += ". Is that the HTTP address of a Keelson server (http.listen)?";
  } else if (!name.empty()) {
    sentence = name + ": " + sentence;
  }
  co_return fail(CoordErrc::kRefused, std::move(sentence));
}

std::string ConfigCommands::Command::shown(const Json& answer) const {
  if (json) return answer.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  if (*set || *unset) return {};
  if (*diff) return differences(answer);
  if (*history) return history_text(answer);
  if (!name.empty()) return value_of(answer) + "\n";
  Rows rows = {{"NAME", "VALUE", "FROM"}};
  for (const Json& entry : answer) rows.push_back({text_in(entry, "name"), value_of(entry), source_of(entry)});
  return table(rows);
}

Task<int> ConfigCommands::Command::work(env::Env& env, Target target) const {
  if (*watch) co_return co_await follow(env, std::move(target));
  Result<Json> answer = co_await ask(env, std::move(target));
  if (!answer.ok()) {
    complain("config: " + answer.error().message());
    co_return kExitBad;
  }
  co_return print(shown(*answer)) ? kExitGood : kExitBad;
}

void ConfigCommands::Command::show_event(const Json& event) const {
  const Json& kv = member_in(event, "kv");
  const std::string key = bytes_in(kv, "key");
  const std::string shown_name = key.substr(std::min(key.size(), kPrefix.size()));
  const std::string revision = std::to_string(number_in(kv, "mod_revision"));
  const bool is_gone = text_in(event, "type") == "DELETE";
  (void)print(revision + " " + shown_name + (is_gone ? " is unset\n" : " = " + bytes_in(kv, "value") + "\n"));
}

Task<Status> ConfigCommands::Command::follow_from(CoordClient& client, int64_t& next) const {
  const std::string key = std::string(kPrefix) + name;
  Json create = {{"key", as_bytes(key)}};
  if (name.empty()) create["range_end"] = as_bytes(end_of_prefix(key));
  if (next != 0) create["start_revision"] = std::to_string(next);
  auto answers = co_await client.begin("/v3/watch", {{"create_request", create}});
  if (!answers.ok()) co_return forward_error(answers);
  for (;;) {
    Result<Json> answer = co_await (*answers)->next();
    if (!answer.ok()) co_return forward_error(answer);
    if (flag_in(*answer, "canceled"))
      co_return fail(CoordErrc::kRefused, "the watch was ended: " + text_in(*answer, "cancel_reason"));
    if (const int64_t now = number_in(member_in(*answer, "header"), "revision"); next == 0 && now != 0) next = now + 1;
    for (const Json& event : list_in(*answer, "events")) {
      show_event(event);
      next = number_in(member_in(event, "kv"), "mod_revision") + 1;
    }
  }
}

Task<int> ConfigCommands::Command::follow(env::Env& env, Target target) const {
  CoordTarget to = coord;
  to.password = target.password;
  to.tls = std::move(target);
  auto client = CoordClient::make(env, std::move(to));
  if (!client.ok()) {
    complain("config: " + client.error().message());
    co_return kExitUsage;
  }
  int64_t next = 0;
  for (bool was_connected = false;; was_connected = was_connected || next != 0) {
    Status ended = co_await follow_from(**client, next);
    // A server that has gone comes back, or another is asked; what was missed is told.
    if (ended.error().code() != CoordErrc::kUnreachable || (next == 0 && !was_connected)) {
      complain("config: " + ended.error().message());
      co_return kExitBad;
    }
    co_await env::sleep_for(env.reactor(0), kRetryNs / 10);
  }
}

ConfigCommands::ConfigCommands(CLI::App& config, const std::function<void(CLI::App&)>& add_target_flags)
    : command_(std::make_unique<Command>()) {
  Command& command = *command_;
  const auto add = [&](const char* name, const char* text) {
    CLI::App* verb = config.add_subcommand(name, text);
    verb->add_option("--http", command.address, "HTTP address of the server (http.listen).")
        ->type_name("ADDRESS")
        ->default_str("127.0.0.1:8080");
    add_target_flags(*verb);
    verb->add_flag("--json", command.json, "Answer as JSON.");
    return verb;
  };
  command.get =
      add("get", "Show the value in force of one setting, or of all that can be changed while the server runs.");
  command.set = add("set", "Change a setting on every node, now and for later starts; it is checked first.");
  command.unset = add("unset", "Go back to the value with which each node was started.");
  command.diff =
      add("diff", "Show what differs from the start, and stored values that are not in force, with the reason.");
  command.history = add("history", "Show what a setting was, with revisions, the newest first.");
  command.watch = config.add_subcommand("watch", "Show changes of one setting, or of all, as they come.");
  command.coord.endpoints = {"127.0.0.1:2379"};
  command.watch
      ->add_option("--endpoints", command.coord.endpoints,
                   "Where the coordination service listens (etcd.listen), several with commas between.")
      ->type_name("HOST:PORT")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->default_str("127.0.0.1:2379");
  command.watch->add_option("--user", command.coord.user, "User name, where authentication is on.")->type_name("NAME");
  add_target_flags(*command.watch);
  for (CLI::App* verb : {command.set, command.unset, command.history}) {
    verb->add_option("name", command.name, "The setting, or a name of your own with a / in it.")
        ->required()
        ->type_name("NAME");
  }
  command.set->add_option("value", command.value, "Its value, as a flag of `keelson serve` takes it.")
      ->required()
      ->type_name("VALUE");
  for (CLI::App* verb : {command.get, command.watch}) {
    verb->add_option("name", command.name, "The setting; all unless told.")->type_name("NAME");
  }
}

ConfigCommands::~ConfigCommands() = default;

bool ConfigCommands::is_asked() const {
  const Command& command = *command_;
  for (const CLI::App* verb : {command.get, command.set, command.unset, command.diff, command.history, command.watch}) {
    if (*verb) return true;
  }
  return false;
}

int ConfigCommands::run(Target target) {
  return run_on_env([this, &target](env::Env& env) { return command_->work(env, target); });
}

}  // namespace keelson::cli
