#include "protocol/kafka/topic_pattern.h"

#include <algorithm>
#include <utility>

namespace keelson::kafka {

namespace {
// Of nested groups: the parser recurses on them.
constexpr unsigned kDepthMax = 100;
constexpr unsigned kRepeatMax = 1'000;  // RE2's
}  // namespace

// Thompson's construction: each piece is a part of the machine with one way in and one way out.
class PatternParser {
 public:
  explicit PatternParser(std::string_view rest) : rest_(rest) {}

  std::optional<TopicPattern> run() {
    if (rest_.starts_with('^')) rest_.remove_prefix(1);
    // "a\$" ends in a literal.
    size_t escapes = 0;
    while (escapes + 1 < rest_.size() && rest_[rest_.size() - 2 - escapes] == '\\') ++escapes;
    if (rest_.ends_with('$') && escapes % 2 == 0) rest_.remove_suffix(1);
    const Piece whole = alternatives();
    if (is_bad_ || !rest_.empty()) return std::nullopt;
    pattern_.start_ = whole.in;
    pattern_.end_ = whole.out;
    return std::move(pattern_);
  }

 private:
  struct Piece {
    int32_t in = 0;
    int32_t out = 0;
  };
  using Set = std::bitset<256>;

  int32_t add(int32_t bytes = -1, int32_t next = -1, int32_t other = -1) {
    if (pattern_.states_.size() >= kPatternStatesMax) {
      is_bad_ = true;
      return 0;
    }
    pattern_.states_.push_back({bytes, next, other});
    return static_cast<int32_t>(pattern_.states_.size()) - 1;
  }
  void link(int32_t from, int32_t to) {
    TopicPattern::State& state = pattern_.states_[static_cast<size_t>(from)];
    (state.next < 0 ? state.next : state.other) = to;
  }
  Piece empty() {
    const int32_t only = add();
    return {only, only};
  }
  Piece one_of(const Set& set) {
    pattern_.sets_.push_back(set);
    const int32_t out = add();
    return {add(static_cast<int32_t>(pattern_.sets_.size()) - 1, out), out};
  }

  Piece alternatives() {
    Piece all = sequence();
    while (!is_bad_ && rest_.starts_with('|')) {
      rest_.remove_prefix(1);
      const Piece other = sequence();
      const Piece both{add(-1, all.in, other.in), add()};
      if (is_bad_) break;
      link(all.out, both.out);
      link(other.out, both.out);
      all = both;
    }
    return all;
  }

  Piece sequence() {
    Piece all = empty();
    while (!is_bad_ && !rest_.empty() && rest_.front() != '|' && rest_.front() != ')') {
      const std::string_view at = rest_;
      Piece next = atom();
      if (is_bad_) break;
      next = repeated(next, at.substr(0, at.size() - rest_.size()));
      if (is_bad_) break;
      link(all.out, next.in);
      all.out = next.out;
    }
    return all;
  }

  Piece atom() {
    const char byte = rest_.front();
    rest_.remove_prefix(1);
    switch (byte) {
      case '(':
        return group();
      case '[':
        return one_of(set_of_class());
      case '.':
        return one_of(Set().set());
      case '\\':
        return one_of(escaped());
      case '*':
      case '+':
      case '?':
      case '{':
      case '^':
      case '$':
        is_bad_ = true;
        return {};
      default:
        return one_of(Set().set(static_cast<uint8_t>(byte)));
    }
  }

  Piece group() {
    if (rest_.starts_with("?:")) rest_.remove_prefix(2);
    if (++depth_ > kDepthMax || rest_.starts_with('?')) is_bad_ = true;
    const Piece inner = is_bad_ ? Piece{} : alternatives();
    --depth_;
    if (!rest_.starts_with(')')) is_bad_ = true;
    if (!is_bad_) rest_.remove_prefix(1);
    return inner;
  }

