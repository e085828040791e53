// Two nodes on the machine's own sockets, with two reactors each. No assertion is about time.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "env/disk.h"
#include "env/real/real_env.h"
#include "peer/mesh.h"

namespace keelson::peer {
namespace {

class Counting final : public Receiver {
 public:
  void received(NodeId, uint16_t, std::string_view message) override { bytes += message.size(); }
  void received_file(NodeId, uint16_t, std::string, std::string path, std::vector<SideFile>) override {
    file = std::move(path);
  }
  void reachable_changed(NodeId, bool) override {}
  std::atomic<uint64_t> bytes{0};
  std::string file;
};

// Both nodes share the machine's reactors, since a process has one env.
class RealMeshTest : public testing::Test {
 protected:
  RealMeshTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "keelson-peer-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    env_ = std::move(*env::RealEnv::make({.reactors = 2}));
    for (NodeId node = 1; node <= 2; ++node) {
      Options options;
      options.listen = {.host = "127.0.0.1", .port = 0, .unix_path = {}};
      options.identity = {.cluster = "c1", .node = node, .secret = "keel"};
      options.incoming_folder = folder_ + "/" + std::to_string(node);
      options.reactor_of = [](uint16_t group) { return group % 2U; };
      meshes_.push_back(std::make_unique<Mesh>(*env_, std::move(options)));
    }
  }
  ~RealMeshTest() override {
    meshes_.clear();
    env_.reset();
    std::filesystem::remove_all(folder_);
  }

  Task<void> talk() {
    for (const auto& mesh : meshes_) EXPECT_TRUE((co_await mesh->start()).ok());
    const std::vector<BookEntry> book = {{1, 1, meshes_[0]->advertised()}, {2, 1, meshes_[1]->advertised()}};
    for (const auto& mesh : meshes_) mesh->set_nodes(book, {});
    Counting counting;
    for (unsigned i = 0; i < 2; ++i) meshes_[1]->hub(i).set_receiver(&counting);
    env::Reactor& here = env_->reactor(0);
    Hub& hub = meshes_[0]->hub(0);
    while (!hub.is_reachable(2)) co_await env::sleep_for(here, 1'000'000);
    for (int i = 0; i < 1'000; ++i) hub.send(2, static_cast<uint16_t>(i), std::string(1'000, 'm'));
    {
      auto file = env_->disk().open(folder_ + "/checkpoint", env::OpenMode::kCreate);
      EXPECT_TRUE((*file)->write_at(0, std::string(3'000'000, 'c')).ok());
    }
    std::optional<bool> done;
    hub.send_file(2, 0, "m", folder_ + "/checkpoint", {}, [&done](bool has_arrived) { done = has_arrived; });
    while (!done || counting.bytes < 1'000'000 || counting.file.empty()) co_await env::sleep_for(here, 1'000'000);
    EXPECT_TRUE(*done);
    EXPECT_EQ(std::filesystem::file_size(counting.file), 3'000'000U);
    for (const auto& mesh : meshes_) co_await mesh->stop();
  }
  Task<void> run() {
    co_await talk();
    env_->stop();
  }

  std::string folder_;
  std::unique_ptr<env::RealEnv> env_;
  std::vector<std::unique_ptr<Mesh>> meshes_;
};

TEST_F(RealMeshTest, MessagesAndAFileOverSockets) {
  std::optional<env::TaskScope> scope;
  env_->reactor(0).post([&] {
    scope.emplace(env_->reactor(0));
    scope->spawn(run());
  });
  env_->run();
  scope.reset();
}

}  // namespace
}  // namespace keelson::peer
