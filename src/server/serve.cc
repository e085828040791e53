#include "server/serve.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <utility>

#include "base/logging.h"
#include "env/disk.h"
#include "env/real/process.h"
#include "env/real/real_env.h"
#include "monitor/log_lines.h"
#include "server/cluster_setup.h"
#include "server/coord_setup.h"
#include "server/kafka_access_setup.h"
#include "server/kv_setup.h"
#include "server/node.h"
#include "server/pubsub_setup.h"
#include "server/s3_setup.h"
#include "server/topic_setup.h"

extern char** environ;

namespace keelson::server {

namespace {

constexpr uint64_t kPasswordFileBytesMax = 64 << 10;
constexpr int kExitBad = 1;
constexpr int kExitSettings = 2;
// Connections, plus what log, checkpoints and the process itself need.
constexpr uint64_t kSpareFiles = 256;

void say(const std::string& line) { std::fprintf(stderr, "keelson: %s\n", line.c_str()); }

// Reads a whole small file before there is an env. False: errno says why.
bool slurp(const std::string& path, std::string& into) {
  // tidy: file, because settings are read before the env that they describe is made.
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return false;
  char bytes[4096];
  size_t count = 0;
  constexpr size_t kBytesMax = 4 << 20;
  while (into.size() <= kBytesMax && (count = std::fread(bytes, 1, sizeof(bytes), file)) > 0) into.append(bytes, count);
  const bool is_good = std::ferror(file) == 0 && into.size() <= kBytesMax;
  if (into.size() > kBytesMax) errno = EFBIG;
  std::fclose(file);
  return is_good;
}

// The first line of the file that the setting names, if it names one.
bool read_password(const Settings& settings, const std::string& key, std::string& password,
                   std::vector<SettingError>& errors) {
  password = settings.text(key);
  const std::string file_key = key + "-file";
  const std::string& path = settings.text(file_key);
  if (path.empty()) return true;
  std::string content;
  if (!slurp(path, content)) {
    errors.push_back({settings.origin(file_key), file_key, "cannot read " + path + ": " + std::strerror(errno)});
    return false;
  }
  password = content.substr(0, content.find_first_of("\r\n"));
  if (password.empty() || content.size() > kPasswordFileBytesMax) {
    errors.push_back({settings.origin(file_key), file_key, path + " holds no password on its first line"});
    return false;
  }
  return true;
}

struct Prepared {
  Settings settings;
  std::string kv_password;
  std::string http_password;
  std::string s3_secret;
  std::string cluster_secret;
  std::map<std::string, std::string> kafka_users;
};

void read_users(const Settings& settings, std::map<std::string, std::string>& users,
                std::vector<SettingError>& errors) {
  constexpr std::string_view kKey = "kafka.sasl.users-file";
  const std::string& path = settings.text(kKey);
  if (path.empty()) return;
  std::string content;
  if (!slurp(path, content)) {
    errors.push_back({settings.origin(kKey), std::string(kKey), "cannot read " + path + ": " + std::strerror(errno)});
    return;
  }
  users = read_kafka_users(settings, content, errors);
}

// All errors and warnings go to standard error; false if there is an error.
bool prepare(const SettingSources& sources, Prepared& prepared) {
  LoadedSettings loaded = load_settings(sources);
  for (const SettingError& warning : loaded.warnings) say("warning: " + warning.text());
  if (loaded.errors.empty()) {
    const Settings& settings = loaded.settings;
    const bool has_kv = read_password(settings, "kv.password", prepared.kv_password, loaded.errors);
    const bool has_http = read_password(settings, "http.password", prepared.http_password, loaded.errors);
    const bool has_s3 = read_password(settings, "s3.secret-access-key", prepared.s3_secret, loaded.errors);
    const bool has_secret = read_password(settings, "cluster.secret", prepared.cluster_secret, loaded.errors);
    check_cluster_settings(settings, !has_secret || !prepared.cluster_secret.empty(), loaded.errors);
    if (has_s3) check_s3_settings(settings, !prepared.s3_secret.empty(), loaded.errors);
    check_etcd_settings(settings, loaded.errors);
    check_topic_settings(settings, loaded.errors);
    read_users(settings, prepared.kafka_users, loaded.errors);
    check_pubsub_settings(settings, loaded.errors);
    // What cannot be read is told already; it counts as set, so that nothing else is told because of it.
    const Passwords passwords{.has_kv = !has_kv || !prepared.kv_password.empty(),
                              .has_http = !has_http || !prepared.http_password.empty()};
    for (SettingError& error : check_settings(settings, passwords)) loaded.errors.push_back(std::move(error));
    (void)make_kv_config(settings, prepared.kv_password, loaded.errors);
  }
  for (const SettingError& error : loaded.errors) say(error.text());
  prepared.settings = std::move(loaded.settings);
  return loaded.errors.empty();
}

void start_logging(const Settings& settings) {
  const std::string& level = settings.text("logging.level");
  LogLevel least = LogLevel::kInfo;
  if (level == "debug") least = LogLevel::kDebug;
  if (level == "warning") least = LogLevel::kWarn;
  if (level == "error") least = LogLevel::kError;
  const bool is_terminal = ::isatty(STDERR_FILENO) == 1;
  const std::string& format = settings.text("logging.format");
  const bool is_json = format == "json" || (format == "auto" && !is_terminal);
  monitor::start_log_lines(least, is_json ? monitor::LogFormat::kJson : monitor::LogFormat::kText,
                           is_terminal && !is_json);
}

resp::ProcessFigures process_figures() {
  const env::ProcessStats process = env::process_stats();
  const env::AllocatorStats allocator = env::allocator_stats();
  resp::ProcessFigures figures;
  figures.process_id = env::process_id();
  figures.resident_bytes = process.resident_bytes;
  figures.user_cpu_us = process.user_cpu_us;
  figures.system_cpu_us = process.system_cpu_us;
  figures.machine_memory_bytes = env::machine_memory_bytes();
  figures.operating_system = env::operating_system();
  figures.allocator = allocator.name;
  figures.allocator_allocated_bytes = allocator.allocated_bytes;
  figures.allocator_active_bytes = allocator.active_bytes;
  figures.allocator_resident_bytes = allocator.resident_bytes;
  return figures;
}

void write_process_metrics(const env::RealEnv& real, monitor::OpenMetrics& out) {
  constexpr double kSecondsPerUs = 1e-6;
  const env::ProcessStats process = env::process_stats();
  out.family("process_cpu_seconds", monitor::MetricType::kCounter, "seconds", "CPU time of the process.");
  out.sample({}, static_cast<double>(process.user_cpu_us + process.system_cpu_us) * kSecondsPerUs);
  out.gauge("process_resident_memory_bytes", "bytes", "Physical memory of the process.",
            static_cast<int64_t>(process.resident_bytes));
  out.gauge("process_virtual_memory_bytes", "bytes", "Address space of the process.",
            static_cast<int64_t>(process.virtual_bytes));
  out.gauge("process_open_fds", "", "Open file descriptors.", static_cast<int64_t>(process.file_descriptors));
  out.gauge("process_threads", "", "Threads.", static_cast<int64_t>(process.threads));
  std::vector<env::ReactorCounts> counts;
  for (unsigned i = 0; i < real.reactor_count(); ++i) counts.push_back(real.counts(i));
  const auto family = [&](std::string_view name, std::string_view help, uint64_t env::ReactorCounts::* field) {
    out.family(name, monitor::MetricType::kCounter, "", help);
    for (size_t i = 0; i < counts.size(); ++i) out.sample({{"reactor", std::to_string(i)}}, counts[i].*field);
  };
  family("keelson_reactor_turns", "Turns of the reactor.", &env::ReactorCounts::turns);
  family("keelson_reactor_sleeps", "Turns that began with a wait in the kernel.", &env::ReactorCounts::sleeps);
  family("keelson_reactor_socket_events", "Sockets that were ready.", &env::ReactorCounts::socket_events);
  family("keelson_reactor_posts", "Messages from other threads.", &env::ReactorCounts::posts);
  out.family("keelson_reactor_longest_turn_seconds", monitor::MetricType::kGauge, "seconds",
             "The longest turn so far.");
  for (size_t i = 0; i < counts.size(); ++i) {
    out.sample({{"reactor", std::to_string(i)}}, static_cast<double>(counts[i].longest_turn_ns) * 1e-9);
  }
}

// A path that stays right whatever the working folder will be.
std::string absolute(const std::string& path) {
  if (path.empty() || path.front() == '/') return path;
  std::unique_ptr<char, decltype(&std::free)> folder(::getcwd(nullptr, 0), &std::free);
  return folder == nullptr ? path : std::string(folder.get()) + "/" + path;
}

// The process around one node. Everything but run() happens on reactor 0.
class Service {
 public:
  Service(env::RealEnv& env, NodeOptions options, std::string ready_file)
      : env_(env), ready_file_(std::move(ready_file)), tasks_(env.reactor(0)) {
    with_checkpoint_ = options.settings.flag("checkpoint.at-stop");
    options.process_figures = &process_figures;
    options.purge_memory = &env::purge_memory;
    options.process_metrics = [this](monitor::OpenMetrics& out) { write_process_metrics(env_, out); };
    options.request_stop = [this](bool with_checkpoint) {
      request_stop("a client has sent SHUTDOWN", with_checkpoint);
    };
    node_ = std::make_unique<Node>(env, std::move(options));
  }

