#include "protocol/s3/access_log.h"

#include <algorithm>
#include <utility>

#include "base/logging.h"
#include "protocol/s3/access_log_line.h"
#include "protocol/s3/call.h"
#include "protocol/s3/own_object.h"
#include "protocol/s3/service.h"
#include "shard/call_on.h"

namespace keelson::s3 {

namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kLookMs = 100;       // how soon a full batch leaves, and a stop is seen
constexpr int64_t kGatherMs = 1000;    // how often the reactors are asked for what is due
constexpr uint64_t kHeldObjects = 16;  // so many full objects may wait for the target, for each reactor

std::string make_unique_text(env::Random& random) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string text;
  uint64_t value = random.next();
  for (int i = 0; i < 16; ++i, value >>= 4) text += kDigits[value & 15];
  return text;
}

// "GET /box/key HTTP/1.1" of a request.
void set_request_line(AccessLogEntry& entry, const net::http::Request& sent) {
  entry.method = sent.method();
  entry.target = sent.target();
  const net::http::Version version = sent.version();
  entry.http_version = version == net::http::Version::kHttp2    ? "HTTP/2.0"
                       : version == net::http::Version::kHttp10 ? "HTTP/1.0"
                                                                : "HTTP/1.1";
}

std::string requester_of(const Call& call) {
  if (!call.key) return {};
  return call.is_root() ? std::string(kOwnerId) : user_arn(call.key->user);
}

// What every line about the call has; `requester` holds its bytes.
AccessLogEntry common_entry(const Call& call, const std::string& requester) {
  AccessLogEntry entry;
  entry.bucket_owner = kOwnerId;
  entry.time_ms = call.now_ms;
  entry.remote_address = call.exchange.remote().host;
  entry.requester = requester;
  entry.request_id = call.request_id;
  entry.host_id = call.service.host_id();
  if (call.key) {
    entry.signature_version = call.signature_version == kV4Algorithm ? "SigV4" : "SigV2";
    entry.authentication = call.auth_type == "REST-QUERY-STRING" ? "QueryString" : "AuthHeader";
  }
  entry.host = call.exchange.request().authority();
  const net::TlsDetails tls = call.exchange.tls_details();
  entry.cipher = tls.cipher;
  entry.tls_version = tls.version;
  entry.acl_required = call.notes.used_acl;
  return entry;
}

}  // namespace

AccessLog::AccessLog(S3Service& service, env::Env& env, AccessLogOptions options)
    : service_(service), env_(env), options_(options) {
  for (unsigned i = 0; i < env.reactor_count(); ++i) locals_.push_back(std::make_unique<Local>(env.reactor(i)));
}

AccessLog::~AccessLog() = default;

uint64_t AccessLog::held_bytes_max() const { return kHeldObjects * options_.object_bytes; }

const AccessLog::Counts& AccessLog::counts(unsigned reactor_index) const { return locals_[reactor_index]->counts; }

