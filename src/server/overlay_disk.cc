#include "server/overlay_disk.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace keelson::server {

namespace {

constexpr uint64_t kPageBytes = 4096;

}  // namespace

// A file as it is seen: its pages that were written, and for the others the file below.
class OverlayDisk::Content {
 public:
  Content(std::string path, std::unique_ptr<env::File> below, uint64_t size)
      : path_(std::move(path)), below_(std::move(below)), below_bytes_(size), size_(size) {}

  static Shared make(std::string path, std::unique_ptr<env::File> below, uint64_t size) {
    // tidy: shared_ptr, because of what Shared says.
    return std::make_shared<Content>(std::move(path), std::move(below), size);
  }

  [[nodiscard]] const std::string& path() const { return path_; }
  void set_path(std::string path) { path_ = std::move(path); }
  [[nodiscard]] uint64_t size() const { return size_; }

  Result<size_t> read(uint64_t offset, std::span<char> into) {
    if (offset >= size_) return size_t{0};
    const size_t count = std::min<uint64_t>(into.size(), size_ - offset);
    std::span<char> rest = into.first(count);
    if (Status read = read_below(offset, rest); !read.ok()) return forward_error(read);
    const uint64_t end = offset + count;
    for (auto page = pages_.lower_bound(offset / kPageBytes); page != pages_.end(); ++page) {
      const uint64_t start = page->first * kPageBytes;
      if (start >= end) break;
      const uint64_t from = std::max(start, offset);
      const uint64_t to = std::min(start + kPageBytes, end);
      std::memcpy(&rest[from - offset], &page->second[from - start], to - from);
    }
    return count;
  }

  Status write(uint64_t offset, std::string_view bytes) {
    while (!bytes.empty()) {
      Result<std::string*> page = page_of(offset / kPageBytes);
      if (!page.ok()) return forward_error(page);
      const size_t within = offset % kPageBytes;
      const size_t count = std::min<size_t>(kPageBytes - within, bytes.size());
      (*page)->replace(within, count, bytes.substr(0, count));
      offset += count;
      bytes.remove_prefix(count);
      size_ = std::max(size_, offset);
    }
    return {};
  }

  void grow(uint64_t size) { size_ = std::max(size_, size); }

  Status truncate(uint64_t size) {
    if (size < size_ && size % kPageBytes != 0) {
      Result<std::string*> page = page_of(size / kPageBytes);
      if (!page.ok()) return forward_error(page);
      std::fill((*page)->begin() + static_cast<ptrdiff_t>(size % kPageBytes), (*page)->end(), '\0');
    }
    pages_.erase(pages_.lower_bound((size + kPageBytes - 1) / kPageBytes), pages_.end());
    below_bytes_ = std::min(below_bytes_, size);
    size_ = size;
    return {};
  }

 private:
  // Without regard to pages; zeros where there is nothing.
  Status read_below(uint64_t offset, std::span<char> into) {
    size_t count = 0;
    if (below_ != nullptr && offset < below_bytes_) {
      const std::span<char> part = into.first(std::min<uint64_t>(into.size(), below_bytes_ - offset));
      Result<size_t> read = below_->read_at(offset, part);
      if (!read.ok()) return forward_error(read);
      count = *read;
    }
    std::ranges::fill(into.subspan(count), '\0');
    return {};
  }

  Result<std::string*> page_of(uint64_t number) {
    const auto found = pages_.find(number);
    if (found != pages_.end()) return &found->second;
    std::string page(kPageBytes, '\0');
    if (Status read = read_below(number * kPageBytes, page); !read.ok()) return forward_error(read);
    return &(pages_[number] = std::move(page));
  }

  std::string path_;
  const std::unique_ptr<env::File> below_;  // null: a file that was made here
  uint64_t below_bytes_;                    // of it, what still counts
  uint64_t size_;
  std::map<uint64_t, std::string> pages_;
};

class OverlayDisk::OpenFile final : public env::File {
 public:
  OpenFile(OverlayDisk& disk, Shared content, bool is_writable)
      : disk_(disk), content_(std::move(content)), is_writable_(is_writable) {}

  Result<size_t> read_at(uint64_t offset, std::span<char> into) override { return content_->read(offset, into); }
  Status write_at(uint64_t offset, std::string_view bytes) override {
    if (Status may = change(); !may.ok()) return may;
    return content_->write(offset, bytes);
  }
  Task<Status> sync(env::Reactor& on) override { co_return Status(); }
  Status preallocate(uint64_t size) override {
    if (Status may = change(); !may.ok()) return may;
    content_->grow(size);
    return {};
  }
  Status truncate(uint64_t size) override {
    if (Status may = change(); !may.ok()) return may;
    return content_->truncate(size);
  }
  [[nodiscard]] Result<uint64_t> size() const override { return content_->size(); }

