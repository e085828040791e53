#include "server/node.h"

#include <gtest/gtest.h>

#include "cli/backup_archive.h"
#include "cli/blob_request.h"
#include "env/disk.h"
#include "env/sim/sim.h"
#include "net/http/client.h"
#include "server/blob_fsck.h"
#include "server/data_folder.h"

namespace keelson::server {
namespace {

using env::sim::kSecond;
using env::sim::World;

// The files of a backup.
struct Files final : cli::BackupVisitor {
  Status on_file(std::string_view name, uint64_t size) override {
    current = name;
    all[current].assign(size, '\0');
    return {};
  }
  Status on_data(uint64_t offset, std::string_view bytes) override {
    all[current].replace(offset, bytes.size(), bytes);
    return {};
  }
  std::map<std::string, std::string> all;
  std::string current;
};

// A node in the simulator, and a client on the same machine.
class NodeTest : public testing::Test {
 protected:
  NodeTest() : world_(7), machine_(world_.add_node(2)) {}
  ~NodeTest() override { drop(); }

  NodeOptions options(Pairs flags) {
    flags.emplace_back("http.listen", "127.0.0.1:0");
    flags.emplace_back("kv.listen", "127.0.0.1:0");
    flags.emplace_back("data-dir", "data");
    flags.emplace_back("log.segment-size", "1mb");
    LoadedSettings loaded = load_settings(
        {.file_name = file_.empty() ? "" : "k.toml", .file_text = file_, .variables = {}, .flags = flags});
    EXPECT_TRUE(loaded.errors.empty()) << loaded.errors.front().text();
    NodeOptions made;
    made.settings = std::move(loaded.settings);
    made.kv_password = made.settings.text("kv.password");
    made.http_password = made.settings.text("http.password");
    return made;
  }
  Status start(Pairs flags = {}) { return start_with(options(std::move(flags))); }
  Status start_with(NodeOptions made) {
    world_.run_on(home(), [&] { node_ = std::make_unique<Node>(machine_.env(), std::move(made)); });
    return world_.run(home(), node_->start());
  }
  Status stop(bool with_checkpoint = true) {
    Status stopped = world_.run(home(), node_->stop(with_checkpoint));
    drop();
    return stopped;
  }
  void drop() {
    if (node_ != nullptr) world_.run_on(home(), [&] { node_.reset(); });
  }
  env::Reactor& home() { return machine_.reactor(0); }
  env::Disk& disk() { return machine_.env().disk(); }

