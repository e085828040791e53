#include "server/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>

#include "cli/backup.h"
#include "cli/blob.h"
#include "cli/blob_keys.h"
#include "cli/cluster.h"
#include "cli/config_verbs.h"
#include "cli/elect_verb.h"
#include "cli/prompt.h"
#include "cli/run_env.h"
#include "cli/topic.h"
#include "env/disk.h"
#include "server/blob_fsck.h"
#include "server/log_verbs.h"
#include "server/node.h"
#include "server/restore.h"
#include "server/serve.h"
#include "server/settings.h"

namespace keelson::server {

namespace {

// The settings of one verb's command line.
struct SettingFlags {
  std::string config_file;
  std::vector<std::unique_ptr<std::string>> values;
  std::vector<CLI::Option*> options;
};

std::string value_name(const SettingSpec& spec) {
  switch (spec.type) {
    case SettingType::kPath:
      return "PATH";
    case SettingType::kBool:
      return "yes|no";
    case SettingType::kInteger:
      return "NUMBER";
    case SettingType::kBytes:
      return "SIZE";
    case SettingType::kDuration:
      return "TIME";
    case SettingType::kChoice:
      return std::string(spec.choices);
    case SettingType::kAddresses:
      return "ADDRESS";
    default:
      return "TEXT";
  }
}

void add_setting_flags(CLI::App& verb, SettingFlags& flags) {
  verb.add_option("-c,--config", flags.config_file,
                  "TOML file with settings; `keelson config default` prints one. Or KEELSON_CONFIG.")
      ->type_name("FILE");
  for (const SettingSpec& spec : setting_table()) {
    flags.values.push_back(std::make_unique<std::string>());
    CLI::Option* option =
        verb.add_option("--" + std::string(spec.key), *flags.values.back(), std::string(spec.description));
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)->type_name(value_name(spec));
    const size_t dot = spec.key.rfind('.');
    option->group(dot == std::string_view::npos ? "The node" : "[" + std::string(spec.key.substr(0, dot)) + "]");
    if (!spec.default_text.empty()) option->default_str(std::string(spec.default_text));
    flags.options.push_back(option);
  }
}

bool gather(const SettingFlags& flags, SettingSources& sources) {
  sources.variables = environment_variables();
  std::string file = flags.config_file;
  for (const auto& [name, value] : sources.variables) {
    if (file.empty() && name == kConfigVariable) file = value;
  }
  if (!read_config_file(file, sources)) return false;
  for (size_t i = 0; i < flags.options.size(); ++i) {
    if (flags.options[i]->count() != 0) sources.flags.emplace_back(setting_table()[i].key, *flags.values[i]);
  }
  return true;
}

// How a verb reaches a server.
struct TargetFlags {
  cli::Target target;
  std::string password_file;
};

void add_target_flags(CLI::App& verb, TargetFlags& flags) {
  verb.add_option("--password-file", flags.password_file,
                  "File with the password on its first line. Or KEELSON_PASSWORD.")
      ->type_name("FILE");
  verb.add_flag("--tls", flags.target.tls, "Speak TLS.");
  verb.add_option("--cacert", flags.target.ca_file, "PEM file with the CA to trust, instead of the machine's.")
      ->type_name("FILE");
  verb.add_option("--cert", flags.target.certificate_file, "PEM file with a certificate to show.")->type_name("FILE");
  verb.add_option("--key", flags.target.key_file, "PEM file with its key.")->type_name("FILE");
  verb.add_option("--sni", flags.target.server_name, "Name that the server's certificate must carry.")
      ->type_name("NAME");
  verb.add_flag("--insecure", flags.target.insecure, "Do not check the server's certificate.");
}

// False: a line on standard error says why.
bool take_password(TargetFlags& flags) {
  if (const char* password = std::getenv(std::string(kPasswordVariable).c_str())) {
    if (flags.target.password.empty()) flags.target.password = password;
  }
  if (flags.password_file.empty()) return true;
  SettingSources source;
  if (!read_config_file(flags.password_file, source)) return false;
  flags.target.password = source.file_text.substr(0, source.file_text.find_first_of("\r\n"));
  return true;
}

struct PromptFlags {
  TargetFlags to;
  cli::PromptOptions options;
  std::string host = "127.0.0.1";
  uint16_t port = 6379;
  std::string socket;
  bool resp2 = false;
};

void add_prompt_flags(CLI::App& verb, PromptFlags& flags) {
  verb.set_help_flag("--help", "Show this.");
  verb.add_option("-h,--host", flags.host, "Numeric address of the server.")
      ->type_name("ADDRESS")
      ->default_str("127.0.0.1");
  verb.add_option("-p,--port", flags.port, "Its port.")->type_name("PORT")->default_str("6379");
  verb.add_option("-s,--socket", flags.socket, "Its Unix socket, instead of host and port.")->type_name("PATH");
  verb.add_option("-n,--database", flags.options.database, "Number of the database.")
      ->type_name("NUMBER")
      ->default_str("0");
  verb.add_option("-a,--password", flags.to.target.password,
                  "Password. Others on this machine can see it; see --password-file.")
      ->type_name("TEXT");
  verb.add_option("-u,--user", flags.options.user, "User name.")->type_name("NAME")->default_str("default");
  add_target_flags(verb, flags.to);
  verb.add_flag("-2", flags.resp2, "Speak RESP2.");
  verb.add_flag("-x", flags.options.last_argument_from_input, "Take the last argument from standard input.");
  verb.add_option("-r,--repeat", flags.options.repeat, "Run the command so many times.")
      ->type_name("COUNT")
      ->default_str("1");
  verb.add_option("-i,--interval", flags.options.interval_s, "Seconds between repeats.")
      ->type_name("SECONDS")
      ->default_str("0");
  verb.add_flag("--raw", flags.options.raw, "Show replies as they are; so it is done where the output is no terminal.");
  verb.add_flag("--no-raw", flags.options.pretty, "Show replies for people, wherever they go.");
  verb.prefix_command();
}

int run_prompt(PromptFlags& flags, std::vector<std::string> command) {
  if (!take_password(flags.to)) return cli::kExitUsage;
  flags.options.target = flags.to.target;
  const bool is_v6 = flags.host.find(':') != std::string::npos && !flags.host.starts_with('[');
  flags.options.target.address = !flags.socket.empty()
                                     ? "unix:" + flags.socket
                                     : (is_v6 ? "[" + flags.host + "]" : flags.host) + ":" + std::to_string(flags.port);
  flags.options.resp3 = !flags.resp2;
  if (!command.empty() && command.front() == "--") command.erase(command.begin());
  flags.options.command = std::move(command);
  return cli::prompt(std::move(flags.options));
}

// Every verb with its flags. Lives as long as the arguments are worked on.
struct CommandLine {
  CLI::App app{"Keelson: keys and values for Redis clients, in one program.", "keelson"};
  SettingFlags serve_flags, check_flags;
  std::string ready_file, shell, executable, join;
  bool is_founding = false;
  PromptFlags prompt;
  TargetFlags backup_to;
  TargetFlags keys_to;
  TargetFlags elect_to;
  TargetFlags config_to;
  TargetFlags cluster_to;
  TargetFlags topic_to;
  cli::BackupOptions backup;
  RestoreOptions restore;
  LogVerbOptions log;
  FsckOptions fsck;
  CLI::App *serve_verb = nullptr, *config_check = nullptr, *config_default = nullptr, *config_docs = nullptr,
           *log_inspect = nullptr, *log_verify = nullptr, *backup_verb = nullptr, *restore_verb = nullptr,
           *prompt_verb = nullptr, *completion = nullptr, *man = nullptr, *version = nullptr, *blob_fsck = nullptr;
  std::unique_ptr<cli::BlobCommands> blob;
  std::unique_ptr<cli::BlobKeysCommands> blob_keys;
  std::unique_ptr<cli::ElectCommand> elect;
  std::unique_ptr<cli::ConfigCommands> config;
  std::unique_ptr<cli::ClusterCommands> cluster;
  std::unique_ptr<cli::TopicCommands> topic;

