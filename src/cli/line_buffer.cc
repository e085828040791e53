// The pure part of the line editor: keys from bytes, and what they do to a line.
#include <algorithm>
#include <utility>

#include "cli/line_editor.h"

namespace keelson::cli {

namespace {

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// Bytes of the character that begins with `first`; 1 for what is no UTF-8.
size_t length_of(char first) {
  const auto byte = static_cast<unsigned char>(first);
  if (byte >= 0xf0) return 4;
  if (byte >= 0xe0) return 3;
  return byte >= 0xc2 ? 2 : 1;
}

Key key_of_control(char c) {
  switch (c) {
    case 1:
      return Key::kHome;  // Ctrl-A
    case 2:
      return Key::kLeft;  // Ctrl-B
    case 3:
      return Key::kCancel;  // Ctrl-C
    case 4:
      return Key::kEof;  // Ctrl-D
    case 5:
      return Key::kEnd;  // Ctrl-E
    case 6:
      return Key::kRight;  // Ctrl-F
    case 8:
      return Key::kBackspace;  // Ctrl-H
    case 9:
      return Key::kTab;
    case 10:
      return Key::kEnter;
    case 11:
      return Key::kDeleteToEnd;  // Ctrl-K
    case 12:
      return Key::kClear;  // Ctrl-L
    case 13:
      return Key::kEnter;
    case 14:
      return Key::kDown;  // Ctrl-N
    case 16:
      return Key::kUp;  // Ctrl-P
    case 18:
      return Key::kSearch;  // Ctrl-R
    case 20:
      return Key::kSwap;  // Ctrl-T
    case 21:
      return Key::kDeleteToStart;  // Ctrl-U
    case 23:
      return Key::kDeleteWord;  // Ctrl-W
    case 127:
      return Key::kBackspace;
    default:
      return Key::kUnknown;
  }
}

// Sequences of xterm and its like, without the escape character.
struct Sequence {
  std::string_view bytes;
  Key key;
};
constexpr Sequence kSequences[] = {
    {"[A", Key::kUp},          {"[B", Key::kDown},         {"[C", Key::kRight},       {"[D", Key::kLeft},
    {"OA", Key::kUp},          {"OB", Key::kDown},         {"OC", Key::kRight},       {"OD", Key::kLeft},
    {"[H", Key::kHome},        {"[F", Key::kEnd},          {"OH", Key::kHome},        {"OF", Key::kEnd},
    {"[1~", Key::kHome},       {"[4~", Key::kEnd},         {"[7~", Key::kHome},       {"[8~", Key::kEnd},
    {"[3~", Key::kDelete},     {"[1;5C", Key::kWordRight}, {"[1;5D", Key::kWordLeft}, {"[1;3C", Key::kWordRight},
    {"[1;3D", Key::kWordLeft}, {"f", Key::kWordRight},     {"b", Key::kWordLeft},     {"\x7f", Key::kDeleteWord},
};

}  // namespace

std::optional<KeyReader::Press> KeyReader::next() {
  if (waiting_.empty()) return std::nullopt;
  const char first = waiting_.front();
  if (first == '\x1b') return next_escape();
  if (static_cast<unsigned char>(first) < 0x20 || first == 0x7f) {
    waiting_.erase(0, 1);
    return Press{key_of_control(first), ""};
  }
  const size_t length = length_of(first);
  if (waiting_.size() < length) return std::nullopt;
  Press press{Key::kText, waiting_.substr(0, length)};
  waiting_.erase(0, length);
  return press;
}

std::optional<KeyReader::Press> KeyReader::next_escape() {
  const std::string_view rest = std::string_view(waiting_).substr(1);
  if (rest.empty()) return std::nullopt;
  for (const Sequence& sequence : kSequences) {
    if (!rest.starts_with(sequence.bytes)) continue;
    waiting_.erase(0, 1 + sequence.bytes.size());
    return Press{sequence.key, ""};
  }
  // One that nobody knows is passed over as a whole: ESC [ parameters, then a letter or ~.
  size_t length = 1;
  if (rest[0] == '[' || rest[0] == 'O') {
    while (length < rest.size() && (rest[length] < 0x40 || rest[length] > 0x7e)) ++length;
    if (length == rest.size()) return std::nullopt;
    ++length;
  }
  waiting_.erase(0, 1 + length);
  return Press{Key::kUnknown, ""};
}

LineBuffer::LineBuffer(const std::vector<std::string>& history, const LineHelp& help)
    : history_(history), help_(help), history_at_(history.size()) {}

void LineBuffer::set(std::string text) {
  text_ = std::move(text);
  cursor_ = text_.size();
}

void LineBuffer::insert(std::string_view text) {
  text_.insert(cursor_, text);
  cursor_ += text.size();
}

void LineBuffer::erase(size_t from, size_t to) {
  text_.erase(from, to - from);
  cursor_ = from;
}

size_t LineBuffer::left_of(size_t at) const {
  if (at == 0) return 0;
  do --at;
  while (at > 0 && continues(text_[at]));
  return at;
}

size_t LineBuffer::right_of(size_t at) const {
  if (at == text_.size()) return at;
  do ++at;
  while (at < text_.size() && continues(text_[at]));
  return at;
}

size_t LineBuffer::word_left() const {
  size_t at = cursor_;
  while (at > 0 && text_[at - 1] == ' ') --at;
  while (at > 0 && text_[at - 1] != ' ') --at;
  return at;
}

size_t LineBuffer::word_right() const {
  size_t at = cursor_;
  while (at < text_.size() && text_[at] == ' ') ++at;
  while (at < text_.size() && text_[at] != ' ') ++at;
  return at;
}

void LineBuffer::walk_history(int step) {
  if (step < 0 ? history_at_ == 0 : history_at_ == history_.size()) return;
  if (history_at_ == history_.size()) own_line_ = text_;
  history_at_ = step < 0 ? history_at_ - 1 : history_at_ + 1;
  set(history_at_ == history_.size() ? own_line_ : history_[history_at_]);
}

void LineBuffer::complete() {
  const bool is_second = std::exchange(was_tab_, true);
  if (cursor_ != text_.size() || !help_.complete) return;
  const std::vector<std::string> found = help_.complete(text_);
  if (found.empty()) return;
  std::string common = found.front();
  for (const std::string& one : found) {
    common.resize(static_cast<size_t>(std::mismatch(common.begin(), common.end(), one.begin(), one.end()).first -
                                      common.begin()));
  }
  if (found.size() == 1) {
    set(common + " ");
  } else if (common.size() > text_.size()) {
    set(common);
  } else if (is_second) {
    choices_ = found;
  }
}

void LineBuffer::press_edit(const KeyReader::Press& press) {
  switch (press.key) {
    case Key::kText:
      insert(press.text);
      break;
    case Key::kBackspace:
      erase(left_of(cursor_), cursor_);
      break;
    case Key::kDelete:
      erase(cursor_, right_of(cursor_));
      break;
    case Key::kLeft:
      cursor_ = left_of(cursor_);
      break;
    case Key::kRight:
      cursor_ = right_of(cursor_);
      break;
    case Key::kHome:
      cursor_ = 0;
      break;
    case Key::kEnd:
      cursor_ = text_.size();
      break;
    case Key::kWordLeft:
      cursor_ = word_left();
      break;
    case Key::kWordRight:
      cursor_ = word_right();
      break;
    case Key::kUp:
      walk_history(-1);
      break;
    case Key::kDown:
      walk_history(1);
      break;
    case Key::kDeleteWord:
      erase(word_left(), cursor_);
      break;
    case Key::kDeleteToEnd:
      erase(cursor_, text_.size());
      break;
    case Key::kDeleteToStart:
      erase(0, cursor_);
      break;
    case Key::kSwap:
      if (cursor_ > 0 && text_.size() > 1) {
        const size_t middle = cursor_ == text_.size() ? left_of(cursor_) : cursor_;
        const size_t begin = left_of(middle);
        const size_t end = right_of(middle);
        std::rotate(text_.begin() + static_cast<ptrdiff_t>(begin), text_.begin() + static_cast<ptrdiff_t>(middle),
                    text_.begin() + static_cast<ptrdiff_t>(end));
        cursor_ = end;
      }
      break;
    default:
      break;
  }
}

// Looks in the history for the sought text, from `index` to older lines.
void LineBuffer::search_from(size_t index) {
  for (size_t i = std::min(index + 1, history_.size()); i > 0; --i) {
    if (history_[i - 1].find(sought_) == std::string::npos) continue;
    found_at_ = i - 1;
    set(history_[found_at_]);
    return;
  }
}

// False: the key ends the search and is handled as usual.
bool LineBuffer::press_search(const KeyReader::Press& press) {
  if (press.key == Key::kText || press.key == Key::kBackspace) {
    if (press.key == Key::kText) {
      sought_.append(press.text);
    } else {
      while (!sought_.empty() && continues(sought_.back())) sought_.pop_back();
      if (!sought_.empty()) sought_.pop_back();
    }
    search_from(history_.size());
    return true;
  }
  if (press.key == Key::kSearch) {
    if (found_at_ > 0) search_from(found_at_ - 1);
    return true;
  }
  is_searching_ = false;
  if (press.key == Key::kCancel || press.key == Key::kEof) {
    set(own_line_);
    return true;
  }
  return false;
}

LineBuffer::State LineBuffer::press(const KeyReader::Press& press) {
  choices_.clear();
  if (press.key != Key::kTab) was_tab_ = false;
  if (is_searching_ && press_search(press)) return State::kEditing;
  switch (press.key) {
    case Key::kEnter:
      return State::kEntered;
    case Key::kCancel:
      return State::kCancelled;
    case Key::kEof:
      if (text_.empty()) return State::kEnded;
      erase(cursor_, right_of(cursor_));
      break;
    case Key::kTab:
      complete();
      break;
    case Key::kSearch:
      is_searching_ = true;
      sought_.clear();
      own_line_ = text_;
      found_at_ = history_.size();
      break;
    default:
      press_edit(press);
  }
  return State::kEditing;
}

std::string LineBuffer::prompt(std::string_view usual) const {
  return is_searching_ ? "(search \"" + sought_ + "\") " : std::string(usual);
}

std::string LineBuffer::hint() const {
  if (is_searching_ || cursor_ != text_.size() || !help_.hint) return {};
  return help_.hint(text_);
}

size_t columns_of(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return !continues(c); }));
}

}  // namespace keelson::cli
