#include "cli/backup.h"

#include <unistd.h>

#include <cstdio>
#include <utility>

#include "base/base64.h"
#include "cli/backup_archive.h"
#include "cli/progress.h"
#include "cli/run_env.h"
#include "env/disk.h"
#include "net/http/client.h"

namespace keelson::cli {

namespace {

constexpr std::string_view kTarget = "/admin/backup";
constexpr size_t kErrorBytesMax = 4096;
constexpr uint64_t kSyncEveryBytes = 64 << 20;

// Shows what comes, and counts it.
class Watcher final : public BackupVisitor {
 public:
  explicit Watcher(Progress& progress) : progress_(progress) {}
  void on_progress(std::string_view text) override { progress_.say("backup: " + std::string(text)); }
  Status on_header(const BackupHeader& header) override {
    header_ = header;
    return {};
  }
  Status on_file(std::string_view, uint64_t size) override {
    before_ += current_;
    current_ = size;
    progress_.bytes("backup:", before_, header_.bytes);
    return {};
  }
  void finish() { progress_.bytes("backup:", header_.bytes, header_.bytes); }
  [[nodiscard]] const BackupHeader& header() const { return header_; }

 private:
  Progress& progress_;
  BackupHeader header_;
  uint64_t before_ = 0;
  uint64_t current_ = 0;
};

// Standard output, or a file that gets its name at the end.
class Sink {
 public:
  static Result<std::unique_ptr<Sink>> open(env::Env& env, const std::string& path) {
    auto sink = std::make_unique<Sink>(env, path);
    if (path == "-") return sink;
    const std::string aside = path + ".part";
    if (env.disk().exists(aside)) {  // of a backup that was cut short
      if (Status removed = env.disk().remove(aside); !removed.ok()) return forward_error(removed);
    }
    auto file = env.disk().open(aside, env::OpenMode::kCreate);
    if (!file.ok()) return forward_error(file);
    sink->file_ = std::move(*file);
    return sink;
  }
  Sink(env::Env& env, std::string path) : env_(env), path_(std::move(path)) {}
  ~Sink() {
    if (file_ == nullptr) return;
    file_.reset();
    (void)env_.disk().remove(path_ + ".part");  // nothing can be done about an error here
  }

  Task<Status> write(std::string_view bytes) {
    if (file_ == nullptr) {
      const bool is_good = std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size();
      co_return is_good ? Status() : fail(env::DiskErrc::kIo, "cannot write to standard output");
    }
    if (Status written = file_->write_at(offset_, bytes); !written.ok()) co_return written;
    offset_ += bytes.size();
    if (offset_ - synced_ > kSyncEveryBytes) {
      synced_ = offset_;
      co_return co_await file_->sync(env_.reactor(0));
    }
    co_return Status();
  }
  Task<Status> finish() {
    if (file_ == nullptr) {
      co_return std::fflush(stdout) == 0 ? Status() : fail(env::DiskErrc::kIo, "cannot write to standard output");
    }
    if (Status synced = co_await file_->sync(env_.reactor(0)); !synced.ok()) co_return synced;
    file_.reset();
    if (Status renamed = env_.disk().rename(path_ + ".part", path_); !renamed.ok()) co_return renamed;
    const size_t slash = path_.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path_.substr(0, slash);
    co_return co_await env_.disk().sync_folder(folder, env_.reactor(0));
  }

 private:
  env::Env& env_;
  std::string path_;
  std::unique_ptr<env::File> file_;
  uint64_t offset_ = 0;
  uint64_t synced_ = 0;
};

net::http::Client::Request make_request(const Target& target) {
  net::http::Client::Request request;
  request.target = kTarget;
  request.host = target.server_name.empty() ? target.address : target.server_name;
  if (!target.password.empty()) request.fields.add("Authorization", "Basic " + to_base64("keelson:" + target.password));
  return request;
}

Task<Status> receive(env::Env& env, const BackupOptions& options, Progress& progress, Watcher& watcher,
                     uint64_t& bytes) {
  Result<OpenTarget> open = co_await open_target(env, options.target);
  if (!open.ok()) co_return forward_error(open);
  env::Stream& stream = *open->stream;
  net::http::Client client(std::move(open->stream));
  Result<net::http::Response> head = co_await client.request(make_request(options.target));
  if (!head.ok()) {
    const std::string why = net::TlsContext::failure_of(stream);
    const std::string hint = options.target.tls ? "" : ". If it speaks HTTPS, say --tls";
    co_return fail(head.error().code(), head.error().message() + (why.empty() ? hint : " (TLS: " + why + ")"));
  }
  if (head->status != 200) {
    Result<std::string> why = co_await client.read_all(kErrorBytesMax);
    std::string sentence =
        "the server at " + options.target.address + " answered " + std::to_string(head->status) + " " + head->reason;
    if (head->status == 401) sentence += ". Give its password with --password-file or KEELSON_PASSWORD";
    if (head->status == 404) sentence += ". Is that the HTTP address of a Keelson server (http.listen)?";
    if (why.ok() && head->status != 401 && head->status != 404) sentence += ": " + why->substr(0, why->find('\n'));
    co_return fail(net::http::HttpErrc::kMalformed, std::move(sentence));
  }
  Result<std::unique_ptr<Sink>> sink = Sink::open(env, options.file);
  if (!sink.ok()) co_return forward_error(sink);
  BackupReader reader(watcher);
  while (true) {
    Result<std::string_view> piece = co_await client.read();
    if (!piece.ok())
      co_return fail(piece.error().code(),
                     "the server ended the backup early (its log lines say why): " + piece.error().message());
    if (piece->empty()) break;
    if (Status good = reader.feed(*piece); !good.ok()) co_return good;
    if (Status written = co_await (*sink)->write(*piece); !written.ok()) co_return written;
    bytes += piece->size();
  }
  if (Status whole = reader.finish(); !whole.ok()) co_return whole;
  co_return co_await (*sink)->finish();
}

Task<int> run(env::Env& env, BackupOptions options) {
  Progress progress(env.clock(), options.quiet);
  Watcher watcher(progress);
  uint64_t bytes = 0;
  const Status done = co_await receive(env, options, progress, watcher, bytes);
  if (!done.ok()) {
    progress.done();
    complain("backup: " + done.error().message());
    co_return kExitBad;
  }
  watcher.finish();
  progress.done();
  if (!options.quiet) {
    std::fprintf(stderr, "backup: done, %llu files, %s in %s\n",
                 static_cast<unsigned long long>(watcher.header().files), readable_bytes(bytes).c_str(),
                 options.file == "-" ? "standard output" : options.file.c_str());
  }
  co_return kExitGood;
}

}  // namespace

int backup(BackupOptions options) {
  if (options.file == "-" && ::isatty(STDOUT_FILENO) == 1) {
    complain("backup: a terminal is no place for a backup; give a file, or send standard output somewhere");
    return kExitUsage;
  }
  return run_on_env([&options](env::Env& env) { return run(env, options); });
}

}  // namespace keelson::cli
