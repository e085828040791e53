// The S3 service of one node: HTTP in front, the blob store behind.
//
// Connections are spread over all reactors by net/http's server; a request is answered on its connection's reactor.
// What reactors share (the key ring) is immutable and replaced as a whole.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "blobstore/store.h"
#include "env/env.h"
#include "env/network.h"
#include "env/reactor.h"
#include "net/http/server.h"
#include "protocol/s3/access_log.h"
#include "protocol/s3/bucket_view.h"
#include "protocol/s3/faults.h"
#include "protocol/s3/inventory_work.h"
#include "protocol/s3/keys.h"
#include "protocol/s3/lifecycle.h"
#include "protocol/s3/master_keys.h"
#include "protocol/s3/metrics.h"
#include "protocol/s3/signing_keys.h"

namespace keelson::net {
class TlsContext;
}

namespace keelson::s3 {

// Which connections customers' keys may come over (SSE-C). Amazon takes them over TLS alone.
enum class CustomerKeysOver : uint8_t { kTls, kTlsOrLoopback, kAnything };

// S3: "5 MiB to 5 GiB. There is no minimum size limit on the last part."
inline constexpr uint64_t kPartBytesMin = uint64_t{5} << 20;

struct S3Options {
  std::string root_key_id;
  std::string root_secret;
  std::string region = "us-east-1";
  std::vector<std::string> domains;          // virtual-host style: <bucket>.<domain>; lower case
  std::vector<std::string> website_domains;  // static websites: <bucket>.<domain>
  // How long a day of lifecycle rules and inventories is; shorter for tests.
  int64_t lifecycle_day_ms = kDayMs;
  std::shared_ptr<const MasterKeys> master_keys = {};  // null: no object can be encrypted with the server's keys
  CustomerKeysOver customer_keys = CustomerKeysOver::kTlsOrLoopback;
  // Buckets whose objects are compressed, as patterns (base/glob.h); none: nothing is.
  std::vector<std::string> compressed_buckets = {};
  AccessLogOptions access_log = {};
  // Of all parts but the last; smaller for tests.
  uint64_t part_bytes_min = kPartBytesMin;
  S3Faults faults = {};
  net::http::ServerOptions http = {};
};

// One reactor's part.
struct S3Local {
  explicit S3Local(env::Reactor& on) : reactor(on) {}
  env::Reactor& reactor;
  std::shared_ptr<const KeyRing> keys;
  SigningKeys signing_keys;
  BucketViews buckets;
  Metrics metrics;
};

class S3Service {
 public:
  // Made, started, stopped and destroyed on reactor 0. `store` is started; both outlive the service.
  S3Service(env::Env& env, blobstore::Store& store, S3Options options);
  ~S3Service();

  // Reads the access keys and begins lifecycle work.
  Task<Status> start();
  Status listen(const env::Address& at, net::TlsContext* tls);
  [[nodiscard]] const std::vector<env::Address>& addresses() const { return http_->addresses(); }
  // Takes no more connections, waits for answers under way, ends lifecycle and inventory work, delivers access logs.
  Task<void> stop();

  // Answers one request, on any reactor.
  Task<void> handle(net::http::Exchange& exchange);

  [[nodiscard]] const S3Options& options() const { return options_; }
  [[nodiscard]] blobstore::Store& store() { return store_; }
  [[nodiscard]] const env::Clock& clock() const { return env_.clock(); }
  [[nodiscard]] env::Workers& workers() { return env_.workers(); }
  [[nodiscard]] S3Local& local(env::Reactor& reactor) { return *locals_[reactor.index()]; }
  [[nodiscard]] const std::string& host_id() const { return host_id_; }
  // Any thread: counters may be read.
  [[nodiscard]] const std::vector<std::unique_ptr<S3Local>>& locals() const { return locals_; }
  [[nodiscard]] net::http::ServerCounts http_counts() const { return http_->counts(); }
  [[nodiscard]] const AccessLog& access_log() const { return *access_log_; }
  // look(): on reactor 0.
  [[nodiscard]] InventoryWork& inventories() const { return *inventories_; }

  // Access keys; reactor 0. A change is durable and known to every reactor when it returns.
  [[nodiscard]] std::vector<std::shared_ptr<const AccessKey>> keys() const { return locals_[0]->keys->all(); }
  // Makes or replaces one. An empty secret: one is made. `expires_ms` 0: never. kInvalidArgument, kMalformedPolicy,
  // kServiceUnavailable, kAccessKeyAlreadyExists (if it must be new).
  enum class PutKey : uint8_t { kMakeOrReplace, kMake };
  Task<S3Result<AccessKey>> put_key(std::string id, std::string secret, std::string user, std::string policy,
                                    PutKey how = PutKey::kMakeOrReplace, int64_t expires_ms = 0);
  // kNoSuchAccessKey (the root key too: it comes from the settings), kMalformedPolicy, kServiceUnavailable.
  Task<S3Result<AccessKey>> change_key(std::string id, KeyChange change);
  Task<S3Result<>> remove_key(std::string id);

  // One round of lifecycle work, now. Reactor 0.
  Task<void> run_lifecycle();

 private:
  Task<S3Result<>> store_key(const AccessKey& key);
  Task<S3Result<>> store_keys(blob::ConfigureService change, std::shared_ptr<const KeyRing> ring);
  Task<void> hand_out(std::shared_ptr<const KeyRing> ring);
  Task<void> lifecycle_loop();

  env::Env& env_;
  blobstore::Store& store_;
  S3Options options_;
  std::string host_id_;
  std::vector<std::unique_ptr<S3Local>> locals_;
  std::unique_ptr<net::http::Server> http_;
  std::unique_ptr<AccessLog> access_log_;
  std::unique_ptr<InventoryWork> inventories_;
  bool is_stopping_ = false;
  bool keys_are_changing_ = false;
  std::unique_ptr<env::TaskScope> tasks_;  // last: its coroutines use the rest
};

}  // namespace keelson::s3
