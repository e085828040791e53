#include "cli/topic.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <string>
#include <utility>

#include "cli/blob_stdio.h"
#include "cli/blob_transfer.h"
#include "cli/run_env.h"
#include "cli/topic_verbs.h"

namespace keelson::cli {

namespace {

constexpr const char* kFromText =
    "Where to begin: earliest, latest, an offset, @MILLISECONDS since 1970, or a time ago such as 15m or 7d.";

Task<Status> work_on(env::Env& env, const TopicOptions& options) {
  Result<std::unique_ptr<TopicClient>> client = co_await TopicClient::open(env, options.login);
  if (!client.ok()) co_return forward_error(client);
  const std::unique_ptr<BlobInput> input = standard_input(env);
  Progress progress(env.clock(), options.quiet);
  co_return co_await run_topic_verb(
      {.env = env, .client = **client, .options = options, .input = *input, .progress = progress});
}

Task<int> work(env::Env& env, const TopicOptions& options) {
  Status done = co_await work_on(env, options);
  if (std::fflush(stdout) != 0 && done.ok()) done = fail(env::NetErrc::kInvalid, "cannot write to standard output");
  if (done.ok()) co_return kExitGood;
  complain("topic: " + done.error().message());
  co_return done.error().code() == TopicClientErrc::kUsage ? kExitUsage : kExitBad;
}

}  // namespace

// One verb on the command line.
struct TopicCommands::Command {
  CLI::App* app = nullptr;
  TopicOptions options;
  std::string address = "127.0.0.1:9092";
  std::vector<std::string> set, unset;
  std::string codec = "none";

  // Texts into values; kUsage.
  Status read();
};

Status TopicCommands::Command::read() {
  for (const std::string& pair : set) {
    const size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0) {
      return fail(TopicClientErrc::kUsage, "--set is NAME=VALUE, such as retention.ms=3600000");
    }
    options.settings.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
  }
  if (options.is_raw && options.is_base64) {
    return fail(TopicClientErrc::kUsage, "--raw takes values as they stand, --base64 as base64: one of the two");
  }
  for (const std::string& name : unset) options.settings.emplace_back(name, std::nullopt);
  static const std::map<std::string, topic::Codec, std::less<>> kCodecs{{"none", topic::Codec::kNone},
                                                                        {"gzip", topic::Codec::kGzip},
                                                                        {"snappy", topic::Codec::kSnappy},
                                                                        {"lz4", topic::Codec::kLz4},
                                                                        {"zstd", topic::Codec::kZstd}};
  options.codec = kCodecs.at(codec);
  return {};
}

TopicCommands::TopicCommands(CLI::App& program, const std::function<void(CLI::App&)>& add_target_flags)
    : topic_(program.add_subcommand("topic",
                                    "Topics, over Kafka's protocol: make them, send and read messages, look "
                                    "at consumer groups.")),
      add_target_flags_(add_target_flags) {
  topic_->require_subcommand(1);
  add_admin_verbs();
  add_message_verbs();
  add_group_verbs();
}

TopicCommands::~TopicCommands() = default;

TopicCommands::Command& TopicCommands::add(const char* name, const char* description) {
  commands_.push_back(std::make_unique<Command>());
  Command& command = *commands_.back();
  command.app = topic_->add_subcommand(name, description);
  command.app
      ->add_option("-s,--server", command.address, "Where Kafka's protocol is spoken (kafka.listen); or Apache Kafka.")
      ->type_name("HOST:PORT")
      ->default_str("127.0.0.1:9092");
  command.app->add_option("-u,--user", command.options.login.user, "User name, where users sign in (SASL PLAIN).")
      ->type_name("NAME");
  add_target_flags_(*command.app);
  return command;
}

void TopicCommands::add_admin_verbs() {
  const auto name_of = [](Command& command) {
    command.app->add_option("topic", command.options.topic, "The topic.")->required()->type_name("TOPIC");
  };
  const auto set_of = [](Command& command, const char* text) {
    command.app->add_option("--set", command.set, text)->type_name("NAME=VALUE")->allow_extra_args(false);
  };
  const auto json_of = [](Command& command) {
    command.app->add_flag("--json", command.options.as_json, "As JSON, a line for each.");
  };
  Command& create = add("create", "Make a topic.");
  create.options.verb = TopicVerb::kCreate;
  create.app->add_option("-p,--partitions", create.options.partitions, "So many; the server's default unless told.")
      ->type_name("NUMBER");
  set_of(create, "A setting of the topic, such as retention.ms=3600000 or cleanup.policy=compact.");
  create.app->add_flag("--if-not-exists", create.options.if_not_exists, "One that is there already is no error.");
  name_of(create);

  Command& list = add("list", "List the topics.");
  list.options.verb = TopicVerb::kList;
  json_of(list);

  Command& describe = add("describe", "Show a topic's own settings, and how far its partitions reach.");
  describe.options.verb = TopicVerb::kDescribe;
  json_of(describe);
  name_of(describe);

  Command& remove = add("delete", "Delete a topic with all its messages.");
  remove.options.verb = TopicVerb::kDelete;
  remove.app->add_flag("--if-exists", remove.options.if_exists, "One that is not there is no error.");
  name_of(remove);

  Command& alter = add("alter", "Change a topic's settings, or give it more partitions.");
  alter.options.verb = TopicVerb::kAlter;
  alter.app->add_option("-p,--partitions", alter.options.partitions, "So many from now on; never fewer.")
      ->type_name("NUMBER");
  set_of(alter, "Set this.");
  alter.app->add_option("--unset", alter.unset, "Back to the default.")->type_name("NAME")->allow_extra_args(false);
  name_of(alter);
}

