#include "protocol/resp/syntax_tree.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "protocol/resp/command_helpers.h"

namespace keelson::resp {

namespace {

using Nodes = std::vector<SyntaxNode>;

// What an argument is, by its name; everything else is a string.
std::string_view type_of(std::string_view name) {
  struct Kind {
    std::string_view type;
    std::string_view names;  // each between blanks
  };
  static constexpr std::array<Kind, 5> kKinds = {{
      {"key", " destination destkey dst key key1 key2 newkey source sourcekey src "},
      {"integer",
       " bit byte client-id count cursor db decrement destination-db end entries-read frequency index "
       "index1 index2 len limit matches maxlen milliseconds min-match-len min-idle-time ms num-matches numkeys "
       "numreplicas offset port rank repeat seconds slot start start-slot end-slot stop timestamp ttl "},
      {"double", " height increment latitude longitude max min radius score timeout weight width "},
      {"pattern", " pattern "},
      {"unix-time", " unix-time-seconds unix-time-milliseconds "},
  }};
  const std::string wanted = " " + std::string(name) + " ";
  for (const Kind& kind : kKinds) {
    if (kind.names.find(wanted) != std::string_view::npos) return kind.type;
  }
  return "string";
}

bool is_token(std::string_view word) {
  return std::none_of(word.begin(), word.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

// The last nodes as one: several become a block, named after all of them.
SyntaxNode join(Nodes nodes) {
  if (nodes.size() == 1) return std::move(nodes.front());
  SyntaxNode block;
  block.type = "block";
  for (const SyntaxNode& node : nodes) block.name.append(block.name.empty() ? "" : "_").append(node.name);
  block.children = std::move(nodes);
  return block;
}

class Parser {
 public:
  explicit Parser(std::string_view line) : rest_(line) {}

  Nodes sequence(bool is_in_brackets) {
    Nodes nodes;
    while (true) {
      skip_blanks();
      if (rest_.empty() || rest_[0] == '|' || rest_[0] == ']' || rest_[0] == '>') return nodes;
      if (rest_[0] == '[') {
        bracket(nodes);
      } else if (rest_[0] == '<') {
        nodes.push_back(alternatives('>'));
      } else {
        word(nodes, is_in_brackets);
      }
    }
  }

 private:
  void skip_blanks() { rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size())); }

  std::string_view take_word() {
    const std::string_view word = rest_.substr(0, rest_.find_first_of(" []<>|"));
    rest_.remove_prefix(word.size());
    return word;
  }

  void word(Nodes& nodes, bool is_in_brackets) {
    const std::string_view text = take_word();
    if (text == "...") {
      is_repeated_ = true;
      return;
    }
    SyntaxNode node;
    node.name = lower_case(text);
    if (!is_token(text)) {
      node.type = type_of(text);
      nodes.push_back(std::move(node));
      return;
    }
    // A token goes with what follows it up to the end of the brackets.
    Nodes following = is_in_brackets ? sequence(true) : Nodes();
    if (following.empty()) {
      node.type = "pure-token";
    } else if (following.size() == 1 && !following.front().token.empty()) {
      node.type = "block";  // a token before a token
      node.children = std::move(following);
    } else {
      node = join(std::move(following));
    }
    node.token = text;
    nodes.push_back(std::move(node));
  }

  // "[...]": something optional, or what says that the nodes before it may be repeated.
  void bracket(Nodes& nodes) {
    const bool was_repeated = std::exchange(is_repeated_, false);
    SyntaxNode inside = alternatives(']');
    const bool is_repetition = std::exchange(is_repeated_, was_repeated);
    if (!is_repetition) {
      inside.is_optional = true;
      nodes.push_back(std::move(inside));
      return;
    }
    const size_t count = inside.type == "block" ? inside.children.size() : 1;
    if (count > nodes.size()) return;
    Nodes repeated(std::make_move_iterator(nodes.end() - static_cast<ptrdiff_t>(count)),
                   std::make_move_iterator(nodes.end()));
    nodes.resize(nodes.size() - count);
    SyntaxNode node = join(std::move(repeated));
    node.is_multiple = true;
    node.is_token_repeated = !inside.token.empty();
    nodes.push_back(std::move(node));
  }

  SyntaxNode alternatives(char close) {
    rest_.remove_prefix(1);
    Nodes choices;
    while (true) {
      choices.push_back(join(sequence(true)));
      if (rest_.empty()) break;
      const char end = rest_[0];
      rest_.remove_prefix(1);
      if (end == close) break;
    }
    if (choices.size() == 1) return std::move(choices.front());
    SyntaxNode one_of = join(std::move(choices));
    one_of.type = "oneof";
    return one_of;
  }

  std::string_view rest_;
  bool is_repeated_ = false;  // "..." stood in the innermost brackets
};

}  // namespace

std::vector<SyntaxNode> parse_syntax(std::string_view line) { return Parser(line).sequence(false); }

}  // namespace keelson::resp
