#include "server/topic_calls.h"

#include <gtest/gtest.h>

#include "engine/topic/codes.h"

namespace keelson::server {
namespace {

TEST(TopicCalls, ComeBackAndCutOnesDoNot) {
  const TopicCall call{.shard = 21, .code = static_cast<uint16_t>(topic::Code::kVerifyTransaction), .body = "a body"};
  const std::string bytes = encode(call);
  const auto read = decode_topic_call(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->shard, call.shard);
  EXPECT_EQ(read->code, call.code);
  EXPECT_EQ(read->body, call.body);
  for (size_t i = 0; i < bytes.size(); ++i) EXPECT_FALSE(decode_topic_call(bytes.substr(0, i))) << i;
}

TEST(TopicCalls, AnswersComeBack) {
  topics::Asked asked{.outcome = log::LogErrc::kTimedOut, .answer = {}};
  asked.answer.error = topic::TopicErrc::kFencedClaim;
  asked.answer.reason = "why";
  asked.answer.claim = 7;
  asked.answer.producer_id = -1;
  asked.answer.producer_epoch = -1;
  const std::string bytes = encode(asked);
  const auto read = decode_asked(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->outcome, asked.outcome);
  EXPECT_EQ(read->answer.error, asked.answer.error);
  EXPECT_EQ(read->answer.reason, "why");
  EXPECT_EQ(read->answer.claim, 7);
  EXPECT_EQ(read->answer.producer_id, -1);
  EXPECT_EQ(read->answer.producer_epoch, -1);
  for (size_t i = 0; i < bytes.size(); ++i) EXPECT_FALSE(decode_asked(bytes.substr(0, i))) << i;
  std::string beyond = bytes;
  beyond[0] = 100;  // no such outcome
  EXPECT_FALSE(decode_asked(beyond));
}

}  // namespace
}  // namespace keelson::server
