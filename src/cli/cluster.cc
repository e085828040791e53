#include "cli/cluster.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <utility>

#include "cli/coord_client.h"
#include "cli/run_env.h"
#include "env/env.h"
#include "net/http/client.h"
#include "net/http/url.h"
#include "protocol/s3/digest.h"

namespace keelson::cli {

namespace {

constexpr std::string_view kPath = "/admin/cluster";
// A status of a thousand nodes and shards.
constexpr size_t kAnswerBytesMax = 16 << 20;

}  // namespace

struct ClusterCommands::Command {
  CLI::App *init = nullptr, *status = nullptr, *add = nullptr, *remove = nullptr, *drain = nullptr, *activate = nullptr,
           *move = nullptr, *lead = nullptr, *rebalance = nullptr;
  std::string address = "127.0.0.1:8080";
  std::string new_node;
  std::string node, shard, from, to;
  std::string slots;
  bool json = false;

  [[nodiscard]] std::vector<CLI::App*> verbs() const {
    return {init, status, add, remove, drain, activate, move, lead, rebalance};
  }
  Task<Result<std::string>> ask(env::Env& env, Target target, std::string method, std::string path) const;
  Task<Result<std::string>> add_node(env::Env& env, Target target) const;
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
    request.fields.add("Authorization", "Basic " + s3::to_base64("keelson:" + target.password));
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

Task<Result<std::string>> ClusterCommands::Command::work(env::Env& env, Target target) const {
  const auto word = [](const std::string& given) { return net::http::percent_encode(given, false); };
  if (*init) co_return co_await ask(env, std::move(target), "POST", "/init");
  if (*status) co_return co_await ask(env, std::move(target), "GET", json ? "?format=json" : "");
  if (*add) co_return co_await add_node(env, std::move(target));
  if (*remove) co_return co_await ask(env, std::move(target), "POST", "/node?state=removed&id=" + word(node));
  if (*drain) co_return co_await ask(env, std::move(target), "POST", "/node?state=draining&id=" + word(node));
  if (*activate) co_return co_await ask(env, std::move(target), "POST", "/node?state=active&id=" + word(node));
  if (*move && !slots.empty()) {
    co_return fail(net::http::HttpErrc::kMalformed,
                   "slots are not moved between shards yet: not supported; without --slots a shard's replica moves");
  }
  if (*move) {
    co_return co_await ask(env, std::move(target), "POST",
                           "/move?shard=" + word(shard) + "&from=" + word(from) + "&to=" + word(to));
  }
  if (*lead) co_return co_await ask(env, std::move(target), "POST", "/lead?shard=" + word(shard) + "&to=" + word(to));
  co_return co_await ask(env, std::move(target), "POST", "/rebalance");
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
  CLI::App& cluster = *app.add_subcommand("cluster", "The nodes of a cluster: see them, add, drain and remove them.");
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
  command.move->add_option("--slots", command.slots, "Not supported yet: slots stay with their shard.")
      ->type_name("FIRST-LAST");
  command.rebalance = add("rebalance", "Look after the placement now; the cluster does so all the time.");
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
