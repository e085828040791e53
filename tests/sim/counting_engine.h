// The engine of a service that stands ahead of the one that is tested, so that its shards are not the first of the
// runtime, and its durability is not the only one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/engine.h"

namespace keelson::sim_test {

class CountingEngine final : public engine::Engine {
 public:
  void apply(const engine::ApplyContext&, const engine::Command&, engine::ReplySink&) override { ++count_; }
  void query(const engine::ApplyContext&, const engine::Command&, engine::ReplySink&) override {}
  std::unique_ptr<engine::CheckpointSource> begin_checkpoint() override {
    class Source final : public engine::CheckpointSource {
     public:
      explicit Source(uint64_t count) : count_(count) {}
      bool next(size_t, Buffer& out) override {
        out.append(std::to_string(count_));
        return true;
      }

     private:
      uint64_t count_;
    };
    return std::make_unique<Source>(count_);
  }
  Status load_checkpoint(std::string_view) override { return {}; }
  void reset() override { count_ = 0; }

 private:
  uint64_t count_ = 0;
};

}  // namespace keelson::sim_test