  int run() {
    const Status watching = env_.watch_signals([this](int signal) { on_signal(signal); });
    if (!watching.ok()) {
      say(watching.error().message());
      return kExitBad;
    }
    env_.reactor(0).post([this] { tasks_.spawn(start()); });
    env_.run();
    return exit_code_;
  }

 private:
  Task<void> start() {
    Status started = co_await node_->start();
    if (started.ok()) started = co_await tell_ready();
    if (!started.ok()) {
      // Told to stop while it waited for something: that is no failure.
      if (!stop_wanted_) {
        say(started.error().message());
        exit_code_ = kExitBad;
      }
      with_checkpoint_ = false;
      co_await stop();
      co_return;
    }
    is_started_ = true;
    if (stop_wanted_) co_await stop();
  }

  Task<Status> tell_ready() {
    if (const s3::RootKey* made = node_->new_root_key()) {
      std::printf(
          "the S3 root key was made; it is shown this once and kept in the data folder:\n"
          "  access key id      %s\n  secret access key  %s\n",
          made->id.c_str(), made->secret.c_str());
    }
    std::printf("%s\n", node_->ready_line().c_str());
    std::fflush(stdout);
    // Last, since whoever waits for the file expects the line to be there.
    if (ready_file_.empty()) co_return Status();
    co_return co_await write_ready_file();
  }

