#include "cli/blob.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "base/check.h"
#include "cli/blob_errors.h"
#include "cli/blob_settings.h"
#include "cli/blob_stdio.h"
#include "cli/blob_verbs.h"
#include "cli/run_env.h"
#include "env/disk.h"

namespace keelson::cli {

namespace {

constexpr uint64_t kSecretFileBytesMax = 4096;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

bool is_stream_output(const BlobOptions& options, const std::string& to) {
  return options.verb == BlobVerb::kCp && to == "-";
}

}  // namespace

// One verb on the command line.
struct BlobCommands::Command {
  CLI::App* app = nullptr;
  BlobConnectionFlags connection;
  BlobOptions options;
  std::string from, to, place;  // as the verb has them
  std::string part_size;
  std::string expires;
  std::vector<std::string> metadata;
  bool quiet = false;
  bool no_resume = false;

  // Texts into values. BlobErrc::kUsage.
  Status read();
  Task<int> work(env::Env& env);
  Task<Status> work_on(env::Env& env, BlobConsole& console);
};

Status BlobCommands::Command::read() {
  TransferOptions& transfer = options.transfer;
  transfer.resume = !no_resume;
  for (const std::string* text : {&from, &to, &place}) {
    if (!text->empty()) options.places.push_back(*text);
  }
  if (!part_size.empty()) {
    const auto bytes = parse_size(part_size);
    if (!bytes || *bytes < kPartBytesMin || *bytes > kPartBytesMax) {
      return fail(BlobErrc::kUsage, "--part-size is a size from 5MiB to 5GiB, such as 16MiB");
    }
    transfer.part_bytes = *bytes;
  }
  if (!expires.empty()) {
    const auto seconds = parse_seconds(expires);
    if (!seconds) return fail(BlobErrc::kUsage, "--expires is a time such as 90s, 15m, 12h or 7d");
    options.expires_s = *seconds;
  }
  for (const std::string& pair : metadata) {
    const size_t equals = pair.find('=');
    std::string name = pair.substr(0, equals);
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    const bool is_name =
        !name.empty() && name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.") == std::string::npos;
    if (equals == std::string::npos || !is_name) {
      return fail(BlobErrc::kUsage, "--metadata is NAME=VALUE, with a name of letters, digits, '-', '_' and '.'");
    }
    transfer.metadata.emplace_back(std::move(name), pair.substr(equals + 1));
  }
  for (const std::string* text : {&transfer.content_type, &transfer.cache_control, &transfer.storage_class}) {
    if (text->find_first_of("\r\n") != std::string::npos) return fail(BlobErrc::kUsage, "a header is one line");
  }
  for (const auto& [name, value] : transfer.metadata) {
    if (value.find_first_of("\r\n") != std::string::npos) return fail(BlobErrc::kUsage, "--metadata is one line");
  }
  return {};
}

Task<Status> BlobCommands::Command::work_on(env::Env& env, BlobConsole& console) {
  if (Status good = read(); !good.ok()) co_return good;
  std::string secret;
  if (!connection.secret_access_key_file.empty()) {
    Result<std::string> text = env::read_file(env.disk(), connection.secret_access_key_file, kSecretFileBytesMax);
    if (!text.ok()) co_return forward_error(text);
    secret = std::move(*text);
  }
  Result<BlobTarget> target = blob_target_of(connection, variable, secret);
  if (!target.ok()) co_return forward_error(target);
  Result<std::unique_ptr<BlobService>> service = BlobService::make(env, std::move(*target));
  if (!service.ok()) co_return forward_error(service);
  const std::unique_ptr<BlobInput> input = standard_input(env);
  const std::unique_ptr<BlobOutput> output = standard_output();
  BlobStage stage{
      .env = env, .service = **service, .options = options, .console = console, .input = *input, .output = *output};
  co_return co_await run_blob_verb(stage);
}

Task<int> BlobCommands::Command::work(env::Env& env) {
  const std::unique_ptr<BlobConsole> console =
      terminal_console(env, app->get_name(), quiet, is_stream_output(options, to));
  Status done = co_await work_on(env, *console);
  if (std::fflush(stdout) != 0 && done.ok()) done = fail(env::DiskErrc::kIo, "cannot write to standard output");
  if (done.ok()) co_return kExitGood;
  console->complain(done.error().message());
  co_return done.error().code() == BlobErrc::kUsage ? kExitUsage : kExitBad;
}

namespace {

void add_connection_flags(CLI::App& verb, BlobConnectionFlags& flags) {
  constexpr const char* kGroup = "The service";
  const auto option = [&](const char* name, std::string& value, const char* type, const char* text) {
    return verb.add_option(name, value, text)->type_name(type)->group(kGroup);
  };
  option("--endpoint", flags.endpoint, "URL",
         "The S3 service; http://127.0.0.1:9000 unless told. Or KEELSON_S3_ENDPOINT, AWS_ENDPOINT_URL.");
  option("--region", flags.region, "NAME", "Its region; us-east-1 unless told. Or KEELSON_S3_REGION, AWS_REGION.");
  option("--access-key-id", flags.access_key_id, "ID",
         "Which key signs. Or KEELSON_S3_ACCESS_KEY_ID, AWS_ACCESS_KEY_ID.");
  option("--secret-access-key", flags.secret_access_key, "TEXT",
         "Its secret. Others on this machine can see it: better KEELSON_S3_SECRET_ACCESS_KEY, AWS_SECRET_ACCESS_KEY.");
  option("--secret-access-key-file", flags.secret_access_key_file, "FILE", "File with the secret on its first line.");
  verb.add_flag("--no-sign", flags.anonymous, "Sign nothing: for what everybody may read.")->group(kGroup);
  option("--cacert", flags.tls.ca_file, "FILE", "PEM file with the CA to trust, instead of the machine's.");
  option("--cert", flags.tls.certificate_file, "FILE", "PEM file with a certificate to show.");
  option("--key", flags.tls.key_file, "FILE", "PEM file with its key.");
  verb.add_flag("--insecure", flags.insecure, "Do not check the server's certificate.")->group(kGroup);
  verb.add_option("--parallel", flags.parallel, "So many requests at a time.")
      ->type_name("NUMBER")
      ->default_str("8")
      ->group(kGroup);
}

void add_filter(CLI::App& verb, BlobOptions& options) {
  constexpr const char* kIncludeText =
      "Take the names that match (below the folder; * goes over slashes). The last pattern that matches decides; what "
      "none matches is taken, unless the first is an --include.";
  for (const bool is_include : {true, false}) {
    // Called as the words come, so that the order of both is kept.
    verb.add_option_function<std::string>(
            is_include ? "--include" : "--exclude",
            [&options, is_include](const std::string& pattern) { options.filter.add(is_include, pattern); },
            is_include ? kIncludeText : "Leave the names that match out.")
        ->type_name("PATTERN")
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)
        ->trigger_on_parse();
  }
}

void add_object_flags(CLI::App& verb, TransferOptions& options, std::vector<std::string>& metadata) {
  constexpr const char* kGroup = "New objects";
  verb.add_option("--content-type", options.content_type, "What it is; by the name's ending unless told.")
      ->type_name("TYPE")
      ->group(kGroup);
  verb.add_option("--cache-control", options.cache_control, "How long others may keep it.")
      ->type_name("TEXT")
      ->group(kGroup);
  verb.add_option("--metadata", metadata, "More about it; as often as needed.")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false)
      ->group(kGroup);
  verb.add_option("--storage-class", options.storage_class, "Where the service keeps it, in its own words.")
      ->type_name("NAME")
      ->group(kGroup);
}

}  // namespace

