#include "protocol/resp/syntax_tree.h"

#include <gtest/gtest.h>

#include "engine/kv/command.h"

namespace keelson::resp {
namespace {

std::string render(const std::vector<SyntaxNode>& nodes, std::string_view between);

// The other way round, as documentation writes it.
std::string render(const SyntaxNode& node) {
  std::string body;
  if (node.type == "oneof" || node.type == "block") {
    body = render(node.children, node.type == "oneof" ? "|" : " ");
    if (node.type == "oneof" && (!node.is_optional || !node.token.empty())) body = "<" + body + ">";
  } else if (node.type != "pure-token") {
    body = node.name;
  }
  std::string text = node.token + (node.token.empty() || body.empty() ? "" : " ") + body;
  if (node.is_multiple) text += " [" + (node.is_token_repeated ? text : body) + " ...]";
  return node.is_optional ? "[" + text + "]" : text;
}

std::string render(const std::vector<SyntaxNode>& nodes, std::string_view between) {
  std::string text;
  for (const SyntaxNode& node : nodes) text.append(text.empty() ? "" : between).append(render(node));
  return text;
}

TEST(SyntaxTree, EveryLineOfTheCommandTableReadsBack) {
  size_t lines = 0;
  for (const kv::CommandSpec& spec : kv::command_table()) {
    // Of these two a choice is repeated whole, for which the notation has no brackets: they are told without it.
    if (spec.syntax.empty() || spec.name == "BITFIELD" || spec.name == "CLIENT|KILL") continue;
    EXPECT_EQ(render(parse_syntax(spec.syntax), " "), spec.syntax) << spec.name;
    ++lines;
  }
  EXPECT_GT(lines, 200U);
}

TEST(SyntaxTree, TokensTakeWhatFollowsWithinTheirBrackets) {
  const auto nodes = parse_syntax("key [LIMIT offset count] [NX|EX seconds]");
  ASSERT_EQ(nodes.size(), 3U);
  EXPECT_EQ(nodes[0].type, "key");
  EXPECT_EQ(nodes[1].type, "block");
  EXPECT_EQ(nodes[1].token, "LIMIT");
  EXPECT_TRUE(nodes[1].is_optional);
  ASSERT_EQ(nodes[1].children.size(), 2U);
  EXPECT_EQ(nodes[1].children[1].type, "integer");
  EXPECT_EQ(nodes[2].type, "oneof");
  ASSERT_EQ(nodes[2].children.size(), 2U);
  EXPECT_EQ(nodes[2].children[0].type, "pure-token");
  EXPECT_EQ(nodes[2].children[1].token, "EX");
  EXPECT_EQ(nodes[2].children[1].name, "seconds");
}

TEST(SyntaxTree, WhatIsRepeatedIsMultiple) {
  const auto pairs = parse_syntax("key field value [field value ...]");
  ASSERT_EQ(pairs.size(), 2U);
  EXPECT_EQ(pairs[1].name, "field_value");
  EXPECT_EQ(pairs[1].type, "block");
  EXPECT_TRUE(pairs[1].is_multiple);
  const auto tokens = parse_syntax("[GET pattern [GET pattern ...]]");
  ASSERT_EQ(tokens.size(), 1U);
  EXPECT_TRUE(tokens[0].is_multiple && tokens[0].is_token_repeated && tokens[0].is_optional);
  EXPECT_EQ(tokens[0].type, "pattern");
}

TEST(SyntaxTree, WhatIsMalformedIsReadAsFarAsItGoes) {
  for (std::string_view line : {"[", "<a|", "key [", "]", "a ] b", "[...]", "...", "[x y z ...]"}) parse_syntax(line);
}

}  // namespace
}  // namespace keelson::resp
