#include "engine/topic/producer_state.h"

#include <gtest/gtest.h>

#include <string>

#include "engine/topic/batch_builder.h"

namespace keelson::topic {
namespace {

TEST(ProducerState, HasALimit) {
  ProducerState state;
  int64_t now_ms = 1'800'000'000'000;
  const auto note = [&](int64_t producer, int16_t attributes) {
    BatchBuilder builder({.producer_id = producer, .producer_epoch = 0, .base_sequence = 0, .attributes = attributes});
    builder.add(now_ms, "k", "v");
    const std::string batch = builder.finish();
    state.note(BatchView(batch), producer, now_ms++);
  };
  note(0, kTransactionalBit);
  for (int64_t i = 1; i <= static_cast<int64_t>(kProducersMax); ++i) note(i, 0);
  EXPECT_LE(state.producers().size(), kProducersMax);
  EXPECT_GT(state.producers().size(), kProducersMax * 8 / 10);
  // The ones that were silent the longest have gone, but for one whose transaction is open.
  EXPECT_TRUE(state.producers().contains(0));
  EXPECT_FALSE(state.producers().contains(1));
  EXPECT_TRUE(state.producers().contains(kProducersMax));
  EXPECT_EQ(state.last_stable(kProducersMax), 0);
  for (const auto& [id, producer] : state.producers()) {
    if (id != 0) EXPECT_GT(id, static_cast<int64_t>(kProducersMax / 20)) << producer.last_append_ms;
  }
}

}  // namespace
}  // namespace keelson::topic