BlobCommands::BlobCommands(CLI::App& program)
    : blob_(program.add_subcommand("blob", "Copy, list and remove objects of an S3 service: Keelson's or any other.")) {
  blob_->require_subcommand(1);
  add_transfer_verbs();
  add_other_verbs();
}

BlobCommands::~BlobCommands() = default;

BlobCommands::Command& BlobCommands::add(const char* name, const char* description) {
  commands_.push_back(std::make_unique<Command>());
  Command& command = *commands_.back();
  command.app = blob_->add_subcommand(name, description);
  command.app->add_flag("-q,--quiet", command.quiet, "Show errors and results alone.");
  add_connection_flags(*command.app, command.connection);
  return command;
}

void BlobCommands::add_transfer_verbs() {
  Command& cp = add("cp",
                    "Copy a file to an object, an object to a file, or an object to another on the server; - is "
                    "standard input or output. Large ones go in parts, and go on where they were interrupted.");
  Command& sync = add("sync", "Make a folder of objects or files like another: only what differs is copied.");
  cp.options.verb = BlobVerb::kCp;
  sync.options.verb = BlobVerb::kSync;
  cp.app->add_flag("-r,--recursive", cp.options.recursive, "Everything below the folder.");
  cp.app->add_flag("-n,--no-clobber", cp.options.transfer.no_clobber, "Leave what is there already.");
  cp.app->add_option("--version-id", cp.options.transfer.version_id, "The version of the object to copy.")
      ->type_name("ID");
  sync.app->add_flag("--delete", sync.options.sync.deletes, "Remove from the target what the source does not have.");
  sync.app->add_flag("--checksum", sync.options.sync.by_content,
                     "Compare contents, where sizes are equal, instead of times.");
  sync.app->add_flag("--size-only", sync.options.sync.size_only, "Compare sizes alone.");
  for (Command* one : {&cp, &sync}) {
    add_filter(*one->app, one->options);
    one->app->add_flag("--dry-run", one->options.dry_run, "Say what would be done, and do nothing.");
    one->app
        ->add_option("--part-size", one->part_size,
                     "Size of parts: 5MiB to 5GiB; larger where there would be too many.")
        ->type_name("SIZE")
        ->default_str("8MiB");
    one->app->add_flag("--no-resume", one->no_resume, "Begin anew what was interrupted.");
    add_object_flags(*one->app, one->options.transfer, one->metadata);
    constexpr const char* kText = "A file, - or s3://bucket/key.";
    one->app->add_option("from", one->from, kText)->type_name("FROM")->required();
    one->app->add_option("to", one->to, kText)->type_name("TO")->required();
  }
}

