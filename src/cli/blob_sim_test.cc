// The blob verbs against a small S3, in simulation: what arrives is what was sent, whatever the connections and the
// server do.
#include <gtest/gtest.h>

#include <deque>
#include <memory>

#include "cli/blob_download_state.h"
#include "cli/blob_errors.h"
#include "cli/blob_verbs.h"
#include "cli/fake_s3.h"
#include "env/sim/gtest_seeds.h"
#include "env/sim/sim.h"
#include "net/http/server.h"

namespace keelson::cli {
namespace {

using env::sim::kMillisecond;
using env::sim::kSecond;
using env::sim::World;

constexpr uint64_t kMiB = uint64_t{1} << 20;

class Lines final : public BlobConsole {
 public:
  void line(std::string_view text) override { lines.emplace_back(text); }
  void told(std::string_view text) override { tolds.emplace_back(text); }
  void complain(std::string_view text) override { complaints.emplace_back(text); }
  void progress(std::string_view) override { ++progress_count; }
  std::vector<std::string> lines, tolds, complaints;
  int progress_count = 0;
};

// Comes in pieces of any size.
class TextInput final : public BlobInput {
 public:
  TextInput(env::Reactor& reactor, std::string text) : reactor_(reactor), text_(std::move(text)) {}
  Task<Result<size_t>> read(std::span<char> into) override {
    co_await env::sleep_for(reactor_, kMillisecond);
    const size_t most = std::min(into.size(), text_.size() - at_);
    const size_t count = most == 0 ? 0 : 1 + reactor_.random().next() % most;
    std::copy_n(text_.data() + at_, count, into.data());
    at_ += count;
    co_return count;
  }

 private:
  env::Reactor& reactor_;
  const std::string text_;
  size_t at_ = 0;
};

class TextOutput final : public BlobOutput {
 public:
  Status write(std::string_view bytes) override {
    text += bytes;
    return {};
  }
  std::string text;
};

std::string content_of(uint64_t seed, size_t bytes) {
  std::string content(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    content[i] = static_cast<char>(seed >> 56);
  }
  return content;
}

Task<Status> run_verb(BlobStage& stage) { return run_blob_verb(stage); }

class BlobSimTest : public testing::Test {
 protected:
  void set_up(uint64_t seed, env::sim::SimOptions sim = {}) {
    world_ = std::make_unique<World>(seed, sim);
    server_node_ = &world_->add_node();
    client_ = &world_->add_node();
    s3_ = std::make_unique<FakeS3>(server_node_->reactor());
    s3_->buckets["b"];
    server_ = std::make_unique<net::http::Server>(
        server_node_->env().network(), server_node_->reactor(),
        net::http::ServerOptions{.limits = {.body_bytes_max = kObjectBytesMax}},
        [s3 = s3_.get()](net::http::Exchange& exchange) { return s3->serve(exchange); });
    world_->run_on(server_node_->reactor(), [&] {
      ASSERT_TRUE(server_->listen(server_node_->address(0), nullptr).ok());
      ASSERT_TRUE(client_->env().disk().make_folder("/w").ok());
    });
  }
  void TearDown() override {
    if (server_ != nullptr) world_->run_on(server_node_->reactor(), [&] { server_.reset(); });
    world_.reset();
    s3_.reset();
  }

  // Runs a verb to its end; the code of its error.
  std::error_code run(BlobVerb verb, std::vector<std::string> places, BlobOptions options = {},
                      std::string input = {}) {
    options.verb = verb;
    options.places = std::move(places);
    if (options.transfer.part_bytes == kPartBytesDefault) options.transfer.part_bytes = kPartBytesMin;
    console_ = {};
    output_ = {};
    const env::Address& address = server_->addresses().front();
    BlobTarget target{.endpoint = {.tls = false, .host = address.host, .port = address.port},
                      .keys = {.access_key_id = "AKID", .secret_access_key = "secret"},
                      .parallel = parallel_};
    Result<std::unique_ptr<BlobService>> service = BlobService::make(client_->env(), std::move(target));
    if (!service.ok()) return service.error().code();
    TextInput text(client_->reactor(), std::move(input));
    BlobStage stage{.env = client_->env(),
                    .service = **service,
                    .options = options,
                    .console = console_,
                    .input = text,
                    .output = output_};
    const Status done = world_->run(client_->reactor(), run_verb(stage));
    retries_ = (*service)->retry_count();
    world_->run_on(client_->reactor(), [&] { service->reset(); });
    if (done.ok()) return {};
    console_.complaints.push_back(done.error().message());
    return done.error().code();
  }

