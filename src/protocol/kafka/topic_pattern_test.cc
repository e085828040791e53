#include "protocol/kafka/topic_pattern.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace keelson::kafka {
namespace {

bool matches(std::string_view expression, std::string_view name) {
  const auto pattern = TopicPattern::parse(expression);
  EXPECT_TRUE(pattern) << expression;
  return pattern && pattern->matches(name);
}

TEST(TopicPattern, MatchesWholeNames) {
  EXPECT_TRUE(matches("orders", "orders"));
  EXPECT_FALSE(matches("orders", "orders2"));
  EXPECT_FALSE(matches("orders", "myorders"));
  EXPECT_TRUE(matches("^orders.*$", "orders-eu"));
  EXPECT_TRUE(matches("", ""));
  EXPECT_TRUE(matches("a\\.b", "a.b"));
  EXPECT_FALSE(matches("a\\.b", "axb"));
  EXPECT_TRUE(matches("a\\$", "a$"));
}

TEST(TopicPattern, KnowsTheUsualWords) {
  EXPECT_TRUE(matches("(eu|us)-[0-9]+", "us-17"));
  EXPECT_FALSE(matches("(eu|us)-[0-9]+", "us-"));
  EXPECT_TRUE(matches("(?:ab)*c?", "ababc"));
  EXPECT_TRUE(matches("[^a-c]\\d\\w", "x1_"));
  EXPECT_FALSE(matches("[^a-c]\\d\\w", "a1_"));
  EXPECT_TRUE(matches("[]a-]+", "]a-"));
  EXPECT_TRUE(matches("a{2,3}", "aaa"));
  EXPECT_FALSE(matches("a{2,3}", "a"));
  EXPECT_FALSE(matches("a{2,3}", "aaaa"));
  EXPECT_TRUE(matches("a{2,}b{2}", "aaaabb"));
  EXPECT_TRUE(matches("(a|b{2}){2}", "bba"));
  EXPECT_TRUE(matches("x*?y+?", "xxy"));
  EXPECT_TRUE(matches("a||b", ""));
}

TEST(TopicPattern, RefusesWhatIsMalformedOrNotBuilt) {
  for (const char* bad :
       {"(",      ")",       "a)", "(a",  "[",      "[a",    "[b-a]",    "*",   "+a",  "a{",          "a{2",
        "a{3,2}", "a{1001}", "\\", "\\b", "\\p{L}", "(?i)a", "(?P<n>a)", "a^b", "a$b", "[[:alpha:]]", "a**b{}"}) {
    EXPECT_FALSE(TopicPattern::parse(bad)) << bad;
  }
}

TEST(TopicPattern, IsBounded) {
  EXPECT_FALSE(TopicPattern::parse("((((a{1000}){1000}){1000}){1000})"));
  EXPECT_FALSE(TopicPattern::parse(std::string(1'000, '(')));
  // What makes others go through all the ways to split a name.
  EXPECT_FALSE(matches("(a*)*(a*)*b", std::string(249, 'a')));
}

// Expressions of a, b, |, * and groups, against a matcher that tries everything.
TEST(TopicPattern, AgreesWithAMatcherThatTriesEverything) {
  struct Node {
    char kind;  // a letter; '.': one behind the other; '|'; '*'
    std::unique_ptr<Node> left, right;
  };
  std::mt19937 random(1);
  std::function<std::unique_ptr<Node>(int)> make = [&](int depth) {
    auto node = std::make_unique<Node>();
    node->kind = depth == 0 ? "ab"[random() % 2] : "ab..|*"[random() % 6];
    if (node->kind == '.' || node->kind == '|') node->right = make(depth - 1);
    if (node->right || node->kind == '*') node->left = make(depth - 1);
    return node;
  };
  std::function<std::string(const Node&)> text = [&](const Node& node) -> std::string {
    if (node.kind == '.') return text(*node.left) + text(*node.right);
    if (node.kind == '|') return "(" + text(*node.left) + "|" + text(*node.right) + ")";
    if (node.kind == '*') return "(" + text(*node.left) + ")*";
    return {node.kind};
  };
  // All ends that a match from `at` may have.
  std::function<std::set<size_t>(const Node&, const std::string&, size_t)> ends =
      [&](const Node& node, const std::string& in, size_t at) -> std::set<size_t> {
    std::set<size_t> result;
    if (node.kind == '.') {
      for (const size_t mid : ends(*node.left, in, at)) result.merge(ends(*node.right, in, mid));
    } else if (node.kind == '|') {
      result = ends(*node.left, in, at);
      result.merge(ends(*node.right, in, at));
    } else if (node.kind == '*') {
      std::vector<size_t> todo{at};
      for (result.insert(at); !todo.empty();) {
        const size_t from = todo.back();
        todo.pop_back();
        for (const size_t end : ends(*node.left, in, from)) {
          if (result.insert(end).second) todo.push_back(end);
        }
      }
    } else if (at < in.size() && in[at] == node.kind) {
      result.insert(at + 1);
    }
    return result;
  };
  for (int i = 0; i < 500; ++i) {
    const auto tree = make(4);
    const std::string expression = text(*tree);
    for (int j = 0; j < 20; ++j) {
      std::string name;
      for (size_t length = random() % 7; name.size() < length;) name.push_back("ab"[random() % 2]);
      EXPECT_EQ(matches(expression, name), ends(*tree, name, 0).contains(name.size())) << expression << " on " << name;
    }
  }
}

}  // namespace
}  // namespace keelson::kafka
