// The workers of a Linux process: as many threads as are made, which take work only while they are idle.
#pragma once

#include <memory>

#include "env/workers.h"

namespace keelson::env {

class RealWorkers final : public Workers {
 public:
  explicit RealWorkers(unsigned threads);
  // Waits for the work under way.
  ~RealWorkers() override;

  [[nodiscard]] bool try_run(Callback& work) override;

 private:
  struct Pool;
  std::unique_ptr<Pool> pool_;
};

}  // namespace keelson::env
