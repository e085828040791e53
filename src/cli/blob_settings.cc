#include "cli/blob_settings.h"

#include <initializer_list>
#include <utility>

#include "cli/blob_errors.h"

namespace keelson::cli {

namespace {

constexpr unsigned kParallelMax = 64;

std::string first_of(const std::string& flag, const Environment& environment, std::initializer_list<const char*> names,
                     std::string otherwise) {
  if (!flag.empty()) return flag;
  for (const char* name : names) {
    if (std::string value = environment(name); !value.empty()) return value;
  }
  return otherwise;
}

Result<BlobKeys> keys_of(const BlobConnectionFlags& flags, const Environment& environment,
                         const std::string& secret_of_file) {
  if (flags.anonymous) return BlobKeys{};
  const std::string secret_flag = flags.secret_access_key_file.empty()
                                      ? flags.secret_access_key
                                      : secret_of_file.substr(0, secret_of_file.find_first_of("\r\n"));
  BlobKeys keys;
  for (const std::string family : {"KEELSON_S3_", "AWS_"}) {
    const auto value = [&](const char* name) { return environment((family + name).c_str()); };
    const std::string id = flags.access_key_id.empty() ? value("ACCESS_KEY_ID") : flags.access_key_id;
    if (id.empty()) continue;
    keys.access_key_id = id;
    keys.secret_access_key = secret_flag.empty() ? value("SECRET_ACCESS_KEY") : secret_flag;
    keys.session_token = value("SESSION_TOKEN");
    if (!keys.secret_access_key.empty()) return keys;
  }
  if (keys.access_key_id.empty() && secret_flag.empty()) {
    return fail(BlobErrc::kUsage,
                "no keys: set KEELSON_S3_ACCESS_KEY_ID and KEELSON_S3_SECRET_ACCESS_KEY (the AWS_ names do too), or "
                "say --no-sign for what everybody may read");
  }
  if (keys.access_key_id.empty()) {
    return fail(BlobErrc::kUsage, "a secret without its key's id: set KEELSON_S3_ACCESS_KEY_ID or --access-key-id");
  }
  return fail(BlobErrc::kUsage, "the key " + keys.access_key_id +
                                    " has no secret: set KEELSON_S3_SECRET_ACCESS_KEY or --secret-access-key-file");
}

}  // namespace

Result<BlobTarget> blob_target_of(const BlobConnectionFlags& flags, const Environment& environment,
                                  const std::string& secret_of_file) {
  BlobTarget target;
  Result<Endpoint> endpoint = parse_endpoint(
      first_of(flags.endpoint, environment, {"KEELSON_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"},
               target.endpoint.text()));
  if (!endpoint.ok()) return forward_error(endpoint);
  Result<BlobKeys> keys = keys_of(flags, environment, secret_of_file);
  if (!keys.ok()) return forward_error(keys);
  if (flags.parallel < 1 || flags.parallel > kParallelMax) {
    return fail(BlobErrc::kUsage, "--parallel is a number from 1 to " + std::to_string(kParallelMax));
  }
  target.endpoint = std::move(*endpoint);
  target.keys = std::move(*keys);
  target.region =
      first_of(flags.region, environment, {"KEELSON_S3_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"}, target.region);
  target.tls = flags.tls;
  target.tls.verify = !flags.insecure;
  target.parallel = flags.parallel;
  return target;
}

}  // namespace keelson::cli
