// What a simulated S3 client looks at: is everything there that was promised, and nothing else?
#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "env/reactor.h"
#include "protocol/s3/dates.h"
#include "protocol/s3/digest.h"
#include "tests/sim/s3_client.h"

namespace keelson::sim_test {

namespace {

using env::sleep_for;

constexpr int64_t kNsPerMs = 1'000'000;

std::string unquoted(std::string_view etag) {
  if (etag.size() >= 2 && etag.front() == '"') etag = etag.substr(1, etag.size() - 2);
  return std::string(etag);
}

std::string text_of(const s3::XmlElement& element, std::string_view child) {
  return std::string(element.child_text(child).value_or(""));
}

std::string told_of(const S3State& state) {
  std::string told;
  for (const S3Version& version : state.versions) {
    told += " " + (version.id.empty() ? "?" : version.id.substr(version.id.size() > 8 ? 8 : 0, 8));
    told += version.is_marker ? ":marker" : ":" + std::to_string(version.size_bytes());
    if (!version.tag.empty()) told += ":tag " + version.tag;
  }
  if (state.upload) told += " upload " + state.upload->id + " of " + std::to_string(state.upload->parts.size());
  return told;
}

}  // namespace

// Everything that is settled; false if something could not be asked, or is in doubt still.
Task<bool> S3Client::verify_all() {
  for (size_t at = 0; at < keys_.size() && !is_stuck(); ++at) {
    if (!co_await verify_key(at)) co_return false;
    if (phase_ != S3Phase::kWork && !is_ready(at)) co_return false;
  }
  if (is_stuck()) co_return true;
  co_return co_await verify_listing();
}

Task<std::optional<std::vector<std::string>>> S3Client::uploads_of(size_t at) {
  BlobRequest what{.method = "GET", .bucket = bucket_, .query = {{"uploads", ""}, {"prefix", key_of(at)}}};
  const S3Reply reply = co_await call(what);
  judge(reply, what);
  if (!reply.is_good()) co_return std::nullopt;
  std::vector<std::string> ids;
  for (const s3::XmlElement& child : reply.xml().children) {
    if (child.name == "Upload" && text_of(child, "Key") == key_of(at)) ids.push_back(text_of(child, "UploadId"));
  }
  co_return ids;
}

Task<bool> S3Client::verify_key(size_t at) {
  S3Key& key = keys_[at];
  if (!key.is_known() && key.doubt_boot == world_.boots && caller_.now_ns() < key.settled_at_ns) co_return true;
  BlobRequest what{.method = "GET", .bucket = bucket_, .query = {{"versions", ""}, {"prefix", key_of(at)}}};
  const S3Reply reply = co_await call(what);
  judge(reply, what);
  if (!reply.is_good()) {
    if (reply.is_answered() && !reply.is_server_error()) violate("versions cannot be listed: " + reply.text());
    co_return false;
  }
  std::vector<s3::XmlElement> listed;
  for (const s3::XmlElement& child : reply.xml().children) {
    const bool is_version = child.name == "Version" || child.name == "DeleteMarker";
    if (is_version && text_of(child, "Key") == key_of(at)) listed.push_back(child);
  }
  const auto uploads = co_await uploads_of(at);
  if (!uploads) co_return false;
  const std::vector<S3State> possible = key.possible;
  for (const S3State& state : possible) {
    const std::optional<bool> is_it = co_await is_state(at, listed, *uploads, state);
    if (!is_it) co_return false;
    if (!*is_it) continue;
    ++verified_;
    S3State known = state;
    for (size_t i = 0; i < listed.size(); ++i) known.versions[i].id = text_of(listed[i], "VersionId");
    if (known.upload) known.upload->id = uploads->front();
    key.possible = {std::move(known)};
    co_return true;
  }
  std::string told = key_of(at) + " is none of what it may be: found";
  for (const s3::XmlElement& one : listed) {
    told += " " + text_of(one, "VersionId").substr(0, 16) + ":" + one.name + ":" + text_of(one, "Size");
  }
  told += " uploads " + std::to_string(uploads->size());
  for (const S3State& state : possible) told += "; possible" + told_of(state);
  violate(told);
  co_return true;
}

Task<std::optional<bool>> S3Client::is_state(size_t at, const std::vector<s3::XmlElement>& listed,
                                             const std::vector<std::string>& uploads, const S3State& state) {
  if (listed.size() != state.versions.size() || uploads.size() != (state.upload ? 1 : 0)) co_return false;
  for (size_t i = 0; i < listed.size(); ++i) {
    if ((text_of(listed[i], "IsLatest") == "true") != (i == 0)) co_return false;
    const auto is_it = co_await holds(at, listed[i], state.versions[i]);
    if (!is_it || !*is_it) co_return is_it;
  }
  if (!state.upload) co_return true;
  if (!state.upload->id.empty() && state.upload->id != uploads.front()) co_return false;
  co_return co_await holds_parts(at, uploads.front(), *state.upload);
}

Task<std::optional<bool>> S3Client::holds(size_t at, const s3::XmlElement& listed, const S3Version& known) {
  const std::string id = text_of(listed, "VersionId");
  if ((listed.name == "DeleteMarker") != known.is_marker) co_return false;
  if (!known.id.empty() && known.id != id) co_return false;
  if (known.is_marker) co_return true;
  if (text_of(listed, "Size") != std::to_string(known.size_bytes())) co_return false;
  if (unquoted(text_of(listed, "ETag")) != etag_of(known)) co_return false;
  co_return co_await holds_bytes(at, id, known);
}

// Bytes, a range of them, tags and lock.
Task<std::optional<bool>> S3Client::holds_bytes(size_t at, const std::string& id, const S3Version& known) {
  BlobRequest what = request("GET", at);
  what.query.emplace_back("versionId", id);
  const S3Reply reply = co_await call(what);
  judge(reply, what);
  // Damage is told by breaking the answer off.
  if (!reply.is_answered() || reply.is_server_error()) {
    co_return allowed_.damaged&& reply.kind != S3Reply::Kind::kNotSent ? std::optional<bool>(true) : std::nullopt;
  }
  const std::string expected = bytes_of(known.content);
  if (!reply.is_good() || reply.body != expected || unquoted(reply.field("etag")) != etag_of(known)) co_return false;
  const std::string until = known.lock.until_ms == 0 ? "" : s3::format_iso8601(known.lock.until_ms);
  if (reply.field("x-amz-object-lock-retain-until-date") != until) co_return false;
  if ((reply.field("x-amz-object-lock-legal-hold") == "ON") != known.lock.is_held) co_return false;
  if ((reply.field("x-amz-tagging-count") == "1") != !known.tag.empty()) co_return false;
  if (!known.tag.empty()) {
    BlobRequest tags = request("GET", at);
    tags.query = {{"tagging", ""}, {"versionId", id}};
    const S3Reply tagged = co_await call(tags);
    if (!tagged.is_good()) co_return std::nullopt;
    if (tagged.body.find("<Value>" + known.tag + "</Value>") == std::string::npos) co_return false;
  }
  if (expected.empty()) co_return true;
  const uint64_t from = pick(expected.size());
  const uint64_t length = 1 + pick(expected.size() - from);
  what.headers.emplace_back("range", "bytes=" + std::to_string(from) + "-" + std::to_string(from + length - 1));
  const S3Reply range = co_await call(what);
  if (!range.is(206)) co_return range.is_good() ? std::optional<bool>(false) : std::nullopt;
  co_return range.body == expected.substr(from, length);
}

Task<std::optional<bool>> S3Client::holds_parts(size_t at, const std::string& id, const S3Upload& known) {
  BlobRequest what = request("GET", at);
  what.query.emplace_back("uploadId", id);
  const S3Reply reply = co_await call(what);
  judge(reply, what);
  if (!reply.is_good()) co_return std::nullopt;
  size_t count = 0;
  for (const s3::XmlElement& child : reply.xml().children) {
    if (child.name != "Part") continue;
    ++count;
    uint32_t number = 0;
    const std::string text = text_of(child, "PartNumber");
    (void)std::from_chars(text.data(), text.data() + text.size(), number);
    const auto part = known.parts.find(number);
    if (part == known.parts.end()) co_return false;
    if (unquoted(text_of(child, "ETag")) != etag_of(part->second)) co_return false;
    if (text_of(child, "Size") != std::to_string(part->second.length)) co_return false;
  }
  co_return count == known.parts.size();
}

// ListObjectsV2 in small pages: every key that has a latest version, whole, once, in order.
Task<bool> S3Client::verify_listing() {
  std::vector<s3::XmlElement> listed;
  std::string token;
  do {
    BlobRequest what{.method = "GET", .bucket = bucket_, .query = {{"list-type", "2"}, {"max-keys", "2"}}};
    if (!token.empty()) what.query.emplace_back("continuation-token", token);
    const S3Reply reply = co_await call(what);
    judge(reply, what);
    if (!reply.is_good()) co_return false;
    const s3::XmlElement root = reply.xml();
    for (const s3::XmlElement& child : root.children) {
      if (child.name == "Contents") listed.push_back(child);
    }
    token = text_of(root, "NextContinuationToken");
  } while (!token.empty());
  for (size_t i = 1; i < listed.size(); ++i) {
    if (text_of(listed[i - 1], "Key") >= text_of(listed[i], "Key")) violate("a listing is out of order");
  }
  size_t found = 0;
  for (size_t at = 0; at < keys_.size(); ++at) {
    const auto entry =
        std::ranges::find_if(listed, [&](const s3::XmlElement& one) { return text_of(one, "Key") == key_of(at); });
    found += entry != listed.end() ? 1 : 0;
    const bool is_it = std::ranges::any_of(keys_[at].possible, [&](const S3State& state) {
      if (state.versions.empty() || state.versions.front().is_marker) return entry == listed.end();
      const S3Version& latest = state.versions.front();
      return entry != listed.end() && text_of(*entry, "Size") == std::to_string(latest.size_bytes()) &&
             unquoted(text_of(*entry, "ETag")) == etag_of(latest);
    });
    if (!is_it) violate("a listing shows something else of " + key_of(at));
  }
  if (found != listed.size()) violate("a listing shows keys that nobody wrote");
  co_return true;
}

// From what is there back to the first write: every write that won is on the way, none that lost is.
void S3Client::verify_chain(const std::string& name, const ContestedKey& key, std::string at) {
  std::set<std::string> chain;
  while (!at.empty()) {
    const auto attempt = key.attempts.find(at);
    if (attempt == key.attempts.end()) return violate(name + " holds what nobody wrote");
    if (attempt->second.outcome == Attempt::Outcome::kLost) violate(name + ": a write that was refused was done");
    if (!chain.insert(at).second) return violate(name + ": writes follow each other in a ring");
    at = attempt->second.base_etag;
  }
  for (const auto& [etag, attempt] : key.attempts) {
    if (attempt.outcome == Attempt::Outcome::kWon && !chain.contains(etag)) {
      violate(name + ": a conditional write that was acknowledged is lost");
    }
  }
}

Task<bool> S3Client::verify_contested() {
  for (auto& [name, key] : world_.contested) {
    const BlobRequest what{.method = "GET", .bucket = std::string(kContestedBucket), .key = name};
    if (!key.is_verified) {
      const S3Reply reply = co_await call(what);
      judge(reply, what);
      const bool is_told = reply.is(200) || reply.is(404);
      // What has rotted does not say what it was.
      if (!is_told && (!allowed_.damaged || reply.kind == S3Reply::Kind::kNotSent)) co_return false;
      if (is_told) {
        verify_chain(name, key,
                     reply.is(200) ? s3::to_hex(s3::digest_of(s3::DigestKind::kMd5, reply.body)) : std::string());
      }
      ++verified_;
      key.is_verified = true;
    }
    BlobRequest remove = what;
    remove.method = "DELETE";
    const S3Reply removed = co_await call(remove);
    if (!removed.is_good()) co_return false;
  }
  co_return true;
}

Task<void> S3Client::remove_everything() {
  env::Reactor& here = caller_.reactor();
  while (number_ == 0 && !is_stuck() && !co_await verify_contested()) co_await sleep_for(here, 20 * kNsPerMs);
  for (size_t at = 0; at < keys_.size() && !is_stuck(); ++at) {
    while (!is_stuck()) {
      if (!is_ready(at)) {
        (void)co_await verify_key(at);
        co_await sleep_for(here, 20 * kNsPerMs);
        continue;
      }
      S3State state = keys_[at].possible.front();
      if (state.upload) {
        BlobRequest abort = request("DELETE", at);
        abort.query.emplace_back("uploadId", state.upload->id);
        state.upload.reset();
        co_await change(at, std::move(abort), std::move(state));
        continue;
      }
      if (state.versions.empty()) break;
      for (S3Version& version : state.versions) {
        if (!version.lock.is_held) continue;
        version.lock.is_held = false;
        BlobRequest lift = request("PUT", at, "<LegalHold><Status>OFF</Status></LegalHold>");
        lift.query = {{"legal-hold", ""}, {"versionId", version.id}};
        co_await change(at, std::move(lift), state);
      }
      if (!is_ready(at)) continue;
      const size_t left = keys_[at].possible.front().versions.size();
      co_await remove_version(at, true);
      if (keys_[at].possible.front().versions.size() == left) co_await sleep_for(here, 100 * kNsPerMs);
    }
  }
  BlobRequest bucket{.method = "DELETE", .bucket = bucket_};
  while (!is_stuck()) {
    const S3Reply reply = co_await call(bucket);
    judge(reply, bucket);
    if (reply.is_good() || reply.is(404)) break;
    if (reply.is_answered() && !reply.is_server_error()) violate("the emptied bucket is not removed: " + reply.text());
    co_await sleep_for(here, 20 * kNsPerMs);
  }
}

}  // namespace keelson::sim_test
