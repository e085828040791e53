#include <gtest/gtest.h>

#include "cli/line_editor.h"
#include "cli/progress.h"
#include "cli/reply_text.h"
#include "cli/suggestions.h"
#include "cli/words.h"

namespace keelson::cli {
namespace {

using resp::Reply;
using resp::ReplyType;

std::vector<std::string> words(std::string_view line) {
  return split_words(line).value_or(std::vector<std::string>{"?"});
}

TEST(SplitWords, FollowsRedisCli) {
  EXPECT_EQ(words("  SET  k\t\"a b\" "), (std::vector<std::string>{"SET", "k", "a b"}));
  EXPECT_EQ(words(R"("\x41\n\"\\" 'it\'s \n')"), (std::vector<std::string>{"A\n\"\\", "it's \\n"}));
  EXPECT_EQ(words("a\"b c\""), (std::vector<std::string>{"ab c"}));
  EXPECT_EQ(words("\"\""), (std::vector<std::string>{""}));
  EXPECT_EQ(words(""), std::vector<std::string>{});
  for (std::string_view bad : {"\"a", "'a", "\"a\"b", "'a'b"}) EXPECT_FALSE(split_words(bad).has_value()) << bad;
}

TEST(Quote, ReadsBackAsOneWord) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all.push_back(static_cast<char>(byte));
  EXPECT_EQ(words(quote(all)), std::vector<std::string>{all});
}

Reply bulk(std::string text) { return {.type = ReplyType::kBulk, .text = std::move(text)}; }
Reply integer(int64_t value) { return {.type = ReplyType::kInteger, .integer = value}; }
Reply list(ReplyType type, std::vector<Reply> elements) { return {.type = type, .elements = std::move(elements)}; }

TEST(PrettyText, LooksLikeRedisCli) {
  EXPECT_EQ(pretty_text(bulk("a\"\n")), "\"a\\\"\\n\"\n");
  EXPECT_EQ(pretty_text(integer(5)), "(integer) 5\n");
  EXPECT_EQ(pretty_text({.type = ReplyType::kNull}), "(nil)\n");
  EXPECT_EQ(pretty_text({.type = ReplyType::kError, .text = "ERR x"}), "(error) ERR x\n");
  EXPECT_EQ(pretty_text(list(ReplyType::kArray, {})), "(empty array)\n");
  EXPECT_EQ(
      pretty_text(list(ReplyType::kArray, {bulk("a"), list(ReplyType::kArray, {integer(1), integer(2)}), bulk("c")})),
      "1) \"a\"\n2) 1) (integer) 1\n   2) (integer) 2\n3) \"c\"\n");
  EXPECT_EQ(pretty_text(list(ReplyType::kMap, {bulk("k"), integer(1), bulk("l"), list(ReplyType::kSet, {bulk("m")})})),
            "1# \"k\" => (integer) 1\n2# \"l\" => 1~ \"m\"\n");
  std::vector<Reply> ten(10, integer(0));
  EXPECT_TRUE(pretty_text(list(ReplyType::kArray, ten)).starts_with(" 1) (integer) 0\n 2)"));
}

TEST(RawText, IsTheBytes) {
  EXPECT_EQ(raw_text(bulk("a\"\n")), "a\"\n\n");
  EXPECT_EQ(raw_text(list(ReplyType::kArray, {bulk("a"), list(ReplyType::kArray, {integer(1), integer(2)})})),
            "a\n1\n2\n");
  EXPECT_EQ(raw_text({.type = ReplyType::kNull}), "\n");
}

TEST(Completions, ComeFromTheTable) {
  EXPECT_EQ(completions("GETR"), std::vector<std::string>{"GETRANGE"});
  EXPECT_EQ(completions("getr"), std::vector<std::string>{"getrange"});
  const std::vector<std::string> config = completions("config ");
  EXPECT_NE(std::find(config.begin(), config.end(), "config get"), config.end());
  EXPECT_TRUE(completions("nosuchcommand").empty());
  EXPECT_TRUE(completions("").empty());
  for (const std::string& name : completions("c")) EXPECT_EQ(name.find(' '), std::string::npos) << name;
  for (const std::string& name : completions("_")) ADD_FAILURE() << name << " is for logs alone";
}

TEST(Hint, ShowsTheArgumentsThatAreLeft) {
  EXPECT_EQ(hint("EXPIRE"), " key seconds [NX|XX|GT|LT]");
  EXPECT_EQ(hint("expire "), "key seconds [NX|XX|GT|LT]");
  EXPECT_EQ(hint("expire k"), " seconds [NX|XX|GT|LT]");
  EXPECT_EQ(hint("expire k 5 "), "[NX|XX|GT|LT]");
  EXPECT_EQ(hint("nosuch"), "");
  EXPECT_EQ(hint("\"open"), "");
}

