#include "protocol/s3/service.h"

#include <algorithm>
#include <utility>

#include "base/base64.h"
#include "base/logging.h"
#include "net/tls_stream.h"
#include "protocol/s3/call.h"
#include "protocol/s3/digest.h"
#include "protocol/s3/root_key.h"
#include "protocol/s3/write_object.h"
#include "shard/call_on.h"

namespace keelson::s3 {

namespace {

// Keys change one at a time; a second change waits so long and looks again.
constexpr int64_t kKeysRetryNs = 1'000'000;
constexpr const char* kRootKeyText = "The root key comes from the settings and is changed there.";

}  // namespace

S3Service::S3Service(env::Env& env, blobstore::Store& store, S3Options options)
    : env_(env), store_(store), options_(std::move(options)), tasks_(std::make_unique<env::TaskScope>(env.reactor(0))) {
  AccessKey root;
  root.id = options_.root_key_id;
  root.secret = options_.root_secret;
  root.user = kRootUser;
  root.is_root = true;
  KeyRing keys;
  keys.put(std::move(root));
  const auto ring = std::make_shared<const KeyRing>(std::move(keys));
  std::vector<env::Reactor*> reactors;
  for (unsigned i = 0; i < env.reactor_count(); ++i) {
    reactors.push_back(&env.reactor(i));
    locals_.push_back(std::make_unique<S3Local>(env.reactor(i)));
    locals_.back()->keys = ring;
  }
  access_log_ = std::make_unique<AccessLog>(*this, env, options_.access_log);
  inventories_ = std::make_unique<InventoryWork>(*this, env.reactor(0), options_.lifecycle_day_ms, is_stopping_);
  host_id_ = to_base64(digest_of(DigestKind::kSha256, "keelson " + std::to_string(env.reactor(0).random().next())));
  // A body is bounded by what its operation takes; HTTP only sees to it that an upload of a part fits with its chunks.
  options_.http.limits.body_bytes_max = kSinglePutBytesMax + (kSinglePutBytesMax >> 6);
  http_ = std::make_unique<net::http::Server>(env.network(), reactors, options_.http,
                                              [this](net::http::Exchange& exchange) { return handle(exchange); });
}

S3Service::~S3Service() = default;

Task<Status> S3Service::start() {
  blob::Answer answer;
  const blob::FindDocuments find{std::string(kKeyDocumentPrefix)};
  const log::LogErrc outcome = co_await store_.query_buckets(env_.reactor(0), find, answer);
  if (outcome != log::LogErrc::kOk) co_return fail(make_error_code(outcome), "s3: the access keys cannot be read");
  KeyRing ring = *locals_[0]->keys;
  for (const auto& [name, text] : answer.documents) {
    auto key = load_access_key(name, text);
    if (!key) {
      log_error("s3", "an access key cannot be read and is left out", {{"name", name}, {"why", key.error().text()}});
    } else if (key->id == options_.root_key_id) {
      log_warn("s3", "an access key has the root key's id and is left out", {{"id", key->id}});
    } else {
      ring.put(std::move(*key));
    }
  }
  co_await hand_out(std::make_shared<const KeyRing>(std::move(ring)));
  tasks_->spawn(lifecycle_loop());
  tasks_->spawn(access_log_->run(is_stopping_));
  tasks_->spawn(inventories_->run());
  co_return Status();
}

Status S3Service::listen(const env::Address& at, net::TlsContext* tls) { return http_->listen(at, tls); }

Task<void> S3Service::stop() {
  is_stopping_ = true;
  co_await http_->stop();
  co_await tasks_->join();
  co_await access_log_->flush();
}

Task<void> S3Service::hand_out(std::shared_ptr<const KeyRing> ring) {
  env::Reactor& here = env_.reactor(0);
  for (const auto& local : locals_) {
    co_await shard::call_on(here, local->reactor, [&] { local->keys = ring; });
  }
}

Task<S3Result<>> S3Service::store_keys(blob::ConfigureService change, std::shared_ptr<const KeyRing> ring) {
  blob::Answer answer;
  const log::LogErrc outcome = co_await store_.change_bucket(env_.reactor(0), change, answer);
  if (auto good = check_outcome(outcome, answer); !good) co_return good;
  co_await hand_out(std::move(ring));
  co_return S3Result<>();
}

// The ring must not change beside it: keys_are_changing_ is set meanwhile.
Task<S3Result<>> S3Service::store_key(const AccessKey& key) {
  KeyRing ring = *locals_[0]->keys;
  ring.put(key);
  keys_are_changing_ = true;
  blob::ConfigureService change;
  change.set_documents.emplace_back(std::string(kKeyDocumentPrefix) + key.id, key.document());
  auto stored = co_await store_keys(std::move(change), std::make_shared<const KeyRing>(std::move(ring)));
  keys_are_changing_ = false;
  co_return stored;
}

Task<S3Result<AccessKey>> S3Service::put_key(std::string id, std::string secret, std::string user, std::string policy,
                                             PutKey how, int64_t expires_ms) {
  env::Reactor& here = env_.reactor(0);
  if (id.empty()) id = make_access_key_id(here.random());
  if (secret.empty()) secret = make_secret(here.random());
  auto key = make_access_key(std::move(id), std::move(secret), std::move(user), std::move(policy));
  if (!key) co_return key;
  if (key->id == options_.root_key_id) {
    co_return invalid_argument("The root key comes from the settings", "id", key->id);
  }
  key->created_ms = clock().wall_ms();
  key->expires_ms = expires_ms;
  while (keys_are_changing_) co_await env::sleep_for(here, kKeysRetryNs);
  const KeyRing& ring = *locals_[0]->keys;
  if (how == PutKey::kMake && ring.find(key->id)) co_return s3_fail(ErrorCode::kAccessKeyAlreadyExists);
  if (ring.size() > kKeysMax) co_return s3_fail(ErrorCode::kInvalidRequest, "There are too many access keys.");
  auto stored = co_await store_key(*key);
  if (!stored) co_return std::unexpected(std::move(stored.error()));
  co_return key;
}

Task<S3Result<AccessKey>> S3Service::change_key(std::string id, KeyChange change) {
  env::Reactor& here = env_.reactor(0);
  while (keys_are_changing_) co_await env::sleep_for(here, kKeysRetryNs);
  const auto known = locals_[0]->keys->find(id);
  if (known == nullptr) co_return s3_fail(ErrorCode::kNoSuchAccessKey);
  if (known->is_root) co_return s3_fail(ErrorCode::kNoSuchAccessKey, kRootKeyText);
  auto changed = change_access_key(*known, std::move(change));
  if (!changed) co_return changed;
  auto stored = co_await store_key(*changed);
  if (!stored) co_return std::unexpected(std::move(stored.error()));
  co_return changed;
}

Task<S3Result<>> S3Service::remove_key(std::string id) {
  env::Reactor& here = env_.reactor(0);
  while (keys_are_changing_) co_await env::sleep_for(here, kKeysRetryNs);
  const auto known = locals_[0]->keys->find(id);
  if (known == nullptr) co_return s3_fail(ErrorCode::kNoSuchAccessKey);
  if (known->is_root) co_return s3_fail(ErrorCode::kNoSuchAccessKey, kRootKeyText);
  KeyRing ring = *locals_[0]->keys;
  ring.remove(id);
  keys_are_changing_ = true;
  blob::ConfigureService change;
  change.remove_documents.push_back(std::string(kKeyDocumentPrefix) + id);
  auto stored = co_await store_keys(std::move(change), std::make_shared<const KeyRing>(std::move(ring)));
  keys_are_changing_ = false;
  co_return stored;
}

}  // namespace keelson::s3