  Task<Status> write_ready_file() {
    const size_t slash = ready_file_.rfind('/');
    const std::string folder = slash == 0 ? "/" : ready_file_.substr(0, slash);
    Status written = co_await env::replace_file(env_.disk(), env_.reactor(0), folder, ready_file_.substr(slash + 1),
                                                node_->ready_json(env::process_id()));
    if (!written.ok())
      co_return fail(written.error().code(), "cannot write --ready-file: " + written.error().message());
    co_return Status();
  }

  void on_signal(int signal) {
    if (signal == SIGHUP) {
      const Status reloaded = node_->reload_certificates();
      if (reloaded.ok()) {
        log_info("server", "certificates are read again");
      } else {
        log_error("server", "the certificates cannot be read again; the old ones stay in use",
                  {{"why", reloaded.error().message()}});
      }
      return;
    }
    if (stop_wanted_) {
      log_warn("server", "told to stop again: ending at once, without a checkpoint");
      std::_Exit(kExitBad);
    }
    request_stop(signal == SIGINT ? "interrupted" : "told to terminate", with_checkpoint_);
  }

  void request_stop(std::string_view why, bool with_checkpoint) {
    if (stop_wanted_) return;
    stop_wanted_ = true;
    with_checkpoint_ = with_checkpoint;
    log_info("server", "stopping", {{"why", why}});
    // Before it has started there is nothing to stop yet: start() looks.
    if (is_started_) {
      tasks_.spawn(stop());
    } else {
      node_->give_up_starting();
    }
  }