void TopicCommands::add_message_verbs() {
  const auto common = [](Command& command) {
    command.app->add_option("--partition", command.options.partition, "This partition alone.")->type_name("NUMBER");
    command.app->add_flag("--base64", command.options.is_base64, "Keys, values and headers are base64.");
    command.app->add_flag("-q,--quiet", command.options.quiet, "Show no progress.");
    command.app->add_option("topic", command.options.topic, "The topic.")->required()->type_name("TOPIC");
  };
  const auto reading = [](Command& command) {
    command.app->add_option("--from", command.options.from, kFromText)->type_name("PLACE");
    command.app->add_option("-n,--count", command.options.count_max, "At most so many messages.")->type_name("NUMBER");
    command.app
        ->add_option("-g,--group", command.options.group,
                     "Go on where this group stands, and commit how far it went. The group must have no members.")
        ->type_name("NAME");
  };
  Command& produce = add("produce",
                         "Send messages: lines of JSON from standard input, such as "
                         "{\"key\":\"a\",\"value\":\"b\",\"headers\":{\"c\":\"d\"}}. Each is acknowledged.");
  produce.options.verb = TopicVerb::kProduce;
  produce.app->add_flag("--raw", produce.options.is_raw, "Each line is a value as it stands.");
  produce.app->add_option("-k,--message-key", produce.options.key, "The key of those that have none.")
      ->type_name("TEXT");
  produce.app->add_option("--compression", produce.codec, "How batches are compressed.")
      ->type_name("CODEC")
      ->default_str("none")
      ->check(CLI::IsMember({"none", "gzip", "snappy", "lz4", "zstd"}));
  common(produce);

  Command& consume = add("consume", "Print messages as lines of JSON: what is there, from the beginning unless told.");
  consume.options.verb = TopicVerb::kConsume;
  consume.app->add_flag("-f,--follow", consume.options.follow,
                        "Go on with what comes; begins with that, unless --from or --group tells otherwise.");
  consume.app->add_flag("--raw", consume.options.is_raw, "Values alone, a line for each.");
  consume.app->add_flag("!--uncommitted", consume.options.read_committed,
                        "Also messages of transactions that are open or were aborted.");
  reading(consume);
  common(consume);

  Command& dead =
      add("dead-letters",
          "Print the messages of a dead-letter topic that Pub/Sub subscriptions gave up; or send them again.");
  dead.options.verb = TopicVerb::kDeadLetters;
  dead.app->add_option("--resend", dead.options.resend_to, "Send each to this topic, as it was, instead.")
      ->type_name("TOPIC");
  reading(dead);
  common(dead);
}

void TopicCommands::add_group_verbs() {
  Command& groups = add("groups", "List consumer groups with their lag; or show one, partition by partition.");
  groups.options.verb = TopicVerb::kGroups;
  groups.app->add_flag("--json", groups.options.as_json, "As JSON, a line for each.");
  groups.app->add_option("group", groups.options.group, "The group.")->type_name("GROUP");

  Command& seek = add("seek", "Set where a group goes on with a topic. The group must have no members.");
  seek.options.verb = TopicVerb::kSeek;
  seek.app->add_option("--to", seek.options.from, kFromText)->required()->type_name("PLACE");
  seek.app->add_option("--partition", seek.options.partition, "This partition alone.")->type_name("NUMBER");
  seek.app->add_flag("-q,--quiet", seek.options.quiet, "Do not print where it stands then.");
  seek.app->add_option("group", seek.options.group, "The group.")->required()->type_name("GROUP");
  seek.app->add_option("topic", seek.options.topic, "The topic.")->required()->type_name("TOPIC");
}

bool TopicCommands::is_asked() const { return topic_->parsed(); }

int TopicCommands::run(Target target) {
  for (const std::unique_ptr<Command>& command : commands_) {
    if (!command->app->parsed()) continue;
    if (Status good = command->read(); !good.ok()) {
      complain("topic: " + good.error().message());
      return kExitUsage;
    }
    target.address = command->address;
    command->options.login.target = std::move(target);
    return run_on_env([&](env::Env& env) { return work(env, command->options); });
  }
  return kExitUsage;
}

}  // namespace keelson::cli