  static Task<std::string> ask_kv(env::Env& env, env::Address to, std::string sends, size_t lines) {
    auto stream = co_await env.network().connect(env.reactor(0), to);
    if (!stream.ok()) co_return "no connection";
    (void)co_await (*stream)->write(sends);
    std::string got;
    std::string into(10'000, '\0');
    while (static_cast<size_t>(std::count(got.begin(), got.end(), '\n')) < lines) {
      const env::IoOutcome outcome = co_await (*stream)->read(into);
      if (!outcome.ok()) break;
      got.append(into, 0, outcome.count);
    }
    co_return got;
  }
  std::string kv(std::string sends, size_t lines = 1) {
    return world_.run(home(), ask_kv(machine_.env(), node_->addresses().kv.front(), std::move(sends), lines));
  }

  struct Answer {
    int status = 0;
    std::string body;
  };
  static Task<Answer> ask_http(env::Env& env, env::Address to, std::string method, std::string target,
                               std::string authorization, std::string content) {
    auto stream = co_await env.network().connect(env.reactor(0), to);
    if (!stream.ok()) co_return Answer{};
    net::http::Client client(std::move(*stream));
    net::http::Client::Request request;
    request.method = method;
    request.target = target;
    request.host = "h";
    request.body = std::move(content);
    if (!authorization.empty()) request.fields.add("Authorization", authorization);
    auto head = co_await client.request(std::move(request));
    if (!head.ok()) co_return Answer{0, head.error().message()};
    auto body = co_await client.read_all(64 << 20);
    co_return Answer{head->status, body.ok() ? *body : "broken: " + body.error().message()};
  }
  Answer http(std::string target, std::string method = "GET", std::string authorization = "",
              std::string content = "") {
    return world_.run(home(), ask_http(machine_.env(), node_->addresses().http.front(), std::move(method),
                                       std::move(target), std::move(authorization), std::move(content)));
  }
  // Until CONFIG shows that value; what is stored reaches the services a few messages later.
  bool comes_into_force(const std::string& parameter, const std::string& value) {
    const std::string wanted = "\r\n" + value + "\r\n";
    for (int tries = 0; tries < 1000; ++tries) {
      if (kv("CONFIG GET " + parameter + "\r\n", 5).ends_with(wanted)) return true;
    }
    return false;
  }

  static constexpr std::string_view kKeyId = "AKIDEXAMPLE1";
  static constexpr std::string_view kSecret = "secret/secret+secret";

  static Task<Answer> ask_s3(env::Env& env, env::Address to, cli::BlobRequest what) {
    auto stream = co_await env.network().connect(env.reactor(0), to);
    if (!stream.ok()) co_return Answer{};
    net::http::Client client(std::move(*stream));
    net::http::Client::Request request;
    request.method = what.method;
    request.target = cli::request_target(what);
    request.host = "h";
    const cli::BlobKeys keys{.access_key_id = std::string(kKeyId), .secret_access_key = std::string(kSecret)};
    for (const auto& [name, value] :
         cli::signed_headers(what, "h", keys, "us-east-1", "UNSIGNED-PAYLOAD", env.clock().wall_ms())) {
      request.fields.add(name, value);
    }
    request.body = std::move(what.content);
    auto head = co_await client.request(std::move(request));
    if (!head.ok()) co_return Answer{0, head.error().message()};
    auto body = co_await client.read_all(64 << 20);
    co_return Answer{head->status, body.ok() ? *body : "broken: " + body.error().message()};
  }
  Answer s3(std::string method, std::string key, std::string content = "") {
    cli::BlobRequest what{.method = std::move(method), .bucket = "bucket", .key = std::move(key)};
    what.content = std::move(content);
    return world_.run(home(), ask_s3(machine_.env(), node_->addresses().s3.front(), std::move(what)));
  }
  // With a root key that ask_s3() knows.
  NodeOptions s3_options(const std::string& folder) {
    NodeOptions made = options({{"s3.listen", "127.0.0.1:0"}, {"s3.access-key-id", std::string(kKeyId)}});
    made.s3_secret = kSecret;
    made.settings.set(*find_setting("data-dir"), *parse_setting(*find_setting("data-dir"), folder));
    return made;
  }
  void restore(const std::string& backup, const std::string& folder) {
    Files files;
    cli::BackupReader reader(files);
    ASSERT_TRUE(reader.feed(backup).ok());
    ASSERT_TRUE(reader.finish().ok());
    EXPECT_EQ(files.current, "node") << "it makes the folder usable, so it comes last";
    for (const auto& [name, content] : files.all) {
      const std::string path = folder + "/" + name;
      ASSERT_TRUE(disk().make_folder(path.substr(0, path.rfind('/'))).ok());
      auto file = disk().open(path, env::OpenMode::kCreate);
      ASSERT_TRUE(file.ok()) << file.error().message();
      ASSERT_TRUE((*file)->write_at(0, content).ok());
    }
  }

  World world_;
  env::sim::Node& machine_;
  std::string file_;
  std::unique_ptr<Node> node_;
};

TEST_F(NodeTest, ServesStopsAndServesAgain) {
  ASSERT_TRUE(start().ok());
  EXPECT_EQ(kv("SET a 1\r\nINCR a\r\n", 2), "+OK\r\n:2\r\n");
  EXPECT_EQ(http("/healthz").body, "ok\n");
  EXPECT_EQ(http("/readyz").body, "ready\n");
  EXPECT_NE(node_->ready_line().find("kv 127.0.0.1:"), std::string::npos);
  EXPECT_NE(node_->ready_json(5).find("\"pid\":5,\"kv\":\"127.0.0.1:"), std::string::npos);
  ASSERT_TRUE(stop().ok());
  ASSERT_TRUE(start().ok());
  EXPECT_EQ(kv("GET a\r\n", 2), "$1\r\n2\r\n");
  ASSERT_TRUE(stop(false).ok());
}

TEST_F(NodeTest, MetricsTellWhatHappened) {
  ASSERT_TRUE(start().ok());
  EXPECT_EQ(kv("SET a 1\r\nSET b 2\r\nGET a\r\nLPUSH a x\r\n", 5).substr(0, 10), "+OK\r\n+OK\r\n");
  const Answer metrics = http("/metrics");
  EXPECT_EQ(metrics.status, 200);
  for (std::string_view line :
       {"keelson_kv_commands_total{command=\"set\"} 2\n", "keelson_kv_commands_total{command=\"get\"} 1\n",
        "keelson_kv_command_errors_total{command=\"lpush\",kind=\"failed\"} 1\n",
        "keelson_kv_errors_total{code=\"WRONGTYPE\"} 1\n", "keelson_kv_keys{database=\"0\"} 2\n",
        "keelson_kv_command_duration_seconds_count{command=\"set\"} 2\n", "keelson_shards 16\n", "keelson_ready 1\n",
        "keelson_http_connections{server=\"http\"} ", "keelson_http_requests_total{server=\"s3\",version=\"1\"} 0\n"}) {
    EXPECT_NE(metrics.body.find(line), std::string::npos) << line;
  }
  EXPECT_TRUE(metrics.body.ends_with("# EOF\n"));
  // No family twice, as the format demands.
  std::set<std::string> families;
  std::istringstream lines(metrics.body);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) EXPECT_TRUE(families.insert(line).second) << line;
  }
  ASSERT_TRUE(stop().ok());
}

TEST_F(NodeTest, APasswordGuardsWhatIsNotHealth) {
  ASSERT_TRUE(start({{"kv.password", "sesame"}}).ok());
  EXPECT_TRUE(kv("GET a\r\n").starts_with("-NOAUTH"));
  EXPECT_EQ(http("/healthz").status, 200);
  EXPECT_EQ(http("/readyz").status, 200);
  EXPECT_EQ(http("/metrics").status, 401);
  EXPECT_EQ(http("/admin/backup").status, 401);
  EXPECT_EQ(http("/metrics", "GET", "Basic eDpzZXNhbWU=").status, 200);  // x:sesame
  EXPECT_EQ(http("/metrics", "GET", "Basic eDpvcGVu").status, 401);      // x:open
  EXPECT_EQ(http("/metrics", "DELETE").status, 405);
  EXPECT_EQ(http("/nothing").status, 404);
  ASSERT_TRUE(stop().ok());
}

TEST_F(NodeTest, ASecondServerOnTheFolderIsTold) {
  ASSERT_TRUE(start().ok());
  std::unique_ptr<Node> other;
  world_.run_on(home(), [&] { other = std::make_unique<Node>(machine_.env(), options({})); });
  const Status started = world_.run(home(), other->start());
  ASSERT_FALSE(started.ok());
  EXPECT_NE(started.error().message().find("another server is running on the data folder data"), std::string::npos)
      << started.error().message();
  EXPECT_TRUE(world_.run(home(), other->stop(true)).ok());
  world_.run_on(home(), [&] { other.reset(); });
  EXPECT_EQ(kv("PING\r\n"), "+PONG\r\n");
  ASSERT_TRUE(stop().ok());
}

TEST_F(NodeTest, WhatIsFixedAtFirstUseStays) {
  ASSERT_TRUE(start({{"kv.shards", "4"}, {"kv.databases", "8"}}).ok());
  const std::string id = *env::read_file(disk(), "data/node", 1000);
  ASSERT_TRUE(stop().ok());
  const Status fewer = start({{"kv.shards", "8"}, {"kv.databases", "8"}});
  ASSERT_FALSE(fewer.ok());
  EXPECT_NE(fewer.error().message().find("made with kv.shards = 4"), std::string::npos);
  ASSERT_TRUE(stop().ok());
  const Status databases = start({{"kv.databases", "2"}});
  ASSERT_FALSE(databases.ok());
  EXPECT_NE(databases.error().message().find("kv.databases = 8"), std::string::npos);
  ASSERT_TRUE(stop().ok());
  ASSERT_TRUE(start({{"kv.databases", "20"}}).ok());  // the folder's shards are taken when nobody asks for a number
  EXPECT_NE(http("/metrics").body.find("keelson_shards 4\n"), std::string::npos);
  ASSERT_TRUE(stop().ok());
  EXPECT_EQ(read_node_file(*env::read_file(disk(), "data/node", 1000), "n")->id, read_node_file(id, "n")->id);
}

TEST_F(NodeTest, AnAddressInUseIsNamedWithItsSetting) {
  ASSERT_TRUE(start().ok());
  const std::string taken = node_->addresses().kv.front().text();
  NodeOptions made = options({{"data-dir", "x"}});
  SettingValue at = *parse_setting(*find_setting("kv.listen"), taken);
  made.settings.set(*find_setting("kv.listen"), at);
  made.settings.set(*find_setting("data-dir"), *parse_setting(*find_setting("data-dir"), "other"));
  std::unique_ptr<Node> other;
  world_.run_on(home(), [&] { other = std::make_unique<Node>(machine_.env(), std::move(made)); });
  const Status started = world_.run(home(), other->start());
  ASSERT_FALSE(started.ok());
  EXPECT_NE(started.error().message().find(taken), std::string::npos) << started.error().message();
  EXPECT_NE(started.error().message().find("--kv.listen"), std::string::npos) << started.error().message();
  EXPECT_TRUE(world_.run(home(), other->stop(true)).ok());
  world_.run_on(home(), [&] { other.reset(); });
  ASSERT_TRUE(stop().ok());
}

TEST_F(NodeTest, ConfigRewriteKeepsTheFileAndChangesTheValues) {
  file_ = "# mine\n[kv]\nmaxclients = 50   # few\n";
  env::Disk& files = disk();
  ASSERT_TRUE(files.make_folder("etc").ok());
  auto file = files.open("etc/k.toml", env::OpenMode::kCreate);
  ASSERT_TRUE((*file)->write_at(0, file_).ok());
  NodeOptions made = options({});
  made.config_file = "etc/k.toml";
  ASSERT_TRUE(start_with(std::move(made)).ok());
  EXPECT_EQ(kv("CONFIG SET maxclients 60 maxmemory 1gb\r\nCONFIG SET appendfsync always\r\nCONFIG SET "
               "client-output-buffer-limit \"pubsub 64mb 0 0\"\r\nCONFIG REWRITE\r\n",
               4),
            "+OK\r\n+OK\r\n+OK\r\n+OK\r\n");
  const std::string after = *env::read_file(files, "etc/k.toml", 10'000);
  EXPECT_TRUE(after.starts_with("# mine\n[kv]\n")) << after;
  EXPECT_NE(after.find("maxclients = 60   # few\n"), std::string::npos) << after;
  const LoadedSettings loaded =
      load_settings({.file_name = "k.toml", .file_text = after, .variables = {}, .flags = {}});
  ASSERT_TRUE(loaded.errors.empty());
  EXPECT_EQ(loaded.settings.number("kv.maxmemory"), 1 << 30);
  EXPECT_EQ(loaded.settings.text("kv.durability"), "always");
  EXPECT_EQ(loaded.settings.text("kv.client-output-buffer-limit-pubsub"), "67108864 0 0");
  EXPECT_EQ(loaded.settings.origin("kv.timeout").kind, Origin::Kind::kDefault) << after;
  ASSERT_TRUE(stop().ok());
}

TEST_F(NodeTest, StoredSettingsTakeEffectAndOutliveARestart) {
  ASSERT_TRUE(start({{"kv.maxclients", "50"}}).ok());
  EXPECT_EQ(http("/admin/config?name=kv.maxclients", "PUT", "", "60").status, 200);
  EXPECT_TRUE(comes_into_force("maxclients", "60"));
  const Answer refused = http("/admin/config?name=kv.maxclients", "PUT", "", "many");
  EXPECT_EQ(refused.status, 400) << refused.body;
  EXPECT_EQ(http("/admin/config?name=kv.password", "PUT", "", "x").status, 400);
  EXPECT_EQ(http("/admin/config?name=kv.maxclients&check", "PUT", "", "70").status, 200);
  EXPECT_EQ(http("/admin/config?name=app/color", "PUT", "", "blue").status, 200);
  EXPECT_NE(http("/admin/config?name=app/color").body.find("\"stored\":\"blue\""), std::string::npos);
  ASSERT_TRUE(stop().ok());

  ASSERT_TRUE(start({{"kv.maxclients", "55"}}).ok());
  EXPECT_TRUE(comes_into_force("maxclients", "60"));
  const std::string entry = http("/admin/config?name=kv.maxclients").body;
  EXPECT_NE(entry.find("\"start\":\"55\",\"in_force\":\"60\",\"stored\":\"60\""), std::string::npos) << entry;
  EXPECT_EQ(http("/admin/config?name=kv.maxclients", "DELETE").status, 200);
  EXPECT_TRUE(comes_into_force("maxclients", "55"));
  EXPECT_EQ(http("/admin/config?name=kv.maxclients", "DELETE").status, 404);
  ASSERT_TRUE(stop().ok());
}

TEST_F(NodeTest, ABackupHoldsWhatWasThereAndIsRecoveredFrom) {
  ASSERT_TRUE(start().ok());
  std::string sets;
  for (int i = 0; i < 500; ++i) sets += "SET k" + std::to_string(i) + " " + std::to_string(i) + "\r\n";
  kv(sets, 500);
  const std::string digest = kv("DEBUG DIGEST\r\n");
  const Answer backup = http("/admin/backup");
  ASSERT_EQ(backup.status, 200);
  kv("FLUSHALL\r\n");
  ASSERT_TRUE(stop().ok());

  restore(backup.body, "other");
  NodeOptions made = options({});
  made.settings.set(*find_setting("data-dir"), *parse_setting(*find_setting("data-dir"), "other"));
  ASSERT_TRUE(start_with(std::move(made)).ok());
  EXPECT_EQ(kv("DEBUG DIGEST\r\n"), digest);
  ASSERT_TRUE(stop().ok());
}

TEST_F(NodeTest, ABackupHoldsTheObjects) {
  ASSERT_TRUE(start_with(s3_options("data")).ok());
  ASSERT_EQ(s3("PUT", "").status, 200);
  // Inline ones, ones of a chunk, ones of several.
  const std::vector<size_t> sizes = {0, 10, 5'000, 65'536, 300'000};
  const auto content = [](size_t size) {
    std::string text(size, '\0');
    for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 7 + i / 251 + size);
    return text;
  };
  for (size_t size : sizes) EXPECT_EQ(s3("PUT", std::to_string(size), content(size)).status, 200);
  const Answer backup = http("/admin/backup");
  ASSERT_EQ(backup.status, 200);
  for (size_t size : sizes) EXPECT_EQ(s3("DELETE", std::to_string(size)).status, 204);
  ASSERT_TRUE(stop().ok());

  restore(backup.body, "other");
  ASSERT_TRUE(start_with(s3_options("other")).ok());
  for (size_t size : sizes) EXPECT_EQ(s3("GET", std::to_string(size)).body, content(size)) << size;
  EXPECT_EQ(s3("PUT", "more", content(100'000)).status, 200);
  EXPECT_EQ(s3("GET", "more").body, content(100'000));
  ASSERT_TRUE(stop().ok());
}

TEST_F(NodeTest, MetricsTellOfObjects) {
  ASSERT_TRUE(start_with(s3_options("data")).ok());
  ASSERT_EQ(s3("PUT", "").status, 200);
  for (const char* key : {"a", "b", "c"}) EXPECT_EQ(s3("PUT", key, std::string(70'000, 'x')).status, 200);
  EXPECT_EQ(s3("DELETE", "c").status, 204);
  EXPECT_EQ(s3("GET", "none").status, 404);
  const std::string metrics = http("/metrics").body;
  for (std::string_view line :
       {"keelson_s3_requests_total{operation=\"PutObject\"} 3\n",
        "keelson_s3_request_errors_total{operation=\"GetObject\",kind=\"client\"} 1\n",
        "keelson_s3_received_bytes_total{operation=\"PutObject\"} 210000\n",
        "keelson_s3_request_duration_seconds_count{operation=\"PutObject\"} 3\n", "keelson_blob_versions 2\n",
        "keelson_blob_payload_bytes 140000\n", "keelson_blob_uploads 0\n", "keelson_blob_scrub_damaged_total 0\n",
        "keelson_blob_compactions_total 0\n", "keelson_blob_scrubbing_reactors 0\n"}) {
    EXPECT_NE(metrics.find(line), std::string::npos) << line;
  }
  for (std::string_view name : {"\nkeelson_blob_volume_bytes ", "\nkeelson_blob_dead_bytes "}) {
    EXPECT_NE(metrics.find(name), std::string::npos) << name;
  }
  ASSERT_TRUE(stop().ok());
}

// Everything below the folder, as it lies on the disk.
std::map<std::string, std::string> all_files(env::Disk& disk, const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const std::string& name : *disk.list(folder)) {
    const std::string path = folder + "/" + name;
    if (disk.info(path)->kind == env::FileKind::kFolder) {
      files.merge(all_files(disk, path));
    } else {
      files[path] = *env::read_file(disk, path, 64 << 20);
    }
  }
  return files;
}

TEST_F(NodeTest, FsckReadsEverythingAndChangesNothing) {
  ASSERT_TRUE(start_with(s3_options("data")).ok());
  ASSERT_EQ(s3("PUT", "").status, 200);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(s3("PUT", "k" + std::to_string(i), std::string(100'000, static_cast<char>('a' + i))).status, 200);
  }
  EXPECT_EQ(kv("SET a 1\r\n"), "+OK\r\n");
  std::vector<std::string> problems;
  const FsckWatcher watcher{.problem = [&](std::string_view text) { problems.emplace_back(text); }, .progress = {}};
  const auto in_use = world_.run(home(), check_blobs(machine_.env(), "data", watcher));
  EXPECT_EQ(in_use.error().code(), FolderErrc::kInUse);
  ASSERT_TRUE(stop(false).ok());

  std::map<std::string, std::string> before = all_files(disk(), "data");
  auto good = world_.run(home(), check_blobs(machine_.env(), "data", watcher));
  ASSERT_TRUE(good.ok()) << good.error().message();
  EXPECT_EQ(good->extents, 20U);
  EXPECT_GT(good->bytes, 2'000'000U);
  EXPECT_TRUE(problems.empty()) << problems.front();
  EXPECT_EQ(all_files(disk(), "data"), before);

  // One byte in one object, one volume away.
  std::vector<std::string> volumes;
  for (const auto& [path, content] : before) {
    if (path.ends_with(".vol") && content.size() > 100'000) volumes.push_back(path);
  }
  ASSERT_GE(volumes.size(), 2U);
  {
    auto file = *disk().open(volumes[0], env::OpenMode::kReadWrite);
    ASSERT_TRUE(file->write_at(5'000, "!").ok());
  }
  ASSERT_TRUE(disk().remove(volumes[1]).ok());
  auto bad = world_.run(home(), check_blobs(machine_.env(), "data", watcher));
  ASSERT_TRUE(bad.ok()) << bad.error().message();
  EXPECT_EQ(bad->problems, problems.size());
  ASSERT_GE(problems.size(), 2U);
  const auto is_told = [&](const std::string& file, std::string_view what) {
    return std::ranges::any_of(problems, [&](const std::string& text) {
      return text.starts_with("s3://bucket/k") && text.find(file) != std::string::npos &&
             text.find(what) != std::string::npos;
    });
  };
  EXPECT_TRUE(is_told(volumes[0], "at offset ")) << problems[0];
  EXPECT_TRUE(is_told(volumes[1], "the volume is missing")) << problems[1];
  EXPECT_EQ(world_.run(home(), check_blobs(machine_.env(), "nowhere", watcher)).error().code(), FolderErrc::kUnusable);
}

TEST_F(NodeTest, ABackupHoldsTheRootKeyThatTheServerMade) {
  ASSERT_TRUE(start().ok());
  const Answer backup = http("/admin/backup");
  ASSERT_TRUE(stop().ok());
  restore(backup.body, "other");
  EXPECT_EQ(*env::read_file(disk(), "other/s3-root-key", 1000), *env::read_file(disk(), "data/s3-root-key", 1000));
}

TEST(NodeFileText, KnowsFurtherServices) {
  NodeFile node{.id = std::string(40, 'a'), .shards = 16, .databases = 3, .hash_secret = 1, .services = {}};
  node.services = {{"blob", 8}, {"series", 4}};
  const Result<NodeFile> read = read_node_file(write_node_file(node), "n");
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->services, node.services);
  EXPECT_EQ(read->shards_of("series"), 4);
  EXPECT_EQ(read->shards_of("graph"), 0);
}

TEST(NodeFileText, ReadsBackAndNoticesChanges) {
  const NodeFile node{
      .id = std::string(40, 'a'), .shards = 16, .databases = 3, .hash_secret = 0x0123456789abcdef, .services = {}};
  const std::string text = write_node_file(node);
  const Result<NodeFile> read = read_node_file(text, "n");
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->hash_secret, node.hash_secret);
  EXPECT_EQ(read->shards, 16);
  for (size_t at = 0; at < text.size(); ++at) {
    std::string changed = text;
    changed[at] ^= 1;
    EXPECT_FALSE(read_node_file(changed, "n").ok()) << at;
  }
  EXPECT_FALSE(read_node_file("", "n").ok());
}

}  // namespace
}  // namespace keelson::server
