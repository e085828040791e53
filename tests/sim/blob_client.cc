#include "tests/sim/blob_client.h"

#include <algorithm>
#include <utility>

#include "env/disk.h"

namespace keelson::sim_test {

namespace {

using blob::Answer;
using blob::BlobErrc;
using env::sleep_for;
using log::LogErrc;

constexpr int64_t kNsPerMs = 1'000'000;
constexpr unsigned kVersionsMax = 4;
// A client learns of an answer no sooner than the network brings it. With `interval` and `never` that is what a killed
// process keeps: what one reactor handed to the log's at the end of its turn is written by then.
constexpr int64_t kAnswerNs = kNsPerMs / 20;

template <class Body>
Task<LogErrc> apply(blobstore::Store& store, env::Reactor& here, const Body& body, blob::Answer& answer) {
  const LogErrc outcome = co_await store.apply(here, body, answer);
  co_await sleep_for(here, kAnswerNs);
  co_return outcome;
}

}  // namespace

BlobClient::BlobClient(unsigned number, unsigned keys, uint64_t seed, BlobAllowed allowed)
    : number_(number),
      is_versioned_(number % 2 == 1),
      allowed_(allowed),
      key_(*blobstore::SecretKey::from(std::string(blobstore::kKeyBytes, static_cast<char>('a' + number % 26)))),
      random_(seed + number * 7919),
      keys_(keys) {}

// Outcomes.

bool BlobClient::settle(LogErrc outcome, KeyModel& key, KnownKey after) {
  if (outcome == LogErrc::kOk) {
    ++acknowledged_;
    key.possible = {std::move(after)};
    return true;
  }
  if (outcome == LogErrc::kFull) {
    if (!allowed_.full) violate("refused without need: the disk is full");
  } else if (outcome == LogErrc::kFailed) {
    if (!allowed_.failed) violate("the log has failed without need");
    // It may be in the log or not.
    key.possible.push_back(std::move(after));
  } else if (outcome != LogErrc::kDamaged || !allowed_.damaged) {
    violate("an unexpected outcome: " + make_error_code(outcome).message());
  }
  return false;
}

bool BlobClient::may_fail(const Status& status, const char* what) {
  if (status.ok()) return true;
  const bool is_full = status.error().code() == env::DiskErrc::kFull;
  const bool is_damaged = status.error().code() == LogErrc::kDamaged;
  if (is_full ? !allowed_.full : is_damaged ? !allowed_.damaged : !allowed_.failed) {
    violate(std::string(what) + ": " + status.error().message());
  }
  damaged_ += is_damaged ? 1 : 0;
  return false;
}

uint64_t BlobClient::pick_length() {
  switch (pick(8)) {
    case 0:
      return 0;
    case 1:
      return pick(200);
    case 2:
      return 65'536 * (1 + pick(3)) + pick(3) - 1;
    case 3:
      return pick(400'000);
    default:
      return pick(6000);
  }
}

void BlobClient::draw_encoding(blobstore::WriterOptions& options) {
  if (pick(2) == 0) options.key = key_;
  options.compress = pick(2) == 0;
}

void BlobClient::apply_put(KnownKey& key, KnownVersion version) const {
  if (!is_versioned_) key.clear();
  key.insert(key.begin(), std::move(version));
}

// Running.

Task<void> BlobClient::run(Store& store, env::Reactor& here) {
  while (!is_stuck() && !co_await prepare(store, here)) co_await sleep_for(here, 5 * kNsPerMs);
  for (size_t at = 0; at < keys_.size() && !is_stuck(); ++at) {
    co_await verify_key(store, here, at);
    if (!is_stuck()) co_await verify_upload(store, here, at);
  }
  while (!is_stuck() && !is_finishing_) {
    co_await step(store, here);
    co_await sleep_for(here, static_cast<int64_t>(pick(3)) * kNsPerMs);
  }
  for (size_t at = 0; at < keys_.size() && !is_stuck(); ++at) {
    if (keys_[at].possible.size() == 1) co_await verify_key(store, here, at);
  }
  if (!is_stuck() && is_finishing_) co_await remove_everything(store, here);
  is_done_ = is_finishing_ && !is_stuck();
}

// The bucket, with its versioning.
Task<bool> BlobClient::prepare(Store& store, env::Reactor& here) {
  const std::string name = "bucket-" + std::to_string(number_);
  auto bucket = co_await store.find_bucket(here, name);
  if (bucket == nullptr) {
    if (bucket_ != 0 && !allowed_.damaged) violate("the bucket is gone");
    const blob::CreateBucket create{name, "owner", "", false, {}};
    Answer answer;
    const LogErrc outcome = co_await store.change_bucket(here, create, answer);
    if (outcome == LogErrc::kDamaged && !allowed_.damaged) violate("a shard is damaged");
    if (outcome != LogErrc::kOk || answer.buckets.empty()) co_return false;
    bucket = answer.buckets.front();
  }
  bucket_ = bucket->id;
  if (is_versioned_ && bucket->versioning != blob::Versioning::kEnabled) {
    const blob::ConfigureBucket configure{bucket_, blob::Versioning::kEnabled, false, {}, {}};
    Answer answer;
    co_return co_await store.change_bucket(here, configure, answer) == LogErrc::kOk&& answer.ok();
  }
  co_return true;
}

Task<std::optional<std::string>> BlobClient::read_all(blobstore::BlobReader& reader) {
  std::string bytes;
  while (true) {
    const Result<std::string_view> piece = co_await reader.next();
    if (!piece.ok()) {
      may_fail(std::unexpected<Error>(piece.error()), "a payload cannot be read");
      co_return std::nullopt;
    }
    if (piece->empty()) co_return bytes;
    bytes += *piece;
  }
}

Task<bool> BlobClient::holds(Store& store, env::Reactor& here, size_t at, const blob::ObjectInfo& found,
                             const KnownVersion& known) {
  if (found.is_delete_marker != known.is_marker) co_return false;
  if (known.version != 0 && found.version != known.version) co_return false;
  if (known.is_marker) co_return true;
  const std::string expected = bytes_of(known.content);
  if (found.meta.payload.size_bytes != expected.size()) co_return false;
  const blob::HeadObject what{bucket_, key_of(at), found.version, false};
  blobstore::Opened opened = co_await store.open_object(here, what);
  if (opened.outcome != LogErrc::kOk || !opened.answer.ok()) co_return false;
  opened.reader->use_key(key_);
  const std::optional<std::string> all = co_await read_all(*opened.reader);
  // Damage that was told is no wrong answer.
  if (!all) co_return allowed_.damaged;
  if (*all != expected) co_return false;
  const uint64_t from = pick(expected.size() + 1);
  const uint64_t length = pick(expected.size() - from + 1);
  opened.reader->seek(from, length);
  const std::optional<std::string> range = co_await read_all(*opened.reader);
  co_return range && *range == expected.substr(from, length);
}

Task<void> BlobClient::verify_key(Store& store, env::Reactor& here, size_t at) {
  KeyModel& key = keys_[at];
  const blob::ListObjects what{.bucket = bucket_,
                               .prefix = key_of(at),
                               .delimiter = {},
                               .after = {},
                               .after_version = 0,
                               .with_versions = true,
                               .with_meta = false,
                               .count_max = 100};
  Answer answer;
  const LogErrc outcome = co_await store.list(here, what, answer);
  if (outcome == LogErrc::kDamaged && allowed_.damaged) {
    ++damaged_;
    co_return;
  }
  if (outcome != LogErrc::kOk || !answer.ok()) co_return violate("a key cannot be listed");
  std::vector<blob::ObjectInfo> found;
  for (blob::ObjectInfo& entry : answer.page.entries) {
    if (entry.key == key_of(at)) found.push_back(std::move(entry));
  }
  for (const KnownKey& possible : key.possible) {
    bool is_it = possible.size() == found.size();
    for (size_t i = 0; i < found.size() && is_it; ++i) is_it = co_await holds(store, here, at, found[i], possible[i]);
    if (!is_it) continue;
    ++verified_;
    KnownKey known = possible;
    for (size_t i = 0; i < found.size(); ++i) known[i].version = found[i].version;
    key.possible = {std::move(known)};
    co_return;
  }
  if (is_stuck()) co_return;
  std::string told = key_of(at) + " is none of what it may be: found";
  for (const blob::ObjectInfo& entry : found) {
    told += " v" + std::to_string(entry.version) + (entry.is_delete_marker ? "m" : "") + ":" +
            std::to_string(entry.meta.payload.size_bytes);
  }
  for (const KnownKey& possible : key.possible) {
    told += "; possible";
    for (const KnownVersion& version : possible) {
      told += " v" + std::to_string(version.version) + (version.is_marker ? "m" : "") + ":" +
              std::to_string(bytes_of(version.content).size());
    }
  }
  violate(told);
}

// An upload that was acknowledged is there with its parts; then it is given up, as are those that nobody knows of.
Task<void> BlobClient::verify_upload(Store& store, env::Reactor& here, size_t at) {
  KeyModel& key = keys_[at];
  const blob::ListUploads what{
      .bucket = bucket_, .prefix = key_of(at), .delimiter = {}, .after = {}, .after_upload = 0, .count_max = 100};
  Answer answer;
  if (co_await store.list_uploads(here, what, answer) != LogErrc::kOk) co_return;
  bool is_known = false;
  for (const blob::UploadInfo& info : answer.uploads) {
    if (info.key != key_of(at)) continue;
    if (key.upload && key.upload->id == info.id && !key.is_upload_in_doubt) {
      is_known = true;
      continue;
    }
    const blob::AbortUpload abort{bucket_, info.key, info.id};
    Answer gone;
    if (co_await store.apply(here, abort, gone) == LogErrc::kOk && !gone.ok()) violate("an upload cannot be aborted");
  }
  if (key.is_upload_in_doubt) {
    key.upload.reset();
    key.is_upload_in_doubt = false;
    co_return;
  }
  if (!key.upload) co_return;
  if (!is_known) co_return violate("an upload is gone: " + key_of(at));
  const blob::ListParts list{bucket_, key_of(at), key.upload->id, 0, 100};
  Answer parts;
  if (co_await store.query(here, list, parts) != LogErrc::kOk) co_return;
  if (parts.parts.size() != key.upload->parts.size()) co_return violate("parts are gone");
  for (const blob::UploadPart& part : parts.parts) {
    const std::string expected = bytes_of(key.upload->parts[part.info.number]);
    blobstore::Opened opened = co_await store.open_payload(here, bucket_, key_of(at), part.payload);
    opened.reader->use_key(key_);
    const std::optional<std::string> all = co_await read_all(*opened.reader);
    if (all ? *all != expected : !allowed_.damaged) co_return violate("a part has other bytes");
  }
  ++verified_;
}

// Changing.

Task<void> BlobClient::step(Store& store, env::Reactor& here) {
  const size_t at = pick(keys_.size());
  switch (pick(12)) {
    case 0:
      co_return co_await remove(store, here, at);
    case 1:
      co_return co_await remove_version(store, here, at);
    case 2:
      // While a change is in doubt the log decides, at the next start; what is in memory until then does not.
      if (keys_[at].possible.size() == 1) co_await verify_key(store, here, at);
      co_return;
    case 3:
      co_return co_await read_slowly(store, here, at);
    case 4:
    case 5:
      co_return co_await begin_upload(store, here, at);
    case 6:
      co_return co_await end_upload(store, here, at);
    default:
      co_return co_await put(store, here, at);
  }
}

// In pieces of any size.
Task<std::optional<blob::Payload>> BlobClient::write(blobstore::BlobWriter& writer, Stretch stretch) {
  const std::string bytes = bytes_of(stretch);
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const std::string_view piece = rest.substr(0, 1 + pick(100'000));
    rest.remove_prefix(piece.size());
    const Status appended = co_await writer.append(piece);
    if (!may_fail(appended, "a payload cannot be written")) co_return std::nullopt;
  }
  if (pick(10) == 0) co_return std::nullopt;  // the client goes away
  Result<blob::Payload> payload = co_await writer.finish();
  if (!payload.ok()) {
    may_fail(std::unexpected<Error>(payload.error()), "a payload cannot be finished");
    co_return std::nullopt;
  }
  co_return std::move(*payload);
}

Task<void> BlobClient::put(Store& store, env::Reactor& here, size_t at) {
  KeyModel& key = keys_[at];
  if (key.possible.size() != 1 || key.possible[0].size() > kVersionsMax) co_return;
  const Stretch stretch{random_(), pick_length()};
  blobstore::WriterOptions options;
  if (pick(2) == 0) options.size_expected = pick(4) == 0 ? stretch.length / 2 : stretch.length;
  draw_encoding(options);
  const auto writer = store.new_writer(here, bucket_, key_of(at), options);
  std::optional<blob::Payload> payload = co_await write(*writer, stretch);
  if (!payload) co_return;
  blob::PutObject body{bucket_, key_of(at), {}, {}};
  body.meta.payload = std::move(*payload);
  KnownKey after = key.possible[0];
  apply_put(after, {0, false, {stretch}});
  // Until the answer is there, either may be.
  const KnownKey before = key.possible[0];
  key.possible.push_back(after);
  Answer answer;
  const LogErrc outcome = co_await apply(store, here, body, answer);
  key.possible = {before};
  if (outcome == LogErrc::kOk && !answer.ok()) co_return violate("a put is refused");
  after[0].version = answer.object.version;
  settle(outcome, key, std::move(after));
}

Task<void> BlobClient::remove(Store& store, env::Reactor& here, size_t at) {
  KeyModel& key = keys_[at];
  if (key.possible.size() != 1 || key.possible[0].size() > kVersionsMax) co_return;
  const KnownKey before = key.possible[0];
  KnownKey after;
  if (is_versioned_) {
    after = before;
    apply_put(after, {0, true, {}});
  }
  key.possible.push_back(after);
  const blob::DeleteObject body{.bucket = bucket_, .key = key_of(at)};
  Answer answer;
  const LogErrc outcome = co_await apply(store, here, body, answer);
  key.possible = {before};
  if (is_versioned_) after[0].version = answer.object.version;
  settle(outcome, key, std::move(after));
}

Task<void> BlobClient::remove_version(Store& store, env::Reactor& here, size_t at) {
  KeyModel& key = keys_[at];
  if (key.possible.size() != 1 || key.possible[0].empty()) co_return;
  const KnownKey before = key.possible[0];
  const size_t which = pick(before.size());
  KnownKey after = before;
  after.erase(after.begin() + static_cast<ptrdiff_t>(which));
  key.possible.push_back(after);
  const blob::DeleteObject body{.bucket = bucket_, .key = key_of(at), .version = before[which].version};
  Answer answer;
  const LogErrc outcome = co_await apply(store, here, body, answer);
  key.possible = {before};
  settle(outcome, key, std::move(after));
}

// A reader that was opened before its object is removed gets all of it.
Task<void> BlobClient::read_slowly(Store& store, env::Reactor& here, size_t at) {
  KeyModel& key = keys_[at];
  if (key.possible.size() != 1 || key.possible[0].empty() || key.possible[0][0].is_marker) co_return;
  const std::string expected = bytes_of(key.possible[0][0].content);
  const blob::HeadObject what{bucket_, key_of(at), {}, false};
  blobstore::Opened opened = co_await store.open_object(here, what);
  if (opened.outcome == LogErrc::kDamaged && allowed_.damaged) co_return;
  if (opened.outcome != LogErrc::kOk || !opened.answer.ok()) co_return violate("an object cannot be opened");
  opened.reader->use_key(key_);
  co_await remove(store, here, at);
  co_await sleep_for(here, static_cast<int64_t>(pick(80)) * kNsPerMs);
  const std::optional<std::string> all = co_await read_all(*opened.reader);
  if (all ? *all != expected : !allowed_.damaged && !allowed_.failed) violate("a slow reader gets other bytes");
}

Task<void> BlobClient::begin_upload(Store& store, env::Reactor& here, size_t at) {
  KeyModel& key = keys_[at];
  if (key.is_upload_in_doubt) co_return;
  if (key.upload) co_return co_await put_part(store, here, at);
  key.is_upload_in_doubt = true;
  const blob::CreateUpload body{bucket_, key_of(at), "me", {}};
  Answer answer;
  const LogErrc outcome = co_await apply(store, here, body, answer);
  key.is_upload_in_doubt = outcome == LogErrc::kFailed;
  if (outcome == LogErrc::kOk) key.upload = KnownUpload{answer.upload.id, {}};
}

Task<void> BlobClient::put_part(Store& store, env::Reactor& here, size_t at) {
  KeyModel& key = keys_[at];
  const auto number = 1 + static_cast<uint32_t>(pick(4));
  const Stretch stretch{random_(), pick_length()};
  // Parts of one upload need not be encoded alike.
  blobstore::WriterOptions options{.size_expected = {}, .is_part = true};
  draw_encoding(options);
  const auto writer = store.new_writer(here, bucket_, key_of(at), options);
  std::optional<blob::Payload> payload = co_await write(*writer, stretch);
  if (!payload) co_return;
  const blob::PutPart body{bucket_, key_of(at), key.upload->id, number, {}, {}, std::move(*payload)};
  key.is_upload_in_doubt = true;
  Answer answer;
  const LogErrc outcome = co_await apply(store, here, body, answer);
  key.is_upload_in_doubt = outcome == LogErrc::kFailed;
  if (outcome != LogErrc::kOk) co_return;
  if (!answer.ok()) co_return violate("a part is refused");
  ++acknowledged_;
  key.upload->parts[number] = stretch;
}

Task<void> BlobClient::end_upload(Store& store, env::Reactor& here, size_t at) {
  KeyModel& key = keys_[at];
  if (!key.upload || key.is_upload_in_doubt || key.possible.size() != 1) co_return;
  const KnownKey before = key.possible[0];
  KnownKey after = before;
  Answer answer;
  LogErrc outcome = LogErrc::kOk;
  key.is_upload_in_doubt = true;
  const bool completes = !key.upload->parts.empty() && pick(4) != 0;
  if (completes) {
    blob::CompleteUpload body{bucket_, key_of(at), key.upload->id, {}, 0, {}, {}, {}};
    KnownVersion made;
    for (const auto& [number, stretch] : key.upload->parts) {
      if (body.parts.empty() || pick(4) != 0) {
        body.parts.push_back({number, {}});
        made.content.push_back(stretch);
      }
    }
    apply_put(after, std::move(made));
    key.possible.push_back(after);
    outcome = co_await apply(store, here, body, answer);
    after[0].version = answer.object.version;
  } else {
    const blob::AbortUpload body{bucket_, key_of(at), key.upload->id};
    outcome = co_await apply(store, here, body, answer);
  }
  key.possible = {before};
  if (outcome == LogErrc::kOk && !answer.ok()) co_return violate("an upload cannot be ended");
  settle(outcome, key, std::move(after));
  key.is_upload_in_doubt = outcome == LogErrc::kFailed;
  if (outcome == LogErrc::kOk) key.upload.reset();
}

Task<void> BlobClient::remove_everything(Store& store, env::Reactor& here) {
  for (size_t at = 0; at < keys_.size() && !is_stuck(); ++at) {
    while (!is_stuck() && keys_[at].possible.size() == 1 && !keys_[at].possible[0].empty()) {
      const size_t left = keys_[at].possible[0].size();
      co_await remove_version(store, here, at);
      if (keys_[at].possible[0].size() == left) co_await sleep_for(here, 20 * kNsPerMs);
    }
    keys_[at].is_upload_in_doubt = true;
    co_await verify_upload(store, here, at);
  }
  const blob::DeleteBucket body{bucket_};
  Answer answer;
  LogErrc outcome = co_await store.change_bucket(here, body, answer);
  // The log may not have noticed yet that there is room again.
  for (int i = 0; i < 100 && outcome == LogErrc::kFull && allowed_.full; ++i) {
    co_await sleep_for(here, 20 * kNsPerMs);
    outcome = co_await store.change_bucket(here, body, answer);
  }
  if (!allowed_.damaged && (outcome != LogErrc::kOk || !answer.ok())) {
    violate("the emptied bucket cannot be removed: " + std::string(errc_text(answer.error)));
  }
}

}  // namespace keelson::sim_test
