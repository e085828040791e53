#include "tests/sim/s3_client.h"

#include <algorithm>
#include <utility>

#include "base/base64.h"
#include "env/reactor.h"
#include "protocol/s3/dates.h"
#include "protocol/s3/digest.h"
#include "protocol/s3/uri.h"

namespace keelson::sim_test {

namespace {

using env::sleep_for;

constexpr int64_t kNsPerMs = 1'000'000;
constexpr size_t kVersionsMax = 4;
constexpr unsigned kContestedKeys = 2;
// A request whose connection broke is over by then: the slowest sync and the slowest run of bytes take a tenth of it.
constexpr int64_t kSettleNs = 400 * kNsPerMs;

std::string content_of(const std::vector<Stretch>& stretches) { return bytes_of(stretches); }

std::string copy_source(std::string_view bucket, std::string_view key, std::string_view id) {
  std::string source(bucket);
  source += '/';
  s3::append_uri_encoded(source, key, s3::Slash::kKeep);
  if (!id.empty()) source.append("?versionId=").append(id);
  return source;
}

}  // namespace

std::string etag_of(const Stretch& stretch) {
  return s3::to_hex(s3::digest_of(s3::DigestKind::kMd5, bytes_of(stretch)));
}

std::string etag_of(const S3Version& version) {
  if (!version.is_multipart) return s3::to_hex(s3::digest_of(s3::DigestKind::kMd5, content_of(version.content)));
  std::string digests;
  for (const Stretch& part : version.content) digests += s3::digest_of(s3::DigestKind::kMd5, bytes_of(part));
  return s3::to_hex(s3::digest_of(s3::DigestKind::kMd5, digests)) + "-" + std::to_string(version.content.size());
}

S3Client::S3Client(unsigned number, unsigned keys, uint64_t seed, S3Allowed allowed, S3World& world, S3Caller caller)
    : number_(number),
      kind_(number % 3),
      allowed_(allowed),
      world_(world),
      caller_(std::move(caller)),
      random_(seed * 31 + number * 7919),
      bucket_("bucket-" + std::to_string(number)),
      keys_(keys) {}

uint64_t S3Client::live_bytes() const {
  uint64_t bytes = 0;
  for (const S3Key& key : keys_) {
    for (const S3Version& version : key.possible.front().versions) bytes += version.size_bytes();
    if (!key.possible.front().upload) continue;
    for (const auto& [number, part] : key.possible.front().upload->parts) bytes += part.length;
  }
  return bytes;
}

uint64_t S3Client::pick_length() {
  switch (pick(10)) {
    case 0:
      return 0;
    case 1:
      return pick(200);
    case 2:
      return 65'536 * (1 + pick(2)) + pick(3) - 1;
    case 3:
      return pick(150'000);
    default:
      return pick(6000);
  }
}

BlobRequest S3Client::request(std::string method, size_t at, std::string content) const {
  return {.method = std::move(method), .bucket = bucket_, .key = key_of(at), .content = std::move(content)};
}

// Outcomes.

void S3Client::judge(const S3Reply& reply, const BlobRequest& what) {
  if (reply.is_server_error() && !allowed_.server_errors) {
    violate(what.method + " " + what.place() + " fails without need: " + reply.text());
  }
}

bool S3Client::is_ready(size_t at) const { return keys_[at].is_known(); }

void S3Client::in_doubt(S3Key& key, S3State after) {
  key.possible.push_back(std::move(after));
  key.settled_at_ns = caller_.now_ns() + kSettleNs;
  key.doubt_boot = world_.boots;
}

void S3Client::must_be_refused(S3Key& key) {
  for (S3State& state : key.possible) state = key.possible.front();
}

Task<bool> S3Client::change(size_t at, BlobRequest what, S3State after, S3Reply* told) {
  S3Key& key = keys_[at];
  const BlobRequest asked{.method = what.method, .bucket = what.bucket, .key = what.key};
  S3Reply reply = co_await call(std::move(what));
  judge(reply, asked);
  bool is_done = false;
  if (reply.kind == S3Reply::Kind::kDoubt || reply.is_server_error()) {
    in_doubt(key, std::move(after));
  } else if (reply.is_good()) {
    ++acknowledged_;
    if (!after.versions.empty() && after.versions.front().id.empty()) {
      after.versions.front().id = is_versioned() ? reply.field("x-amz-version-id") : "null";
    }
    key.possible = {std::move(after)};
    is_done = true;
  } else if (reply.is_answered() && told == nullptr) {
    violate(asked.method + " " + asked.place() + " is refused: " + reply.text());
  }
  if (told != nullptr) *told = std::move(reply);
  co_return is_done;
}

void S3Client::add_version(S3State& state, S3Version version) const {
  if (!is_versioned()) state.versions.clear();
  state.versions.insert(state.versions.begin(), std::move(version));
}

// Running.

Task<void> S3Client::run() {
  while (!is_stuck() && !co_await prepare()) co_await sleep_for(caller_.reactor(), 5 * kNsPerMs);
  seen_boots_ = world_.boots;
  while (!is_stuck() && phase_ == S3Phase::kWork) {
    co_await work();
    co_await sleep_for(caller_.reactor(), static_cast<int64_t>(pick(3)) * kNsPerMs);
  }
  while (!is_stuck() && done_ != S3Phase::kRemove) {
    if (done_ == phase_) {
      co_await sleep_for(caller_.reactor(), 5 * kNsPerMs);
      continue;
    }
    const S3Phase phase = phase_;
    while (!is_stuck() && !co_await verify_all()) co_await sleep_for(caller_.reactor(), 20 * kNsPerMs);
    if (!is_stuck() && phase == S3Phase::kRemove) co_await remove_everything();
    done_ = phase;
  }
}

Task<bool> S3Client::prepare() {
  const std::string shared(kContestedBucket);
  for (const std::string& name : {shared, bucket_}) {
    BlobRequest create{.method = "PUT", .bucket = name};
    if (name == bucket_ && has_locks()) create.headers.emplace_back("x-amz-bucket-object-lock-enabled", "true");
    const S3Reply reply = co_await call(create);
    judge(reply, create);
    if (!reply.is_good() && !reply.is(409)) {
      if (reply.is_answered() && !reply.is_server_error()) violate("a bucket is refused: " + reply.text());
      co_return false;
    }
  }
  has_bucket_ = true;
  if (kind_ != 1) co_return true;
  BlobRequest configure{.method = "PUT", .bucket = bucket_, .query = {{"versioning", ""}}};
  configure.content = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
  const S3Reply reply = co_await call(configure);
  judge(reply, configure);
  co_return reply.is_good();
}

Task<void> S3Client::work() {
  if (seen_boots_ != world_.boots) {
    const uint64_t boots = world_.boots;
    if (co_await verify_all()) seen_boots_ = boots;
    co_return;
  }
  co_await step();
}

Task<void> S3Client::step() {
  const size_t at = pick(keys_.size());
  if (!is_ready(at)) {
    co_await verify_key(at);
    co_return;
  }
  const bool is_many = keys_[at].possible.front().versions.size() > kVersionsMax;
  switch (is_many ? 1 : pick(22)) {
    case 0:
      co_return co_await remove(at);
    case 1:
      co_return co_await remove_version(at, pick(4) == 0);
    case 2:
      co_return co_await remove_many();
    case 3:
      (void)co_await verify_key(at);
      co_return;
    case 4:
      (void)co_await verify_listing();
      co_return;
    case 5:
      co_return co_await copy(at);
    case 6:
      co_return co_await tag(at);
    case 7:
      co_return co_await lock(at);
    case 8:
      co_return co_await put_cut_short(at);
    case 9:
    case 10:
      co_return co_await put_conditionally(at);
    case 11:
    case 12:
    case 13:
    case 14:
      co_return co_await upload(at);
    case 15:
    case 16:
      co_return co_await end_upload(at);
    case 17:
    case 18:
      co_return co_await compete();
    default:
      co_return co_await put(at);
  }
}

// Objects.

Task<void> S3Client::put(size_t at) {
  S3Version made{.content = {{random_(), pick_length()}}};
  BlobRequest what = request("PUT", at, content_of(made.content));
  if (pick(4) == 0) {
    made.tag = std::to_string(pick(100));
    what.headers.emplace_back("x-amz-tagging", "t=" + made.tag);
  }
  if (has_locks() && pick(5) == 0) {
    made.lock.is_compliance = pick(3) == 0;
    made.lock.until_ms = caller_.wall_ms() + 100 + static_cast<int64_t>(pick(1500));
    what.headers.emplace_back("x-amz-object-lock-mode", made.lock.is_compliance ? "COMPLIANCE" : "GOVERNANCE");
    what.headers.emplace_back("x-amz-object-lock-retain-until-date", s3::format_iso8601(made.lock.until_ms));
  }
  S3State after = keys_[at].possible.front();
  add_version(after, std::move(made));
  co_await change(at, std::move(what), std::move(after));
}

// Only this client writes the key, so it knows what the condition finds.
Task<void> S3Client::put_conditionally(size_t at) {
  S3State after = keys_[at].possible.front();
  const bool is_there = !after.versions.empty() && !after.versions.front().is_marker;
  S3Version made{.content = {{random_(), pick_length()}}};
  BlobRequest what = request("PUT", at, content_of(made.content));
  bool must_hold = !is_there;
  uint16_t refusal = 412;
  if (pick(2) == 0) {
    what.headers.emplace_back("if-none-match", "*");
  } else {
    const bool is_right = is_there && pick(2) == 0;
    must_hold = is_right;
    if (!is_there) refusal = 404;
    what.headers.emplace_back("if-match",
                              "\"" + (is_right ? etag_of(after.versions.front()) : std::string(32, '0')) + "\"");
  }
  add_version(after, std::move(made));
  const S3State before = keys_[at].possible.front();
  S3Reply reply;
  co_await change(at, std::move(what), std::move(after), &reply);
  if (!must_hold) must_be_refused(keys_[at]);
  if (!reply.is_answered() || reply.is_server_error() || (must_hold && reply.is_good())) co_return;
  if (must_hold) co_return violate("a condition that holds is refused: " + key_of(at) + ": " + reply.text());
  if (!reply.is(refusal)) violate("a condition that does not hold is not refused: " + key_of(at) + ": " + reply.text());
  keys_[at].possible = {before};
}

Task<void> S3Client::put_cut_short(size_t at) {
  BlobRequest what = request("PUT", at, bytes_of(Stretch{random_(), 1 + pick(200'000)}));
  const size_t bytes = pick(what.content.size());
  co_await caller_.call_cut_short(std::move(what), bytes);
}

Task<void> S3Client::copy(size_t at) {
  const size_t from = pick(keys_.size());
  if (from == at || !is_ready(from)) co_return;
  const S3State& source = keys_[from].possible.front();
  if (source.versions.empty()) co_return;
  const S3Version& version = source.versions[pick(source.versions.size())];
  if (version.is_marker || version.id.empty()) co_return;
  BlobRequest what = request("PUT", at);
  what.headers.emplace_back("x-amz-copy-source", copy_source(bucket_, key_of(from), version.id));
  S3State after = keys_[at].possible.front();
  add_version(after, {.content = version.content, .tag = version.tag});
  co_await change(at, std::move(what), std::move(after));
}

Task<void> S3Client::remove(size_t at) {
  S3State after = keys_[at].possible.front();
  if (is_versioned()) {
    add_version(after, {.is_marker = true});
  } else {
    after.versions.clear();
  }
  co_await change(at, request("DELETE", at), std::move(after));
}

Task<void> S3Client::remove_version(size_t at, bool bypasses) {
  S3State after = keys_[at].possible.front();
  if (after.versions.empty()) co_return;
  const size_t which = pick(after.versions.size());
  const S3Version version = after.versions[which];
  after.versions.erase(after.versions.begin() + static_cast<ptrdiff_t>(which));
  BlobRequest what = request("DELETE", at);
  what.query.emplace_back("versionId", version.id);
  if (bypasses) what.headers.emplace_back("x-amz-bypass-governance-retention", "true");
  const bool may_lift = bypasses && !version.lock.is_compliance;
  const int64_t before_ms = caller_.wall_ms();
  S3Reply reply;
  const bool is_done = co_await change(at, std::move(what), std::move(after), &reply);
  // As long as a request that was not answered may still be carried out.
  const int64_t by_ms = caller_.wall_ms() + (reply.is_answered() ? 0 : kSettleNs / kNsPerMs);
  const bool is_locked = version.lock.is_held || (!may_lift && version.lock.until_ms > by_ms);
  if (is_locked && is_done) co_return violate("a locked version was removed: " + key_of(at) + " " + version.id);
  if (is_locked) must_be_refused(keys_[at]);
  if (!reply.is(403)) {
    if (reply.is_answered() && !reply.is_good() && !reply.is_server_error()) {
      violate("a version cannot be removed: " + reply.text());
    }
    co_return;
  }
  ++refused_by_lock_;
  const bool was_locked = version.lock.is_held || (!may_lift && version.lock.until_ms > before_ms);
  if (!was_locked) violate("a version that is not locked cannot be removed: " + key_of(at));
}

Task<void> S3Client::remove_many() {
  std::vector<size_t> chosen;
  std::string document = "<Delete>";
  for (size_t at = 0; at < keys_.size(); ++at) {
    if (!is_ready(at) || pick(3) != 0) continue;
    chosen.push_back(at);
    document.append("<Object><Key>").append(key_of(at)).append("</Key></Object>");
  }
  if (chosen.empty()) co_return;
  BlobRequest what{.method = "POST", .bucket = bucket_, .query = {{"delete", ""}}, .content = document + "</Delete>"};
  what.headers.emplace_back("content-md5", to_base64(s3::digest_of(s3::DigestKind::kMd5, what.content)));
  const S3Reply reply = co_await call(what);
  judge(reply, what);
  if (reply.kind == S3Reply::Kind::kNotSent) co_return;
  if (reply.is_answered() && !reply.is_good() && !reply.is_server_error()) {
    co_return violate("DeleteObjects is refused: " + reply.text());
  }
  const s3::XmlElement root = reply.xml();
  for (const size_t at : chosen) {
    S3State after = keys_[at].possible.front();
    if (is_versioned()) {
      add_version(after, {.is_marker = true});
    } else {
      after.versions.clear();
    }
    const auto told = std::ranges::find_if(
        root.children, [&](const s3::XmlElement& child) { return child.child_text("Key") == key_of(at); });
    if (!reply.is_good() || (told != root.children.end() && told->name == "Error")) {
      if (reply.is_good() && !allowed_.server_errors) violate("a key of DeleteObjects fails: " + reply.body);
      in_doubt(keys_[at], std::move(after));
      continue;
    }
    if (told == root.children.end()) co_return violate("DeleteObjects says nothing of a key");
    ++acknowledged_;
    if (is_versioned()) after.versions.front().id = told->child_text("DeleteMarkerVersionId").value_or("");
    keys_[at].possible = {std::move(after)};
  }
}

Task<void> S3Client::tag(size_t at) {
  S3State after = keys_[at].possible.front();
  if (after.versions.empty() || after.versions.front().is_marker) co_return;
  after.versions.front().tag = std::to_string(pick(100));
  BlobRequest what = request("PUT", at);
  what.query.emplace_back("tagging", "");
  what.content =
      "<Tagging><TagSet><Tag><Key>t</Key><Value>" + after.versions.front().tag + "</Value></Tag></TagSet></Tagging>";
  co_await change(at, std::move(what), std::move(after));
}

// Locks are set and made longer, and holds go on and off.
Task<void> S3Client::lock(size_t at) {
  S3State after = keys_[at].possible.front();
  if (!has_locks() || after.versions.empty()) co_return;
  S3Version& version = after.versions[pick(after.versions.size())];
  if (version.is_marker || version.id.empty()) co_return;
  BlobRequest what = request("PUT", at);
  what.query.emplace_back("versionId", version.id);
  if (pick(3) == 0) {
    version.lock.is_held = !version.lock.is_held;
    what.query.emplace_back("legal-hold", "");
    what.content = "<LegalHold><Status>" + std::string(version.lock.is_held ? "ON" : "OFF") + "</Status></LegalHold>";
  } else {
    version.lock.until_ms = std::max(version.lock.until_ms, caller_.wall_ms()) + 200 + static_cast<int64_t>(pick(500));
    what.query.emplace_back("retention", "");
    what.content = "<Retention><Mode>" + std::string(version.lock.is_compliance ? "COMPLIANCE" : "GOVERNANCE") +
                   "</Mode><RetainUntilDate>" + s3::format_iso8601(version.lock.until_ms) +
                   "</RetainUntilDate></Retention>";
  }
  co_await change(at, std::move(what), std::move(after));
}

// Uploads.

Task<void> S3Client::upload(size_t at) {
  S3State after = keys_[at].possible.front();
  if (after.upload) co_return co_await put_part(at);
  after.upload.emplace();
  BlobRequest what = request("POST", at);
  what.query.emplace_back("uploads", "");
  S3Reply reply;
  // The head's version id is of no concern here: only a version that has none yet would take it.
  if (!co_await change(at, std::move(what), std::move(after), &reply)) {
    if (reply.is_answered() && !reply.is_server_error()) violate("an upload is refused: " + reply.text());
    co_return;
  }
  keys_[at].possible.front().upload->id = reply.xml().child_text("UploadId").value_or("");
}

Task<void> S3Client::put_part(size_t at) {
  S3State after = keys_[at].possible.front();
  if (after.upload->id.empty()) co_return;
  const auto number = 1 + static_cast<uint32_t>(pick(4));
  Stretch part{random_(), pick_length()};
  const size_t from = pick(keys_.size());
  BlobRequest what = request("PUT", at);
  what.query = {{"partNumber", std::to_string(number)}, {"uploadId", after.upload->id}};
  const std::vector<S3Version>& source = keys_[from].possible.front().versions;
  if (pick(3) == 0 && is_ready(from) && !source.empty() && source.front().content.size() == 1 &&
      !source.front().id.empty()) {
    part = source.front().content.front();
    what.headers.emplace_back("x-amz-copy-source", copy_source(bucket_, key_of(from), source.front().id));
  } else {
    what.content = bytes_of(part);
  }
  after.upload->parts[number] = part;
  co_await change(at, std::move(what), std::move(after));
}

Task<void> S3Client::end_upload(size_t at) {
  S3State after = keys_[at].possible.front();
  if (!after.upload || after.upload->id.empty()) co_return;
  const S3Upload upload = *after.upload;
  after.upload.reset();
  if (upload.parts.empty() || pick(4) == 0) {
    BlobRequest what = request("DELETE", at);
    what.query.emplace_back("uploadId", upload.id);
    co_await change(at, std::move(what), std::move(after));
    co_return;
  }
  S3Version made{.is_multipart = true};
  BlobRequest what = request("POST", at);
  what.query.emplace_back("uploadId", upload.id);
  what.content = "<CompleteMultipartUpload>";
  for (const auto& [number, part] : upload.parts) {
    if (!made.content.empty() && pick(4) == 0) continue;
    made.content.push_back(part);
    what.content.append("<Part><PartNumber>").append(std::to_string(number)).append("</PartNumber><ETag>\"");
    what.content.append(etag_of(part)).append("\"</ETag></Part>");
  }
  what.content += "</CompleteMultipartUpload>";
  add_version(after, std::move(made));
  co_await change(at, std::move(what), std::move(after));
}

// Conditions against others.

Task<void> S3Client::compete() {
  const std::string name = "contested " + std::to_string(pick(kContestedKeys));
  ContestedKey& key = world_.contested[name];
  BlobRequest read{.method = "GET", .bucket = std::string(kContestedBucket), .key = name};
  const S3Reply found = co_await call(read);
  judge(found, read);
  if (!found.is(200) && !found.is(404)) co_return;
  std::string base;
  if (found.is(200)) {
    base = s3::to_hex(s3::digest_of(s3::DigestKind::kMd5, found.body));
    const auto known = key.attempts.find(base);
    if (known == key.attempts.end()) co_return violate(name + " holds what nobody wrote");
    if (known->second.outcome == Attempt::Outcome::kLost) co_return violate(name + " holds a write that was refused");
  }
  const Stretch content{random_(), 1 + pick(5000)};
  const std::string mine = etag_of(content);
  key.attempts[mine] = {base, content, Attempt::Outcome::kOpen};
  BlobRequest what{.method = "PUT", .bucket = std::string(kContestedBucket), .key = name, .content = bytes_of(content)};
  if (base.empty()) {
    what.headers.emplace_back("if-none-match", "*");
  } else {
    what.headers.emplace_back("if-match", "\"" + base + "\"");
  }
  const S3Reply reply = co_await call(what);
  judge(reply, what);
  Attempt& attempt = world_.contested[name].attempts[mine];
  if (reply.is_good()) {
    attempt.outcome = Attempt::Outcome::kWon;
    ++acknowledged_;
  } else if (reply.kind == S3Reply::Kind::kNotSent || reply.is(412)) {
    attempt.outcome = Attempt::Outcome::kLost;
  } else if (reply.is_answered() && !reply.is_server_error()) {
    violate(name + ": a conditional write gets " + reply.text());
  }
}

}  // namespace keelson::sim_test