void BlobCommands::add_other_verbs() {
  const auto simple = [this](const char* name, const char* text, BlobVerb verb, const char* type,
                             bool is_required) -> Command& {
    Command& command = add(name, text);
    command.options.verb = verb;
    command.app->add_option("place", command.place, "What is meant.")->type_name(type)->required(is_required);
    return command;
  };
  Command& ls = simple("ls", "List buckets, or the keys that begin so.", BlobVerb::kLs, "[s3://BUCKET/PREFIX]", false);
  Command& rm =
      simple("rm", "Remove an object, or with --recursive all below it.", BlobVerb::kRm, "s3://BUCKET/KEY", true);
  Command& du = simple("du", "Sum up sizes, by folder.", BlobVerb::kDu, "s3://BUCKET/FOLDER", true);
  Command& stat = simple("stat", "Show everything that is known about an object or bucket.", BlobVerb::kStat,
                         "s3://BUCKET/KEY", true);
  simple("mb", "Make a bucket.", BlobVerb::kMb, "s3://BUCKET", true);
  Command& rb = simple("rb", "Remove a bucket.", BlobVerb::kRb, "s3://BUCKET", true);
  Command& presign = simple("presign", "Print a URL that works without keys for a while.", BlobVerb::kPresign,
                            "s3://BUCKET/KEY", true);
  ls.app->add_flag("-r,--recursive", ls.options.recursive, "All keys, not folder by folder.");
  ls.app->add_flag("--versions", ls.options.versions, "Old versions and delete markers too; * is the current one.");
  ls.app->add_flag("--uploads", ls.options.uploads, "Uploads that are not completed.");
  du.app->add_flag("-s,--summarize", du.options.summarize, "The sum alone.");
  for (Command* one : {&ls, &du}) one->app->add_flag("--bytes", one->options.exact_bytes, "Sizes in bytes.");
  for (Command* one : {&ls, &du, &stat}) one->app->add_flag("--json", one->options.json, "A JSON object on each line.");
  rm.app->add_flag("-r,--recursive", rm.options.recursive, "Everything below the folder.");
  rm.app->add_flag("--versions", rm.options.versions, "All versions, for good; with --recursive.");
  rm.app->add_flag("--uploads", rm.options.uploads, "Uploads that are not completed, of the keys that begin so.");
  add_filter(*rm.app, rm.options);
  rb.app->add_flag("--force", rb.options.force, "Remove all that is in it too: objects, versions, uploads.");
  for (Command* one : {&rm, &rb}) {
    one->app->add_flag("--dry-run", one->options.dry_run, "Say what would be done, and do nothing.");
  }
  for (Command* one : {&rm, &stat, &presign}) {
    one->app->add_option("--version-id", one->options.transfer.version_id, "This version of the object.")
        ->type_name("ID");
  }
  presign.app->add_option("--expires", presign.expires, "How long: seconds, or 15m, 12h, 7d.")
      ->type_name("TIME")
      ->default_str("1h");
  presign.app->add_option("--method", presign.options.method, "What it is for.")
      ->type_name("GET|PUT|HEAD|DELETE")
      ->default_str("GET")
      ->check(CLI::IsMember({"GET", "PUT", "HEAD", "DELETE"}));
}

std::optional<int> BlobCommands::run() {
  for (const std::unique_ptr<Command>& command : commands_) {
    if (!*command->app) continue;
    return run_on_env([&command](env::Env& env) { return command->work(env); });
  }
  return std::nullopt;
}

}  // namespace keelson::cli
