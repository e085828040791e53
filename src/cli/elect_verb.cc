#include "cli/elect_verb.h"

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <utility>

#include "cli/elect.h"
#include "cli/run_env.h"

namespace keelson::cli {

struct ElectCommand::Words {
  CLI::App* verb = nullptr;
  ElectOptions options;
  std::optional<double> grace_s;
};

ElectCommand::ElectCommand(CLI::App& program, const std::function<void(CLI::App&)>& add_target_flags)
    : words_(std::make_unique<Words>()) {
  Words& words = *words_;
  ElectOptions& options = words.options;
  options.target.endpoints = {"127.0.0.1:2379"};
  words.verb = program.add_subcommand(
      "elect",
      "Run a command while this server is the elected one of a name. The command gets KEELSON_ELECT_TOKEN, the fencing "
      "token; it is ended before another server can be elected.");
  CLI::App& verb = *words.verb;
  verb.add_option("--endpoints", options.target.endpoints,
                  "Where the coordination service listens (etcd.listen), several with commas between.")
      ->type_name("HOST:PORT")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->default_str("127.0.0.1:2379");
  verb.add_option("--ttl", options.ttl_s, "Seconds without a word from this server after which another one is elected.")
      ->type_name("SECONDS")
      ->default_str("10");
  verb.add_option(
          "--grace", words.grace_s,
          "Seconds between SIGTERM and SIGKILL for the command; at most half of --ttl. Three tenths of it unless "
          "told.")
      ->type_name("SECONDS");
  verb.add_option("--value", options.value, "What others see of the leader. Host and process unless told.")
      ->type_name("TEXT");
  verb.add_option("--user", options.target.user, "User name, where authentication is on.")->type_name("NAME");
  add_target_flags(verb);
  verb.add_flag("-q,--quiet", options.quiet, "Say nothing of candidacy and election.");
  verb.add_option("name", options.name, "The election's name; candidates of one name exclude each other.")
      ->required()
      ->type_name("NAME");
  verb.add_option("command", options.command, "The command, behind --.")->required()->type_name("-- COMMAND...");
}

ElectCommand::~ElectCommand() = default;

bool ElectCommand::is_asked() const { return words_->verb->parsed(); }

int ElectCommand::run(Target target) {
  ElectOptions options = words_->options;
  options.target.password = target.password;
  options.target.tls = std::move(target);
  if (const std::optional<double> grace_s = words_->grace_s) {
    if (!(*grace_s >= 0 && *grace_s <= static_cast<double>(kTtlMostS))) {
      complain("elect: --grace is 0 seconds or more, and at most half of --ttl");
      return kExitUsage;
    }
    options.grace_ms = static_cast<int64_t>(*grace_s * 1000);
  }
  return elect(std::move(options));
}

}  // namespace keelson::cli