  std::string file(const std::string& path) {
    Result<std::string> content = client_->disk().content(path);
    return content.ok() ? *content : "<none>";
  }
  std::string object(const std::string& key) {
    const auto found = s3_->buckets["b"].find(key);
    return found == s3_->buckets["b"].end() ? "<none>" : found->second.content;
  }
  std::string complaints() const {
    std::string all;
    for (const std::string& one : console_.complaints) all += one + "\n";
    return all;
  }

  std::unique_ptr<World> world_;
  env::sim::Node* server_node_ = nullptr;
  env::sim::Node* client_ = nullptr;
  std::unique_ptr<FakeS3> s3_;
  std::unique_ptr<net::http::Server> server_;
  Lines console_;
  TextOutput output_;
  unsigned parallel_ = 4;
  uint64_t retries_ = 0;
};

TEST_F(BlobSimTest, CopiesThereAndBack) {
  for (const bool keeps_checksums : {true, false}) {
    for (const size_t bytes : {size_t{0}, size_t{1}, size_t{5 * kMiB}, size_t{5 * kMiB + 1}, size_t{12 * kMiB}}) {
      set_up(bytes + 1);
      s3_->keeps_checksums = keeps_checksums;
      const std::string content = content_of(bytes, bytes);
      client_->disk().put("/w/a.txt", content);
      EXPECT_FALSE(run(BlobVerb::kCp, {"/w/a.txt", "s3://b/x/"})) << complaints();
      EXPECT_TRUE(object("x/a.txt") == content);
      EXPECT_EQ(s3_->buckets["b"]["x/a.txt"].headers["content-type"], "text/plain; charset=utf-8");
      EXPECT_FALSE(run(BlobVerb::kCp, {"s3://b/x/a.txt", "/w/new/back"})) << complaints();
      EXPECT_TRUE(file("/w/new/back") == content);
      EXPECT_FALSE(run(BlobVerb::kCp, {"s3://b/x/a.txt", "-"})) << complaints();
      EXPECT_TRUE(output_.text == content);
      EXPECT_FALSE(run(BlobVerb::kCp, {"-", "s3://b/stream"}, {}, content)) << complaints();
      EXPECT_TRUE(object("stream") == content);
      EXPECT_FALSE(run(BlobVerb::kCp, {"s3://b/stream", "s3://b/copy"})) << complaints();
      EXPECT_TRUE(object("copy") == content);
      EXPECT_EQ(client_->env().disk().list("/w/new")->size(), 1U) << "nothing is left beside the file";
      EXPECT_TRUE(s3_->uploads.empty());
      TearDown();
    }
  }
}

TEST_F(BlobSimTest, ARefusedUploadCostsNothing) {  // RFC 9110 §10.1.1
  set_up(1);
  client_->disk().put("/w/a", content_of(1, 4 * kMiB));
  s3_->large_body_status = 403;
  EXPECT_TRUE(run(BlobVerb::kCp, {"/w/a", "s3://b/a"}));
  EXPECT_NE(complaints().find("AccessDenied"), std::string::npos) << complaints();
  EXPECT_LT(server_->counts().bytes_received, 10'000U);
  // A server that knows nothing of asking first is not asked again.
  s3_->large_body_status = 417;
  s3_->is_refusal_lasting = false;
  EXPECT_FALSE(run(BlobVerb::kCp, {"/w/a", "s3://b/a"})) << complaints();
  EXPECT_TRUE(object("a") == content_of(1, 4 * kMiB));
}

TEST_F(BlobSimTest, CopiesInPartsKeepWhatAnObjectHas) {
  for (const uint64_t whole_max : {uint64_t{100}, 5 * kMiB}) {
    set_up(1);
    FakeS3::Object& from = s3_->buckets["b"]["from"];
    s3_->put("b", "from", content_of(1, 300));
    from.headers = {{"content-type", "text/x"}, {"x-amz-meta-a", "b"}, {"x-amz-tagging", "k%20%2B=v%3D&l="}};
    BlobOptions options;
    options.transfer.copy_whole_bytes_max = whole_max;
    EXPECT_FALSE(run(BlobVerb::kCp, {"s3://b/from", "s3://b/to"}, options)) << complaints();
    EXPECT_TRUE(object("to") == content_of(1, 300));
    EXPECT_EQ(s3_->counts["UploadPartCopy"], whole_max == 100 ? 1U : 0U);
    EXPECT_EQ(s3_->buckets["b"]["to"].headers, from.headers);
    TearDown();
  }
}

TEST_F(BlobSimTest, NamesMayBeAsLongAsTheFileSystemTakes) {
  set_up(1);
  for (const std::string& name : {std::string(231, 'n'), std::string(255, 'n'), std::string(254, 'n') + "o"}) {
    s3_->put("b", name, content_of(name.size(), 22 * kMiB));
    EXPECT_FALSE(run(BlobVerb::kCp, {"s3://b/" + name, "/w/"})) << complaints();
    EXPECT_TRUE(file("/w/" + name) == object(name));
  }
  EXPECT_EQ(client_->env().disk().list("/w")->size(), 3U);
  std::string umlauts = "/w/";
  for (int i = 0; i < 127; ++i) umlauts += "ä";
  for (const std::string& path :
       {partial_path(umlauts), ranges_path(umlauts), partial_path("/w/" + std::string(255, 'n'))}) {
    const std::string name = path.substr(3);
    EXPECT_LE(name.size(), kFileNameBytesMax);
    EXPECT_TRUE(name.ends_with(".keelson-partial"));
    // Whole characters alone.
    size_t umlaut_bytes = 0;
    for (const char c : name) umlaut_bytes += static_cast<unsigned char>(c) >= 0x80 ? 1 : 0;
    EXPECT_EQ(umlaut_bytes % 2, 0U);
  }
  EXPECT_NE(partial_path("/w/" + std::string(255, 'n')), partial_path("/w/" + std::string(254, 'n') + "o"));
  EXPECT_EQ(partial_path("/w/short"), "/w/short.keelson-partial");
}

TEST_F(BlobSimTest, ArrivesThroughFaults) {
  uint64_t retries = 0;
  uint64_t arrivals = 0;
  env::sim::for_each_seed(1, 30, [&](uint64_t seed) {
    env::sim::SimOptions options;
    options.network.break_probability = 0.002;
    options.network.short_transfer_probability = 0.1;
    options.network.slow_probability = 0.01;
    set_up(seed, options);
    s3_->slow_down_probability = 0.1;
    s3_->lost_answer_probability = 0.05;
    s3_->keeps_checksums = seed % 2 == 0;
    const std::string content = content_of(seed, 11 * kMiB);
    client_->disk().put("/w/a", content);
    if (run(BlobVerb::kCp, {"/w/a", "s3://b/a"})) {
      // The attempts are bounded; what is left must be whole or absent, and the same command goes on.
      EXPECT_TRUE(object("a") == "<none>" || object("a") == content);
      s3_->slow_down_probability = s3_->lost_answer_probability = 0;
      world_->options().network = {};
      EXPECT_FALSE(run(BlobVerb::kCp, {"/w/a", "s3://b/a"})) << complaints();
    }
    EXPECT_TRUE(object("a") == content);
    retries += retries_;
    const std::error_code down = run(BlobVerb::kCp, {"s3://b/a", "/w/back"});
    EXPECT_TRUE(file("/w/back") == (down ? "<none>" : content)) << complaints();
    if (!down) ++arrivals;
    TearDown();
  });
  EXPECT_GT(retries, 0U) << "no fault was met";
  EXPECT_GT(arrivals, 0U);
}

TEST_F(BlobSimTest, GoesOnWithAnUpload) {
  for (const bool keeps_checksums : {true, false}) {
    set_up(1);
    s3_->keeps_checksums = keeps_checksums;
    const std::string content = content_of(1, 23 * kMiB);
    client_->disk().put("/w/a", content);
    s3_->uploads["old"] = {.bucket = "b", .key = "a", .headers = {}, .parts = {}};
    for (const uint32_t number : {1, 2, 4}) {
      s3_->uploads["old"].parts[number] = content.substr((number - 1) * 6 * kMiB, 6 * kMiB);
    }
    s3_->page_size = 2;  // of the parts
    EXPECT_FALSE(run(BlobVerb::kCp, {"/w/a", "s3://b/a"})) << complaints();
    EXPECT_TRUE(object("a") == content);
    EXPECT_EQ(s3_->counts["UploadPart"], 1U);
    EXPECT_EQ(s3_->counts["CreateMultipartUpload"], 0U);
    EXPECT_NE(console_.tolds.front().find("17.0 MiB of it from before"), std::string::npos) << console_.tolds.front();
    TearDown();
  }
}

TEST_F(BlobSimTest, BeginsAnewWhenTheUploadIsOfAnotherFile) {
  set_up(1);
  const std::string content = content_of(1, 23 * kMiB);
  client_->disk().put("/w/a", content);
  s3_->uploads["old"] = {.bucket = "b", .key = "a", .headers = {}, .parts = {}};
  s3_->uploads["old"].parts[1] = content.substr(0, 6 * kMiB);
  s3_->uploads["old"].parts[2] = content_of(2, 6 * kMiB);
  s3_->uploads["other"] = {.bucket = "b", .key = "ab", .headers = {}, .parts = {{1, content.substr(0, 6 * kMiB)}}};
  EXPECT_FALSE(run(BlobVerb::kCp, {"/w/a", "s3://b/a"})) << complaints();
  EXPECT_TRUE(object("a") == content);
  EXPECT_EQ(s3_->counts["CreateMultipartUpload"], 1U);
  EXPECT_EQ(s3_->counts["UploadPart"], 5U);
  EXPECT_EQ(s3_->uploads.size(), 2U) << "what others began stays";
}

TEST_F(BlobSimTest, GoesOnWithADownloadAfterACrash) {
  env::sim::for_each_seed(1, 8, [&](uint64_t seed) {
    set_up(seed);
    const std::string content = content_of(seed, 48 * kMiB);
    s3_->put("b", "a", content);
    client_->disk().put("/w/a", "old");
    // The machine dies in the middle; unsynced writes are lost or torn.
    parallel_ = 2;
    uint64_t gets = 0;
    s3_->before = [&](const std::string& operation) {
      if (operation == "GetObject" && ++gets == 6) world_->after(kMillisecond, [&] { client_->crash(); });
    };
    BlobOptions options{.verb = BlobVerb::kCp, .places = {"s3://b/a", "/w/a"}};
    options.transfer.part_bytes = kPartBytesMin;
    const env::Address address = server_->addresses().front();
    auto service = BlobService::make(client_->env(), {.endpoint = {.host = address.host, .port = address.port},
                                                      .keys = {.access_key_id = "AKID", .secret_access_key = "secret"},
                                                      .parallel = 2});
    TextInput no_input(client_->reactor(), "");
    BlobStage stage{.env = client_->env(),
                    .service = **service,
                    .options = options,
                    .console = console_,
                    .input = no_input,
                    .output = output_};
    {
      env::TaskScope scope(client_->reactor());
      world_->run_on(client_->reactor(), [&] {
        scope.spawn([](BlobStage& on) -> Task<void> { (void)co_await run_blob_verb(on); }(stage));
      });
      EXPECT_TRUE(world_->run_until([&] { return !client_->is_up(); }));
    }
    service->reset();
    client_->restart();
    EXPECT_EQ(file("/w/a"), "old");
    s3_->before = nullptr;
    s3_->counts.clear();
    EXPECT_FALSE(run(BlobVerb::kCp, {"s3://b/a", "/w/a"})) << complaints();
    EXPECT_TRUE(file("/w/a") == content);
    EXPECT_EQ(client_->env().disk().list("/w")->size(), 1U);
    TearDown();
  });
}

TEST_F(BlobSimTest, TakesOnlyTheRangesThatAreMissing) {
  set_up(1);
  const std::string content = content_of(1, 22 * kMiB);
  s3_->put("b", "a", content);
  std::string partial = content;
  partial[7 * kMiB] ^= 1;  // of the second part: it was not synced
  DownloadState state{.etag = s3_->buckets["b"]["a"].etag, .size_bytes = 22 * kMiB, .part_bytes = 6 * kMiB};
  std::string ranges = download_state_head(state);
  for (const uint32_t number : {1, 2, 3}) {
    ranges += download_state_line(number, crc32c(0, content.substr((number - 1) * 6 * kMiB, 6 * kMiB)));
  }
  client_->disk().put(partial_path("/w/a"), partial);
  client_->disk().put(ranges_path("/w/a"), ranges);
  EXPECT_FALSE(run(BlobVerb::kCp, {"s3://b/a", "/w/a"})) << complaints();
  EXPECT_TRUE(file("/w/a") == content);
  EXPECT_EQ(s3_->counts["GetObject"], 2U);
  // Of another object the same is worth nothing.
  client_->disk().put(partial_path("/w/a"), partial);
  client_->disk().put(ranges_path("/w/a"), ranges);
  s3_->put("b", "a", content_of(2, 22 * kMiB));
  EXPECT_FALSE(run(BlobVerb::kCp, {"s3://b/a", "/w/a"})) << complaints();
  EXPECT_TRUE(file("/w/a") == content_of(2, 22 * kMiB));
}

TEST_F(BlobSimTest, RefusesDamagedAndChangedContent) {
  for (const size_t bytes : {size_t{100}, size_t{11 * kMiB}}) {
    set_up(1);
    s3_->put("b", "a", content_of(1, bytes));
    s3_->damages_content = true;
    EXPECT_TRUE(run(BlobVerb::kCp, {"s3://b/a", "/w/a"}));
    EXPECT_NE(complaints().find("not what the server's checksum says"), std::string::npos) << complaints();
    EXPECT_EQ(file("/w/a"), "<none>");
    EXPECT_TRUE(client_->env().disk().list("/w")->empty());
    EXPECT_EQ(run(BlobVerb::kCp, {"s3://b/a", "-"}), BlobErrc::kDamaged);
    s3_->damages_content = false;
    if (bytes > kMiB) {
      uint64_t gets = 0;
      s3_->before = [&](const std::string& operation) {
        if (operation == "GetObject" && ++gets == 2) s3_->put("b", "a", content_of(2, bytes));
      };
      EXPECT_TRUE(run(BlobVerb::kCp, {"s3://b/a", "/w/a"}));
      EXPECT_NE(complaints().find("was changed while it was downloaded"), std::string::npos) << complaints();
      EXPECT_TRUE(client_->env().disk().list("/w")->empty());
    }
    TearDown();
  }
}

TEST_F(BlobSimTest, CopiesFolders) {
  set_up(1);
  s3_->page_size = 3;
  for (const char* name : {"a", "a.b", "a/b", "a/c/d", "z", "skip.o"}) {
    const std::string path = std::string("/w/in/") + name;
    if (std::string(name) == "a") continue;  // a file cannot be beside the folder of its name
    client_->disk().put(path, name);
  }
  BlobOptions options{.recursive = true};
  options.filter.add(false, "*.o");
  EXPECT_FALSE(run(BlobVerb::kCp, {"/w/in", "s3://b/p"}, options)) << complaints();
  EXPECT_EQ(s3_->buckets["b"].size(), 4U);
  EXPECT_EQ(object("p/a/c/d"), "a/c/d");
  EXPECT_EQ(console_.tolds.back(), "4 objects, 12 B");
  EXPECT_FALSE(run(BlobVerb::kCp, {"s3://b/p", "/w/out"}, {.recursive = true})) << complaints();
  EXPECT_EQ(file("/w/out/a.b"), "a.b");
  EXPECT_EQ(file("/w/out/a/b"), "a/b");
  EXPECT_FALSE(run(BlobVerb::kCp, {"s3://b/p", "s3://b/q"}, {.recursive = true})) << complaints();
  EXPECT_EQ(object("q/a/c/d"), "a/c/d");
  // A key that no file can have is told, and the rest goes over.
  s3_->put("b", "q/../../etc/x", "evil");
  s3_->put("b", "q//double", "x");
  EXPECT_EQ(run(BlobVerb::kCp, {"s3://b/q", "/w/out2"}, {.recursive = true}), BlobErrc::kFailed);
  EXPECT_EQ(file("/w/out2/z"), "z");
  EXPECT_EQ(file("/etc/x"), "<none>");
  EXPECT_NE(complaints().find("no file can have the name ../../etc/x"), std::string::npos) << complaints();
  EXPECT_NE(complaints().find("What failed:"), std::string::npos);
}

TEST_F(BlobSimTest, SyncsWhatDiffersAlone) {
  set_up(1);
  s3_->page_size = 2;
  client_->disk().put("/w/in/same", "same");
  client_->disk().put("/w/in/changed", "1");
  client_->disk().put("/w/in/d/new", "new");
  s3_->put("b", "p/gone", "gone");
  s3_->put("b", "p/d", "a key beside the folder of its name");
  s3_->put("b", "other", "other");
  world_->run_for(2 * kSecond);
  EXPECT_FALSE(run(BlobVerb::kSync, {"/w/in", "s3://b/p"})) << complaints();
  EXPECT_EQ(object("p/d/new"), "new");
  EXPECT_EQ(object("p/gone"), "gone");
  EXPECT_FALSE(run(BlobVerb::kSync, {"/w/in", "s3://b/p"}));
  EXPECT_EQ(s3_->counts["PutObject"], 3U) << "a second time there is nothing to do";
  world_->run_for(2 * kSecond);
  client_->disk().put("/w/in/changed", "2");
  BlobOptions options{.dry_run = true};
  options.sync.deletes = true;
  EXPECT_FALSE(run(BlobVerb::kSync, {"/w/in", "s3://b/p"}, options));
  EXPECT_EQ(console_.lines, (std::vector<std::string>{"would upload: /w/in/changed to s3://b/p/changed",
                                                      "would delete: s3://b/p/d", "would delete: s3://b/p/gone"}));
  EXPECT_EQ(object("p/changed"), "1");
  options.dry_run = false;
  EXPECT_FALSE(run(BlobVerb::kSync, {"/w/in", "s3://b/p"}, options)) << complaints();
  EXPECT_EQ(object("p/changed"), "2");
  EXPECT_EQ(object("p/gone"), "<none>");
  EXPECT_EQ(object("other"), "other");
  // Back: nothing to do, since the files are not older; by content neither.
  EXPECT_FALSE(run(BlobVerb::kSync, {"s3://b/p", "/w/copy"})) << complaints();
  EXPECT_EQ(file("/w/copy/d/new"), "new");
  s3_->counts.clear();
  EXPECT_FALSE(run(BlobVerb::kSync, {"s3://b/p", "/w/copy"}));
  EXPECT_EQ(s3_->counts["GetObject"], 0U);
  client_->disk().put("/w/copy/same", "sane");  // the same size, and newer
  BlobOptions by_content;
  by_content.sync.by_content = true;
  EXPECT_FALSE(run(BlobVerb::kSync, {"s3://b/p", "/w/copy"}, by_content)) << complaints();
  EXPECT_EQ(s3_->counts["GetObject"], 1U);
  EXPECT_EQ(file("/w/copy/same"), "same");
  client_->disk().put("/w/copy/extra", "x");
  EXPECT_FALSE(run(BlobVerb::kSync, {"s3://b/p", "/w/copy"}, options)) << complaints();
  EXPECT_EQ(file("/w/copy/extra"), "<none>");
}

// Against a plain model: after a sync with --delete both sides are equal, whatever was there.
TEST_F(BlobSimTest, SyncsRandomTrees) {
  env::sim::for_each_seed(1, 40, [&](uint64_t seed) {
    set_up(seed);
    s3_->page_size = 1 + seed % 5;
    env::Random& random = world_->random();
    const auto name = [&random] {
      std::string made;
      for (uint64_t depth = random.next() % 3 + 1; depth > 0; --depth) {
        const char* parts[] = {"a", "b", "a.", "a-", "\xc3\xa4", "a b"};
        // Folders and files have names of their own, so that none is both.
        made += std::string(parts[random.next() % 6]) + (depth == 1 ? "f" : "/");
      }
      return made;
    };
    std::map<std::string, std::string> model;
    for (int i = 0; i < 30; ++i) {
      const std::string at = name();
      model[at] = content_of(random.next(), random.next() % 20);
      client_->disk().put("/w/in/" + at, model[at]);
    }
    for (int i = 0; i < 30; ++i) s3_->put("b", "p/" + name(), content_of(random.next(), random.next() % 20));
    world_->run_for(2 * kSecond);
    BlobOptions options;
    options.sync.deletes = options.sync.by_content = true;
    EXPECT_FALSE(run(BlobVerb::kSync, {"/w/in", "s3://b/p"}, options)) << complaints();
    std::map<std::string, std::string> there;
    for (const auto& [key, one] : s3_->buckets["b"]) there[key.substr(2)] = one.content;
    EXPECT_EQ(there, model);
    s3_->counts.clear();
    EXPECT_FALSE(run(BlobVerb::kSync, {"/w/in", "s3://b/p"}, options)) << complaints();
    EXPECT_EQ(s3_->counts["PutObject"], 0U);
    TearDown();
  });
}

TEST_F(BlobSimTest, LeavesWhatIsThereOnRequest) {
  set_up(1);
  s3_->put("b", "a", "old");
  client_->disk().put("/w/a", "new");
  BlobOptions options;
  options.transfer.no_clobber = true;
  EXPECT_FALSE(run(BlobVerb::kCp, {"/w/a", "s3://b/a"}, options)) << complaints();
  EXPECT_EQ(object("a"), "old");
  EXPECT_FALSE(run(BlobVerb::kCp, {"s3://b/a", "/w/a"}, options)) << complaints();
  EXPECT_EQ(file("/w/a"), "new");
  EXPECT_FALSE(run(BlobVerb::kCp, {"/w/a", "s3://b/c"}, options)) << complaints();
  EXPECT_EQ(object("c"), "new");
}

TEST_F(BlobSimTest, ListsAndSumsUp) {
  set_up(1);
  s3_->page_size = 2;
  for (const char* key : {"x", "d/1", "d/2", "d/e/3", "d-", "new\nline"}) s3_->put("b", key, std::string(1000, 'x'));
  EXPECT_FALSE(run(BlobVerb::kLs, {}));
  EXPECT_EQ(console_.lines, std::vector<std::string>{"2024-05-01 12:30:00  b"});
  EXPECT_FALSE(run(BlobVerb::kLs, {"s3://b"})) << complaints();
  ASSERT_EQ(console_.lines.size(), 4U);
  EXPECT_TRUE(console_.lines[0].ends_with("1000 B  d-")) << console_.lines[0];
  EXPECT_TRUE(console_.lines[1].ends_with("FOLDER  d/")) << console_.lines[1];
  EXPECT_TRUE(console_.lines[2].ends_with("new\\x0aline")) << console_.lines[2];
  EXPECT_FALSE(run(BlobVerb::kLs, {"s3://b/d"}, {.recursive = true, .json = true}));
  ASSERT_EQ(console_.lines.size(), 4U);
  EXPECT_TRUE(console_.lines[1].starts_with("{\"key\":\"d/1\",\"size\":1000,\"modified\":\"20")) << console_.lines[1];
  EXPECT_EQ(run(BlobVerb::kLs, {"s3://b/none"}), BlobErrc::kNotFound);
  EXPECT_EQ(run(BlobVerb::kLs, {"s3://nobucket"}), BlobErrc::kNotFound);
  EXPECT_NE(complaints().find("the server says NoSuchBucket: That is why. See `keelson blob ls`"), std::string::npos);
  EXPECT_FALSE(run(BlobVerb::kDu, {"s3://b"}));
  EXPECT_EQ(console_.lines,
            (std::vector<std::string>{"     2.9 KiB  3 objects  s3://b/d/", "     5.9 KiB  6 objects  s3://b/"}));
  EXPECT_FALSE(run(BlobVerb::kDu, {"s3://b/d"}, {.exact_bytes = true, .summarize = true}));
  EXPECT_EQ(console_.lines, std::vector<std::string>{"        3000  3 objects  s3://b/d"});
  EXPECT_FALSE(run(BlobVerb::kStat, {"s3://b/x"}));
  EXPECT_EQ(console_.lines.front(), "s3://b/x");
  EXPECT_NE(std::find(console_.lines.begin(), console_.lines.end(), "  content-length: 1000"), console_.lines.end());
}

TEST_F(BlobSimTest, RemovesObjectsAndBuckets) {
  set_up(1);
  s3_->page_size = 2;
  for (const char* key : {"d", "d/1", "d/2", "d/3", "d/keep.txt", "dd"}) s3_->put("b", key, "x");
  EXPECT_FALSE(run(BlobVerb::kRm, {"s3://b/dd"}));
  EXPECT_EQ(run(BlobVerb::kRm, {"s3://b/dd"}), BlobErrc::kNotFound);
  EXPECT_EQ(run(BlobVerb::kRm, {"s3://b"}), BlobErrc::kUsage);
  BlobOptions options{.recursive = true, .dry_run = true};
  options.filter.add(false, "*.txt");
  EXPECT_FALSE(run(BlobVerb::kRm, {"s3://b/d"}, options));
  EXPECT_EQ(console_.lines.size(), 3U);
  EXPECT_EQ(s3_->buckets["b"].size(), 5U);
  options.dry_run = false;
  EXPECT_FALSE(run(BlobVerb::kRm, {"s3://b/d"}, options));
  EXPECT_EQ(s3_->buckets["b"].size(), 2U);
  EXPECT_EQ(object("d/keep.txt"), "x");
  EXPECT_EQ(run(BlobVerb::kRb, {"s3://b"}), BlobErrc::kConflict);
  s3_->uploads["u"] = {.bucket = "b", .key = "k", .headers = {}, .parts = {}};
  EXPECT_FALSE(run(BlobVerb::kRb, {"s3://b"}, {.force = true})) << complaints();
  EXPECT_TRUE(s3_->buckets.empty());
  EXPECT_TRUE(s3_->uploads.empty());
  EXPECT_FALSE(run(BlobVerb::kMb, {"s3://new-bucket"}));
  EXPECT_TRUE(s3_->buckets.contains("new-bucket"));
  EXPECT_EQ(run(BlobVerb::kMb, {"s3://new-bucket"}), BlobErrc::kConflict);
}

TEST_F(BlobSimTest, TellsWhatCannotBeMeant) {
  set_up(1);
  EXPECT_TRUE(client_->env().disk().make_folder("/w/d").ok());
  const std::vector<std::vector<std::string>> bad = {{"/w/a", "/w/b"},   {"s3://b/k"},         {"-", "-"},
                                                     {"-", "s3://b"},    {"/w/d", "s3://b/k"}, {"s3://b", "/w/x"},
                                                     {"-", "s3://b/x/"}, {"s3://", "/w/x"}};
  for (const auto& places : bad) EXPECT_EQ(run(BlobVerb::kCp, places), BlobErrc::kUsage) << places.front();
  EXPECT_EQ(run(BlobVerb::kCp, {"/w/none", "s3://b/k"}), env::DiskErrc::kNotFound);
  EXPECT_EQ(run(BlobVerb::kSync, {"/w/none", "s3://b/k"}), BlobErrc::kUsage);
  EXPECT_EQ(run(BlobVerb::kCp, {"s3://b/none", "/w/x"}), BlobErrc::kNotFound);
  EXPECT_NE(complaints().find("s3://b/none: the server says NotFound"), std::string::npos) << complaints();
}

TEST_F(BlobSimTest, SaysThatNobodyListens) {
  set_up(1);
  const env::Address address = server_->addresses().front();
  auto service = BlobService::make(client_->env(), {.endpoint = {.host = address.host, .port = 1},
                                                    .keys = {.access_key_id = "AKID", .secret_access_key = "secret"}});
  ASSERT_TRUE(service.ok());
  const int64_t began_ns = world_->now_ns();
  Result<BlobAnswer> answer = world_->run(client_->reactor(), (*service)->call({.bucket = "b"}));
  ASSERT_FALSE(answer.ok());
  EXPECT_NE(answer.error().message().find("Is the server running there?"), std::string::npos);
  EXPECT_LT(world_->now_ns() - began_ns, kSecond) << "a first contact is not tried again and again";
  // A server that never has time is asked a bounded number of times.
  s3_->slow_down_probability = 1;
  EXPECT_EQ(run(BlobVerb::kStat, {"s3://b/k"}), BlobErrc::kServer);
  EXPECT_EQ(retries_, kBlobAttemptsMax - 1);
}

}  // namespace
}  // namespace keelson::cli
