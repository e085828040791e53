#include "cli/cluster.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <utility>

#include "base/base64.h"
#include "cli/coord_client.h"
#include "cli/run_env.h"
#include "env/env.h"
#include "net/http/client.h"
#include "net/http/url.h"

namespace keelson::cli {

namespace {

constexpr std::string_view kPath = "/admin/cluster";
// A status of a thousand nodes and shards.
constexpr size_t kAnswerBytesMax = 16 << 20;
constexpr int64_t kNsPerMs = 1'000'000;
// Between two looks at moves that are waited for.
constexpr int64_t kLookEveryMs = 250;
// Looks in a row that may fail before it is given up: the node may be starting anew.
constexpr unsigned kLooksFailedMax = 120;

// What of a word is a range of slots: "7" or "7-9".
bool read_slots(const std::string& word, std::string& first, std::string& last) {
  const size_t dash = word.find('-');
  first = word.substr(0, dash);
  last = dash == std::string::npos ? first : word.substr(dash + 1);
  const auto is_number = [](const std::string& text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  };
  return is_number(first) && is_number(last);
}

// What a status says of the move with that number; null: there is none.
const Json* find_move(const Json& status, int64_t id) {
  for (const Json& move : list_in(status, "moves")) {
    if (number_in(move, "id") == id) return &move;
  }
  return nullptr;
}

std::string name_of_move(const Json& move) {
  const int64_t first = number_in(move, "first");
  const int64_t last = number_in(move, "last");
  return "slots " + std::to_string(first) + (first == last ? "" : "-" + std::to_string(last));
}

}  // namespace

struct ClusterCommands::Command {
  CLI::App *init = nullptr, *status = nullptr, *add = nullptr, *remove = nullptr, *drain = nullptr, *activate = nullptr,
           *move = nullptr, *lead = nullptr, *move_slots = nullptr, *cancel_move = nullptr, *rebalance = nullptr;
  std::string address = "127.0.0.1:8080";
  std::string new_node;
  std::string node, shard, from, to;
  std::string slots, move_id;
  bool json = false;
  bool no_wait = false;

