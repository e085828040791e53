// The part of the line editor that touches the terminal.
#include "cli/line_editor.h"

#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace keelson::cli {

namespace {

// Keys come one by one and are not echoed, as long as this lives.
class RawMode {
 public:
  RawMode() {
    is_on_ = ::tcgetattr(STDIN_FILENO, &before_) == 0;
    if (!is_on_) return;
    termios raw = before_;
    raw.c_iflag &= ~static_cast<tcflag_t>(BRKINT | ICRNL | INPCK | ISTRIP | IXON);
    raw.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON | IEXTEN | ISIG);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    is_on_ = ::tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
  }
  ~RawMode() {
    if (is_on_) ::tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
  }
  RawMode(const RawMode&) = delete;
  RawMode& operator=(const RawMode&) = delete;
  [[nodiscard]] bool is_on() const { return is_on_; }

 private:
  termios before_{};
  bool is_on_ = false;
};

size_t terminal_columns() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 10) return 80;
  return size.ws_col;
}

void put(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

}  // namespace

bool LineEditor::is_possible() { return ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1; }

// Draws the whole line anew, over as many rows as it takes; the hint only as far as it fits on the last one.
void LineEditor::draw(const LineBuffer& line, const std::string& usual_prompt) {
  const size_t width = terminal_columns();
  const std::string prompt = line.prompt(usual_prompt);
  std::string out;
  if (cursor_row_ > 0) out.append("\x1b[").append(std::to_string(cursor_row_)).append("A");
  out.append("\r\x1b[J").append(prompt).append(line.text());

  const size_t end = columns_of(prompt) + columns_of(line.text());
  std::string hint = line.hint();
  const size_t room = width - end % width - 1;
  if (columns_of(hint) > room) {
    size_t keep = 0;
    for (size_t columns = 0; keep < hint.size() && columns < room; ++columns) {
      do ++keep;
      while (keep < hint.size() && (static_cast<unsigned char>(hint[keep]) & 0xc0) == 0x80);
    }
    hint.resize(keep);
  }
  if (!hint.empty()) out.append("\x1b[90m").append(hint).append("\x1b[0m");
  if (end % width == 0 && end != 0) out.append("\n\r");  // the terminal waits in its last column

  const size_t at = columns_of(prompt) + columns_of(std::string_view(line.text()).substr(0, line.cursor()));
  rows_drawn_ = end / width + 1;
  cursor_row_ = at / width;
  if (rows_drawn_ - 1 > cursor_row_)
    out.append("\x1b[").append(std::to_string(rows_drawn_ - 1 - cursor_row_)).append("A");
  out.append("\r");
  if (at % width != 0) out.append("\x1b[").append(std::to_string(at % width)).append("C");
  put(out);
}

// Below the line, in columns; the line is drawn again behind them.
void LineEditor::list(const std::vector<std::string>& choices) {
  size_t widest = 0;
  for (const std::string& choice : choices) widest = std::max(widest, columns_of(choice) + 2);
  const size_t per_row = std::max<size_t>(1, terminal_columns() / widest);
  std::string out = "\r\n";
  for (size_t i = 0; i < choices.size(); ++i) {
    out.append(choices[i]).append(widest - columns_of(choices[i]), ' ');
    if ((i + 1) % per_row == 0 || i + 1 == choices.size()) out.append("\r\n");
  }
  put(out);
  rows_drawn_ = 1;
  cursor_row_ = 0;
}

std::optional<std::string> LineEditor::read_line(const std::string& prompt) {
  const RawMode raw;
  if (!raw.is_on()) return std::nullopt;
  LineBuffer line(history_, help_);
  rows_drawn_ = 1;
  cursor_row_ = 0;
  draw(line, prompt);
  while (true) {
    while (const std::optional<KeyReader::Press> press = keys_.next()) {
      if (press->key == Key::kClear) {
        put("\x1b[H\x1b[2J");
        cursor_row_ = 0;
        continue;
      }
      const LineBuffer::State state = line.press(*press);
      if (!line.choices().empty()) list(line.choices());
      if (state == LineBuffer::State::kEditing) continue;
      line.press({Key::kEnd, ""});
      LineBuffer last = line;
      draw(last, prompt);
      put("\x1b[J\r\n");
      if (state == LineBuffer::State::kEnded) return std::nullopt;
      return state == LineBuffer::State::kEntered ? line.text() : std::string();
    }
    draw(line, prompt);
    char bytes[256];
    // tidy: file, because the keys of a terminal come from standard input.
    const ssize_t count = ::read(STDIN_FILENO, bytes, sizeof(bytes));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return std::nullopt;
    keys_.feed(std::string_view(bytes, static_cast<size_t>(count)));
  }
}

}  // namespace keelson::cli