TEST(Help, KnowsCommandsAndGroups) {
  EXPECT_NE(help_text({"help", "get"}).find("GET key"), std::string::npos);
  EXPECT_NE(help_text({"help", "@hash"}).find("HSET"), std::string::npos);
  EXPECT_NE(help_text({"help", "nosuch"}).find("no command"), std::string::npos);
  EXPECT_NE(help_text({"help"}).find("@string"), std::string::npos);
}

// Types the bytes and returns the line; "|" marks the cursor.
std::string type(std::string_view bytes, const std::vector<std::string>& history = {}, const LineHelp& help = {}) {
  LineBuffer line(history, help);
  KeyReader keys;
  for (char c : bytes) {  // one byte at a time: sequences come in pieces
    keys.feed(std::string_view(&c, 1));
    while (const auto press = keys.next()) {
      if (line.press(*press) != LineBuffer::State::kEditing) return line.text() + "!";
    }
  }
  std::string text = line.text();
  return text.insert(line.cursor(), "|");
}

TEST(LineBuffer, Edits) {
  EXPECT_EQ(type("abc"), "abc|");
  EXPECT_EQ(type("abc\x1b[D\x1b[Dx"), "ax|bc");
  EXPECT_EQ(type("abc\x01x\x05y"), "xabcy|");
  EXPECT_EQ(type("abc\x7f"), "ab|");
  EXPECT_EQ(type("abc\x1b[H\x1b[3~"), "|bc");
  EXPECT_EQ(type("one two\x17"), "one |");
  EXPECT_EQ(type("one two\x1b[1;5Dx"), "one x|two");
  EXPECT_EQ(type("one two\x01\x0b"), "|");
  EXPECT_EQ(type("one two\x15"), "|");
  EXPECT_EQ(type("ab\x14"), "ba|");
  EXPECT_EQ(type("\xc3\xa4\xe2\x82\xac\x1b[D\x7f"), "|\xe2\x82\xac");
  EXPECT_EQ(type("abc\x1b[99;99zd"), "abcd|");
  EXPECT_EQ(type("abc\r"), "abc!");
  EXPECT_EQ(type("\x04"), "!");
  EXPECT_EQ(type("a\x04"), "a|");
}

TEST(LineBuffer, WalksAndSearchesTheHistory) {
  const std::vector<std::string> history = {"set a 1", "get a", "set b 2"};
  EXPECT_EQ(type("x\x1b[A", history), "set b 2|");
  EXPECT_EQ(type("x\x1b[A\x1b[A\x1b[A\x1b[A", history), "set a 1|");
  EXPECT_EQ(type("x\x1b[A\x1b[B", history), "x|");
  EXPECT_EQ(type("\x12get\x05", history), "get a|");
  EXPECT_EQ(type("\x12set\x12\x05", history), "set a 1|");
  EXPECT_EQ(type("own\x12set\x03", history), "own|");
}

TEST(LineBuffer, Completes) {
  const LineHelp help{completions, hint};
  EXPECT_EQ(type("getr\t", {}, help), "getrange |");
  EXPECT_EQ(type("zrangeb\t", {}, help).substr(0, 8), "zrangeby");
  const std::vector<std::string> none;
  LineBuffer line(none, help);
  line.press({Key::kText, "h"});
  line.press({Key::kTab, ""});
  line.press({Key::kTab, ""});
  EXPECT_GT(line.choices().size(), 5u);
}

TEST(LineBuffer, SurvivesAnyKeys) {
  uint64_t state = 1;
  const LineHelp help{completions, hint};
  const std::vector<std::string> history = {"a", "b\xc3\xa4"};
  LineBuffer line(history, help);
  KeyReader keys;
  for (int i = 0; i < 20'000; ++i) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    const char byte = static_cast<char>(state >> 40);
    keys.feed(std::string_view(&byte, 1));
    while (const auto press = keys.next()) {
      line.press(*press);
      ASSERT_LE(line.cursor(), line.text().size());
    }
    if (line.text().size() > 300) line.press({Key::kDeleteToStart, ""});
  }
}

TEST(ReadableBytes, HasThreeDigitsOrSo) {
  EXPECT_EQ(readable_bytes(0), "0 B");
  EXPECT_EQ(readable_bytes(1023), "1023 B");
  EXPECT_EQ(readable_bytes(1536), "1.5 KiB");
  EXPECT_EQ(readable_bytes(uint64_t{5} << 40), "5.0 TiB");
}

}  // namespace
}  // namespace keelson::cli