 private:
  // From now on the disk keeps the content, unless the file has been removed meanwhile.
  Status change() {
    if (!is_writable_) return fail(env::DiskErrc::kReadOnly, content_->path() + " is open for reading alone");
    disk_.changed_.try_emplace(content_->path(), content_);
    return {};
  }

  OverlayDisk& disk_;
  const Shared content_;
  const bool is_writable_;
};

Result<OverlayDisk::Shared> OverlayDisk::content_of(const std::string& path) {
  if (const auto found = changed_.find(path); found != changed_.end()) {
    if (found->second == nullptr) return fail(env::DiskErrc::kNotFound, path + ": no such file");
    return found->second;
  }
  Weak& known = open_[path];
  if (auto content = known.lock()) return content;
  auto file = below_.open(path, env::OpenMode::kRead);
  if (!file.ok()) {
    open_.erase(path);
    return forward_error(file);
  }
  Result<uint64_t> size = (*file)->size();
  if (!size.ok()) return forward_error(size);
  Shared content = Content::make(path, std::move(*file), *size);
  known = content;
  return content;
}

Result<std::unique_ptr<env::File>> OverlayDisk::open(const std::string& path, env::OpenMode mode) {
  if (creates(mode)) {
    if (exists(path)) return fail(env::DiskErrc::kExists, path + " is there already");
    Shared content = Content::make(path, nullptr, 0);
    changed_[path] = content;
    return std::make_unique<OpenFile>(*this, std::move(content), true);
  }
  Result<Shared> content = content_of(path);
  if (!content.ok()) return forward_error(content);
  return std::make_unique<OpenFile>(*this, std::move(*content), mode == env::OpenMode::kReadWrite);
}

Status OverlayDisk::rename(const std::string& from, const std::string& to) {
  Result<Shared> content = content_of(from);
  if (!content.ok()) return forward_error(content);
  (*content)->set_path(to);
  changed_[from] = nullptr;
  changed_[to] = std::move(*content);
  return {};
}

Status OverlayDisk::remove(const std::string& path) {
  if (!exists(path)) return fail(env::DiskErrc::kNotFound, path + ": no such file");
  changed_[path] = nullptr;
  return {};
}

Result<std::vector<std::string>> OverlayDisk::list(const std::string& folder) {
  std::set<std::string> names;
  Result<std::vector<std::string>> below = below_.list(folder);
  if (below.ok()) {
    names.insert(below->begin(), below->end());
  } else if (!folders_.contains(folder)) {
    return forward_error(below);
  }
  const auto name_in = [&folder](const std::string& path) {
    const size_t slash = path.rfind('/');
    const bool is_inside = slash != std::string::npos && path.compare(0, slash, folder) == 0;
    return is_inside ? path.substr(slash + 1) : std::string();
  };
  for (const auto& [path, content] : changed_) {
    const std::string name = name_in(path);
    if (name.empty()) continue;
    content == nullptr ? (void)names.erase(name) : (void)names.insert(name);
  }
  for (const std::string& made : folders_) {
    if (const std::string name = name_in(made); !name.empty()) names.insert(name);
  }
  return std::vector<std::string>(names.begin(), names.end());
}

Status OverlayDisk::make_folder(const std::string& folder) {
  for (size_t end = folder.find('/', 1); true; end = folder.find('/', end + 1)) {
    const std::string part = folder.substr(0, end);
    if (!below_.exists(part)) folders_.insert(part);
    if (end == std::string::npos) return {};
  }
}

Task<Status> OverlayDisk::sync_folder(const std::string& folder, env::Reactor& on) { co_return Status(); }

bool OverlayDisk::exists(const std::string& path) {
  if (const auto found = changed_.find(path); found != changed_.end()) return found->second != nullptr;
  return folders_.contains(path) || below_.exists(path);
}

Result<env::FileInfo> OverlayDisk::info(const std::string& path) {
  if (folders_.contains(path)) return env::FileInfo{.kind = env::FileKind::kFolder};
  const auto found = changed_.find(path);
  if (found == changed_.end()) return below_.info(path);
  if (found->second == nullptr) return fail(env::DiskErrc::kNotFound, path + ": no such file");
  return env::FileInfo{.kind = env::FileKind::kFile, .size_bytes = found->second->size()};
}

}  // namespace keelson::server