  CommandLine();
  void add_config_verbs();
  void add_log_verbs();
  void add_backup_verbs();
  void add_fsck_verb();
  int run();
};

CommandLine::CommandLine() {
  app.set_version_flag("-V,--version", "keelson " + std::string(kVersion), "Show the version.");
  app.require_subcommand(1);
  app.failure_message(CLI::FailureMessage::simple);
  serve_verb = app.add_subcommand("serve", "Serve. Every setting is a flag; see also `keelson config default`.");
  add_setting_flags(*serve_verb, serve_flags);
  serve_verb->add_option("--ready-file", ready_file, "File that tells the ports as JSON, once it serves.")
      ->type_name("FILE");
  serve_verb->add_option("--join", join, "Join the cluster that these nodes belong to: --cluster.join for short.")
      ->type_name("ADDRESS");
  serve_verb->add_flag("--cluster-init", is_founding, "Found a cluster: --cluster.init yes for short.");
  add_config_verbs();
  prompt_verb = app.add_subcommand(
      "cli", "Send commands to a kv server: a prompt, one command, or commands from standard input.");
  add_prompt_flags(*prompt_verb, prompt);
  blob = std::make_unique<cli::BlobCommands>(app);
  blob_keys = std::make_unique<cli::BlobKeysCommands>(blob->blob(),
                                                      [this](CLI::App& verb) { add_target_flags(verb, keys_to); });
  topic = std::make_unique<cli::TopicCommands>(app, [this](CLI::App& verb) { add_target_flags(verb, topic_to); });
  cluster = std::make_unique<cli::ClusterCommands>(app, [this](CLI::App& verb) { add_target_flags(verb, cluster_to); });
  add_fsck_verb();
  elect = std::make_unique<cli::ElectCommand>(app, [this](CLI::App& verb) { add_target_flags(verb, elect_to); });
  add_backup_verbs();
  add_log_verbs();
  completion = app.add_subcommand("completion", "Print the completion script of a shell.");
  completion->add_option("shell", shell, "bash, zsh or fish.")
      ->required()
      ->type_name("SHELL")
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  man = app.add_subcommand("man", "Print the manual page (keelson man | man -l -).");
  version = app.add_subcommand("version", "Print the version.");
}

void CommandLine::add_config_verbs() {
  CLI::App* config_verb =
      app.add_subcommand("config", "Check settings, print the default file, or change settings of running servers.");
  config_verb->require_subcommand(1);
  config = std::make_unique<cli::ConfigCommands>(*config_verb,
                                                 [this](CLI::App& verb) { add_target_flags(verb, config_to); });
  config_check = config_verb->add_subcommand(
      "check", "Say whether a server would start with these settings; errors name file, line and key.");
  add_setting_flags(*config_check, check_flags);
  config_default =
      config_verb->add_subcommand("default", "Print a file with every setting, its default and what it does.");
  config_docs = config_verb->add_subcommand("docs", "Print the settings as tables in Markdown.");
}

void CommandLine::add_backup_verbs() {
  backup_verb = app.add_subcommand("backup", "Take a backup of a running server into a file.");
  backup.target.address = "127.0.0.1:8080";
  backup_verb->add_option("--http", backup.target.address, "HTTP address of the server (http.listen).")
      ->type_name("ADDRESS")
      ->default_str("127.0.0.1:8080");
  add_target_flags(*backup_verb, backup_to);
  backup_verb->add_flag("-q,--quiet", backup.quiet, "Show no progress.");
  backup_verb->add_option("file", backup.file, "Where it goes; - is standard output.")->required()->type_name("FILE");
  restore_verb = app.add_subcommand("restore", "Make a data folder from a backup.");
  restore_verb->add_option("--data-dir", restore.data_dir, "The folder; new or empty.")->required()->type_name("PATH");
  restore_verb->add_flag("-q,--quiet", restore.quiet, "Show no progress.");
  restore_verb->add_option("file", restore.file, "The backup.")->required()->type_name("FILE");
}

void CommandLine::add_log_verbs() {
  CLI::App* log_verb = app.add_subcommand("log", "Look at the log and the checkpoints of a stopped server.");
  log_verb->require_subcommand(1);
  log.data_dir = "data";
  log_inspect = log_verb->add_subcommand("inspect", "Say what is there.");
  log_inspect->add_flag("--records", log.with_records, "A line for each record.");
  log_verify =
      log_verb->add_subcommand("verify", "Read everything and check every CRC; exit code 1 if something is damaged.");
  for (CLI::App* verb : {log_inspect, log_verify}) {
    verb->add_option("--data-dir", log.data_dir, "The data folder.")->type_name("PATH")->default_str("data");
  }
}

void CommandLine::add_fsck_verb() {
  blob_fsck = blob->blob().add_subcommand(
      "fsck",
      "Read and check every object in the data folder of a stopped server; exit code 1 if something is damaged.");
  fsck.data_dir = "data";
  blob_fsck->add_option("--data-dir", fsck.data_dir, "The data folder.")->type_name("PATH")->default_str("data");
  blob_fsck->add_flag("-q,--quiet", fsck.quiet, "Show no progress.");
}

int CommandLine::run() {
  SettingSources sources;
  if (*serve_verb) {
    if (!gather(serve_flags, sources)) return cli::kExitUsage;
    if (!join.empty()) sources.flags.emplace_back("cluster.join", join);
    if (is_founding) sources.flags.emplace_back("cluster.init", "yes");
    return serve({std::move(sources), ready_file, executable});
  }
  if (*config_check) return gather(check_flags, sources) ? check_config(sources) : cli::kExitUsage;
  if (*prompt_verb) return run_prompt(prompt, prompt_verb->remaining());
  if (*backup_verb) {
    if (!take_password(backup_to)) return cli::kExitUsage;
    const std::string address = backup.target.address;
    backup.target = backup_to.target;
    backup.target.address = address;
    return cli::backup(std::move(backup));
  }
  if (*restore_verb) return server::restore(std::move(restore));
  if (*log_inspect) return server::log_inspect(std::move(log));
  if (*log_verify) return server::log_verify(std::move(log));
  if (*blob_fsck) return server::blob_fsck(std::move(fsck));
  if (blob_keys->is_asked()) {
    if (!take_password(keys_to)) return cli::kExitUsage;
    keys_to.target.address = blob_keys->address();
    return blob_keys->run(keys_to.target);
  }
  if (config->is_asked()) {
    if (!take_password(config_to)) return cli::kExitUsage;
    return config->run(config_to.target);
  }
  if (elect->is_asked()) {
    if (!take_password(elect_to)) return cli::kExitUsage;
    return elect->run(elect_to.target);
  }
  if (cluster->is_asked()) {
    if (!take_password(cluster_to)) return cli::kExitUsage;
    cluster_to.target.address = cluster->address();
    return cluster->run(cluster_to.target);
  }
  if (topic->is_asked()) {
    if (!take_password(topic_to)) return cli::kExitUsage;
    return topic->run(topic_to.target);
  }
  if (const std::optional<int> code = blob->run()) return *code;
  std::string text;
  if (*config_default) text = default_settings_file();
  if (*config_docs) text = settings_markdown();
  if (*completion) text = shell_completion(shell);
  if (*man) text = man_page();
  if (*version) text = "keelson " + std::string(kVersion) + "\n";
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0 ? cli::kExitGood
                                                                                                     : cli::kExitBad;
}

void add_verb_texts(const CLI::App& verb, const std::string& prefix, std::vector<VerbText>& texts) {
  const std::vector<const CLI::App*> inner = verb.get_subcommands({});
  const std::string name = prefix.empty() ? verb.get_name() : prefix + " " + verb.get_name();
  if (inner.empty()) {
    VerbText text{.name = name, .usage = "", .description = verb.get_description(), .flags = {}};
    for (const CLI::Option* option : verb.get_options()) {
      const std::string flags = option->get_name(false, true);
      if (option->get_positional() || !flags.starts_with('-')) {
        // CLI11 shows a check behind the name: "SHELL:{bash,...}".
        const std::string type = option->get_type_name();
        text.usage.append(" ").append(type.substr(0, type.find(":{")));
        continue;
      }
      const bool is_switch = option->get_expected_max() == 0;
      text.flags.push_back(
          {flags, is_switch ? "" : option->get_type_name(), option->get_group(), option->get_description()});
    }
    texts.push_back(std::move(text));
  }
  for (const CLI::App* one : inner) add_verb_texts(*one, name, texts);
}

// A sentence if the first word, or the second of a verb with verbs of its own, is none; else empty.
std::string unknown_verb(const CLI::App& app, int argc, char** argv) {
  const CLI::App* verb = &app;
  std::string path = "keelson";
  for (int i = 1; i < argc && !verb->get_subcommands({}).empty(); ++i) {
    const std::string word = argv[i];
    if (word.starts_with('-')) return {};
    std::string known;
    const CLI::App* next = nullptr;
    for (const CLI::App* one : verb->get_subcommands({})) {
      if (one->get_name() == word) next = one;
      known.append(known.empty() ? "" : ", ").append(one->get_name());
    }
    if (next == nullptr) return "`" + path + "` has no verb \"" + word + "\"; it has " + known;
    verb = next;
    path.append(" ").append(word);
  }
  return {};
}

// Names the flag that does not exist, with the setting that was probably meant.
std::string unknown_argument(int argc, char** argv, const std::string& otherwise) {
  for (int i = 2; i < argc; ++i) {
    const std::string word = argv[i];
    const std::string name = word.substr(0, word.find('='));
    const bool is_setting_verb = std::string(argv[1]) == "serve" || std::string(argv[1]) == "config";
    if (!is_setting_verb || !name.starts_with("--") || name.size() < 3) continue;
    if (name != "--config" && name != "--ready-file" && name != "--help" && name != "--join" &&
        name != "--cluster-init" && find_setting(name.substr(2)) == nullptr) {
      return name + ": " + unknown_setting(name.substr(2));
    }
  }
  return otherwise;
}

}  // namespace

std::vector<VerbText> verb_texts() {
  const CommandLine line;
  std::vector<VerbText> texts;
  for (const CLI::App* verb : line.app.get_subcommands({})) add_verb_texts(*verb, "", texts);
  return texts;
}

int run_command_line(int argc, char** argv) {
  CommandLine line;
  line.executable = argv[0];
  if (argc == 1) {
    std::printf("%s", line.app.help().c_str());
    return cli::kExitUsage;
  }
  if (const std::string why = unknown_verb(line.app, argc, argv); !why.empty()) {
    cli::complain(why);
    return cli::kExitUsage;
  }
  try {
    line.app.parse(argc, argv);
  } catch (const CLI::ExtrasError& error) {
    cli::complain(unknown_argument(argc, argv, error.what()));
    return cli::kExitUsage;
  } catch (const CLI::ParseError& error) {  // CLI11 says --help in this way too
    const int code = line.app.exit(error);
    return code == 0 ? cli::kExitGood : cli::kExitUsage;
  }
  return line.run();
}

}  // namespace keelson::server