  Set escaped() {
    if (rest_.empty()) {
      is_bad_ = true;
      return {};
    }
    const char byte = rest_.front();
    rest_.remove_prefix(1);
    Set set;
    const auto add_range = [&](char from, char to) {
      for (int each = from; each <= to; ++each) set.set(static_cast<size_t>(each));
    };
    switch (byte) {
      case 'w':
      case 'W':
        add_range('a', 'z');
        add_range('A', 'Z');
        set.set('_');
        [[fallthrough]];
      case 'd':
      case 'D':
        add_range('0', '9');
        return byte == 'W' || byte == 'D' ? ~set : set;
      case 's':
      case 'S':
        for (const char each : {' ', '\t', '\n', '\f', '\r'}) set.set(static_cast<size_t>(each));
        return byte == 'S' ? ~set : set;
      default:
        // Other letters and digits have meanings that are not built.
        if ((byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z'))
          is_bad_ = true;
        return set.set(static_cast<uint8_t>(byte));
    }
  }

  Set set_of_class() {
    Set set;
    const bool is_negated = rest_.starts_with('^');
    if (is_negated) rest_.remove_prefix(1);
    for (bool is_first = true; !is_bad_; is_first = false) {
      if (rest_.empty() || rest_.starts_with("[:")) {
        is_bad_ = true;
        break;
      }
      if (rest_.front() == ']' && !is_first) break;
      Set from = class_item();
      if (rest_.size() >= 2 && rest_[0] == '-' && rest_[1] != ']') {
        rest_.remove_prefix(1);
        const Set to = class_item();
        if (from.count() != 1 || to.count() != 1 || from._Find_first() > to._Find_first()) {
          is_bad_ = true;
          break;
        }
        for (size_t each = from._Find_first(); each <= to._Find_first(); ++each) set.set(each);
      }
      set |= from;
    }
    if (!is_bad_) rest_.remove_prefix(1);
    return is_negated ? ~set : set;
  }
  Set class_item() {
    const char byte = rest_.front();
    rest_.remove_prefix(1);
    return byte == '\\' ? escaped() : Set().set(static_cast<uint8_t>(byte));
  }

  // `source`: what the piece was made from; it is parsed again for each further copy.
  Piece repeated(Piece piece, std::string_view source) {
    unsigned least = 1;
    std::optional<unsigned> most = 1;
    if (rest_.empty() || !take_count(least, most) || is_bad_) return piece;
    if (!rest_.empty() && (rest_.front() == '?')) rest_.remove_prefix(1);  // lazy: no matter here
    Piece all = empty();
    bool is_used = false;
    const auto copy = [&] {
      if (!std::exchange(is_used, true)) return piece;
      const std::string_view after = std::exchange(rest_, source);
      const Piece again = atom();
      rest_ = after;
      return again;
    };
    const auto append = [&](const Piece& next) {
      if (is_bad_) return;
      link(all.out, next.in);
      all.out = next.out;
    };
    for (unsigned i = 0; i < least && !is_bad_; ++i) append(copy());
    if (!most) {
      const Piece loop = copy();
      const int32_t out = add();
      const int32_t fork = add(-1, loop.in, out);
      if (!is_bad_) link(loop.out, fork);
      append({fork, out});
    }
    for (unsigned i = least; most && i < *most && !is_bad_; ++i) {
      const Piece optional = copy();
      const int32_t out = add();
      const int32_t fork = add(-1, optional.in, out);
      if (!is_bad_) link(optional.out, out);
      append({fork, out});
    }
    return all;
  }

  bool take_count(unsigned& least, std::optional<unsigned>& most) {
    switch (rest_.front()) {
      case '*':
        least = 0;
        most.reset();
        break;
      case '+':
        most.reset();
        break;
      case '?':
        least = 0;
        break;
      case '{':
        rest_.remove_prefix(1);
        least = number();
        most = least;
        if (rest_.starts_with(',')) {
          rest_.remove_prefix(1);
          most.reset();
          if (!rest_.starts_with('}')) most = number();
        }
        if (!rest_.starts_with('}') || (most && *most < least)) is_bad_ = true;
        break;
      default:
        return false;
    }
    if (!is_bad_) rest_.remove_prefix(1);
    return true;
  }
  unsigned number() {
    unsigned value = 0;
    if (rest_.empty() || rest_.front() < '0' || rest_.front() > '9') is_bad_ = true;
    while (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9' && !is_bad_) {
      value = value * 10 + static_cast<unsigned>(rest_.front() - '0');
      rest_.remove_prefix(1);
      if (value > kRepeatMax) is_bad_ = true;
    }
    return value;
  }

  std::string_view rest_;
  TopicPattern pattern_;
  unsigned depth_ = 0;
  bool is_bad_ = false;
};

std::optional<TopicPattern> TopicPattern::parse(std::string_view expression) { return PatternParser(expression).run(); }

// All states that can be had from this one without a byte.
void TopicPattern::reach(int32_t state, std::vector<int32_t>& list, std::vector<uint32_t>& seen, uint32_t round) const {
  const size_t first = list.size();
  const auto add = [&](int32_t each) {
    if (each < 0 || seen[static_cast<size_t>(each)] == round) return;
    seen[static_cast<size_t>(each)] = round;
    list.push_back(each);
  };
  add(state);
  for (size_t i = first; i < list.size(); ++i) {
    const State& each = states_[static_cast<size_t>(list[i])];
    if (each.bytes >= 0) continue;
    add(each.next);
    add(each.other);
  }
}

bool TopicPattern::matches(std::string_view name) const {
  std::vector<uint32_t> seen(states_.size(), 0);
  std::vector<int32_t> present;
  std::vector<int32_t> next;
  uint32_t round = 1;
  reach(start_, present, seen, round);
  for (const char byte : name) {
    next.clear();
    ++round;
    for (const int32_t each : present) {
      const State& state = states_[static_cast<size_t>(each)];
      if (state.bytes < 0 || !sets_[static_cast<size_t>(state.bytes)].test(static_cast<uint8_t>(byte))) continue;
      reach(state.next, next, seen, round);
    }
    present.swap(next);
  }
  return std::ranges::find(present, end_) != present.end();
}

}  // namespace keelson::kafka