void AccessLog::add(const Call& call, std::string_view operation, int64_t began_ns, int64_t ended_ns) {
  Local& local = *locals_[call.reactor.index()];
  const std::string requester = requester_of(call);
  AccessLogEntry entry = common_entry(call, requester);
  entry.status = call.status;
  entry.error_code = call.notes.error_code;
  entry.total_ms = (ended_ns - began_ns) / kNsPerMs;
  if (call.is_logged()) {
    entry.bucket = call.bucket->bucket->name;
    for (const AccessNotes::Deleted& deleted : call.notes.deleted) {
      AccessLogEntry part = entry;
      part.operation = "BATCH.DELETE.OBJECT";
      part.key = deleted.key;
      part.version_id = deleted.version_id;
      part.status = deleted.status;
      part.error_code = deleted.error_code;
      part.total_ms.reset();
      add_line(local, call.bucket, part);
    }
    entry.operation = operation;
    entry.key = call.place.key;
    set_request_line(entry, call.exchange.request());
    // The content of an answer to HEAD is only spoken of.
    entry.bytes_sent = entry.method == "HEAD" ? 0 : call.bytes_sent;
    entry.object_bytes = call.notes.object_bytes;
    if (!call.place.key.empty() && call.notes.answered_ns != 0) {
      const int64_t received_ns = call.notes.received_ns == 0 ? began_ns : call.notes.received_ns;
      entry.turn_around_ms = std::max<int64_t>(call.notes.answered_ns - received_ns, 0) / kNsPerMs;
    }
    entry.referer = call.request.header_or_empty("referer");
    entry.user_agent = call.request.header_or_empty("user-agent");
    entry.version_id = call.query.value("versionId");
    add_line(local, call.bucket, entry);
  }
  if (call.notes.source_bucket && call.operation != nullptr) {
    AccessLogEntry part = common_entry(call, requester);
    part.bucket = call.notes.source_bucket->bucket->name;
    part.operation = access_log_copy_source(call.operation->operation);
    part.key = call.notes.source_key;
    part.version_id = call.notes.source_version_id;
    set_request_line(part, call.exchange.request());
    part.status = call.status;
    part.error_code = call.notes.error_code;
    part.object_bytes = call.notes.object_bytes;
    part.total_ms = entry.total_ms;
    part.referer = call.request.header_or_empty("referer");
    part.user_agent = call.request.header_or_empty("user-agent");
    add_line(local, call.notes.source_bucket, part);
  }
}

void AccessLog::add_line(Local& local, const std::shared_ptr<const BucketView>& source, const AccessLogEntry& entry) {
  const bool by_event = source->logging->key_format == BucketLogging::KeyFormat::kPartitionedEvent;
  const int64_t day = by_event ? entry.time_ms / kDayMs : 0;
  auto found = local.batches.find(source->id());
  // What was gathered under another configuration, or on another day, leaves by itself.
  if (found != local.batches.end() && (found->second.source != source || found->second.day != day)) {
    Batch old = std::move(found->second);
    local.batches.erase(found);
    seal(local, std::move(old));
    found = local.batches.end();
  }
  local.counts.lines.add();
  const bool is_full = static_cast<uint64_t>(local.counts.held_bytes.value()) >= held_bytes_max();
  if (is_full || (found == local.batches.end() && local.batches.size() >= kBatchesMax)) {
    local.counts.dropped_lines.add();
    return;
  }
  if (found == local.batches.end()) {
    found = local.batches.emplace(source->id(), Batch{}).first;
    Batch& batch = found->second;
    batch.source = source;
    batch.day = day;
    batch.due_ns = local.reactor.clock().monotonic_ns() + options_.interval_ms * kNsPerMs;
    batch.reactor_index = local.reactor.index();
  }
  Batch& batch = found->second;
  const size_t before = batch.text.size();
  append_access_log_line(batch.text, entry);
  ++batch.lines;
  local.counts.held_bytes.add(static_cast<int64_t>(batch.text.size() - before));
  if (batch.text.size() < options_.object_bytes) return;
  Batch full = std::move(batch);
  local.batches.erase(found);
  seal(local, std::move(full));
}

// Hands the batch to reactor 0. Nothing of it is given back before it has been put (release()).
void AccessLog::seal(Local& local, Batch batch) {
  if (local.reactor.index() == 0) {
    queue_.push_back(std::move(batch));
    return;
  }
  env_.reactor(0).post([this, sealed = std::move(batch)]() mutable { queue_.push_back(std::move(sealed)); });
}

std::vector<AccessLog::Batch> AccessLog::take_due(Local& local, int64_t now_ns, bool all) {
  std::vector<Batch> due;
  for (auto at = local.batches.begin(); at != local.batches.end();) {
    if (all || at->second.due_ns <= now_ns) {
      due.push_back(std::move(at->second));
      at = local.batches.erase(at);
    } else {
      ++at;
    }
  }
  return due;
}

Task<void> AccessLog::gather(bool all) {
  const int64_t now_ns = service_.clock().monotonic_ns();
  for (const auto& local : locals_) {
    std::vector<Batch> due =
        co_await shard::call_on(env_.reactor(0), local->reactor, [&] { return take_due(*local, now_ns, all); });
    for (Batch& batch : due) queue_.push_back(std::move(batch));
  }
}

