#include "cli/blob_walk.h"

#include <algorithm>
#include <utility>

#include "cli/blob_errors.h"

namespace keelson::cli {

namespace {

class FolderWalk final : public EntrySource {
 public:
  FolderWalk(env::Disk& disk, std::string folder) : disk_(disk), root_(std::move(folder)) {
    if (!root_.ends_with('/')) root_ += '/';
  }

  Task<Result<std::optional<Entry>>> next() override {
    if (!has_begun_) {
      has_begun_ = true;
      if (Status entered = enter(""); !entered.ok()) co_return forward_error(entered);
    }
    while (!levels_.empty()) {
      Level& level = levels_.back();
      if (level.next == level.children.size()) {
        levels_.pop_back();
        continue;
      }
      Child& child = level.children[level.next++];
      std::string name = level.prefix + child.name;
      if (!child.is_folder) {
        co_return Entry{.name = std::move(name),
                        .size_bytes = child.info.size_bytes,
                        .modified_ms = child.info.modified_ms,
                        .etag = {}};
      }
      if (Status entered = enter(std::move(name)); !entered.ok()) co_return forward_error(entered);
    }
    co_return std::optional<Entry>();
  }

 private:
  struct Child {
    std::string name;  // a folder's with a slash behind it: so the order is that of whole names
    bool is_folder = false;
    env::FileInfo info;
  };
  struct Level {
    std::string prefix;
    std::vector<Child> children;
    size_t next = 0;
  };

  Status enter(std::string prefix) {
    if (levels_.size() == kFolderDepthMax) {
      return fail(BlobErrc::kUsage, root_ + prefix + " lies more than " + std::to_string(kFolderDepthMax) +
                                        " folders deep. Does a link lead back?");
    }
    Result<std::vector<std::string>> names = disk_.list(root_ + prefix);
    if (!names.ok()) return forward_error(names);
    Level level{.prefix = std::move(prefix), .children = {}};
    for (std::string& name : *names) {
      Result<env::FileInfo> info = disk_.info(root_ + level.prefix + name);
      if (!info.ok()) {
        // Removed since it was listed, or a link to nothing.
        if (info.error().code() == env::DiskErrc::kNotFound) continue;
        return forward_error(info);
      }
      if (info->kind == env::FileKind::kOther || name.ends_with(kPartialEnding)) continue;
      const bool is_folder = info->kind == env::FileKind::kFolder;
      level.children.push_back({is_folder ? name + "/" : std::move(name), is_folder, *info});
    }
    std::sort(level.children.begin(), level.children.end(),
              [](const Child& a, const Child& b) { return a.name < b.name; });
    levels_.push_back(std::move(level));
    return {};
  }

  env::Disk& disk_;
  std::string root_;
  bool has_begun_ = false;
  std::vector<Level> levels_;
};

class ObjectWalk final : public EntrySource {
 public:
  ObjectWalk(BlobService& service, std::string bucket, std::string prefix)
      : prefix_(prefix), pages_(service, std::move(bucket), std::move(prefix)) {}

  Task<Result<std::optional<Entry>>> next() override {
    while (true) {
      while (next_ < page_.objects.size()) {
        RemoteObject& object = page_.objects[next_++];
        if (!object.key.starts_with(prefix_) || (!last_key_.empty() && object.key <= last_key_)) {
          co_return fail(BlobErrc::kServer, "the server lists keys out of order, so what it leaves out cannot be told");
        }
        last_key_ = object.key;
        if (object.key.size() == prefix_.size()) continue;
        if (object.key.ends_with('/') && object.size_bytes == 0) continue;
        co_return Entry{.name = object.key.substr(prefix_.size()),
                        .size_bytes = object.size_bytes,
                        .modified_ms = object.modified_ms,
                        .etag = std::move(object.etag)};
      }
      Result<std::optional<ListPage>> page = co_await pages_.next();
      if (!page.ok()) co_return forward_error(page);
      if (!*page) co_return std::optional<Entry>();
      page_ = std::move(**page);
      next_ = 0;
    }
  }

 private:
  const std::string prefix_;
  ObjectPages pages_;
  ListPage page_;
  size_t next_ = 0;
  std::string last_key_;
};

void add_if_any(Pairs& query, std::string name, const std::string& value) {
  if (!value.empty()) query.emplace_back(std::move(name), value);
}

}  // namespace

std::unique_ptr<EntrySource> walk_folder(env::Disk& disk, std::string folder) {
  return std::make_unique<FolderWalk>(disk, std::move(folder));
}

std::unique_ptr<EntrySource> walk_objects(BlobService& service, std::string bucket, std::string prefix) {
  return std::make_unique<ObjectWalk>(service, std::move(bucket), std::move(prefix));
}

Task<Result<std::optional<ListPage>>> ObjectPages::next() {
  if (is_done_) co_return std::optional<ListPage>();
  BlobRequest request{.bucket = bucket_, .query = {{"list-type", "2"}, {"encoding-type", "url"}}};
  add_if_any(request.query, "prefix", prefix_);
  add_if_any(request.query, "delimiter", delimiter_);
  add_if_any(request.query, "continuation-token", token_);
  Result<BlobAnswer> answer = co_await service_.call(std::move(request));
  if (!answer.ok()) co_return forward_error(answer);
  Result<ListPage> page = parse_list_page(answer->content);
  if (!page.ok()) co_return forward_error(page);
  is_done_ = !page->is_truncated;
  token_ = page->next_token;
  co_return std::move(*page);
}

Task<Result<std::optional<ListPage>>> VersionPages::next() {
  if (is_done_) co_return std::optional<ListPage>();
  BlobRequest request{.bucket = bucket_, .query = {{"versions", ""}, {"encoding-type", "url"}}};
  add_if_any(request.query, "prefix", prefix_);
  add_if_any(request.query, "delimiter", delimiter_);
  add_if_any(request.query, "key-marker", key_marker_);
  add_if_any(request.query, "version-id-marker", version_marker_);
  Result<BlobAnswer> answer = co_await service_.call(std::move(request));
  if (!answer.ok()) co_return forward_error(answer);
  Result<ListPage> page = parse_list_page(answer->content);
  if (!page.ok()) co_return forward_error(page);
  is_done_ = !page->is_truncated;
  key_marker_ = page->next_token;
  version_marker_ = page->next_version_id_marker;
  co_return std::move(*page);
}

Task<Result<std::optional<UploadPage>>> UploadPages::next() {
  if (is_done_) co_return std::optional<UploadPage>();
  BlobRequest request{.bucket = bucket_, .query = {{"uploads", ""}, {"encoding-type", "url"}}};
  add_if_any(request.query, "prefix", prefix_);
  add_if_any(request.query, "key-marker", key_marker_);
  add_if_any(request.query, "upload-id-marker", id_marker_);
  Result<BlobAnswer> answer = co_await service_.call(std::move(request));
  if (!answer.ok()) co_return forward_error(answer);
  Result<UploadPage> page = parse_upload_page(answer->content);
  if (!page.ok()) co_return forward_error(page);
  is_done_ = !page->is_truncated;
  key_marker_ = page->next_key_marker;
  id_marker_ = page->next_id_marker;
  co_return std::move(*page);
}

}  // namespace keelson::cli