  [[nodiscard]] std::vector<CLI::App*> verbs() const {
    return {init, status, add, remove, drain, activate, move, lead, move_slots, cancel_move, rebalance};
  }
  Task<Result<std::string>> ask(env::Env& env, Target target, std::string method, std::string path) const;
  Task<Result<std::string>> add_node(env::Env& env, Target target) const;
  Task<Result<std::string>> begin_moving(env::Env& env, Target target) const;
  Task<Result<std::string>> rebalance_all(env::Env& env, Target target) const;
  Task<Result<std::string>> wait_for(env::Env& env, Target target, Json moves) const;
  Task<Result<std::string>> work(env::Env& env, Target target) const;
  Task<int> run(env::Env& env, Target target) const;
};

Task<Result<std::string>> ClusterCommands::Command::ask(env::Env& env, Target target, std::string method,
                                                        std::string path) const {
  net::http::Client::Request request;
  request.method = std::move(method);
  request.target = std::string(kPath) + path;
  request.host = target.server_name.empty() ? target.address : target.server_name;
  if (!target.password.empty()) {
    request.fields.add("Authorization", "Basic " + to_base64("keelson:" + target.password));
  }
  Result<OpenTarget> open = co_await open_target(env, target);
  if (!open.ok()) co_return forward_error(open);
  env::Stream& stream = *open->stream;
  net::http::Client client(std::move(open->stream));
  Result<net::http::Response> head = co_await client.request(std::move(request));
  if (!head.ok()) {
    const std::string why = net::TlsContext::failure_of(stream);
    co_return fail(head.error().code(), head.error().message() + (why.empty() ? "" : " (TLS: " + why + ")"));
  }
  Result<std::string> answer = co_await client.read_all(kAnswerBytesMax);
  if (!answer.ok() || head->status / 100 == 2) co_return answer;
  std::string sentence = answer->substr(0, answer->find_last_not_of('\n') + 1);
  if (head->status == 401) {
    sentence = "the server at " + target.address + " wants its password: --password-file or KEELSON_PASSWORD";
  }
  if (sentence.empty()) sentence = "the server answered " + std::to_string(head->status);
  co_return fail(net::http::HttpErrc::kMalformed, std::move(sentence));
}

// The new node is told where the cluster's nodes are, and asks them by itself.
Task<Result<std::string>> ClusterCommands::Command::add_node(env::Env& env, Target target) const {
  Result<std::string> answer = co_await ask(env, target, "GET", "?format=json");
  if (!answer.ok()) co_return answer;
  const Json known = Json::parse(*answer, nullptr, false);
  std::string peers;
  for (const Json& one : list_in(known, "nodes")) {
    if (!flag_in(one, "reachable")) continue;
    peers.append(peers.empty() ? "" : ",").append(text_in(one, "peer"));
  }
  if (peers.empty()) co_return fail(net::http::HttpErrc::kMalformed, "the server's answer names no node to join");
  Target there = target;
  there.address = new_node;
  co_return co_await ask(env, std::move(there), "POST", "/join?at=" + net::http::percent_encode(peers, true));
}

Task<Result<std::string>> ClusterCommands::Command::begin_moving(env::Env& env, Target target) const {
  std::string first;
  std::string last;
  if (!read_slots(slots, first, last)) {
    co_return fail(net::http::HttpErrc::kMalformed, "SLOTS is a slot or a range of them, as 0-99, not " + slots);
  }
  const std::string path =
      "/move-slots?first=" + first + "&last=" + last + "&to=" + net::http::percent_encode(shard, false);
  if (no_wait) co_return co_await ask(env, std::move(target), "POST", path);
  Result<std::string> answer = co_await ask(env, target, "POST", path + "&format=json");
  if (!answer.ok()) co_return answer;
  co_return co_await wait_for(env, std::move(target), list_in(Json::parse(*answer, nullptr, false), "moves"));
}

Task<Result<std::string>> ClusterCommands::Command::rebalance_all(env::Env& env, Target target) const {
  if (no_wait) co_return co_await ask(env, std::move(target), "POST", "/rebalance");
  std::string done;
  while (true) {
    Result<std::string> answer = co_await ask(env, target, "POST", "/rebalance?format=json");
    if (!answer.ok()) co_return answer;
    const Json begun = Json::parse(*answer, nullptr, false);
    Json moves = list_in(begun, "moves");
    if (moves.empty()) {
      if (!flag_in(begun, "is_all")) co_return fail(net::http::HttpErrc::kMalformed, "other moves have to end first");
      co_return done.empty() ? "no slots need to move\n" : done;
    }
    Result<std::string> moved = co_await wait_for(env, target, std::move(moves));
    if (!moved.ok()) co_return moved;
    done += *moved;
    if (flag_in(begun, "is_all")) co_return done;
  }
}

// Until none of these is under way; says on standard error how far they are.
Task<Result<std::string>> ClusterCommands::Command::wait_for(env::Env& env, Target target, Json moves) const {
  std::map<int64_t, std::string> told;
  std::string done;
  std::string failed;
  for (unsigned failures = 0; !moves.empty();) {
    const Result<std::string> answer = co_await ask(env, target, "GET", "?format=json");
    if (!answer.ok() && ++failures > kLooksFailedMax) {
      co_return fail(answer.error().code(),
                     "the slots go on moving, but nothing is heard of it: " + answer.error().message());
    }
    const Json seen = answer.ok() ? Json::parse(*answer, nullptr, false) : Json();
    if (seen.is_object()) failures = 0;
    Json left = Json::array();
    for (const Json& one : moves) {
      const int64_t id = number_in(one, "id");
      const Json* now = find_move(seen, id);
      if (!seen.is_object() || (now != nullptr && text_in(*now, "phase") != "failed")) {
        left.push_back(one);
        const std::string text = now == nullptr ? "" : text_in(*now, "text");
        if (!text.empty() && std::exchange(told[id], text) != text) {
          complain("cluster: move " + std::to_string(id) + " of " + name_of_move(one) + ": " + text);
        }
      } else if (now != nullptr) {
        failed += (failed.empty() ? "" : "; ") + name_of_move(one) + " stay where they are: " + text_in(*now, "why");
      } else {
        done += name_of_move(one) + " went from shard " + std::to_string(number_in(one, "from")) + " to shard " +
                std::to_string(number_in(one, "to")) + "\n";
      }
    }
    moves = std::move(left);
    if (!moves.empty()) co_await env::sleep_for(env.reactor(0), kLookEveryMs * kNsPerMs);
  }
  if (!failed.empty()) co_return fail(net::http::HttpErrc::kMalformed, std::move(failed));
  co_return done;
}

Task<Result<std::string>> ClusterCommands::Command::work(env::Env& env, Target target) const {
  const auto word = [](const std::string& given) { return net::http::percent_encode(given, false); };
  if (*init) co_return co_await ask(env, std::move(target), "POST", "/init");
  if (*status) co_return co_await ask(env, std::move(target), "GET", json ? "?format=json" : "");
  if (*add) co_return co_await add_node(env, std::move(target));
  if (*remove) co_return co_await ask(env, std::move(target), "POST", "/node?state=removed&id=" + word(node));
  if (*drain) co_return co_await ask(env, std::move(target), "POST", "/node?state=draining&id=" + word(node));
  if (*activate) co_return co_await ask(env, std::move(target), "POST", "/node?state=active&id=" + word(node));
  if (*move) {
    co_return co_await ask(env, std::move(target), "POST",
                           "/move?shard=" + word(shard) + "&from=" + word(from) + "&to=" + word(to));
  }
  if (*lead) co_return co_await ask(env, std::move(target), "POST", "/lead?shard=" + word(shard) + "&to=" + word(to));
  if (*move_slots) co_return co_await begin_moving(env, std::move(target));
  if (*cancel_move) co_return co_await ask(env, std::move(target), "POST", "/cancel-move?id=" + word(move_id));
  co_return co_await rebalance_all(env, std::move(target));
}

Task<int> ClusterCommands::Command::run(env::Env& env, Target target) const {
  const Result<std::string> answer = co_await work(env, std::move(target));
  if (!answer.ok()) {
    complain("cluster: " + answer.error().message());
    co_return kExitBad;
  }
  const bool is_written =
      std::fwrite(answer->data(), 1, answer->size(), stdout) == answer->size() && std::fflush(stdout) == 0;
  co_return is_written ? kExitGood : kExitBad;
}

ClusterCommands::ClusterCommands(CLI::App& app, const std::function<void(CLI::App&)>& add_target_flags)
    : command_(std::make_unique<Command>()) {
  Command& command = *command_;
  CLI::App& cluster = *app.add_subcommand(
      "cluster", "The nodes of a cluster, and what lies on them: see it, add and remove nodes, move slots.");
  cluster.require_subcommand(1);
  const auto add = [&](const char* name, const char* text) {
    CLI::App* verb = cluster.add_subcommand(name, text);
    verb->add_option("--http", command.address, "HTTP address of a node (http.listen).")
        ->type_name("ADDRESS")
        ->default_str("127.0.0.1:8080");
    add_target_flags(*verb);
    return verb;
  };
  command.init = add("init", "Found a cluster with a node that runs and belongs to none.");
  command.status = add("status", "Show the nodes, and what is not as it should be.");
  command.status->add_flag("--json", command.json, "As JSON.");
  command.add = add("add", "Take a node that runs and belongs to no cluster into this one.");
  command.add->add_option("new", command.new_node, "HTTP address of the new node.")->type_name("ADDRESS")->required();
  command.remove = add("remove", "Remove a node for good; its replicas go to others.");
  command.drain = add("drain", "Move a node's replicas to others, so that it can be removed.");
  command.activate = add("activate", "Take a drain back.");
  for (CLI::App* verb : {command.remove, command.drain, command.activate}) {
    verb->add_option("node", command.node, "The node's number.")->type_name("NODE")->required();
  }
  command.move = add("move", "Move a replica of a shard from one node to another.");
  command.lead = add("lead", "Give the lead of a shard to a node that has a replica.");
  for (CLI::App* verb : {command.move, command.lead}) {
    verb->add_option("shard", command.shard, "The shard's number.")->type_name("SHARD")->required();
  }
  command.move->add_option("from", command.from, "The node that has the replica.")->type_name("FROM")->required();
  for (CLI::App* verb : {command.move, command.lead}) {
    verb->add_option("to", command.to, "The node that gets it.")->type_name("TO")->required();
  }
  command.move_slots = add("move-slots", "Move slots to a shard while clients go on.");
  command.move_slots->add_option("slots", command.slots, "A slot or a range of them.")
      ->type_name("FIRST[-LAST]")
      ->required();
  command.move_slots->add_option("shard", command.shard, "The shard that gets them.")->type_name("SHARD")->required();
  command.cancel_move = add("cancel-move", "Leave slots that are on their way where they are.");
  command.cancel_move->add_option("move", command.move_id, "The move's number; see the status.")
      ->type_name("MOVE")
      ->required();
  command.rebalance = add("rebalance", "Move slots so that each shard has as many as the others.");
  for (CLI::App* verb : {command.move_slots, command.rebalance}) {
    verb->add_flag("--no-wait", command.no_wait, "Begin, and do not wait until it is done.");
  }
}

ClusterCommands::~ClusterCommands() = default;

bool ClusterCommands::is_asked() const {
  for (const CLI::App* verb : command_->verbs()) {
    if (*verb) return true;
  }
  return false;
}

const std::string& ClusterCommands::address() const { return command_->address; }

int ClusterCommands::run(Target target) {
  return run_on_env([this, &target](env::Env& env) { return command_->run(env, target); });
}

}  // namespace keelson::cli