void AccessLog::release(const Batch& batch) {
  Local& local = *locals_[batch.reactor_index];
  const auto bytes = static_cast<int64_t>(batch.text.size());
  if (batch.reactor_index == 0) {
    local.counts.held_bytes.add(-bytes);
    return;
  }
  local.reactor.post([&local, bytes] { local.counts.held_bytes.add(-bytes); });
}

Task<S3Result<>> AccessLog::put_object(std::shared_ptr<const BucketView> target, std::string key,
                                       std::string_view text) {
  env::Reactor& here = env_.reactor(0);
  auto encryption =
      server_encryption(*target, key, service_.options().master_keys.get(), here.random(), /*is_wanted=*/false);
  if (!encryption) co_return std::unexpected(std::move(encryption.error()));
  OwnObject object(service_.store(), here, std::move(target), std::move(key), std::move(*encryption));
  if (auto good = co_await object.append(text); !good) co_return good;
  co_return co_await object.put("text/plain", service_.clock().wall_ms());
}

// True: it is put, or will never be.
Task<bool> AccessLog::deliver(Batch& batch) {
  env::Reactor& here = env_.reactor(0);
  const BucketLogging& logging = *batch.source->logging;
  const std::string& source = batch.source->bucket->name;
  const auto give_up = [&](std::string_view why) {
    log_warn("s3", "lines of an access log are lost",
             {{"bucket", source}, {"target", logging.target_bucket}, {"lines", batch.lines}, {"why", why}});
    locals_[0]->counts.dropped_lines.add(batch.lines);
    return true;
  };
  auto bucket = co_await service_.store().find_bucket(here, logging.target_bucket);
  if (bucket == nullptr) co_return give_up("the target bucket does not exist");
  const auto view = service_.local(here).buckets.view_of(std::move(bucket));
  const bool by_event = logging.key_format == BucketLogging::KeyFormat::kPartitionedEvent;
  const int64_t now_ms = service_.clock().wall_ms();
  const std::string key = log_object_key(logging, source, service_.options().region,
                                         by_event ? batch.day * kDayMs : now_ms, make_unique_text(here.random()));
  if (decide_delivery(*view, kLoggingService, key, source) == Decision::kDeny) {
    co_return give_up("the target bucket's policy denies it");
  }
  const S3Result<> done = co_await put_object(view, key, batch.text);
  if (done) {
    locals_[0]->counts.delivered_objects.add();
    locals_[0]->counts.delivered_bytes.add(batch.text.size());
    co_return true;
  }
  locals_[0]->counts.failed_puts.add();
  if (++batch.attempts >= kAttemptsMax) co_return give_up(done.error().text());
  co_return false;
}

Task<void> AccessLog::deliver_all(bool is_last) {
  for (size_t left = queue_.size(); left > 0; --left) {
    Batch batch = std::move(queue_.front());
    queue_.pop_front();
    if (is_last) batch.attempts = kAttemptsMax;
    if (co_await deliver(batch)) {
      release(batch);
    } else {
      queue_.push_back(std::move(batch));
    }
  }
}

Task<void> AccessLog::run(const bool& is_stopping) {
  int64_t gather_ns = 0;
  size_t waiting = 0;  // that could not be put the last time
  while (!is_stopping) {
    co_await env::sleep_for(env_.reactor(0), kLookMs * kNsPerMs);
    const int64_t now_ns = service_.clock().monotonic_ns();
    const bool is_time = now_ns >= gather_ns;
    if (is_stopping || (!is_time && queue_.size() <= waiting)) continue;
    if (is_time) {
      gather_ns = now_ns + kGatherMs * kNsPerMs;
      co_await gather(false);
    }
    co_await deliver_all(false);
    waiting = queue_.size();
  }
}

Task<void> AccessLog::flush() {
  co_await gather(true);
  co_await deliver_all(true);
  // Nothing of release() is on its way any more.
  for (const auto& local : locals_) co_await shard::call_on(env_.reactor(0), local->reactor, [] {});
}

}  // namespace keelson::s3
