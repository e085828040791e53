// Which service a blob verb speaks to, and with which keys: from flags, then from the environment, then the defaults of
// a Keelson on this machine.
//
//   endpoint    --endpoint, KEELSON_S3_ENDPOINT, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, http://127.0.0.1:9000
//   region      --region, KEELSON_S3_REGION, AWS_REGION, AWS_DEFAULT_REGION, us-east-1
//   key's id    --access-key-id, KEELSON_S3_ACCESS_KEY_ID, AWS_ACCESS_KEY_ID
//   secret      --secret-access-key-file, --secret-access-key, KEELSON_S3_SECRET_ACCESS_KEY, AWS_SECRET_ACCESS_KEY
//   token       KEELSON_S3_SESSION_TOKEN, AWS_SESSION_TOKEN
//
// Id, secret and token are taken from one family: a key's id of one and a secret of another would never fit.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "cli/blob_service.h"

namespace keelson::cli {

struct BlobConnectionFlags {
  std::string endpoint = {};
  std::string region = {};
  std::string access_key_id = {};
  std::string secret_access_key = {};
  std::string secret_access_key_file = {};
  bool anonymous = false;  // --no-sign
  net::TlsClientOptions tls = {};
  bool insecure = false;
  unsigned parallel = 8;
};

// Empty if it is not set.
using Environment = std::function<std::string(const char* name)>;

// `secret_of_file` is the content of secret_access_key_file, if one was named. BlobErrc::kUsage.
[[nodiscard]] Result<BlobTarget> blob_target_of(const BlobConnectionFlags& flags, const Environment& environment,
                                                const std::string& secret_of_file);

}  // namespace keelson::cli
