// From the settings to the blob store and the S3 service, and what they count, for /metrics.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/task.h"
#include "blobstore/store.h"
#include "env/env.h"
#include "env/reactor.h"
#include "monitor/open_metrics.h"
#include "protocol/s3/master_keys.h"
#include "protocol/s3/root_key.h"
#include "protocol/s3/service.h"
#include "server/settings.h"
#include "shard/runtime.h"

namespace keelson::server {

// The place of blobs among the services of the runtime, and their name.
inline constexpr size_t kBlobService = 1;
inline constexpr std::string_view kBlobName = "blob";

// What single values cannot show of s3's and blob's settings.
void check_s3_settings(const Settings& settings, bool has_secret, std::vector<SettingError>& errors);

// The caller adds the number of shards that the data folder has.
[[nodiscard]] shard::ServiceOptions make_blob_service(const Settings& settings);
[[nodiscard]] blobstore::StoreOptions make_store_options(const Settings& settings, const std::string& data_folder);
// From the settings, the file that they name, or the data folder (where they are made if there are none). Reactor 0.
[[nodiscard]] Task<Result<s3::MasterKeys>> load_master_keys(const Settings& settings, env::Env& env,
                                                            std::string data_folder);
[[nodiscard]] s3::S3Options make_s3_options(const Settings& settings, const s3::RootKey& root, s3::MasterKeys masters);

// From a coroutine on `here`. Asks every blob shard once.
Task<void> write_s3_metrics(const s3::S3Service& service, blobstore::Store& store, env::Reactor& here,
                            monitor::OpenMetrics& out);

}  // namespace keelson::server
