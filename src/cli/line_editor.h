// Edits one line on a terminal: cursor keys, history, completion with TAB, search with Ctrl-R, and a hint behind the
// cursor.
//
// LineBuffer is the pure part: what keys do to a line, and what is to be shown. LineEditor reads the keys of a terminal
// in raw mode and draws. It blocks its thread while it waits.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::cli {

struct LineHelp {
  std::function<std::vector<std::string>(std::string_view)> complete;
  std::function<std::string(std::string_view)> hint;
};

enum class Key : uint8_t {
  kText,
  kEnter,
  kBackspace,
  kDelete,
  kLeft,
  kRight,
  kUp,
  kDown,
  kHome,
  kEnd,
  kWordLeft,
  kWordRight,
  kDeleteWord,
  kDeleteToEnd,
  kDeleteToStart,
  kTab,
  kSearch,
  kCancel,
  kEof,
  kClear,
  kSwap,
  kUnknown,
};

// Takes bytes from a terminal and says which keys they are. Escape sequences may come in pieces.
class KeyReader {
 public:
  struct Press {
    Key key = Key::kUnknown;
    std::string text;  // kText: one UTF-8 character
  };
  void feed(std::string_view bytes) { waiting_.append(bytes); }
  // None: more bytes are needed.
  std::optional<Press> next();

 private:
  std::optional<Press> next_escape();
  std::string waiting_;
};

class LineBuffer {
 public:
  LineBuffer(const std::vector<std::string>& history, const LineHelp& help);
  enum class State : uint8_t { kEditing, kEntered, kCancelled, kEnded };
  State press(const KeyReader::Press& press);

  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] size_t cursor() const { return cursor_; }  // a byte, at the start of a character
  // What stands before the line: the prompt given, or that of a search.
  [[nodiscard]] std::string prompt(std::string_view usual) const;
  [[nodiscard]] std::string hint() const;
  // Completions to be listed below, after a second TAB; empty otherwise.
  [[nodiscard]] const std::vector<std::string>& choices() const { return choices_; }

 private:
  void set(std::string text);
  void insert(std::string_view text);
  void erase(size_t from, size_t to);
  [[nodiscard]] size_t left_of(size_t at) const;
  [[nodiscard]] size_t right_of(size_t at) const;
  [[nodiscard]] size_t word_left() const;
  [[nodiscard]] size_t word_right() const;
  void walk_history(int step);
  void complete();
  void press_edit(const KeyReader::Press& press);
  bool press_search(const KeyReader::Press& press);
  void search_from(size_t index);

  const std::vector<std::string>& history_;
  const LineHelp& help_;
  std::string text_;
  size_t cursor_ = 0;
  size_t history_at_;     // history_.size(): the line itself
  std::string own_line_;  // while the history is walked
  bool is_searching_ = false;
  std::string sought_;
  size_t found_at_ = 0;
  bool was_tab_ = false;
  std::vector<std::string> choices_;
};

class LineEditor {
 public:
  // The history's owner adds to it, between lines. Both live as long as the editor.
  LineEditor(const std::vector<std::string>& history, const LineHelp& help) : history_(history), help_(help) {}
  // Standard input and output are terminals.
  [[nodiscard]] static bool is_possible();
  // None at the end of the input (Ctrl-D). A cancelled line (Ctrl-C) is empty.
  std::optional<std::string> read_line(const std::string& prompt);

 private:
  void draw(const LineBuffer& line, const std::string& usual_prompt);
  void list(const std::vector<std::string>& choices);

  const std::vector<std::string>& history_;
  const LineHelp& help_;
  KeyReader keys_;
  size_t rows_drawn_ = 1;  // of the line, when it was drawn last
  size_t cursor_row_ = 0;
};

// Columns that a text takes on a terminal: one for each character that is not combining (an approximation).
size_t columns_of(std::string_view text);

}  // namespace keelson::cli
