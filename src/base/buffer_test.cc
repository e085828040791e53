#include "base/buffer.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace keelson {
namespace {

TEST(Buffer, BehavesAsAStringUnderRandomUse) {
  std::mt19937_64 random(1);
  Buffer buffer;
  std::string model;
  for (int i = 0; i < 100'000; ++i) {
    switch (random() % 6) {
      case 0:
      case 1: {
        const std::string bytes(random() % 200, static_cast<char>('a' + random() % 26));
        buffer.append(bytes);
        model += bytes;
        break;
      }
      case 2: {
        const size_t count = model.empty() ? 0 : random() % (model.size() + 1);
        buffer.consume(count);
        model.erase(0, count);
        break;
      }
      case 3: {
        const size_t room = random() % 100;
        char* to = buffer.reserve(room);
        std::fill_n(to, room, 'r');
        buffer.commit(room);
        model.append(room, 'r');
        break;
      }
      case 4: {
        const size_t keep = random() % (model.size() + 1);
        buffer.truncate(keep);
        model.resize(keep);
        break;
      }
      default:
        buffer.push_back('x');
        model.push_back('x');
        if (random() % 1000 == 0) {
          buffer.clear();
          model.clear();
          buffer.shrink_if_empty(0);
          ASSERT_EQ(buffer.capacity(), 0U);
        }
    }
    ASSERT_EQ(buffer.view(), model);
  }
}

TEST(Buffer, MovingSwapsTheBytes) {
  Buffer a;
  a.append("one");
  Buffer b(std::move(a));
  EXPECT_EQ(b.view(), "one");
  Buffer c;
  c.append("two");
  c = std::move(b);
  EXPECT_EQ(c.view(), "one");
}

}  // namespace
}  // namespace keelson
