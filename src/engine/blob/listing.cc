// Listings of objects: the index walked upwards, common prefixes skipped by seeking behind them.
#include <utility>

#include "base/check.h"
#include "engine/blob/handlers.h"
#include "engine/blob/index_key.h"

namespace keelson::blob {

namespace {

// Versions of one key that are stepped over before a seek is cheaper.
constexpr int kStepsBeforeSeek = 8;
// Keys that are passed by since they are deleted, in one page: each costs up to a microsecond, and a reactor asks some
// ten shards in one turn.
constexpr int kPassedMax = 256;

class Lister {
 public:
  Lister(const BlobState& state, const ListObjects& body, ListPage& page)
      : body_(body), page_(page), prefix_(index_prefix(body.bucket, body.prefix)), cursor_(state.index) {}

  void run() {
    begin();
    while (cursor_.is_valid() && cursor_.key().starts_with(prefix_)) {
      const bool is_read = read_index_key(cursor_.key(), at_);
      KEELSON_CHECK(is_read, "the index holds a key that cannot be read");
      const size_t cut =
          body_.delimiter.empty() ? std::string::npos : at_.key.find(body_.delimiter, body_.prefix.size());
      const bool goes_on = cut == std::string::npos ? take_key() : take_prefix(cut + body_.delimiter.size());
      if (!goes_on) return;
    }
  }

 private:
  void begin() {
    if (!body_.walk_after.empty()) {
      cursor_.seek(behind_prefix(index_key_start(body_.bucket, body_.walk_after)));
      return;
    }
    if (body_.after.empty() || body_.after < body_.prefix) {
      cursor_.seek(prefix_);
      is_first_of_key_ = true;
      return;
    }
    if (body_.with_versions && body_.after_version != 0) {
      // Behind that version; what is left of the key is older than its latest.
      const std::string last = index_key(body_.bucket, body_.after, body_.after_version);
      cursor_.seek(last);
      if (cursor_.is_valid() && cursor_.key() == last) cursor_.next();
      // Unless that version, and all newer ones, are gone meanwhile.
      is_first_of_key_ = cursor_.is_valid() && is_newest();
      return;
    }
    cursor_.seek(behind_prefix(index_key_start(body_.bucket, body_.after)));
    is_first_of_key_ = true;
  }

  // Nothing newer of the cursor's key stands before it.
  [[nodiscard]] bool is_newest() const {
    OrderedIndex::Cursor newest = cursor_;
    newest.seek(without_version(cursor_.key()));
    return newest.key() == cursor_.key();
  }

  [[nodiscard]] bool is_full() const { return page_.entries.size() + page_.prefixes.size() >= body_.count_max; }
  bool stop() {
    page_.is_truncated = true;
    return false;
  }

  // A key that stands for itself. False: the page is full.
  bool take_key() {
    const bool is_marker = entry_flags(cursor_.value()).is_delete_marker;
    const std::string same(without_version(cursor_.key()));
    if (body_.with_versions || !is_marker) {
      if (is_full()) return stop();
      add_entry();
    }
    if (!body_.with_versions) {
      skip_versions(same);
      return !is_marker || note_passed();
    }
    cursor_.next();
    is_first_of_key_ = !cursor_.is_valid() || !cursor_.key().starts_with(same);
    return true;
  }

  // At a key that is not listed. False: enough for one page.
  bool note_passed() {
    if (++passed_ < kPassedMax) return true;
    page_.walked_to = at_.key;
    return stop();
  }

  void skip_versions(const std::string& same) {
    for (int i = 0; i < kStepsBeforeSeek; ++i) {
      cursor_.next();
      if (!cursor_.is_valid() || !cursor_.key().starts_with(same)) return;
    }
    cursor_.seek_forward(behind_prefix(same));
  }

  // A key that is rolled up. False: the page is full.
  bool take_prefix(size_t length) {
    const std::string_view common = std::string_view(at_.key).substr(0, length);
    const bool is_seen = common <= body_.after;
    if (!is_seen && !body_.with_versions && entry_flags(cursor_.value()).is_delete_marker) {
      // Only what is there to see makes a common prefix: the next key may.
      skip_versions(std::string(without_version(cursor_.key())));
      return note_passed();
    }
    if (!is_seen) {
      if (is_full()) return stop();
      page_.next_after = common;
      page_.next_after_version = 0;
      page_.prefixes.emplace_back(common);
    }
    target_.clear();
    append_index_prefix(target_, body_.bucket, common);
    cursor_.skip_prefix(target_ = behind_prefix(std::move(target_)), body_.delimiter, prefix_.size());
    is_first_of_key_ = true;
    return true;
  }

  void add_entry() {
    Entry entry;
    const bool is_good = read_entry(cursor_.value(), entry);
    KEELSON_CHECK(is_good, "the index holds an entry that cannot be read");
    ObjectInfo& info = page_.entries.emplace_back();
    info.key = at_.key;
    info.version = marked(at_.sequence, entry.mark);
    info.is_null = entry.is_null;
    info.is_latest = !body_.with_versions || is_first_of_key_;
    info.is_delete_marker = entry.is_delete_marker;
    info.modified_ms = entry.modified_ms;
    if (body_.with_meta) {
      info.meta = std::move(entry.meta);
    } else {
      info.meta.payload.size_bytes = entry.meta.payload.size_bytes;
      info.meta.etag = entry.meta.etag;
      info.meta.storage_class = std::move(entry.meta.storage_class);
      info.meta.checksums = std::move(entry.meta.checksums);
      for (Checksum& checksum : info.meta.checksums) checksum.value.clear();
    }
    page_.next_after = at_.key;
    page_.next_after_version = body_.with_versions ? info.version : 0;
  }

  const ListObjects& body_;
  ListPage& page_;
  const std::string prefix_;
  OrderedIndex::Cursor cursor_;
  IndexKey at_;
  std::string target_;
  int passed_ = 0;
  bool is_first_of_key_ = true;
};

}  // namespace

void query_of(const BlobState& state, const ListObjects& body, Answer& answer) {
  if (state.find_bucket(body.bucket) == nullptr) {
    answer.error = BlobErrc::kNoSuchBucket;
    return;
  }
  Lister(state, body, answer.page).run();
  if (!answer.page.is_truncated) {
    answer.page.next_after.clear();
    answer.page.next_after_version = 0;
  }
}

}  // namespace keelson::blob
