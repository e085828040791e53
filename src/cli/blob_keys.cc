#include "cli/blob_keys.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/base64.h"
#include "cli/blob_plan.h"
#include "cli/run_env.h"
#include "env/disk.h"
#include "net/http/client.h"
#include "protocol/s3/policy.h"
#include "protocol/s3/uri.h"

namespace keelson::cli {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kPath = "/admin/s3/keys";
constexpr size_t kAnswerBytesMax = 64 << 20;  // 10,000 keys with large policies
constexpr uint64_t kFileBytesMax = 64 << 10;

std::string dumped(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

bool print(const std::string& text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
}

std::string word_of(const Json& json, const char* member) {
  const auto found = json.find(member);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// For people: a policy by its name, or that it is one of its own.
std::string short_policy(const Json& key) {
  if (key.value("root", false)) return "(everything)";
  const std::string policy = word_of(key, "policy");
  return policy.starts_with("{") ? "(own)" : policy;
}

std::string state_of(const Json& key) {
  if (!key.value("enabled", true)) return "disabled";
  return "enabled";
}

std::string table(const Json& keys) {
  constexpr const char* kHeads[] = {"ID", "USER", "STATE", "POLICY", "EXPIRES"};
  std::vector<std::vector<std::string>> rows = {{std::begin(kHeads), std::end(kHeads)}};
  for (const Json& key : keys) {
    const std::string expires = word_of(key, "expires");
    rows.push_back({word_of(key, "id"), word_of(key, "user"), state_of(key), short_policy(key),
                    expires.empty() ? "never" : expires});
  }
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

// The document of a key's policy, readable.
std::string policy_text(const std::string& policy) {
  const std::string_view named = s3::named_policy(policy);
  const Json json = Json::parse(named.empty() ? policy : std::string(named), nullptr, false);
  return json.is_discarded() ? policy : dumped(json, 2);
}

std::string one_key(const Json& key) {
  std::string text;
  const auto add = [&text](std::string_view name, const std::string& value) {
    text.append(name).append(std::string(9 - name.size(), ' ')).append(value).append("\n");
  };
  add("id", word_of(key, "id"));
  if (key.contains("secret")) add("secret", word_of(key, "secret"));
  add("user", word_of(key, "user"));
  add("state", state_of(key));
  const std::string created = word_of(key, "created");
  if (!created.empty()) add("created", created);
  const std::string expires = word_of(key, "expires");
  add("expires", expires.empty() ? "never" : expires);
  add("policy", short_policy(key));
  if (word_of(key, "policy").starts_with("{")) text.append(policy_text(word_of(key, "policy"))).append("\n");
  return text;
}

}  // namespace

std::optional<std::string> make_bucket_policy(std::string_view named, std::string_view bucket,
                                              std::string_view prefix) {
  const bool reads = named == "readonly" || named == "readwrite";
  const bool writes = named == "writeonly" || named == "readwrite";
  if (!reads && !writes) return std::nullopt;
  Json statements = Json::array();
  const std::string objects = s3::object_arn(bucket, std::string(prefix) + "*");
  Json actions = Json::array();
  if (reads) actions.insert(actions.end(), {"s3:GetObject*", "s3:ListMultipartUploadParts"});
  if (writes) actions.insert(actions.end(), {"s3:PutObject", "s3:AbortMultipartUpload"});
  if (reads && writes) {
    actions.insert(actions.end(), {"s3:PutObject*", "s3:DeleteObject*", "s3:BypassGovernanceRetention"});
  }
  statements.push_back({{"Effect", "Allow"}, {"Action", std::move(actions)}, {"Resource", objects}});
  if (reads) {
    Json list = {{"Effect", "Allow"},
                 {"Action", {"s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"}},
                 {"Resource", s3::bucket_arn(bucket)}};
    if (!prefix.empty()) list["Condition"] = {{"StringLike", {{"s3:prefix", std::string(prefix) + "*"}}}};
    statements.push_back(std::move(list));
    statements.push_back(
        {{"Effect", "Allow"}, {"Action", "s3:GetBucketLocation"}, {"Resource", s3::bucket_arn(bucket)}});
  }
  return dumped({{"Version", "2012-10-17"}, {"Statement", std::move(statements)}});
}

// Every verb's words.
struct BlobKeysCommands::Command {
  CLI::App *create = nullptr, *list = nullptr, *show = nullptr, *enable = nullptr, *disable = nullptr,
           *remove = nullptr, *policy_get = nullptr, *policy_set = nullptr;
  std::string address = "127.0.0.1:8080";
  std::string id, user, policy = "readwrite", bucket, prefix, expires, secret_file;
  bool json = false;

  CLI::App& add(CLI::App& to, const char* name, const char* text, const std::function<void(CLI::App&)>& add_target) {
    CLI::App& verb = *to.add_subcommand(name, text);
    verb.add_option("--http", address, "HTTP address of the server (http.listen).")
        ->type_name("ADDRESS")
        ->default_str("127.0.0.1:8080");
    add_target(verb);
    verb.add_flag("--json", json, "Answer as JSON.");
    return verb;
  }
  void add_policy_flags(CLI::App& verb) {
    verb.add_option("--bucket", bucket, "Let the named policy hold in this bucket alone.")->type_name("BUCKET");
    verb.add_option("--prefix", prefix, "And there for the keys that begin so.")->type_name("PREFIX");
  }

  // What --policy and --bucket say: a name, or a document.
  Result<std::string> read_policy(env::Env& env) const;
  Result<net::http::Client::Request> make_request(env::Env& env) const;
  Task<Result<std::string>> ask(env::Env& env, Target target) const;
  Result<std::string> shown(const std::string& answer) const;
  Task<int> work(env::Env& env, Target target) const;
};

Result<std::string> BlobKeysCommands::Command::read_policy(env::Env& env) const {
  std::string text = policy;
  if (s3::named_policy(text).empty() && !text.starts_with("{")) {
    Result<std::string> file = env::read_file(env.disk(), text, kFileBytesMax);
    if (!file.ok()) {
      return fail(file.error().code(),
                  "a policy is readwrite, readonly, writeonly, or a file with a policy in IAM's "
                  "JSON: " +
                      file.error().message());
    }
    text = std::move(*file);
  }
  if (bucket.empty() && prefix.empty()) return text;
  if (bucket.empty()) return fail(env::DiskErrc::kIo, "--prefix goes with --bucket");
  const auto made = make_bucket_policy(text, bucket, prefix);
  if (!made) return fail(env::DiskErrc::kIo, "--bucket goes with the policies readwrite, readonly and writeonly");
  return *made;
}

Result<net::http::Client::Request> BlobKeysCommands::Command::make_request(env::Env& env) const {
  net::http::Client::Request request;
  const std::string one = std::string(kPath) + "?id=" + s3::uri_encoded(id);
  request.target = id.empty() || *create ? std::string(kPath) : one;
  Json body;
  if (*create) {
    request.method = "POST";
    body = {{"id", id}, {"user", user}};
    if (!secret_file.empty()) {
      Result<std::string> secret = env::read_file(env.disk(), secret_file, kFileBytesMax);
      if (!secret.ok()) return forward_error(secret);
      body["secret"] = secret->substr(0, secret->find_first_of("\r\n"));
    }
  } else if (*enable || *disable) {
    request.method = "PATCH";
    body = {{"enabled", static_cast<bool>(*enable)}};
  } else if (*policy_set) {
    request.method = "PATCH";
    body = Json::object();
  } else if (*remove) {
    request.method = "DELETE";
  }
  if (*create || *policy_set) {
    Result<std::string> text = read_policy(env);
    if (!text.ok()) return forward_error(text);
    body["policy"] = std::move(*text);
  }
  if (!expires.empty()) {
    if (const auto seconds = parse_seconds(expires)) {
      body["expires_in_s"] = *seconds;
    } else {
      body["expires"] = expires;
    }
  }
  if (!body.is_null()) {
    request.body = dumped(body);
    request.fields.add("Content-Type", "application/json");
  }
  return request;
}

Task<Result<std::string>> BlobKeysCommands::Command::ask(env::Env& env, Target target) const {
  Result<net::http::Client::Request> request = make_request(env);
  if (!request.ok()) co_return forward_error(request);
  request->host = target.server_name.empty() ? target.address : target.server_name;
  if (!target.password.empty()) {
    request->fields.add("Authorization", "Basic " + to_base64("keelson:" + target.password));
  }
  Result<OpenTarget> open = co_await open_target(env, target);
  if (!open.ok()) co_return forward_error(open);
  env::Stream& stream = *open->stream;
  net::http::Client client(std::move(open->stream));
  Result<net::http::Response> head = co_await client.request(std::move(*request));
  if (!head.ok()) {
    const std::string why = net::TlsContext::failure_of(stream);
    const std::string hint = target.tls ? "" : ". If it speaks HTTPS, say --tls";
    co_return fail(head.error().code(), head.error().message() + (why.empty() ? hint : " (TLS: " + why + ")"));
  }
  Result<std::string> answer = co_await client.read_all(kAnswerBytesMax);
  if (!answer.ok()) co_return answer;
  if (head->status / 100 == 2) co_return answer;
  const Json error = Json::parse(*answer, nullptr, false);
  std::string sentence = error.is_object() ? word_of(error, "error") : std::string();
  if (sentence.empty() || head->status == 401) {
    sentence = "the server at " + target.address + " answered " + std::to_string(head->status) + " " + head->reason;
    if (head->status == 401) sentence += ". Give its password with --password-file or KEELSON_PASSWORD";
    if (head->status == 404) sentence += ". Is that the HTTP address of a Keelson server (http.listen)?";
  } else if (!id.empty()) {
    sentence = id + ": " + sentence;
  }
  co_return fail(net::http::HttpErrc::kMalformed, std::move(sentence));
}

Result<std::string> BlobKeysCommands::Command::shown(const std::string& answer) const {
  if (*remove) return std::string();
  const Json parsed = Json::parse(answer, nullptr, false);
  if (*list ? !parsed.is_array() : !parsed.is_object()) {
    return fail(net::http::HttpErrc::kMalformed, "the server's answer makes no sense");
  }
  if (*policy_get) return policy_text(word_of(parsed, "policy")) + "\n";
  if (json) return dumped(parsed, 2) + "\n";
  if (*list) return table(parsed);
  return one_key(parsed);
}

Task<int> BlobKeysCommands::Command::work(env::Env& env, Target target) const {
  Result<std::string> answer = co_await ask(env, std::move(target));
  if (answer.ok()) answer = shown(*answer);
  if (!answer.ok()) {
    complain("blob keys: " + answer.error().message());
    co_return kExitBad;
  }
  if (!print(*answer)) {
    complain("blob keys: cannot write to standard output");
    co_return kExitBad;
  }
  if (*create && !json) complain("the secret is shown this once and cannot be had again");
  co_return kExitGood;
}

BlobKeysCommands::BlobKeysCommands(CLI::App& blob, const std::function<void(CLI::App&)>& add_target_flags)
    : command_(std::make_unique<Command>()) {
  Command& command = *command_;
  CLI::App& keys = *blob.add_subcommand("keys", "Access keys of a running server: who may sign, and what he may do.");
  keys.require_subcommand(1);
  const auto add = [&](CLI::App& to, const char* name, const char* text) -> CLI::App* {
    return &command.add(to, name, text, add_target_flags);
  };
  command.create = add(keys, "create", "Make a key; its secret is shown once.");
  command.list = add(keys, "list", "List the keys, without their secrets.");
  command.show = add(keys, "show", "Show a key, without its secret.");
  command.enable = add(keys, "enable", "Let a key sign again.");
  command.disable = add(keys, "disable", "Let a key sign nothing until it is enabled.");
  command.remove = add(keys, "rm", "Remove a key for good.");
  CLI::App& policy = *keys.add_subcommand("policy", "What the user of a key may do.");
  policy.require_subcommand(1);
  command.policy_get = add(policy, "get", "Print a key's policy in IAM's JSON.");
  command.policy_set = add(policy, "set", "Give a key another policy.");
  constexpr const char* kPolicyText = "readwrite, readonly, writeonly, or a file with a policy in IAM's JSON.";
  command.create->add_option("--policy", command.policy, kPolicyText)->type_name("POLICY")->default_str("readwrite");
  command.create->add_option("--user", command.user, "Whom it belongs to; a user may have several. The id unless told.")
      ->type_name("NAME");
  command.create->add_option("--id", command.id, "The key's id: 3 to 128 letters and digits; one is made unless told.")
      ->type_name("ID");
  command.create
      ->add_option("--secret-file", command.secret_file,
                   "File with the secret on its first line, instead of "
                   "one that is made.")
      ->type_name("FILE");
  command.create
      ->add_option("--expires", command.expires,
                   "From when on it signs nothing: in 12h, in 30d, or at "
                   "2027-01-01T00:00:00Z.")
      ->type_name("TIME");
  for (CLI::App* verb :
       {command.show, command.enable, command.disable, command.remove, command.policy_get, command.policy_set}) {
    verb->add_option("id", command.id, "The key.")->type_name("ID")->required();
  }
  command.policy_set->add_option("policy", command.policy, kPolicyText)->type_name("POLICY")->required();
  command.add_policy_flags(*command.create);
  command.add_policy_flags(*command.policy_set);
}

BlobKeysCommands::~BlobKeysCommands() = default;

bool BlobKeysCommands::is_asked() const {
  const Command& command = *command_;
  for (const CLI::App* verb : {command.create, command.list, command.show, command.enable, command.disable,
                               command.remove, command.policy_get, command.policy_set}) {
    if (*verb) return true;
  }
  return false;
}

const std::string& BlobKeysCommands::address() const { return command_->address; }

int BlobKeysCommands::run(Target target) {
  return run_on_env([this, &target](env::Env& env) { return command_->work(env, target); });
}

}  // namespace keelson::cli
