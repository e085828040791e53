// The pure parts: names, filters, acknowledgement ids.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "protocol/pubsub/ack_id.h"
#include "protocol/pubsub/filter.h"
#include "protocol/pubsub/names.h"

namespace keelson::pubsub {
namespace {

TEST(Names, AreOfTheirKind) {
  const auto name = parse_name(ResourceKind::kTopic, "projects/p1/topics/orders");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->project, "p1");
  EXPECT_EQ(name->id, "orders");
  EXPECT_EQ(format_name(ResourceKind::kTopic, "p1", "orders"), "projects/p1/topics/orders");
  for (const char* bad :
       {"", "orders", "projects/p/topics/", "projects//topics/abc", "projects/p/topics/ab", "projects/p/topics/1abc",
        "projects/p/topics/googabc", "projects/p/topics/a/b", "projects/p/topic/abc", "projects/p/subscriptions/abc",
        "projects/p/topics/a b c", "projects/p/topicsabc", "projects/p/topics"}) {
    EXPECT_FALSE(parse_name(ResourceKind::kTopic, bad)) << bad;
  }
  EXPECT_TRUE(parse_name(ResourceKind::kTopic, "projects/p/topics/" + std::string(255, 'a')));
  EXPECT_FALSE(parse_name(ResourceKind::kTopic, "projects/p/topics/" + std::string(256, 'a')));
  EXPECT_TRUE(parse_name(ResourceKind::kSubscription, "projects/example.com:p/subscriptions/a~b%c+d"));
  EXPECT_TRUE(parse_name(ResourceKind::kTopic, "projects/_/topics/1")) << "Kafka's names are wider";
  EXPECT_FALSE(parse_name(ResourceKind::kSubscription, "projects/_/subscriptions/1"));
  EXPECT_EQ(parse_project("projects/p"), "p");
  EXPECT_FALSE(parse_project("projects/p/topics"));
}

TEST(Names, OfTheDirectoryAndBack) {
  struct Row {
    const char *project, *id, *name;
  };
  for (const Row& row :
       {Row{"p1", "orders", "p1.orders"}, Row{"p1", "a_b.c-d", "p1.a_b.c-d"}, Row{"p1", "a~b", "p1..a_7Eb"},
        Row{"p1", "a_b+", "p1..a_5Fb_2B"}, Row{"example.com:p", "abc", "example_2Ecom_3Ap.abc"},
        Row{"my_p", "abc", "my_5Fp.abc"}, Row{"_", "orders", "orders"}, Row{"_", "my_app.events", "my_app.events"},
        Row{"_", "a.b", "a.b"}, Row{"_", "__x", "__x"}, Row{"_", "p..abc", "p..abc"}, Row{"_", "p..a_7eb", "p..a_7eb"},
        Row{"_", ".abc", ".abc"}}) {
    EXPECT_EQ(directory_name({row.project, row.id}), row.name);
    const ResourceName back = topic_of_directory(row.name);
    EXPECT_EQ(back.project, row.project) << row.name;
    EXPECT_EQ(back.id, row.id) << row.name;
  }
  EXPECT_FALSE(directory_name({"_", "p1.orders"})) << "that topic has another name";
  EXPECT_FALSE(directory_name({"p1", std::string(248, 'a')})) << "too long for the directory";
}

TEST(Names, AreOneToOne) {
  std::mt19937 random(3);
  constexpr std::string_view kId = "aZ09-._~%+";
  constexpr std::string_view kProject = "aZ0-._:";
  constexpr std::string_view kName = "aZ09-._E7F";
  std::set<std::string> names;
  std::set<std::pair<std::string, std::string>> topics;
  const auto draw = [&](std::string_view from) {
    std::string text(1 + random() % 6, ' ');
    for (char& c : text) c = from[random() % from.size()];
    return text;
  };
  for (int i = 0; i < 100'000; ++i) {
    const ResourceName topic{draw(kProject), "a" + draw(kId) + "b"};
    if (topic.project == "_") continue;
    const auto name = directory_name(topic);
    ASSERT_TRUE(name) << topic.project << " " << topic.id;
    ASSERT_EQ(names.insert(*name).second, topics.insert({topic.project, topic.id}).second);
    const ResourceName back = topic_of_directory(*name);
    ASSERT_EQ(back.project, topic.project);
    ASSERT_EQ(back.id, topic.id);
    const std::string other = draw(kName);
    if (other == "." || other == "..") continue;
    ASSERT_EQ(directory_name(topic_of_directory(other)), other);
    ASSERT_TRUE(parse_name(ResourceKind::kTopic, format_name(ResourceKind::kTopic, topic_of_directory(other).project,
                                                             topic_of_directory(other).id)));
  }
}

bool matches(std::string_view text, const topic::Pairs& attributes) {
  std::string error;
  const auto filter = Filter::parse(text, error);
  EXPECT_TRUE(filter) << text << ": " << error;
  return filter && filter->matches(attributes);
}

TEST(Filters, Match) {
  const topic::Pairs attributes = {{"domain", "com"}, {"lang", "en-GB"}, {"iana.org/tag", "x\"y"}, {"empty", ""}};
  for (const char* yes : {"",
                          "attributes:domain",
                          "attributes : domain",
                          "attributes.domain = \"com\"",
                          "attributes.domain=\"com\"",
                          "attributes.domain != \"org\"",
                          "attributes.missing != \"org\"",
                          "hasPrefix(attributes.lang, \"en\")",
                          "hasPrefix(attributes.lang,\"\")",
                          "NOT attributes:missing",
                          "-attributes:missing",
                          "NOT NOT attributes:domain",
                          "attributes:\"iana.org/tag\"",
                          "attributes.\"iana.org/tag\" = \"x\\\"y\"",
                          "attributes:domain AND attributes:lang AND attributes:empty",
                          "attributes:no OR attributes:lang",
                          "(attributes:no AND attributes:lang) OR attributes:domain",
                          "attributes.lang = \"\\x65n\\055\\u0047B\"",
                          "NOT (attributes:no OR attributes:none)",
                          "((attributes:domain))",
                          "attributes.empty = \"\""}) {
    EXPECT_TRUE(matches(yes, attributes)) << yes;
  }
  for (const char* no :
       {"attributes:missing", "attributes.domain = \"org\"", "attributes.domain != \"com\"",
        "attributes.domain = \"COM\"", "hasPrefix(attributes.missing, \"\")", "hasPrefix(attributes.lang, \"en-GBx\")",
        "NOT attributes:domain", "attributes:domain AND attributes:no", "attributes:Domain"}) {
    EXPECT_FALSE(matches(no, attributes)) << no;
  }
}

TEST(Filters, OfAnotherLanguageAreRefused) {
  for (const char* bad : {" ",
                          "x",
                          "attributes",
                          "attributes:",
                          "attributes.",
                          "attributes.a",
                          "attributes.a =",
                          "attributes.a = b",
                          "attributes.a = \"b",
                          "attributes.a == \"b\"",
                          "attributes:a attributes:b",
                          "attributes:a AND",
                          "attributes:a AND attributes:b OR attributes:c",
                          "(attributes:a",
                          "attributes:a)",
                          "NOT",
                          "hasPrefix(a, \"b\")",
                          "hasPrefix(attributes.a \"b\")",
                          "attributes.a = \"\\q\"",
                          "attributes.a = \"\\x1\"",
                          "attributes.a = \"\\ud800\"",
                          "attributes.a = \"\\400\"",
                          "attributes.a < \"b\"",
                          "attributes:a and attributes:b",
                          "data:x",
                          "attributes.a = 'b'"}) {
    std::string error;
    EXPECT_FALSE(Filter::parse(bad, error)) << bad;
    EXPECT_FALSE(error.empty());
  }
  std::string error;
  const std::string longest = "attributes:" + std::string(kFilterBytesMax - 11, 'a');
  EXPECT_TRUE(Filter::parse(longest, error));
  EXPECT_FALSE(Filter::parse(longest + "a", error));
}

TEST(AckIds, ComeBackAsTheyWere) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 10'000; ++i) {
    const topics::LeaseId id{random() >> random() % 64, static_cast<int32_t>(random() & INT32_MAX),
                             static_cast<int64_t>(random() >> (1 + random() % 63)), random()};
    const auto back = parse_ack_id(format_ack_id(id));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->generation, id.generation);
    EXPECT_EQ(back->partition, id.partition);
    EXPECT_EQ(back->offset, id.offset);
    EXPECT_EQ(back->lease, id.lease);
  }
  for (const char* bad : {"", "A", "AAAA", "AAA=", "////", "AAAAAAAA", "not an id"})
    EXPECT_FALSE(parse_ack_id(bad)) << bad;
  const std::string text = format_ack_id({1, 2, 300, 4});
  EXPECT_TRUE(parse_ack_id(text));
  EXPECT_FALSE(parse_ack_id(text + "A")) << "one text for each id";
}

}  // namespace
}  // namespace keelson::pubsub