  Task<void> stop() {
    const Status stopped = co_await node_->stop(with_checkpoint_);
    if (!stopped.ok()) {
      log_error("server", "the server could not stop as it should", {{"why", stopped.error().message()}});
      exit_code_ = kExitBad;
    } else if (exit_code_ == 0) {
      log_info("server", "stopped");
    }
    env_.stop();
  }

  env::RealEnv& env_;
  std::string ready_file_;
  bool with_checkpoint_ = true;
  bool is_started_ = false;
  bool stop_wanted_ = false;
  int exit_code_ = 0;
  std::unique_ptr<Node> node_;
  env::TaskScope tasks_;
};

}  // namespace

Pairs environment_variables() {
  Pairs variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const size_t equals = text.find('=');
    if (equals != std::string_view::npos) variables.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

bool read_config_file(const std::string& path, SettingSources& sources) {
  if (path.empty()) return true;
  sources.file_name = path;
  struct stat about{};
  if (::stat(path.c_str(), &about) == 0 && S_ISDIR(about.st_mode))
    errno = EISDIR;
  else if (slurp(path, sources.file_text))
    return true;
  say("cannot read the configuration file " + path + ": " + std::strerror(errno));
  return false;
}

int check_config(const SettingSources& sources) {
  Prepared prepared;
  if (!prepare(sources, prepared)) return kExitSettings;
  std::printf("the settings are good%s%s\n", sources.file_name.empty() ? "" : ": ", sources.file_name.c_str());
  return 0;
}

int serve(ServeOptions options) {
  Prepared prepared;
  if (!prepare(options.sources, prepared)) return kExitSettings;
  start_logging(prepared.settings);

  NodeOptions node;
  node.settings = std::move(prepared.settings);
  node.kv_password = std::move(prepared.kv_password);
  node.http_password = std::move(prepared.http_password);
  node.s3_secret = std::move(prepared.s3_secret);
  node.kafka_users = std::move(prepared.kafka_users);
  node.cluster_secret = std::move(prepared.cluster_secret);
  node.config_file = absolute(options.sources.file_name);
  node.executable = std::move(options.executable);
  const SettingSpec* data_dir = find_setting("data-dir");
  SettingValue folder = node.settings.value("data-dir");
  folder.text = absolute(folder.text);
  node.settings.set(*data_dir, std::move(folder));

  const uint64_t files_wanted = static_cast<uint64_t>(node.settings.number("kv.maxclients")) + kSpareFiles;
  const Result<uint64_t> files = env::raise_file_limit(files_wanted);
  if (!files.ok() || *files < files_wanted) {
    log_warn("server", "fewer files may be open than kv.maxclients needs; raise the limit (ulimit -n, LimitNOFILE)",
             {{"wanted", files_wanted}, {"allowed", files.ok() ? *files : 0}});
  }
  auto env = env::RealEnv::make({.reactors = static_cast<unsigned>(node.settings.number("reactors"))});
  if (!env.ok()) {
    say(env.error().message());
    return kExitBad;
  }
  Service service(**env, std::move(node), absolute(options.ready_file));
  return service.run();
}

}  // namespace keelson::server
