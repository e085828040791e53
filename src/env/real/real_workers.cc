#include "env/real/real_workers.h"

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <utility>

#include "env/real/memory.h"

namespace keelson::env {

struct RealWorkers::Pool {
  explicit Pool(unsigned count) : threads_max(count), threads(count) {}
  const unsigned threads_max;
  std::atomic<unsigned> busy{0};
  boost::asio::thread_pool threads;
};

RealWorkers::RealWorkers(unsigned threads) : pool_(std::make_unique<Pool>(threads)) {}

RealWorkers::~RealWorkers() { pool_->threads.join(); }

bool RealWorkers::try_run(Callback& work) {
  Pool& pool = *pool_;
  if (pool.busy.fetch_add(1) >= pool.threads_max) {
    pool.busy.fetch_sub(1);
    return false;
  }
  boost::asio::post(pool.threads, [&pool, taken = std::move(work)]() mutable {
    static thread_local const CountedThread counted;
    taken();
    taken = nullptr;
    pool.busy.fetch_sub(1);
  });
  return true;
}

}  // namespace keelson::env
